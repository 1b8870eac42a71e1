//! The scripts that run in Redis, the calls of them, and what they answer. A script is one step for everybody else there;
//! together they are the only ones that touch the control keys of a shard:
//!
//! * `{pg:0}m`, a hash: `salt`, `seq`, `floor`, `count`
//! * `{pg:0}z`, a sorted set: mark ([`super::wire`]) → the `seq` of its last invalidation
//! * `{pg:0}n`, a hash: node → the generation it knows, up to where it knows all of it, its bound, when it was seen; or that
//!   it left, and when
//! * `{pg:0}c`, a channel: a nudge after each invalidation
//!
//! Answers come from outside and are taken for nothing else than bytes: what cannot be read is [`Garbled`], never a panic.

use super::Gen;
use super::generation::Generation;
use super::protocol::SyncRequest;
use super::wire::Mark;
use std::time::Duration;

/// The most targets that the sorted set keeps: about 14 MB.
pub const TARGETS_KEPT: u32 = 100_000;
/// The most marks of one call of [`INVALIDATE`]; more become their namespaces.
pub const MARKS_MAX: usize = 1000;
/// The most records of one answer of [`SYNC`].
pub const PAGE_RECORDS: u32 = 5000;
/// A node that is silent for so many of its bounds, and for a while, is not there any more.
pub(crate) const SILENT_BOUNDS: u32 = 10;
/// How long the table of nodes is kept when nobody asks any more.
const NODES_KEPT: Duration = Duration::from_secs(24 * 3600);

/// A script.
#[derive(Debug)]
pub struct Source {
    /// For logs.
    pub name: &'static str,
    /// In Lua.
    pub text: &'static str,
}

/// Enters invalidations.
pub static INVALIDATE: Source = Source {
    name: "invalidate",
    text: concat!(
        include_str!("scripts/generation.lua"),
        include_str!("scripts/invalidate.lua")
    ),
};

/// Registers a node and answers what it does not know.
pub static SYNC: Source = Source {
    name: "sync",
    text: concat!(include_str!("scripts/generation.lua"), include_str!("scripts/sync.lua")),
};

/// Answers which nodes there are.
pub static NODES: Source = Source {
    name: "nodes",
    text: include_str!("scripts/nodes.lua"),
};

/// Notes that a node left.
pub static LEAVE: Source = Source {
    name: "leave",
    text: include_str!("scripts/leave.lua"),
};

/// Renews the stamp before a value, if it is still the one that was read.
pub static RESTAMP: Source = Source {
    name: "restamp",
    text: include_str!("scripts/restamp.lua"),
};

/// A script with its arguments.
#[derive(Debug)]
pub struct Call {
    /// The script.
    pub script: &'static Source,
    /// Its keys, all in one slot.
    pub keys: Vec<Vec<u8>>,
    /// Its arguments.
    pub args: Vec<Vec<u8>>,
}

/// What Redis answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// A number.
    Int(i64),
    /// A text.
    Bytes(Vec<u8>),
    /// Several answers.
    Array(Vec<Value>),
}

/// An answer that no script of ours gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an answer that cannot be read: {0}")]
pub struct Garbled(&'static str);

/// The keys of a control shard.
#[derive(Clone, Debug)]
pub struct ControlKeys {
    state: Vec<u8>,
    targets: Vec<u8>,
    nodes: Vec<u8>,
    channel: Vec<u8>,
}

impl ControlKeys {
    /// Those of `shard` under `prefix`.
    #[must_use]
    pub fn new(prefix: &str, shard: u32) -> Self {
        let key = |suffix: char| format!("{{{prefix}:{shard}}}{suffix}").into_bytes();
        Self {
            state: key('m'),
            targets: key('z'),
            nodes: key('n'),
            channel: key('c'),
        }
    }

    /// A key that lies where all of them do.
    #[must_use]
    pub fn route(&self) -> &[u8] {
        &self.state
    }

    /// Where the nudges come.
    #[must_use]
    pub fn channel(&self) -> &[u8] {
        &self.channel
    }

    /// Enters `marks`, at most [`MARKS_MAX`]. `salt` is random.
    #[must_use]
    pub fn invalidate(&self, salt: u64, marks: &[Mark]) -> Call {
        self.invalidate_keeping(salt, marks, TARGETS_KEPT)
    }

    pub(crate) fn invalidate_keeping(&self, salt: u64, marks: &[Mark], kept: u32) -> Call {
        let fixed = [text(salt_text(salt)), text(kept), self.channel.clone()];
        let marks = marks.iter().take(MARKS_MAX).map(text);
        Call {
            script: &INVALIDATE,
            keys: vec![self.state.clone(), self.targets.clone()],
            args: fixed.into_iter().chain(marks).collect(),
        }
    }

    /// Asks what `node` does not know. `salt` is random.
    #[must_use]
    pub fn sync(&self, salt: u64, node: &str, request: &SyncRequest, bound: Duration) -> Call {
        self.sync_paged(salt, node, request, bound, PAGE_RECORDS)
    }

    pub(crate) fn sync_paged(&self, salt: u64, node: &str, request: &SyncRequest, bound: Duration, page: u32) -> Call {
        let known = request.generation.as_ref().map_or("-", Generation::text);
        Call {
            script: &SYNC,
            keys: vec![self.state.clone(), self.targets.clone(), self.nodes.clone()],
            args: vec![
                text(salt_text(salt)),
                text(node),
                text(known),
                text(request.cursor),
                text(bound.as_millis()),
                text(page),
                text(NODES_KEPT.as_millis()),
                text(request.heard),
            ],
        }
    }

    /// Asks which nodes there are; those that said nothing for `silence_max` and for ten of their bounds are struck out.
    #[must_use]
    pub fn nodes(&self, silence_max: Duration) -> Call {
        Call {
            script: &NODES,
            keys: vec![self.nodes.clone()],
            args: vec![text(silence_max.as_millis()), text(SILENT_BOUNDS)],
        }
    }

    /// Notes that `node` left.
    #[must_use]
    pub fn leave(&self, node: &str) -> Call {
        Call {
            script: &LEAVE,
            keys: vec![self.nodes.clone()],
            args: vec![text(node), text(NODES_KEPT.as_millis())],
        }
    }
}

fn text(value: impl ToString) -> Vec<u8> {
    value.to_string().into_bytes()
}

pub(crate) fn salt_text(salt: u64) -> String {
    format!("{salt:016x}")
}

/// What SYNC answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReply {
    /// The generation of the shard.
    pub generation: Generation,
    /// The number of its last invalidation.
    pub seq: u64,
    /// What was invalidated up to here is not known in detail any more.
    pub floor: u64,
    /// Whether these are all records that there are.
    pub last: bool,
    /// What was invalidated above the cursor, in order.
    pub records: Vec<(Mark, u64)>,
}

