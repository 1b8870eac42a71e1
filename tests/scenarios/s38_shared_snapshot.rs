//! A node ends and comes back with its snapshot: what no invalidation reached meanwhile it serves without asking the origin, what
//! one did reach it does not, and after a restart of Redis, which cannot tell any more, the origin is asked.

use crate::harness::program::upstream;
use crate::harness::{Origin, Peregrine, Reply, Signal, until};
use peregrine_test_servers::RedisServer;
use serde_json::json;

fn configuration(origin: &Origin, redis: &RedisServer) -> String {
    // In memory only: else what is lost there would be found in Redis.
    let more = format!(
        "[redis]\nurl = \"{}\"\noperation_timeout = \"20s\"\n[cache]\nfreshness_bound = \"60s\"\n\
         [strategy.default]\ntiers = [\"memory\"]\n",
        redis.url()
    );
    upstream(&[origin], "", &more)
}

fn in_step(node: &Peregrine) {
    until("the node to be in step", || {
        node.statistics()["backplane"]["shards"][0]["state"] == "in_step"
    });
}

/// Ends `node`; `meanwhile` happens before it starts again. It has read its snapshot when this returns.
fn restart(node: Peregrine, configuration: &str, meanwhile: impl FnOnce()) -> Peregrine {
    let Peregrine {
        folder, mut process, ..
    } = node;
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(0), "{}", process.log());
    drop(process);
    meanwhile();
    let node = Peregrine::start_in(folder, configuration);
    in_step(&node);
    until("its snapshot to be read", || node.log().contains("memory holds again"));
    node
}

#[test]
fn what_was_not_invalidated_meanwhile_is_served_at_once() {
    let redis = RedisServer::start(&[]);
    let origin = Origin::start(|heard| Reply::ok(&[("cache-control", "max-age=600")], &heard.target));
    let configuration = configuration(&origin, &redis);
    let [mut one, two] = [(); 2].map(|()| Peregrine::start(&configuration));
    in_step(&one);
    in_step(&two);
    for page in ["/kept", "/gone"] {
        until("the page to be cached", || one.get(page, &[]).is_hit());
    }
    one = restart(one, &configuration, || {
        two.invalidate(&json!({"prefixes": ["/gone"]}));
    });
    let before = origin.count();
    let answer = one.get("/kept", &[]);
    let said = answer.field("cache-status");
    assert!(answer.is_hit() && !said.contains("detail"), "{said}");
    assert_eq!(origin.count(), before, "nobody was asked: {said}");
    assert!(!one.get("/gone", &[]).is_hit());
    assert_eq!(origin.count(), before + 1);

    one = restart(one, &configuration, || redis.restart_empty());
    let answer = one.get("/kept", &[]);
    assert!(
        answer.status == 200 && !answer.is_hit(),
        "{}",
        answer.field("cache-status")
    );
}
