//! Snapshots: what memory holds, written when a program ends, read when the next one begins.
//!
//! # What a snapshot may bring back
//!
//! A value that was gone never: what an invalidation reached is left out when the snapshot is written, what the writer's
//! ledger learns while it writes makes the snapshot worthless ([`Written::position`] tells), and what the reader's ledger
//! learned since [`Engine::expect_snapshot`] reaches every entry that is read, because those count as older than anything the
//! ledger ever saw. A soft invalidation stays one.
//!
//! Where nodes share a log, each entry carries up to where in it nothing had reached it. What the log says since reaches it too,
//! once this node knows that; an entry that it does not reach is as good as before. Where the log cannot tell, because it is
//! another one, or does not reach back so far, or Redis does not answer in time, entries come back doubtful (see `recalled`).
//!
//! Nor does time stand still meanwhile: the time between writing and reading counts as age. In one run of the machine it is
//! measured by the monotonic clock; across runs by civil time, and a clock that went backwards makes a snapshot worthless.
//!
//! # What it may not displace
//!
//! What lies under a key already, is being loaded, or was just taken away by name is newer. Entries are read only as far as
//! there is room for them: the bound of memory holds while they are read as ever (promise P4). Entries of namespaces that are
//! not configured any more, and larger ones than are stored now, stay behind.
//!
//! # What belongs to an entry
//!
//! The encodings that were made of its body come along, where there is room for them, and so do parts of values of which not
//! all is held.
//!
//! # What it may not tell
//!
//! Entries that may leave memory sealed only are written so, key and tags included; where their data key is not at hand they
//! are left out (promise P5). What cannot be opened when it is read stays behind.
//!
//! # What is not one
//!
//! A snapshot is looked through from its first byte to its last before the first entry is taken from it. One that is cut,
//! damaged or of another version is refused as a whole. Markers stay behind: they hold for moments.

mod format;
mod made;
mod recalled;
mod sealed;
#[cfg(not(feature = "shuttle"))]
#[cfg(test)]
mod tests;

pub use format::Fault as SnapshotFault;

use crate::budget::Charge;
use crate::coding::Coding;
use crate::engine::Engine;
use crate::entry::{Entry, Kind};
use crate::key::{Key, part_hash, variant_hash};
use crate::keys::Owner;
use crate::ledger::{Position, Standing};
use crate::namespace::Namespace;
use crate::sync::Ordering;
use bytes::Bytes;
use format::{Announced, Description, Header, Reader, SOFTENED, VARIANT, What, Writer};
use made::{divide, entry};
use peregrine_base::{Instant, WallTime};
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

/// How many times as long as its body the pieces of a record may be: the body and what was made of it in each coding, which is
/// shorter.
const ENCODINGS_MAX: u64 = 1 + Coding::ALL.len() as u64;

/// Whose snapshot it is. One with another provenance is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The version in which the callers of the engine write heads, keys and variants.
    pub stored: u32,
    /// Which configuration the entries were made by, as a hash.
    pub source: u64,
    /// Which run of the machine this is; only within one does the monotonic clock tell how much time has passed.
    pub boot: u128,
}

/// How much may be written.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotLimits {
    /// The most bytes.
    pub size_max: u64,
    /// The longest time.
    pub time_max: Duration,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many entries.
    pub entries: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many entries were left out for want of room or time.
    pub left_out: u64,
    /// Where the ledger stood before: if it has moved since, something in the snapshot may be gone.
    pub position: Position,
}

/// What was taken from a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many entries are in memory again.
    pub entries: u64,
    /// How many are not: they are over, reached by an invalidation, of no namespace, too large, or something newer is there.
    pub left_out: u64,
}

/// As long as this is held, what a snapshot will bring counts as being there for invalidations: nothing that concerns it is
/// forgotten.
#[derive(Debug)]
#[must_use = "when it is dropped, the engine forgets what concerns a snapshot"]
pub struct Expecting(Arc<Engine>);

