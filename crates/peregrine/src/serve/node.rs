//! How this node is called among the others that share a Redis: a name for people and, behind it, a part of its own that is
//! kept in `server.state_dir`, so that it is the same after a restart. While two programs hand over to each other they are
//! two nodes: the one that comes second gets a part for itself alone.

use peregrine_base::{Random, SystemRandom};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Where the part of its own is kept.
const FILE: &str = "node";
/// How many digits it has.
const DIGITS: usize = 8;
/// The name where neither the configuration nor the system says one.
const NAMELESS: &str = "node";

/// The name of this node, for as long as this is held.
#[derive(Debug)]
pub(super) struct NodeName {
    name: String,
    /// Locked, so that a second program knows that it is one.
    _held: Option<File>,
}

impl NodeName {
    /// The name that begins with `configured`, or else as the machine is called, with the part that `directory` keeps; without
    /// a directory that part is new each time.
    ///
    /// # Errors
    /// When the part can be neither read nor kept.
    pub(super) fn take(configured: Option<&str>, directory: Option<&Path>) -> io::Result<Self> {
        let first = configured.map_or_else(machine, str::to_owned);
        let held = match directory {
            Some(directory) => own_part(directory)?,
            None => None,
        };
        let (part, held) = match held {
            Some((part, file)) => (part, Some(file)),
            None => (new_part(), None),
        };
        Ok(Self {
            name: format!("{first}-{part}"),
            _held: held,
        })
    }

    /// The name.
    pub(super) fn as_str(&self) -> &str {
        &self.name
    }
}

/// The part that `directory` keeps, with its file locked; nothing while another program holds it.
fn own_part(directory: &Path) -> io::Result<Option<(String, File)>> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let flags = rustix::fs::OFlags::NOFOLLOW;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(directory.join(FILE))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    let mut text = String::new();
    // Whatever else lies there is no part of ours.
    let _ = (&mut file).take(DIGITS as u64 + 1).read_to_string(&mut text);
    let kept = text.trim();
    if kept.len() == DIGITS && kept.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Some((kept.to_owned(), file)));
    }
    let part = new_part();
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(part.as_bytes())?;
    file.sync_all()?;
    Ok(Some((part, file)))
}

fn new_part() -> String {
    let digits = format!("{:016x}", SystemRandom.next_u64());
    digits[..DIGITS].to_owned()
}

/// What a node is called that shares nothing: what is configured, or how the machine is called.
pub(super) fn given_or_machine(given: Option<&str>) -> String {
    given.map_or_else(machine, str::to_owned)
}

/// How the machine is called, without its domain, in the letters that a name may have.
pub(super) fn machine() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let first = name.split('.').next().unwrap_or_default();
    let plain: String = first
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(48)
        .collect();
    if plain.is_empty() { NAMELESS.to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_name_and_a_second_program_has_another() {
        let folder = tempfile::tempdir().unwrap();
        let take = || NodeName::take(Some("edge"), Some(folder.path())).unwrap();
        let first = take();
        let name = first.as_str().to_owned();
        assert!(
            name.starts_with("edge-") && name.len() == "edge-".len() + DIGITS,
            "{name}"
        );
        let second = take();
        assert_ne!(second.as_str(), name, "both run");
        drop(first);
        assert_eq!(take().as_str(), name, "after a restart");
        std::fs::write(folder.path().join(FILE), "not ours at all, whoever wrote it").unwrap();
        let mended = take();
        assert_ne!(mended.as_str(), name);
        assert_eq!(mended.as_str().len(), name.len());
        let name = mended.as_str().to_owned();
        drop(mended);
        assert_eq!(take().as_str(), name);
        let nameless = NodeName::take(None, None).unwrap();
        assert!(nameless.as_str().len() > DIGITS + 1, "{nameless:?}");
    }
}
