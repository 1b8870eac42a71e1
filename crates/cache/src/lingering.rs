//! Entries that left memory while somebody still reads their bodies. They occupy what they did until the last reader is done,
//! however slowly it reads, so they are counted until then: once a second, because most are let go within that.
//!
//! Only bodies in segments are looked at. A smaller one fits the buffers of a socket, and is let go when it lies there.

use crate::entry::Entry;
use crate::sync::Mutex;

/// When so many bytes have come since somebody looked, those that nobody reads go at once.
const UNLOOKED_MAX: u64 = 4 << 20;

/// What lingers.
#[derive(Default)]
pub(crate) struct Lingering(Mutex<Departed>);

#[derive(Default)]
struct Departed {
    entries: Vec<Gone>,
    /// The bytes that came since somebody looked.
    unlooked: u64,
}

struct Gone {
    entry: Entry,
    /// What took its place and has the same body: a renewal.
    heir: Option<Entry>,
}

impl Lingering {
    /// `entry` is in no tier any more; `new` took its place.
    pub(crate) fn left(&self, entry: &Entry, new: Option<&Entry>) {
        if entry.segments().is_none() || !entry.is_shared() {
            return;
        }
        let gone = Gone {
            entry: entry.clone(),
            heir: new.filter(|new| new.shares_body(entry)).cloned(),
        };
        let mut departed = self.0.lock();
        departed.unlooked += entry.weight();
        departed.entries.push(gone);
        let unread = if departed.unlooked > UNLOOKED_MAX {
            departed.sort_out()
        } else {
            Vec::new()
        };
        drop(departed);
        drop(unread);
    }

    /// How many bytes are still read.
    pub(crate) fn bytes(&self) -> u64 {
        loop {
            let mut departed = self.0.lock();
            let unread = departed.sort_out();
            if unread.is_empty() {
                // While its heir is anywhere, the body is counted with that.
                let is_heirless = |gone: &&Gone| gone.heir.as_ref().is_none_or(|heir| !heir.is_shared());
                let read = departed.entries.iter().filter(is_heirless);
                return read.map(|gone| gone.entry.weight()).sum();
            }
            drop(departed);
            // Without the lock; and then again, for what was only its heir.
            drop(unread);
        }
    }
}

impl Departed {
    /// Takes out what nobody reads any more, which is to be dropped without the lock.
    fn sort_out(&mut self) -> Vec<Gone> {
        self.unlooked = 0;
        let all = std::mem::take(&mut self.entries);
        let (read, unread) = all.into_iter().partition(|gone| gone.entry.is_shared());
        self.entries = read;
        unread
    }
}
