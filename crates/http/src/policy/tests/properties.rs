//! What holds for any input.

use super::*;
use http::header;
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes that a field value may hold.
fn value_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8], 0..60)
}

/// A field value that is near enough to what caches read to reach far into the rules.
fn likely_value() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("max-age="),
        Just("s-maxage="),
        Just("60"),
        Just("\""),
        Just(","),
        Just(", "),
        Just("no-store"),
        Just("no-cache"),
        Just("private"),
        Just("public"),
        Just("must-understand"),
        Just("="),
        Just("\\"),
        Just("stale-if-error="),
        Just("99999999999"),
        Just("Thu, 01 Jan 2026 00:00:00 GMT"),
        Just("bytes="),
        Just("-"),
        Just("0"),
        Just("W/"),
        Just("*"),
        Just(";q=0"),
        Just("gzip"),
        Just("../"),
        Just("http://"),
        Just("#"),
        Just("?"),
    ];
    prop_oneof![
        vec(word, 0..12).prop_map(|words| words.concat().into_bytes()),
        value_bytes()
    ]
}

/// Fields that the policy reads, with any values.
fn any_fields() -> impl Strategy<Value = HeaderMap> {
    let name = prop_oneof![
        Just(header::CACHE_CONTROL),
        Just(header::EXPIRES),
        Just(header::DATE),
        Just(header::AGE),
        Just(header::VARY),
        Just(header::PRAGMA),
        Just(header::ETAG),
        Just(header::LAST_MODIFIED),
        Just(header::SET_COOKIE),
        Just(header::IF_NONE_MATCH),
        Just(header::IF_MODIFIED_SINCE),
        Just(header::RANGE),
        Just(header::IF_RANGE),
        Just(header::ACCEPT_ENCODING),
        Just(header::AUTHORIZATION),
        Just(header::COOKIE),
        Just(header::CONNECTION),
        Just(header::LOCATION),
        Just(header::CONTENT_LOCATION),
        Just(header::CONTENT_LENGTH),
        Just(HeaderName::from_static("surrogate-key")),
        Just(HeaderName::from_static("cache-tag")),
    ];
    vec((name, likely_value()), 0..8).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_bytes(&value).unwrap());
        }
        headers
    })
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let freshness = prop_oneof![
        Just(Freshness::Origin),
        Just(Freshness::Fallback),
        Just(Freshness::Force)
    ];
    let seconds = prop_oneof![Just(0), 1..100_u64, Just(u64::MAX)].prop_map(Duration::from_secs);
    let windows = (seconds.clone(), seconds.clone(), seconds.clone(), seconds);
    (freshness, windows, any::<[bool; 3]>()).prop_map(|(freshness, (ttl, swr, sie, negative_ttl), flags)| Rules {
        freshness,
        ttl,
        heuristic: flags[0],
        stale_while_revalidate: swr,
        stale_if_error: sie,
        negative_ttl,
        negative_statuses: vec![404, 410, 503],
        methods: Methods::default(),
        allow_set_cookie: flags[1],
        allow_authorization: flags[2],
        ..Rules::default()
    })
}

fn any_times() -> impl Strategy<Value = Times> {
    let received = prop_oneof![Just(0), Just(NOW.as_millis()), any::<u64>()].prop_map(WallTime::from_millis);
    let delay = prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..100_u64).prop_map(Duration::from_secs)
    ];
    (received, delay).prop_map(|(received, delay)| Times { received, delay })
}

fn any_status() -> impl Strategy<Value = StatusCode> {
    prop_oneof![Just(200), 100..1000_u16].prop_map(|status| StatusCode::from_u16(status).unwrap())
}

fn seconds() -> impl Strategy<Value = Option<u32>> {
    proptest::option::of(0..=DELTA_SECONDS_MAX)
}

fn any_scope() -> impl Strategy<Value = Scope> {
    let names = vec("[a-z][a-z0-9-]{0,8}", 1..4).prop_filter_map("cannot be left out", |names| {
        let mut names: Vec<HeaderName> = names.iter().map(|name| name.parse().unwrap()).collect();
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        (!names.contains(&header::VARY)).then_some(Scope::Fields(names))
    });
    prop_oneof![Just(Scope::Nothing), Just(Scope::Everything), names]
}

