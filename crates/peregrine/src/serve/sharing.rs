//! What this program shares with others over Redis: the client, the backplane and the node's name, made from `[redis]` and
//! `[cache]`, and watched, so that the log says when the way to Redis changes.

use super::node::NodeName;
use super::program::Program;
use crate::Failure;
use crate::config::Loaded;
use peregrine_base::{Complaint, Runtime, SystemRandom, TokioRuntime};
use peregrine_cache::backplane::{Backplane, BackplaneConfig, BackplaneStatus, ShardState};
use peregrine_cache::{Engine, RedisTierConfig};
use peregrine_store::{Redis, RedisStatus};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the log is told of news.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often copies of data keys are compared with Redis, and how soon again where that was not possible.
const KEYS_EVERY: Duration = Duration::from_secs(60);
const KEYS_AGAIN: Duration = Duration::from_secs(1);

/// How long a caller who sets or deletes a value waits for Redis to know.
const TOLD: Duration = Duration::from_millis(100);

/// What is shared.
pub(super) struct Sharing {
    pub(super) redis: Arc<Redis>,
    pub(super) backplane: Arc<Backplane>,
    /// Held as long as this program has this name.
    _name: NodeName,
}

impl Sharing {
    /// Joins the others, if a Redis is configured. `directory` keeps what outlives a restart; nothing is kept without one.
    /// Returns at once; Redis need not be there.
    ///
    /// # Errors
    /// When a file that `[redis]` names cannot be used, or the journal or the name cannot be kept.
    pub(super) fn join(
        engine: &Arc<Engine>,
        loaded: &Loaded,
        directory: Option<&Path>,
    ) -> Result<Option<Self>, Failure> {
        let (redis, cache) = (&loaded.settings.redis, &loaded.settings.cache);
        if !redis.is_on() {
            return Ok(None);
        }
        let parts = || peregrine_store::Parts {
            clock: Program::clock(),
            runtime: Arc::new(TokioRuntime),
            random: Arc::new(SystemRandom),
        };
        let client = Redis::start(redis, parts()).map_err(|complaints| {
            let of_redis = |complaint: Complaint| Complaint {
                field: format!("redis.{}", complaint.field),
                ..complaint
            };
            let complaints: Vec<Complaint> = complaints.into_iter().map(of_redis).collect();
            Failure::from(loaded.resolved.refuse(&complaints))
        })?;
        let name = NodeName::take(cache.node_name.as_deref(), directory).map_err(|error| {
            Failure::Failed(format!(
                "the name of this node cannot be kept in server.state_dir: {error}"
            ))
        })?;
        let config = BackplaneConfig {
            freshness_bound: cache.freshness_bound.get(),
            node: name.as_str().to_owned(),
            answer_max: redis.operation_timeout.get(),
            control_shards: cache.control_shards,
            replicas_min: cache.replicas_min,
            journal: directory.map(Path::to_owned),
            prefix: redis.prefix.clone(),
        };
        let parts = peregrine_cache::Parts {
            clock: Program::clock(),
            runtime: Arc::new(TokioRuntime),
            random: Arc::new(SystemRandom),
        };
        let backplane = Backplane::start(engine, Arc::clone(&client), config, parts)
            .map_err(|error| Failure::Failed(format!("{error} (server.state_dir)")))?;
        let tier = RedisTierConfig {
            prefix: redis.prefix.clone(),
            stored: peregrine_http::STORED_VERSION,
            lease: cache.lease.get(),
            told: TOLD,
        };
        engine.attach_redis(Arc::clone(&client), tier);
        tracing::info!(node = name.as_str(), "sharing the cache over Redis");
        Ok(Some(Self {
            redis: client,
            backplane,
            _name: name,
        }))
    }

    /// What is not well, for people.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let (redis, status) = (self.redis.status(), self.backplane.status());
        if let Some(fault) = redis.fault {
            complaints.push(format!("redis is {}: {fault}", redis.state.as_str()));
        }
        for shard in status.shards.iter().filter(|shard| shard.state == ShardState::Away) {
            let seconds = shard.since_ms / 1000;
            complaints.push(format!(
                "backplane: shard {} has not been in step for {seconds} s; {} invalidations wait to be told",
                shard.shard, shard.pending
            ));
        }
        if status.journal.is_some_and(|journal| !journal.well) {
            complaints.push("backplane: the journal cannot be written".to_owned());
        }
        complaints
    }
}

/// Tells the log of news, as long as the program is there.
pub(super) fn watch(program: &Weak<Program>) {
    let program = program.clone();
    TokioRuntime.spawn(Box::pin(async move {
        let mut before = Seen::default();
        loop {
            {
                let Some(program) = program.upgrade() else { return };
                let Some(sharing) = &program.sharing else { return };
                before.look(&sharing.redis.status(), &sharing.backplane.status());
            }
            TokioRuntime.sleep(LOOK_EVERY).await;
        }
    }));
}

/// Compares this node's copies of data keys with what Redis has, as long as the program is there: soon after the start, and
/// then every minute. What was erased elsewhere does not outlive that here.
pub(super) fn compare_keys(program: &Weak<Program>) {
    let program = program.clone();
    TokioRuntime.spawn(Box::pin(async move {
        loop {
            let pause = {
                let Some(program) = program.upgrade() else { return };
                let Some(sharing) = &program.sharing else { return };
                let compared = sharing.redis.is_up() && program.engine.keys().tidy().await.is_ok();
                if compared { KEYS_EVERY } else { KEYS_AGAIN }
            };
            TokioRuntime.sleep(pause).await;
        }
    }));
}

/// What the log was told last.
#[derive(Default)]
struct Seen {
    states: Vec<ShardState>,
    generations: u64,
    journal_failures: u64,
    adopted: u64,
    overflows: u64,
}

impl Seen {
    fn look(&mut self, redis: &RedisStatus, now: &BackplaneStatus) {
        for (index, shard) in now.shards.iter().enumerate() {
            let before = self.states.get(index).copied();
            let said = matches!(shard.state, ShardState::InStep | ShardState::Away);
            if said && before != Some(shard.state) {
                let (shard_number, pending) = (shard.shard, shard.pending);
                if shard.state == ShardState::Away {
                    let fault = redis.fault.as_deref().unwrap_or_default();
                    tracing::warn!(
                        shard = shard_number,
                        pending,
                        fault,
                        "not in step with Redis: memory is not believed for long"
                    );
                } else {
                    tracing::info!(shard = shard_number, pending, "in step with Redis");
                }
            }
            if said {
                self.states
                    .resize(now.shards.len().max(self.states.len()), ShardState::Starting);
                self.states[index] = shard.state;
            }
        }
        if now.generation_changes > self.generations {
            tracing::warn!(
                "Redis began another history (restart, failover or flush): what was loaded before is checked anew"
            );
        }
        if now.adopted > self.adopted {
            tracing::info!(
                targets = now.adopted - self.adopted,
                "the journal of a program before is told again"
            );
        }
        if now.overflows > self.overflows {
            tracing::warn!("too many invalidations wait for Redis: further ones become their namespaces");
        }
        let failures = now.journal.as_ref().map_or(0, |journal| journal.failures);
        if failures > self.journal_failures {
            tracing::error!("the journal cannot be written: what Redis does not confirm ends with this program");
        }
        (self.generations, self.adopted, self.overflows) = (now.generation_changes, now.adopted, now.overflows);
        self.journal_failures = failures;
    }
}