/// What INVALIDATE answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidateReply {
    /// The generation of the shard.
    pub generation: Generation,
    /// The number of the last mark; those before it count down from there.
    pub seq: u64,
    /// The number that each mark had before, which does not show any more; zero where it had none.
    pub before: Vec<u64>,
}

/// A row of the table of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSeen {
    /// The node.
    pub name: String,
    /// The generation that it knew when it asked last.
    pub generation: Gen,
    /// Up to where it knew of invalidations then.
    pub cursor: u64,
    /// Its freshness bound.
    pub bound: Duration,
    /// How long ago it asked.
    pub silent: Duration,
}

impl SyncReply {
    /// Reads an answer.
    ///
    /// # Errors
    /// It is none of SYNC.
    pub fn parse(value: &Value) -> Result<Self, Garbled> {
        let [generation, seq, floor, last, records] = fields(value)? else {
            return Err(Garbled("not five fields"));
        };
        let Value::Array(records) = records else {
            return Err(Garbled("no records"));
        };
        let pairs = records.chunks(2).map(|pair| match pair {
            [Value::Bytes(mark), seq] => Ok((Mark::parse_or_all(mark), number(seq)?)),
            _ => Err(Garbled("a record that is no pair")),
        });
        Ok(Self {
            generation: generation_of(generation)?,
            seq: number(seq)?,
            floor: number(floor)?,
            last: number(last)? == 1,
            records: pairs.collect::<Result<_, _>>()?,
        })
    }
}

impl InvalidateReply {
    /// Reads an answer.
    ///
    /// # Errors
    /// It is none of INVALIDATE.
    pub fn parse(value: &Value) -> Result<Self, Garbled> {
        let [generation, seq, before] = fields(value)? else {
            return Err(Garbled("not three fields"));
        };
        Ok(Self {
            generation: generation_of(generation)?,
            seq: number(seq)?,
            before: fields(before)?.iter().map(number).collect::<Result<_, _>>()?,
        })
    }
}

impl NodeSeen {
    /// Reads an answer of NODES. A row that cannot be read is left out: it is no node of this version.
    ///
    /// # Errors
    /// It is none of NODES.
    pub fn parse_all(value: &Value) -> Result<Vec<Self>, Garbled> {
        Ok(fields(value)?.chunks(3).filter_map(Self::parse).collect())
    }

    /// The nodes that left, by an answer of NODES.
    #[must_use]
    pub fn left(value: &Value) -> Vec<String> {
        let name = |row: &[Value]| match row {
            [Value::Bytes(name), Value::Bytes(row), _] if row.starts_with(b"left ") => {
                String::from_utf8(name.clone()).ok()
            }
            _ => None,
        };
        fields(value).map_or_else(|_| Vec::new(), |rows| rows.chunks(3).filter_map(name).collect())
    }

    fn parse(row: &[Value]) -> Option<Self> {
        let [Value::Bytes(name), Value::Bytes(row), silent] = row else {
            return None;
        };
        let row = std::str::from_utf8(row).ok()?;
        let mut parts = row.split(' ');
        let (known, cursor, bound) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            name: String::from_utf8(name.clone()).ok()?,
            generation: Gen::of(known),
            cursor: cursor.parse().ok()?,
            bound: Duration::from_millis(bound.parse().ok()?),
            silent: Duration::from_millis(number(silent).ok()?),
        })
    }
}

fn fields(value: &Value) -> Result<&[Value], Garbled> {
    match value {
        Value::Array(fields) => Ok(fields),
        _ => Err(Garbled("no list")),
    }
}

fn generation_of(value: &Value) -> Result<Generation, Garbled> {
    const LONGEST: usize = 256;
    match value {
        Value::Bytes(text) if (1..LONGEST).contains(&text.len()) => std::str::from_utf8(text)
            .map(Generation::new)
            .map_err(|_| Garbled("a generation that is no text")),
        _ => Err(Garbled("no generation")),
    }
}

/// A number, which scripts also answer as text: those of Lua are not integers. Above 2^53 they would not be exact.
fn number(value: &Value) -> Result<u64, Garbled> {
    const EXACT: u64 = 1 << 53;
    let number = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Bytes(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.filter(|number| *number <= EXACT).ok_or(Garbled("no number"))
}
