//! POST `cache/operation`: the cache as a store of named values, for callers that are no proxy.

use crate::api::{Checked, NAMES_MAX, check_name, check_names, check_tenant};
use crate::refusal::fault;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use peregrine_base::Span;
use peregrine_cache::Receipt;
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa::openapi::{Object, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};

/// A request as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationRequest {
    /// What to do.
    pub op: Op,
    /// Where; `default` when it is not given.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// Whose; nobody's when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// For get, set and delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// For mget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// For set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// For mset: from keys to values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// How the values are written here.
    #[serde(default)]
    pub encoding: Encoding,
    /// For set and mset; the strategy's when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, examples("90s"))]
    pub ttl: Option<Span>,
    /// For set and mset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// For set and mset; the default one when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
}

fn default_namespace() -> String {
    "default".to_owned()
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Read one value.
    Get,
    /// Write one.
    Set,
    /// Remove one.
    Delete,
    /// Read several.
    Mget,
    /// Write several.
    Mset,
    /// Remove all of the namespace, or of the tenant in it.
    Clear,
}

/// How a value is written in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As itself.
    #[default]
    Utf8,
    /// RFC 4648 §4, with padding.
    Base64,
}

/// A checked request, for the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Where.
    pub namespace: String,
    /// Whose, if anybody's.
    pub tenant: Option<String>,
    /// What.
    pub act: Act,
}

/// What to do, with what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Read the value of this key.
    Get(String),
    /// Write values; how long and under which tags.
    Set(Vec<(String, Bytes)>, SetOptions),
    /// Remove this key.
    Delete(String),
    /// Read the values of these keys.
    GetMany(Vec<String>),
    /// Remove all of the namespace.
    Clear,
}

/// How values are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// For how long they are fresh; the strategy's when absent.
    pub ttl: Option<Duration>,
    /// Their tags.
    pub tags: Vec<String>,
    /// The strategy; the default one when absent.
    pub strategy: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The value, if there is one.
    Got(Option<Item>),
    /// How many were stored; the rest was refused by the cache's limits.
    Set(usize),
    /// Whether there was one to remove.
    Deleted(bool),
    /// The values in the order of the keys.
    GotMany(Vec<Option<Item>>),
    /// What was removed.
    Cleared(Receipt),
}

/// A stored value.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The value.
    pub value: Bytes,
    /// Its age.
    pub age: Duration,
    /// For how long it is still fresh.
    pub ttl: Duration,
    /// Its tags.
    pub tags: Vec<String>,
}

impl OperationRequest {
    /// The request for the program; every fault instead, if it has any.
    pub(crate) fn into_operation(self) -> Result<Operation, Vec<Fault>> {
        let mut faults = Vec::new();
        self.check(&mut faults);
        let (namespace, tenant) = (self.namespace.clone(), self.tenant.clone());
        let act = self.into_act(&mut faults);
        if faults.is_empty() {
            Ok(Operation { namespace, tenant, act })
        } else {
            Err(faults)
        }
    }

    fn into_act(self, faults: &mut Vec<Fault>) -> Act {
        let ttl = self.ttl.map(Span::get);
        let options = SetOptions {
            ttl,
            tags: self.tags,
            strategy: self.strategy,
        };
        let (encoding, key) = (self.encoding, self.key.unwrap_or_default());
        match self.op {
            Op::Get => Act::Get(key),
            Op::Delete => Act::Delete(key),
            Op::Mget => Act::GetMany(self.keys),
            Op::Clear => Act::Clear,
            Op::Set => {
                let value = encoding.decode("value", self.value.unwrap_or_default(), faults);
                Act::Set(vec![(key, value)], options)
            }
            Op::Mset => {
                let values = self.values.into_iter();
                let values = values.map(|(key, value)| {
                    let value = encoding.decode(&format!("values.{key}"), value, faults);
                    (key, value)
                });
                Act::Set(values.collect(), options)
            }
        }
    }

