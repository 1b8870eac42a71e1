//! The table and the typed structs of all rooms agree: every row has a field, every field a row, every default and bound
//! can be read.

use crate::config::{ServerSettings, TABLE, TenantSettings};
use peregrine_base::{ByteSize, Kind, Span};
use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use std::collections::BTreeSet;
use std::str::FromStr;

/// Asks a struct for the names of its fields and gives it nothing.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("only the names were wanted"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("is no struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

/// The fields of `T`, each under `path`.
fn fields<T: DeserializeOwned>(path: &str) -> BTreeSet<String> {
    let mut names: &[&str] = &[];
    let _ = T::deserialize(Names(&mut names));
    assert!(!names.is_empty(), "{path}");
    names.iter().map(|name| format!("{path}{name}")).collect()
}

#[test]
fn every_row_has_a_field_and_every_field_a_row() {
    let structs = [
        fields::<ServerSettings>("server."),
        fields::<peregrine_net::config::ServerConfig>("server."),
        fields::<peregrine_net::config::ListenerConfig>("listener[]."),
        fields::<peregrine_net::config::Http2Config>("server.http2."),
        fields::<peregrine_net::config::HandshakeConfig>("server.tls."),
        fields::<peregrine_net::config::ListenerTlsConfig>("listener[].tls."),
        fields::<peregrine_net::config::CertificateConfig>("listener[].tls.certificates[]."),
        fields::<peregrine_net::config::UpstreamConfig>("upstream[]."),
        fields::<peregrine_net::config::EjectionConfig>("upstream[].ejection."),
        fields::<peregrine_net::config::HealthConfig>("upstream[].health."),
        fields::<peregrine_net::config::UpstreamTlsConfig>("upstream[].tls."),
        fields::<peregrine_admin::AdminConfig>("admin."),
        fields::<peregrine_http::config::RouteConfig>("route[]."),
        fields::<peregrine_http::config::MatchConfig>("route[].match."),
        fields::<peregrine_http::config::KeyConfig>("route[].key."),
        fields::<peregrine_http::config::BypassConfig>("route[].bypass."),
        fields::<peregrine_http::config::EditConfig>("route[].request_headers."),
        fields::<peregrine_http::config::EditConfig>("route[].response_headers."),
        fields::<peregrine_cache::CacheConfig>("cache."),
        fields::<peregrine_cache::StrategyConfig>("strategy.*."),
        fields::<peregrine_cache::NamespaceConfig>("namespace.*."),
        fields::<peregrine_cache::EncryptionConfig>("encryption."),
        fields::<peregrine_http::config::TenantsConfig>("tenants."),
        fields::<peregrine_cache::TenantQuotas>("tenants."),
        fields::<TenantSettings>("tenant.*."),
        fields::<peregrine_store::RedisConfig>("redis."),
        fields::<peregrine_store::RedisTlsConfig>("redis.tls."),
        fields::<peregrine_telemetry::LogConfig>("log."),
        fields::<peregrine_telemetry::otlp::OtlpConfig>("otlp."),
        fields::<peregrine_insight::InsightConfig>("insight."),
        fields::<peregrine_insight::alerts::AlertsConfig>("alerts."),
        fields::<peregrine_insight::alerts::AlertConfig>("alert[]."),
        fields::<peregrine_insight::slo::SloConfig>("slo[]."),
        fields::<peregrine_insight::notify::NotifyConfig>("notify.*."),
    ];
    let mut of_structs: BTreeSet<String> = structs.into_iter().flatten().collect();
    let of_table: BTreeSet<String> = TABLE.iter().copied().flatten().map(|row| row.name.to_owned()).collect();
    // A field that is a struct of its own has no row, but its fields do.
    of_structs.retain(|field| {
        !of_table.iter().any(|row| {
            row.strip_prefix(field.as_str())
                .is_some_and(|rest| rest.starts_with(['.', '[']))
        })
    });
    assert_eq!(of_structs, of_table);
    let rows = TABLE.iter().copied().flatten().count();
    assert_eq!(rows, of_table.len(), "two rows have the same name");
}

#[test]
fn every_bound_can_be_read_and_is_in_order() {
    fn in_order<T: FromStr + PartialOrd>(min: &str, max: &str) -> bool {
        matches!((min.parse::<T>(), max.parse::<T>()), (Ok(min), Ok(max)) if min < max)
    }
    for row in TABLE.iter().copied().flatten() {
        let is_sound = match row.kind {
            Kind::Integer { min, max } | Kind::Integers { min, max } => min < max,
            Kind::Number { min, max } => min < max,
            Kind::Duration { min, max } => in_order::<Span>(min, max),
            Kind::Size { min, max } => in_order::<ByteSize>(min, max),
            Kind::Choice(words) | Kind::Choices(words) => !words.is_empty(),
            Kind::Flag | Kind::Text | Kind::Secret | Kind::Texts | Kind::TextsOrTables(_) | Kind::TextMap => true,
        };
        assert!(is_sound, "{}: {:?}", row.name, row.kind);
        assert!(
            row.about.ends_with('.') && row.about.len() < 250,
            "{}: {}",
            row.name,
            row.about
        );
    }
}
