//! What is taken off, put on and believed, by table.

use super::*;
use peregrine_base::SeededRandom;

/// Names and values.
type Fields<'a> = &'a [(&'static str, &'a str)];

fn fields(lines: Fields<'_>) -> HeaderMap {
    let pair =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    lines.iter().map(pair).collect()
}

fn peer(address: &str) -> Peer {
    let address = std::net::SocketAddr::new(address.parse().unwrap(), 4711);
    Peer {
        address,
        local: "127.0.0.1:80".parse().unwrap(),
        tls: false,
    }
}

/// What is left after stripping, as sorted names.
fn left(lines: Fields<'_>) -> Vec<String> {
    let mut headers = fields(lines);
    strip_hop_by_hop(&mut headers);
    let mut names: Vec<String> = headers.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

#[test]
fn hop_by_hop_fields_come_off() {
    let end_to_end = ("accept", "*/*");
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "http2-settings",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ] {
        assert_eq!(left(&[(name, "x"), end_to_end]), ["accept"], "{name}");
    }
}

#[test]
fn nominated_fields_come_off_and_the_rest_stays() {
    let table: &[(Fields<'_>, &[&str])] = &[
        (&[("connection", "close"), ("accept", "a")], &["accept"]),
        (&[("connection", "Close, keep-alive"), ("close", "a")], &["close"]),
        (
            &[("connection", "x-secret"), ("x-secret", "s"), ("x-other", "o")],
            &["x-other"],
        ),
        (
            &[
                ("connection", "close, X-Secret ,x-two"),
                ("x-secret", "s"),
                ("x-two", "2"),
            ],
            &[],
        ),
        (
            &[
                ("connection", "x-one"),
                ("connection", "x-two"),
                ("x-one", "1"),
                ("x-two", "2"),
            ],
            &[],
        ),
        (&[("connection", "x-many"), ("x-many", "1"), ("x-many", "2")], &[]),
        (
            &[
                ("connection", "\u{e9}, , not a name, x-one"),
                ("x-one", "1"),
                ("accept", "a"),
            ],
            &["accept"],
        ),
        (&[("connection", "host"), ("host", "h")], &["host"]),
        (
            &[("connection", "content-length"), ("content-length", "1")],
            &["content-length"],
        ),
        (
            &[("connection", "Cache-Control"), ("cache-control", "private")],
            &["cache-control"],
        ),
        (
            &[
                ("connection", "X-Forwarded-For, forwarded"),
                ("x-forwarded-for", "1"),
                ("forwarded", "for=1"),
            ],
            &["forwarded", "x-forwarded-for"],
        ),
        (&[("connection", "set-cookie"), ("set-cookie", "a=b")], &["set-cookie"]),
    ];
    for (lines, expected) in table {
        assert_eq!(left(lines), *expected, "{lines:?}");
    }
}

#[test]
fn via_is_appended_to_what_is_there() {
    let mut headers = fields(&[("via", "1.0 edge")]);
    add_via(&mut headers, Version::HTTP_11);
    add_via(&mut headers, Version::HTTP_2);
    let values: Vec<_> = headers
        .get_all(VIA)
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert_eq!(values, ["1.0 edge", "1.1 peregrine", "2.0 peregrine"]);
    assert!(values[1].ends_with(VIA_NAME));
}

/// Peer, fields; then what is believed (client, https, host) and what goes on (For, Proto, Host, Forwarded).
type Case<'a> = (&'a str, Fields<'a>, (&'a str, bool, &'a str), [&'a str; 4]);

