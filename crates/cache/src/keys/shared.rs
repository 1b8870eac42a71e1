//! Records of data keys in the Redis that nodes share: one hash, without expiry, a field for each owner.
//!
//! Guarantees: of two nodes that create a record for one owner, one wins; a record changes only from what its changer knew.
//! Beyond that Redis decides: a failover may lose a change that no replica had heard of yet, as it may lose any write.

use super::place::{KeyPlace, KeyRecord, Listed, PlaceFault, Placing};
use bytes::Bytes;
use peregrine_store::{Redis, Reply, Script, StoreError};
use std::fmt;
use std::sync::Arc;

/// About how many records are listed at once.
const PAGE: &[u8] = b"256";

/// No record is empty, so that the empty text stands for none.
static REPLACE: Script = Script::new(
    "if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end \
     redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) return 1",
);

/// The records in a Redis.
pub struct InRedis {
    redis: Arc<Redis>,
    key: Vec<u8>,
}

impl InRedis {
    /// Those below `prefix`.
    #[must_use]
    pub fn new(redis: Arc<Redis>, prefix: &str) -> Self {
        Self {
            redis,
            key: format!("{prefix}:keys").into_bytes(),
        }
    }

    fn fault(&self, error: &StoreError) -> PlaceFault {
        PlaceFault {
            place: self.name(),
            why: error.to_string(),
        }
    }

    async fn command(&self, name: &'static str, arguments: &[&[u8]]) -> Result<Reply, PlaceFault> {
        let reply = self.redis.command(name, &[&self.key], arguments).await;
        reply.map_err(|error| self.fault(&error))
    }
}

impl KeyPlace for InRedis {
    fn name(&self) -> String {
        format!("Redis, {}", String::from_utf8_lossy(&self.key))
    }

    fn get<'a>(&'a self, owner: &'a str) -> Placing<'a, Option<String>> {
        Box::pin(async move { Ok(text(&self.command("HGET", &[owner.as_bytes()]).await?)) })
    }

    fn replace<'a>(&'a self, owner: &'a str, was: Option<&'a str>, now: &'a str) -> Placing<'a, bool> {
        Box::pin(async move {
            let arguments = [owner.as_bytes(), was.unwrap_or_default().as_bytes(), now.as_bytes()];
            let reply = self.redis.script(&REPLACE, &[&self.key], &arguments).await;
            Ok(reply.map_err(|error| self.fault(&error))?.int() == Some(1))
        })
    }

    fn list<'a>(&'a self, cursor: &'a str) -> Placing<'a, Listed> {
        Box::pin(async move {
            let cursor = if cursor.is_empty() { "0" } else { cursor };
            let reply = self.command("HSCAN", &[cursor.as_bytes(), b"COUNT", PAGE]).await?;
            let parts = reply.array().unwrap_or_default();
            let next = parts.first().and_then(text).filter(|next| next != "0");
            let fields = parts.get(1).and_then(Reply::array).unwrap_or_default();
            let records = fields.chunks_exact(2).filter_map(|pair| {
                Some(KeyRecord {
                    owner: text(pair.first()?)?,
                    record: text(pair.get(1)?)?,
                })
            });
            Ok(Listed {
                records: records.collect(),
                next,
            })
        })
    }
}

/// A reply as text.
fn text(reply: &Reply) -> Option<String> {
    let bytes: &Bytes = reply.bytes()?;
    String::from_utf8(bytes.to_vec()).ok()
}

impl fmt::Debug for InRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InRedis").finish_non_exhaustive()
    }
}
