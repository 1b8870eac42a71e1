//! Header compression of HTTP/2 (RFC 7541), as much of it as a server needs: [`Decoder`] reads any block, with the table that
//! the client builds up; `encode` writes fields without a table of ours, so that what is stored is written as it is, an
//! answer costs no lookup of values, and nothing can be learned of one answer by the length of another (§7.1). No I/O.
//!
//! What comes out of a block is bytes ([`Fields`]); whether they make a request is decided where requests are.

mod decode;
pub(crate) mod encode;
mod fields;
mod huffman;
mod known;
mod table;

pub use decode::Decoder;
pub use fields::Fields;
pub use huffman::decode as decode_huffman;
pub use table::TABLE_BYTES;

/// A block that cannot be read: the tables of both sides have parted, so that the connection has to end (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// For fuzzers: a field as `encode` writes it.
pub fn encode_field(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    encode::field(block, name, value);
}

#[cfg(test)]
mod tests;
