//! The driver's way to Redis, as it sees it: one question at a time to the primary of a control shard, nudges, and reads of
//! the table of nodes. In tests somebody else answers.

use super::scripts::{self, Call, ControlKeys, Source, Value};
use peregrine_store::{Control, Nudges, Redis, Reply, Script, StoreError};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// An answer on its way, or the word for why there is none.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, LinkFault>> + Send + 'a>>;

/// Why Redis gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkFault {
    /// For metrics.
    pub(crate) kind: &'static str,
    /// For people.
    pub(crate) text: String,
}

/// A connection of its own to the primary of a control shard.
pub(crate) trait Line: Send {
    /// Runs `call` and waits until `replicas` replicas have what it wrote, for at most `wait_limit`: the answer, and how many
    /// have. One at a time; dropping the future gives the connection up, so that no answer is ever taken for another's.
    fn ask<'a>(&'a mut self, call: &'a Call, replicas: u32, wait_limit: Duration) -> Answer<'a, (Value, u32)>;
    /// How many replicas this primary has.
    fn replicas(&mut self) -> Answer<'_, u32>;
}

/// Rings when something was invalidated somewhere, or may have been.
pub(crate) trait Bell: Send {
    /// Completes at the next ring. Dropping it loses none.
    fn rung(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The way to Redis.
pub(crate) trait Link: Send + Sync + 'static {
    /// A line to the shard with `keys`.
    fn line(&self, keys: &ControlKeys) -> Box<dyn Line>;
    /// The bell of the shard with `keys`.
    fn bell(&self, keys: &ControlKeys) -> Box<dyn Bell>;
    /// Runs a call for which no replica is waited for.
    fn read<'a>(&'a self, call: &'a Call) -> Answer<'a, Value>;
    /// How many replicas are known to be there.
    fn replicas_known(&self) -> u32;
}

static INVALIDATE: Script = Script::new(scripts::INVALIDATE.text);
static SYNC: Script = Script::new(scripts::SYNC.text);
static NODES: Script = Script::new(scripts::NODES.text);
static LEAVE: Script = Script::new(scripts::LEAVE.text);

/// What the client knows a script by.
fn script_of(source: &'static Source) -> &'static Script {
    match source.name {
        "invalidate" => &INVALIDATE,
        "sync" => &SYNC,
        "leave" => &LEAVE,
        _ => &NODES,
    }
}

/// The way to Redis by its client.
pub(crate) struct RedisLink(pub(crate) Arc<Redis>);

impl Link for RedisLink {
    fn line(&self, keys: &ControlKeys) -> Box<dyn Line> {
        Box::new(RedisLine(self.0.control(keys.route())))
    }

    fn bell(&self, keys: &ControlKeys) -> Box<dyn Bell> {
        Box::new(RedisBell(self.0.nudges(keys.channel())))
    }

    fn read<'a>(&'a self, call: &'a Call) -> Answer<'a, Value> {
        Box::pin(async move {
            let (keys, args) = (slices(&call.keys), slices(&call.args));
            let reply = self.0.script(script_of(call.script), &keys, &args).await;
            Ok(value_of(&reply.map_err(LinkFault::of)?))
        })
    }

    fn replicas_known(&self) -> u32 {
        self.0.replicas()
    }
}

struct RedisLine(Control);

impl Line for RedisLine {
    fn ask<'a>(&'a mut self, call: &'a Call, replicas: u32, wait_limit: Duration) -> Answer<'a, (Value, u32)> {
        Box::pin(async move {
            let (keys, args) = (slices(&call.keys), slices(&call.args));
            let script = script_of(call.script);
            let asked = self.0.script_and_wait(script, &keys, &args, replicas, wait_limit).await;
            let asked = asked.map_err(LinkFault::of)?;
            Ok((value_of(&asked.reply), asked.replicas))
        })
    }

    fn replicas(&mut self) -> Answer<'_, u32> {
        Box::pin(async move { self.0.replicas().await.map_err(LinkFault::of) })
    }
}

struct RedisBell(Nudges);

impl Bell for RedisBell {
    fn rung(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // Whatever it says, the answer is to look.
        Box::pin(async move { drop(self.0.next().await) })
    }
}

impl LinkFault {
    fn of(error: StoreError) -> Self {
        Self {
            kind: error.kind().as_str(),
            text: error.to_string(),
        }
    }
}

fn slices(texts: &[Vec<u8>]) -> Vec<&[u8]> {
    texts.iter().map(Vec::as_slice).collect()
}

fn value_of(reply: &Reply) -> Value {
    match reply {
        Reply::Nil => Value::Nil,
        Reply::Int(number) => Value::Int(*number),
        Reply::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Reply::Array(members) => Value::Array(members.iter().map(value_of).collect()),
    }
}
