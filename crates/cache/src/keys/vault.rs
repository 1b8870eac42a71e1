//! The data keys in use: those of owners that were asked for lately, read from their place and read again in time.
//!
//! A data key that was read longer than `encryption.key_refresh` ago does not open anything before it was read again: that is
//! the bound within which an erase by one node reaches the others. It may still seal, because what a node seals with a key
//! that is gone can be opened by nobody.

use super::config::EncryptionConfig;
use super::copied::Copied;
use super::files::Files;
use super::place::{InMemory, KeyPlace, PlaceFault};
use super::record::{self, Line};
use super::report::{KeysStatistics, OwnerKeys, Page, Rotated};
use super::ring::KeyRing;
use super::seal::{DataKey, Owner, Ready, SealFault, Sealed, Sealer};
use crate::sync::{AtomicU64, Mutex, Ordering, RwLock};
use peregrine_base::{Clock, Instant};
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
    /// For how long a copy of what nodes share is good alone.
    copy_max_ms: Arc<std::sync::atomic::AtomicU64>,
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
    unwrapped: AtomicU64,
    unreadable: AtomicU64,
    erased: AtomicU64,
    sealed: AtomicU64,
    opened: AtomicU64,
    no_key: AtomicU64,
    damaged: AtomicU64,
    unreachable: AtomicU64,
    fault: Mutex<Option<String>>,
}

