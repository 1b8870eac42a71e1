//! Following sentinels. One task for each: it subscribes to `+switch-master`, asks who the primary is at once, on every word of
//! that channel, whenever a connection to a server ends, and every second anyway, and writes down what it hears.
//!
//! **Whom to believe.** During a failover sentinels differ for a while, and a deposed primary that was only stopped still says
//! that it is one. Every answer carries the epoch of the configuration that the sentinel knows, which each failover raises by
//! vote; the answer of the highest epoch counts, whoever gave it last. What a sentinel said before it became unreachable counts
//! for [`REMEMBERED`], so that losing the one that knew best does not lead back. On connecting, the server's own `ROLE` has to
//! agree.

use crate::config::ReadFrom;
use crate::core::Core;
use crate::counters::count;
use crate::dial::{Pushed, Role};
use crate::error::StoreError;
use crate::map::{Plan, PlannedShard};
use crate::node::pause;
use crate::place::Address;
use crate::reply::Reply;
use crate::wire::{Ask, NoReply, Wire};
use parking_lot::Mutex;
use peregrine_base::Instant;
use redis::{Pipeline, PushInfo, PushKind, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often a sentinel is asked when nothing happens.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// How soon it may be asked again when something does.
const ASKED_AFTER: Duration = Duration::from_millis(50);
/// How long the word of a sentinel counts that cannot be reached any more.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What a sentinel said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    epoch: i64,
    at: Instant,
    primary: Address,
    replicas: Vec<Address>,
}

type Reports = Mutex<Vec<Option<Report>>>;

/// Starts a task for each sentinel.
pub(crate) fn start(core: &Arc<Core>) {
    let reports: Arc<Reports> = Arc::new(Mutex::new(vec![None; core.place.hosts.len()]));
    for (index, address) in core.place.hosts.iter().enumerate() {
        let follower = Follower {
            core: Arc::clone(core),
            address: address.clone(),
            index,
            reports: Arc::clone(&reports),
        };
        let mut stop = core.stop.subscribe();
        core.around.dialer.parts.runtime.spawn(Box::pin(async move {
            tokio::select! {
                () = follower.follow() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }));
    }
}

struct Follower {
    core: Arc<Core>,
    address: Address,
    index: usize,
    reports: Arc<Reports>,
}

impl Follower {
    async fn follow(self) {
        let parts = self.core.around.dialer.parts.clone();
        let mut attempts = 0;
        loop {
            let why = match self.attend(&mut attempts).await {
                Ok(why) | Err(why) => why,
            };
            *self.core.fault.lock() = Some(format!("sentinel {} {why}", self.address).into());
            let wait = pause(attempts, parts.random.next_unit());
            attempts += 1;
            parts.runtime.sleep(wait).await;
        }
    }

    /// One connection from its beginning to its end; why it ended.
    async fn attend(&self, attempts: &mut u32) -> Result<Arc<str>, Arc<str>> {
        let dialer = &self.core.around.dialer;
        let switched = Arc::new(Notify::new());
        let heard = Arc::clone(&switched);
        let pushed: Pushed = Box::new(move |push: PushInfo| {
            if push.kind == PushKind::Message {
                heard.notify_one();
            }
        });
        let wire = dialer.dial(&self.address, Role::Sentinel, Some(pushed)).await?;
        let mut subscribe = redis::cmd("SUBSCRIBE");
        subscribe.arg("+switch-master");
        self.ask(&wire, Ask::One(&subscribe)).await?;
        let mut doubts = self.core.around.doubts.subscribe();
        loop {
            self.look(&wire).await?;
            *attempts = 0;
            dialer.parts.runtime.sleep(ASKED_AFTER).await;
            tokio::select! {
                why = wire.until_ended() => return Ok(why),
                () = switched.notified() => {}
                _ = doubts.changed() => {}
                () = dialer.parts.runtime.sleep(ASKED_EVERY) => {}
            }
        }
    }

    async fn ask(&self, wire: &Wire, ask: Ask<'_>) -> Result<Value, Arc<str>> {
        let dialer = &self.core.around.dialer;
        wire.ask(ask, dialer.operation_limit, &dialer.parts)
            .await
            .map_err(|none| match none {
                NoReply::Lost(why) => why,
                NoReply::TimedOut { .. } => format!("did not reply within {:?}", dialer.operation_limit).into(),
            })
    }

    /// Asks who the primary is, and draws the map by the best answer of all sentinels.
    async fn look(&self, wire: &Wire) -> Result<(), Arc<str>> {
        let master = &*self.core.place.master;
        let mut questions = Pipeline::new();
        questions.cmd("SENTINEL").arg("MASTER").arg(master);
        // Between the election of a primary and its announcement only this one names it, in the epoch that MASTER tells.
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        if self.core.read_from == ReadFrom::Replica {
            questions.cmd("SENTINEL").arg("REPLICAS").arg(master);
        }
        count(&self.core.around.counters.refreshes);
        let replies = match self.ask(wire, Ask::Many(&questions)).await? {
            Value::Array(values) => values.into_iter().map(|value| Reply::from_value(value, &self.address)),
            _ => return Err("replied with something else than was asked".into()),
        };
        let report = self.report(replies.collect())?;
        let mut reports = self.reports.lock();
        let at = report.at;
        reports[self.index] = Some(report);
        if let Some(best) = best(&reports, at) {
            self.core.atlas.redraw(&Plan {
                shards: vec![PlannedShard {
                    primary: best.primary.clone(),
                    replicas: best.replicas.clone(),
                }],
                slots: None,
            });
        }
        Ok(())
    }

    fn report(&self, replies: Vec<Result<Reply, StoreError>>) -> Result<Report, Arc<str>> {
        let mut replies = replies.into_iter();
        let mut next = || match replies.next() {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(StoreError::Refused { message, .. })) if message.contains("No such master") => Err(Arc::from(
                format!("knows no primary by the name {:?}", self.core.place.master),
            )),
            Some(Err(error)) => Err(error.to_string().into()),
            None => Ok(Reply::Nil),
        };
        let (master, address) = (next()?, next()?);
        let unclear = || Arc::<str>::from("does not name the primary");
        let parts = address.array().ok_or_else(unclear)?;
        let at = |index: usize| parts.get(index);
        let host = at(0).and_then(Reply::text).ok_or_else(unclear)?;
        let port = at(1).and_then(Reply::int).and_then(|port| u16::try_from(port).ok());
        Ok(Report {
            epoch: master.field("config-epoch").and_then(Reply::int).unwrap_or(0),
            at: self.core.now(),
            primary: Address::new(host, port.ok_or_else(unclear)?),
            replicas: replicas(&next()?),
        })
    }
}

