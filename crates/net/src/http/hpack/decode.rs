//! Reads blocks of fields (RFC 7541 §6) and keeps the table that they build up.

use super::fields::LiteralName;
use super::table::Table;
use super::{Broken, Fields, huffman};

/// How many bytes an integer may take after its first: more than any number that means something here.
const INTEGER_BYTES_MAX: usize = 4;

/// What a connection remembers between blocks.
#[derive(Debug, Default)]
pub struct Decoder {
    table: Table,
}

impl Decoder {
    /// Appends what stands in `block`, which is whole, to `fields`. All of it is read even where they have no more room,
    /// because the table has to be right for the next one.
    ///
    /// # Errors
    /// When it cannot be read; nothing that follows can be either.
    pub fn decode(&mut self, block: &[u8], fields: &mut Fields) -> Result<(), Broken> {
        let (mut rest, mut begun) = (block, false);
        while let Some(first) = rest.first().copied() {
            if first & 0x80 != 0 {
                // §6.1: both name and value by number.
                let number = integer(&mut rest, 7)?;
                let (name, value) = self.table.get(number).ok_or(Broken)?;
                fields.push_entry(name, value);
            } else if first & 0xe0 == 0x20 {
                // §6.3; at the beginning of a block only (§4.2).
                let size_max = integer(&mut rest, 5)?;
                if begun || !self.table.resize(size_max) {
                    return Err(Broken);
                }
                continue;
            } else {
                // §6.2: with indexing, or without it in two ways.
                let indexed = first & 0xc0 == 0x40;
                self.literal(&mut rest, if indexed { 6 } else { 4 }, indexed, fields)?;
            }
            begun = true;
        }
        Ok(())
    }

    fn literal(&mut self, rest: &mut &[u8], prefix: u32, indexed: bool, fields: &mut Fields) -> Result<(), Broken> {
        let mark = fields.text().len();
        let number = integer(rest, prefix)?;
        let name: LiteralName = if number == 0 {
            string(rest, fields.text_mut())?;
            fields.name_from(mark)
        } else {
            let (name, _) = self.table.get(number).ok_or(Broken)?;
            fields.push_name(name)
        };
        let begin = fields.text().len();
        string(rest, fields.text_mut())?;
        if indexed {
            let (name, value) = fields.literal(&name, begin);
            self.table.insert(name, value);
        }
        fields.push_literal(name, begin, mark);
        Ok(())
    }

    /// What the table counts for.
    #[cfg(test)]
    pub(super) const fn table_size(&self) -> usize {
        self.table.size()
    }
}

/// RFC 7541 §5.1, with a prefix of `bits` bits.
fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, Broken> {
    let (first, mut behind) = rest.split_first().ok_or(Broken)?;
    let prefix = usize::from(u8::MAX >> (8 - bits));
    let mut number = usize::from(*first) & prefix;
    if number == prefix {
        let mut shift = 0;
        loop {
            let (byte, next) = behind.split_first().ok_or(Broken)?;
            behind = next;
            number += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift == 7 * INTEGER_BYTES_MAX {
                return Err(Broken);
            }
        }
    }
    *rest = behind;
    Ok(number)
}

/// RFC 7541 §5.2: appends a string to `text`.
fn string(rest: &mut &[u8], text: &mut Vec<u8>) -> Result<(), Broken> {
    let coded = rest.first().ok_or(Broken)? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (bytes, behind) = rest.split_at_checked(length).ok_or(Broken)?;
    *rest = behind;
    if coded {
        return huffman::decode(bytes, text);
    }
    text.extend_from_slice(bytes);
    Ok(())
}
