//! What the admin API changes.

use super::*;

fn complaints(refused: Result<(), Refused>) -> String {
    match refused.unwrap_err() {
        Refused::Unusable(all) => all
            .iter()
            .map(|complaint| format!("{} {} ({})\n", complaint.field, complaint.problem, complaint.help))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_are_replaced_as_a_whole_and_only_differences_are_kept() {
    let mut bench = Bench::new(vec![rule("errors"), rule("other")], &[]);
    bench.alerts.set_rules(vec![rule("errors"), rule("third")]).unwrap();
    let rules = bench.alerts.report().rules;
    let known: Vec<(&str, bool)> = rules.iter().map(|rule| (rule.name.as_str(), rule.enabled)).collect();
    assert_eq!(known, [("errors", true), ("other", false), ("third", true)]);
    // A change of the configuration reaches what the API left as it was, and what it set stays.
    let stricter = AlertRule {
        above: Some(7.0),
        ..rule("errors")
    };
    bench
        .alerts
        .configure(vec![stricter, rule("other")], Vec::new(), GROUP_WAIT);
    let rules = bench.alerts.report().rules;
    assert_eq!(rules[0].above, Some(7.0));
    assert!(!rules[1].enabled);
    assert_eq!(rules[2].name, "third");
}

#[test]
fn what_cannot_be_a_rule_is_refused_as_a_whole_with_every_fault() {
    let mut bench = Bench::new(vec![rule("errors")], &["chat"]);
    let before = bench.alerts.report();
    let of = |route: &str| Labels::from([("route".to_owned(), route.to_owned())]);
    let wrong = vec![
        AlertRule {
            metric: "error_ration".to_owned(),
            ..rule("a")
        },
        AlertRule {
            metric: "cpu_ratio".to_owned(),
            labels: of("shop"),
            ..rule("b")
        },
        AlertRule {
            above: None,
            clear: None,
            ..rule("c d")
        },
        AlertRule {
            clear: Some(2.0),
            ..rule("e")
        },
        AlertRule {
            for_s: f64::NAN,
            keep_firing_s: -1.0,
            ..rule("f")
        },
        AlertRule {
            notify: vec!["chet".to_owned()],
            ..rule("g")
        },
        AlertRule {
            above: Some(f64::INFINITY),
            ..rule("h")
        },
        AlertRule {
            above: Some(0.1),
            below: Some(0.5),
            clear: None,
            ..rule("h")
        },
        AlertRule {
            labels: Labels::from([("host".to_owned(), "x".to_owned())]),
            ..rule("i")
        },
    ];
    let told = complaints(bench.alerts.set_rules(wrong));
    for expected in [
        "rules[0].metric no series is called \"error_ration\" (did you mean \"error_ratio\"?)",
        "rules[1].metric \"cpu_ratio\" has no such labels (it has no labels)",
        "rules[2].name a name consists of letters",
        "rules[2].above is missing, and so is `below`",
        "rules[3].clear 200% is above `above` (100%)",
        "rules[4].for_s NaN is out of bounds",
        "rules[4].keep_firing_s -1 is out of bounds",
        "rules[5].notify[0] no [notify.NAME] is called \"chet\" (did you mean \"chat\"?)",
        "rules[6].above is no number",
        "rules[7].above 10% is less than `below` (50%): it would always fire",
        "rules[7].name `h` is taken already",
        "rules[8].labels no series has the labels host",
    ] {
        assert!(told.contains(expected), "{expected}\nis not in\n{told}");
    }
    assert_eq!(bench.alerts.report(), before);
    let many = (0..=RULES_MAX).map(|number| rule(&format!("r{number}"))).collect();
    assert!(complaints(bench.alerts.set_rules(many)).contains("rules are 201"));
}

#[test]
fn what_a_rule_or_a_silence_names_is_there() {
    let mut bench = Bench::new(vec![rule("errors")], &[]);
    bench.alerts.know(Known {
        routes: vec!["shop".to_owned(), "api".to_owned()],
        upstreams: vec!["origin".to_owned()],
        slos: vec!["fast".to_owned()],
    });
    let of = |label: &str, name: &str| AlertRule {
        labels: Labels::from([(label.to_owned(), name.to_owned())]),
        metric: "requests_per_s".to_owned(),
        ..rule("one")
    };
    for (label, name) in [
        ("route", "shop"),
        ("route", "*"),
        ("upstream", "origin"),
        ("upstream", "*"),
    ] {
        assert_eq!(bench.alerts.set_rules(vec![of(label, name)]), Ok(()), "{label} {name}");
    }
    let told = complaints(bench.alerts.set_rules(vec![of("route", "shopp")]));
    assert!(
        told.contains("rules[0].labels.route no [[route]] is called \"shopp\"")
            && told.contains("did you mean \"shop\"? there are: shop, api"),
        "{told}"
    );
    let moment = bench.moment();
    let mut silence = |rule: Option<&str>, labels: &[(&str, &str)]| {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let about = (rule.map(str::to_owned), labels.collect());
        let hour = Duration::from_secs(3600);
        bench.alerts.silence(moment, about, hour, ("ann", "")).map(drop)
    };
    assert_eq!(silence(None, &[("route", "api")]), Ok(()));
    assert_eq!(silence(Some("fast_slow_burn"), &[("slo", "fast")]), Ok(()));
    for (rule, labels, problem) in [
        (None, &[("route", "ap")][..], "there are: shop, api"),
        (None, &[("slo", "slow")], "there are: fast"),
        (None, &[("tenant", "a")], "there are: route, upstream, slo"),
        (Some("fast_huge_burn"), &[], "no rule is called `fast_huge_burn`"),
    ] {
        let told = complaints(silence(rule, labels));
        assert!(told.contains(problem), "{told}");
    }
}

#[test]
fn silences_say_what_they_are_about_and_end() {
    let mut bench = Bench::new(vec![rule("errors")], &[]);
    let moment = bench.moment();
    let hour = Duration::from_secs(3600);
    let refused = bench.alerts.silence(moment, (None, Labels::new()), hour, ("ann", ""));
    assert!(complaints(refused.map(drop)).contains("rule is missing, and so are labels"));
    let refused = bench.alerts.silence(
        moment,
        (Some("erors".to_owned()), Labels::new()),
        Duration::ZERO,
        ("ann", ""),
    );
    let told = complaints(refused.map(drop));
    assert!(
        told.contains("did you mean `errors`?") && told.contains("for_s must be from"),
        "{told}"
    );
    let about = || (Some("errors".to_owned()), Labels::new());
    let too_long = bench
        .alerts
        .silence(moment, about(), SILENCE_TIME_MAX + Duration::from_secs(1), ("ann", ""));
    assert!(
        complaints(too_long.map(drop)).contains("90 days"),
        "one that is forgotten ends by itself"
    );
    for _ in 0..silence::SILENCES_MAX {
        bench.alerts.silence(moment, about(), hour, ("ann", "repair")).unwrap();
    }
    assert!(matches!(
        bench.alerts.silence(moment, about(), hour, ("ann", "")),
        Err(Refused::Full(_))
    ));
    bench.run(3601);
    assert_eq!(bench.alerts.silences(), 0);
    assert!(matches!(bench.alerts.end_silence("none"), Err(Refused::Unknown(_))));
    assert!(matches!(
        bench.alerts.acknowledge(moment, "none", "ann", None),
        Err(Refused::Unknown(_))
    ));
}

#[test]
fn words_show_numbers_in_units_that_people_read() {
    for (metric, number, expected) in [
        ("latency_p50_ms", 0.003, "3 µs"),
        ("latency_p95_ms", 1400.0, "1.4 s"),
        ("latency_p95_ms", 12.346, "12.35 ms"),
        ("error_ratio", 0.0512, "5.12%"),
        ("memory_bytes", 3.0 * 1024.0 * 1024.0, "3 MiB"),
        ("bytes_sent_per_s", 2048.0, "2 KiB/s"),
        ("requests_per_s", 0.5, "0.5/s"),
        ("dependencies_down", 2.0, "2"),
    ] {
        assert_eq!(words::readable(metric, number), expected);
    }
    let own = AlertRule {
        text: Some("{labels}: {value} > {threshold}".to_owned()),
        ..rule("own")
    };
    let labels = Labels::from([("route".to_owned(), "shop".to_owned())]);
    assert_eq!(words::text(&own, &labels, Some(1.5)), "route shop: 150% > 100%");
    let slow = AlertRule {
        metric: "latency_p95_ms".to_owned(),
        above: Some(120.0),
        below: None,
        ..rule("slow")
    };
    for (value, expected) in [
        (150.0, "150 ms, above 120 ms"),
        (90.1, "90.1 ms, no longer above 120 ms"),
    ] {
        let text = words::text(&slow, &labels, Some(value));
        assert_eq!(
            text,
            format!("Route shop: the time in which 95% are answered is {expected}")
        );
    }
}
