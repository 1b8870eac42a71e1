//! Defaults, and what the fields say to each other.

use super::*;

fn wrong(config: &RedisConfig) -> Vec<String> {
    let complaints = config.check().err().unwrap_or_default();
    complaints.into_iter().map(|complaint| complaint.field).collect()
}

#[test]
fn defaults_are_no_redis_and_nothing_wrong() {
    let config = RedisConfig::defaults();
    assert!(!config.is_on());
    assert_eq!(config.prefix, "pg");
    assert_eq!(config.operation_timeout.get().as_millis(), 500);
    assert_eq!(wrong(&config), [""; 0]);
    assert_eq!(wrong(&RedisConfig::at("redis://127.0.0.1:6379")), [""; 0]);
}

#[test]
fn fields_that_contradict_each_other_are_named() {
    let mut config = RedisConfig::at("redis://user:pass@h/1");
    config.username = Some("other".into());
    config.database = Some(2);
    config.read_from = ReadFrom::Replica;
    config.tls.certificate = Some("c.pem".into());
    config.prefix = "{x}".into();
    config.sentinel_password = Some(Secret::new("x"));
    let fields = [
        "prefix",
        "tls.key",
        "username",
        "database",
        "sentinel_password",
        "tls",
        "read_from",
    ];
    assert_eq!(wrong(&config), fields);

    let mut config = RedisConfig::at("redis+cluster://h");
    config.username = Some("u".into());
    config.database = Some(1);
    assert_eq!(wrong(&config), ["username", "database"]);

    let mut config = RedisConfig::defaults();
    config.password = Some(Secret::new("x"));
    assert_eq!(wrong(&config), ["password"]);
    assert_eq!(wrong(&RedisConfig::at("redis://")), ["url"]);
}

#[test]
fn nothing_secret_is_shown() {
    let mut config = RedisConfig::at("redis://u:hunter2@h");
    config.password = Some(Secret::new("hunter2"));
    config.sentinel_password = Some(Secret::new("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!format!("{:?}", config.check()).contains("hunter2"));
}
