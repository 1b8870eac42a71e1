//! Where an entry of a snapshot stands among the invalidations: those that this node's ledger saw since its start, and those
//! that nodes share, as for a value from Redis. Nothing that either knows of is ever passed over.
//!
//! The order carries that. The entry's position is read first; then the shared log is asked, then the ledger, from its very
//! beginning. What is invalidated here after the position was read reaches the entry by the position; what was before is found
//! in the ledger, whoever told it. What was invalidated elsewhere while this program was not there is in the log, and what is
//! invalidated there from now on reaches the ledger when this node hears of it, as for any other entry.

use super::Restoring;
use super::format::{Description, What};
use crate::backplane::{NotGood, Stamp, ValueStanding};
use crate::engine::Engine;
use crate::key::Key;
use crate::ledger::{Checked, Position, Standing};
use crate::namespace::Namespace;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How long reading waits, once, until this node is in step with Redis. It waits in the background; what is still to be read is
/// missing meanwhile, where it could stand in for an origin that fails.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// After how long it looks again.
const PAUSE: Duration = Duration::from_millis(5);

/// Where an entry stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// The default is before everything: doubtful, where nodes share a log.
    pub(super) position: Position,
    /// A soft invalidation reached it since.
    pub(super) softened: bool,
}

impl Restoring<'_> {
    /// The place of what was described; nothing where it is gone.
    pub(super) fn place_of(&mut self, key: &Key, described: &Description<'_>) -> Option<Place> {
        let stamp = described.stamp.filter(|_| described.what != What::Selector);
        let Some(stamp) = stamp.filter(|_| self.engine.control_shards() > 0) else {
            return Some(Place::default());
        };
        let place = match self.check(key, described, stamp) {
            ValueStanding::Good(position) => Place {
                position,
                softened: false,
            },
            ValueStanding::Soft(position) => Place {
                position,
                softened: true,
            },
            ValueStanding::No(NotGood::Invalidated | NotGood::Pending) => return None,
            ValueStanding::No(_) => return Some(Place::default()),
        };
        let namespace = key.namespace();
        let checked = Checked {
            seed: namespace.target_seed(),
            scope: namespace.scope(),
            key: key.text(),
            tags: described.tags.iter().copied(),
        };
        match self.engine.ledger.standing(checked, Position::default(), 0) {
            Standing::Gone => None,
            Standing::Soft => Some(Place {
                softened: true,
                ..place
            }),
            Standing::Valid => Some(place),
        }
    }

    /// How it stands to the shared log. Where this node does not know the log yet, it is waited for, once.
    fn check(&mut self, key: &Key, described: &Description<'_>, stamp: Stamp) -> ValueStanding {
        let check = || self.engine.check_value(key, described.tags.iter().copied(), stamp);
        let standing = check();
        if standing != ValueStanding::No(NotGood::Unverified) || self.alone {
            return standing;
        }
        self.alone = !wait(self.engine, key.namespace());
        check()
    }
}

/// Waits on this thread until the log of `namespace` is known; whether it is.
fn wait(engine: &Arc<Engine>, namespace: &Arc<Namespace>) -> bool {
    let (asked, namespace) = (Arc::clone(engine), Arc::clone(namespace));
    let (tell, told) = sync_channel(1);
    engine.parts.runtime.spawn(Box::pin(async move {
        let clock = &asked.parts.clock;
        let until = clock.now().after(WAIT_MAX);
        let mut known = asked.is_in_step(&namespace);
        while !known && clock.now() < until {
            asked.parts.runtime.sleep(PAUSE).await;
            known = asked.is_in_step(&namespace);
        }
        // Nobody waits any more when the program is being stopped.
        let _ = tell.send(known);
    }));
    told.recv().unwrap_or(false)
}
