//! Requests to invalidate, and the receipts for them.
//!
//! What a request reaches lies within namespaces: those of `namespaces` where any are named, else all, and never others than
//! `scope` allows. With no other target a request means these namespaces as a whole.
//! With a `tenant`, it reaches nothing but the entries of that tenant.
//!
//! * A **tag** reaches every entry that carries it.
//! * A **key** that is a whole key (as [`crate::Key::text`] gives it) reaches that key with all its variants. One that begins
//!   with `/` reaches a path with its query on any host, one that begins with a scheme a URL, anything else a value by its
//!   name; these reach all tenants and methods.
//! * A **prefix** or **pattern** (in which `*` stands for any text, `/` included) is read in the same three ways, and matches
//!   whole keys never.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to invalidate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Invalidation {
    /// Tags.
    pub tags: Vec<String>,
    /// Keys, paths, URLs or names, each matching as a whole.
    pub keys: Vec<String>,
    /// Beginnings of paths, URLs or names.
    pub prefixes: Vec<String>,
    /// Patterns over paths, URLs or names.
    pub patterns: Vec<String>,
    /// The namespaces in which the targets are looked for; with no other target these namespaces themselves.
    pub namespaces: Vec<String>,
    /// Only what belongs to this tenant; with no other target, all of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Everything.
    pub all: bool,
    /// The namespaces that the one who asks may touch; nothing: all. Not part of a request's text: it says who asks.
    #[serde(skip)]
    pub scope: Option<Vec<String>>,
    /// Whether entries become stale instead of gone.
    pub soft: bool,
    /// Whether to count only.
    pub dry_run: bool,
}

impl Invalidation {
    /// The same with the rights of the one who asks written into its text.
    pub(crate) fn within_scope(&self) -> Self {
        let mut within = self.clone();
        if let Some(scope) = within.scope.take() {
            if within.namespaces.is_empty() {
                within.namespaces = scope;
            } else {
                within.namespaces.retain(|name| scope.contains(name));
            }
            // Without any namespace it would mean all of them.
            within.dry_run |= within.namespaces.is_empty();
        }
        within
    }

    /// A hard invalidation of `keys`.
    #[must_use]
    pub fn of_keys(keys: Vec<String>) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// A hard invalidation of `tags`.
    #[must_use]
    pub fn of_tags(tags: Vec<String>) -> Self {
        Self {
            tags,
            ..Self::default()
        }
    }
}

/// What an invalidation did, layer by layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Receipt {
    /// A name for logs.
    pub id: String,
    /// How many entries it reached.
    pub matched: Matched,
    /// Where it holds.
    pub layers: Vec<Layer>,
    /// Whether it only stands in this node's journal so far: Redis is away, and will be told of it when it is back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub journaled: bool,
}

impl Receipt {
    /// Whether it holds wherever it should.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.layers.iter().all(|layer| layer.confirmed >= layer.of)
    }
}

/// How many entries an invalidation reached; nothing where counting would take too long or there is nothing to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Matched {
    /// In this node's memory.
    pub memory: Option<u64>,
    /// In Redis.
    pub redis: Option<u64>,
}

/// A part of the cache in which an invalidation holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReceiptLayer)]
pub struct Layer {
    /// Its name.
    pub layer: &'static str,
    /// How many of its members confirmed.
    pub confirmed: u64,
    /// How many members it has.
    pub of: u64,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
    /// How each of the nodes took part, in the layer `nodes`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeReceipt>,
}

/// What is known of a node about an invalidation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeReceipt {
    /// Its name.
    pub node: String,
    /// Whether nothing old is served there unlabelled.
    pub state: NodeState,
}

/// How a node stands to an invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NodeReceiptState)]
pub enum NodeState {
    /// It has heard of it.
    Confirmed,
    /// It has not, but its freshness bound has passed since, so that it serves nothing old unlabelled.
    Lapsed,
    /// Neither is known yet.
    Waiting,
}

impl NodeState {
    /// Its word in receipts and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Lapsed => "lapsed",
            Self::Waiting => "waiting",
        }
    }
}
