//! The data keys in use: those of owners that were asked for lately, read from their place and read again in time.
//!
//! A data key that was read longer than `encryption.key_refresh` ago does not open anything before it was read again: that is
//! the bound within which an erase by one node reaches the others. It may still seal, because what a node seals with a key
//! that is gone can be opened by nobody.

use super::config::EncryptionConfig;
use super::place::{InMemory, KeyPlace, PlaceFault};
use super::record::{self, Line};
use super::ring::KeyRing;
use super::seal::{DataKey, Owner, Ready, SealFault, Sealed, Sealer};
use crate::sync::{AtomicU64, Mutex, Ordering, RwLock};
use peregrine_base::{Clock, Instant};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Of how many owners the data keys are kept in memory; a few hundred bytes each.
const HELD_MAX: usize = 10_000;
/// A place is not asked again this soon for a key that it did not have.
const MISSING_PAUSE: Duration = Duration::from_secs(1);
/// How often a record that somebody else changes meanwhile is taken up again.
const ATTEMPTS_MAX: usize = 4;

/// The data keys of an engine.
pub struct Keys {
    clock: Arc<dyn Clock>,
    ring: RwLock<Option<Arc<KeyRing>>>,
    place: RwLock<Arc<dyn KeyPlace>>,
    refresh_ns: AtomicU64,
    held: Mutex<Table>,
    counted: Counted,
}

/// What is held, and how often something was erased: a record that was read before that is not kept.
#[derive(Default)]
struct Table {
    owners: HashMap<String, Held>,
    erased: u64,
}

/// The keys of one owner.
#[derive(Clone)]
struct Held {
    /// Newest first; those whose master key is not in the ring are left out.
    keys: Arc<[DataKey]>,
    /// Whether the newest is among them.
    seals: bool,
    read: Instant,
}

#[derive(Default)]
struct Counted {
    created: AtomicU64,
    read: AtomicU64,
    sealed: AtomicU64,
    opened: AtomicU64,
    no_key: AtomicU64,
    damaged: AtomicU64,
    unreachable: AtomicU64,
    fault: Mutex<Option<String>>,
}

/// What the data keys of an engine are and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeysStatistics {
    /// The id of the master key that wraps, if there is a key ring.
    pub active: Option<String>,
    /// Where the data keys are.
    pub place: String,
    /// Of how many owners the data keys are in memory.
    pub held: u64,
    /// Data keys that were made.
    pub created: u64,
    /// Records that were read.
    pub read: u64,
    /// Values that were sealed.
    pub sealed: u64,
    /// Values that were opened.
    pub opened: u64,
    /// Values that were not sealed or opened because no key was at hand.
    pub no_key: u64,
    /// Values that could not be opened by the right key.
    pub damaged: u64,
    /// Questions that the place of the keys did not answer.
    pub unreachable: u64,
    /// What went wrong last, if anything did.
    pub fault: Option<String>,
}

/// The data keys of an owner, as people see them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct OwnerKeys {
    /// `tenant.NAME` or `namespace.NAME`.
    pub owner: String,
    /// How many data keys there are.
    pub data_keys: usize,
    /// When the newest was made: civil time, in milliseconds.
    pub created_ms: u64,
    /// The ids of the master keys that wrap them, each once.
    pub master_keys: Vec<String>,
    /// Whether all of them are in the key ring.
    pub readable: bool,
}

/// Some of the owners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Page {
    /// The owners.
    pub owners: Vec<OwnerKeys>,
    /// With what to ask for the next; nothing at the end.
    pub next: Option<String>,
}

/// What a rotation did with some of the owners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rotated {
    /// How many owners it looked at.
    pub owners: u64,
    /// How many data keys the active master key wraps now and did not before.
    pub rewrapped: u64,
    /// How many owners have a new data key.
    pub renewed: u64,
    /// How many data keys stayed as they were, because the master key that wraps them is not in the key ring.
    pub unreadable: u64,
    /// With what to go on; nothing at the end.
    pub next: Option<String>,
}

