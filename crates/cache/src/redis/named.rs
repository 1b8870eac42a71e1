//! Values by name, in memory and in Redis: what callers of the API get, set and delete is the same on every node.

use super::counters::RedisMiss;
use super::names::Name;
use super::tier::RedisTier;
use crate::backplane::Stamping;
use crate::config::Tier;
use crate::engine::Engine;
use crate::entry::Entry;
use crate::find::usable;
use crate::hit::Hit;
use crate::key::Key;
use crate::ledger::Standing;
use crate::lookup::{Ask, Lookup};
use crate::namespace::Namespace;
use crate::operations::{SetHere, SetOptions};
use crate::outcome::MissReason;
use crate::promise::{Promise, promise};
use crate::strategy::Strategy;
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

impl Engine {
    /// As [`Engine::get`] for `tenant` (nobody where it is empty), from Redis too where the strategy `default` keeps its entries
    /// there.
    pub async fn get_shared(self: &Arc<Self>, namespace: &Arc<Namespace>, tenant: &str, name: &str) -> Option<Hit> {
        let names = [name.to_owned()];
        self.mget_shared(namespace, tenant, &names).await.pop().flatten()
    }

    /// As [`Engine::get_shared`] for several names, in their order. What is not in memory costs one round trip to each server
    /// of Redis that has some of it.
    pub async fn mget_shared(
        self: &Arc<Self>,
        namespace: &Arc<Namespace>,
        tenant: &str,
        names: &[String],
    ) -> Vec<Option<Hit>> {
        let strategy = self.default_strategy();
        let keys: Vec<Key> = names.iter().map(|name| Key::named(namespace, tenant, name)).collect();
        // What happened lately is asked for once, for all of them.
        let mut asked = false;
        let mut found = self.mget_here(&keys, &strategy, &mut asked).await;
        let Some(tier) = self.redis_tier(&strategy).cloned() else {
            return found;
        };
        let lacks = |at: usize| found.get(at).is_some_and(Option::is_none);
        let lacking: Vec<(usize, Key)> = keys.into_iter().enumerate().filter(|(at, _)| lacks(*at)).collect();
        if lacking.is_empty() {
            return found;
        }
        let wanted: Vec<Name> = lacking.iter().map(|(_, key)| Name::of(key.text(), None)).collect();
        let answers = match &wanted[..] {
            [one] => tier.get(*one, &strategy).await.map(|answer| vec![answer]),
            several => tier.mget(several, &strategy).await,
        };
        let Ok(answers) = answers else {
            lacking.iter().for_each(|_| tier.counters.missed(RedisMiss::Away));
            return found;
        };
        for ((at, key), answer) in lacking.iter().zip(answers) {
            let recalled = match answer {
                Some(bytes) => self.recall_named(&tier, key, &strategy, (&bytes, &mut asked)).await,
                None => Err(RedisMiss::Absent),
            };
            match recalled {
                Ok(hit) => {
                    tier.counters.hits.increment();
                    self.count_served(key, &hit.0);
                    if let Some(place) = found.get_mut(*at) {
                        *place = Some(hit);
                    }
                }
                Err(why) => tier.counters.missed(why),
            }
        }
        found
    }

    /// What memory has under each of `keys`, all of one namespace, verified together where that is needed.
    async fn mget_here(self: &Arc<Self>, keys: &[Key], strategy: &Arc<Strategy>, asked: &mut bool) -> Vec<Option<Hit>> {
        let look = |key: &Key, verified: bool| {
            let ask = Ask {
                lead: false,
                verified,
                ..Ask::plain(self.parts.clock.now(), strategy)
            };
            match self.lookup(key, &ask) {
                Lookup::Fresh { hit, .. } | Lookup::Stale { hit, .. } => Ok(Some(hit)),
                Lookup::Unverified if !verified => Err(MissReason::Unverified),
                _ => Ok(None),
            }
        };
        let looked: Vec<_> = keys.iter().map(|key| (key, look(key, false))).collect();
        if let Some((key, _)) = looked.iter().find(|(_, found)| found.is_err()) {
            *asked = true;
            self.verify(key).await;
        }
        let settled = looked
            .into_iter()
            .map(|(key, found)| found.or_else(|_| look(key, true)).unwrap_or(None));
        settled.collect()
    }

    async fn recall_named(
        &self,
        tier: &Arc<RedisTier>,
        key: &Key,
        strategy: &Arc<Strategy>,
        (bytes, asked): (&Bytes, &mut bool),
    ) -> Result<Hit, RedisMiss> {
        let read = tier.read(Name::of(key.text(), None), bytes, key, strategy).await?;
        if read.is_selector() {
            return Err(RedisMiss::Absent);
        }
        let written = self.flights.lock(key.hash()).written();
        let judged = self.judge(tier, key, &read, asked).await?;
        let terms = Ask::plain(tier.parts.clock.now(), strategy);
        if judged.doubtful || usable(&judged.entry, judged.softened, &terms).is_err() {
            return Err(RedisMiss::Stale);
        }
        self.take_named(key, strategy, judged.entry, written)
    }

