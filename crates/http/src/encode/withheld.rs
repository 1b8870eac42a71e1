//! Stored answers that compress well, and are sent as they are to clients that take a coding because the strategy does not
//! offer them: counted by the parameter that keeps it so, for whoever looks for what could be better. Strategies that offer
//! what they offer by default are asked nothing.

use super::{EncodeRules, accepted};
use crate::policy::Fields;
use crate::route::Route;
use http::StatusCode;
use peregrine_cache::{Coding, Hit, StrategyConfig};
use std::sync::LazyLock;

/// The parameter of a strategy that keeps an answer from being offered in a coding. The name is the metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// No coding is offered at all.
    Encode,
    /// Its type is not among those that are offered.
    EncodeTypes,
    /// It is smaller than what is offered.
    EncodeMinSize,
}

impl Withheld {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Encode, Self::EncodeTypes, Self::EncodeMinSize];

    /// The parameter's name in a strategy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::EncodeTypes => "encode_types",
            Self::EncodeMinSize => "encode_min_size",
        }
    }
}

/// What compresses well: what a strategy offers by default.
static USUAL: LazyLock<EncodeRules> = LazyLock::new(|| {
    let usual = StrategyConfig::default();
    EncodeRules::new(&usual.encode, usual.encode_min_size.as_u64(), &usual.encode_types)
});

impl Route {
    /// Counts `hit`, whose head is `stored`, which is about to be sent whole and as it is, if a coding was withheld.
    pub(crate) fn count_withheld(&self, request: &impl Fields, stored: (StatusCode, &impl Fields), hit: &Hit) {
        if let Some(because) = self.encode.withheld(request, stored, hit) {
            self.metrics.withheld(because, hit.length());
        }
    }
}

impl EncodeRules {
    /// Whether at least what compresses well is offered.
    pub(super) fn offers_the_usual(codings: &[Coding], length_min: u64, types: &[String]) -> bool {
        let usual = StrategyConfig::default();
        let has_types = usual.encode_types.iter().all(|kind| types.contains(kind));
        !codings.is_empty() && length_min <= usual.encode_min_size.as_u64() && has_types
    }

    /// What keeps `hit`, whose head is `stored`, from being offered encoded to who sent `request`; nothing where it is
    /// offered, would gain nothing, or is not wanted.
    fn withheld(
        &self,
        request: &impl Fields,
        (status, stored): (StatusCode, &impl Fields),
        hit: &Hit,
    ) -> Option<Withheld> {
        if self.usual || !USUAL.is_large_enough(hit.length()) || hit.parts().is_some() {
            return None;
        }
        let withheld = match (hit.compressible(), self.codings.is_empty()) {
            (true, true) => Withheld::Encode,
            (true, false) if !self.is_large_enough(hit.length()) => Withheld::EncodeMinSize,
            (true, false) => return None,
            (false, _) if !USUAL.may_gain(status, stored) => return None,
            (false, true) => Withheld::Encode,
            (false, false) => Withheld::EncodeTypes,
        };
        accepted(request, &Coding::ALL).codings().next().map(|_| withheld)
    }
}
