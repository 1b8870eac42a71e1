//! Starts the program that is to take over from this one.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Starts a successor of this program: the program that lies now where this one was started from, with the same command line.
fn start_successor() -> io::Result<std::process::Child> {
    const FLAG: &str = "--take-over";
    let mut line = std::env::args_os();
    // As it was called, so that a link to another version leads there; by its own file where a search found it.
    let name = line
        .next()
        .map(PathBuf::from)
        .filter(|name| name.components().count() > 1);
    let program = match name {
        Some(name) => name,
        None => where_it_lay(std::env::current_exe()?),
    };
    let mut command = std::process::Command::new(program);
    let arguments: Vec<_> = line.collect();
    let has_flag = arguments.iter().any(|argument| argument == FLAG);
    command.args(&arguments).args((!has_flag).then_some(FLAG));
    // These are about this process.
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
        command.env_remove(name);
    }
    command.stdin(std::process::Stdio::null()).spawn()
}

/// Starts a successor in answer to a signal, and says what became of it if it ends before it took over.
pub(in crate::serve) fn start_successor_and_watch() {
    match start_successor() {
        Ok(mut child) => {
            tracing::info!(process = child.id(), "starting a successor");
            // A thread of its own: nobody waits for it when this program ends before the successor does.
            let wait = move || match child.wait() {
                Ok(status) => tracing::warn!(%status, "the successor has ended"),
                Err(error) => tracing::warn!(%error, "nothing is known of the successor"),
            };
            let waiting = std::thread::Builder::new().name("successor".to_owned()).spawn(wait);
            if let Err(error) = waiting {
                tracing::warn!(%error, "nothing will be known of the successor");
            }
        }
        Err(error) => tracing::error!(%error, "no successor can be started"),
    }
}

/// Where a program lay that the system finds at `path`: of a file that was replaced it says that it is deleted.
fn where_it_lay(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(before) if !path.exists() => PathBuf::from(OsStr::from_bytes(before)),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_file_was_replaced_is_found_where_it_lay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peregrine");
        let marked = folder.path().join("peregrine (deleted)");
        assert_eq!(where_it_lay(path.clone()), path);
        assert_eq!(where_it_lay(marked.clone()), path);
        // Somebody calls it so.
        std::fs::write(&marked, "").unwrap();
        assert_eq!(where_it_lay(marked.clone()), marked);
    }
}
