//! The key ring: master keys by their ids, read from the configuration and files, and what they wrap.

use super::config::EncryptionConfig;
use super::seal::{SealFault, fill, new_key};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use peregrine_base::{Complaint, Secret};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// The longest id.
const ID_LENGTH_MAX: usize = 64;
/// The longest file of master keys: each is a line of at most 110 bytes.
const FILE_BYTES_MAX: u64 = 8192;
/// How many master keys a ring has.
const KEYS_MAX: usize = 64;
/// How to come by a master key, for errors.
const MAKE_ONE: &str = "make one with `peregrine keys generate`";

/// The master keys. Shows their ids and nothing else of them.
pub struct KeyRing {
    keys: Vec<MasterKey>,
    active: usize,
}

struct MasterKey {
    id: String,
    key: LessSafeKey,
}

/// A new master key, as it is written into a configuration.
#[derive(Clone, Debug)]
pub struct NewMasterKey {
    /// Its id.
    pub id: String,
    /// 32 bytes in base64.
    pub secret: Secret,
}

impl NewMasterKey {
    /// 32 random bytes. An id of `date` and a few random letters where `id` names none.
    ///
    /// # Errors
    /// When the system has no randomness, or `id` cannot be one.
    pub fn generate(id: Option<&str>, date: &str) -> Result<Self, String> {
        let no_chance = |_| "the system gives no random bytes".to_owned();
        let bytes = new_key().map_err(no_chance)?;
        let id = match id {
            Some(id) => id.to_owned(),
            None => {
                let mut chance = [0; 2];
                fill(&mut chance).map_err(no_chance)?;
                format!("{date}-{:04x}", u16::from_be_bytes(chance))
            }
        };
        match problem_with_id(&id) {
            Some(problem) => Err(format!("the id `{id}` {problem}")),
            None => Ok(Self {
                id,
                secret: Secret::new(BASE64_STANDARD.encode(*bytes)),
            }),
        }
    }
}

impl KeyRing {
    /// The ring that `config` describes; nothing where it names no key. Reads the files that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it. No complaint contains any part of a key.
    pub fn open(config: &EncryptionConfig) -> Result<Option<Self>, Vec<Complaint>> {
        let mut ring = Self {
            keys: Vec::new(),
            active: 0,
        };
        let mut complaints = Vec::new();
        if let Some(keys) = &config.keys {
            ring.add("encryption.keys", keys.expose(), &mut complaints);
        }
        for (index, path) in config.key_files.iter().enumerate() {
            let field = format!("encryption.key_files[{index}]");
            match read(&field, path) {
                Ok(text) if text.trim().is_empty() => {
                    let problem = format!("{} holds no key", path.display());
                    complaints.push(Complaint::new(field, problem, MAKE_ONE));
                }
                Ok(text) => ring.add(&field, &text, &mut complaints),
                Err(complaint) => complaints.push(complaint),
            }
        }
        if ring.keys.len() > KEYS_MAX {
            let problem = format!(
                "and encryption.key_files have {} keys; {KEYS_MAX} are the most",
                ring.keys.len()
            );
            let help = "take out keys that wrap nothing any more (`peregrine keys list`)";
            complaints.push(Complaint::new("encryption.keys", problem, help));
        }
        if let Some(id) = &config.active
            && !ring.keys.is_empty()
        {
            match ring.keys.iter().position(|key| key.id == *id) {
                Some(position) => ring.active = position,
                None => {
                    let known: Vec<&str> = ring.ids().collect();
                    let help = format!("there are: {}", known.join(", "));
                    complaints.push(Complaint::new(
                        "encryption.active",
                        format!("names no key: `{id}`"),
                        help,
                    ));
                }
            }
        }
        match (complaints.is_empty(), ring.keys.is_empty()) {
            (false, _) => Err(complaints),
            (true, true) => Ok(None),
            (true, false) => Ok(Some(ring)),
        }
    }

    /// Adds the keys in `text`, which stands in `field`.
    fn add(&mut self, field: &str, text: &str, complaints: &mut Vec<Complaint>) {
        let parts = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
        for part in parts {
            match master_key(field, part) {
                Ok(key) if self.ids().any(|id| id == key.id) => complaints.push(Complaint::new(
                    field,
                    format!("has a second key with the id `{}`", key.id),
                    "give each key an id of its own",
                )),
                Ok(key) => self.keys.push(key),
                Err(complaint) => complaints.push(complaint),
            }
        }
    }

