//! Between the policy's reasons and the engine's: the engine knows no protocol, so what a load was not stored for goes
//! through it as one of its few general reasons and comes back to the followers as the policy's.

use crate::failure::Failure;
use crate::policy::{Asked, Reason};
use http::StatusCode;
use peregrine_cache::{Bypass, LoadFailure, MissReason, PassReason};
use peregrine_net::upstream::UpstreamError;

/// What the engine is told when a response is not stored.
pub(crate) const fn pass_reason(reason: Reason) -> PassReason {
    match reason {
        Reason::NoStore | Reason::NoCache => PassReason::NoStore,
        Reason::Private | Reason::Cookie => PassReason::Private,
        Reason::SetCookie => PassReason::SetCookie,
        Reason::Authorization => PassReason::Authorization,
        Reason::NoFreshness | Reason::FreshnessUnreadable | Reason::AlreadyStale => PassReason::NoFreshness,
        Reason::VaryStar => PassReason::VaryStar,
        Reason::VaryTooWide => PassReason::VaryLimit,
        Reason::Status | Reason::StatusForbids | Reason::StatusOfRequest | Reason::StatusUnknown => PassReason::Status,
        Reason::Partial => PassReason::Partial,
        Reason::TagsUnusable => PassReason::TooManyTags,
        Reason::TooLarge => PassReason::TooLarge,
        _ => PassReason::Other,
    }
}

/// Whether a refusal is about the one who asked: another's answer could have been stored, and what is stored stays right.
pub(crate) const fn is_about_the_asker(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Authorization | Reason::Cookie | Reason::RequestNoStore | Reason::VaryImitated
    )
}

/// What the engine's reason means here.
pub(crate) const fn of_pass(reason: PassReason) -> Reason {
    match reason {
        PassReason::NoStore => Reason::NoStore,
        PassReason::Private => Reason::Private,
        PassReason::SetCookie => Reason::SetCookie,
        PassReason::Authorization => Reason::Authorization,
        PassReason::NoFreshness => Reason::NoFreshness,
        PassReason::VaryStar => Reason::VaryStar,
        PassReason::VaryLimit => Reason::VaryTooWide,
        PassReason::TooLarge => Reason::TooLarge,
        PassReason::TooManyTags => Reason::TagsUnusable,
        PassReason::Status | PassReason::OriginError => Reason::Status,
        PassReason::Partial => Reason::Partial,
        PassReason::Validation => Reason::StoredForValidation,
        _ => Reason::HitForMiss,
    }
}

/// Why the origin is asked.
pub(crate) const fn of_miss(miss: MissReason, asked: &Asked) -> Reason {
    match miss {
        MissReason::Absent => Reason::UriMiss,
        MissReason::Variant => Reason::VaryMiss,
        MissReason::Expired => Reason::Stale,
        MissReason::Invalidated => Reason::Invalidated,
        MissReason::Validation => Reason::MustValidate,
        MissReason::Asked if asked.validate => Reason::RequestNoCache,
        MissReason::Asked if asked.age_max.is_some() => Reason::RequestMaxAge,
        MissReason::Asked => Reason::RequestMinFresh,
        MissReason::HitForMiss => Reason::HitForMiss,
        MissReason::Part => Reason::PartMiss,
        MissReason::Unverified => Reason::Unverified,
    }
}

/// Why a request goes past the cache after it was asked. Behind a hit-for-miss marker stands why the last answer could not
/// be stored, and that is what a person wants to know.
pub(crate) const fn of_bypass(bypass: Bypass, asked: &Asked) -> Reason {
    match bypass {
        Bypass::Disabled => Reason::CachingOff,
        Bypass::NotAllowed(why) => of_miss(why, asked),
        Bypass::HitForMiss(reason) => of_pass(reason),
        Bypass::CrowdedOut | Bypass::Contended => Reason::NoRoom,
    }
}

/// What followers are told of a failed load.
pub(crate) fn load_failure(failure: &Failure) -> LoadFailure {
    match failure {
        Failure::Load(failure) => *failure,
        Failure::Upstream(error) => of_upstream(error),
        _ => LoadFailure::Refused,
    }
}

fn of_upstream(error: &UpstreamError) -> LoadFailure {
    match error.status() {
        StatusCode::GATEWAY_TIMEOUT => LoadFailure::TimedOut,
        StatusCode::SERVICE_UNAVAILABLE => LoadFailure::Refused,
        _ => LoadFailure::Unreachable,
    }
}