const WAYS: &[Case<'_>] = &[
    // Nobody in front.
    (
        "192.0.2.1",
        &[],
        ("192.0.2.1", false, "h"),
        ["192.0.2.1", "http", "h", ""],
    ),
    // A client that makes things up.
    (
        "192.0.2.1",
        &[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("forwarded", "for=1.1.1.1;proto=https"),
            ("x-real-ip", "1.1.1.1"),
        ],
        ("192.0.2.1", false, "h"),
        ["192.0.2.1", "http", "h", ""],
    ),
    // A trusted proxy.
    (
        "10.0.0.1",
        &[
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop"),
        ],
        ("192.0.2.1", true, "shop"),
        ["192.0.2.1, 10.0.0.1", "https", "shop", ""],
    ),
    // A client that lies to a trusted proxy: the last address that is not trusted counts.
    (
        "10.0.0.1",
        &[("x-forwarded-for", "1.1.1.1, 192.0.2.1, 10.0.0.2")],
        ("192.0.2.1", false, "h"),
        ["1.1.1.1, 192.0.2.1, 10.0.0.2, 10.0.0.1", "http", "h", ""],
    ),
    // The same over two lines.
    (
        "10.0.0.1",
        &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "192.0.2.1")],
        ("192.0.2.1", false, "h"),
        ["1.1.1.1, 192.0.2.1, 10.0.0.1", "http", "h", ""],
    ),
    // Everyone on the way is trusted: the first.
    (
        "10.0.0.1",
        &[("x-forwarded-for", "10.0.0.9, 10.0.0.2")],
        ("10.0.0.9", false, "h"),
        ["10.0.0.9, 10.0.0.2, 10.0.0.1", "http", "h", ""],
    ),
    // A hop that hides ends what can be known.
    (
        "10.0.0.1",
        &[("x-forwarded-for", "192.0.2.1, unknown, 10.0.0.2")],
        ("10.0.0.2", false, "h"),
        ["192.0.2.1, unknown, 10.0.0.2, 10.0.0.1", "http", "h", ""],
    ),
    // Ports and IPv6.
    (
        "10.0.0.1",
        &[("x-forwarded-for", "[2001:db8::1]:99")],
        ("2001:db8::1", false, "h"),
        ["[2001:db8::1]:99, 10.0.0.1", "http", "h", ""],
    ),
    (
        "::ffff:10.0.0.1",
        &[("x-forwarded-for", "192.0.2.1:99")],
        ("192.0.2.1", false, "h"),
        ["192.0.2.1:99, 10.0.0.1", "http", "h", ""],
    ),
    // RFC 7239 alone.
    (
        "fd00::1",
        &[(
            "forwarded",
            "for=\"[2001:db8::1]:99\";proto=HTTPS;host=\"shop:80\", For=fd00::2",
        )],
        ("2001:db8::1", true, "shop:80"),
        [
            "fd00::1",
            "https",
            "shop:80",
            "for=\"[2001:db8::1]:99\";proto=HTTPS;host=\"shop:80\", For=fd00::2, for=\"[fd00::1]\"",
        ],
    ),
    // Both: the older one counts.
    (
        "10.0.0.1",
        &[
            ("forwarded", "for=1.1.1.1;proto=https;host=evil"),
            ("x-forwarded-for", "192.0.2.1"),
        ],
        ("192.0.2.1", false, "h"),
        ["192.0.2.1, 10.0.0.1", "http", "h", ""],
    ),
    // A host that is none.
    (
        "10.0.0.1",
        &[("x-forwarded-host", "a b")],
        ("10.0.0.1", false, "h"),
        ["10.0.0.1", "http", "h", ""],
    ),
];

#[test]
fn forwarded_fields_are_believed_from_trusted_proxies_only() {
    let trusted = TrustedProxies::parse(["10.0.0.0/8", "fd00::/8"]).unwrap();
    for (address, lines, believed, goes_on) in WAYS {
        let mut headers = fields(lines);
        headers.insert("host", HeaderValue::from_static("h"));
        let found = Forwarded::read(&headers, &peer(address), &trusted);
        let host = found.host.as_ref().map_or("", |host| host.to_str().unwrap());
        assert_eq!(
            (found.client.to_string().as_str(), found.https, host),
            *believed,
            "{address} {lines:?}"
        );
        found.write(&mut headers, &peer(address));
        let names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];
        let written = names.map(|name| headers.get(name).map_or("", |value| value.to_str().unwrap()));
        assert_eq!(written, *goes_on, "{address} {lines:?}");
        assert!(!headers.contains_key("x-real-ip"), "{address} {lines:?}");
    }
}

#[test]
fn what_an_origin_could_take_for_a_forwarded_field_is_taken_off_whoever_wrote_it() {
    let trusted = TrustedProxies::parse(["10.0.0.1"]).unwrap();
    for address in ["10.0.0.1", "192.0.2.1"] {
        let names = ["x_forwarded_for", "x-forwarded_proto", "x.real.ip", "x_request_id"];
        let mut headers = fields(&names.map(|name| (name, "198.51.100.7")));
        headers.insert("x_mine", HeaderValue::from_static("kept"));
        Forwarded::read(&headers, &peer(address), &trusted).write(&mut headers, &peer(address));
        let left: Vec<_> = headers.keys().filter(|name| is_odd_name(name.as_str())).collect();
        assert_eq!(left, ["x_mine"], "{address}");
        assert_eq!(headers["x-forwarded-for"], address);
    }
}

#[test]
fn networks_are_read_or_refused() {
    let trusted = TrustedProxies::parse(["10.1.2.3", "::ffff:10.9.9.9", "2001:db8::/32"]).unwrap();
    for (address, expected) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("10.1.2.4", false),
        ("10.9.9.9", true),
        ("2001:db8::1", true),
        ("2001:db9::1", false),
    ] {
        assert_eq!(trusted.contains(address.parse().unwrap()), expected, "{address}");
    }
    for text in ["", "10.0.0.0/33", "proxy", "10.0.0"] {
        assert!(TrustedProxies::parse([text]).is_err(), "{text}");
    }
}

#[test]
fn request_ids_are_kept_from_trusted_proxies_only() {
    let trusted = TrustedProxies::parse(["10.0.0.1"]).unwrap();
    let random = SeededRandom::new(1);
    let long = "a".repeat(129);
    for (address, given, kept) in [
        ("10.0.0.1", "a1-b2", true),
        ("192.0.2.1", "a1-b2", false),
        ("10.0.0.1", "", false),
        ("10.0.0.1", "a b\"", false),
        ("10.0.0.1", long.as_str(), false),
    ] {
        let mut headers = fields(&[("x-request-id", given)]);
        let id = request_id(&mut headers, &peer(address), &trusted, &random);
        assert_eq!(headers.get_all(X_REQUEST_ID).iter().collect::<Vec<_>>(), [&id]);
        assert_eq!(id == given, kept, "{address} {given:?}");
        assert!(
            kept || (id.len() == 32 && id.as_bytes().iter().all(u8::is_ascii_hexdigit)),
            "{id:?}"
        );
    }
}
