//! The caching policy for a shared cache: RFC 9111 with RFC 9110 and RFC 5861, for GET and HEAD.
//!
//! It is pure: fields, statuses, times and rules go in, decisions come out. It knows no sockets, no engine and no clock.
//! Every decision carries a [`Reason`] and the clause that it rests on, so that `Cache-Status`, logs, metrics and
//! `explain` all say the same. A request meets the parts in this order:
//!
//! 1. [`admit_request`]: may the cache be asked, and on what conditions?
//! 2. [`vary_value`]: which of the stored variants is meant?
//! 3. For a stored response: [`evaluate_conditions`], [`select_range`]; on the origin's failure [`request_may_use_stale`].
//! 4. On the way to the origin: [`validators`], beside nothing else that narrows the answer.
//! 5. For its answer: [`decide_storage`] and [`headers_to_store`], or after a 304 [`decide_renewal`];
//!    [`tags()`]; after an unsafe method [`invalidated_by`].
//! 6. For the client: [`CacheStatus`].
//!
//! Where fields are malformed, repeated or contradict each other, the most restrictive reading counts: the worst that may
//! happen is a miss.

mod age;
mod byteranges;
mod cache_control;
pub mod cache_status;
mod canonical_json;
mod confusion;
mod date;
mod decision;
mod directives;
mod encodings;
mod etag;
mod fields;
mod freshness;
mod head;
mod languages;
pub mod multipart;
mod no_vary_search;
mod part;
mod posted;
mod range;
mod reason;
mod reference;
mod refresh;
mod request;
mod rules;
mod stale;
mod storage;
mod structured;
mod tags;
mod targeted;
mod unsafe_methods;
mod validation;
mod vary;

pub use age::initial_age;
pub use byteranges::{Arrived, ByteRanges, Damaged};
pub use cache_control::{CacheControl, DELTA_SECONDS_MAX, Scope};
pub use cache_status::{CacheStatus, Forward};
pub use canonical_json::canonical_json;
pub use confusion::{NEGOTIATED, OVERRIDES, is_path_confusion, is_refusal_of_request};
pub use date::parse as parse_date;
pub use decision::{Clause, Decision, Directive, Overridden};
pub use fields::{EditFields, Fields};
pub use head::{HeadUpdate, decide_head_update};
pub use languages::choose_language;
pub use no_vary_search::{NoVarySearch, no_vary_search};
pub use part::{Placed, StrongValidator, part_headers, place_part, remove_digests, strong_validator};
pub use posted::stands_for_its_url;
pub use range::{RANGES_MAX, RangeAnswer, Ranges, if_range_holds, select_range};
pub use reason::{Group, Reason};
pub use refresh::{Renewal, decide_renewal, decide_update, for_the_asker, headers_to_store, left_out};
pub use request::{Asked, RequestVerdict, admit_request};
pub use rules::{Freshness, Methods, Rules, Times};
pub use stale::{StaleUse, forbids_stale, request_may_use_stale, stale_if_error_status};
pub use storage::{Plan, Storage, decide_storage};
pub use tags::{TAG_BYTES_MAX, TAGS_MAX, groups, invalidated_groups, tags};
pub use targeted::{SURROGATE_CONTROL, SURROGATE_NAME};
pub use unsafe_methods::{invalidated_by, is_safe};
pub use validation::{Condition, evaluate_conditions, not_modified_headers, reduce_to_not_modified, validators};
pub use vary::{VARY_NAMES_MAX, vary_names, vary_value};

#[cfg(test)]
mod tests;
