//! Tenants are told apart, up to a limit that names in requests cannot lift.

use super::*;
use peregrine_base::WallTime;

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
    tenants.all().into_keys().map(String::from).collect()
}

fn requests(of: &RequestMetrics) -> u64 {
    of.outcomes().map(|(_, count)| count).sum()
}

fn of_tenant(tenants: &Tenants, tenant: &str) -> u64 {
    requests(&tenants.get(tenant).unwrap().requests)
}

fn ask(tenants: &Tenants, tenant: &str, now: Instant) {
    let sent = Sent {
        status: 200,
        bytes: 10,
        now,
        duration: Duration::from_millis(4),
        began: Duration::from_millis(4),
        error: None,
    };
    tenants.record(tenant, &Outcome::begin(now, WallTime::UNKNOWN), &sent);
}

#[test]
fn each_tenant_has_its_own_numbers() {
    let tenants = tenants(10);
    for _ in 0..3 {
        ask(&tenants, "acme", at(1));
    }
    ask(&tenants, "globex", at(1));
    assert_eq!((of_tenant(&tenants, "acme"), of_tenant(&tenants, "globex")), (3, 1));
    assert_eq!(tenants.get("acme").unwrap().requests.bytes_sent(), 30);
    assert!(tenants.get("initech").is_none());
    assert_eq!(requests(tenants.others()), 0);
}

#[test]
fn beyond_the_limit_tenants_share_and_who_is_idle_makes_room() {
    let tenants = tenants(2);
    for name in ["a", "b", "c", "d"] {
        ask(&tenants, name, at(1));
    }
    assert_eq!(names(&tenants), ["a", "b"]);
    assert_eq!(requests(tenants.others()), 2);
    // "b" goes on asking, "a" does not.
    let later = 1 + IDLE.as_secs();
    ask(&tenants, "b", at(later - 1));
    ask(&tenants, "c", at(later));
    assert_eq!(names(&tenants), ["b", "c"]);
    assert_eq!(of_tenant(&tenants, "b"), 2);
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
    assert_eq!((names(&tenants).len(), requests(tenants.others())), (1, 102));
}

#[test]
fn a_larger_limit_lets_in_who_shared() {
    let tenants = tenants(0);
    ask(&tenants, "a", at(1));
    assert!(names(&tenants).is_empty());
    tenants.keep(1);
    ask(&tenants, "a", at(1));
    assert_eq!(of_tenant(&tenants, "a"), 1);
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
    assert_eq!((names(&tenants).len(), requests(tenants.others())), (TENANTS_MAX, 10));
}
