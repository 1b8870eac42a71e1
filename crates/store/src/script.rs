//! Scripts that run inside the server, called by their digest so that their text travels once.

use std::fmt;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// A Lua script. Made once, as a `static`; its digest is computed when it is first called.
pub struct Script {
    body: &'static str,
    sha: OnceLock<String>,
}

impl Script {
    /// The script with this text.
    #[must_use]
    pub const fn new(body: &'static str) -> Self {
        Self {
            body,
            sha: OnceLock::new(),
        }
    }

    /// Its text.
    #[must_use]
    pub const fn body(&self) -> &'static str {
        self.body
    }

    /// The digest by which servers know it: SHA-1 in hexadecimal, which is EVALSHA's choice and guards nothing.
    #[must_use]
    pub fn sha(&self) -> &str {
        self.sha.get_or_init(|| {
            let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, self.body.as_bytes());
            digest.as_ref().iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        })
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.sha()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_one_that_servers_compute() {
        static ONE: Script = Script::new("return 1");
        assert_eq!(ONE.sha(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
