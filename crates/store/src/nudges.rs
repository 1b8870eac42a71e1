//! A subscription that lasts. What is published on a channel (`SPUBLISH`) reaches [`Nudges::next`]; a nudge may be lost, so
//! everything that could have hidden one is told as well: that the subscription was made (again), and that too much came.
//!
//! The connection goes to the primary that owns the channel's slot and follows it: it is made anew when it ends, when it says
//! nothing although it is asked, when the server takes the subscription away because the slot has moved, and when the map of
//! servers names another primary.

use crate::core::Core;
use crate::counters::count;
use crate::dial::{Pushed, Role};
use crate::node::{Node, attend, pause};
use crate::place::Mode;
use crate::reply::Reply;
use crate::slot::slot_of;
use crate::wire::{Ask, NoReply, Wire};
use bytes::Bytes;
use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Value};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// How many nudges are kept for one who does not take them.
const KEPT_MAX: usize = 64;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// This was published.
    Message(Bytes),
    /// The subscription was made, the first time too: what was published before it did not arrive.
    Reconnected,
    /// More came than was taken; some of it is gone.
    Missed,
}

/// A subscription to one channel; dropping it ends it.
pub struct Nudges {
    inbox: Arc<Inbox>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Inbox {
    kept: Mutex<VecDeque<Nudge>>,
    came: Notify,
}

impl Inbox {
    fn push(&self, nudge: Nudge) {
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
            kept.push_back(Nudge::Missed);
        }
        kept.push_back(nudge);
        drop(kept);
        self.came.notify_one();
    }
}

impl Nudges {
    pub(crate) fn start(core: &Arc<Core>, channel: Bytes) -> Self {
        let inbox = Arc::new(Inbox::default());
        let stop = watch::Sender::new(false);
        let subscription = Subscription {
            core: Arc::clone(core),
            channel,
            inbox: Arc::clone(&inbox),
        };
        let (mut dropped, mut closed) = (stop.subscribe(), core.stop.subscribe());
        core.around.dialer.parts.runtime.spawn(Box::pin(async move {
            tokio::select! {
                () = subscription.keep() => {}
                _ = dropped.wait_for(|stop| *stop) => {}
                _ = closed.wait_for(|stop| *stop) => {}
            }
        }));
        Self { inbox, stop }
    }

    /// The next one. May be dropped and called again without losing any.
    pub async fn next(&mut self) -> Nudge {
        loop {
            let kept = self.inbox.kept.lock().pop_front();
            if let Some(nudge) = kept {
                return nudge;
            }
            self.inbox.came.notified().await;
        }
    }
}

impl Drop for Nudges {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

struct Subscription {
    core: Arc<Core>,
    channel: Bytes,
    inbox: Arc<Inbox>,
}

impl Subscription {
    async fn keep(self) {
        let around = Arc::clone(&self.core.around);
        let mut attempts = 0;
        let mut fault: Arc<str> = Arc::default();
        loop {
            let mut changed = around.changed.subscribe();
            let map = self.core.atlas.map();
            let node = self.core.primary(&map, slot_of(&self.channel)).ok();
            // Its supervisors find out when it is there again.
            let Some(node) = node.filter(|node| node.is_up()) else {
                attempts = 0;
                if changed.changed().await.is_err() {
                    return;
                }
                continue;
            };
            drop(map);
            let moved = Arc::new(Notify::new());
            match self.subscribe(&node, &moved).await {
                Ok(wire) => {
                    self.inbox.push(Nudge::Reconnected);
                    tokio::select! {
                        () = attend(&wire, &around) => {}
                        () = moved.notified() => around.doubt(),
                        () = self.until_elsewhere(&node) => {}
                    }
                    count(&around.counters.reconnects);
                    attempts = 0;
                }
                Err(why) => {
                    around.doubt();
                    if why != fault {
                        tracing::warn!(server = %node.address, "redis takes no subscription: {why}");
                        fault = why;
                    }
                }
            }
            let wait = pause(attempts, around.dialer.parts.random.next_unit());
            attempts += 1;
            around.dialer.parts.runtime.sleep(wait).await;
        }
    }

    async fn subscribe(&self, node: &Arc<Node>, moved: &Arc<Notify>) -> Result<Wire, Arc<str>> {
        let dialer = &self.core.around.dialer;
        let (inbox, moved, channel) = (Arc::clone(&self.inbox), Arc::clone(moved), self.channel.clone());
        let pushed: Pushed = Box::new(move |push: PushInfo| match push.kind {
            PushKind::SMessage => {
                let mut data = push.data.into_iter();
                if let (Some(Value::BulkString(from)), Some(Value::BulkString(payload))) = (data.next(), data.next())
                    && from == channel
                {
                    inbox.push(Nudge::Message(payload.into()));
                }
            }
            // The slot has moved away.
            PushKind::SUnsubscribe => moved.notify_one(),
            _ => {}
        });
        let known = self.core.place.mode == Mode::Sentinel;
        let role = Role::Primary { known };
        let wire = dialer.dial(&node.address, role, Some(pushed)).await?;
        let mut command = redis::cmd("SSUBSCRIBE");
        command.arg(&self.channel[..]);
        match wire
            .ask(Ask::One(&command), dialer.operation_limit, &dialer.parts)
            .await
        {
            Ok(value) => match Reply::from_value(value, &node.address) {
                Ok(_) => Ok(wire),
                Err(error) => Err(error.to_string().into()),
            },
            Err(NoReply::Lost(why)) => Err(why),
            Err(NoReply::TimedOut { .. }) => Err("it does not reply".into()),
        }
    }

    /// Waits until the map names another primary for the channel.
    async fn until_elsewhere(&self, node: &Arc<Node>) {
        let mut changed = self.core.around.changed.subscribe();
        loop {
            let map = self.core.atlas.map();
            let owner = self.core.primary(&map, slot_of(&self.channel));
            drop(map);
            if !owner.is_ok_and(|owner| owner.address == node.address) || changed.changed().await.is_err() {
                return;
            }
        }
    }
}
