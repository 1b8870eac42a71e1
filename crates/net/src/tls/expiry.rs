//! When a certificate ends. webpki checks validity but does not tell it, so this walks to the one field of the certificate
//! that says it (RFC 5280 §4.1: `tbsCertificate.validity.notAfter`).

/// Seconds from 1970 to the end of the certificate `der`; `None` where it is not written as RFC 5280 says.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut fields, _) = element(certificate, SEQUENCE)?;
    if let Some((_version, rest)) = element(fields, EXPLICIT_0) {
        fields = rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        // Serial number, algorithm, issuer.
        (_, fields) = element(fields, tag)?;
    }
    let (validity, _) = element(fields, SEQUENCE)?;
    let (_not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some(not_after)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const EXPLICIT_0: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The content of the element with `tag` at the beginning of `bytes`, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    if found != tag {
        return None;
    }
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first & 0x7f);
    if first & 0x80 != 0 {
        // That many bytes of length follow; a certificate needs no more than three of them.
        let count = length;
        if count > 3 {
            return None;
        }
        length = 0;
        for _ in 0..count {
            let (&byte, after) = rest.split_first()?;
            length = length << 8 | usize::from(byte);
            rest = after;
        }
    }
    rest.split_at_checked(length)
}

/// The time at the beginning of `bytes`, and what follows it.
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    if let Some((text, rest)) = element(bytes, UTC_TIME) {
        // Two digits of a year from 1950 to 2049 (RFC 5280 §4.1.2.5.1).
        let year = digits(text, 0, 2)?;
        let year = year + if year < 50 { 2000 } else { 1900 };
        return Some((seconds(year, text.get(2..)?)?, rest));
    }
    let (text, rest) = element(bytes, GENERALIZED_TIME)?;
    Some((seconds(digits(text, 0, 4)?, text.get(4..)?)?, rest))
}

/// Seconds from 1970 to `MMDDHHMMSSZ` in `year`.
fn seconds(year: i64, text: &[u8]) -> Option<i64> {
    if text.len() != 11 || text[10] != b'Z' {
        return None;
    }
    let part = |place| digits(text, place, 2);
    let (month, day) = (part(0)?, part(2)?);
    let (hours, minutes, seconds) = (part(4)?, part(6)?, part(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 of a date of the Gregorian calendar: years begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

/// `count` decimal digits of `text`, from `place` on.
fn digits(text: &[u8], place: usize, count: usize) -> Option<i64> {
    text.get(place..place + count)?.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_found() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, month, day, expected) in [
            (2030, 1, 1, 1_893_456_000),
            (2024, 2, 29, 1_709_164_800),
            // From 2050 on written with four digits.
            (2100, 3, 1, 4_107_542_400),
        ] {
            let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, month, day);
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(not_after(certificate.der()), Some(expected), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn what_is_cut_short_has_no_end() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new())
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let whole: &[u8] = certificate.der();
        for length in 0..whole.len() {
            assert_eq!(not_after(&whole[..length]), None, "{length}");
        }
    }
}