    /// The id of the key that wraps.
    #[must_use]
    pub fn active(&self) -> &str {
        &self.keys[self.active].id
    }

    /// The ids of all keys, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// `secret`, wrapped by the active key: nonce, ciphertext and tag. `bound` is what it may not be separated from.
    pub(super) fn wrap(&self, bound: &[u8], secret: &[u8; 32]) -> Result<Vec<u8>, SealFault> {
        let mut nonce = [0; NONCE_LEN];
        // A master key wraps a few data keys per owner and rotation: far from the 2^32 that random nonces bear.
        fill(&mut nonce)?;
        let mut text = Zeroizing::new(secret.to_vec());
        let tag = self.keys[self.active]
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut text)
            .map_err(|_| SealFault::NoKey)?;
        Ok([&nonce[..], &text, tag.as_ref()].concat())
    }

    /// What the master key `id` wrapped.
    pub(super) fn unwrap(&self, id: &str, bound: &[u8], wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, SealFault> {
        let master = self.keys.iter().find(|key| key.id == id).ok_or(SealFault::NoKey)?;
        let (nonce, text) = wrapped.split_at_checked(NONCE_LEN).ok_or(SealFault::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealFault::Damaged)?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened = master
            .key
            .open_in_place(nonce, Aad::from(bound), &mut text)
            .map_err(|_| SealFault::Damaged)?;
        let mut secret = Zeroizing::new([0; 32]);
        if opened.len() != secret.len() {
            return Err(SealFault::Damaged);
        }
        secret.copy_from_slice(opened);
        Ok(secret)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("ids", &self.ids().collect::<Vec<_>>())
            .field("active", &self.active())
            .finish_non_exhaustive()
    }
}

/// What is wrong with an id, if anything; it stands in records between blanks.
fn problem_with_id(id: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.is_empty() {
        Some("is empty")
    } else if id.len() > ID_LENGTH_MAX {
        Some("is longer than 64 characters")
    } else if !id.bytes().all(plain) {
        Some("has other characters than letters, digits, `-`, `_` and `.`")
    } else {
        None
    }
}

fn read(field: &str, path: &Path) -> Result<Zeroizing<String>, Complaint> {
    let shown = path.display();
    let complain = |problem: String, help: String| Complaint::new(field, problem, help);
    let unreadable = |error: std::io::Error| {
        complain(
            format!("{shown} cannot be read: {error}"),
            "name a file that holds `id:secret` and that Peregrine may read".to_owned(),
        )
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.mode() & 0o777;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(complain(
            format!("{shown} is no file with master keys"),
            MAKE_ONE.to_owned(),
        ));
    }
    if mode & 0o077 != 0 {
        return Err(complain(
            format!("{shown} can be read or changed by others (mode {mode:03o})"),
            format!("chmod 600 {shown}, and consider a new key: this one may be known"),
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// The key in `part`, `id:secret`. No complaint shows what may be a secret.
fn master_key(field: &str, part: &str) -> Result<MasterKey, Complaint> {
    let complain = |problem: String| Complaint::new(field, problem, MAKE_ONE);
    let Some((id, secret)) = part.split_once(':') else {
        return Err(complain(
            "has a key without an id: it is written `id:secret`".to_owned(),
        ));
    };
    let (id, secret) = (id.trim(), secret.trim());
    if let Some(problem) = problem_with_id(id) {
        return Err(complain(format!("has a key whose id {problem}")));
    }
    let decoded = BASE64_STANDARD
        .decode(secret)
        .or_else(|_| BASE64_STANDARD_NO_PAD.decode(secret))
        .map(Zeroizing::new);
    let bytes = decoded.map_err(|_| complain(format!("has a key `{id}` that is not base64")))?;
    if bytes.len() != 32 {
        let length = bytes.len();
        return Err(complain(format!(
            "has a key `{id}` of {length} bytes; AES-256 needs 32"
        )));
    }
    let key =
        UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| complain(format!("has a key `{id}` that cannot be used")))?;
    Ok(MasterKey {
        id: id.to_owned(),
        key: LessSafeKey::new(key),
    })
}