    /// Takes what was found good when `written` was so many. It answers all the same where the key was written or taken out
    /// meanwhile, for that was asked for while this was under way; but it is not put in its place.
    pub(crate) fn take_named(
        &self,
        key: &Key,
        strategy: &Strategy,
        entry: Entry,
        written: u64,
    ) -> Result<Hit, RedisMiss> {
        let shard = self.flights.lock(key.hash());
        if self.standing(&entry, key.namespace()) == Standing::Gone {
            return Err(RedisMiss::Invalidated);
        }
        if strategy.keeps_in(Tier::Memory) && shard.written() == written {
            self.keep_recalled(key, key.hash(), &entry, self.parts.clock.now());
        }
        Ok(Hit(entry))
    }

    /// As [`Engine::set`], in Redis too where the value's strategy keeps its entries there. What lies there is written after
    /// Redis has heard that what lay there before is gone; that goes on in the background when it takes long. To hear
    /// what other nodes did before may take up to 200 ms more where Redis does not answer.
    pub async fn set_shared(
        self: &Arc<Self>,
        namespace: &Arc<Namespace>,
        tenant: &str,
        name: &str,
        value: Bytes,
        options: &SetOptions,
    ) -> bool {
        self.mset_shared(namespace, tenant, vec![(name.to_owned(), value)], options)
            .await
            == 1
    }

    /// As [`Engine::set_shared`] for several values; how many were stored.
    pub async fn mset_shared(
        self: &Arc<Self>,
        namespace: &Arc<Namespace>,
        tenant: &str,
        values: Vec<(String, Bytes)>,
        options: &SetOptions,
    ) -> usize {
        if !self.has_others() {
            return self.mset_now(namespace, tenant, values, options).await;
        }
        // In a task of its own, so that a caller who goes away takes nothing back.
        let (giver, done) = promise();
        let (engine, namespace) = (Arc::clone(self), Arc::clone(namespace));
        let (tenant, options) = (tenant.to_owned(), options.clone());
        self.parts.runtime.spawn(Box::pin(async move {
            // What was invalidated elsewhere by now is older than these values, and must not count as happening beside them.
            engine.hear(&namespace).await;
            giver.give(engine.mset_now(&namespace, &tenant, values, &options).await);
        }));
        done.await.unwrap_or(0)
    }

    /// As [`Engine::mset_shared`], by what this node knows.
    pub(crate) async fn mset_now(
        self: &Arc<Self>,
        namespace: &Arc<Namespace>,
        tenant: &str,
        values: Vec<(String, Bytes)>,
        options: &SetOptions,
    ) -> usize {
        let strategy = options.strategy.clone().unwrap_or_else(|| self.default_strategy());
        let tier = self.redis_tier(&strategy).cloned();
        let (mut stored, mut writing) = (0, Vec::new());
        for (name, value) in values {
            let key = Key::named(namespace, tenant, &name);
            let set = self.store_named(&key, &value, options);
            stored += usize::from(set.is_some());
            if let Some(tier) = &tier {
                writing.push(self.set_in_redis(tier, key, set, &strategy));
            }
        }
        if !writing.is_empty() {
            self.wait_for(writing).await;
        }
        stored
    }

    /// Writes in a task of its own what was set, or takes out what lies there.
    fn set_in_redis(
        self: &Arc<Self>,
        tier: &Arc<RedisTier>,
        key: Key,
        set: Option<(SetHere, Option<Stamping>)>,
        strategy: &Strategy,
    ) -> Promise<()> {
        let (giver, done) = promise();
        let (engine, tier, compression) = (Arc::clone(self), Arc::clone(tier), strategy.compression());
        self.parts.runtime.spawn(Box::pin(async move {
            let remove = async || drop(tier.remove(Name::of(key.text(), None)).await);
            match set {
                None => remove().await,
                Some((set, stamping)) => {
                    let stamp = match stamping {
                        Some(stamping) => stamping.await,
                        None => None,
                    };
                    match stamp {
                        Some(stamp) => engine.write_set(&tier, &set, stamp, compression).await,
                        // Redis did not hear of it in time: at least nobody finds the old value.
                        None if set.is_last() => remove().await,
                        None => {}
                    }
                }
            }
            giver.give(());
        }));
        done
    }

    /// Waits for all of `telling`, which go on by themselves when that takes longer than [`RedisTierConfig::told`].
    ///
    /// [`RedisTierConfig::told`]: super::RedisTierConfig::told
    async fn wait_for<F: Future + Unpin>(&self, mut telling: Vec<F>) {
        let Some(tier) = self.redis.get() else {
            return;
        };
        let mut limit = self.parts.runtime.sleep(tier.config.told);
        poll_fn(|cx| {
            telling.retain_mut(|one| Pin::new(one).poll(cx).is_pending());
            if telling.is_empty() {
                return Poll::Ready(());
            }
            limit.as_mut().poll(cx)
        })
        .await;
    }

    /// As [`Engine::delete`], in Redis too. It is over when Redis has heard of it, so that nodes that ask find it gone; that
    /// goes on in the background when it takes long.
    pub async fn delete_shared(self: &Arc<Self>, namespace: &Arc<Namespace>, tenant: &str, name: &str) -> bool {
        let key = Key::named(namespace, tenant, name);
        let (was_here, stamping) = self.take_out(&key);
        let was_there = match self.redis_tier(&self.default_strategy()) {
            Some(tier) => tier.remove(Name::of(key.text(), None)).await.unwrap_or(false),
            None => false,
        };
        if let Some(stamping) = stamping {
            self.wait_for(vec![stamping]).await;
        }
        was_here || was_there
    }
}
