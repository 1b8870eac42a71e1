//! Spans as the bytes that are sent. What makes one is a thread in the middle of an answer, so it is written field by field to
//! where it will wait, without a tree of messages in between (protobuf's encoding: <https://protobuf.dev/programming-guides/encoding/>).

/// How a field's value is laid out.
#[derive(Clone, Copy)]
enum Layout {
    Varint = 0,
    EightBytes = 1,
    /// Its length first.
    Delimited = 2,
    FourBytes = 5,
}

/// The fields of `KeyValue` and of the `AnyValue` within (`opentelemetry/proto/common/v1/common.proto`).
const KEY: u32 = 1;
const VALUE: u32 = 2;
const TEXT: u32 = 1;
const WHOLE: u32 = 3;
/// Of each of these the number and layout take one byte.
const KEY_LEN: u64 = 1;

/// A message that is being written. Fields whose value is the type's own zero are left out, as the encoding wants it.
pub(super) struct Message<'a>(pub(super) &'a mut Vec<u8>);

impl Message<'_> {
    /// Bytes, or a message that is encoded already.
    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, Layout::Delimited);
        self.varint(length(bytes));
        self.0.extend_from_slice(bytes);
    }

    /// A message whose last `rest` bytes are to come.
    pub(super) fn opened(&mut self, field: u32, begun: &[u8], rest: usize) {
        self.key(field, Layout::Delimited);
        self.varint(length(begun) + u64::try_from(rest).unwrap_or(u64::MAX));
        self.0.extend_from_slice(begun);
    }

    /// A text that is `pieces` one behind the other.
    pub(super) fn texts(&mut self, field: u32, pieces: &[&str]) {
        self.key(field, Layout::Delimited);
        self.varint(pieces.iter().map(|piece| length(piece.as_bytes())).sum());
        for piece in pieces {
            self.0.extend_from_slice(piece.as_bytes());
        }
    }

    /// A whole number, or a member of an enumeration.
    pub(super) fn whole(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.key(field, Layout::Varint);
            self.varint(number);
        }
    }

    /// A number of eight bytes.
    pub(super) fn fixed64(&mut self, field: u32, number: u64) {
        self.key(field, Layout::EightBytes);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A number of four bytes.
    pub(super) fn fixed32(&mut self, field: u32, number: u32) {
        self.key(field, Layout::FourBytes);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// An attribute that is a text.
    pub(super) fn text_attribute(&mut self, field: u32, key: &str, text: &str) {
        self.attribute(field, key, delimited_len(length(text.as_bytes())));
        self.bytes(TEXT, text.as_bytes());
    }

    /// An attribute that is a whole number.
    pub(super) fn whole_attribute(&mut self, field: u32, key: &str, number: u64) {
        // It is signed there.
        let number = number.min(i64::MAX.unsigned_abs());
        self.attribute(field, key, KEY_LEN + varint_len(number));
        // Zero too: which kind of value it is shows by the field that is there.
        self.key(WHOLE, Layout::Varint);
        self.varint(number);
    }

    /// A field's number, and how its value is laid out.
    fn key(&mut self, field: u32, layout: Layout) {
        self.varint(u64::from(field << 3 | layout as u32));
    }

    /// A number in groups of seven bits, the lowest first; all but the last have the eighth bit set.
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    /// An attribute as far as its value, which has so many bytes.
    fn attribute(&mut self, field: u32, key: &str, value_bytes: u64) {
        let key_bytes = delimited_len(length(key.as_bytes()));
        self.key(field, Layout::Delimited);
        self.varint(key_bytes + delimited_len(value_bytes));
        self.bytes(KEY, key.as_bytes());
        self.key(VALUE, Layout::Delimited);
        self.varint(value_bytes);
    }
}

/// How long a field is whose value has so many bytes, its own length among them.
fn delimited_len(bytes: u64) -> u64 {
    KEY_LEN + varint_len(bytes) + bytes
}

/// How many bytes of seven bits a number takes; zero takes one.
fn varint_len(number: u64) -> u64 {
    u64::from((number | 1).ilog2() / 7 + 1)
}

fn length(bytes: &[u8]) -> u64 {
    // A length in memory is never beyond 64 bits.
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
