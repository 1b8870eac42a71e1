//! Records of a snapshot whose entry may leave memory sealed only. In place of its description stands who owns the data key
//! and which one it is, then the sealed description; each piece of the body is sealed for its place behind that description,
//! so that no piece passes for another one.
//!
//! ```text
//! SEALED  key id  lengths of namespace and tenant  namespace  tenant  sealed description
//! ```

#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;

use crate::engine::Engine;
use crate::key::tenant_of;
use crate::keys::{Keys, Owner, SealFault, Sealer as _};
use crate::sync::Ordering;
use bytes::Bytes;
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::task::Poll;
use std::time::Duration;

/// What the description of a sealed record begins with; one of an open record begins with its kind, a small number.
const SEALED: u8 = 0xFF;
/// Where the description is sealed for.
const DESCRIPTION: &[u8] = b"snapshot description";
/// Random bytes that sealed bytes begin with: they tell descriptions apart.
const DRAWN: usize = 24;
/// How long a data key is waited for, while the snapshot is read in the background.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// For how many owners keys are fetched before a snapshot is written: as many as are held.
const OWNERS_MAX: usize = 10_000;
/// After how long its place is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Who can open a sealed record.
pub(super) struct Found<'a> {
    pub(super) owner: Owner<'a>,
    pub(super) key_id: u32,
    description: &'a [u8],
}

/// Whether the description `meta` is sealed.
pub(super) fn is_sealed(meta: &[u8]) -> bool {
    meta.first() == Some(&SEALED)
}

/// A record with the description `meta` and the body `pieces`, sealed.
pub(super) fn seal(
    keys: &Keys,
    owner: Owner<'_>,
    meta: &[u8],
    pieces: &[&[u8]],
) -> Result<(Vec<u8>, Vec<Vec<u8>>), SealFault> {
    let description = keys.seal_now(owner, DESCRIPTION, meta)?;
    let length = |text: &str| u8::try_from(text.len()).map_err(|_| SealFault::NoKey);
    let mut out = vec![SEALED];
    out.extend_from_slice(&description.key_id.to_le_bytes());
    out.extend_from_slice(&[length(owner.namespace)?, length(owner.tenant)?]);
    out.extend_from_slice(owner.namespace.as_bytes());
    out.extend_from_slice(owner.tenant.as_bytes());
    out.extend_from_slice(&description.bytes);
    let mut sealed = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let piece = keys.seal_now(owner, &place(&description.bytes, index, pieces.len()), piece)?;
        // After a rotation in between the description would name the wrong key.
        if piece.key_id != description.key_id {
            return Err(SealFault::NoKey);
        }
        sealed.push(piece.bytes);
    }
    Ok((out, sealed))
}

/// Who can open the record with the description `meta`.
pub(super) fn read(meta: &[u8]) -> Option<Found<'_>> {
    let (key_id, rest) = meta.get(1..)?.split_first_chunk::<4>()?;
    let ([namespace, tenant], rest) = rest.split_first_chunk::<2>()?;
    let (namespace, rest) = rest.split_at_checked(usize::from(*namespace))?;
    let (tenant, description) = rest.split_at_checked(usize::from(*tenant))?;
    Some(Found {
        owner: Owner {
            namespace: std::str::from_utf8(namespace).ok()?,
            tenant: std::str::from_utf8(tenant).ok()?,
        },
        key_id: u32::from_le_bytes(*key_id),
        description,
    })
}

/// The description and the body of a record whose data key is at hand.
pub(super) fn open(keys: &Keys, found: &Found<'_>, pieces: Vec<Bytes>) -> Option<(Vec<u8>, Vec<Bytes>)> {
    let opened = |aad: &[u8], sealed: &[u8]| keys.open(found.owner, found.key_id, aad, sealed).ok();
    let description = opened(DESCRIPTION, found.description)?;
    let count = pieces.len();
    let pieces = pieces
        .into_iter()
        .enumerate()
        .map(|(index, piece)| opened(&place(found.description, index, count), &piece).map(Bytes::from));
    Some((description, pieces.collect::<Option<_>>()?))
}

/// The place of a piece: behind this description, the one with this number of so many.
fn place(description: &[u8], index: usize, count: usize) -> Vec<u8> {
    let drawn = description.get(..DRAWN).unwrap_or(description);
    let mut place = b"snapshot piece".to_vec();
    place.extend_from_slice(drawn);
    for number in [index, count] {
        place.extend_from_slice(&(number as u64).to_le_bytes());
    }
    place
}

impl Engine {
    /// Fetches the data keys that a snapshot needs, where they do not lie on this machine: when it is written there may be
    /// nobody any more who could. Gives up after a few seconds; what then has no key is left out of the snapshot.
    pub async fn fetch_keys(&self) {
        if self.keys.is_local() || self.keys.ring().is_none() {
            return;
        }
        let seals_all = self.seals_all.load(Ordering::Relaxed);
        let mut owners: HashSet<(String, String)> = HashSet::new();
        for candidate in self.candidates() {
            if owners.len() < OWNERS_MAX && (seals_all || candidate.entry.confidential()) {
                let owner = (candidate.namespace.name(), tenant_of(candidate.entry.key()));
                owners.insert((owner.0.to_owned(), owner.1.to_owned()));
            }
        }
        let asking = async {
            for (namespace, tenant) in &owners {
                self.keys.ready(Owner { namespace, tenant }, None).await;
            }
        };
        let (mut asking, mut limit) = (pin!(asking), self.parts.runtime.sleep(WAIT_MAX));
        poll_fn(|cx| match asking.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => limit.as_mut().poll(cx),
        })
        .await;
    }
}

/// Waits on this thread until a data key that lies elsewhere is at hand; whether it is, or nothing when its place did not
/// answer in time.
pub(super) fn wait(engine: &Arc<Engine>, owner: Owner<'_>, key_id: u32) -> Option<bool> {
    let (keys, runtime) = (Arc::clone(&engine.keys), Arc::clone(&engine.parts.runtime));
    let (namespace, tenant) = (owner.namespace.to_owned(), owner.tenant.to_owned());
    let (tell, told) = sync_channel(1);
    engine.parts.runtime.spawn(Box::pin(async move {
        let asking = async {
            loop {
                let before = keys.statistics().unreachable;
                let owner = Owner {
                    namespace: &namespace,
                    tenant: &tenant,
                };
                let ready = keys.ready(owner, Some(key_id)).await;
                if ready || keys.statistics().unreachable == before {
                    return ready;
                }
                runtime.sleep(PAUSE).await;
            }
        };
        let (mut asking, mut limit) = (pin!(asking), runtime.sleep(WAIT_MAX));
        let ready = poll_fn(|cx| match asking.as_mut().poll(cx) {
            Poll::Ready(ready) => Poll::Ready(Some(ready)),
            Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
        });
        let ready = ready.await;
        // Nobody waits any more when the program is being stopped.
        let _ = tell.send(ready);
    }));
    told.recv().ok().flatten()
}