fn any_cache_control() -> impl Strategy<Value = CacheControl> {
    let max_stale = prop_oneof![seconds(), Just(Some(u32::MAX))];
    let numbers = (seconds(), seconds(), seconds(), max_stale, seconds(), seconds());
    (any::<[bool; 8]>(), any_scope(), any_scope(), numbers).prop_map(|(flags, no_cache, private, numbers)| {
        CacheControl {
            present: true,
            no_store: flags[0],
            no_cache,
            private,
            public: flags[1],
            must_revalidate: flags[2],
            proxy_revalidate: flags[3],
            must_understand: flags[4],
            no_transform: flags[5],
            immutable: flags[6],
            only_if_cached: flags[7],
            max_age: numbers.0,
            s_maxage: numbers.1,
            min_fresh: numbers.2,
            max_stale: numbers.3,
            stale_while_revalidate: numbers.4,
            stale_if_error: numbers.5,
            unreadable: false,
            targeted: false,
        }
    })
}

proptest! {
    #[test]
    fn no_input_makes_the_policy_panic(
        request in any_fields(),
        response in any_fields(),
        method in prop_oneof![Just(Method::GET), Just(Method::HEAD), Just(Method::POST)],
        status in any_status(),
        rules in any_rules(),
        times in any_times(),
        length: u64,
    ) {
        let asked = match admit_request(&method, &request, &rules) {
            RequestVerdict::Use(asked) => asked,
            RequestVerdict::Bypass(_) => Asked::default(),
        };
        let _ = decide_storage(&asked, &method, status, &response, &rules, times);
        let mut stored = headers_to_store(&response, &rules, times.received);
        let _ = decide_renewal(&asked, status, &mut stored, &request, &rules, times);
        let _ = evaluate_conditions(&method, &request, status, &stored, times.received);
        let _ = select_range(&request, &stored, length);
        let _ = request_may_use_stale(&asked, status, &stored, &rules, times.delay, rules.stale_if_error);
        let _ = invalidated_by(&method, status, &"http://shop.example/a/b".parse().unwrap(), &response);
        let _ = (tags(&response), validators(&stored), not_modified_headers(&stored));
        if let Ok(names) = vary_names(&response) {
            vary_value(&names, &request, &mut String::new());
        }
    }

    #[test]
    fn what_is_written_is_read_again(control in any_cache_control()) {
        let text = control.to_string();
        prop_assert_eq!(CacheControl::from_lines([text.as_bytes()]), control, "{}", text);
    }

    #[test]
    fn any_bytes_are_read_without_a_fault(lines in vec(value_bytes(), 0..4)) {
        let control = CacheControl::from_lines(lines.iter().map(Vec::as_slice));
        let seconds = [control.max_age, control.s_maxage, control.min_fresh, control.stale_if_error];
        prop_assert!(seconds.into_iter().flatten().all(|seconds| seconds <= DELTA_SECONDS_MAX));
        for line in &lines {
            let _ = parse_date(line, NOW);
        }
    }

    #[test]
    fn a_restriction_is_seen_whatever_surrounds_it(before in likely_value(), after in likely_value()) {
        // Only inside a whole quoted string, or as part of another word, is it not one.
        prop_assume!(!before.contains(&b'"'));
        let line = [before.as_slice(), b",no-store,", after.as_slice()].concat();
        prop_assert!(CacheControl::from_lines([line.as_slice()]).no_store);
    }

    #[test]
    fn an_age_is_never_more_than_the_largest(headers in any_fields(), times in any_times()) {
        prop_assert!(initial_age(&headers, times) <= Duration::from_secs(u64::from(DELTA_SECONDS_MAX)));
    }

    #[test]
    fn no_store_is_stored_by_force_only(
        mut headers in any_fields(),
        status in any_status(),
        rules in any_rules(),
        times in any_times(),
    ) {
        headers.append(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let lifted = CacheControl::of(&headers).must_understand;
        let storage = decide_storage(&Asked::default(), &Method::GET, status, &headers, &rules, times);
        if let Storage::Store(plan) = storage && !lifted {
            prop_assert_eq!(rules.freshness, Freshness::Force);
            prop_assert!(plan.decision.overridden.contains(Directive::NoStore));
        }
    }

    #[test]
    fn what_the_client_will_not_have_stored_is_not(headers in any_fields(), rules in any_rules(), times in any_times()) {
        let asked = Asked { no_store: true, ..Asked::default() };
        let storage = decide_storage(&asked, &Method::GET, StatusCode::OK, &headers, &rules, times);
        prop_assert!(matches!(storage, Storage::Pass(_)));
    }

    #[test]
    fn a_stored_response_is_of_use(
        headers in any_fields(),
        status in any_status(),
        rules in any_rules(),
        times in any_times(),
    ) {
        if let Storage::Store(plan) =
            decide_storage(&Asked::default(), &Method::GET, status, &headers, &rules, times)
        {
            let usable = !plan.fresh_for.is_zero() || !plan.swr.is_zero() || !plan.sie.is_zero();
            prop_assert!(plan.has_validator || (usable && !plan.must_validate));
            prop_assert!(!plan.stale_forbidden || (plan.swr.is_zero() && plan.sie.is_zero()));
            prop_assert!(rules.allow_set_cookie || !headers_to_store(&headers, &rules, times.received).contains_key(header::SET_COOKIE));
            prop_assert!(!matches!(status.as_u16(), 100..=199 | 206 | 304 | 429));
        }
    }

    #[test]
    fn a_range_lies_within_the_length(request in any_fields(), first: u64, last: u64, length: u64) {
        let mut request = request;
        request.insert(header::RANGE, format!("bytes={first}-{last}").parse().unwrap());
        request.remove(header::IF_RANGE);
        match select_range(&request, &HeaderMap::new(), length) {
            RangeAnswer::Parts(parts) => {
                prop_assert_eq!(parts.len(), 1);
                prop_assert!(parts[0].start < parts[0].end && parts[0].end <= length);
                prop_assert_eq!(parts[0].start, first);
            }
            RangeAnswer::Unsatisfiable => prop_assert!(first >= length),
            RangeAnswer::Whole => prop_assert!(first > last),
        }
    }

    #[test]
    fn several_ranges_become_what_was_asked_for_and_never_overlap(
        asked in vec((0u64..3000, 0u64..400), 1..9),
        length in 1u64..3000,
    ) {
        let set: Vec<String> = asked.iter().map(|(start, more)| format!("{start}-{}", start + more)).collect();
        let request: HeaderMap =
            [(header::RANGE, format!("bytes={}", set.join(",")).parse().unwrap())].into_iter().collect();
        let wanted = |at: u64| asked.iter().any(|(start, more)| (*start..=start + more).contains(&at));
        match select_range(&request, &HeaderMap::new(), length) {
            RangeAnswer::Parts(parts) => {
                prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= length));
                for (index, part) in parts.iter().enumerate() {
                    prop_assert!(parts.iter().skip(index + 1).all(|other| part.overlap(*other).is_none()));
                }
                let given = |at: u64| parts.iter().any(|part| (part.start..part.end).contains(&at));
                prop_assert!((0..length).all(|at| !wanted(at) || given(at)));
            }
            RangeAnswer::Unsatisfiable => prop_assert!(!(0..length).any(wanted)),
            RangeAnswer::Whole => prop_assert!((0..length).any(wanted)),
        }
    }

    #[test]
    fn a_part_that_is_placed_lies_within_the_whole(line in "bytes [0-9]{1,20}-[0-9]{1,20}/[0-9]{1,20}", length: Option<u64>) {
        let headers: HeaderMap = [(header::CONTENT_RANGE, line.parse().unwrap())].into_iter().collect();
        if let Ok(placed) = place_part(&headers, length) {
            prop_assert!(placed.span.start < placed.span.end && placed.span.end <= placed.complete);
            prop_assert!(length.is_none_or(|length| length == placed.span.length()));
        }
    }

    #[test]
    fn equal_requests_share_a_variant(request in any_fields(), names in vec("[a-z]{1,8}", 0..4)) {
        let names: Vec<HeaderName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let (mut one, mut other) = (String::new(), String::new());
        vary_value(&names, &request, &mut one);
        vary_value(&names, &request.clone(), &mut other);
        prop_assert_eq!(one.lines().count(), names.len());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn cache_status_is_a_field_value_whatever_it_says(key: String, detail: String, ttl_s: i64, forward_status: u16) {
        let status = CacheStatus {
            forward: Some(Forward::Miss),
            forward_status: Some(forward_status),
            ttl_s: Some(ttl_s),
            key: Some(&key),
            detail: Some(&detail),
            ..CacheStatus::default()
        };
        let value = status.to_header_value();
        prop_assert!(value.to_str().unwrap().starts_with("Peregrine; fwd=miss; fwd-status="));
    }
}
