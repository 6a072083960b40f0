//! Dates as text and as numbers, in the Gregorian calendar carried on before its beginning.

use crate::DateUnit;

/// Seconds of a day.
pub(crate) const DAY: f64 = 86_400.0;

/// Seconds from 1970-01-01 to a date such as `2024-01-31`, or one with a time of day such as
/// `2024-01-31T12:30:00`; the seconds, a fraction of them and `Z` may follow. A space may stand for the `T`.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let [year, month, day] = [
        number(bytes, 0, 4)?,
        number(bytes, 5, 2)?,
        number(bytes, 8, 2)?,
    ];
    if !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    let midnight = days(year, month, day) as f64 * DAY;
    match bytes.get(10) {
        None => Some(midnight),
        Some(b'T' | b' ') => Some(midnight + time(&text[11..])?),
        Some(_) => None,
    }
}

/// Seconds since midnight of `12:30`, `12:30:00` or `12:30:00.25`, each perhaps with a `Z`.
fn time(text: &str) -> Option<f64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let bytes = whole.as_bytes();
    let second = match bytes.len() {
        5 if whole.len() == text.len() => 0,
        8 if bytes[5] == b':' => number(bytes, 6, 2)?,
        _ => return None,
    };
    let (hour, minute) = (number(bytes, 0, 2)?, number(bytes, 3, 2)?);
    let is_time = bytes[2] == b':' && hour < 24 && minute < 60 && second < 60;
    if !is_time || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    Some((hour * 3600 + minute * 60 + second) as f64 + fraction)
}

/// The number that `len` digits from `start` on are.
fn number(bytes: &[u8], start: usize, len: usize) -> Option<i64> {
    let digits = bytes.get(start..start + len)?;
    digits.iter().try_fold(0, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'));
        Some(number * 10 + digit?)
    })
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A time in days since 1970-01-01 as text, rounded to the unit.
pub(crate) fn text(since_1970: f64, unit: DateUnit) -> String {
    let of_day = match unit {
        DateUnit::Day => 1,
        DateUnit::Minute => 24 * 60,
        DateUnit::Second => 24 * 60 * 60,
    };
    // A model may say any number: no year of more than seven digits.
    let since_1970 = since_1970.clamp(-1e9, 1e9);
    let units = (since_1970 * of_day as f64).round() as i64;
    let (year, month, day) = date(units.div_euclid(of_day));
    let seconds = units.rem_euclid(of_day) * (24 * 60 * 60 / of_day);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match unit {
        DateUnit::Day => format!("{year:04}-{month:02}-{day:02}"),
        DateUnit::Minute | DateUnit::Second => {
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
        }
    }
}

/// The unit that times, in seconds, are whole numbers of; the second where a fraction is lost.
pub(crate) fn unit(seconds: impl Iterator<Item = f64> + Clone) -> DateUnit {
    let whole = |of: f64| seconds.clone().all(|second| second % of == 0.0);
    match (whole(DAY), whole(60.0)) {
        (true, _) => DateUnit::Day,
        (false, true) => DateUnit::Minute,
        (false, false) => DateUnit::Second,
    }
}

/// Days from 1970-01-01 to a date (Hinnant 2013, "chrono-compatible low-level date algorithms"): years
/// begin in March, so that the leap day is the last, and 400 of them are 146,097 days.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    year.div_euclid(400) * 146_097 + of_era - 719_468
}

/// Undoes [`days`]: year, month and day.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + days.div_euclid(146_097) * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Day counts of Python: `(datetime.date(2024, 2, 29) - datetime.date(1970, 1, 1)).days`.
    #[test]
    fn known_dates_have_known_days() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2024-02-29", 19_782),
            ("1900-03-01", -25_508),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(parse(text), Some(f64::from(days) * DAY), "{text}");
            assert_eq!(super::text(f64::from(days), DateUnit::Day), text);
        }
    }

    #[test]
    fn times_of_day_are_seconds_after_midnight() {
        for (time, seconds) in [
            ("T12:30:00", 45_000.0),
            ("T00:00:00.25", 0.25),
            (" 23:59:59Z", 86_399.0),
            ("T12:30", 45_000.0),
            ("T12:30:00.500Z", 45_000.5),
        ] {
            assert_eq!(parse(&format!("1970-01-01{time}")), Some(seconds), "{time}");
        }
        let text = text(19_753.0 + 45_000.0 / DAY, DateUnit::Minute);
        assert_eq!(text, "2024-01-31T12:30:00");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2024",
            "2024-1-31",
            "2024-13-01",
            "2024-00-01",
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "2024-01-00",
            "2024/01/31",
            "+024-01-31",
            "2024-01-31x",
            "2024-01-31T",
            "2024-01-31T24:00:00",
            "2024-01-31T12:60:00",
            "2024-01-31T12:30:60",
            "2024-01-31T12:30:00.",
            "2024-01-31T12:30:00+01:00",
            "2024-01-31T12:30.5",
            "2024-01-31T1é:30:00",
            "2024-01-3é",
            "2024-01-31é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_number_is_too_large_to_be_written() {
        for days in [f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, f64::NAN] {
            for unit in DateUnit::ALL {
                assert!(!text(days, *unit).is_empty());
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(days in -719_000_i64..2_900_000, second in 0_i64..86_400) {
            let seconds = (days * 86_400 + second) as f64;
            let written = text(seconds / DAY, DateUnit::Second);
            prop_assert_eq!(parse(&written), Some(seconds), "{}", written);
            let written = text(days as f64, DateUnit::Day);
            prop_assert_eq!(parse(&written), Some(days as f64 * DAY), "{}", written);
        }

        /// Day by day, by the rules of the calendar.
        #[test]
        fn the_day_after_is_one_more(days in -719_000_i64..2_900_000) {
            let (year, month, day) = date(days);
            let next = match (month, day == days_of_month(year, month)) {
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
                (_, false) => (year, month, day + 1),
            };
            prop_assert_eq!(date(days + 1), next);
        }

        #[test]
        fn no_text_panics(text in ".{0,24}") {
            let _ = parse(&text);
        }
    }
}
