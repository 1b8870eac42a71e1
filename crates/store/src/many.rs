//! Operations on many keys: sorted by the servers that own them, one request to each, all at the same time. What a cluster
//! redirects is sorted and sent again.

use crate::config::ReadFrom;
use crate::core::{Core, REDIRECTS_MAX, Redirect, redirect_of};
use crate::counters::count;
use crate::error::StoreError;
use crate::node::Node;
use crate::reply::Reply;
use crate::slot::slot_of;
use crate::wire::Ask;
use bytes::Bytes;
use redis::{Pipeline, Value};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// The keys of one server, by their places in what was asked for.
struct Group {
    node: Arc<Node>,
    places: Vec<usize>,
}

impl Core {
    /// `name KEY` for every key, in the order of the keys.
    pub(crate) async fn each(&self, name: &str, keys: &[Bytes], from: ReadFrom) -> Vec<Result<Reply, StoreError>> {
        let until = self.now().after(self.limit());
        let mut replies: Vec<Option<Result<Reply, StoreError>>> = vec![None; keys.len()];
        let mut open: Vec<usize> = (0..keys.len()).collect();
        let mut from = from;
        for _ in 0..=REDIRECTS_MAX {
            let map = self.atlas.map();
            let mut groups: Vec<Group> = Vec::new();
            for place in open.drain(..) {
                match self.reader(&map, slot_of(&keys[place]), from) {
                    Err(error) => replies[place] = Some(Err(error)),
                    Ok(node) => sort_in(&mut groups, node, place),
                }
            }
            let limit = self.left(until);
            let asked = groups.iter().map(|group| async move {
                let mut pipeline = Pipeline::with_capacity(group.places.len());
                for place in &group.places {
                    pipeline.cmd(name).arg(&keys[*place][..]);
                }
                group.node.ask(Ask::Many(&pipeline), limit).await
            });
            let answered = all(asked).await;
            let mut unknown = None;
            for (group, answer) in groups.iter().zip(answered) {
                let values = match answer {
                    Ok(Value::Array(values)) if values.len() == group.places.len() => values,
                    Ok(_) => {
                        let server = group.node.address.shown();
                        let wanted = "a reply to each command";
                        set(&mut replies, group, &StoreError::Unexpected { server, wanted });
                        continue;
                    }
                    Err(error) => {
                        set(&mut replies, group, &error);
                        continue;
                    }
                };
                for (place, value) in group.places.iter().zip(values) {
                    match redirect_of(&value, &group.node.address) {
                        None => replies[*place] = Some(self.understood(value, &group.node)),
                        Some(Redirect::Moved { slot, host, port }) => {
                            // Each of them is taken in; only an owner that is not known has to be waited for.
                            if !self.atlas.moved(slot, &host, port) {
                                unknown = Some((slot, host, port));
                            }
                            open.push(*place);
                        }
                        Some(Redirect::Ask { .. }) => {
                            let command = redis::cmd(name).arg(&keys[*place][..]).clone();
                            let slot = slot_of(&keys[*place]);
                            replies[*place] = Some(self.route(slot, ReadFrom::Primary, &command).await);
                        }
                    }
                }
            }
            if open.is_empty() {
                break;
            }
            count(&self.around.counters.redirects);
            from = ReadFrom::Primary;
            if let Some((slot, host, port)) = unknown {
                self.follow(&map, slot, &host, port, until).await;
            }
        }
        let lost = self.sent_around(None);
        replies
            .into_iter()
            .map(|reply| reply.unwrap_or_else(|| Err(lost.clone())))
            .collect()
    }
}

fn sort_in(groups: &mut Vec<Group>, node: Arc<Node>, place: usize) {
    // A cluster has few servers, so looking through them costs less than hashing their addresses.
    match groups.iter_mut().find(|group| Arc::ptr_eq(&group.node, &node)) {
        Some(group) => group.places.push(place),
        None => groups.push(Group {
            node,
            places: vec![place],
        }),
    }
}

fn set(replies: &mut [Option<Result<Reply, StoreError>>], group: &Group, error: &StoreError) {
    for place in &group.places {
        replies[*place] = Some(Err(error.clone()));
    }
}

/// Runs all of them at the same time; their results in the same order.
pub(crate) async fn all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    enum Part<F, T> {
        Running(Pin<Box<F>>),
        Done(Option<T>),
    }
    let mut parts: Vec<Part<_, T>> = futures
        .into_iter()
        .map(|future| Part::Running(Box::pin(future)))
        .collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for part in &mut parts {
            if let Part::Running(future) = part {
                match future.as_mut().poll(context) {
                    Poll::Ready(result) => *part = Part::Done(Some(result)),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    parts
        .into_iter()
        .filter_map(|part| match part {
            Part::Running(_) => None,
            Part::Done(result) => result,
        })
        .collect()
}
