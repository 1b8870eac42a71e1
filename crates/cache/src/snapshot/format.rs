//! The form of a snapshot: a header, records, an end. Pure: bytes in, values or a [`Fault`] out, whatever the bytes are.
//!
//! ```text
//! header   magic, version, version of the stored heads, source, boot, civil time, monotonic time; checksum
//! record   length of its description, number and length of its pieces; checksum; description; pieces of the body, then
//!          those of its further encodings
//! end      a record without a description: how many records there were; checksum of all bytes before
//! ```
//!
//! Every record has a checksum that depends on its place, and the end has one of the whole. Numbers are little endian.
//! Reading never allocates more than what a record may measure, and grows with what was really there.

use crate::backplane::{Gen, Stamp};
use crate::coding::Coding;
use crate::entry::{SEGMENT_BYTES, TAG_MAX};
use bytes::Bytes;
use std::io::{self, Read, Write};
use xxhash_rust::xxh3::{Xxh3, Xxh3Builder};

/// What every snapshot begins with. The line break shows a file that went through a conversion of text.
const MAGIC: &[u8; 8] = b"PGSNAP\r\n";
/// Raised with every change of this form.
pub(super) const VERSION: u32 = 3;
/// The longest description of an entry: key, variant, names, tags and head.
pub(super) const META_MAX: usize = 1 << 20;
/// The longest piece: a segment, or one that did not get smaller when it was compressed.
pub(super) const PIECE_MAX: usize = SEGMENT_BYTES + (64 << 10);
/// The longest body: lengths of bodies fit 32 bits.
const BODY_MAX: u64 = u32::MAX as u64;
const PREFIX: usize = 24;

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It does not begin as one.
    #[error("it is no snapshot")]
    NotOne,
    /// Another version of Peregrine wrote it.
    #[error("it was written in another version of the format ({0})")]
    Version(u32),
    /// It ends too early.
    #[error("it ends before its end")]
    Truncated,
    /// Its bytes are not those that were written.
    #[error("it is damaged")]
    Corrupt,
    /// It belongs to another configuration.
    #[error("it was written for another configuration")]
    Source,
    /// The clock stands before the time at which it was written.
    #[error("it was written at a time that has not come yet by this machine's clock")]
    Clock,
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Fault {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotOne => "not_a_snapshot",
            Self::Version(_) => "version",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::Source => "source",
            Self::Clock => "clock",
            Self::Io(_) => "io",
        }
    }
}

/// What stands before the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The version in which the heads of entries are written.
    pub(super) stored: u32,
    /// Which configuration it belongs to.
    pub(super) source: u64,
    /// Which run of the machine.
    pub(super) boot: u128,
    /// Civil time, in milliseconds.
    pub(super) wall_ms: u64,
    /// Monotonic time, in nanoseconds.
    pub(super) now_ns: u64,
}

/// The description of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description<'a> {
    /// Whether it is the names by which variants differ.
    pub(super) what: What,
    /// Encoding and rules, as the entry keeps them.
    pub(super) rules: u8,
    /// [`SOFTENED`], [`VARIANT`].
    pub(super) flags: u8,
    pub(super) age_ns: u64,
    pub(super) lifetime_ms: u64,
    pub(super) stale_while_revalidate_ms: u64,
    pub(super) stale_if_error_ms: u64,
    pub(super) cost_us: u32,
    pub(super) hits: u32,
    /// Up to where it is known that no invalidation of the shared log reached it; nothing where that is not known.
    pub(super) stamp: Option<Stamp>,
    pub(super) key: &'a str,
    /// The variant; of a selector its names.
    pub(super) variant: &'a str,
    /// The names under which it is a variant; empty where there are none.
    pub(super) selector: &'a str,
    pub(super) tags: Vec<&'a str>,
    /// The further encodings of the body, each with how many of the last pieces it has, in order.
    pub(super) codings: Vec<(Coding, u32)>,
    pub(super) head: &'a [u8],
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Value,
    Selector,
    /// What is held of a value; its head begins with what that is.
    Part,
}