impl Keys {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let refresh = EncryptionConfig::default().key_refresh.get();
        Self {
            clock,
            ring: RwLock::new(None),
            place: RwLock::new(Arc::new(InMemory::default())),
            refresh_ns: AtomicU64::new(nanos(refresh)),
            held: Mutex::new(Table::default()),
            counted: Counted::default(),
        }
    }

    /// From now on these are the master keys, and data keys are read again after `refresh`.
    pub fn configure(&self, ring: Option<KeyRing>, refresh: Duration) {
        *self.ring.write() = ring.map(Arc::new);
        self.refresh_ns.store(nanos(refresh), Ordering::Relaxed);
        // Another ring may unwrap more, or less.
        self.held.lock().owners.clear();
    }

    /// From now on this is where the records are.
    pub fn live_in(&self, place: Arc<dyn KeyPlace>) {
        *self.place.write() = place;
        self.held.lock().owners.clear();
    }

    /// The master keys, if there are any.
    #[must_use]
    pub fn ring(&self) -> Option<Arc<KeyRing>> {
        self.ring.read().clone()
    }

    fn place(&self) -> Arc<dyn KeyPlace> {
        Arc::clone(&self.place.read())
    }

    /// What happened so far.
    #[must_use]
    pub fn statistics(&self) -> KeysStatistics {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counted = &self.counted;
        KeysStatistics {
            active: self.ring().map(|ring| ring.active().to_owned()),
            place: self.place().name(),
            held: self.held.lock().owners.len() as u64,
            created: value(&counted.created),
            read: value(&counted.read),
            sealed: value(&counted.sealed),
            opened: value(&counted.opened),
            no_key: value(&counted.no_key),
            damaged: value(&counted.damaged),
            unreachable: value(&counted.unreachable),
            fault: counted.fault.lock().clone(),
        }
    }

    /// Some of the owners, sorted as their place has them; `cursor` is empty at first.
    ///
    /// # Errors
    /// When the place does not answer.
    pub async fn page(&self, cursor: &str) -> Result<Page, PlaceFault> {
        let listed = self.place().list(cursor).await.inspect_err(|_| self.unreachable())?;
        let ring = self.ring();
        let readable = |line: &Line| ring.as_ref().is_some_and(|ring| ring.ids().any(|id| id == line.master));
        let owners = listed.records.into_iter().map(|listed| {
            let lines = record::lines(&listed.record);
            let mut master_keys: Vec<String> = lines.iter().map(|line| line.master.clone()).collect();
            master_keys.sort_unstable();
            master_keys.dedup();
            OwnerKeys {
                owner: listed.owner,
                data_keys: lines.len(),
                created_ms: lines.first().map_or(0, |line| line.created_ms),
                master_keys,
                readable: lines.iter().all(readable),
            }
        });
        Ok(Page {
            owners: owners.collect(),
            next: listed.next,
        })
    }

    /// Lets the active master key wrap the data keys of some of the owners, and gives each a new one if `renew`. What was
    /// sealed can still be opened.
    ///
    /// # Errors
    /// When the place does not answer.
    pub async fn rotate(&self, cursor: &str, renew: bool) -> Result<Rotated, PlaceFault> {
        let (place, mut rotated) = (self.place(), Rotated::default());
        let Some(ring) = self.ring() else { return Ok(rotated) };
        let listed = place.list(cursor).await.inspect_err(|_| self.unreachable())?;
        for found in listed.records {
            rotated.owners += 1;
            let mut was = found.record;
            for _ in 0..ATTEMPTS_MAX {
                let (now, done) = self.turned(&ring, &found.owner, &was, renew);
                if now == was {
                    rotated.unreadable += done.unreadable;
                    break;
                }
                if place.replace(&found.owner, &was, &now).await? {
                    self.held.lock().owners.remove(&found.owner);
                    rotated.rewrapped += done.rewrapped;
                    rotated.renewed += done.renewed;
                    rotated.unreadable += done.unreadable;
                    break;
                }
                // Somebody else changed it, or it was erased.
                match place.get(&found.owner).await? {
                    Some(there) => was = there,
                    None => break,
                }
            }
        }
        rotated.next = listed.next;
        Ok(rotated)
    }

    /// `record` as a rotation writes it.
    fn turned(&self, ring: &KeyRing, owner: &str, record: &str, renew: bool) -> (String, Rotated) {
        let (mut lines, mut done) = (record::lines(record), Rotated::default());
        for line in lines.iter_mut().filter(|line| line.master != ring.active()) {
            match line.rewrap(ring, owner) {
                Ok(rewrapped) => {
                    *line = rewrapped;
                    done.rewrapped += 1;
                }
                Err(_) => done.unreadable += 1,
            }
        }
        if renew && let Ok(line) = Line::create(ring, owner, &lines, self.clock.wall().as_millis()) {
            lines.insert(0, line);
            done.renewed = 1;
        }
        if done.rewrapped + done.renewed == 0 {
            return (record.to_owned(), done);
        }
        (record::write(&lines), done)
    }

    /// Destroys the data keys of `owner`: whether there were any. What they sealed cannot be opened any more, here from now
    /// on, on other nodes within `encryption.key_refresh`.
    ///
    /// # Errors
    /// When the place does not answer; then they may be there still.
    pub async fn erase(&self, owner: Owner<'_>) -> Result<bool, PlaceFault> {
        let name = owner.name();
        let removed = self.place().remove(&name).await.inspect_err(|_| self.unreachable());
        let mut held = self.held.lock();
        held.erased += 1;
        held.owners.remove(&name);
        removed
    }

    /// As [`Sealer::seal`] for who cannot wait for a runtime: reads and makes a key on this thread, where they are on this
    /// machine.
    pub(crate) fn seal_now(&self, owner: Owner<'_>, aad: &[u8], plain: &[u8]) -> Result<Sealed, SealFault> {
        let name = owner.name();
        let known = self.held.lock().owners.get(&name).is_some_and(|held| held.seals);
        if !known && let (Some(ring), Some(files)) = (self.ring(), self.place().files()) {
            let erased = self.held.lock().erased;
            let there = files.get_now(&name).and_then(|there| match there {
                Some(there) => Ok(Some(there)),
                None => match self.first_record(&ring, &name) {
                    Some(first) => files.create_now(&name, &first).map(Some),
                    None => Ok(None),
                },
            });
            match there {
                Ok(Some(there)) => drop(self.keep(&ring, &name, &there, erased)),
                Ok(None) => {}
                Err(fault) => self.tell(&fault),
            }
        }
        self.seal(owner, aad, plain)
    }

    /// As [`Sealer::ready`] for who cannot wait for a runtime: whether the keys of `owner` are there to open, if they are on
    /// this machine.
    pub(crate) fn ready_now(&self, owner: Owner<'_>, key_id: u32) -> bool {
        let name = owner.name();
        if self.opening(&name, key_id).is_some() {
            return true;
        }
        let (Some(ring), erased) = (self.ring(), self.held.lock().erased) else {
            return false;
        };
        match self.place().files().map(|files| files.get_now(&name)) {
            Some(Ok(Some(there))) => {
                drop(self.keep(&ring, &name, &there, erased));
                self.opening(&name, key_id).is_some()
            }
            Some(Err(fault)) => {
                self.tell(&fault);
                false
            }
            Some(Ok(None)) | None => false,
        }
    }

    /// Whether [`Keys::ready_now`] says all that can be said: the keys are on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.place().files().is_some()
    }

    fn refresh(&self) -> Duration {
        Duration::from_nanos(self.refresh_ns.load(Ordering::Relaxed))
    }

    /// The keys that seal for `owner`, whenever they were read.
    fn sealing(&self, owner: &str) -> Option<Arc<[DataKey]>> {
        let held = self.held.lock();
        let held = held.owners.get(owner).filter(|held| held.seals)?;
        Some(Arc::clone(&held.keys))
    }

    /// The keys of `owner` with the key `key_id` among them, if they were read lately.
    fn opening(&self, owner: &str, key_id: u32) -> Option<Arc<[DataKey]>> {
        let now = self.clock.now();
        let held = self.held.lock();
        let held = held.owners.get(owner)?;
        let good = now.since(held.read) <= self.refresh() && held.keys.iter().any(|key| key.id() == key_id);
        good.then(|| Arc::clone(&held.keys))
    }

    /// Whether what is held of `owner` was read lately; and whether so lately that asking again would be no use.
    fn was_read(&self, owner: &str) -> (bool, bool) {
        let now = self.clock.now();
        let held = self.held.lock();
        held.owners.get(owner).map_or((false, false), |held| {
            let ago = now.since(held.read);
            (ago <= self.refresh(), ago < MISSING_PAUSE.min(self.refresh()))
        })
    }

    async fn fetch(&self, owner: &str, key_id: Option<u32>) -> bool {
        let (fresh, just_read) = self.was_read(owner);
        let has = match key_id {
            None => fresh && self.sealing(owner).is_some(),
            Some(key_id) => self.opening(owner, key_id).is_some(),
        };
        if has || just_read {
            return has;
        }
        let Some(ring) = self.ring() else { return false };
        let erased = self.held.lock().erased;
        let there = self.read_or_create(&ring, owner, key_id.is_none()).await;
        match there {
            Ok(Some(there)) => {
                let held = self.keep(&ring, owner, &there, erased);
                match key_id {
                    None => held.seals,
                    Some(key_id) => held.keys.iter().any(|key| key.id() == key_id),
                }
            }
            Ok(None) => {
                // It was erased, by whichever node.
                self.held.lock().owners.remove(owner);
                false
            }
            Err(fault) => {
                self.tell(&fault);
                key_id.is_none() && self.sealing(owner).is_some()
            }
        }
    }

    async fn read_or_create(&self, ring: &KeyRing, owner: &str, create: bool) -> Result<Option<String>, PlaceFault> {
        let place = self.place();
        let there = place.get(owner).await?;
        if there.is_some() || !create {
            return Ok(there);
        }
        match self.first_record(ring, owner) {
            Some(first) => place.create(owner, &first).await.map(Some),
            None => Ok(None),
        }
    }

    /// A record with one new key.
    fn first_record(&self, ring: &KeyRing, owner: &str) -> Option<String> {
        let line = Line::create(ring, owner, &[], self.clock.wall().as_millis()).ok()?;
        self.counted.created.fetch_add(1, Ordering::Relaxed);
        Some(record::write(&[line]))
    }

    /// Keeps what `record` holds for `owner`, unless something was erased since it was read.
    fn keep(&self, ring: &KeyRing, owner: &str, record: &str, erased: u64) -> Held {
        self.counted.read.fetch_add(1, Ordering::Relaxed);
        let lines = record::lines(record);
        let opened: Vec<_> = lines.iter().map(|line| line.unwrap(ring, owner)).collect();
        let held = Held {
            seals: opened.first().is_some_and(Result::is_ok),
            keys: opened.into_iter().flatten().collect(),
            read: self.clock.now(),
        };
        if !held.seals {
            let why =
                "its newest data key cannot be unwrapped: the master key is not in the key ring, or it is damaged";
            *self.counted.fault.lock() = Some(format!("{owner}: {why}"));
        }
        let mut table = self.held.lock();
        if table.erased == erased {
            table.make_room();
            table.owners.insert(owner.to_owned(), held.clone());
        }
        held
    }

    fn unreachable(&self) {
        self.counted.unreachable.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self, fault: &PlaceFault) {
        self.unreachable();
        *self.counted.fault.lock() = Some(fault.to_string());
    }

    fn count<T>(&self, done: Result<T, SealFault>, good: &AtomicU64) -> Result<T, SealFault> {
        let counter = match &done {
            Ok(_) => good,
            Err(SealFault::NoKey) => &self.counted.no_key,
            Err(SealFault::Damaged) => &self.counted.damaged,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        done
    }
}

