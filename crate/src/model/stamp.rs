//! The time of an edit, `YYYY-MM-DDTHH:MM:SS.mmmcccZ`, ordered as integers.
//!
//! Clients of the older protocol write 24 characters (`….mmmZ`) and compare stamps as text, where `Z` sorts after every
//! digit. So such a stamp ranks after all 1,000 counter values of its millisecond; comparing integers here and text
//! there gives one order.

use super::{FromJson, Malformed};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Milliseconds since 1970 and a rank inside the millisecond: the counter 0–999, or 1000 for a 24-character stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Stamp {
    ms: u64,
    rank: u16,
}

/// The rank of a stamp without counter.
const NO_COUNTER: u16 = 1000;
const MS_PER_DAY: u64 = 86_400_000;
/// First millisecond of the year 9999: stamps lie before it, so that text and integers sort alike.
const END_MS: u64 = 253_370_764_800_000;

impl Stamp {
    /// 1970-01-01T00:00:00.000000Z: older than every edit.
    pub const EPOCH: Self = Self { ms: 0, rank: 0 };

    /// When nobody knows when: older than every edit that says its time, and newer than what nobody wrote.
    pub const UNKNOWN: Self = Self { ms: 0, rank: 1 };

    /// The first stamp of a millisecond; times past the year 9998 are held at its last millisecond.
    #[must_use]
    pub fn at_ms(ms: u64) -> Self {
        Self { ms: ms.min(END_MS - 1), rank: 0 }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn ms(self) -> u64 {
        self.ms
    }

    /// The stamp at so many microseconds since 1970.
    #[must_use]
    pub fn at_micros(micros: u64) -> Self {
        let rank = u16::try_from(micros % 1000).unwrap_or(0);
        Self { rank, ..Self::at_ms(micros / 1000) }
    }

    /// Microseconds since 1970, where the stamp is a point in time: without a counter, the beginning of its millisecond.
    #[must_use]
    pub fn micros(self) -> u64 {
        self.ms * 1000 + if self.rank == NO_COUNTER { 0 } else { u64::from(self.rank) }
    }

    /// The next stamp: one tick later. After rank 999, and after a stamp without counter, comes the next millisecond.
    #[must_use]
    pub fn next(self) -> Self {
        if self.rank + 1 < NO_COUNTER { Self { ms: self.ms, rank: self.rank + 1 } } else { Self::at_ms(self.ms + 1) }
    }

    /// This stamp moved by `offset_ms` milliseconds, with its counter, not before 1970.
    #[must_use]
    pub fn shifted(self, offset_ms: i64) -> Self {
        let ms = self.ms.saturating_add_signed(offset_ms).min(END_MS - 1);
        Self { ms, rank: self.rank }
    }

    /// Reads an RFC 3339 time of the years 1970–9998. Up to three fraction digits give a stamp without counter, more
    /// give one with; digits past the sixth are dropped.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        parse(text).ok_or_else(|| Malformed::new("at", "is not an RFC 3339 time of the years 1970 to 9998"))
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = civil_from_days(self.ms / MS_PER_DAY);
        let of_day = self.ms % MS_PER_DAY;
        let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
        // Written for every field of every change, so by hand: the formatter takes several times as long.
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        put_digits(&mut text[0..4], year);
        for (at, number) in [(5, month), (8, day), (11, hour), (14, minute), (17, second)] {
            put_digits(&mut text[at..at + 2], number);
        }
        put_digits(&mut text[20..23], of_day % 1000);
        let length = if self.rank == NO_COUNTER {
            text[23] = b'Z';
            24
        } else {
            put_digits(&mut text[23..26], u64::from(self.rank));
            27
        };
        f.write_str(std::str::from_utf8(&text[..length]).unwrap_or_default())
    }
}

/// Writes the last decimal digits of a number.
fn put_digits(into: &mut [u8], mut number: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

impl FromJson for Stamp {
    fn from_json(value: Value) -> Option<Self> {
        parse(value.as_str()?)
    }
}

impl From<Stamp> for Value {
    fn from(stamp: Stamp) -> Self {
        Self::String(stamp.to_string())
    }
}

impl TryFrom<String> for Stamp {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text)
    }
}

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> Self {
        stamp.to_string()
    }
}

fn parse(text: &str) -> Option<Stamp> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes[4] != b'-' || bytes[7] != b'-' || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') {
        return None;
    }
    let (year, month, day) = (digits(bytes, 0, 4)?, digits(bytes, 5, 7)?, digits(bytes, 8, 10)?);
    let (hour, minute, second) = (digits(bytes, 11, 13)?, digits(bytes, 14, 16)?, digits(bytes, 17, 19)?);
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, counted, rest) = fraction(&bytes[19..])?;
    let days = days_from_civil(year, month, day)?;
    let local = (days * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1000) + micros / 1000;
    let ms = local.checked_add_signed(-offset_ms(rest)?)?;
    let rank = if counted { u16::try_from(micros % 1000).ok()? } else { NO_COUNTER };
    (ms < END_MS).then_some(Stamp { ms, rank })
}

/// Microseconds, whether there were more than three digits, and what follows.
fn fraction(bytes: &[u8]) -> Option<(u64, bool, &[u8])> {
    let Some(rest) = bytes.strip_prefix(b".") else {
        return Some((0, false, bytes));
    };
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 || count > 12 {
        return None;
    }
    let micros = (0..6).fold(0, |sum, at| sum * 10 + if at < count { u64::from(rest[at] - b'0') } else { 0 });
    Some((micros, count > 3, &rest[count..]))
}

fn offset_ms(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (digits(bytes, 1, 3)?, digits(bytes, 4, 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let ms = i64::try_from(hours * 3_600_000 + minutes * 60_000).ok()?;
            Some(if *sign == b'+' { ms } else { -ms })
        }
        _ => None,
    }
}

fn digits(bytes: &[u8], from: usize, to: usize) -> Option<u64> {
    bytes.get(from..to)?.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0')))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, from 1970 on.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let before = year.checked_sub(1970)?;
    let leaps = |y: u64| y / 4 - y / 100 + y / 400;
    let of_year: u64 = (1..month).map(|m| days_in_month(year, m)).sum();
    Some(before * 365 + leaps(year - 1) - leaps(1969) + of_year + day - 1)
}

/// The inverse of [`days_from_civil`], by the era arithmetic of the proleptic Gregorian calendar (400 years = 146,097 days).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests;