impl Keys {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let EncryptionConfig {
            key_refresh, copy_max, ..
        } = EncryptionConfig::default();
        Self {
            clock,
            ring: RwLock::new(None),
            place: RwLock::new(Arc::new(InMemory::default())),
            refresh_ns: AtomicU64::new(nanos(key_refresh.get())),
            copy_max_ms: Arc::new(std::sync::atomic::AtomicU64::new(millis(copy_max.get()))),
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

    /// From now on a copy of what nodes share is good for so long where that cannot be reached.
    pub fn trust_copies(&self, copy_max: Duration) {
        self.copy_max_ms
            .store(millis(copy_max), std::sync::atomic::Ordering::Relaxed);
    }

    /// From now on `shared` is where the records are. The files in which they were, if they were in files, become a copy.
    pub fn share(&self, shared: Arc<dyn KeyPlace>) {
        let Some(copy) = self.place().files().cloned() else {
            return self.live_in(shared);
        };
        let (clock, copy_max_ms) = (Arc::clone(&self.clock), Arc::clone(&self.copy_max_ms));
        self.live_in(Arc::new(Copied::new(shared, copy, clock, copy_max_ms)));
    }

    /// Brings copies of data keys up to date, so that what was erased elsewhere does not outlive that here. To be called now and
    /// then.
    ///
    /// # Errors
    /// When the place does not answer.
    pub async fn tidy(&self) -> Result<(), PlaceFault> {
        if self.ring().is_none() {
            return Ok(());
        }
        self.place().tidy().await
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
            unwrapped: value(&counted.unwrapped),
            unreadable: value(&counted.unreadable),
            erased: value(&counted.erased),
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
                erased: record::erased(&listed.record).len(),
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
                if place.replace(&found.owner, Some(&was), &now).await? {
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
        let renews = renew && !lines.is_empty();
        if renews && let Ok(line) = Line::create(ring, owner, &lines, self.clock.wall().as_millis()) {
            lines.insert(0, line);
            done.renewed = 1;
        }
        if done.rewrapped + done.renewed == 0 {
            return (record.to_owned(), done);
        }
        (record::write(&lines, record), done)
    }

    /// Destroys the data keys of `owner`: whether there were any. What they sealed cannot be opened any more, here from now
    /// on, on other nodes within `encryption.key_refresh`.
    ///
    /// # Errors
    /// When the place does not answer; then they may be there still.
    pub async fn erase(&self, owner: Owner<'_>) -> Result<bool, PlaceFault> {
        let name = owner.name();
        let erased = self.erase_record(&name).await.inspect_err(|_| self.unreachable());
        let mut held = self.held.lock();
        held.erased += 1;
        held.owners.remove(&name);
        drop(held);
        if let Ok(count) = &erased {
            self.counted.erased.fetch_add(*count, Ordering::Relaxed);
        }
        erased.map(|count| count > 0)
    }

    /// How many keys the record had.
    async fn erase_record(&self, name: &str) -> Result<u64, PlaceFault> {
        let place = self.place();
        for _ in 0..ATTEMPTS_MAX {
            let there = place.get(name).await?.unwrap_or_default();
            let count = record::lines(&there).len() as u64;
            let now = record::erase(&there, self.clock.wall().as_millis());
            if count == 0 || place.replace(name, Some(&there), &now).await? {
                return Ok(count);
            }
        }
        Err(PlaceFault {
            place: place.name(),
            why: "the record of this owner changes all the time".to_owned(),
        })
    }

    /// As [`Sealer::seal`] for who cannot wait for a runtime: reads and makes a key on this thread, where they are on this
    /// machine.
    pub(crate) fn seal_now(&self, owner: Owner<'_>, aad: &[u8], plain: &[u8]) -> Result<Sealed, SealFault> {
        let name = owner.name();
        let known = self.held.lock().owners.get(&name).is_some_and(|held| held.seals);
        if !known && let (Some(ring), Some(files)) = (self.ring(), self.place().files()) {
            let (erased, asked) = (self.held.lock().erased, self.clock.now());
            match self.read_or_create_now(&ring, &name, files) {
                Ok(Some(there)) => drop(self.keep(&ring, &name, &there, (erased, asked))),
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
        let Some(ring) = self.ring() else { return false };
        let before = (self.held.lock().erased, self.clock.now());
        match self.place().files().map(|files| files.get_now(&name)) {
            Some(Ok(Some(there))) if has_keys(&there) => {
                drop(self.keep(&ring, &name, &there, before));
                self.opening(&name, key_id).is_some()
            }
            Some(Err(fault)) => {
                self.tell(&fault);
                false
            }
            Some(Ok(_)) | None => false,
        }
    }

    /// Whether [`Keys::ready_now`] says all that can be said: the keys are on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.place().files().is_some()
    }

    /// How long after an erase other nodes may still open what was sealed.
    pub fn refresh(&self) -> Duration {
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
        let before = (self.held.lock().erased, self.clock.now());
        let there = self.read_or_create(&ring, owner, key_id.is_none()).await;
        match there {
            Ok(Some(there)) if has_keys(&there) => {
                let held = self.keep(&ring, owner, &there, before);
                match key_id {
                    None => held.seals,
                    Some(key_id) => held.keys.iter().any(|key| key.id() == key_id),
                }
            }
            Ok(_) => {
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
        for _ in 0..ATTEMPTS_MAX {
            let there = place.get(owner).await?;
            if !create || there.as_deref().is_some_and(has_keys) {
                return Ok(there);
            }
            let Some(first) = self.first_record(ring, owner, there.as_deref()) else {
                return Ok(None);
            };
            if place.replace(owner, there.as_deref(), &first).await? {
                self.counted.created.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(first));
            }
            // Another node was first: its key counts.
        }
        Ok(None)
    }

    fn read_or_create_now(&self, ring: &KeyRing, owner: &str, files: &Files) -> Result<Option<String>, PlaceFault> {
        for _ in 0..ATTEMPTS_MAX {
            let there = files.get_now(owner)?;
            if there.as_deref().is_some_and(has_keys) {
                return Ok(there);
            }
            let Some(first) = self.first_record(ring, owner, there.as_deref()) else {
                return Ok(None);
            };
            if files.replace_now(owner, there.as_deref(), &first)? {
                self.counted.created.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    /// A record with one new key, that remembers what the one `before` does.
    pub(super) fn first_record(&self, ring: &KeyRing, owner: &str, before: Option<&str>) -> Option<String> {
        let line = Line::create(ring, owner, &[], self.clock.wall().as_millis()).ok()?;
        Some(record::write(&[line], before.unwrap_or_default()))
    }

    /// Keeps what `record` holds for `owner`, unless something was erased since it was asked for.
    fn keep(&self, ring: &KeyRing, owner: &str, record: &str, (erased, asked): (u64, Instant)) -> Held {
        self.counted.read.fetch_add(1, Ordering::Relaxed);
        let lines = record::lines(record);
        let opened: Vec<_> = lines.iter().map(|line| line.unwrap(ring, owner)).collect();
        let failed = opened.iter().filter(|opened| opened.is_err()).count() as u64;
        self.counted
            .unwrapped
            .fetch_add(opened.len() as u64 - failed, Ordering::Relaxed);
        self.counted.unreadable.fetch_add(failed, Ordering::Relaxed);
        let opened_none = opened.is_empty();
        let held = Held {
            seals: opened.first().is_some_and(Result::is_ok),
            keys: opened.into_iter().flatten().collect(),
            read: asked,
        };
        if !held.seals && !opened_none {
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

/// Whether `record` holds a key, and not only the memory of some.
fn has_keys(record: &str) -> bool {
    !record::lines(record).is_empty()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
