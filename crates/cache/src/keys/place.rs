//! Where records of data keys are kept, so that a restart and other nodes find them.

use super::files::Files;
use crate::sync::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A question to a place on its way.
pub type Placing<'a, T> = Pin<Box<dyn Future<Output = Result<T, PlaceFault>> + Send + 'a>>;

/// Why a place did not answer. Never contains a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data keys in {place} cannot be reached: {why}")]
pub struct PlaceFault {
    /// Which place.
    pub place: String,
    /// What went wrong there.
    pub why: String,
}

/// A record with its owner.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// As [`super::Owner::name`] writes it.
    pub owner: String,
    /// Wrapped keys.
    pub record: String,
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRecord")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// Some of the records in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The records.
    pub records: Vec<KeyRecord>,
    /// With what to ask for the next; nothing at the end.
    pub next: Option<String>,
}

/// Keeps a record for each owner. Every key in it is wrapped already.
///
/// The caller gives owners as [`super::Owner::name`] writes them. The place guarantees that a record changes only from what
/// its changer knew: of two who create one, one wins, and what was erased meanwhile stays erased.
pub trait KeyPlace: Send + Sync + 'static {
    /// What it is, for people.
    fn name(&self) -> String;
    /// The record of `owner`.
    fn get<'a>(&'a self, owner: &'a str) -> Placing<'a, Option<String>>;
    /// Puts `now` there if what is there is `was` still, or still nothing; whether it was.
    fn replace<'a>(&'a self, owner: &'a str, was: Option<&'a str>, now: &'a str) -> Placing<'a, bool>;
    /// Some of the records; `cursor` is empty at first, then what the last answer said. One that is there from beginning to
    /// end is shown at least once.
    fn list<'a>(&'a self, cursor: &'a str) -> Placing<'a, Listed>;
    /// The same place for who cannot wait for a runtime, where it is on this machine.
    fn files(&self) -> Option<&Files> {
        None
    }
    /// Brings copies of records up to date, where there are any.
    fn tidy(&self) -> Placing<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A place that ends with the process: for tests, and for engines without a directory.
#[derive(Clone, Debug, Default)]
pub struct InMemory(Arc<Mutex<BTreeMap<String, String>>>);

impl InMemory {
    /// Everything that is in it.
    #[must_use]
    pub fn records(&self) -> BTreeMap<String, String> {
        self.0.lock().clone()
    }
}

fn at_once<'a, T: Send + 'a>(value: T) -> Placing<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

impl KeyPlace for InMemory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn get<'a>(&'a self, owner: &'a str) -> Placing<'a, Option<String>> {
        at_once(self.0.lock().get(owner).cloned())
    }

    fn replace<'a>(&'a self, owner: &'a str, was: Option<&'a str>, now: &'a str) -> Placing<'a, bool> {
        let mut records = self.0.lock();
        let same = records.get(owner).map(String::as_str) == was;
        if same {
            records.insert(owner.to_owned(), now.to_owned());
        }
        at_once(same)
    }

    fn list<'a>(&'a self, _: &'a str) -> Placing<'a, Listed> {
        let records = self.0.lock();
        let record = |(owner, record): (&String, &String)| KeyRecord {
            owner: owner.clone(),
            record: record.clone(),
        };
        at_once(Listed {
            records: records.iter().map(record).collect(),
            next: None,
        })
    }
}
