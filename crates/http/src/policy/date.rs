//! Dates in fields (RFC 9110 §5.6.7): the preferred form and the two obsolete ones, letter case ignored and GMT or UTC
//! only, as RFC 9111 §4.2 wants it of caches. Anything else is no date; what that means is up to the field.

use super::fields::Fields;
use http::header::HeaderName;
use peregrine_base::WallTime;

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const WEEKDAYS: [&[u8]; 7] = [
    b"monday",
    b"tuesday",
    b"wednesday",
    b"thursday",
    b"friday",
    b"saturday",
    b"sunday",
];

/// The date in `text`; `now` decides what a two-digit year means.
#[must_use]
pub fn parse(text: &[u8], now: WallTime) -> Option<WallTime> {
    let mut reader = Reader {
        rest: text.trim_ascii(),
    };
    let weekday = reader.letters();
    let (civil, zone) = if reader.skip(b", ") {
        let day = reader.number(2)?;
        match reader.take()? {
            b' ' => imf_fixdate(&mut reader, weekday, day)?,
            b'-' => rfc850(&mut reader, weekday, day, now)?,
            _ => return None,
        }
    } else {
        (asctime(&mut reader, weekday)?, &b"gmt"[..])
    };
    let zone_is_known = zone.eq_ignore_ascii_case(b"gmt") || zone.eq_ignore_ascii_case(b"utc");
    (zone_is_known && reader.rest.is_empty())
        .then(|| civil.time())
        .flatten()
}

/// The first line of the field `name`, if that is a date.
pub(super) fn field(headers: &impl Fields, name: HeaderName, now: WallTime) -> Option<WallTime> {
    parse(headers.first(name.as_str())?, now)
}

/// A date as it is sent: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn format(time: WallTime) -> String {
    httpdate::fmt_http_date(
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(time.as_secs().min(YEAR_9999_SECONDS)),
    )
}

/// The last second of the year 9999, after which a date has no form.
const YEAR_9999_SECONDS: u64 = 253_402_300_799;

/// ` 06 Nov 1994 08:49:37 GMT`, from behind the day.
fn imf_fixdate<'a>(reader: &mut Reader<'a>, weekday: &[u8], day: u64) -> Option<(Civil, &'a [u8])> {
    let month = month(reader.letters())?;
    let year = reader.after(b" ")?.number(4)?;
    let seconds = reader.after(b" ")?.time_of_day()?;
    let zone = reader.after(b" ")?.letters();
    is_weekday(weekday, false).then_some((
        Civil {
            year,
            month,
            day,
            seconds,
        },
        zone,
    ))
}

/// `-Nov-94 08:49:37 GMT`, from behind the day.
fn rfc850<'a>(reader: &mut Reader<'a>, weekday: &[u8], day: u64, now: WallTime) -> Option<(Civil, &'a [u8])> {
    let month = month(reader.letters())?;
    let short_year = reader.after(b"-")?.number(2)?;
    let seconds = reader.after(b" ")?.time_of_day()?;
    let zone = reader.after(b" ")?.letters();
    let year = full_year(short_year, now);
    is_weekday(weekday, true).then_some((
        Civil {
            year,
            month,
            day,
            seconds,
        },
        zone,
    ))
}

/// ` Nov  6 08:49:37 1994`, from behind the day of the week.
fn asctime(reader: &mut Reader<'_>, weekday: &[u8]) -> Option<Civil> {
    let month = month(reader.after(b" ")?.letters())?;
    let day = if reader.after(b" ")?.skip(b" ") {
        reader.number(1)?
    } else {
        reader.number(2)?
    };
    let seconds = reader.after(b" ")?.time_of_day()?;
    let year = reader.after(b" ")?.number(4)?;
    is_weekday(weekday, false).then_some(Civil {
        year,
        month,
        day,
        seconds,
    })
}

/// The year that ends in `short_year` and lies at most 50 years ahead of `now` (RFC 9110 §5.6.7).
fn full_year(short_year: u64, now: WallTime) -> u64 {
    let this_year = 1970 + now.as_secs() / 31_556_952;
    let year = this_year - this_year % 100 + short_year;
    if year > this_year + 50 { year - 100 } else { year }
}

fn month(name: &[u8]) -> Option<u64> {
    (1..)
        .zip(MONTHS)
        .find(|(_, month)| name.eq_ignore_ascii_case(month))
        .map(|(number, _)| number)
}

/// Whether `name` is a day of the week, in full or as its first three letters. Whether it is the right day is not asked.
fn is_weekday(name: &[u8], in_full: bool) -> bool {
    WEEKDAYS
        .iter()
        .any(|weekday| name.eq_ignore_ascii_case(if in_full { weekday } else { &weekday[..3] }))
}

/// A date of the calendar in UTC.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    seconds: u64,
}

impl Civil {
    /// The time; `None` for days that do not exist. A date before 1970 counts as 1970-01-01: nobody's freshness depends
    /// on how long ago that is.
    fn time(&self) -> Option<WallTime> {
        let leap = self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days_in_month = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if !(1..=days_in_month).contains(&self.day) {
            return None;
        }
        if self.year < 1970 {
            return Some(WallTime::from_millis(0));
        }
        // Howard Hinnant's days_from_civil, http://howardhinnant.github.io/date_algorithms.html: years begin in March.
        let year = if self.month > 2 { self.year } else { self.year - 1 };
        let (era, year_of_era) = (year / 400, year % 400);
        let day_of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
        Some(WallTime::from_millis((days * 86_400 + self.seconds) * 1000))
    }
}

/// Takes a date apart from left to right.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Takes one byte.
    fn take(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// Takes `text` if it stands here.
    fn skip(&mut self, text: &[u8]) -> bool {
        self.rest.strip_prefix(text).inspect(|rest| self.rest = rest).is_some()
    }

    /// Goes on behind `text`, which must stand here.
    fn after(&mut self, text: &[u8]) -> Option<&mut Self> {
        self.skip(text).then_some(self)
    }

    /// Takes the letters that stand here.
    fn letters(&mut self) -> &'a [u8] {
        let length = self
            .rest
            .iter()
            .position(|byte| !byte.is_ascii_alphabetic())
            .unwrap_or(self.rest.len());
        let (letters, rest) = self.rest.split_at(length);
        self.rest = rest;
        letters
    }

    /// Takes a number of exactly `digits` digits.
    fn number(&mut self, digits: usize) -> Option<u64> {
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        number.iter().try_fold(0, |sum, byte| {
            byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'))
        })
    }

    /// Takes `08:49:37` as seconds since midnight; second 60 is a leap second.
    fn time_of_day(&mut self) -> Option<u64> {
        let hour = self.number(2)?;
        let minute = self.after(b":")?.number(2)?;
        let second = self.after(b":")?.number(2)?;
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
    }
}
