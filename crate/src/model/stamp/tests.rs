//! Stamps as text, in their order, and moved in time.

use super::*;
use proptest::prelude::*;

fn stamp(text: &str) -> Stamp {
    Stamp::parse(text).unwrap()
}

#[test]
fn a_stamp_without_counter_ranks_after_every_counter_of_its_millisecond() {
    assert!(stamp("2026-01-02T03:04:05.678Z") > stamp("2026-01-02T03:04:05.678999Z"));
    assert!(stamp("2026-01-02T03:04:05.678Z") < stamp("2026-01-02T03:04:05.679000Z"));
    assert_eq!(stamp("2026-01-02T03:04:05.678Z").next(), stamp("2026-01-02T03:04:05.679000Z"));
    assert_eq!(stamp("2026-01-02T03:04:05.678999Z").next(), stamp("2026-01-02T03:04:05.679000Z"));
}

#[test]
fn other_spellings_are_brought_to_one_form() {
    assert_eq!(stamp("2026-01-02T03:04:05Z").to_string(), "2026-01-02T03:04:05.000Z");
    assert_eq!(stamp("2026-01-02T05:04:05.6+02:00").to_string(), "2026-01-02T03:04:05.600Z");
    assert_eq!(stamp("2026-01-02t03:04:05.1234567z").to_string(), "2026-01-02T03:04:05.123456Z");
}

#[test]
fn what_is_not_a_time_of_these_years_is_refused() {
    for text in [
        "",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-01",
        "1969-12-31T23:59:59.999Z",
        "9999-01-01T00:00:00.000Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z",
        "+02026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000000000000000Z",
        "２026-01-01T00:00:00.000Z",
    ] {
        assert!(Stamp::parse(text).is_err(), "{text}");
    }
}

#[test]
fn every_day_goes_there_and_back() {
    for day in 0..END_MS / MS_PER_DAY {
        let (y, m, d) = civil_from_days(day);
        assert_eq!(days_from_civil(y, m, d), Some(day));
    }
}

/// Any stamp, half of them close to each other.
fn stamps() -> impl Strategy<Value = Stamp> {
    let near = 1_767_225_600_000..1_767_225_600_003u64;
    let ms = prop_oneof![2 => near, 1 => 0..END_MS, 1 => (END_MS - 2)..END_MS, 1 => 0..3u64];
    let rank = prop_oneof![0..=1000u16, 0..3u16, 998..=1000u16];
    (ms, rank).prop_map(|(ms, rank)| Stamp { ms, rank })
}

/// Milliseconds that a stamp can be moved by without reaching either end.
const ROOM_MS: i64 = 1 << 39;

/// Stamps with that room on both sides, half of them close to each other.
fn inner_stamps() -> impl Strategy<Value = Stamp> {
    let room = ROOM_MS.unsigned_abs();
    let ms = prop_oneof![1_767_225_600_000..1_767_225_600_003u64, room..END_MS - room];
    (ms, 0..=1000u16).prop_map(|(ms, rank)| Stamp { ms, rank })
}

proptest! {
    #[test]
    fn text_and_integers_sort_alike(first in stamps(), second in stamps()) {
        prop_assert_eq!(Stamp::parse(&first.to_string()), Ok(first));
        prop_assert_eq!(first.cmp(&second), first.to_string().cmp(&second.to_string()));
    }

    #[test]
    fn a_stamp_has_24_characters_and_ranks_last_in_its_millisecond_or_27_and_does_not(one in stamps(), rank in 0..1000u16) {
        let text = one.to_string();
        prop_assert_eq!(text.len(), if one.rank == NO_COUNTER { 24 } else { 27 });
        let short = format!("{}Z", &text[..23]);
        prop_assert!(stamp(&short) >= one);
        let counted = Stamp { ms: one.ms, rank };
        prop_assert!(stamp(&short) > counted);
        prop_assert!(one.ms + 1 == END_MS || stamp(&short) < Stamp::at_ms(one.ms + 1));
    }

    #[test]
    fn no_stamp_with_a_counter_lies_between_a_stamp_and_the_next(one in stamps(), other in stamps()) {
        prop_assume!(one.ms < END_MS - 1 && other.rank < NO_COUNTER);
        prop_assert!(one.next() > one && one.next().rank < NO_COUNTER);
        prop_assert!(other <= one || other >= one.next());
    }

    #[test]
    fn a_stamp_moved_there_and_back_is_itself_and_order_is_kept(
        one in inner_stamps(), other in inner_stamps(), offset in -ROOM_MS..ROOM_MS
    ) {
        prop_assert_eq!(one.shifted(0), one);
        prop_assert_eq!(one.shifted(offset).shifted(-offset), one);
        prop_assert_eq!(one.shifted(offset).cmp(&other.shifted(offset)), one.cmp(&other));
        prop_assert_eq!(one.shifted(offset).ms.checked_signed_diff(one.ms), Some(offset));
    }

    #[test]
    fn a_stamp_moved_too_far_stays_one(one in stamps(), offset in any::<i64>()) {
        let moved = one.shifted(offset);
        prop_assert_eq!(Stamp::parse(&moved.to_string()), Ok(moved));
        prop_assert_eq!(moved.rank, one.rank);
    }

    #[test]
    fn a_time_elsewhere_on_earth_is_the_same_time(one in stamps(), hours in 0..24i64, minutes in 0..60i64, west in any::<bool>()) {
        let ahead = if west { -1 } else { 1 } * (hours * 60 + minutes) * 60_000;
        let Some(there) = one.ms.checked_add_signed(ahead).filter(|ms| *ms < END_MS) else { return Ok(()) };
        let local = Stamp { ms: there, rank: one.rank }.to_string();
        let sign = if west { '-' } else { '+' };
        prop_assert_eq!(Stamp::parse(&local.replace('Z', &format!("{sign}{hours:02}:{minutes:02}"))), Ok(one));
    }

    #[test]
    fn digits_past_the_sixth_are_dropped_and_missing_ones_are_zeros(one in stamps(), digits in "[0-9]{1,12}") {
        let spelt = format!("{}.{digits}Z", &one.to_string()[..19]);
        let length = if digits.len() > 3 { 6 } else { 3 };
        let canonical = format!("{}.{:0<length$}Z", &spelt[..19], &digits[..digits.len().min(length)]);
        prop_assert_eq!(stamp(&spelt).to_string(), canonical);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}") {
        let _ = Stamp::parse(&text);
    }

    #[test]
    fn a_time_with_one_character_changed_is_refused_or_another_time(one in stamps(), at in 0..27usize, byte in 32..127u8) {
        let mut text = one.to_string().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        if let Ok(read) = Stamp::parse(std::str::from_utf8(&text).unwrap()) {
            prop_assert_eq!(Stamp::parse(&read.to_string()), Ok(read));
        }
    }
}
