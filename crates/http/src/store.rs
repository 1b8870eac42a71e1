//! From a response to an entry: what the engine is told about it, and the flow of its body into the cache.

use crate::head::StoredHead;
use crate::identify::Asking;
use crate::policy::{self, Plan, StrongValidator};
use crate::request::RequestView;
use crate::trailers::Trailed;
use http::HeaderMap;
use peregrine_cache::{Fill, Finished, Hit, Lease, LoadFailure, Meta, PartMeta, PassReason, Selector};
use peregrine_net::http::Body;
use std::borrow::Cow;

/// Begins an entry for a response that is to be stored.
///
/// # Errors
/// Why the engine refuses it; followers are then already on their way.
pub(crate) fn begin(
    lease: Lease,
    asking: &Asking,
    head: &StoredHead,
    plan: &Plan,
    tags: Vec<String>,
    (length, part): (Option<u64>, Option<PartMeta>),
) -> Result<Fill, PassReason> {
    let Some(mut meta) = meta(asking, head, plan, tags) else {
        lease.pass(PassReason::TooLarge);
        return Err(PassReason::TooLarge);
    };
    (meta.length, meta.part) = (length, part);
    lease.fill(meta, &asking.variants()).map_err(|refused| refused.reason)
}

/// Makes the stored entry fresh again.
///
/// # Errors
/// Why the engine refuses it.
pub(crate) fn renew(
    lease: Lease,
    asking: &Asking,
    head: &StoredHead,
    plan: &Plan,
    tags: Vec<String>,
) -> Result<Hit, PassReason> {
    let Some(meta) = meta(asking, head, plan, tags) else {
        lease.pass(PassReason::TooLarge);
        return Err(PassReason::TooLarge);
    };
    lease.renew(meta, &asking.variants()).map_err(|refused| refused.reason)
}

/// The tags of the entry: those that the response names, in `tags`, those of the route and of its groups. Nothing where one is
/// too long.
pub(crate) fn tags_of(asking: &Asking, headers: &HeaderMap, mut tags: Vec<String>) -> Option<Vec<String>> {
    let of_route = asking.route.tags.iter();
    tags.extend(of_route.filter_map(|template| template.render(&asking.facts)));
    let groups = policy::groups(headers);
    tags.extend(groups.iter().map(|group| asking.facts.group_tag(group)));
    if asking.rule.is_some() {
        tags.push(asking.facts.path_tag());
    }
    tags.iter()
        .all(|tag| tag.len() <= policy::TAG_BYTES_MAX)
        .then_some(tags)
}

/// What the engine is told about a response; nothing where it is too much.
pub(crate) fn meta(asking: &Asking, head: &StoredHead, plan: &Plan, tags: Vec<String>) -> Option<Meta> {
    Some(Meta {
        head: with_trailers_to_keep(asking, head).encode()?,
        tags: tags_of(asking, &head.headers, tags)?,
        initial_age: plan.initial_age,
        fresh_for: plan.fresh_for,
        overdue: plan.overdue,
        jitter: plan.from_strategy,
        swr: plan.swr,
        sie: plan.sie,
        length: None,
        compressible: asking.route.encode.may_gain(head.status, &head.headers),
        selector: Selector::new(plan.vary.iter().map(http::HeaderName::as_str)),
        must_validate: plan.must_validate,
        never_stale: plan.stale_forbidden,
        negative: plan.negative,
        part: None,
    })
}

/// `head`, whose trailers were stored with an earlier one, without those that the fields now forbid to store.
fn with_trailers_to_keep<'a>(asking: &Asking, head: &'a StoredHead) -> Cow<'a, StoredHead> {
    if head.trailers.is_empty() {
        return Cow::Borrowed(head);
    }
    let mut kept = head.clone();
    policy::left_out(&head.headers, &asking.route.rules).for_each(|name| _ = kept.trailers.remove(name));
    Cow::Owned(kept)
}

/// Moves the origin's body into the entry. A body that ends early is a failure for its readers and is never stored as whole;
/// what came of a version that can be told from others is kept as a part of it. Answers with what was stored.
pub(crate) async fn pump(
    mut fill: Fill,
    mut body: Body,
    validator: Option<StrongValidator>,
    trailed: Option<Trailed>,
) -> Option<Hit> {
    while let Some(next) = body.next().await {
        match next {
            Ok(chunk) => {
                if fill.push(chunk).await.is_err() {
                    return None;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the origin's body ended early");
                fill.cut(LoadFailure::Broken, validator.map(|validator| validator.text));
                return None;
            }
        }
    }
    // Stored apart from the other fields (RFC 9111 §3.1). What is too much is left out, as it says that a cache may.
    if let Some(head) = trailed.and_then(Trailed::into_stored)
        && let Some(head) = head.encode()
    {
        fill.set_head(head);
    }
    finish(fill)
}

/// Ends a body that was received whole.
pub(crate) fn finish(fill: Fill) -> Option<Hit> {
    match fill.finish() {
        Finished::Stored(hit) => Some(hit),
        Finished::NotStored(reason) => {
            tracing::debug!(reason = reason.as_str(), "a whole response was not stored");
            None
        }
    }
}
