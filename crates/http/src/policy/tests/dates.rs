//! Dates: RFC 9110 §5.6.7, and RFC 9111 §4.2 on how caches read them.

use super::*;

/// The date, and its seconds since 1970 or `none`, read on 2026-01-01.
pub(super) const ROWS: &[[&str; 2]] = &[
    ["Sun, 06 Nov 1994 08:49:37 GMT", "784111777"],
    ["Sunday, 06-Nov-94 08:49:37 GMT", "784111777"],
    ["Sun Nov  6 08:49:37 1994", "784111777"],
    ["Sun Nov 16 08:49:37 1994", "784975777"],
    ["Thu, 01 Jan 1970 00:00:00 GMT", "0"],
    ["Thu, 29 Feb 2024 12:00:00 GMT", "1709208000"],
    ["Tue, 29 Feb 2000 12:00:00 GMT", "951825600"],
    ["Fri, 31 Dec 9999 23:59:59 GMT", "253402300799"],
    // A leap second, and a date before 1970.
    ["Sat, 31 Dec 2016 23:59:60 GMT", "1483228800"],
    ["Wed, 31 Dec 1969 23:59:59 GMT", "0"],
    ["Mon, 01 Jan 0000 00:00:00 GMT", "0"],
    // Letter case, and UTC for GMT; the day of the week need not be the right one.
    ["SUN, 06 nov 1994 08:49:37 gmt", "784111777"],
    ["Sun, 06 Nov 1994 08:49:37 UTC", "784111777"],
    ["Mon, 06 Nov 1994 08:49:37 GMT", "784111777"],
    ["  Sun, 06 Nov 1994 08:49:37 GMT ", "784111777"],
    // Two digits: at most 50 years ahead.
    ["Wednesday, 06-Nov-75 08:49:37 GMT", "3340255777"],
    ["Friday, 06-Nov-76 08:49:37 GMT", "3371878177"],
    ["Sunday, 06-Nov-77 08:49:37 GMT", "247654177"],
    // No dates.
    ["", "none"],
    ["0", "none"],
    ["-1", "none"],
    ["now", "none"],
    ["784111777", "none"],
    ["Sun, 06 Nov 1994 08:49:37", "none"],
    ["Sun, 06 Nov 1994 08:49:37 CET", "none"],
    ["Sun, 06 Nov 1994 08:49:37 +0000", "none"],
    ["Sun, 06 Nov 1994 08:49:37 GMT+1", "none"],
    ["Sun, 06 Nov 94 08:49:37 GMT", "none"],
    ["Sun, 6 Nov 1994 08:49:37 GMT", "none"],
    ["Sun, 06 Nov 1994 8:49:37 GMT", "none"],
    ["Sun, 06 Nov 1994 08:49 GMT", "none"],
    ["Sun, 06 Nov 1994 08.49.37 GMT", "none"],
    ["Sun, 06-Nov-1994 08:49:37 GMT", "none"],
    ["Sun 06 Nov 1994 08:49:37 GMT", "none"],
    ["Sun, 06  Nov  1994 08:49:37 GMT", "none"],
    ["Son, 06 Nov 1994 08:49:37 GMT", "none"],
    ["Sun, 06 Nop 1994 08:49:37 GMT", "none"],
    ["Sun, 06-Nov-94 08:49:37 GMT", "none"],
    ["Sunday, 06 Nov 1994 08:49:37 GMT", "none"],
    ["Sun, 00 Nov 1994 08:49:37 GMT", "none"],
    ["Sun, 31 Nov 1994 08:49:37 GMT", "none"],
    ["Wed, 29 Feb 2023 12:00:00 GMT", "none"],
    ["Mon, 29 Feb 2100 12:00:00 GMT", "none"],
    ["Sun, 06 Nov 1994 24:00:00 GMT", "none"],
    ["Sun, 06 Nov 1994 08:60:37 GMT", "none"],
    ["Sun, 06 Nov 1994 08:49:61 GMT", "none"],
    ["Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "none"],
];

#[test]
fn dates_in_all_their_forms() {
    check(ROWS, |[text, _]| match parse_date(text.as_bytes(), NOW) {
        Some(time) => time.as_secs().to_string(),
        None => "none".to_owned(),
    });
}

#[test]
fn a_date_that_is_written_can_be_read() {
    for seconds in [0, 1, 951_825_600, NOW.as_secs(), 253_402_300_799] {
        let time = WallTime::from_millis(seconds * 1000);
        assert_eq!(parse_date(date::format(time).as_bytes(), NOW), Some(time));
    }
    assert_eq!(
        date::format(WallTime::from_millis(u64::MAX)),
        "Fri, 31 Dec 9999 23:59:59 GMT"
    );
}
