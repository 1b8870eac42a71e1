//! The typed configuration of `[encryption]`. Defaults and bounds stand in [`crate::PARAMETERS`].

use peregrine_base::{Secret, Span};
use serde::Deserialize;
use std::path::PathBuf;

/// `[encryption]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptionConfig {
    /// Master keys as one text: `id:secret`, several separated by commas. A secret is 32 bytes in base64.
    pub keys: Option<Secret>,
    /// Files that hold the same and that only their owner can read; their keys come after the others.
    pub key_files: Vec<PathBuf>,
    /// The id of the master key that wraps; the first where nothing is set.
    pub active: Option<String>,
    /// For how long a data key that was read from its place is used to open without reading it again.
    pub key_refresh: Span,
    /// For how long a node that cannot reach Redis goes on opening with its copy of a data key; zero: not at all.
    pub copy_max: Span,
}

impl EncryptionConfig {
    /// Whether any master key is configured.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.key_files.is_empty() || self.keys.as_ref().is_some_and(|keys| !keys.expose().trim().is_empty())
    }
}

impl Default for EncryptionConfig {
    /// The defaults of [`crate::PARAMETERS`], for callers without a configuration file: no key ring.
    fn default() -> Self {
        Self {
            keys: None,
            key_files: Vec::new(),
            active: None,
            key_refresh: Span::new(std::time::Duration::from_secs(10)),
            copy_max: Span::new(std::time::Duration::from_secs(3600)),
        }
    }
}
