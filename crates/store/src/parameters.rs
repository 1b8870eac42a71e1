//! This room's rows of the table of parameters.

use peregrine_base::{Fallback, Kind, Parameter};

const fn row(name: &'static str, kind: Kind, fallback: &'static str, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        fallback: Fallback::Toml(fallback),
        reload: false,
        about,
    }
}

const fn absent(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind,
        fallback: Fallback::Absent,
        reload: false,
        about,
    }
}

const fn duration(min: &'static str, max: &'static str) -> Kind {
    Kind::Duration { min, max }
}

/// `redis.*`.
pub const PARAMETERS: &[Parameter] = &[
    absent(
        "redis.url",
        Kind::Secret,
        "Where Redis or Valkey is: redis://host:6379/0, rediss:// with TLS, redis+sentinel://host1,host2/name, redis+cluster://host1,host2; also REDIS_URL.",
    ),
    absent(
        "redis.username",
        Kind::Text,
        "The ACL user, where it does not stand in the URL.",
    ),
    absent(
        "redis.password",
        Kind::Secret,
        "The password, where it does not stand in the URL.",
    ),
    absent(
        "redis.database",
        Kind::Integer { min: 0, max: 65_535 },
        "The number of the database, where it does not stand in the URL; 0 in a cluster.",
    ),
    absent(
        "redis.sentinel_username",
        Kind::Text,
        "The ACL user at the sentinels, which have credentials of their own.",
    ),
    absent(
        "redis.sentinel_password",
        Kind::Secret,
        "The password at the sentinels.",
    ),
    absent(
        "redis.tls.ca",
        Kind::Text,
        "A PEM file with the certificates that are trusted instead of the system's.",
    ),
    absent(
        "redis.tls.certificate",
        Kind::Text,
        "A PEM file with the certificate by which Peregrine shows who it is.",
    ),
    absent(
        "redis.tls.key",
        Kind::Text,
        "The PEM file with the private key of that certificate.",
    ),
    row(
        "redis.connect_timeout",
        duration("10ms", "1m"),
        "\"1s\"",
        "How long connecting may take, with TLS and authentication.",
    ),
    row(
        "redis.operation_timeout",
        duration("1ms", "1m"),
        "\"500ms\"",
        "How long a request may wait for its reply; a server that says nothing for so long is left out until it answers again.",
    ),
    row(
        "redis.connections",
        Kind::Integer { min: 1, max: 64 },
        "2",
        "How many connections to each server carry the requests, each many at a time.",
    ),
    row(
        "redis.in_flight_max",
        Kind::Integer {
            min: 16,
            max: 1_000_000,
        },
        "10000",
        "How many requests may wait for their replies on one connection; further ones fail at once.",
    ),
    row(
        "redis.read_from",
        Kind::Choice(&["primary", "replica"]),
        "\"primary\"",
        "Which servers values are read from; where no replica is to be had, the primary.",
    ),
    row(
        "redis.prefix",
        Kind::Text,
        "\"pg\"",
        "What all keys in Redis begin with. Several Peregrines are one cache if it is the same.",
    ),
    row(
        "redis.client_name",
        Kind::Text,
        "\"peregrine\"",
        "What CLIENT LIST shows for the connections.",
    ),
];