impl What {
    fn of(number: u8) -> Option<Self> {
        [Self::Value, Self::Selector, Self::Part]
            .into_iter()
            .find(|what| *what as u8 == number)
    }
}

/// A soft invalidation reached it.
pub(super) const SOFTENED: u8 = 1;
/// It lies where variants lie.
pub(super) const VARIANT: u8 = 2;
const FLAGS_MAX: u8 = 3;

impl Description<'_> {
    /// Its bytes; nothing when it is longer than its fields or [`META_MAX`] allow.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        out.clear();
        out.extend_from_slice(&[self.what as u8, self.rules, self.flags]);
        for number in [
            self.age_ns,
            self.lifetime_ms,
            self.stale_while_revalidate_ms,
            self.stale_if_error_ms,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.cost_us.to_le_bytes());
        out.extend_from_slice(&self.hits.to_le_bytes());
        let stamp = self.stamp.unwrap_or_default();
        out.extend_from_slice(&stamp.generation.to_bytes());
        out.extend_from_slice(&stamp.seq.to_le_bytes());
        for text in [self.key, self.variant, self.selector] {
            out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&u16::try_from(self.tags.len()).ok()?.to_le_bytes());
        for tag in &self.tags {
            out.push(u8::try_from(tag.len()).ok()?);
            out.extend_from_slice(tag.as_bytes());
        }
        out.push(u8::try_from(self.codings.len()).ok()?);
        for (coding, pieces) in &self.codings {
            out.push(*coding as u8);
            out.extend_from_slice(&pieces.to_le_bytes());
        }
        out.extend_from_slice(self.head);
        (out.len() <= META_MAX).then_some(())
    }
}

impl<'a> Description<'a> {
    /// The description that `bytes` hold; nothing when they hold none.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let [what, rules, flags] = take(&mut rest)?;
        let mut number = || take(&mut rest).map(u64::from_le_bytes);
        let (age_ns, lifetime_ms) = (number()?, number()?);
        let (stale_while_revalidate_ms, stale_if_error_ms) = (number()?, number()?);
        let (cost_us, hits) = (
            u32::from_le_bytes(take(&mut rest)?),
            u32::from_le_bytes(take(&mut rest)?),
        );
        let stamp = Stamp {
            generation: Gen::from_bytes(take(&mut rest)?),
            seq: u64::from_le_bytes(take(&mut rest)?),
        };
        let (key, variant, selector) = (text(&mut rest)?, text(&mut rest)?, text(&mut rest)?);
        let count = u16::from_le_bytes(take(&mut rest)?);
        let mut tags = Vec::new();
        for _ in 0..count {
            let [length] = take(&mut rest)?;
            let (tag, after) = rest.split_at_checked(usize::from(length))?;
            rest = after;
            tags.push(std::str::from_utf8(tag).ok()?);
        }
        let [count] = take(&mut rest)?;
        let mut codings: Vec<(Coding, u32)> = Vec::new();
        for _ in 0..count {
            let [number] = take(&mut rest)?;
            let coding = Coding::ALL.into_iter().find(|coding| *coding as u8 == number)?;
            if codings.iter().any(|(other, _)| *other == coding) {
                return None;
            }
            codings.push((coding, u32::from_le_bytes(take(&mut rest)?)));
        }
        let sound = flags <= FLAGS_MAX && tags.iter().all(|tag| tag.len() <= TAG_MAX);
        sound.then_some(Self {
            what: What::of(what)?,
            rules,
            flags,
            age_ns,
            lifetime_ms,
            stale_while_revalidate_ms,
            stale_if_error_ms,
            cost_us,
            hits,
            stamp: (!stamp.generation.is_none()).then_some(stamp),
            key,
            variant,
            selector,
            tags,
            codings,
            head: rest,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = u16::from_le_bytes(take(rest)?);
    let (text, after) = rest.split_at_checked(usize::from(length))?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

/// Whether `pieces` are no longer than a record may be.
pub(super) fn body_fits(pieces: &[&[u8]]) -> bool {
    pieces.iter().map(|piece| piece.len() as u64).sum::<u64>() <= BODY_MAX
}

/// The checksum of the record at `index`, to be fed with its bytes.
fn checksum(index: u64) -> Xxh3 {
    Xxh3Builder::new().with_seed(index).build()
}

/// Writes a snapshot.
pub(super) struct Writer<W> {
    out: W,
    whole: Xxh3,
    records: u64,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Begins one.
    pub(super) fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            out,
            whole: Xxh3::new(),
            records: 0,
            written: 0,
        };
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&header.stored.to_le_bytes());
        bytes.extend_from_slice(&header.source.to_le_bytes());
        bytes.extend_from_slice(&header.boot.to_le_bytes());
        bytes.extend_from_slice(&header.wall_ms.to_le_bytes());
        bytes.extend_from_slice(&header.now_ns.to_le_bytes());
        bytes.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(&bytes).to_le_bytes());
        writer.put(&bytes)?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.whole.update(bytes);
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// How many bytes a record with these parts would add.
    pub(super) fn cost(meta: &[u8], pieces: &[&[u8]]) -> u64 {
        let pieces: usize = pieces.iter().map(|piece| piece.len() + 4).sum();
        (PREFIX + meta.len() + pieces) as u64
    }

