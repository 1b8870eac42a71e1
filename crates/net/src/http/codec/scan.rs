//! Where a head that arrives in pieces ends. Each byte is looked at once, however many pieces there are, so that a client
//! who sends byte by byte costs no more than one who does not.

use crate::http::Refusal;

/// A search for the empty line, which goes on where it stopped.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// All before it has been looked at.
    at: usize,
    /// Where the line begins that has no end yet.
    line: usize,
}

impl Scan {
    /// The length of the head in `bytes` with its empty line; nothing while that is missing. `bytes` begins where it
    /// began in the calls before.
    ///
    /// # Errors
    /// As soon as a line ends with a bare LF (RFC 9112 §2.2 lets a server take it; two servers that differ in that see
    /// two different requests), or a CR stands anywhere else.
    pub(crate) fn search(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        while let Some(found) = bytes[self.at..].iter().position(|byte| *byte == b'\n') {
            let end = self.at + found;
            match bytes[self.line..end].iter().position(|byte| *byte == b'\r') {
                Some(carriage) if self.line + carriage + 1 == end => {}
                _ => return Err(Refusal::Malformed),
            }
            let empty = end == self.line + 1;
            (self.at, self.line) = (end + 1, end + 1);
            if empty {
                return Ok(Some(end + 1));
            }
        }
        self.at = bytes.len();
        Ok(None)
    }

    /// Whether anything was looked at.
    pub(crate) const fn has_begun(&self) -> bool {
        self.at > 0
    }
}
