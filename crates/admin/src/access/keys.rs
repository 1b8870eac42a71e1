//! API keys: `pgk_ID_SECRET`, for programs and people who are to do less than everything, or to be told apart.
//!
//! Guarantees: a key is shown once; what is kept is its digest, in a file that is written whole or not at all and that only
//! its owner reads; a key that was revoked or whose time is over lets nobody in from then on, sessions that began with it
//! included.

use super::{Role, Who};
use crate::api::access::{ApiKey, CreateKey, NewKey};
use crate::refusal::Refusal;
use crate::secrets::{Digest, unguessable};
use crate::state::{self, StateError};
use parking_lot::{Mutex, MutexGuard};
use peregrine_base::WallTime;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The file's name in the state directory.
const FILE: &str = "apikeys.json";
/// What every key begins with, so that people and scanners for leaked secrets know one.
const PREFIX: &str = "pgk_";
/// The most keys.
pub(crate) const KEYS_MAX: usize = 1000;
/// The largest file of keys: all of them with the longest names.
const FILE_MAX_BYTES: u64 = 16 << 20;
/// How exactly the file knows when a key was used last.
const LAST_USED_MS: u64 = 60_000;

/// The keys.
pub(crate) struct Keys {
    path: Option<PathBuf>,
    kept: Mutex<Known>,
}

/// What is known of the file.
#[derive(Default)]
struct Known {
    keys: Vec<Kept>,
    /// The file that they were read from or written to: while a successor takes over, two programs write it.
    file: Option<Mark>,
}

/// What tells a file from the one that replaces it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Mark {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    id: String,
    name: String,
    role: Role,
    namespaces: Option<Vec<String>>,
    created_ms: u64,
    created_by: String,
    expires_ms: Option<u64>,
    last_used_ms: Option<u64>,
    /// SHA-256 of the whole key, in hex.
    digest: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    keys: Vec<Kept>,
}

impl Keys {
    /// The keys that `directory` keeps; without one they end with the program.
    pub(crate) fn open(directory: Option<&Path>) -> Result<Self, StateError> {
        let path = directory.map(|directory| directory.join(FILE));
        let kept = match &path {
            Some(path) => Known {
                file: Mark::of(path),
                keys: load(path)?,
            },
            None => Known::default(),
        };
        Ok(Self {
            path,
            kept: Mutex::new(kept),
        })
    }

