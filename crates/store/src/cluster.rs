//! Following a cluster: who owns which slots. Asked at the start, every few seconds, and at once when somebody has reason to
//! doubt the map: a redirection, a lost connection, a server that says that it is none.
//!
//! **Whom to believe.** Nodes differ for a while after a failover, and one that was stopped comes back with the past in its
//! head. Every node knows a current epoch, which each election and each move of a slot raises; of a few that are asked at the
//! same time, the one of the highest epoch counts.

use crate::config::ReadFrom;
use crate::core::Core;
use crate::counters::count;
use crate::dial::Role;
use crate::many::all;
use crate::map::{Plan, PlannedShard};
use crate::node::{Node, pause};
use crate::place::Address;
use crate::reply::Reply;
use crate::slot::SLOTS;
use crate::wire::{Ask, NoReply};
use redis::{Pipeline, Value};
use std::sync::Arc;
use std::time::Duration;

/// How often nodes are asked when nothing happens.
const ASKED_EVERY: Duration = Duration::from_secs(5);
/// How soon they may be asked again when something does; after an answer that left something open, with growing pauses.
const ASKED_AFTER: Duration = Duration::from_millis(100);
/// How many nodes are asked at the same time.
const ASKED_MAX: usize = 3;
/// How many addresses are kept to begin anew from, beside those of the configuration.
const REMEMBERED_MAX: usize = 64;

/// What a node said.
#[derive(Debug)]
struct View {
    epoch: u64,
    /// How many slots have an owner.
    covered: usize,
    plan: Plan,
}

/// Keeps the map, until the client is closed.
pub(crate) async fn watch(core: Arc<Core>) {
    let mut stop = core.stop.subscribe();
    let look = async {
        let mut doubts = core.around.doubts.subscribe();
        let mut remembered: Vec<Address> = Vec::new();
        let mut attempts = 0;
        loop {
            doubts.mark_unchanged();
            let found = look(&core, &mut remembered).await;
            let runtime = &core.around.dialer.parts.runtime;
            runtime.sleep(ASKED_AFTER).await;
            if found {
                attempts = 0;
                tokio::select! {
                    _ = doubts.changed() => {}
                    () = runtime.sleep(ASKED_EVERY) => {}
                }
            } else {
                let chance = core.around.dialer.parts.random.next_unit();
                runtime.sleep(pause(attempts, chance)).await;
                attempts += 1;
            }
        }
    };
    tokio::select! {
        () = look => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Asks, and draws the map; whether anybody knew.
async fn look(core: &Arc<Core>, remembered: &mut Vec<Address>) -> bool {
    count(&core.around.counters.refreshes);
    let map = core.atlas.map();
    let mut up: Vec<Arc<Node>> = map.primaries().filter(|node| node.is_up()).cloned().collect();
    drop(map);
    let parts = &core.around.dialer.parts;
    let chance = usize::try_from(parts.random.next_u64() >> 33).unwrap_or(0);
    let shift = chance % up.len().max(1);
    up.rotate_left(shift);
    up.truncate(ASKED_MAX);
    let answers = all(up.iter().map(|node| ask_node(core, node))).await;
    let mut views: Vec<View> = answers.into_iter().flatten().collect();
    if views.is_empty() {
        // Nobody is connected to, or nobody knew: from the beginning.
        for address in core.place.hosts.iter().chain(remembered.iter()) {
            match ask_address(core, address).await {
                Ok(view) => views.push(view),
                Err(why) => *core.fault.lock() = Some(format!("{address} {why}").into()),
            }
            if views.len() == ASKED_MAX {
                break;
            }
        }
    }
    let Some(best) = views.into_iter().max_by_key(|view| (view.epoch, view.covered)) else {
        return false;
    };
    *remembered = best.plan.shards.iter().map(|shard| shard.primary.clone()).collect();
    remembered.extend(best.plan.shards.iter().flat_map(|shard| shard.replicas.iter().cloned()));
    remembered.truncate(REMEMBERED_MAX);
    let whole = best.covered == SLOTS;
    let mut plan = best.plan;
    if core.read_from == ReadFrom::Primary {
        plan.shards.iter_mut().for_each(|shard| shard.replicas.clear());
    }
    core.atlas.redraw(&plan);
    whole
}

fn questions() -> Pipeline {
    let mut questions = Pipeline::new();
    questions.cmd("CLUSTER").arg("INFO");
    questions.cmd("CLUSTER").arg("SLOTS");
    questions
}

async fn ask_node(core: &Core, node: &Arc<Node>) -> Option<View> {
    let value = node.ask(Ask::Many(&questions()), core.limit()).await.ok()?;
    view(value, &node.address).ok()
}

/// Asks a node that has no connection yet, or is not known at all.
async fn ask_address(core: &Core, address: &Address) -> Result<View, Arc<str>> {
    let dialer = &core.around.dialer;
    let wire = dialer.dial(address, Role::Node, None).await?;
    match wire.ask(Ask::Many(&questions()), core.limit(), &dialer.parts).await {
        Ok(value) => view(value, address),
        Err(NoReply::Lost(why)) => Err(why),
        Err(NoReply::TimedOut { .. }) => Err("did not reply in time".into()),
    }
}

fn view(value: Value, asked: &Address) -> Result<View, Arc<str>> {
    let Value::Array(values) = value else {
        return Err("replied with something else than was asked".into());
    };
    let mut replies = values.into_iter().map(|value| Reply::from_value(value, asked));
    let mut next = || match replies.next() {
        Some(Ok(reply)) => Ok(reply),
        Some(Err(error)) if error.to_string().contains("cluster support disabled") => {
            Err(Arc::from("is no cluster: write redis:// in redis.url"))
        }
        Some(Err(error)) => Err(error.to_string().into()),
        None => Err("did not answer everything".into()),
    };
    let (info, slots) = (next()?, next()?);
    let epoch = info.text().and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("cluster_current_epoch:"))?;
        line.trim().parse().ok()
    });
    let plan = plan(&slots, asked);
    let ranges = plan.slots.iter().flatten();
    let covered = ranges
        .map(|(first, last, _)| usize::from(*last) + 1 - usize::from(*first))
        .sum();
    if covered == 0 {
        return Err("is in a cluster without slots".into());
    }
    Ok(View {
        epoch: epoch.unwrap_or(0),
        covered,
        plan,
    })
}

