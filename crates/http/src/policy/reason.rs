//! Every caching outcome and non-outcome, in one table: the word for logs, metric labels and the headings of
//! `docs/reference/reasons.md`, the clause, the sentence for people, and what could be changed. The groups are the steps
//! at which a request meets them.

use super::decision::Clause;

/// Makes the enum and its texts from one table, so that a reason without a clause or a sentence cannot exist.
macro_rules! reasons {
    ($($group:ident { $($reason:ident $word:literal $rfc:literal $section:literal $sentence:literal $($advice:literal)?;)+ })+) => {
        /// A caching outcome or non-outcome.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = concat!("`", $word, "`: ", $sentence, ".")] $reason,)+)+ }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$($(Self::$reason,)+)+];

            const fn row(self) -> Row {
                match self {
                    $($(Self::$reason => Row {
                        group: Group::$group,
                        word: $word,
                        clause: Clause::new($rfc, $section),
                        sentence: $sentence,
                        advice: reasons!(@advice $($advice)?),
                    },)+)+
                }
            }
        }
    };
    (@advice) => { None };
    (@advice $advice:literal) => { Some($advice) };
}

/// The step that a reason belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Answered from the cache, or by a load that another request began.
    Served,
    /// The cache was asked and the origin had to answer.
    Forwarded,
    /// The cache was not asked.
    Bypassed,
    /// The response was stored.
    Stored,
    /// The response was not stored.
    NotStored,
}

impl Group {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Forwarded => "forwarded",
            Self::Bypassed => "bypassed",
            Self::Stored => "stored",
            Self::NotStored => "not_stored",
        }
    }
}

/// What the table says of one reason.
struct Row {
    group: Group,
    word: &'static str,
    clause: Clause,
    sentence: &'static str,
    advice: Option<&'static str>,
}

impl Reason {
    /// The word for logs, metric labels and the docs' headings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The step that it belongs to.
    #[must_use]
    pub const fn group(self) -> Group {
        self.row().group
    }

    /// The clause that it rests on.
    #[must_use]
    pub const fn clause(self) -> Clause {
        self.row().clause
    }

    /// The sentence for people, without a full stop.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        self.row().sentence
    }

    /// What could be changed for another outcome, where something can.
    #[must_use]
    pub const fn advice(self) -> Option<&'static str> {
        self.row().advice
    }
}