    /// Which fields are given, and whether `op` takes them: (field, given, taken, needed).
    fn fields(&self) -> [(&'static str, bool, bool, bool); 8] {
        let one = matches!(self.op, Op::Get | Op::Set | Op::Delete);
        let (set, mset, mget) = (self.op == Op::Set, self.op == Op::Mset, self.op == Op::Mget);
        let writes = set || mset;
        [
            ("key", self.key.is_some(), one, one),
            ("keys", !self.keys.is_empty(), mget, mget),
            ("value", self.value.is_some(), set, set),
            ("values", !self.values.is_empty(), mset, mset),
            ("encoding", self.encoding != Encoding::Utf8, writes, false),
            ("ttl", self.ttl.is_some(), writes, false),
            ("tags", !self.tags.is_empty(), writes, false),
            ("strategy", self.strategy.is_some(), writes, false),
        ]
    }
}

impl Checked for OperationRequest {
    fn check(&self, faults: &mut Vec<Fault>) {
        let op = self.op.as_str();
        for (field, given, taken, needed) in self.fields() {
            if given && !taken {
                faults.push(fault(field, format!("has no meaning for `{op}`")));
            } else if needed && !given {
                faults.push(fault(field, format!("is missing: `{op}` needs it")));
            }
        }
        check_name("namespace", &self.namespace, faults);
        if let Some(tenant) = &self.tenant {
            check_tenant("tenant", tenant, faults);
        }
        if let Some(key) = &self.key {
            check_name("key", key, faults);
        }
        check_names("keys", self.keys.iter(), faults);
        check_names("tags", self.tags.iter(), faults);
        if self.values.len() > NAMES_MAX {
            let count = self.values.len();
            faults.push(fault(
                "values",
                format!("has {count} elements; {NAMES_MAX} are the most in one call"),
            ));
        }
        for key in self.values.keys().take(NAMES_MAX) {
            check_name("values", key, faults);
        }
        if self.ttl.is_some_and(|ttl| ttl == Span::ZERO) {
            faults.push(fault("ttl", "is zero: nothing would be stored"));
        }
    }
}

impl Op {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Mget => "mget",
            Self::Mset => "mset",
            Self::Clear => "clear",
        }
    }
}

impl Encoding {
    fn decode(self, field: &str, text: String, faults: &mut Vec<Fault>) -> Bytes {
        match self {
            Self::Utf8 => text.into(),
            Self::Base64 => match BASE64_STANDARD.decode(text) {
                Ok(bytes) => bytes.into(),
                Err(error) => {
                    faults.push(fault(field, format!("is not base64: {error}")));
                    Bytes::new()
                }
            },
        }
    }
}

/// An item as it is written: as text where it is text, else in base64.
#[derive(Serialize, ToSchema)]
#[schema(as = Item)]
pub(crate) struct WrittenItem<'a> {
    value: Cow<'a, str>,
    encoding: Encoding,
    age_s: f64,
    ttl_s: f64,
    tags: &'a [String],
}

impl<'a> From<&'a Item> for WrittenItem<'a> {
    fn from(item: &'a Item) -> Self {
        let (value, encoding) = match std::str::from_utf8(&item.value) {
            Ok(text) => (text.into(), Encoding::Utf8),
            Err(_) => (BASE64_STANDARD.encode(&item.value).into(), Encoding::Base64),
        };
        let (age_s, ttl_s) = (item.age.as_secs_f64(), item.ttl.as_secs_f64());
        Self {
            value,
            encoding,
            age_s,
            ttl_s,
            tags: &item.tags,
        }
    }
}

/// From keys to items, or to null where there is none; the macro has no word for a map of such.
fn items_or_null() -> Object {
    let item = OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .item(Ref::from_schema_name(WrittenItem::name()));
    ObjectBuilder::new()
        .additional_properties(Some(RefOr::T(Schema::OneOf(item.build()))))
        .build()
}

/// An outcome as it is written.
#[derive(Serialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
#[schema(as = OperationOutcome)]
pub(crate) enum WrittenOutcome<'a> {
    Get {
        found: bool,
        item: Option<WrittenItem<'a>>,
    },
    Set {
        stored: usize,
    },
    Delete {
        deleted: bool,
    },
    Mget {
        found: usize,
        #[schema(schema_with = items_or_null)]
        items: BTreeMap<&'a str, Option<WrittenItem<'a>>>,
    },
    Mset {
        stored: usize,
        refused: usize,
    },
    Clear {
        receipt: &'a Receipt,
    },
}

impl<'a> WrittenOutcome<'a> {
    /// Writes `outcome`, which came of `op` on `keys`.
    pub(crate) fn new(op: Op, keys: &'a [String], outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Got(item) => Self::Get {
                found: item.is_some(),
                item: item.as_ref().map(WrittenItem::from),
            },
            Outcome::Set(stored) if op == Op::Set => Self::Set { stored: *stored },
            Outcome::Set(stored) => Self::Mset {
                stored: *stored,
                refused: keys.len().saturating_sub(*stored),
            },
            Outcome::Deleted(deleted) => Self::Delete { deleted: *deleted },
            Outcome::GotMany(items) => Self::Mget {
                found: items.iter().flatten().count(),
                items: keys
                    .iter()
                    .map(String::as_str)
                    .zip(items.iter().map(|item| item.as_ref().map(WrittenItem::from)))
                    .collect(),
            },
            Outcome::Cleared(receipt) => Self::Clear { receipt },
        }
    }
}
