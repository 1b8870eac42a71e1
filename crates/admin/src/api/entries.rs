//! GET `cache/entries`, `cache/tags` and `cache/namespaces`: what memory holds.

use crate::access::Who;
use crate::api::{check_name, one_of};
use crate::query::Query;
use crate::refusal::{Refusal, fault};
use peregrine_cache::{EntriesQuery, EntryView, Found, NamespaceStatistics, TagView};
use peregrine_net::http::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Object;

/// How many entries or tags are answered, unless it is said.
const LIMIT: u64 = 100;
/// The most.
const LIMIT_MAX: u64 = 1000;

/// An entry.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct EntryReport {
    /// Its key, with namespace and tenant.
    pub key: String,
    /// Its namespace.
    pub namespace: String,
    /// Its tenant; empty when it has none.
    pub tenant: String,
    /// `fresh` or `stale`.
    #[schema(schema_with = states)]
    pub state: String,
    /// Its age.
    pub age_s: f64,
    /// For how long it is fresh; nothing when it is stale.
    pub ttl_s: Option<f64>,
    /// What it occupies, in bytes.
    pub size: u64,
    /// How often it was served.
    pub hits: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// Where it is: `memory`.
    pub tier: String,
    /// Its URL, if it is the answer to one.
    pub url: Option<String>,
}

/// The words for how an entry is.
fn states() -> Object {
    one_of(&["fresh", "stale"], "Whether it may be served as it is.")
}

/// Entries that were looked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct EntriesPage {
    /// In no order.
    pub entries: Vec<EntryReport>,
    /// How many were looked at.
    pub looked_at: u64,
    /// Whether all were: otherwise there were enough, or the time for looking was up.
    pub complete: bool,
}

/// A tag, and how many entries carry it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct TagReport {
    /// The tag.
    pub tag: String,
    /// How many entries.
    pub entries: u64,
    /// What they occupy, in bytes.
    pub bytes: u64,
}

/// The tags that most entries carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct TagsPage {
    /// The most frequent first.
    pub tags: Vec<TagReport>,
    /// How many entries were looked at.
    pub looked_at: u64,
    /// Whether all were.
    pub complete: bool,
}

/// The namespaces, for those who may see them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NamespacesReport {
    /// Each.
    pub namespaces: Vec<NamespaceReport>,
}

/// A namespace.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NamespaceReport {
    /// Its name.
    pub namespace: String,
    /// What it did and holds.
    #[serde(flatten)]
    pub statistics: NamespaceStatistics,
}

impl From<Found<EntryView>> for EntriesPage {
    fn from(found: Found<EntryView>) -> Self {
        let entry = |view: EntryView| EntryReport {
            key: view.key,
            namespace: view.namespace,
            tenant: view.tenant,
            state: if view.stale { "stale" } else { "fresh" }.to_owned(),
            age_s: view.age.as_secs_f64(),
            ttl_s: view.ttl.map(|ttl| ttl.as_secs_f64()),
            size: view.size,
            hits: view.hits,
            tags: view.tags,
            tier: "memory".to_owned(),
            url: view.url,
        };
        Self {
            entries: found.found.into_iter().map(entry).collect(),
            looked_at: found.looked_at,
            complete: found.complete,
        }
    }
}

impl From<Found<TagView>> for TagsPage {
    fn from(found: Found<TagView>) -> Self {
        let tag = |view: TagView| TagReport {
            tag: view.tag,
            entries: view.entries,
            bytes: view.bytes,
        };
        Self {
            tags: found.found.into_iter().map(tag).collect(),
            looked_at: found.looked_at,
            complete: found.complete,
        }
    }
}

fn limit(query: &mut Query, faults: &mut Vec<Fault>) -> usize {
    let limit = query.number("limit", faults).unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        faults.push(fault("limit", format!("is not between 1 and {LIMIT_MAX}")));
    }
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// What to look for, within what `who` may see.
pub(crate) fn entries(query: Option<&str>, who: &Who) -> Result<EntriesQuery, Refusal> {
    let mut faults = Vec::new();
    let known = ["namespace", "tenant", "tag", "prefix", "contains", "limit", "state"];
    let mut query = Query::parse(query, &known, &mut faults);
    let limit = limit(&mut query, &mut faults);
    let stale = query.take("state").map(|state| match state.as_str() {
        "stale" => true,
        "fresh" => false,
        _ => {
            faults.push(fault("state", "is neither `fresh` nor `stale`"));
            false
        }
    });
    let namespace = query.take("namespace");
    let asked = EntriesQuery {
        namespaces: namespace
            .clone()
            .map(|name| vec![name])
            .or_else(|| who.namespaces.clone()),
        tenant: query.take("tenant"),
        tag: query.take("tag"),
        prefix: query.take("prefix"),
        contains: query.take("contains"),
        stale,
        limit,
    };
    let texts = [
        ("namespace", &namespace),
        ("tag", &asked.tag),
        ("prefix", &asked.prefix),
        ("contains", &asked.contains),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            check_name(name, text, &mut faults);
        }
    }
    if !faults.is_empty() {
        return Err(Refusal::invalid(faults));
    }
    namespace.iter().try_for_each(|name| who.check_namespace(name))?;
    Ok(asked)
}

/// How many tags to tell.
pub(crate) fn tags(query: Option<&str>) -> Result<usize, Refusal> {
    let mut faults = Vec::new();
    let mut query = Query::parse(query, &["limit"], &mut faults);
    let limit = limit(&mut query, &mut faults);
    if faults.is_empty() {
        Ok(limit)
    } else {
        Err(Refusal::invalid(faults))
    }
}