/// Those replicas that the sentinel finds well, in a fixed order.
fn replicas(list: &Reply) -> Vec<Address> {
    let mut well: Vec<Address> = list
        .array()
        .unwrap_or_default()
        .iter()
        .filter(|one| one.field("flags").and_then(Reply::text) == Some("slave"))
        .filter_map(|one| {
            let port = u16::try_from(one.field("port")?.int()?).ok()?;
            Some(Address::new(one.field("ip")?.text()?, port))
        })
        .collect();
    well.sort();
    well
}

/// The answer that counts: the highest epoch, of those the last.
fn best(reports: &[Option<Report>], now: Instant) -> Option<&Report> {
    let known = reports.iter().flatten();
    known
        .filter(|report| now.since(report.at) <= REMEMBERED)
        .max_by_key(|report| (report.epoch, report.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(epoch: i64, second: u64, port: u16) -> Option<Report> {
        Some(Report {
            epoch,
            at: Instant::ZERO.after(Duration::from_secs(second)),
            primary: Address::new("r", port),
            replicas: Vec::new(),
        })
    }

    #[test]
    fn the_highest_epoch_counts_and_not_for_ever() {
        let at = |second| Instant::ZERO.after(Duration::from_secs(second));
        let reports = [report(3, 10, 1), None, report(4, 9, 2), report(3, 11, 1)];
        assert_eq!(best(&reports, at(12)).map(|best| best.primary.port()), Some(2));
        assert_eq!(best(&reports, at(70)).map(|best| best.primary.port()), Some(1));
        assert_eq!(best(&reports, at(700)), None);
    }

    #[test]
    fn only_replicas_that_are_well_are_read_from() {
        let row = |ip: &str, flags: &str| {
            let words = ["ip", ip, "port", "7", "flags", flags];
            Reply::Array(words.map(|word| Reply::Bytes(word.to_owned().into())).to_vec())
        };
        let list = Reply::Array(vec![row("b", "slave"), row("c", "slave,s_down"), row("a", "slave")]);
        let names: Vec<String> = replicas(&list).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a:7", "b:7"]);
    }
}
