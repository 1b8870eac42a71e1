//! The typed form of `[admin]`. Every default stands in [`crate::PARAMETERS`].

use peregrine_base::{ByteSize, Span};
use serde::Deserialize;
use std::net::SocketAddr;

/// Where the admin API listens and whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// Whether there is an admin API at all.
    pub enabled: bool,
    /// Where it listens.
    pub address: SocketAddr,
    /// Host names, beside IP addresses and `localhost`, under which it may be called.
    pub allowed_hosts: Vec<String>,
    /// Whether `/metrics` needs no token.
    pub metrics_open: bool,
    /// The largest request body.
    pub body_max: ByteSize,
    /// So many wrong tokens from one address, and it has to wait.
    pub token_attempts_max: u32,
    /// For how long wrong tokens are counted, and the longest that an address has to wait.
    pub token_attempts_window: Span,
    /// A session that asks nothing for so long is over.
    pub session_idle: Span,
    /// The longest that a session lasts.
    pub session_lifetime: Span,
    /// The largest file of the audit log.
    pub audit_file_max: ByteSize,
    /// How many of them are kept.
    pub audit_files: u32,
}