    /// How many bytes there are so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How many records there are so far.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Adds an entry. What does not fit a record is an error of the caller's, who measures before.
    pub(super) fn record(&mut self, meta: &[u8], pieces: &[&[u8]]) -> io::Result<()> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "an entry is longer than a record may be");
        let body: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let mut prefix = Vec::with_capacity(PREFIX);
        prefix.extend_from_slice(&u32::try_from(meta.len()).map_err(|_| too_long())?.to_le_bytes());
        prefix.extend_from_slice(&u32::try_from(pieces.len()).map_err(|_| too_long())?.to_le_bytes());
        prefix.extend_from_slice(&body.to_le_bytes());
        let mut sum = checksum(self.records);
        sum.update(&prefix);
        sum.update(meta);
        for piece in pieces {
            sum.update(&u32::try_from(piece.len()).map_err(|_| too_long())?.to_le_bytes());
            sum.update(piece);
        }
        prefix.extend_from_slice(&sum.digest().to_le_bytes());
        self.put(&prefix)?;
        self.put(meta)?;
        for piece in pieces {
            self.put(&u32::try_from(piece.len()).map_err(|_| too_long())?.to_le_bytes())?;
            self.put(piece)?;
        }
        self.records += 1;
        Ok(())
    }

    /// Ends it: how many bytes it has.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let mut end = [0u8; PREFIX];
        end[8..16].copy_from_slice(&self.records.to_le_bytes());
        self.put(&end)?;
        let digest = self.whole.digest128().to_le_bytes();
        self.out.write_all(&digest)?;
        self.out.flush()?;
        Ok(self.written + digest.len() as u64)
    }
}

/// What a record announces before its bytes are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    meta: usize,
    pieces: u32,
    /// The length of the body, in bytes.
    pub(super) body: u64,
    sum: u64,
}

/// Reads a snapshot.
pub(super) struct Reader<R> {
    input: R,
    whole: Xxh3,
    records: u64,
}

