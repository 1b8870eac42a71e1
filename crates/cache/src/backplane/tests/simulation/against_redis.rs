//! The scripts on a real server: that the twin is one, and what the server itself makes of them.

use super::history::Reached;
use super::twin::{Identity, Twin};
use super::{Chance, Missing};
use crate::backplane::protocol::{Node, Rules, SyncRequest};
use crate::backplane::scripts::{self, Call, ControlKeys, InvalidateReply, NodeSeen, SyncReply, Value};
use crate::backplane::wire::Mark;
use crate::backplane::{Generation, Stamp};
use peregrine_base::Instant;
use peregrine_test_servers::{RedisServer, Said};
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(1);

fn value(said: Said) -> Value {
    match said {
        Said::Nil => Value::Nil,
        Said::Int(number) => Value::Int(number),
        Said::Text(text) => Value::Bytes(text),
        Said::List(list) => Value::Array(list.into_iter().map(value).collect()),
        Said::Error(error) => panic!("{error}"),
    }
}

fn said(server: &RedisServer, call: &Call) -> Said {
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    let rest: Vec<String> = call.keys.iter().chain(&call.args).map(text).collect();
    let count = call.keys.len().to_string();
    let words: Vec<&str> = ["EVAL", call.script.text, &count]
        .into_iter()
        .chain(rest.iter().map(String::as_str))
        .collect();
    server.ask(&words)
}

fn run(server: &RedisServer, call: &Call) -> Value {
    value(said(server, call))
}

/// What a node asks that knows `generation` up to `cursor`.
fn question(generation: Option<Generation>, cursor: u64) -> SyncRequest {
    let mut request = Node::new(Rules::default()).begin_sync(Instant::ZERO).unwrap();
    (request.generation, request.cursor, request.heard) = (generation, cursor, cursor);
    request
}

/// A few marks.
fn marks(chance: &mut Chance) -> Vec<Mark> {
    (0..=chance.below(3)).map(|_| Reached::any(chance).mark()).collect()
}

/// Somebody's eviction, or a hand that deletes.
fn damage(server: &RedisServer, twin: &mut Twin, keys: &str, chance: &mut Chance) {
    let (m, z) = (format!("{{{keys}:0}}m"), format!("{{{keys}:0}}z"));
    match chance.below(4) {
        0 => {
            server.ask(&["DEL", &m]);
            (twin.salt, twin.seq, twin.floor, twin.count) = (None, 0, 0, 0);
        }
        1 => {
            server.ask(&["DEL", &z]);
            twin.targets.clear();
        }
        2 => {
            server.ask(&["ZPOPMAX", &z]);
            twin.targets.pop();
        }
        _ => {
            server.ask(&["HDEL", &m, "salt"]);
            twin.salt = None;
        }
    }
}

#[test]
fn the_twin_answers_as_the_scripts_do() {
    let server = RedisServer::start(&[]);
    let (run_id, replid) = (server.info("run_id"), server.info("master_replid"));
    let who = Identity {
        run_id: &run_id,
        replid: &replid,
    };
    for seed in 0..12 {
        let mut chance = Chance::new(seed);
        let prefix = format!("pg{seed}");
        let keys = ControlKeys::new(&prefix, 0);
        let mut twin = Twin::default();
        let mut known: Vec<Option<Generation>> = vec![None];
        for step in 0..60 {
            let salt = chance.next();
            let fine = (salt, Missing::Nothing);
            match chance.below(10) {
                0 => damage(&server, &mut twin, &prefix, &mut chance),
                1..=4 => {
                    let (marks, kept) = (marks(&mut chance), 3);
                    let call = keys.invalidate_keeping(salt, &marks, kept);
                    let real = InvalidateReply::parse(&run(&server, &call)).unwrap();
                    let twins = twin.invalidate(who, fine, &marks, 3);
                    assert_eq!(real, twins, "seed {seed} step {step}");
                    known.push(Some(real.generation));
                }
                _ => {
                    let at = usize::try_from(chance.below(known.len() as u64)).unwrap();
                    let cursor = chance.below(twin.seq + 3);
                    let page = chance.pick(&[1, 2, 3, 1000]);
                    let request = question(known[at].clone(), cursor);
                    let call = keys.sync_paged(salt, "node", &request, BOUND, page);
                    let real = SyncReply::parse(&run(&server, &call)).unwrap();
                    let page = usize::try_from(page).unwrap();
                    let twins = twin.sync(who, fine, 0, &request, page);
                    assert_eq!(real, twins, "seed {seed} step {step}");
                    known.push(Some(real.generation));
                }
            }
        }
    }
}

