//! What may stand in `Host` and in the authority of an absolute target: a name or an address, and a port. RFC 3986 §3.2
//! would allow more (percent-encoding, `!$&'()*+,;=`, user information), none of which names a host that exists, and all of
//! which has been read differently by two servers in a row.

use std::net::Ipv6Addr;

/// Whether `text` is a host with an optional port, and nothing beside it.
pub(crate) fn is_host(text: impl AsRef<[u8]>) -> bool {
    let text = text.as_ref();
    let (host_ok, rest) = match text.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = literal.iter().position(|byte| *byte == b']') else {
                return false;
            };
            let address = std::str::from_utf8(&literal[..end]);
            (
                address.is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok()),
                &literal[end + 1..],
            )
        }
        None => {
            let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
            (end > 0 && text[..end].iter().all(is_name_byte), &text[end..])
        }
    };
    host_ok && (rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_port))
}

fn is_name_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_port(digits: &[u8]) -> bool {
    (1..=5).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits
            .iter()
            .fold(0u32, |number, digit| number * 10 + u32::from(digit - b'0'))
            <= u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports() {
        for good in [
            "x",
            "a.b-c_d.example",
            "x:80",
            "127.0.0.1:65535",
            "[::1]",
            "[2001:db8::1]:8080",
            "xn--bcher-kva.example",
        ] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "x:",
            "x:65536",
            "x:123456",
            "x:8a",
            "x:80:80",
            "u@x",
            "x/y",
            "x y",
            "x,y",
            "x%41",
            "x#",
            "x?",
            "x\\y",
            "[::1",
            "[::1]80",
            "[x]",
            "::1",
            "[v1.x]",
            "b\u{fc}cher",
            "x\0",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
