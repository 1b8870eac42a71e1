//! The parameters of this room: listeners, upstreams, and the limits of the client's side.

use peregrine_base::parameter::{Fallback, Kind, Parameter};

/// Every parameter that this room reads.
pub const PARAMETERS: &[Parameter] = &[
    row(
        "server.trusted_proxies",
        Kind::Texts,
        toml("[]"),
        true,
        "Addresses and networks of proxies whose X-Forwarded-*, Forwarded and X-Request-Id fields are believed.",
    ),
    row(
        "server.purge_from",
        Kind::Texts,
        toml("[]"),
        true,
        "Addresses and networks of clients that may take a URL out of the cache by PURGE; nobody may where the list is empty.",
    ),
    row(
        "server.drain_delay",
        duration("0s", "10m"),
        toml("\"0s\""),
        true,
        "How long the program goes on serving once a stop was asked for, while /readyz says draining already.",
    ),
    row(
        "server.drain_time",
        duration("0s", "1h"),
        toml("\"30s\""),
        true,
        "How long requests under way may take to finish once a stop was asked for.",
    ),
    row(
        "server.header_size_max",
        size("4KiB", "1MiB"),
        toml("\"32KiB\""),
        false,
        "The largest request head; a larger one is answered with 431.",
    ),
    row(
        "server.header_count_max",
        integer(16, 1000),
        toml("100"),
        false,
        "The most header fields of a request; more are answered with 431.",
    ),
    row(
        "server.header_timeout",
        duration("100ms", "10m"),
        toml("\"10s\""),
        false,
        "How long a client may take to send a request head; then it is answered with 408.",
    ),
    row(
        "server.keepalive_timeout",
        duration("1s", "1h"),
        toml("\"75s\""),
        false,
        "How long a client's connection is kept without a request.",
    ),
    row(
        "server.stall_timeout",
        duration("1s", "1h"),
        toml("\"30s\""),
        false,
        "How long a client may neither send the body it announced nor take what it is sent.",
    ),
    row(
        "server.tunnel_idle_timeout",
        duration("1s", "24h"),
        toml("\"10m\""),
        false,
        "How long a connection that changed its protocol (WebSocket) is kept while nothing moves in either direction.",
    ),
    row(
        "server.connections_max",
        integer(1, 1_000_000),
        toml("10000"),
        false,
        "The most connections of clients over all listeners; further ones are answered with 503 where they speak HTTP/1 in the clear, and closed where not.",
    ),
    row(
        "server.uri_length_max",
        size("256B", "64KiB"),
        toml("\"8KiB\""),
        false,
        "The longest request target; a longer one is answered with 414.",
    ),
    row(
        "server.request_body_max",
        size("0B", "1TiB"),
        toml("\"1GiB\""),
        false,
        "The largest request body; a larger one is answered with 413. Bodies are streamed and never held.",
    ),
    row(
        "server.http2.streams_max",
        integer(1, 10_000),
        toml("100"),
        false,
        "The most requests at the same time on one connection of HTTP/2.",
    ),
    row(
        "server.http2.window",
        size("64KiB", "16MiB"),
        toml("\"256KiB\""),
        false,
        "How much of a request body over HTTP/2 a client may send before it is read; a connection may hold four times that.",
    ),
    row(
        "server.http2.resets_max",
        integer(1, 1_000_000),
        toml("1000"),
        false,
        "The most requests that a client of HTTP/2 may take back (RST_STREAM), or make the server take back by breaking \
         rules, on one connection in a minute; then it is closed.",
    ),
    row(
        "server.http2.control_frames_max",
        integer(10, 10_000_000),
        toml("6000"),
        false,
        "The most frames of HTTP/2 that carry nothing (PING, SETTINGS, PRIORITY, empty DATA, unknown ones) on one connection \
         in a minute; then it is closed. WINDOW_UPDATE has as many of its own; what is sent earns more of it, and of PING.",
    ),
    row(
        "server.http2.continuations_max",
        integer(0, 1000),
        toml("8"),
        false,
        "The most CONTINUATION frames of one request head over HTTP/2; then the connection is closed.",
    ),
    row(
        "server.tls.handshake_timeout",
        duration("100ms", "10m"),
        toml("\"10s\""),
        false,
        "How long a TLS handshake with a client may take.",
    ),
    row(
        "server.tls.handshakes_max",
        integer(1, 100_000),
        toml("1000"),
        false,
        "The most TLS handshakes at the same time, counted from the client's first message; further ones wait within \
         handshake_timeout, and one that has taken 2 s gives way to them.",
    ),
    row(
        "listener[].address",
        Kind::Text,
        Fallback::Required,
        true,
        "Where to listen, as an IP address and a port (127.0.0.1 for this machine only, 0.0.0.0 for every interface), or as \
         the path of a Unix socket: unix:/run/peregrine.sock.",
    ),
    row(
        "listener[].mode",
        Kind::Text,
        toml("\"660\""),
        false,
        "The permissions of a Unix socket's file, in octal digits: who may write it may connect.",
    ),
    row(
        "listener[].protocol",
        Kind::Choice(&["http", "llm", "postgres", "resp"]),
        toml("\"http\""),
        true,
        "What the listener speaks; only http is built so far.",
    ),
    row(
        "listener[].http2",
        Kind::Flag,
        toml("true"),
        true,
        "Whether clients may choose HTTP/2 when they agree on TLS (ALPN).",
    ),
    row(
        "listener[].h2c",
        Kind::Flag,
        toml("false"),
        true,
        "Whether clients may begin with HTTP/2 on a listener without TLS (by prior knowledge; never by Upgrade).",
    ),
    row(
        "listener[].proxy_protocol",
        Kind::Flag,
        toml("false"),
        true,
        "Whether every connection begins with a header of the PROXY protocol (version 1 or 2) that says whom it comes from. \
         Connections that do not come from server.trusted_proxies are closed.",
    ),
    row(
        "listener[].proxy_protocol_from_anyone",
        Kind::Flag,
        toml("false"),
        true,
        "Whether that header is believed from everyone who can connect: only where nobody but the proxy can.",
    ),
    row(
        "listener[].tls.certificate",
        Kind::Text,
        Fallback::Absent,
        true,
        "A PEM file: the certificate, then those between it and its root. It is read again when it changes.",
    ),
    row(
        "listener[].tls.key",
        Kind::Text,
        Fallback::Absent,
        true,
        "A PEM file: the private key of tls.certificate. It is read again when it changes.",
    ),
    row(
        "listener[].tls.certificates[].certificate",
        Kind::Text,
        Fallback::Required,
        true,
        "A further certificate, chosen when the client asks for a name in it; for any other name the first one is shown.",
    ),
    row(
        "listener[].tls.certificates[].key",
        Kind::Text,
        Fallback::Required,
        true,
        "A PEM file: the private key of that certificate.",
    ),
    row(
        "listener[].tls.min_version",
        Kind::Choice(&["1.2", "1.3"]),
        toml("\"1.2\""),
        true,
        "The oldest version of TLS that is spoken.",
    ),
    row(
        "listener[].tls.client_auth",
        Kind::Choice(&["off", "optional", "required"]),
        toml("\"off\""),
        true,
        "Whether clients show certificates: with optional, who shows one must show a good one; with required, nobody else is \
         served.",
    ),
    row(
        "listener[].tls.client_ca",
        Kind::Text,
        Fallback::Absent,
        true,
        "A PEM file with the authorities that clients' certificates come from. It is read again when it changes.",
    ),
    row(
        "upstream[].name",
        Kind::Text,
        Fallback::Required,
        true,
        "How routes name this upstream.",
    ),
    row(
        "upstream[].targets",
        Kind::TextsOrTables(TARGET),
        Fallback::Required,
        true,
        "URLs of the servers that answer, each with scheme, host and port and without a path; as tables also with weight and \
         priority.",
    ),
    row(
        "upstream[].balance",
        Kind::Choice(&["round_robin", "least_latency", "least_requests"]),
        toml("\"least_latency\""),
        true,
        "How a target is chosen: in turn; or the better of two taken by chance, by recent latency times requests under way, or \
         by requests under way alone.",
    ),
    row(
        "upstream[].slow_start",
        duration("0s", "1h"),
        toml("\"10s\""),
        true,
        "How long a target that appears or comes back gets only a growing share of its requests, from a tenth on; 0s never.",
    ),
    row(
        "upstream[].host",
        Kind::Text,
        Fallback::Absent,
        true,
        "The Host that the origin sees: \"keep\" the client's (so for http targets), the \"target\"'s own (so for https), \
         or a name.",
    ),
    row(
        "upstream[].http_version",
        Kind::Choice(&["auto", "1.1", "2"]),
        toml("\"auto\""),
        true,
        "Which HTTP to speak: auto takes HTTP/2 where TLS agrees on it; 2 without TLS means by prior knowledge.",
    ),
    row(
        "upstream[].connect_timeout",
        duration("1ms", "5m"),
        toml("\"5s\""),
        true,
        "How long connecting to a target may take, TLS included.",
    ),
    row(
        "upstream[].first_byte_timeout",
        duration("1ms", "1h"),
        toml("\"30s\""),
        true,
        "How long the head of the response may take once the request is sent.",
    ),
    row(
        "upstream[].idle_timeout",
        duration("1ms", "1h"),
        toml("\"30s\""),
        true,
        "How long the body of a response may pause.",
    ),
    row(
        "upstream[].total_timeout",
        duration("1ms", "7d"),
        Fallback::Absent,
        true,
        "How long connecting, waiting and receiving may take together; not set, as long as something moves.",
    ),
    row(
        "upstream[].connections_max",
        integer(1, 100_000),
        toml("512"),
        true,
        "The most requests under way to one target: with HTTP/1.1 each has a connection, beside idle ones, with HTTP/2 they share some.",
    ),
    row(
        "upstream[].idle_max",
        integer(0, 100_000),
        toml("128"),
        true,
        "The most connections to one target that are kept without a request.",
    ),
    row(
        "upstream[].keepalive_time",
        duration("0s", "1h"),
        toml("\"30s\""),
        true,
        "How long a connection to a target is kept without a request; shorter where the origin says so (Keep-Alive).",
    ),
    row(
        "upstream[].waiters_max",
        integer(0, 1_000_000),
        toml("4096"),
        true,
        "The most requests that wait for a connection to one target; further ones fail at once with 503.",
    ),
    row(
        "upstream[].wait_timeout",
        duration("1ms", "10m"),
        toml("\"10s\""),
        true,
        "How long a request may wait for a connection to a target.",
    ),
    row(
        "upstream[].retries_max",
        integer(0, 10),
        toml("1"),
        true,
        "How often a request is sent again, and only when it is idempotent, its body is at hand, and nothing of an answer \
         has arrived.",
    ),
    row(
        "upstream[].retry_budget",
        Kind::Number { min: 0.0, max: 1.0 },
        toml("0.2"),
        true,
        "How many requests may be sent again for each request of the last 10 seconds, over the whole upstream.",
    ),
    row(
        "upstream[].retries_per_second_min",
        integer(0, 10_000),
        toml("10"),
        true,
        "How many requests may be sent again each second however few requests there are.",
    ),
    row(
        "upstream[].response_head_max",
        size("4KiB", "1MiB"),
        toml("\"128KiB\""),
        true,
        "The largest head of a response, and the longest trailer section; with a larger one the answer is refused with 502.",
    ),
    row(
        "upstream[].response_fields_max",
        integer(16, 2000),
        toml("200"),
        true,
        "The most header fields of a response; with more the answer is refused with 502.",
    ),
    row(
        "upstream[].interim_max",
        integer(0, 1000),
        toml("16"),
        true,
        "The most interim responses (1xx) before the answer; with more it is refused with 502.",
    ),
    row(
        "upstream[].health.path",
        Kind::Text,
        Fallback::Absent,
        true,
        "What every target is asked for by GET to learn whether it is well; not set, none is asked.",
    ),
    row(
        "upstream[].health.interval",
        duration("100ms", "1h"),
        toml("\"5s\""),
        true,
        "How long after the end of a health check the next one begins, give or take a tenth.",
    ),
    row(
        "upstream[].health.timeout",
        duration("1ms", "5m"),
        toml("\"2s\""),
        true,
        "How long a health check may take, connecting included.",
    ),
    row(
        "upstream[].health.healthy_after",
        integer(1, 100),
        toml("2"),
        true,
        "How many passed checks in a row bring a target back that failed them.",
    ),
    row(
        "upstream[].health.unhealthy_after",
        integer(1, 100),
        toml("3"),
        true,
        "How many failed checks in a row take a target out.",
    ),
    row(
        "upstream[].health.expect_status",
        Kind::Texts,
        toml("[\"200-399\"]"),
        true,
        "Which statuses pass a health check, each as \"204\", \"2xx\" or \"200-299\".",
    ),
    row(
        "upstream[].health.host",
        Kind::Text,
        Fallback::Absent,
        true,
        "The Host of health checks; by default the target's own, or the name that `host` sets.",
    ),
    row(
        "upstream[].ejection.failures",
        integer(0, 1000),
        toml("5"),
        true,
        "How many failures in a row (no connection, no answer in time, an answer cut short) leave a target out; 0 never \
         does.",
    ),
    row(
        "upstream[].ejection.time_min",
        duration("1ms", "1h"),
        toml("\"1s\""),
        true,
        "How long a target is left out the first time, and each further time twice as long; then one request probes it.",
    ),
    row(
        "upstream[].ejection.time_max",
        duration("1ms", "1h"),
        toml("\"30s\""),
        true,
        "How long a target is left out at most.",
    ),
    row(
        "upstream[].ejection.share_max",
        Kind::Number { min: 0.0, max: 1.0 },
        toml("1.0"),
        true,
        "The largest part of the targets that failures may leave out at once; one always may be, but a sole target \
         never is, nor the last that passes its checks.",
    ),
    row(
        "upstream[].tls.roots",
        Kind::Text,
        Fallback::Absent,
        true,
        "A PEM file with the certificates to trust instead of the system's.",
    ),
];

/// The fields of a target that is written as a table.
pub(crate) const TARGET: &[Parameter] = &[
    row("url", Kind::Text, Fallback::Required, true, "Scheme, host and port."),
    row(
        "weight",
        integer(1, 1000),
        toml("1"),
        true,
        "How many times the requests of a target of weight 1 it can take.",
    ),
    row(
        "priority",
        integer(0, 100),
        toml("0"),
        true,
        "Targets of a higher number get requests only while too few of the lower ones are healthy.",
    ),
];

const fn row(name: &'static str, kind: Kind, fallback: Fallback, reload: bool, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        fallback,
        reload,
        about,
    }
}

const fn toml(text: &'static str) -> Fallback {
    Fallback::Toml(text)
}

const fn integer(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

const fn duration(min: &'static str, max: &'static str) -> Kind {
    Kind::Duration { min, max }
}

const fn size(min: &'static str, max: &'static str) -> Kind {
    Kind::Size { min, max }
}