/// Reading a snapshot whose bytes are known to be good.
struct Restoring<'e> {
    engine: &'e Arc<Engine>,
    /// The namespaces by the names that keys begin with.
    configured: HashMap<String, Arc<Namespace>>,
    /// How much time has passed since it was written.
    passed: Duration,
    /// Whether the place of data keys did not answer: it is not waited for again.
    keyless: bool,
    /// The same of the log that nodes share.
    alone: bool,
    restored: Restored,
}

/// An entry that could be written, with where it lies.
struct Candidate {
    namespace: Arc<Namespace>,
    hash: u64,
    entry: Entry,
}

impl Engine {
    /// To be called before the first request if a snapshot may be read later.
    pub fn expect_snapshot(self: &Arc<Self>) -> Expecting {
        self.expecting.fetch_add(1, Ordering::SeqCst);
        Expecting(Arc::clone(self))
    }

    /// Whether a snapshot may still be read.
    pub(crate) fn expects_snapshot(&self) -> bool {
        self.expecting.load(Ordering::SeqCst) > 0
    }

    /// Whether nothing was invalidated since `position`.
    #[must_use]
    pub fn is_unchanged_since(&self, position: Position) -> bool {
        self.ledger.position() == position
    }

    /// Writes what memory holds: what was asked for most comes first, so that the limits cost the least.
    ///
    /// # Errors
    /// Those of `out`; what is there then is no snapshot.
    pub fn write_snapshot(
        &self,
        out: impl Write,
        provenance: &Provenance,
        limits: &SnapshotLimits,
    ) -> io::Result<Written> {
        let position = self.ledger.position();
        let started = self.parts.clock.now();
        let header = Header {
            stored: provenance.stored,
            source: provenance.source,
            boot: provenance.boot,
            wall_ms: self.parts.clock.wall().as_millis(),
            now_ns: started.as_nanos(),
        };
        let mut writer = Writer::new(out, &header)?;
        let (mut meta, mut left_out) = (Vec::new(), 0);
        for candidate in self.candidates() {
            let in_time = self.parts.clock.now().since(started) < limits.time_max;
            if !(in_time && self.add(&candidate, started, &mut meta, &mut writer, limits.size_max)?) {
                left_out += 1;
            }
        }
        let entries = writer.records();
        let bytes = writer.finish()?;
        Ok(Written {
            entries,
            bytes,
            left_out,
            position,
        })
    }

    /// Everything that is there, selectors first, then by how often it was asked for.
    fn candidates(&self) -> Vec<Candidate> {
        let namespaces = self.registered();
        let mut found: Vec<Candidate> = Vec::new();
        for tier in self.tiers() {
            tier.iterate(&mut |hash, entry| {
                if let Some(namespace) = namespaces.get(usize::from(entry.namespace())) {
                    found.push(Candidate {
                        namespace: Arc::clone(namespace),
                        hash,
                        entry: entry.clone(),
                    });
                }
                true
            });
        }
        // Cached: requests go on, and an order that changes while it is made is none.
        found.sort_by_cached_key(|candidate| {
            let is_selector = candidate.entry.kind() == Kind::Selector;
            (!is_selector, std::cmp::Reverse(candidate.entry.hits()))
        });
        found
    }

