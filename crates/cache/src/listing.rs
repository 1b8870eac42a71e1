//! Looking through what memory holds, for people: entries that match, and the tags that most of them carry. It walks what is
//! there, without a lock and without noting that anything was wanted, until it has enough or its time is up.

use crate::engine::Engine;
use crate::entry::{Entry, Kind};
use crate::key::tenant_of;
use crate::ledger::Standing;
use crate::namespace::Namespace;
use peregrine_base::Instant;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long it looks.
const LOOKING_MAX: Duration = Duration::from_millis(250);
/// After how many entries it looks at the clock.
const LOOKING_STRIDE: u64 = 256;
/// The most tags that are told apart; entries with others are not counted under them.
const TAGS_MAX: usize = 20_000;

/// Which entries; all that is set has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntriesQuery {
    /// Only those of these namespaces; all when it is nothing.
    pub namespaces: Option<Vec<String>>,
    /// Only those of this tenant; the empty text means nobody's.
    pub tenant: Option<String>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those whose key, URL or path begins so.
    pub prefix: Option<String>,
    /// Only those whose key has this in it.
    pub contains: Option<String>,
    /// Only those that are stale, or are not.
    pub stale: Option<bool>,
    /// The most.
    pub limit: usize,
}

/// An entry as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryView {
    /// Its key, with namespace and tenant.
    pub key: String,
    /// Its namespace.
    pub namespace: String,
    /// Its tenant; empty when it has none.
    pub tenant: String,
    /// Whether it is stale.
    pub stale: bool,
    /// Its age.
    pub age: Duration,
    /// For how long it is fresh; nothing when it is stale.
    pub ttl: Option<Duration>,
    /// What it occupies, in bytes.
    pub size: u64,
    /// How often it was served.
    pub hits: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its URL, if it is the answer to one.
    pub url: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<T> {
    /// It.
    pub found: Vec<T>,
    /// How many entries were looked at.
    pub looked_at: u64,
    /// Whether all were.
    pub complete: bool,
}

/// How many entries carry a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagView {
    /// The tag.
    pub tag: String,
    /// How many of those that were looked at.
    pub entries: u64,
    /// What they occupy, in bytes.
    pub bytes: u64,
}

impl Engine {
    /// The entries in memory that `query` wants, in no order. It may take a quarter of a second: not for an event loop.
    #[must_use]
    pub fn entries(&self, query: &EntriesQuery) -> Found<EntryView> {
        let mut found = Vec::new();
        let (looked_at, complete) = self.look_through(query.namespaces.as_deref(), |entry, namespace, now| {
            if let Some(view) = self.view(entry, namespace, now, query) {
                found.push(view);
            }
            found.len() < query.limit
        });
        Found {
            found,
            looked_at,
            complete,
        }
    }

    /// The tags that most entries carry, the most frequent first, at most `limit`. It may take a quarter of a second.
    #[must_use]
    pub fn tags(&self, namespaces: Option<&[String]>, limit: usize) -> Found<TagView> {
        let mut counted: HashMap<String, (u64, u64)> = HashMap::new();
        let (looked_at, complete) = self.look_through(namespaces, |entry, _, _| {
            for tag in entry.tags() {
                if let Some((entries, bytes)) = counted.get_mut(tag) {
                    (*entries, *bytes) = (*entries + 1, *bytes + entry.weight());
                } else if counted.len() < TAGS_MAX {
                    counted.insert(tag.to_owned(), (1, entry.weight()));
                }
            }
            true
        });
        let view = |(tag, (entries, bytes))| TagView { tag, entries, bytes };
        let mut found: Vec<TagView> = counted.into_iter().map(view).collect();
        found.sort_by(|one, other| other.entries.cmp(&one.entries).then_with(|| one.tag.cmp(&other.tag)));
        found.truncate(limit);
        Found {
            found,
            looked_at,
            complete,
        }
    }

    /// Shows every value that can be used, in `namespaces`, until `look` answers `false` or the time is up; how many, and
    /// whether it was all.
    fn look_through(
        &self,
        namespaces: Option<&[String]>,
        mut look: impl FnMut(&Entry, &Namespace, Instant) -> bool,
    ) -> (u64, bool) {
        let (begun, known) = (self.parts.clock.now(), self.registered());
        let until = begun.after(LOOKING_MAX);
        let (mut looked_at, mut goes_on) = (0u64, true);
        for tier in self.tiers() {
            tier.iterate(&mut |_, entry| {
                looked_at += 1;
                if looked_at % LOOKING_STRIDE == 0 && self.parts.clock.now() >= until {
                    goes_on = false;
                    return false;
                }
                let Some(namespace) = known.get(usize::from(entry.namespace())) else {
                    return true;
                };
                let wanted = namespaces.is_none_or(|names| names.iter().any(|name| name == namespace.name()));
                let own = std::ptr::addr_eq(Arc::as_ptr(namespace.tier()), Arc::as_ptr(&tier));
                if wanted && own && entry.kind() == Kind::Value && begun < entry.useless_from() {
                    goes_on = look(entry, namespace, begun);
                }
                goes_on
            });
            if !goes_on {
                break;
            }
        }
        (looked_at, goes_on)
    }

    /// `entry`, if `query` wants it.
    fn view(&self, entry: &Entry, namespace: &Namespace, now: Instant, query: &EntriesQuery) -> Option<EntryView> {
        let (key, tenant) = (entry.key(), tenant_of(entry.key()));
        let rest = key.splitn(3, '|').nth(2).unwrap_or_default();
        let (method, name) = rest.split_once('|').unwrap_or(("", rest));
        let url = (method != "-").then_some(name);
        let begins = |prefix: &String| {
            let path = name
                .split_once("://")
                .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
            key.starts_with(prefix.as_str())
                || name.starts_with(prefix.as_str())
                || path.is_some_and(|path| path.starts_with(prefix.as_str()))
        };
        let fits = query.tenant.as_ref().is_none_or(|wanted| wanted == tenant)
            && query
                .tag
                .as_ref()
                .is_none_or(|wanted| entry.tags().any(|tag| tag == wanted))
            && query.prefix.as_ref().is_none_or(begins)
            && query.contains.as_ref().is_none_or(|part| key.contains(part.as_str()));
        if !fits {
            return None;
        }
        let standing = self.standing(entry, namespace);
        let stale = standing == Standing::Soft || entry.softened() || now >= entry.fresh_until();
        if standing == Standing::Gone || query.stale.is_some_and(|wanted| wanted != stale) {
            return None;
        }
        Some(EntryView {
            key: key.to_owned(),
            namespace: namespace.name().to_owned(),
            tenant: tenant.to_owned(),
            stale,
            age: entry.age(now),
            ttl: (!stale).then(|| entry.fresh_until().since(now)),
            size: entry.weight(),
            hits: entry.hits().into(),
            tags: entry.tags().map(str::to_owned).collect(),
            url: url.map(str::to_owned),
        })
    }
}
