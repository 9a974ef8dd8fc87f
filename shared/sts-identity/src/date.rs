//! Parses `X-Amz-Date`. Receives its text; produces the time, or nothing if the text is not a date. It does not check
//! whether the time is in a window.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads `YYYYMMDD'T'HHMMSS'Z'`, in UTC, from 1970 on. Only a date of the calendar is one: no 30th of February, no hour
/// 24 and no leap second.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != "YYYYMMDD".len() || time.len() != "HHMMSS".len() {
        return None;
    }
    let (year, month, day) = (digits(date, 0, 4)?, digits(date, 4, 6)?, digits(date, 6, 8)?);
    let (hour, minute, second) = (digits(time, 0, 2)?, digits(time, 2, 4)?, digits(time, 4, 6)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_epoch(year, month, day)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
}

fn digits(text: &str, from: usize, to: usize) -> Option<u64> {
    let digits = text.get(from..to)?;
    // `parse` alone would take a sign.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = *months.get(before)?;
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    let leap_days = leap_years_before(year) - leap_years_before(1970);
    Some((year - 1970) * 365 + leap_days + months.iter().take(before).sum::<u64>() + day - 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Those of the Gregorian calendar, reckoned back to year 1.
fn leap_years_before(year: u64) -> u64 {
    let last = year - 1;
    last / 4 - last / 100 + last / 400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates_of_the_calendar() {
        // Seconds as `date --utc +%s` gives them.
        let cases = [
            ("19700101T000000Z", 0),
            ("19991231T235959Z", 946_684_799),
            ("20000229T120000Z", 951_825_600),
            ("20240229T000000Z", 1_709_164_800),
            ("20270115T080000Z", 1_800_000_000),
            ("21000301T000000Z", 4_107_542_400),
            ("99991231T235959Z", 253_402_300_799),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse(text), Some(UNIX_EPOCH + Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn rejects_what_is_no_date() {
        let texts =
            "Z T 20270115 20270115T080000 20270115T080000z 20270115t080000Z 20270115T08000Z 2027011T0800000Z
            20270115T0800000Z 2027-01-15T08:00:00Z 20270115T080000+0000 +0270115T080000Z 20270115T+80000Z
            20270015T080000Z 20271315T080000Z 20270100T080000Z 20270132T080000Z 20270431T080000Z
            20270229T080000Z 21000229T080000Z 20270115T240000Z 20270115T086000Z 20270115T080060Z
            19691231T235959Z 00000101T000000Z";
        for text in texts.split_whitespace().chain(["", "20270115T080000Z ", "2027\u{661}115T080000Z"]) {
            assert_eq!(parse(text), None, "`{text}`");
        }
    }
}