    /// Adds an entry, if it is of use to anybody and there is room for it; whether it did.
    fn add<W: Write>(
        &self,
        candidate: &Candidate,
        now: Instant,
        meta: &mut Vec<u8>,
        writer: &mut Writer<W>,
        size_max: u64,
    ) -> io::Result<bool> {
        let (entry, namespace) = (&candidate.entry, &candidate.namespace);
        // Before it is compared with the ledger: what is told meanwhile reaches it there.
        let stamp = self.stamp_of(entry, namespace);
        let Some(softened) = self.worth_keeping(entry, namespace, now) else {
            return Ok(false);
        };
        let Some(key) = Key::from_text(namespace, entry.key()) else {
            return Ok(false);
        };
        let (what, alone) = match entry.kind() {
            Kind::Selector => (What::Selector, candidate.hash),
            Kind::Part => (What::Part, part_hash(key.hash())),
            _ => (What::Value, key.hash()),
        };
        let is_variant = candidate.hash != alone;
        let selector = self.selector(&key).filter(|_| is_variant);
        if is_variant && selector.is_none() {
            // Nobody finds it any more.
            return Ok(false);
        }
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let mut description = Description {
            what,
            rules: entry.flags(),
            flags: u8::from(softened) * SOFTENED + u8::from(is_variant) * VARIANT,
            age_ns: u64::try_from(entry.age(now).as_nanos()).unwrap_or(u64::MAX),
            lifetime_ms: millis(entry.lifetime()),
            stale_while_revalidate_ms: millis(entry.stale_while_revalidate()),
            stale_if_error_ms: millis(entry.stale_if_error()),
            cost_us: u32::try_from(entry.cost_us()).unwrap_or(u32::MAX),
            hits: entry.hits(),
            stamp,
            key: entry.key(),
            variant: entry.variant(),
            selector: selector.as_ref().map_or("", Entry::variant),
            tags: entry.tags().collect(),
            codings: Vec::new(),
            head: entry.head(),
        };
        let of_body: Vec<&[u8]> = match entry.segments() {
            Some(segments) => segments.iter().map(|segment| &**segment).collect(),
            None => vec![entry.packed_body()],
        };
        let of_body: Vec<&[u8]> = of_body.into_iter().filter(|piece| !piece.is_empty()).collect();
        let mut with_codings = of_body.clone();
        for coded in entry.all_coded() {
            description
                .codings
                .push((coded.coding, u32::try_from(coded.pieces.len()).unwrap_or(u32::MAX)));
            with_codings.extend(coded.pieces.iter().map(|piece| &**piece));
        }
        let seals = entry.confidential() || self.seals_all.load(Ordering::Relaxed);
        let mut try_to = |description: &Description<'_>, pieces: &[&[u8]]| -> io::Result<bool> {
            if description.encode(meta).is_none() || pieces.iter().any(|piece| piece.is_empty()) {
                return Ok(false);
            }
            if !seals {
                return record(writer, meta, pieces, size_max);
            }
            match sealed::seal(&self.keys, Owner::of(&key), meta, pieces) {
                Ok((meta, pieces)) => {
                    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
                    record(writer, &meta, &pieces, size_max)
                }
                Err(_) => Ok(false),
            }
        };
        if try_to(&description, &with_codings)? {
            return Ok(true);
        }
        // Encodings can be made again.
        let only_body = !std::mem::take(&mut description.codings).is_empty();
        Ok(only_body && try_to(&description, &of_body)?)
    }

    /// Whether `entry` is of use to anybody later, and then whether it is so as a stale one.
    fn worth_keeping(&self, entry: &Entry, namespace: &Namespace, now: Instant) -> Option<bool> {
        if now >= entry.useless_from() {
            return None;
        }
        match (entry.kind(), self.standing(entry, namespace)) {
            (Kind::Marker(_), _) | (Kind::Value | Kind::Part, Standing::Gone) => None,
            (Kind::Selector, _) => Some(false),
            (Kind::Value | Kind::Part, standing) => Some(standing == Standing::Soft),
        }
    }
}

/// Writes a record if it fits; whether it did.
fn record<W: Write>(writer: &mut Writer<W>, meta: &[u8], pieces: &[&[u8]], size_max: u64) -> io::Result<bool> {
    let fits = meta.len() <= format::META_MAX
        && pieces.iter().all(|piece| piece.len() <= format::PIECE_MAX)
        && format::body_fits(pieces)
        && writer.written().saturating_add(Writer::<W>::cost(meta, pieces)) <= size_max;
    if fits {
        writer.record(meta, pieces)?;
    }
    Ok(fits)
}

