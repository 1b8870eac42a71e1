//! Where a command finds the configuration when nothing names it.

use crate::config::Environment;
use std::path::{Path, PathBuf};

/// The file that is taken when it lies in the current directory.
const FILE: &str = "peregrine.toml";

/// A configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Whether somebody named it; otherwise it merely lies here.
    pub is_named: bool,
}

/// The file `named` on the command line, or else by PEREGRINE_CONFIG, or else `peregrine.toml` in this directory if there
/// is one.
#[must_use]
pub fn file(named: Option<&Path>, environment: &Environment) -> Option<Found> {
    let named = named
        .map(Path::to_path_buf)
        .or_else(|| environment.get("PEREGRINE_CONFIG").map(PathBuf::from));
    match named {
        Some(path) => Some(Found { path, is_named: true }),
        None => Path::new(FILE).is_file().then(|| Found {
            path: PathBuf::from(FILE),
            is_named: false,
        }),
    }
}
