//! A connection of one's own, with one request outstanding. What matters here is that a reply is never taken for that of
//! another request: after a time limit, or when the asker goes away in the middle, the connection is closed, and whatever the
//! server still says is thrown away with it (`BACKPLANE.md` names the promise that this keeps).

use crate::client::{is_unknown, script_command};
use crate::core::{Core, REDIRECTS_MAX, Redirect, redirect_of};
use crate::counters::count;
use crate::dial::Role;
use crate::error::StoreError;
use crate::node::Node;
use crate::place::{Address, Mode};
use crate::reply::Reply;
use crate::script::Script;
use crate::wire::{Ask, Wire};
use redis::{Cmd, Pipeline, Value};
use std::sync::Arc;
use std::time::Duration;

/// A connection to the primary that owns one slot, wherever that is. Made when it is needed, and again after a fault.
pub struct Control {
    core: Arc<Core>,
    slot: u16,
    held: Option<(Address, Wire)>,
}

/// What a script replied, and how many replicas have its writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The script's reply.
    pub reply: Reply,
    /// How many replicas said in time that they have it.
    pub replicas: u32,
}

impl Control {
    pub(crate) fn new(core: Arc<Core>, slot: u16) -> Self {
        Self { core, slot, held: None }
    }

    /// Runs a script and waits until `replicas` replicas have what it wrote, at most `wait_limit`; both in one round trip. With
    /// no replicas to wait for there is no wait. The whole may take `wait_limit` and `redis.operation_timeout`, and what
    /// connecting takes. That fewer replicas acknowledged is no error.
    ///
    /// # Errors
    /// See [`StoreError`]. After any but [`StoreError::Refused`] and [`StoreError::Away`] it is not known whether the script
    /// ran.
    pub async fn script_and_wait(
        &mut self,
        script: &Script,
        keys: &[&[u8]],
        args: &[&[u8]],
        replicas: u32,
        wait_limit: Duration,
    ) -> Result<Acknowledged, StoreError> {
        let known = script_command("EVALSHA", script.sha(), keys, args);
        let mut result = self.run(&known, replicas, wait_limit).await;
        if is_unknown(&result) {
            let told = script_command("EVAL", script.body(), keys, args);
            result = self.run(&told, replicas, wait_limit).await;
        }
        self.core.around.counters.ended(result)
    }

    /// How many replicas the primary has right now.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn replicas(&mut self) -> Result<u32, StoreError> {
        let result = self.run(&redis::cmd("ROLE"), 0, Duration::ZERO).await;
        let result = result.map(|done| {
            let list = done.reply.array().and_then(|parts| parts.get(2)).and_then(Reply::array);
            list.map_or(0, |list| u32::try_from(list.len()).unwrap_or(u32::MAX))
        });
        self.core.around.counters.ended(result)
    }

    async fn run(&mut self, command: &Cmd, replicas: u32, wait_limit: Duration) -> Result<Acknowledged, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command.clone());
        if replicas > 0 {
            // To wait for 0 ms is to wait for ever.
            let wait_ms = u64::try_from(wait_limit.as_millis())
                .unwrap_or(u64::MAX)
                .clamp(1, 60_000);
            pipeline.cmd("WAIT").arg(replicas).arg(wait_ms);
        }
        let limit = self.core.limit() + wait_limit;
        let until = self.core.now().after(limit);
        let (mut last, mut asked) = (None, None);
        for _ in 0..=REDIRECTS_MAX {
            let map = self.core.atlas.map();
            let (node, values) = match asked.take() {
                None => {
                    let node = self.core.primary(&map, self.slot)?;
                    let values = self.exchange(&node, &pipeline, limit).await?;
                    (node, values)
                }
                Some(node) => {
                    let mut values = self.exchange(&node, &asking(&pipeline), limit).await?;
                    values.remove(0);
                    (node, values)
                }
            };
            let mut values = values.into_iter();
            let first = values.next().unwrap_or_default();
            if let Some(redirect) = redirect_of(&first, &node.address) {
                count(&self.core.around.counters.redirects);
                match redirect {
                    Redirect::Moved { slot, host, port } => self.core.follow(&map, slot, &host, port, until).await,
                    Redirect::Ask { host, port } => asked = map.primary_at(&host, port).cloned(),
                }
                last = Some(node);
                continue;
            }
            let reply = self.core.understood(first, &node);
            if matches!(&reply, Err(StoreError::Refused { code, .. }) if &**code == "READONLY") {
                self.held = None;
            }
            let acknowledged = match values.next() {
                Some(value) => Reply::from_value(value, &node.address)?.int().unwrap_or(0),
                None => 0,
            };
            return Ok(Acknowledged {
                reply: reply?,
                replicas: u32::try_from(acknowledged).unwrap_or(0),
            });
        }
        Err(self.core.sent_around(last.as_ref()))
    }

    /// One request and its replies. While it is under way the connection belongs to this call alone: it is put back only after
    /// the last reply, so that any other end, a dropped future too, closes it.
    async fn exchange(
        &mut self,
        node: &Arc<Node>,
        pipeline: &Pipeline,
        limit: Duration,
    ) -> Result<Vec<Value>, StoreError> {
        let wire = match self.held.take() {
            Some((address, wire)) if address == node.address && wire.ended().is_none() => wire,
            _ => self.connect(node).await?,
        };
        let began = self.core.now();
        let parts = &self.core.around.dialer.parts;
        match wire.ask(Ask::Many(pipeline), limit, parts).await {
            Ok(Value::Array(values)) if values.len() == pipeline.len() => {
                self.held = Some((node.address.clone(), wire));
                Ok(values)
            }
            Ok(_) => Err(StoreError::Unexpected {
                server: node.address.shown(),
                wanted: "a reply to each command",
            }),
            Err(none) => {
                wire.close("a reply did not come in time");
                Err(node.explain(none, began, limit))
            }
        }
    }

    async fn connect(&self, node: &Arc<Node>) -> Result<Wire, StoreError> {
        // A server whose supervisors reach it is tried, any other would cost a time limit.
        if !node.is_up() {
            return Err(node.away());
        }
        let known = self.core.place.mode == Mode::Sentinel;
        let mut changed = self.core.around.changed.subscribe();
        let lost = async { while node.is_up() && changed.changed().await.is_ok() {} };
        tokio::select! {
            dialed = self.core.around.dialer.dial(&node.address, Role::Primary { known }, None) => {
                dialed.map_err(|why| StoreError::Away {
                    server: node.address.shown(),
                    why,
                })
            }
            () = lost => Err(node.away()),
        }
    }
}

/// The same for a node that a slot is being moved to.
fn asking(pipeline: &Pipeline) -> Pipeline {
    let mut asking = Pipeline::new();
    asking.cmd("ASKING");
    for command in pipeline.cmd_iter() {
        asking.add_command(command.clone());
    }
    asking
}