impl Expecting {
    /// Takes from `file` what may still be used; needs some time. Everything else goes on meanwhile.
    ///
    /// # Errors
    /// When the snapshot as a whole is not used; then nothing of it is in memory.
    pub fn load(self, mut file: impl Read + Seek, provenance: &Provenance) -> Result<Restored, SnapshotFault> {
        let engine = &self.0;
        let begin = file.stream_position()?;
        let header = look_through(io::BufReader::with_capacity(format::PIECE_MAX, &mut file))?;
        if header.stored != provenance.stored {
            return Err(SnapshotFault::Version(header.stored));
        }
        if header.source != provenance.source {
            return Err(SnapshotFault::Source);
        }
        let passed = passed(engine, &header, provenance)?;
        file.seek(SeekFrom::Start(begin))?;
        let (mut reader, _) = Reader::new(io::BufReader::with_capacity(format::PIECE_MAX, file))?;
        let by_name = |namespace: Arc<Namespace>| (namespace.escaped().to_owned(), namespace);
        let mut restoring = Restoring {
            engine,
            configured: engine.namespaces().into_iter().map(by_name).collect(),
            passed,
            keyless: false,
            alone: false,
            restored: Restored::default(),
        };
        let mut meta = Vec::new();
        while let Some(announced) = reader.announced()? {
            restoring.take(&mut reader, announced, &mut meta)?;
        }
        Ok(restoring.restored)
    }
}

