//! URLs in all their forms, right and wrong.

use super::*;

fn place(url: &str) -> Place {
    Place::parse(url).unwrap_or_else(|bad| panic!("{url}: {}", bad.problem))
}

#[test]
fn one_server() {
    let plain = place("redis://127.0.0.1");
    assert_eq!((plain.mode, plain.tls), (Mode::Standalone, false));
    assert_eq!(plain.hosts, [Address::new("127.0.0.1", 6379)]);
    assert_eq!((plain.username, plain.password, plain.database), (None, None, None));

    let full = place("rediss://cache:p%40ss%2F:word@redis.example:7000/3");
    assert!(full.tls);
    assert_eq!(full.hosts, [Address::new("redis.example", 7000)]);
    assert_eq!(full.username.as_deref(), Some("cache"));
    assert_eq!(full.password.unwrap().expose(), "p@ss/:word");
    assert_eq!(full.database, Some(3));
    assert_eq!(place("redis://:secret@h").username, None);
    assert_eq!(place("valkeys://[::1]:1").hosts, [Address::new("::1", 1)]);
    assert_eq!(Address::new("::1", 1).to_string(), "[::1]:1");
}

#[test]
fn several_servers() {
    let sentinel = place("redis+sentinel://u:p@a,b:1,[::1]/mymaster/2");
    assert_eq!(sentinel.mode, Mode::Sentinel);
    let hosts = ["a:26379", "b:1", "[::1]:26379"];
    assert_eq!(
        sentinel.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        hosts
    );
    assert_eq!((&*sentinel.master, sentinel.database), ("mymaster", Some(2)));

    let cluster = place("rediss+cluster://a,b:7001/");
    assert_eq!(
        (cluster.mode, cluster.tls, cluster.hosts.len()),
        (Mode::Cluster, true, 2)
    );
}

#[test]
fn what_is_wrong_is_named_and_nothing_secret_is_repeated() {
    let cases = [
        ("hunter2.example:6379", "no URL"),
        ("hunter2://x", "scheme"),
        ("https://hunter2", "https://"),
        ("unix:///hunter2", "Unix socket"),
        ("redis://user:hunter2/x@host", "character"),
        ("redis://user:hunter2#@host", "character"),
        ("redis://user:hunter2@host@host", "character"),
        ("redis://user:hunter2/", "port"),
        ("redis://hunter2@host", "without a password"),
        ("redis://host?password=hunter2", "query"),
        ("redis://host/hunter2", "number of a database"),
        ("redis://", "host"),
        ("redis://h:0", "port"),
        ("redis://h:hunter2", "port"),
        ("redis://[::1", "bracket"),
        ("redis://[::1]hunter2", "port"),
        ("redis://a,b", "several hosts"),
        ("redis+sentinel://a,b", "how the sentinels call"),
        ("redis+cluster://a/1", "only 0"),
        ("redis://u:%ff@h", "UTF-8"),
    ];
    for (url, words) in cases {
        let bad = Place::parse(url).expect_err(url);
        assert!(bad.problem.contains(words), "{url}: {}", bad.problem);
        assert!(!format!("{bad:?}").contains("hunter2"), "{url}: {bad:?}");
    }
    let shown = format!("{:?}", place("redis://user:hunter2@host"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn redirections_are_read_as_servers_write_them() {
    assert_eq!(Address::of_redirection("10.0.0.1:7000"), Some(("10.0.0.1", 7000)));
    assert_eq!(Address::of_redirection("::1:7000"), Some(("::1", 7000)));
    assert_eq!(Address::of_redirection(":7000"), Some(("", 7000)));
    assert_eq!(Address::of_redirection("nothing"), None);
}