/// `CLUSTER SLOTS`: for each range its first and last slot, the primary, the replicas.
fn plan(slots: &Reply, asked: &Address) -> Plan {
    let mut plan = Plan {
        shards: Vec::new(),
        slots: Some(Vec::new()),
    };
    for range in slots.array().unwrap_or_default() {
        let Some([first, last, primary, replicas @ ..]) = range.array() else {
            continue;
        };
        let slot = |reply: &Reply| reply.int().and_then(|slot| u16::try_from(slot).ok());
        let (Some(first), Some(last), Some(primary)) = (slot(first), slot(last), node(primary, asked)) else {
            continue;
        };
        if first > last || usize::from(last) >= SLOTS {
            continue;
        }
        let shard = plan.shards.iter().position(|shard| shard.primary == primary);
        let shard = shard.unwrap_or_else(|| {
            let mut replicas: Vec<Address> = replicas.iter().filter_map(|one| node(one, asked)).collect();
            replicas.sort();
            plan.shards.push(PlannedShard { primary, replicas });
            plan.shards.len() - 1
        });
        plan.slots.get_or_insert_default().push((first, last, shard));
    }
    plan
}

/// Host and port of a node. One that does not know its own name means the address that it was asked at.
fn node(reply: &Reply, asked: &Address) -> Option<Address> {
    let parts = reply.array()?;
    let host = parts.first().and_then(Reply::text).unwrap_or_default();
    let host = if host.is_empty() { asked.host() } else { host };
    let port = u16::try_from(parts.get(1)?.int()?).ok()?;
    (port != 0 && host != "?").then(|| Address::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(number: i64) -> Reply {
        Reply::Int(number)
    }

    fn at(host: &str, port: i64) -> Reply {
        Reply::Array(vec![Reply::Bytes(host.to_owned().into()), int(port)])
    }

    #[test]
    fn slots_belong_to_shards_and_what_makes_no_sense_is_left_out() {
        let asked = Address::new("me", 1);
        let slots = Reply::Array(vec![
            Reply::Array(vec![int(0), int(99), at("a", 7), at("c", 9), at("b", 8)]),
            Reply::Array(vec![int(200), int(16_383), at("", 5)]),
            Reply::Array(vec![int(100), int(199), at("a", 7)]),
            Reply::Array(vec![int(5), int(99_999), at("a", 7)]),
            Reply::Array(vec![int(5), int(4), at("a", 7)]),
            Reply::Array(vec![int(5)]),
            Reply::Nil,
        ]);
        let plan = plan(&slots, &asked);
        let shown: Vec<String> = plan.shards.iter().map(|shard| format!("{:?}", shard)).collect();
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert_eq!(plan.shards[0].replicas, [Address::new("b", 8), Address::new("c", 9)]);
        assert_eq!(plan.shards[1].primary, Address::new("me", 5));
        assert_eq!(plan.slots, Some(vec![(0, 99, 0), (200, 16_383, 1), (100, 199, 0)]));
    }
}
