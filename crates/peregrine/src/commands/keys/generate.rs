//! `peregrine keys generate`: a new master key, on the standard output and nowhere else.

use crate::cli::Output;
use crate::{Failure, print};
use clap::Args;
use peregrine_base::{Clock as _, SystemClock};
use peregrine_cache::NewMasterKey;
use peregrine_telemetry::time::Rfc3339;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What can be said to `keys generate`.
#[derive(Debug, Args)]
#[command(
    about = "Make a master key and print it as it is written into the configuration",
    long_about = "Makes a master key from the system's random bytes and prints it, or writes it to a new file. It is kept \
                  nowhere else: whoever loses it loses what it encrypts, whoever else reads it can read that too.",
    after_help = "Examples:\n  \
        peregrine keys generate\n  \
        peregrine keys generate --id 2026-11 --env      PEREGRINE_ENCRYPTION_KEY=2026-11:…\n  \
        peregrine keys generate --file master.key       for encryption.key_files"
)]
pub(super) struct Arguments {
    /// Its name in records and listings; without it today's date and four random letters.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Print it as the environment variable that sets it.
    #[arg(long, conflicts_with_all = ["json", "file"])]
    env: bool,
    /// Write it to this file, which must not exist, instead of printing it.
    #[arg(long, value_name = "PATH", conflicts_with = "json")]
    file: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
///
/// # Errors
/// When the id cannot be one, or the system has no randomness.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let today = Rfc3339(SystemClock.wall()).to_string();
    let date = today.split('T').next().unwrap_or_default();
    let key = NewMasterKey::generate(arguments.id.as_deref(), date).map_err(Failure::Usage)?;
    let (id, secret) = (&key.id, key.secret.expose());
    if arguments.output.json {
        return print::json(&json!({ "id": id, "secret": secret }));
    }
    if arguments.env {
        return print::line(&format!("PEREGRINE_ENCRYPTION_KEY={id}:{secret}"));
    }
    print::note("Keep it secret, and keep a copy: what it encrypts cannot be read without it.");
    match &arguments.file {
        None => print::line(&format!("[encryption]\nkeys = \"{id}:{secret}\"")),
        Some(path) => {
            let shown = path.display();
            write(path, &format!("{id}:{secret}\n")).map_err(|error| Failure::Failed(format!("{shown}: {error}")))?;
            print::line(&format!(
                "[encryption]\nkey_files = [{:?}]    # {id}",
                path.to_string_lossy()
            ))
        }
    }
}

/// Writes a new file that only its owner can read.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
