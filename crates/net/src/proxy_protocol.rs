//! The PROXY protocol, versions 1 and 2 (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>): the header by which a
//! proxy in front says whom a connection comes from. One pure function over the bytes that have arrived, strict and bounded:
//! whatever is not exactly a header is a [`ProxyFault`], and it never asks for more than [`HEADER_BYTES_MAX`] bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1: what the specification computes for two full IPv6 addresses.
const LINE_BYTES_MAX: usize = 107;
/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How version 1 begins.
const WORD: &[u8] = b"PROXY ";
/// The fixed part of version 2: signature, version and command, family, length.
const FIXED_BYTES: usize = 16;
/// The most that may follow it. The fields that proxies add (a certificate's name, a VPC endpoint) are some hundred bytes.
const VARIABLE_BYTES_MAX: usize = 4096;

/// The longest header that is read.
pub const HEADER_BYTES_MAX: usize = FIXED_BYTES + VARIABLE_BYTES_MAX;

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header.
    Partial,
    /// A header.
    Whole {
        /// How many bytes it takes; what follows belongs to the client.
        length: usize,
        /// What it says.
        says: Says,
    },
}

/// What a header says about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is the proxy's own, such as a health check, or comes from where no address is known: the socket's addresses hold.
    Local,
    /// It was made by `source` to `destination`.
    From {
        /// The client.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyFault {
    /// They begin like neither version: the client speaks to this listener without a proxy.
    NotProxy,
    /// They begin like one, and what follows is not as specified.
    Malformed,
    /// The header is longer than it may be.
    TooLong,
}

/// Reads the header at the beginning of `bytes`.
///
/// # Errors
/// [`ProxyFault`], as soon as no further byte could make a header of it.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyFault> {
    if begins(bytes, SIGNATURE) {
        version_2(bytes)
    } else if begins(bytes, WORD) {
        version_1(bytes)
    } else {
        Err(ProxyFault::NotProxy)
    }
}

/// Whether `bytes` and `expected` are the same as far as both go.
fn begins(bytes: &[u8], expected: &[u8]) -> bool {
    let length = bytes.len().min(expected.len());
    bytes[..length] == expected[..length]
}

fn version_1(bytes: &[u8]) -> Result<Parsed, ProxyFault> {
    let bounded = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = bounded.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() >= LINE_BYTES_MAX {
            Err(ProxyFault::TooLong)
        } else {
            Ok(Parsed::Partial)
        };
    };
    let line = std::str::from_utf8(&bounded[..end]).map_err(|_| ProxyFault::Malformed)?;
    let says = line_says(line).ok_or(ProxyFault::Malformed)?;
    Ok(Parsed::Whole { length: end + 2, says })
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 40000 443`; after `UNKNOWN` the rest of the line is to be ignored.
fn line_says(line: &str) -> Option<Says> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Says::Local);
    }
    let (source, destination) = (words.next()?, words.next()?);
    let (source_port, destination_port) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    Some(Says::From {
        source: SocketAddr::new(address(source)?, source_port),
        destination: SocketAddr::new(address(destination)?, destination_port),
    })
}

/// A port in decimal digits only, without leading zeros.
fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = text == "0" || !text.starts_with('0');
    (digits && plain).then(|| text.parse().ok()).flatten()
}

fn version_2(bytes: &[u8]) -> Result<Parsed, ProxyFault> {
    // Version and command are judged as soon as they are there.
    let local = match bytes.get(SIGNATURE.len()) {
        None => return Ok(Parsed::Partial),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(ProxyFault::Malformed),
    };
    let Some(fixed) = bytes.get(..FIXED_BYTES) else {
        return Ok(Parsed::Partial);
    };
    let variable = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if variable > VARIABLE_BYTES_MAX {
        return Err(ProxyFault::TooLong);
    }
    let length = FIXED_BYTES + variable;
    let Some(addresses) = bytes.get(FIXED_BYTES..length) else {
        return Ok(Parsed::Partial);
    };
    let says = match fixed[13] {
        _ if local => Says::Local,
        // Unspecified, and the stream socket of another machine's file system: nothing that could be an address here.
        0x00 | 0x31 => Says::Local,
        0x11 => between::<4>(addresses).ok_or(ProxyFault::Malformed)?,
        0x21 => between::<16>(addresses).ok_or(ProxyFault::Malformed)?,
        _ => return Err(ProxyFault::Malformed),
    };
    Ok(Parsed::Whole { length, says })
}

/// Two addresses of `N` bytes, two ports; what follows are further fields, which are passed over.
fn between<const N: usize>(bytes: &[u8]) -> Option<Says>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = bytes.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    Some(Says::From {
        source: SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*source_port)),
        destination: SocketAddr::new(IpAddr::from(*destination), u16::from_be_bytes(*destination_port)),
    })
}

#[cfg(test)]
mod tests;
