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
        "server.connections_max",
        integer(1, 1_000_000),
        toml("10000"),
        false,
        "The most connections of clients over all listeners; further ones are answered with 503.",
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
        "listener[].address",
        Kind::Text,
        Fallback::Required,
        false,
        "Where to listen, as an IP address and a port: 127.0.0.1 for this machine only, 0.0.0.0 for every interface.",
    ),
    row(
        "listener[].protocol",
        Kind::Choice(&["http", "llm", "postgres", "resp"]),
        toml("\"http\""),
        false,
        "What the listener speaks; only http is built so far.",
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
        Kind::Texts,
        Fallback::Required,
        true,
        "URLs of the servers that answer, each with scheme, host and port and without a path.",
    ),
    row(
        "upstream[].balance",
        Kind::Choice(&["round_robin", "least_latency"]),
        toml("\"least_latency\""),
        true,
        "How a target is chosen: one after the other, or the lowest recent latency times requests under way.",
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
        "The most requests under way to one target: with HTTP/1.1 each has a connection, with HTTP/2 they share some.",
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
        "upstream[].tls.roots",
        Kind::Text,
        Fallback::Absent,
        true,
        "A PEM file with the certificates to trust instead of the system's.",
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
