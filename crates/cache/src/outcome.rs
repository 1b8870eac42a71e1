//! Every outcome of the engine and every reason for one, as enums whose names are the words of logs, the labels of metrics
//! and the headings of the docs.

use peregrine_base::{Blame, Party};
use std::borrow::Cow;

/// An enum of which each variant has a word.
pub(crate) trait Word: Copy + 'static {
    const ALL: &'static [Self];

    fn word(self) -> &'static str;

    /// Its place in [`Word::ALL`].
    fn place(self) -> usize;
}

/// Gives an enum of plain variants its words, and the list of all of them for those who keep a counter for each.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for logs and metric labels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl $crate::outcome::Word for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }

            fn place(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Why a lookup found nothing that it may serve as it is.
    MissReason {
        /// Nothing is stored under the key.
        Absent = "absent",
        /// Something is stored, but for another variant.
        Variant = "variant",
        /// What is stored is past its lifetime and every window of grace.
        Expired = "expired",
        /// What is stored was invalidated.
        Invalidated = "invalidated",
        /// What is stored must be validated with the origin before every use.
        Validation = "validation",
        /// What is stored would do, but not on the terms of this asker (maximum age, minimum freshness, validation).
        Asked = "asked",
        /// An earlier load of the key could not be stored; until the marker of that expires nobody waits for another.
        HitForMiss = "hit_for_miss",
        /// What is stored is a part, and not all of what is asked for.
        Part = "part",
        /// Other nodes may have invalidated what is stored without this one having heard of it, and they cannot be asked.
        Unverified = "unverified",
    }
}

words! {
    /// Why a stale entry was served.
    StaleWhy {
        /// It is renewed in the background meanwhile (RFC 5861 §3).
        WhileRevalidate = "stale_while_revalidate",
        /// The asker accepts stale entries (`max-stale`, RFC 9111 §5.2.1.2).
        Asked = "asked",
        /// Other nodes may have invalidated it without this one having heard of it, and the strategy serves it all the same.
        Unverified = "unverified",
    }
}

words! {
    /// Why the answer of a load is not stored. A plane maps the reasons of its protocol to these.
    PassReason {
        /// The origin forbids storing.
        NoStore = "no_store",
        /// The answer is for one user only.
        Private = "private",
        /// The answer sets a cookie, and nothing allows storing it.
        SetCookie = "set_cookie",
        /// The request was authorized, and nothing allows sharing the answer.
        Authorization = "authorization",
        /// Neither the origin nor the strategy gives a lifetime.
        NoFreshness = "no_freshness",
        /// The answer varies by more than the request shows.
        VaryStar = "vary_star",
        /// The answer varies by more names than a selector may hold.
        VaryLimit = "vary_limit",
        /// The answer is larger than may be stored.
        TooLarge = "too_large",
        /// The status is not one to store.
        Status = "status",
        /// The answer must be validated before it is used again, or is stale from the beginning: it is for its asker only.
        Validation = "validation",
        /// The method is not one to store.
        Method = "method",
        /// The answer is a part of the whole.
        Partial = "partial",
        /// The answer carries more tags, or longer ones, than an entry may hold.
        TooManyTags = "too_many_tags",
        /// The origin failed. That says nothing about the next answer, so nothing is noted.
        OriginError = "origin_error",
        /// The answer asks for an encoding or a protocol that is not stored.
        Encoding = "encoding",
        /// A rule of the caller says so.
        Rule = "rule",
        /// Anything else.
        Other = "other",
    }
}

/// Why the asker should load for itself alone and store nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bypass {
    /// The cache is switched off.
    Disabled,
    /// The asker does not allow a load (`only-if-cached`, RFC 9111 §5.2.1.7), and nothing usable is stored, for this reason.
    NotAllowed(MissReason),
    /// An earlier load of the key could not be stored, for this reason.
    HitForMiss(PassReason),
    /// More loads are under way than the engine keeps track of (`cache.loads_max`), or the key is too long.
    CrowdedOut,
    /// The asker met several loads in a row that it could not use. For callers; the engine itself does not count.
    Contended,
}

impl Bypass {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::NotAllowed(_) => "not_allowed",
            Self::HitForMiss(_) => "hit_for_miss",
            Self::CrowdedOut => "crowded_out",
            Self::Contended => "contended",
        }
    }
}

words! {
    /// How a load ended without an answer. The followers of the load get the same.
    LoadFailure {
        /// The origin could not be reached.
        Unreachable = "unreachable",
        /// The origin did not answer in time.
        TimedOut = "timed_out",
        /// The answer broke off or was none.
        Broken = "broken",
        /// The origin answered that it failed, and something better than its answer is there.
        Status = "status",
        /// The work was refused before it reached the origin.
        Refused = "refused",
        /// Whoever loaded went away, or nobody was left who wanted the answer.
        Abandoned = "abandoned",
        /// The reader took nothing for longer than others can wait.
        Stalled = "stalled",
    }
}

impl std::error::Error for LoadFailure {}

impl Blame for LoadFailure {
    fn party(&self) -> Party {
        match self {
            Self::Unreachable | Self::TimedOut | Self::Broken | Self::Status => Party::Upstream,
            Self::Refused | Self::Abandoned => Party::Peregrine,
            Self::Stalled => Party::Downstream,
        }
    }

    fn retry_helps(&self) -> bool {
        true
    }

    fn public(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Unreachable => "The origin cannot be reached.",
            Self::TimedOut => "The origin did not answer in time.",
            Self::Broken => "The origin's answer broke off.",
            Self::Status => "The origin failed.",
            Self::Refused => "There is more work than can be done.",
            Self::Abandoned => "The load ended without an answer.",
            Self::Stalled => "The answer was not read fast enough.",
        })
    }
}

words! {
    /// Why a body that was loaded is not in the cache. Nobody who read it notices.
    NotStored {
        /// It is shorter or longer than its head said.
        LengthMismatch = "length_mismatch",
        /// It is larger than may be stored.
        TooLarge = "too_large",
        /// An invalidation or a write overtook the load.
        Overtaken = "overtaken",
        /// There was no room, in memory or within the bound of bodies under way.
        NoRoom = "no_room",
        /// The load failed before its end.
        Failed = "failed",
        /// It is larger than all that its tenant may hold.
        Quota = "quota",
    }
}

words! {
    /// Why an entry left the memory tier.
    Eviction {
        /// Room was needed for others.
        Capacity = "capacity",
        /// Its time was over.
        Expired = "expired",
        /// It was invalidated.
        Invalidated = "invalidated",
        /// A newer value took its place.
        Replaced = "replaced",
        /// It is too large for the tier as it is now.
        Refused = "refused",
        /// It was deleted, or its namespace was cleared.
        Removed = "removed",
        /// Its tenant holds as much as it may.
        Quota = "quota",
    }
}

words! {
    /// What came of making an encoding of a stored body.
    EncodingOutcome {
        /// It is kept with the entry.
        Stored = "stored",
        /// It would not have saved a tenth.
        NoGain = "no_gain",
        /// Too many others waited to be made; the next who asks begins again.
        Crowded = "crowded",
        /// The entry was gone, or another body had taken its place.
        Overtaken = "overtaken",
        /// There was no room for it.
        NoRoom = "no_room",
    }
}

/// The answer of a load may not be stored. The followers were released; a marker keeps the next ones from waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not stored: {reason}")]
pub struct Refused {
    /// Why.
    pub reason: PassReason,
}

/// The body under way has no reader left and is not being stored: there is no use in going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody reads the body and it is not stored")]
pub struct Abandoned;
