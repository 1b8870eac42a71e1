//! Tenants are told apart, up to a limit that names in requests cannot lift.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * SECOND)
}

fn tenants(max: usize) -> Tenants {
    let tenants = Tenants::default();
    tenants.keep(max);
    tenants
}

fn names(tenants: &Tenants) -> Vec<String> {
    tenants.all(&All::new()).into_keys().collect()
}

fn ask(tenants: &Tenants, tenant: &str, now: Instant) {
    tenants.record(tenant, now, 200, 10, Duration::from_millis(4));
}

#[test]
fn each_tenant_has_its_own_numbers() {
    let tenants = tenants(10);
    for millis in 1..=100 {
        tenants.record("acme", at(1), 200, 1000, Duration::from_millis(millis));
    }
    tenants.record("globex", at(1), 503, 0, Duration::from_millis(2));
    let acme = tenants.traffic("acme").unwrap();
    assert_eq!((acme.requests, acme.sent_bytes), (100, 100_000));
    assert_eq!((acme.statuses["2xx"], acme.statuses["5xx"]), (100, 0));
    for (found, exact) in [(acme.p50_ms, 50.0), (acme.p95_ms, 95.0), (acme.p99_ms, 99.0)] {
        let found = found.unwrap();
        assert!(found >= exact * 0.999 && found <= exact * 1.126, "{found} for {exact}");
    }
    assert_eq!(tenants.traffic("globex").unwrap().statuses["5xx"], 1);
    assert_eq!(tenants.traffic("initech"), None);
}

#[test]
fn beyond_the_limit_tenants_share_and_who_is_idle_makes_room() {
    let tenants = tenants(2);
    for name in ["a", "b", "c", "d"] {
        ask(&tenants, name, at(1));
    }
    assert_eq!(names(&tenants), ["a", "b"]);
    assert_eq!(tenants.others.requests(), 2);
    // "b" goes on asking, "a" does not.
    let later = 1 + IDLE.as_secs();
    ask(&tenants, "b", at(later - 1));
    ask(&tenants, "c", at(later));
    assert_eq!(names(&tenants), ["b", "c"]);
    assert_eq!(tenants.traffic("b").unwrap().requests, 2);
}

#[test]
fn a_flood_of_names_looks_for_room_once_a_second() {
    let tenants = tenants(1);
    let looked = || tenants.pause.load(Ordering::Relaxed);
    ask(&tenants, "a", at(1));
    ask(&tenants, "b", at(1));
    assert_eq!(looked(), 2 * SECOND);
    for number in 0..100 {
        ask(&tenants, &format!("t{number}"), Instant::from_nanos(SECOND * 3 / 2));
    }
    assert_eq!(looked(), 2 * SECOND);
    ask(&tenants, "b", at(3));
    assert_eq!(looked(), 4 * SECOND);
    assert_eq!((names(&tenants).len(), tenants.others.requests()), (1, 102));
}

#[test]
fn a_larger_limit_lets_in_who_shared() {
    let tenants = tenants(0);
    ask(&tenants, "a", at(1));
    assert!(names(&tenants).is_empty());
    tenants.keep(1);
    ask(&tenants, "a", at(1));
    assert_eq!(tenants.traffic("a").unwrap().requests, 1);
}

#[test]
fn a_smaller_limit_leaves_those_that_asked_last() {
    let tenants = tenants(5);
    for (second, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        ask(&tenants, name, at(second as u64 + 1));
    }
    ask(&tenants, "a", at(9));
    tenants.keep(2);
    assert_eq!(names(&tenants), ["a", "d"]);
}

#[test]
fn a_flood_of_names_never_makes_more_than_the_most_there_may_be() {
    let tenants = tenants(usize::MAX);
    for number in 0..TENANTS_MAX + 10 {
        ask(&tenants, &format!("t{number}"), at(1));
    }
    assert_eq!((names(&tenants).len(), tenants.others.requests()), (TENANTS_MAX, 10));
}

#[test]
fn what_did_not_change_is_not_read_again() {
    let tenants = tenants(5);
    ask(&tenants, "a", at(1));
    ask(&tenants, "b", at(1));
    let before = tenants.all(&All::new());
    ask(&tenants, "b", at(2));
    let now = tenants.all(&before);
    assert!(Arc::ptr_eq(&before["a"], &now["a"]));
    assert_eq!((before["b"].requests, now["b"].requests), (1, 2));
}

#[test]
fn the_metrics_name_tenants_and_those_who_share() {
    let tenants = tenants(1);
    ask(&tenants, "a", at(1));
    ask(&tenants, "b", at(1));
    let mut exposition = Exposition::new();
    tenants.expose(&mut exposition);
    assert!(exposition.faults().is_empty());
    let text = exposition.finish(crate::prometheus::Format::Prometheus);
    let text = std::str::from_utf8(&text).unwrap();
    for line in [
        "peregrine_tenant_responses_total{class=\"2xx\",tenant=\"a\"} 1",
        "peregrine_tenant_responses_total{class=\"2xx\",tenant=\"(others)\"} 1",
        "peregrine_tenant_sent_bytes_total{tenant=\"a\"} 10",
        "peregrine_tenant_request_duration_seconds_count{tenant=\"a\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}
