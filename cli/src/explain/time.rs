//! The time at which an event is judged.
//!
//! Receives the argument; produces a clock that stands still at that time, so that every check of one run uses the
//! time that is printed.

use std::str::FromStr;

use authorizer_steps::clock::{Clock, UnixTime};
use aws_smithy_types::{DateTime, date_time::Format};

/// `--at`: RFC 3339 with any offset, or Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(UnixTime);

impl At {
    pub(super) fn time(self) -> UnixTime {
        self.0
    }
}

/// The text is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time from 1970 on, such as `2027-01-15T08:00:00Z` or `1800000000`")]
pub(crate) struct InvalidTime;

impl FromStr for At {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let seconds = if text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse().map_err(|_| InvalidTime)?
        } else {
            let time = DateTime::from_str(text, Format::DateTimeWithOffset).map_err(|_| InvalidTime)?;
            u64::try_from(time.secs()).map_err(|_| InvalidTime)?
        };
        // What cannot be written as a date cannot be printed as one.
        let time = UnixTime::from_seconds(seconds);
        if rfc3339(time).contains('T') { Ok(Self(time)) } else { Err(InvalidTime) }
    }
}

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub(super) struct StandingClock(pub(super) UnixTime);

impl Clock for StandingClock {
    fn now(&self) -> UnixTime {
        self.0
    }
}

/// `2027-01-15T08:00:00Z`, in whole seconds; Unix seconds for what lies beyond the year 9999.
pub(super) fn rfc3339(time: UnixTime) -> String {
    let date = i64::try_from(time.seconds()).ok().map(DateTime::from_secs);
    let text = date.and_then(|date| date.fmt(Format::DateTime).ok());
    text.unwrap_or_else(|| time.seconds().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_both_forms() {
        for text in
            ["1800000000", "2027-01-15T08:00:00Z", "2027-01-15T09:00:00+01:00", "2027-01-15T08:00:00.9Z"]
        {
            assert_eq!(
                At::from_str(text).map(|at| rfc3339(at.0)),
                Ok("2027-01-15T08:00:00Z".to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn rejects_what_is_not_a_time() {
        for text in [
            "",
            "now",
            "-1",
            "1.5",
            "2027-01-15",
            "2027-01-15 08:00",
            "1969-12-31T23:59:59Z",
            "99999999999999999999",
            "18446744073709551615",
        ] {
            assert_eq!(At::from_str(text), Err(InvalidTime), "{text}");
        }
    }
}
