//! Where the effects of the protocol land: the ledger and the trust of a node. One place for the program and the simulation,
//! because the order of these writes is what lookups rely on.

use super::protocol::Effect;
use super::trust::ShardTrust;
use super::wire::{self, Mark, Target};
use crate::ledger::{self, Ledger, Scope};
use crate::pattern::Glob;

/// A node's memory, as far as invalidations concern it.
pub(crate) struct Ground<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) trust: &'a ShardTrust,
    /// The scope of the namespace with this id, where the node has it.
    pub(crate) scope: &'a dyn Fn(u128) -> Option<&'a Scope>,
}

impl Ground<'_> {
    /// Does what `effects` say, in their order.
    pub(crate) fn apply(&self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::RaiseFloor => self.trust.raise_floor(self.ledger.advance().lc),
                Effect::Raise(marks) => self.raise(marks),
                Effect::Stand(stamp) => self.trust.stand_at(*stamp),
                Effect::Verified(at) => self.trust.verify(*at),
                Effect::Replay | Effect::More => {}
            }
        }
    }

    /// Raises `marks` in the ledger.
    pub(crate) fn raise(&self, marks: &[Mark]) {
        for soft in [true, false] {
            let (mut targets, mut wholes, mut globs): (Vec<_>, Vec<_>, Vec<(_, Glob)>) = Default::default();
            for mark in marks.iter().filter(|mark| mark.soft == soft) {
                match &mark.target {
                    Target::All => targets.push(ledger::Target::All),
                    Target::Tag(hash) | Target::Key(hash) | Target::Resource(hash) | Target::Path(hash) => {
                        targets.push(ledger::Target::Hash(wire::low_half(*hash)));
                    }
                    // A namespace that this node does not have holds nothing here.
                    Target::Namespace(id) => wholes.extend((self.scope)(*id)),
                    Target::Glob { namespace, glob } => {
                        globs.extend((self.scope)(*namespace).map(|scope| (scope, glob.clone())));
                    }
                }
            }
            if !(targets.is_empty() && wholes.is_empty() && globs.is_empty()) {
                self.ledger.raise(soft, &targets, &wholes, &globs);
            }
        }
    }
}
