//! Which requests share a stored response: RFC 9111 §4.1.

use super::*;

/// Clause, the fields varied on, one request, another, whether they share a response.
pub(super) const ROWS: &[[&str; 5]] = &[
    ["§4.1", "foo", "Foo: 1", "Foo: 1", "same"],
    ["§4.1", "foo", "Foo: 1", "Foo: 2", "other"],
    ["§4.1", "foo", "Foo: 1", "foo: 1 | Bar: 2", "same"],
    ["§4.1", "foo", "Foo: a", "Foo: A", "other"],
    // A field that is absent matches only where it is absent too.
    ["§4.1", "foo", "", "Bar: 1", "same"],
    ["§4.1", "foo", "", "Foo: 1", "other"],
    ["§4.1", "foo", "", "Foo:", "other"],
    // Several fields do not run into each other.
    ["§4.1", "bar,foo", "Bar: 1 | Foo: 2", "Foo: 2 | Bar: 1", "same"],
    ["§4.1", "bar,foo", "Bar: 1", "Foo: 1", "other"],
    ["§4.1", "bar,foo", "Bar: 1 | Foo: 2", "Bar: 2 | Foo: 1", "other"],
    // White space and lines.
    ["§4.1", "foo", "Foo: 1, 2", "Foo: 1,2", "same"],
    ["§4.1", "foo", "Foo: 1 , 2", "Foo: 1 | Foo: 2", "same"],
    ["§4.1", "foo", "Foo: 1, 2", "Foo: 2, 1", "other"],
    ["§4.1", "foo", "Foo: \"1, 2\"", "Foo: \"1,2\"", "other"],
    ["§4.1", "foo", "Foo: 1 2", "Foo: 12", "other"],
    [
        "§4.1",
        "accept-language",
        "Accept-Language: de, en;q=0.5",
        "Accept-Language: de,en;q=0.5",
        "same",
    ],
    // Accept-Language: case, spacing and the way of writing weights mean nothing, the order of equal weights may.
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: en, de",
        "Accept-Language: eN,De",
        "same",
    ],
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: en, de",
        "Accept-Language: de, en",
        "other",
    ],
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: en;q=0.5, de",
        "Accept-Language: de;q=1.000, en;q=0.500",
        "same",
    ],
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: en | Accept-Language: de",
        "Accept-Language: en, de",
        "same",
    ],
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: en;q=0.5",
        "Accept-Language: en;q=0.6",
        "other",
    ],
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: en;q=0",
        "Accept-Language: en",
        "other",
    ],
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: en;q=2",
        "Accept-Language: en",
        "other",
    ],
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: en;x=1",
        "Accept-Language: en",
        "other",
    ],
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: en-toolongasubtag",
        "Accept-Language: en",
        "other",
    ],
    // What is no list stays as it is, and is not what spells the normal form of one.
    [
        "9110 §12.5.4",
        "accept-language",
        "Accept-Language: de-DE, de;q=0.9",
        "Accept-Language: de-de,de;900",
        "other",
    ],
    ["§4.1", "user-agent", "User-Agent: a, b", "User-Agent: a,b", "other"],
    ["§4.1", "cookie", "Cookie: a=1, 2", "Cookie: a=1,2", "other"],
    // Bytes beyond ASCII stay different, and different from what spells them.
    ["§4.1", "foo", "Foo: \u{e9}", "Foo: \u{e8}", "other"],
    ["§4.1", "foo", "Foo: \u{e9}", "Foo: c3a9", "other"],
    // Accept-Encoding: what is acceptable, in any order (RFC 9110 §12.5.3).
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip, br",
        "Accept-Encoding: br,gzip",
        "same",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip;q=0.8, BR",
        "Accept-Encoding: br, gzip",
        "same",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: x-gzip",
        "Accept-Encoding: gzip",
        "same",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip, gzip",
        "Accept-Encoding: gzip",
        "same",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip, br;q=0",
        "Accept-Encoding: gzip",
        "same",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip, br;q=0.001",
        "Accept-Encoding: gzip",
        "other",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip, br",
        "Accept-Encoding: gzip",
        "other",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip;q=0",
        "Accept-Encoding: identity",
        "same",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding:",
        "Accept-Encoding: identity",
        "same",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip, identity;q=0",
        "Accept-Encoding: gzip",
        "other",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: *, br;q=0",
        "Accept-Encoding: *",
        "other",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip, *;q=0",
        "Accept-Encoding: gzip",
        "other",
    ],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: *, gzip;q=0",
        "Accept-Encoding: *, !gzip",
        "other",
    ],
    ["§12.5.3", "accept-encoding", "", "Accept-Encoding: gzip", "other"],
    ["§12.5.3", "accept-encoding", "", "Accept-Encoding:", "other"],
    [
        "§12.5.3",
        "accept-encoding",
        "Accept-Encoding: gzip, identity, *;q=0",
        "Accept-Encoding: gzip, *;q=0",
        "other",
    ],
];

#[test]
fn which_requests_share_a_response() {
    let value = |names: &str, request: &str| {
        let names: Vec<HeaderName> = names.split(',').map(|name| name.parse().unwrap()).collect();
        let mut out = String::new();
        vary_value(&names, &fields(request), &mut out);
        out
    };
    check(ROWS, |[_, names, one, other, _]| {
        let same = value(names, one) == value(names, other);
        if same { "same" } else { "other" }.to_owned()
    });
}

#[test]
fn a_variant_is_appended_to_what_is_there() {
    let mut out = "before".to_owned();
    vary_value(
        &[http::header::ACCEPT_ENCODING, http::header::ACCEPT],
        &fields("Accept-Encoding: gzip, BR"),
        &mut out,
    );
    assert_eq!(out, "beforeaccept-encoding=br,gzip\naccept\n");
}

#[test]
fn equal_values_of_different_fields_are_different_variants() {
    let texts = [("a", "A: 1"), ("b", "B: 1"), ("a", "B: 1"), ("b", "A: 1")].map(|(name, request)| {
        let mut out = String::new();
        vary_value([name], &fields(request), &mut out);
        out
    });
    assert_eq!(texts, ["a=1\n", "b=1\n", "a\n", "b\n"]);
}