impl Table {
    /// Makes room for one more owner: an eighth of them, which were read the longest ago, leave.
    fn make_room(&mut self) {
        if self.owners.len() < HELD_MAX {
            return;
        }
        let mut read: Vec<Instant> = self.owners.values().map(|held| held.read).collect();
        read.sort_unstable();
        if let Some(oldest) = read.get(HELD_MAX / 8).copied() {
            self.owners.retain(|_, held| held.read > oldest);
        }
    }
}

impl Sealer for Keys {
    fn ready<'a>(&'a self, owner: Owner<'a>, key_id: Option<u32>) -> Ready<'a> {
        Box::pin(async move { self.fetch(&owner.name(), key_id).await })
    }

    fn seal(&self, owner: Owner<'_>, aad: &[u8], plain: &[u8]) -> Result<Sealed, SealFault> {
        let name = owner.name();
        let keys = self.sealing(&name);
        let sealed = match keys.as_deref().and_then(<[DataKey]>::first) {
            Some(key) => key.seal(&name, aad, plain).map(|bytes| Sealed {
                key_id: key.id(),
                bytes,
            }),
            None => Err(SealFault::NoKey),
        };
        self.count(sealed, &self.counted.sealed)
    }

    fn open(&self, owner: Owner<'_>, key_id: u32, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealFault> {
        let name = owner.name();
        let keys = self.opening(&name, key_id);
        let key = keys
            .as_deref()
            .and_then(|keys| keys.iter().find(|key| key.id() == key_id));
        let opened = match key {
            Some(key) => key.open(&name, aad, sealed),
            None => Err(SealFault::NoKey),
        };
        self.count(opened, &self.counted.opened)
    }

    fn key_id(&self, owner: Owner<'_>) -> Option<u32> {
        self.sealing(&owner.name())?.first().map(DataKey::id)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
