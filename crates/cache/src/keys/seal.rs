//! Sealing and opening with a data key, and the seam by which the rest of the engine does so.

use crate::key::Key;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use zeroize::Zeroizing;

/// How much longer sealed bytes are: what they begin with, and the tag at their end.
pub const SEAL_OVERHEAD_BYTES: usize = DRAWN + TAG;
/// Random bytes before the ciphertext: half of them for the value's key, half for its nonce.
const DRAWN: usize = 24;
const NONCE: usize = 12;
const TAG: usize = 16;
/// What all additional data begins with; changes with the form of what follows.
const FORM: &[u8] = b"pg seal 1";
/// Tells the derivation from any other use of the key (SP 800-108r1 §5, "Label").
const LABEL: &[u8] = b"peregrine value key";

/// Whose data key: a tenant's, or the namespace's own where there is no tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The tenant; empty where there is none.
    pub tenant: &'a str,
}

impl<'a> Owner<'a> {
    /// The owner of what is stored under `key`.
    #[must_use]
    pub fn of(key: &'a Key) -> Self {
        Self {
            namespace: key.namespace().name(),
            tenant: key.tenant(),
        }
    }

    /// Its name in places of keys: a tenant has one key in all namespaces.
    #[must_use]
    pub fn name(&self) -> String {
        if self.tenant.is_empty() {
            format!("namespace.{}", self.namespace)
        } else {
            format!("tenant.{}", self.tenant)
        }
    }
}

/// Whether what is needed is there.
pub type Ready<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Seals what leaves memory and opens it again. What cannot be opened is a miss.
pub trait Sealer: Send + Sync + 'static {
    /// Fetches what [`Sealer::seal`] (`None`) or [`Sealer::open`] (`Some`) needs, unless it is at hand; false where it is not
    /// to be had now.
    fn ready<'a>(&'a self, owner: Owner<'a>, key_id: Option<u32>) -> Ready<'a>;

    /// `plain` as bytes that only [`Sealer::open`] with the same owner, key and additional data gives back.
    ///
    /// # Errors
    /// When the owner's data key is not at hand.
    fn seal(&self, owner: Owner<'_>, aad: &[u8], plain: &[u8]) -> Result<Sealed, SealFault>;

    /// What was sealed.
    ///
    /// # Errors
    /// When the data key is not at hand, or these bytes were not sealed for this owner and place.
    fn open(&self, owner: Owner<'_>, key_id: u32, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealFault>;

    /// The id of the data key with which [`Sealer::seal`] would seal now, never 0.
    fn key_id(&self, owner: Owner<'_>) -> Option<u32>;
}

/// Sealed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The data key, of its owner's.
    pub key_id: u32,
    /// What was drawn, the ciphertext, the tag.
    pub bytes: Vec<u8>,
}

/// Why something was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// The data key is not at hand: there is no key ring, the key was erased, its place does not answer, or the master key
    /// that wraps it is not in the ring.
    #[error("the data key is not at hand")]
    NoKey,
    /// It was not sealed for this owner and place, or was changed since.
    #[error("it was not sealed for this place, or was changed since")]
    Damaged,
}

impl SealFault {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::Damaged => "damaged",
        }
    }
}

/// The key of one owner's values. Holds the state of an HMAC, not the key's bytes.
pub(super) struct DataKey {
    id: u32,
    derive: hmac::Key,
}

impl DataKey {
    pub(super) fn new(id: u32, bytes: &[u8; 32]) -> Self {
        Self {
            id,
            derive: hmac::Key::new(hmac::HMAC_SHA256, bytes),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Seals `plain` for `owner` at the place that `aad` names.
    pub(super) fn seal(&self, owner: &str, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealFault> {
        let mut drawn = [0; DRAWN];
        fill(&mut drawn)?;
        let (context, nonce) = halves(&drawn).ok_or(SealFault::NoKey)?;
        let mut body = Vec::with_capacity(DRAWN + plain.len() + TAG);
        body.extend_from_slice(&drawn);
        body.extend_from_slice(plain);
        let text = body.get_mut(DRAWN..).ok_or(SealFault::NoKey)?;
        let tag = self
            .value_key(context)?
            .seal_in_place_separate_tag(nonce, self.bound(owner, aad), text)
            .map_err(|_| SealFault::NoKey)?;
        body.extend_from_slice(tag.as_ref());
        Ok(body)
    }

    /// What [`DataKey::seal`] sealed for `owner` at the place that `aad` names.
    pub(super) fn open(&self, owner: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealFault> {
        let (drawn, text) = sealed.split_first_chunk::<DRAWN>().ok_or(SealFault::Damaged)?;
        let (context, nonce) = halves(drawn).ok_or(SealFault::Damaged)?;
        let mut text = text.to_vec();
        let length = self
            .value_key(context)?
            .open_in_place(nonce, self.bound(owner, aad), &mut text)
            .map_err(|_| SealFault::Damaged)?
            .len();
        text.truncate(length);
        Ok(text)
    }

    /// The key of one value: one block of SP 800-108r1's counter mode (§4.1), `[1] ‖ label ‖ 0 ‖ context ‖ [256]`.
    fn value_key(&self, context: &[u8]) -> Result<LessSafeKey, SealFault> {
        let mut prf = hmac::Context::with_key(&self.derive);
        prf.update(&1u32.to_be_bytes());
        prf.update(LABEL);
        prf.update(&[0]);
        prf.update(context);
        prf.update(&256u32.to_be_bytes());
        let derived = prf.sign();
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref()).map_err(|_| SealFault::NoKey)?;
        Ok(LessSafeKey::new(key))
    }

    /// Everything that is bound. Each part but the last is preceded by its length.
    fn bound(&self, owner: &str, aad: &[u8]) -> Aad<Vec<u8>> {
        let mut bound = Vec::with_capacity(FORM.len() + 8 + owner.len() + aad.len());
        bound.extend_from_slice(FORM);
        bound.extend_from_slice(&self.id.to_be_bytes());
        // Owners are short texts; were one longer, its length would be bound wrongly and equally on both sides.
        bound.extend_from_slice(&u32::try_from(owner.len()).unwrap_or(u32::MAX).to_be_bytes());
        bound.extend_from_slice(owner.as_bytes());
        bound.extend_from_slice(aad);
        Aad::from(bound)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn halves(drawn: &[u8; DRAWN]) -> Option<(&[u8], Nonce)> {
    let (context, nonce) = drawn.split_at_checked(DRAWN - NONCE)?;
    Some((context, Nonce::try_assume_unique_for_key(nonce).ok()?))
}

/// Random bytes from the system.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), SealFault> {
    SystemRandom::new().fill(bytes).map_err(|_| SealFault::NoKey)
}

/// 32 random bytes.
pub(super) fn new_key() -> Result<Zeroizing<[u8; 32]>, SealFault> {
    let mut bytes = Zeroizing::new([0; 32]);
    fill(&mut *bytes)?;
    Ok(bytes)
}
