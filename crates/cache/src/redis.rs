//! The tier of values in Redis: what several nodes share. Reads promote into memory, writes go through, one node loads for all.
//!
//! # The way of a load
//!
//! The leader of a load calls [`crate::Lease::recall`] before it asks the origin. That costs one round trip where Redis has the
//! value: it is checked against everything that this node knows of invalidations, put into memory and given to those who wait.
//! Otherwise the leader asks for the lease of all nodes, and loads when it has it; the others wait for its value. What a load
//! brings is written behind it; the lease ends with that.
//!
//! # What it promises
//!
//! * A value that an invalidation reached is not served: it carries the position of before its load, which is compared with the
//!   log of invalidations (see [`crate::backplane`]). Leases, order of writes and clocks only spare work.
//! * Nothing here fails a request or makes it wait without a limit. What cannot be read is a miss with a reason.
//! * Whatever is written has an expiry.
//!
//! # Where things are
//!
//! Names are in `names`, the form of what is written in `envelope`, the time in `clock`, what is asked of Redis in `tier`, the
//! lease of all nodes in `lease`; `recall` is the way in, `write` the way out.

mod clock;
mod counters;
mod envelope;
mod lease;
mod named;
mod names;
mod peek;
mod recall;
mod tier;
mod write;

pub use counters::{RedisLease, RedisMiss, RedisTierStatistics, RedisWrite};
pub use envelope::{EnvelopeFault, check_envelope};
pub(crate) use lease::ClusterLease;
pub use peek::RedisPeek;
pub use recall::Recalled;
pub(crate) use tier::RedisTier;
pub use tier::RedisTierConfig;

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;

use crate::engine::Engine;
use crate::keys::InRedis;
use peregrine_store::Redis;
use std::sync::Arc;

impl Engine {
    /// Gives the engine a Redis to keep values in, once, before the first request.
    pub fn attach_redis(&self, redis: Arc<Redis>, config: RedisTierConfig) {
        // Nodes that share values share their keys.
        self.keys
            .share(Arc::new(InRedis::new(Arc::clone(&redis), &config.prefix)));
        let tier = RedisTier::new(redis, config, self.parts.clone(), Arc::clone(&self.keys));
        // Another one would be asked for what the first has.
        let _ = self.redis.set(Arc::new(tier));
    }
}
