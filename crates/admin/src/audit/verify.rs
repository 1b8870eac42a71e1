//! Whether the audit log is as it was written: beside a running server or without one, from the files alone.

use super::chain::{self, FILE, Head};
use super::record::{self, AuditRecord};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use utoipa::ToSchema;

/// How often it is looked again when something was written meanwhile.
const LOOKS_MAX: usize = 3;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Verified {
    /// Whether every record is as it was written, and none is missing.
    pub ok: bool,
    /// How many records there are.
    pub records: u64,
    /// Which record is not as it was written, and what is wrong with it.
    pub fault: Option<String>,
    /// What is worth knowing and no fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Looks at the log in the directory `place`, or at the one file `place`.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn verify(place: &Path) -> io::Result<Verified> {
    if place.is_dir() {
        return directory(place);
    }
    match place.parent() {
        Some(folder) if place.file_name().is_some_and(|name| name == FILE) => {
            directory(if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            })
        }
        _ => Ok(look(&[place.to_owned()], None)?),
    }
}

/// A log that is being written while it is read may be seen in the middle of beginning a new file.
fn directory(directory: &Path) -> io::Result<Verified> {
    for _ in 1..LOOKS_MAX {
        let head = chain::head(directory);
        let found = look(&files(directory)?, head.as_ref())?;
        if found.ok || chain::head(directory) == head {
            return Ok(found);
        }
    }
    look(&files(directory)?, chain::head(directory).as_ref())
}

/// The files of the log, the oldest first.
pub(crate) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let newest = chain::path(directory, 0);
    if !newest.exists() {
        let problem = format!("{}: no such file", newest.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, problem));
    }
    let older = (1..)
        .map(|age| chain::path(directory, age))
        .take_while(|path| path.exists());
    let mut files: Vec<PathBuf> = std::iter::once(newest).chain(older).collect();
    files.reverse();
    Ok(files)
}

/// How far the chain was followed.
#[derive(Default)]
struct Followed {
    records: u64,
    last: Option<AuditRecord>,
    note: Option<String>,
}

fn look(files: &[PathBuf], head: Option<&Head>) -> io::Result<Verified> {
    let mut followed = Followed::default();
    let mut fault = None;
    for (index, path) in files.iter().enumerate() {
        let bytes = fs::read(path)?;
        fault = followed.follow(path, &bytes, head, index + 1 == files.len()).err();
        if fault.is_some() {
            break;
        }
    }
    let ended = followed.last.as_ref().map_or(0, |last| last.seq);
    if fault.is_none()
        && let Some(head) = head.filter(|head| head.seq > ended)
    {
        let missing = format!(
            "records {} to {} are missing: the log was cut off after record {ended}",
            ended + 1,
            head.seq
        );
        fault = Some(missing);
    }
    Ok(Verified {
        ok: fault.is_none(),
        records: followed.records,
        fault,
        note: followed.note,
    })
}

impl Followed {
    /// Goes on through the file at `path`, which is the `newest` or not.
    fn follow(&mut self, path: &Path, bytes: &[u8], head: Option<&Head>, newest: bool) -> Result<(), String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let place = format!("{name}, line {}", index + 1);
            let Some(line) = line.strip_suffix(b"\n") else {
                if !newest {
                    return Err(format!("{place}: the line is cut off"));
                }
                self.note = Some(format!("{place} is being written, or was cut off by a crash"));
                return Ok(());
            };
            let wanted = match (&self.last, head) {
                (Some(last), _) => Some(last.seq + 1),
                (None, Some(head)) => Some(head.first),
                (None, None) => None,
            };
            let expected = wanted.map_or_else(String::new, |wanted| format!(" (record {wanted})"));
            let parsed = record::parse(line).map_err(|problem| format!("{place}{expected}: {problem}"))?;
            let record = parsed.record;
            let seq = record.seq;
            match wanted {
                Some(wanted) if seq > wanted => {
                    let which = match seq - wanted {
                        1 => format!("record {wanted} is missing"),
                        _ => format!("records {wanted} to {} are missing", seq - 1),
                    };
                    return Err(format!("{place}: {which}; record {seq} stands there"));
                }
                Some(wanted) if seq < wanted => {
                    return Err(format!("{place}: record {seq} stands where record {wanted} should"));
                }
                _ => {}
            }
            if self.last.as_ref().is_some_and(|last| last.hash != parsed.prev) {
                return Err(format!(
                    "{place}: record {seq} does not follow the one before it: that was exchanged"
                ));
            }
            if head.is_some_and(|head| head.seq == seq && head.hash != record.hash) {
                return Err(format!("{place}: record {seq} is not the one that was written"));
            }
            self.records += 1;
            self.last = Some(record);
        }
        Ok(())
    }
}
