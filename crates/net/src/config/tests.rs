//! What a bound cannot say is said by a complaint that names the field.

use super::*;

fn fields(result: Result<(), Vec<Complaint>>) -> Vec<String> {
    result
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|complaint| complaint.field)
        .collect()
}

fn upstream(change: impl FnOnce(&mut UpstreamConfig)) -> UpstreamConfig {
    let mut config = UpstreamConfig::defaults("api", &["http://127.0.0.1:3000"]);
    change(&mut config);
    config
}

#[test]
fn an_upstream_says_what_is_wrong_with_it() {
    let fixed = |name: &str| Some(HostRule::Fixed(name.to_owned()));
    let targets = |texts: &[&str]| texts.iter().map(|text| TargetConfig::at(text)).collect::<Vec<_>>();
    assert_eq!(fields(upstream(|_| {}).check()), [""; 0]);
    assert_eq!(fields(upstream(|it| it.targets.clear()).check()), ["targets"]);
    let some_wrong = targets(&["http://a:1", "a:1", "http://a/x"]);
    assert_eq!(
        fields(upstream(|it| it.targets = some_wrong).check()),
        ["targets[1]", "targets[2]"]
    );
    assert_eq!(fields(upstream(|it| it.host = fixed("shop:80")).check()), [""; 0]);
    assert_eq!(fields(upstream(|it| it.host = fixed("two words")).check()), ["host"]);
    let statuses = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| serde_json::from_value((*text).into()).unwrap())
            .collect()
    };
    let health = |change: fn(&mut HealthConfig)| fields(upstream(|it| change(&mut it.health)).check());
    assert_eq!(health(|it| it.path = Some("/healthz?deep".into())), [""; 0]);
    assert_eq!(health(|it| it.path = Some("healthz".into())), ["health.path"]);
    assert_eq!(health(|it| it.host = Some("a b".into())), ["health.host"]);
    assert_eq!(health(|it| it.expect_status.clear()), ["health.expect_status"]);
    let some_wrong = statuses(&["204", "2xx", "200-299", "abc", "9", "300-200", "xx", "éxx"]);
    assert_eq!(
        fields(upstream(|it| it.health.expect_status = some_wrong).check()),
        [3, 4, 5, 6, 7].map(|index| format!("health.expect_status[{index}]"))
    );
    let late = upstream(|it| it.ejection.time_min = "1h".parse().unwrap());
    assert_eq!(fields(late.check()), ["ejection.time_min"]);
}

#[test]
fn a_target_is_a_url_or_a_table() {
    let read = |json: serde_json::Value| serde_json::from_value::<TargetConfig>(json).unwrap();
    assert_eq!(
        read("http://a:1".into()),
        TargetConfig {
            url: "http://a:1".into(),
            weight: 1,
            priority: 0
        }
    );
    let table = serde_json::json!({"url": "http://a:1", "weight": 3, "priority": 1});
    assert_eq!(
        read(table),
        TargetConfig {
            url: "http://a:1".into(),
            weight: 3,
            priority: 1
        }
    );
}

#[test]
fn words_for_the_host_are_told_from_names() {
    for (text, rule) in [
        ("keep", HostRule::Keep),
        ("target", HostRule::Target),
        ("a:1", HostRule::Fixed("a:1".into())),
    ] {
        assert_eq!(serde_json::from_value::<HostRule>(text.into()).unwrap(), rule);
    }
}

#[test]
fn trusted_proxies_are_addresses_or_networks() {
    let mut config = ServerConfig::defaults();
    assert!(config.check().is_ok());
    config.trusted_proxies = vec!["10.0.0.0/8".into(), "lb".into()];
    assert_eq!(fields(config.check()), ["trusted_proxies[1]"]);
}

#[test]
fn ipv4_is_left_to_a_listener_that_has_it_on_the_same_port() {
    for (address, other, is_beside) in [
        ("[::]:80", "0.0.0.0:80", true),
        ("[::]:80", "0.0.0.0:81", false),
        ("[::]:80", "127.0.0.1:80", false),
        ("[::]:80", "unix:/run/peregrine.sock", false),
        ("[::]:0", "0.0.0.0:0", false),
        ("0.0.0.0:80", "[::]:80", false),
        ("[::1]:80", "0.0.0.0:80", false),
    ] {
        let all = [address, other].map(ListenerConfig::defaults);
        assert_eq!(all[0].is_beside_ipv4(&all), is_beside, "{address} {other}");
    }
}

#[test]
fn a_listener_says_what_is_wrong_with_it() {
    let listener = |address: &str, change: &dyn Fn(&mut ListenerConfig)| {
        let mut config = ListenerConfig::defaults(address);
        change(&mut config);
        fields(config.check())
    };
    let none: [&str; 0] = [];
    for good in ["127.0.0.1:8080", "[::1]:0", "unix:/run/peregrine.sock"] {
        assert_eq!(listener(good, &|_| {}), none, "{good}");
    }
    for bad in ["8080", "localhost:8080", "unix:"] {
        assert_eq!(listener(bad, &|_| {}), ["address"], "{bad}");
    }
    fn tls(it: &mut ListenerConfig) {
        (it.tls.certificate, it.tls.key) = (Some("a.pem".into()), Some("a.key".into()));
    }
    type Change = dyn Fn(&mut ListenerConfig);
    let table: &[(&Change, &[&str])] = &[
        (&|it| it.protocol = Protocol::Resp, &["protocol"]),
        (&|it| it.mode = "0777".into(), &[]),
        (&|it| it.mode = "1777".into(), &["mode"]),
        (&|it| it.mode = "+66".into(), &["mode"]),
        (&|it| it.mode = "rw".into(), &["mode"]),
        (&tls, &[]),
        (&|it| it.tls.certificate = Some("a.pem".into()), &["tls.certificate"]),
        (&|it| it.tls.key = Some("a.key".into()), &["tls.key"]),
        (&|it| (tls(it), it.h2c = true).0, &["h2c"]),
        (
            &|it| it.proxy_protocol_from_anyone = true,
            &["proxy_protocol_from_anyone"],
        ),
        (
            &|it| (tls(it), it.tls.client_auth = ClientAuth::Required).0,
            &["tls.client_auth"],
        ),
    ];
    for (index, (change, expected)) in table.iter().enumerate() {
        assert_eq!(&listener("127.0.0.1:0", change), expected, "{index}");
    }
}
