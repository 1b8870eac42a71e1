//! The Huffman code of RFC 7541 Appendix B. It is canonical: codes of one length follow each other in the order of their
//! symbols, and shorter ones come first; so the lengths say it all, and the rest is made of them at compile time.

use super::Broken;

/// How many bits the code of each byte has, and that of the end, which never appears.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
];
/// The length of the longest.
const LENGTH_MAX: usize = 30;
/// The symbol of the end.
const END: u16 = 256;
/// Codes up to this length are found by one look.
const SHORT_BITS: u8 = 8;

/// What the lengths say.
struct Code {
    /// By what the next eight bits are: the symbol and the length of its code, or 0 where that is longer.
    short: [(u16, u8); 256],
    /// By length: the first code, how many there are, and where their symbols begin.
    first: [u32; LENGTH_MAX + 1],
    count: [u32; LENGTH_MAX + 1],
    place: [usize; LENGTH_MAX + 1],
    /// The symbols, by length and number.
    symbols: [u16; 257],
}

static CODE: Code = build();

const fn build() -> Code {
    let mut code = Code {
        short: [(0, 0); 256],
        first: [0; LENGTH_MAX + 1],
        count: [0; LENGTH_MAX + 1],
        place: [0; LENGTH_MAX + 1],
        symbols: [0; 257],
    };
    let (mut next, mut placed, mut length) = (0u32, 0usize, 1u8);
    while (length as usize) <= LENGTH_MAX {
        next <<= 1;
        code.first[length as usize] = next;
        code.place[length as usize] = placed;
        let mut symbol = 0u16;
        while symbol <= END {
            if LENGTHS[symbol as usize] == length {
                code.symbols[placed] = symbol;
                placed += 1;
                code.count[length as usize] += 1;
                if length <= SHORT_BITS {
                    let free = SHORT_BITS - length;
                    let mut end = 0;
                    while end < 1 << free {
                        code.short[(next as usize) << free | end] = (symbol, length);
                        end += 1;
                    }
                }
                next += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    code
}

/// Appends to `text` what `bytes` stand for.
///
/// # Errors
/// When the end is among them, or they are padded by more than needed or by anything but ones (RFC 7541 §5.2).
pub fn decode(bytes: &[u8], text: &mut Vec<u8>) -> Result<(), Broken> {
    // The bits that were read and not used stand at the upper end.
    let (mut bits, mut count, mut rest) = (0u64, 0u32, bytes.iter());
    loop {
        while count <= 56
            && let Some(byte) = rest.next()
        {
            bits |= u64::from(*byte) << (56 - count);
            count += 8;
        }
        let (symbol, length) = next(bits);
        if length > count {
            break;
        }
        text.push(u8::try_from(symbol).map_err(|_| Broken)?);
        bits <<= length;
        count -= length;
    }
    // Less than a byte, and the beginning of the code of the end: ones.
    let ones = bits.leading_ones() >= count;
    if count < 8 && ones { Ok(()) } else { Err(Broken) }
}

/// The symbol at the upper end of `bits`, and how many of them it takes.
fn next(bits: u64) -> (u16, u32) {
    let (symbol, length) = CODE.short[usize::try_from(bits >> 56).expect("eight bits")];
    if length > 0 {
        return (symbol, u32::from(length));
    }
    for length in usize::from(SHORT_BITS) + 1..=LENGTH_MAX {
        let code = u32::try_from(bits >> (64 - length)).expect("thirty bits at most");
        let number = code.wrapping_sub(CODE.first[length]);
        if number < CODE.count[length] {
            let place = CODE.place[length] + number as usize;
            return (CODE.symbols[place], u32::try_from(length).expect("thirty at most"));
        }
    }
    unreachable!("every thirty bits begin with a code, as the code is complete")
}

/// The code of a byte and its length, for tests, which write what servers do not.
#[cfg(test)]
pub(super) fn code_of(byte: u8) -> (u32, u32) {
    let length = usize::from(LENGTHS[usize::from(byte)]);
    let symbols = &CODE.symbols[CODE.place[length]..];
    let number = symbols.iter().position(|symbol| *symbol == u16::from(byte)).unwrap();
    (
        CODE.first[length] + u32::try_from(number).unwrap(),
        u32::try_from(length).unwrap(),
    )
}
