//! Who has what: the map of servers. It is drawn by whoever watches the servers (`sentinel.rs`, `cluster.rs`; alone there is
//! nothing to watch) and swapped whole, so that a request sees one truth. Servers that stay keep their connections.

use crate::counters::count;
use crate::dial::Role;
use crate::node::{Node, Surroundings};
use crate::place::{Address, Mode};
use crate::slot::SLOTS;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::sync::Arc;

/// Stands in the table of slots for a slot that nobody owns.
const NOBODY: u16 = u16::MAX;

/// A primary and its replicas.
#[derive(Default)]
pub(crate) struct Shard {
    /// Unknown until a sentinel has named it.
    pub(crate) primary: Option<Arc<Node>>,
    /// Empty unless values are read from replicas.
    pub(crate) replicas: Vec<Arc<Node>>,
}

/// A map of servers.
pub(crate) struct Map {
    pub(crate) shards: Vec<Shard>,
    /// The shard of each slot; `None` where one shard has everything.
    slots: Option<Box<[u16]>>,
}

impl Map {
    /// Who owns `slot`.
    pub(crate) fn shard(&self, slot: u16) -> Option<&Shard> {
        match &self.slots {
            None => self.shards.first(),
            Some(slots) => self.shards.get(usize::from(*slots.get(usize::from(slot))?)),
        }
    }

    /// Whether keys have to be sorted by their slots.
    pub(crate) const fn is_divided(&self) -> bool {
        self.slots.is_some()
    }

    /// Whether every slot has an owner.
    pub(crate) fn is_whole(&self) -> bool {
        !self.shards.is_empty() && self.slots.iter().flatten().all(|shard| *shard != NOBODY)
    }

    pub(crate) fn primaries(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.shards.iter().filter_map(|shard| shard.primary.as_ref())
    }

    /// The primary with this address.
    pub(crate) fn primary_at(&self, host: &str, port: u16) -> Option<&Arc<Node>> {
        self.primaries()
            .find(|node| node.address.host() == host && node.address.port() == port)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.shards
            .iter()
            .flat_map(|shard| shard.primary.iter().chain(&shard.replicas))
    }
}

/// What a watcher has learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) shards: Vec<PlannedShard>,
    /// First slot, last slot, shard; `None` where one shard has everything.
    pub(crate) slots: Option<Vec<(u16, u16, usize)>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedShard {
    pub(crate) primary: Address,
    pub(crate) replicas: Vec<Address>,
}

/// The map that holds now.
pub(crate) struct Atlas {
    mode: Mode,
    around: Arc<Surroundings>,
    map: ArcSwap<Map>,
    drawing: Mutex<()>,
}

impl Atlas {
    /// Nothing is known yet.
    pub(crate) fn new(mode: Mode, around: Arc<Surroundings>) -> Self {
        Self {
            mode,
            around,
            map: ArcSwap::from_pointee(Map {
                shards: Vec::new(),
                slots: None,
            }),
            drawing: Mutex::new(()),
        }
    }

    pub(crate) fn map(&self) -> Arc<Map> {
        self.map.load_full()
    }

    /// Draws the map anew if `plan` says anything else than it.
    pub(crate) fn redraw(&self, plan: &Plan) {
        let drawing = self.drawing.lock();
        let old = self.map();
        let slots = plan.slots.as_ref().map(|ranges| table(ranges));
        if is_same(&old, plan) && old.slots == slots {
            return;
        }
        let node = |address: &Address, role: Role| {
            let kept = old.nodes().find(|node| node.address == *address && node.role == role);
            kept.map_or_else(|| Node::start(address.clone(), role, &self.around), Arc::clone)
        };
        let primary = Role::Primary {
            known: self.mode == Mode::Sentinel,
        };
        let replica = Role::Replica {
            cluster: self.mode == Mode::Cluster,
        };
        let shards: Vec<Shard> = plan
            .shards
            .iter()
            .map(|shard| Shard {
                primary: Some(node(&shard.primary, primary)),
                replicas: shard.replicas.iter().map(|address| node(address, replica)).collect(),
            })
            .collect();
        let new = Map { shards, slots };
        for (gone, come) in replaced(&old, &new) {
            tracing::warn!(from = %gone, to = %come, "redis has another primary");
            count(&self.around.counters.failovers);
        }
        self.map.store(Arc::new(new));
        drop(drawing);
        self.around.notice();
    }

    /// A server said that `slot` has moved. True when the map says so now; otherwise its watcher has to find out.
    pub(crate) fn moved(&self, slot: u16, host: &str, port: u16) -> bool {
        self.around.doubt();
        let drawing = self.drawing.lock();
        let old = self.map();
        let owner = old.shards.iter().position(|shard| {
            shard
                .primary
                .as_ref()
                .is_some_and(|node| node.address.host() == host && node.address.port() == port)
        });
        let (Some(owner), Some(slots)) = (owner, &old.slots) else {
            return false;
        };
        let mut slots = slots.clone();
        slots[usize::from(slot)] = u16::try_from(owner).unwrap_or(NOBODY);
        let shards = old.shards.iter().map(|shard| Shard {
            primary: shard.primary.clone(),
            replicas: shard.replicas.clone(),
        });
        self.map.store(Arc::new(Map {
            shards: shards.collect(),
            slots: Some(slots),
        }));
        drop(drawing);
        self.around.notice();
        true
    }

    /// Forgets everything, which closes every connection.
    pub(crate) fn clear(&self) {
        self.map.store(Arc::new(Map {
            shards: Vec::new(),
            slots: None,
        }));
        self.around.notice();
    }
}

fn table(ranges: &[(u16, u16, usize)]) -> Box<[u16]> {
    let mut table = vec![NOBODY; SLOTS].into_boxed_slice();
    for (first, last, shard) in ranges {
        let shard = u16::try_from(*shard).unwrap_or(NOBODY);
        if let Some(part) = table.get_mut(usize::from(*first)..=usize::from(*last)) {
            part.fill(shard);
        }
    }
    table
}

fn is_same(map: &Map, plan: &Plan) -> bool {
    map.shards.len() == plan.shards.len()
        && map.shards.iter().zip(&plan.shards).all(|(shard, planned)| {
            shard
                .primary
                .as_ref()
                .is_some_and(|node| node.address == planned.primary)
                && shard.replicas.iter().map(|node| &node.address).eq(&planned.replicas)
        })
}

/// Primaries that are none any more, each with one that became one.
fn replaced(old: &Map, new: &Map) -> Vec<(Address, Address)> {
    let addresses = |map: &Map| -> Vec<Address> { map.primaries().map(|node| node.address.clone()).collect() };
    let (old, new) = (addresses(old), addresses(new));
    let gone = old.iter().filter(|address| !new.contains(address));
    let come = new.iter().filter(|address| !old.contains(address));
    gone.cloned().zip(come.cloned()).collect()
}