#[test]
fn a_full_server_takes_invalidations_and_questions() {
    let server = RedisServer::start(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    let filler = "x".repeat(100_000);
    let full = (0..1000).any(|number| matches!(server.ask(&["SET", &number.to_string(), &filler]), Said::Error(_)));
    assert!(full, "it takes whatever comes");
    let keys = ControlKeys::new("pg", 0);
    let mark = Reached::Tag("a").mark();
    let reply = InvalidateReply::parse(&run(&server, &keys.invalidate(1, std::slice::from_ref(&mark)))).unwrap();
    let request = question(None, 0);
    let synced = SyncReply::parse(&run(&server, &keys.sync(2, "node", &request, BOUND))).unwrap();
    assert_eq!((synced.generation, synced.records), (reply.generation, vec![(mark, 1)]));
}

#[test]
fn only_a_primary_answers() {
    let primary = RedisServer::start(&[]);
    let replica = RedisServer::start_replica_of(&primary);
    let keys = ControlKeys::new("pg", 0);
    let request = question(None, 0);
    for call in [keys.sync(1, "node", &request, BOUND), keys.invalidate(1, &[])] {
        assert!(matches!(said(&replica, &call), Said::Error(error) if error.starts_with("READONLY")));
        run(&primary, &call);
    }
}

#[test]
fn a_server_of_a_cluster_runs_them() {
    let server = RedisServer::start(&["--cluster-enabled", "yes"]);
    server.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let info = || server.ask(&["CLUSTER", "INFO"]).text();
    peregrine_test_servers::until("the cluster is up", || info().contains("cluster_state:ok"));
    let keys = ControlKeys::new("pg", 3);
    let reply = run(&server, &keys.invalidate(1, &[Reached::All.mark()]));
    assert_eq!(InvalidateReply::parse(&reply).unwrap().seq, 1);
    run(&server, &keys.sync(1, "node", &question(None, 0), BOUND));
    run(&server, &keys.nodes(BOUND));
}

#[test]
fn the_table_of_nodes_says_what_each_knew_when_it_asked() {
    let server = RedisServer::start(&[]);
    let keys = ControlKeys::new("pg", 0);
    let reply = run(&server, &keys.invalidate(1, &[Reached::All.mark()]));
    let generation = InvalidateReply::parse(&reply).unwrap().generation;
    run(&server, &keys.sync(1, "one", &question(None, 0), BOUND));
    run(
        &server,
        &keys.sync(1, "two with a blank", &question(Some(generation.clone()), 1), BOUND),
    );
    let long = Duration::from_secs(3600);
    let mut nodes = NodeSeen::parse_all(&run(&server, &keys.nodes(long))).unwrap();
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    let told: Vec<_> = nodes
        .iter()
        .map(|node| (node.name.as_str(), node.cursor, node.bound))
        .collect();
    assert_eq!(told, [("one", 0, BOUND), ("two with a blank", 1, BOUND)]);
    assert_eq!(
        (nodes[0].generation == generation.id(), nodes[1].generation),
        (false, generation.id())
    );
    server.ask(&["HSET", "{pg:0}n", "silent", "x 1 1000 1000", "garbled", "?"]);
    assert_eq!(NodeSeen::parse_all(&run(&server, &keys.nodes(long))).unwrap().len(), 2);
    assert_eq!(
        server.ask(&["HLEN", "{pg:0}n"]).int(),
        2,
        "who is silent for too long is struck out"
    );
    let now = server
        .ask(&["EVAL", "return redis.call('TIME')[1] .. '000'", "0"])
        .text();
    let seen = now.parse::<u64>().unwrap() - 2 * long.as_secs() * 1000;
    server.ask(&["HSET", "{pg:0}n", "patient", &format!("x 1 1000000 {seen}")]);
    run(&server, &keys.leave("one"));
    let answer = run(&server, &keys.nodes(long));
    let mut names: Vec<String> = NodeSeen::parse_all(&answer)
        .unwrap()
        .into_iter()
        .map(|node| node.name)
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["patient", "two with a blank"],
        "whose bound is long may be silent for longer"
    );
    assert_eq!(NodeSeen::left(&answer), ["one"]);
}

#[test]
fn a_stamp_is_renewed_only_before_the_value_that_was_read() {
    let server = RedisServer::start(&[]);
    let stamp = |seq| Stamp {
        generation: Generation::new("g").id(),
        seq,
    };
    // Texts here: the commands of the tests' client are.
    let text = |seq: u64| format!("{:036}", stamp(seq).seq);
    server.ask(&["SET", "v", &format!("{}body", text(1)), "PX", "1000000"]);
    let restamp = |old, new| {
        server
            .ask(&["EVAL", scripts::RESTAMP.text, "1", "v", &text(old), &text(new)])
            .int()
    };
    assert_eq!((restamp(2, 3), restamp(1, 5)), (0, 1));
    assert_eq!(server.ask(&["GET", "v"]).text(), format!("{}body", text(5)));
    assert!(server.ask(&["PTTL", "v"]).int() > 0, "it keeps its expiry");
}

#[test]
fn what_no_script_answers_is_garbled() {
    let bytes = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    let record = Value::Array(vec![bytes("ha"), bytes("1")]);
    let fine = vec![bytes("a:b:c"), bytes("5"), Value::Int(0), Value::Int(1), record];
    assert!(SyncReply::parse(&Value::Array(fine.clone())).is_ok());
    for at in 0..fine.len() {
        for wrong in [
            Value::Nil,
            Value::Int(-1),
            bytes(""),
            bytes("9007199254740993"),
            Value::Array(vec![Value::Nil]),
            Value::Bytes(vec![0xff; 300]),
        ] {
            if at == 0 && wrong == bytes("9007199254740993") {
                // A name may be anything.
                continue;
            }
            let mut damaged = fine.clone();
            damaged[at] = wrong.clone();
            assert!(
                SyncReply::parse(&Value::Array(damaged)).is_err(),
                "field {at} {wrong:?}"
            );
        }
        assert!(SyncReply::parse(&Value::Array(fine[..at].to_vec())).is_err());
    }
    assert!(SyncReply::parse(&Value::Nil).is_err() && InvalidateReply::parse(&Value::Int(1)).is_err());
    assert!(NodeSeen::parse_all(&bytes("x")).is_err());
}