    /// The keys as the file has them now.
    fn known(&self) -> MutexGuard<'_, Known> {
        let mut known = self.kept.lock();
        if let Some(path) = &self.path {
            let mark = Mark::of(path);
            if mark != known.file && mark.is_some() {
                match load(path) {
                    Ok(keys) => *known = Known { keys, file: mark },
                    Err(error) => tracing::error!(%error, "the file of the API keys was changed by another hand"),
                }
            }
        }
        known
    }

    /// Whether `token` says that it is a key.
    pub(crate) fn is_key(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// Whose key `token` is.
    pub(crate) fn recognise(&self, token: &str, now: WallTime) -> Option<Who> {
        let (id, _) = token.strip_prefix(PREFIX)?.split_once('_')?;
        let digest = Digest::of(token).hex();
        let mut known = self.known();
        // Digests that are near to each other tell nothing of keys, so that the time of comparing them tells nothing either.
        let key = known.keys.iter_mut().find(|key| key.id == id && key.digest == digest)?;
        if key.is_over(now) {
            return None;
        }
        let stale = key
            .last_used_ms
            .is_none_or(|last| now.as_millis().saturating_sub(last) >= LAST_USED_MS);
        let who = key.who();
        if stale {
            key.last_used_ms = Some(now.as_millis());
            // When it was used last is for people; that it could not be noted keeps nobody out.
            if let Err(error) = self.save(&mut known) {
                tracing::warn!(%error, "when an API key was used last is not kept");
            }
        }
        Some(who)
    }

    /// Whether the key `id` still lets in.
    pub(crate) fn is_good(&self, id: &str, now: WallTime) -> bool {
        self.known().keys.iter().any(|key| key.id == id && !key.is_over(now))
    }

    /// A new key.
    pub(crate) fn create(&self, asked: CreateKey, by: &Who, now: WallTime) -> Result<NewKey, Refusal> {
        let mut known = self.known();
        let before = known.keys.clone();
        let kept = &mut known.keys;
        kept.retain(|key| !key.is_over(now));
        if kept.len() >= KEYS_MAX {
            return Err(Refusal::conflict(format!(
                "There are {KEYS_MAX} keys already: revoke some."
            )));
        }
        if kept.iter().any(|key| key.name == asked.name) {
            let name = asked.name;
            return Err(Refusal::conflict(format!(
                "There is a key `{name}` already: revoke it, or choose another name."
            )));
        }
        let (id, secret) = (unguessable::<6>()?, unguessable::<32>()?);
        let key = format!("{PREFIX}{id}_{secret}");
        let made = Kept {
            id,
            name: asked.name,
            role: asked.role,
            namespaces: asked.namespaces,
            created_ms: now.as_millis(),
            created_by: by.name.clone(),
            expires_ms: asked
                .expires_in_s
                .map(|span| now.as_millis().saturating_add(span.saturating_mul(1000))),
            last_used_ms: None,
            digest: Digest::of(&key).hex(),
        };
        let about = made.about();
        kept.push(made);
        self.save_or(&mut known, before)?;
        Ok(NewKey { key, about })
    }

    /// Takes the key `id` back.
    pub(crate) fn revoke(&self, id: &str) -> Result<ApiKey, Refusal> {
        let mut known = self.known();
        let before = known.keys.clone();
        let kept = &mut known.keys;
        let at = kept.iter().position(|key| key.id == id || key.name == id);
        let at = at.ok_or_else(|| Refusal::not_found(format!("There is no API key `{id}`.")))?;
        let about = kept.remove(at).about();
        self.save_or(&mut known, before)?;
        Ok(about)
    }

    /// All of them, the newest last.
    pub(crate) fn list(&self) -> Vec<ApiKey> {
        self.known().keys.iter().map(Kept::about).collect()
    }

    /// Saves what is known; where that fails, everything is as `before`.
    fn save_or(&self, known: &mut Known, before: Vec<Kept>) -> Result<(), Refusal> {
        self.save(known).map_err(|error| {
            known.keys = before;
            tracing::error!(%error, "API keys are not saved");
            Refusal::failed("The file of the API keys cannot be written; nothing has changed.")
        })
    }

    fn save(&self, known: &mut Known) -> Result<(), StateError> {
        let Some(path) = &self.path else { return Ok(()) };
        let written = Written {
            version: 1,
            keys: known.keys.clone(),
        };
        let text = serde_json::to_vec_pretty(&written).map_err(|error| StateError::damaged(path, error))?;
        state::write(path, &text)?;
        known.file = Mark::of(path);
        Ok(())
    }
}

fn load(path: &Path) -> Result<Vec<Kept>, StateError> {
    let Some(bytes) = state::read(path, FILE_MAX_BYTES)? else {
        return Ok(Vec::new());
    };
    let written: Written = serde_json::from_slice(&bytes).map_err(|error| StateError::damaged(path, error))?;
    if written.version != 1 {
        let problem = format!("version {} is of another Peregrine", written.version);
        return Err(StateError::damaged(path, problem));
    }
    Ok(written.keys)
}

impl Kept {
    fn is_over(&self, now: WallTime) -> bool {
        self.expires_ms.is_some_and(|until| until <= now.as_millis())
    }

    fn who(&self) -> Who {
        Who {
            name: format!("key {}", self.name),
            role: self.role,
            namespaces: self.namespaces.clone(),
            tenant: None,
            key: Some(self.id.clone()),
            expires: self.expires_ms.map(WallTime::from_millis),
        }
    }

