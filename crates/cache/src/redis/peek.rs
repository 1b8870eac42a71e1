//! What Redis holds under a key, for people who ask why something is served as it is.

use super::counters::RedisMiss;
use super::names::Name;
use crate::engine::Engine;
use crate::hit::Hit;
use crate::key::Key;
use crate::selector::{Selector, Variants};
use crate::strategy::Strategy;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What Redis holds under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPeek {
    /// A value that may be used.
    Holds {
        /// Its age.
        age: Duration,
        /// How much longer it is fresh; zero: it is stale.
        fresh_for: Duration,
        /// The bytes that it has there.
        bytes: u64,
    },
    /// Nothing that may be used.
    Nothing(RedisMiss),
}

impl fmt::Display for RedisPeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds { age, fresh_for, bytes } => {
                write!(f, "holds it in {bytes} bytes, {} s old", age.as_secs())?;
                if fresh_for.is_zero() {
                    f.write_str(", stale")
                } else {
                    write!(f, ", fresh for {} s", fresh_for.as_secs())
                }
            }
            Self::Nothing(why) => write!(f, "has nothing to use ({why})"),
        }
    }
}

impl Engine {
    /// What Redis holds under `key` for one who asks as `variants` says; nothing where `strategy` keeps nothing there. Counts
    /// what any look counts, and changes nothing.
    pub async fn peek_redis(&self, key: &Key, variants: &dyn Variants, strategy: &Arc<Strategy>) -> Option<RedisPeek> {
        self.redis_tier(strategy)?;
        Some(match self.peeked(key, variants, strategy).await {
            Ok(held) => held,
            Err(why) => RedisPeek::Nothing(why),
        })
    }

    async fn peeked(
        &self,
        key: &Key,
        variants: &dyn Variants,
        strategy: &Arc<Strategy>,
    ) -> Result<RedisPeek, RedisMiss> {
        let tier = self.redis_tier(strategy).ok_or(RedisMiss::Absent)?;
        let mut variant: Option<String> = None;
        loop {
            let name = Name::of(key.text(), variant.as_deref());
            let found = tier.get(name, strategy).await.map_err(|_| RedisMiss::Away)?;
            let bytes = found.ok_or(RedisMiss::Absent)?;
            let read = tier.read(name, &bytes, key, strategy).await?;
            if read.is_selector() {
                let mut text = String::new();
                variants.variant(&Selector::from_text(&read.payload.selector), &mut text);
                // A second one would lead nowhere.
                if variant.replace(text).is_some() {
                    return Err(RedisMiss::Damaged);
                }
                continue;
            }
            let judged = self.judge(tier, key, &read, &mut false).await?;
            let (hit, now) = (Hit(judged.entry), self.parts.clock.now());
            return Ok(RedisPeek::Holds {
                age: hit.age(now),
                fresh_for: hit.fresh_until().since(now),
                bytes: bytes.len() as u64,
            });
        }
    }
}