impl Drop for Expecting {
    fn drop(&mut self) {
        self.0.expecting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Reads a snapshot to its end and says what is wrong with it, if anything is; for fuzzing and for looking at files. Allocates
/// no more than one record may measure.
///
/// # Errors
/// What is wrong with it.
pub fn check_snapshot(input: impl Read) -> Result<(), SnapshotFault> {
    look_through(input).map(|_| ())
}

fn look_through(input: impl Read) -> Result<Header, SnapshotFault> {
    let (mut reader, header) = Reader::new(input)?;
    let mut meta = Vec::new();
    while let Some(announced) = reader.announced()? {
        reader.record(announced, &mut meta, None)?;
        if !is_readable(&meta) {
            return Err(SnapshotFault::Corrupt);
        }
    }
    Ok(header)
}

/// Whether `meta` is a description, open or sealed.
fn is_readable(meta: &[u8]) -> bool {
    if sealed::is_sealed(meta) {
        sealed::read(meta).is_some()
    } else {
        Description::decode(meta).is_some()
    }
}

/// How much time has passed since the snapshot was written. Rather too much than too little.
fn passed(engine: &Engine, header: &Header, provenance: &Provenance) -> Result<Duration, SnapshotFault> {
    let clock = &engine.parts.clock;
    let (now, wall) = (clock.now(), clock.wall());
    let written = WallTime::from_millis(header.wall_ms);
    let by_wall = wall
        .as_millis()
        .checked_sub(written.as_millis())
        .map(Duration::from_millis);
    if header.boot != provenance.boot {
        return by_wall.ok_or(SnapshotFault::Clock);
    }
    let by_clock = now.as_nanos().checked_sub(header.now_ns).map(Duration::from_nanos);
    let by_clock = by_clock.ok_or(SnapshotFault::Clock)?;
    Ok(by_clock.max(by_wall.unwrap_or_default()))
}

impl Restoring<'_> {
    /// Reads one record and puts its entry into memory, if it is of use.
    fn take<R: Read>(
        &mut self,
        reader: &mut Reader<R>,
        announced: Announced,
        meta: &mut Vec<u8>,
    ) -> Result<(), SnapshotFault> {
        // The body under way counts against the bound as any other does.
        let mut charge = self.engine.charge();
        let object_size_max = self.engine.limits.object_size_max.load(Ordering::Relaxed);
        let wanted = announced.body <= object_size_max.saturating_mul(ENCODINGS_MAX) && charge.grow(announced.body);
        let mut pieces = Vec::new();
        reader.record(announced, meta, wanted.then_some(&mut pieces))?;
        let restored = if sealed::is_sealed(meta) {
            // What was sealed wrongly is no damage to the file.
            let opened = if wanted { self.open(meta, pieces) } else { None };
            opened.is_some_and(|(meta, pieces)| {
                Description::decode(&meta).is_some_and(|described| self.restore(&described, pieces, charge))
            })
        } else {
            let described = Description::decode(meta).ok_or(SnapshotFault::Corrupt)?;
            let restored = wanted && self.restore(&described, pieces, charge);
            // It was written before encryption was turned on, and does not say by which strategy.
            if restored && self.engine.encrypts() {
                self.engine.seals_all.store(true, Ordering::Relaxed);
            }
            restored
        };
        if restored {
            self.restored.entries += 1;
        } else {
            self.restored.left_out += 1;
        }
        Ok(())
    }

    /// What a sealed record holds, if its data key can be had.
    fn open(&mut self, meta: &[u8], pieces: Vec<Bytes>) -> Option<(Vec<u8>, Vec<Bytes>)> {
        let found = sealed::read(meta)?;
        let keys = &self.engine.keys;
        let mut at_hand = keys.ready_now(found.owner, found.key_id);
        if !at_hand && !self.keyless && !keys.is_local() {
            let ready = sealed::wait(self.engine, found.owner, found.key_id);
            self.keyless = ready.is_none();
            at_hand = ready == Some(true);
        }
        if at_hand {
            sealed::open(keys, &found, pieces)
        } else {
            None
        }
    }

    fn restore(&mut self, described: &Description<'_>, pieces: Vec<Bytes>, mut charge: Charge) -> bool {
        let namespace = described
            .key
            .split('|')
            .next()
            .and_then(|name| self.configured.get(name));
        let Some(key) = namespace.and_then(|namespace| Key::from_text(namespace, described.key)) else {
            return false;
        };
        let now = self.engine.parts.clock.now();
        let Some((body, coded)) = divide(pieces, &described.codings) else {
            return false;
        };
        let length: u64 = body.iter().map(|piece| piece.len() as u64).sum();
        if length > self.engine.object_limit(&key) {
            return false;
        }
        let Some(place) = self.place_of(&key, described) else {
            return false;
        };
        let Some(entry) = entry(&key, described, (body, coded), (now, self.passed), place) else {
            return false;
        };
        // From here on the entry accounts for it.
        charge.clear();
        now < entry.useless_from() && self.enter(&key, described, &entry)
    }

    /// Puts an entry into memory, unless something newer is there or has reached it, or there is no room.
    fn enter(&mut self, key: &Key, described: &Description<'_>, entry: &Entry) -> bool {
        let (engine, tier) = (self.engine, key.namespace().tier());
        let mut shard = engine.flights.lock(key.hash());
        let is_variant = described.flags & VARIANT != 0;
        let whole = if is_variant {
            variant_hash(key.hash(), described.variant)
        } else {
            key.hash()
        };
        let is_part = described.what == What::Part;
        let hash = if is_part { part_hash(whole) } else { whole };
        // A variant means something under its own names only.
        let same_names = |selector: Entry| selector.variant() == described.selector;
        let findable = !is_variant || engine.selector(key).is_some_and(same_names);
        let overtaken = shard.slot(key.text()).is_some()
            || tier.peek(hash).is_some()
            || (is_part && tier.peek(whole).is_some_and(|there| there.kind() == Kind::Value))
            || engine.standing(entry, key.namespace()) == Standing::Gone;
        // Those that were asked for most come first, and what is there already is newer: nothing makes room for the rest.
        let account = engine.directory.tenants().limited(key.tenant());
        let weight = entry.weight();
        let has_room = tier.has_room(hash, weight) && account.is_none_or(|account| account.has_room(weight));
        !overtaken && findable && has_room && engine.put(key, hash, entry).is_ok()
    }
}
