//! A decision: the reason, the clause it rests on, and what of the origin's word was overridden to reach it.

use super::reason::Reason;
use std::fmt;

/// A section of a specification, printed as `RFC 9111 §3.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clause {
    rfc: u16,
    section: &'static str,
}

impl Clause {
    /// Section `section` of RFC `rfc`.
    #[must_use]
    pub const fn new(rfc: u16, section: &'static str) -> Self {
        Self { rfc, section }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RFC {} §{}", self.rfc, self.section)
    }
}

/// A directive of the origin that `freshness = "force"` can override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Directive {
    /// `no-store`.
    NoStore,
    /// `private`.
    Private,
    /// `no-cache`.
    NoCache,
    /// `must-revalidate`, `proxy-revalidate`, or `s-maxage`, which implies the latter.
    MustRevalidate,
}

impl Directive {
    /// Every directive that can be overridden.
    pub const ALL: &'static [Self] = &[Self::NoStore, Self::Private, Self::NoCache, Self::MustRevalidate];

    /// The directive as the origin writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::NoCache => "no-cache",
            Self::MustRevalidate => "must-revalidate",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The directives that a decision overrode; none unless the strategy says `force`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Overridden(u8);

impl Overridden {
    /// Nothing was overridden.
    pub const NONE: Self = Self(0);

    /// Whether nothing was overridden.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `directive` was overridden.
    #[must_use]
    pub const fn contains(self, directive: Directive) -> bool {
        self.0 & directive.bit() != 0
    }

    /// The overridden directives.
    pub fn iter(self) -> impl Iterator<Item = Directive> {
        Directive::ALL
            .iter()
            .copied()
            .filter(move |directive| self.contains(*directive))
    }

    /// Notes that `directive` was overridden if `it_applies`.
    pub(super) const fn note(&mut self, directive: Directive, it_applies: bool) {
        if it_applies {
            self.0 |= directive.bit();
        }
    }
}

/// Why something happened, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// The reason.
    pub reason: Reason,
    /// The clause that the reason rests on.
    pub clause: Clause,
    /// What the origin said and `force` overrode.
    pub overridden: Overridden,
}

impl Decision {
    /// The decision for `reason`, resting on the reason's own clause.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            clause: reason.clause(),
            overridden: Overridden::NONE,
        }
    }

    /// The sentence for people; it names what was overridden.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut sentence = self.reason.sentence().to_owned();
        for (index, directive) in self.overridden.iter().enumerate() {
            sentence.push_str(if index == 0 { ", overriding the origin's " } else { ", " });
            sentence.push_str(directive.as_str());
        }
        sentence
    }
}

impl From<Reason> for Decision {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

/// The sentence and its clause: `not stored: the response says no-store (RFC 9111 §5.2.2.5)`.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.sentence(), self.clause)
    }
}