reasons! {
    Served {
        Fresh "fresh" 9111 "4.2" "served from the cache: still fresh";
        Revalidated "revalidated" 9111 "4.3.4" "served from the cache: the origin confirmed that it has not changed";
        NotModified "not_modified" 9111 "4.3.2" "answered 304 from the cache: the client's own copy is current";
        Collapsed "collapsed" 9111 "4" "answered by the load that another request had begun";
        StaleWhileRevalidate "stale_while_revalidate" 5861 "3"
            "served stale while it is renewed in the background"
            "`stale_while_revalidate = \"0s\"` makes clients wait for the renewal instead";
        StaleIfError "stale_if_error" 5861 "4" "served stale because the origin failed"
            "`stale_if_error = \"0s\"` hands the error to clients instead";
        StaleAsked "stale_asked" 9111 "5.2.1.2" "served stale because the client accepts it (max-stale)";
        StaleWhileLoading "stale_while_loading" 9111 "4.2.4"
            "served stale because the origin takes longer than the soft limit"
            "raise `load_soft_limit` to wait longer for the origin";
        ServedUnverified "served_unverified" 9111 "4.2.4"
            "served though other nodes may have invalidated it, because they cannot be asked"
            "`unverified = \"load\"` asks the origin instead";
    }
    Forwarded {
        UriMiss "uri_miss" 9111 "4" "fetched: nothing is stored under this key"
            "`peregrine warm` loads before anybody asks; more `cache.memory` keeps entries longer";
        VaryMiss "vary_miss" 9111 "4.1" "fetched: what is stored answers other values of the fields that Vary names"
            "let the origin vary on fewer fields";
        PartMiss "part_miss" 9111 "3.3" "fetched: what is stored is a part, and not all of what was asked for";
        Stale "stale" 9111 "4.2.4" "fetched: what is stored is stale"
            "a longer lifetime from the origin, or a longer `stale_while_revalidate`, would have answered at once";
        Invalidated "invalidated" 9111 "4.4" "fetched: what was stored has been invalidated";
        Unverified "unverified" 9111 "4.2.4" "fetched: other nodes may have invalidated what is stored, and they cannot be asked"
            "bring Redis back; `unverified = \"serve\"` answers from the cache meanwhile";
        MustValidate "must_validate" 9111 "5.2.2.4" "fetched: what is stored may not be used before the origin confirms it (no-cache)"
            "`freshness = \"force\"` would override the origin's no-cache";
        RequestNoCache "request_no_cache" 9111 "5.2.1.4" "fetched: the client asked for validation (no-cache)";
        RequestMaxAge "request_max_age" 9111 "5.2.1.1" "fetched: what is stored is older than the client accepts (max-age)";
        RequestMinFresh "request_min_fresh" 9111 "5.2.1.3" "fetched: what is stored will be stale sooner than the client accepts (min-fresh)";
        StaleForbidden "stale_forbidden" 9111 "4.2.4"
            "not served stale: the origin forbids it (no-cache, must-revalidate, proxy-revalidate or s-maxage)"
            "send `max-age` instead of `s-maxage`, or `freshness = \"force\"` to override the origin";
        StaleTooOld "stale_too_old" 5861 "4" "not served stale: it has been stale for longer than allowed"
            "a longer `stale_if_error` would have answered";
        ValidatorMismatch "validator_mismatch" 9111 "4.3.4"
            "fetched again: the origin's 304 confirmed a version that is not the stored one";
        HitForMiss "hit_for_miss" 9111 "4" "fetched without waiting: the last answer under this key could not be stored"
            "see why that was so; a shorter `hit_for_miss` tries again sooner";
        OnlyIfCached "only_if_cached" 9111 "5.2.1.7" "not fetched: the client asked for a stored answer only, and none may be used";
    }
    Bypassed {
        Method "method" 9111 "3" "not cached: the strategy does not cache this method" "add it to `cache_methods`";
        UnsafeMethod "unsafe_method" 9110 "9.2.1" "not cached: the method may change something at the origin";
        RequestContent "request_content" 9110 "9.3.1" "not cached: the request carries content, which is no part of the key";
        Precondition "precondition" 9111 "4.3.2"
            "not cached: If-Match and If-Unmodified-Since are for the origin to evaluate";
        Upgrade "upgrade" 9110 "7.8" "not cached: the client asks to change the protocol (Upgrade)"
            "the route's `upgrades` says which protocols may be changed to";
        CachingOff "caching_off" 9111 "3" "not cached: the route does not cache" "`cache = true` turns caching on for the route";
        BypassRule "bypass_rule" 9111 "3" "not cached: a bypass condition of the route matched"
            "change `bypass` of the route";
    }
    Stored {
        StoredSMaxage "stored_s_maxage" 9111 "5.2.2.10" "stored: lifetime from s-maxage";
        StoredMaxAge "stored_max_age" 9111 "5.2.2.1" "stored: lifetime from max-age";
        StoredExpires "stored_expires" 9111 "5.3" "stored: lifetime from Expires";
        StoredHeuristic "stored_heuristic" 9111 "4.2.2" "stored: lifetime is 10% of the time since Last-Modified";
        StoredFallback "stored_fallback" 9111 "4.2.2" "stored: the origin gives no lifetime, the strategy's ttl applies";
        StoredForce "stored_force" 9111 "4.2.4" "stored: the strategy forces its ttl";
        StoredNegative "stored_negative" 9111 "4.2.2" "stored: an error, for the strategy's negative_ttl";
        StoredForValidation "stored_for_validation" 9111 "4.3"
            "stored: not usable as it is, but a validator lets the origin confirm it without sending it again"
            "a lifetime from the origin would spare the validation";
    }
    NotStored {
        NoStore "no_store" 9111 "5.2.2.5" "not stored: the response says no-store"
            "nothing, if it is somebody's own; if it is the same for everybody, `freshness = \"force\"` would override it";
        Private "private" 9111 "5.2.2.7" "not stored: the response is for one user (private)"
            "nothing, if it is one user's own; if it is the same for everybody, let the origin say so, or `freshness = \"force\"` to override it";
        NoCache "no_cache" 9111 "5.2.2.4" "not stored: the response says no-cache and has no validator to confirm it with"
            "let the origin send an ETag, or `freshness = \"force\"` to override it";
        RequestNoStore "request_no_store" 9111 "5.2.1.5" "not stored: the client says no-store";
        Authorization "authorization" 9111 "3.5"
            "not stored: the request has Authorization and the response does not allow sharing"
            "let the origin send `public` or `s-maxage`, or set `allow_authorization = true`";
        SetCookie "set_cookie" 9111 "7.3" "not stored: response has Set-Cookie and the route does not allow it"
            "let the origin drop the cookie or name it in `no-cache=\"set-cookie\"`, or set `allow_set_cookie = true`";
        Cookie "cookie" 9111 "7.3"
            "not stored: the request has cookies and the origin does not say that the answer is for everyone"
            "name harmless cookies in `key.cookies_ignore`, or let the origin send a lifetime, `public` or `Vary: Cookie`";
        VaryStar "vary_star" 9111 "4.1" "not stored: Vary names * or something that is no field"
            "let the origin name the fields that it varies on";
        VaryTooWide "vary_too_wide" 9111 "4.1" "not stored: Vary names more fields than are kept apart"
            "let the origin vary on fewer fields";
        VaryImitated "vary_imitated" 9111 "4.1"
            "not stored: some origins cannot tell a field of the request from one that Vary names";
        NoFreshness "no_freshness" 9111 "3" "not stored: no freshness from the origin"
            "`freshness = \"fallback\"` would cache these";
        FreshnessUnreadable "freshness_unreadable" 9111 "4.2.1" "not stored: the lifetime in Cache-Control cannot be read"
            "let the origin send whole seconds: `max-age=60`";
        AlreadyStale "already_stale" 9111 "4.2" "not stored: stale on arrival, with nothing to validate it by"
            "let the origin send a longer lifetime or an ETag, or check its clock";
        Status "status" 9111 "3" "not stored: the status is not cacheable unless the origin gives a lifetime"
            "let the origin send `max-age`; an error may be kept by `negative_statuses` and `negative_ttl`";
        StatusForbids "status_forbids" 6585 "3" "not stored: the status may never be stored (428, 429, 431, 511)";
        StatusOfRequest "status_of_request" 9111 "3"
            "not stored: the status answers fields of this one request, which are no part of the key";
        QueryRule "query_rule" 9111 "4"
            "not stored: No-Vary-Search says something new of this path, by which the next answers are kept"
            "nothing: the next answer is stored; an origin that says something else each time should not";
        PathConfusion "path_confusion" 9111 "7.3"
            "not stored: the path ends like a static file and the answer is none, or means another path to some origins"
            "nothing, if it is a page that belongs to somebody; if the origin is known to send such answers, `refuse_path_confusion = false`";
        StatusUnknown "status_unknown" 9111 "5.2.2.3" "not stored: the response says must-understand and its status is not known";
        Interim "interim" 9111 "3" "not stored: an interim response (1xx) is not final";
        Partial "partial" 9111 "3.3" "not stored: where this part (206) belongs in the whole is not certain";
        NotModifiedAlone "not_modified_alone" 9111 "4.3.3" "not stored: a 304 for which nothing is stored";
        HeadOnly "head_only" 9110 "9.3.2" "not stored: the answer to HEAD has no content";
        TagsUnusable "tags_unusable" 9111 "3" "not stored: its tags are too many, too long or not text, so an invalidation could miss it"
            "let the origin send fewer and shorter tags";
        TooLarge "too_large" 9111 "3" "not stored: larger than the cache keeps" "raise `cache.object_size_max`";
        NoRoom "no_room" 9111 "3" "not stored: the cache has no room for it" "raise `cache.memory` or the namespace's `memory_max`";
        LengthMismatch "length_mismatch" 9112 "8" "not stored: the body is not as long as announced"
            "let the origin announce the length that it sends";
        Overtaken "overtaken" 9111 "4.4" "not stored: it was invalidated while it loaded";
        LoadFailed "load_failed" 9112 "8" "not stored: the origin failed before the response was whole"
            "see what the origin suffers from; `stats` shows its errors";
    }
}