impl<R: Read> Reader<R> {
    /// Begins reading: what stands before the records.
    pub(super) fn new(input: R) -> Result<(Self, Header), Fault> {
        let mut reader = Self {
            input,
            whole: Xxh3::new(),
            records: 0,
        };
        let first: [u8; 12] = reader.get()?;
        let mut rest = &first[..];
        if take(&mut rest) != Some(*MAGIC) {
            return Err(Fault::NotOne);
        }
        let version = take(&mut rest).map_or(0, u32::from_le_bytes);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        let body: [u8; 44] = reader.get()?;
        let sum = u64::from_le_bytes(reader.get()?);
        if xxhash_rust::xxh3::xxh3_64(&[&first[..], &body[..]].concat()) != sum {
            return Err(Fault::Corrupt);
        }
        let header = header(&body).ok_or(Fault::Corrupt)?;
        Ok((reader, header))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        self.input.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Truncated,
            _ => Fault::Io(error),
        })?;
        self.whole.update(buffer);
        Ok(())
    }

    fn get<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// What comes next; nothing at the end, which is then known to be a good one.
    pub(super) fn announced(&mut self) -> Result<Option<Announced>, Fault> {
        let prefix: [u8; PREFIX] = self.get()?;
        let mut rest = &prefix[..];
        let (Some(meta), Some(pieces), Some(body), Some(sum)) = (
            take(&mut rest).map(u32::from_le_bytes),
            take(&mut rest).map(u32::from_le_bytes),
            take(&mut rest).map(u64::from_le_bytes),
            take(&mut rest).map(u64::from_le_bytes),
        ) else {
            return Err(Fault::Corrupt);
        };
        if meta == 0 {
            return self.end(pieces, body, sum).map(|()| None);
        }
        let meta = usize::try_from(meta).map_err(|_| Fault::Corrupt)?;
        if meta > META_MAX || body > BODY_MAX || u64::from(pieces) > body {
            return Err(Fault::Corrupt);
        }
        Ok(Some(Announced {
            meta,
            pieces,
            body,
            sum,
        }))
    }

    fn end(&mut self, pieces: u32, records: u64, sum: u64) -> Result<(), Fault> {
        let expected = self.whole.digest128();
        let digest = u128::from_le_bytes(self.get()?);
        let more = self.input.read(&mut [0])?;
        let sound = pieces == 0 && sum == 0 && records == self.records && digest == expected && more == 0;
        if sound { Ok(()) } else { Err(Fault::Corrupt) }
    }

    /// Reads the record that was announced: its description into `meta`, its pieces into `pieces` where that is wanted.
    pub(super) fn record(
        &mut self,
        announced: Announced,
        meta: &mut Vec<u8>,
        mut pieces: Option<&mut Vec<Bytes>>,
    ) -> Result<(), Fault> {
        let mut sum = checksum(self.records);
        sum.update(&u32::try_from(announced.meta).unwrap_or(0).to_le_bytes());
        sum.update(&announced.pieces.to_le_bytes());
        sum.update(&announced.body.to_le_bytes());
        meta.resize(announced.meta, 0);
        self.fill(meta)?;
        sum.update(meta);
        let (mut left, mut scratch) = (announced.body, Vec::new());
        for _ in 0..announced.pieces {
            let length: [u8; 4] = self.get()?;
            sum.update(&length);
            let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| Fault::Corrupt)?;
            if length == 0 || length > PIECE_MAX || length as u64 > left {
                return Err(Fault::Corrupt);
            }
            left -= length as u64;
            scratch.resize(length, 0);
            self.fill(&mut scratch)?;
            sum.update(&scratch);
            if let Some(pieces) = pieces.as_deref_mut() {
                pieces.push(Bytes::from(std::mem::take(&mut scratch)));
            }
        }
        self.records += 1;
        if left == 0 && sum.digest() == announced.sum {
            Ok(())
        } else {
            Err(Fault::Corrupt)
        }
    }
}

fn header(body: &[u8]) -> Option<Header> {
    let mut rest = body;
    Some(Header {
        stored: u32::from_le_bytes(take(&mut rest)?),
        source: u64::from_le_bytes(take(&mut rest)?),
        boot: u128::from_le_bytes(take(&mut rest)?),
        wall_ms: u64::from_le_bytes(take(&mut rest)?),
        now_ns: u64::from_le_bytes(take(&mut rest)?),
    })
}