    fn about(&self) -> ApiKey {
        let time = |millis| crate::api::time(WallTime::from_millis(millis));
        ApiKey {
            id: self.id.clone(),
            name: self.name.clone(),
            role: self.role,
            namespaces: self.namespaces.clone(),
            created: time(self.created_ms),
            created_by: self.created_by.clone(),
            expires: self.expires_ms.map(time),
            last_used: self.last_used_ms.map(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn asked(name: &str) -> CreateKey {
        CreateKey {
            name: name.to_owned(),
            role: Role::Viewer,
            namespaces: Some(vec!["images".to_owned()]),
            expires_in_s: Some(60),
        }
    }

    fn at(seconds: u64) -> WallTime {
        WallTime::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    #[test]
    fn a_key_outlives_the_program_and_its_secret_is_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(Some(folder.path())).unwrap();
        let made = keys.create(asked("deploy"), &Who::admin("admin token"), at(0)).unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let secret = made.key.rsplit('_').next().unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(secret));
        let again = Keys::open(Some(folder.path())).unwrap();
        let who = again.recognise(&made.key, at(1)).unwrap();
        assert_eq!((who.name.as_str(), who.role), ("key deploy", Role::Viewer));
        assert_eq!(who.namespaces, Some(vec!["images".to_owned()]));
        assert!(again.list()[0].last_used.is_some());
        let third = Keys::open(Some(folder.path())).unwrap();
        assert_eq!(third.list(), again.list(), "when it was used is kept too");
    }

    #[test]
    fn only_the_whole_key_counts_and_only_in_its_time() {
        let keys = Keys::open(None).unwrap();
        let made = keys.create(asked("a"), &Who::admin("x"), at(0)).unwrap();
        let other = keys.create(asked("b"), &Who::admin("x"), at(0)).unwrap();
        let crossed = format!("pgk_{}_{}", made.about.id, other.key.rsplit('_').next().unwrap());
        for wrong in [
            &made.key[..made.key.len() - 1],
            &made.key.to_uppercase(),
            "pgk_",
            "pgk__",
            &crossed,
            "",
        ] {
            assert_eq!(keys.recognise(wrong, at(1)), None, "{wrong}");
        }
        assert!(keys.recognise(&made.key, at(59)).is_some());
        assert_eq!(keys.recognise(&made.key, at(60)), None);
        assert!(!keys.is_good(&made.about.id, at(60)));
        assert_eq!(keys.revoke("b").unwrap().name, "b");
        assert_eq!(keys.recognise(&other.key, at(1)), None);
        assert!(keys.revoke("b").is_err());
    }

    #[test]
    fn two_keys_do_not_share_a_name_and_there_is_an_end_of_them() {
        let keys = Keys::open(None).unwrap();
        keys.create(asked("a"), &Who::admin("x"), at(0)).unwrap();
        assert!(keys.create(asked("a"), &Who::admin("x"), at(0)).is_err());
        assert!(
            keys.create(asked("a"), &Who::admin("x"), at(60)).is_ok(),
            "that one's time is over"
        );
        for n in 1..KEYS_MAX {
            keys.create(asked(&n.to_string()), &Who::admin("x"), at(60)).unwrap();
        }
        assert!(keys.create(asked("more"), &Who::admin("x"), at(60)).is_err());
    }

    #[test]
    fn a_file_that_is_damaged_or_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        state::write(&path, b"{\"version\":1,").unwrap();
        assert!(
            Keys::open(Some(folder.path()))
                .err()
                .unwrap()
                .to_string()
                .contains("is damaged")
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(
            Keys::open(Some(folder.path()))
                .err()
                .unwrap()
                .to_string()
                .contains("chmod 600")
        );
    }

    #[test]
    fn what_another_program_on_the_same_state_did_holds_here_too() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (
            Keys::open(Some(folder.path())).unwrap(),
            Keys::open(Some(folder.path())).unwrap(),
        );
        let made = old.create(asked("a"), &Who::admin("x"), at(0)).unwrap();
        assert!(new.recognise(&made.key, at(1)).is_some());
        new.revoke("a").unwrap();
        assert_eq!(old.recognise(&made.key, at(2)), None);
        old.create(asked("b"), &Who::admin("x"), at(2)).unwrap();
        let names: Vec<String> = new.list().into_iter().map(|key| key.name).collect();
        assert_eq!(names, ["b"], "nothing that was revoked comes back");
    }

    #[test]
    fn what_cannot_be_saved_has_not_happened() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(Some(folder.path())).unwrap();
        let made = keys.create(asked("a"), &Who::admin("x"), at(0)).unwrap();
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(keys.create(asked("b"), &Who::admin("x"), at(0)).is_err());
        assert!(keys.revoke("a").is_err());
        assert_eq!(keys.list().len(), 1);
        assert!(keys.recognise(&made.key, at(1)).is_some());
    }
}
