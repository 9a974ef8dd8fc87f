//! Turns times into figures: the median, the limits that nine in ten and ninety-nine in a hundred stay below, and the
//! shortest time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Of many times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub(crate) struct Figures {
    pub(crate) count: usize,
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
}

impl Figures {
    /// Of at least one time.
    pub(crate) fn of(times: &[Duration]) -> Self {
        let mut micros: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        micros.sort_by(f64::total_cmp);
        let quantile = |share: f64| micros[rank(micros.len(), share)];
        Self {
            count: micros.len(),
            min: micros[0],
            median: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
        }
    }
}

/// The place, from 0, of the smallest value that so large a share of all is not above (the nearest rank).
fn rank(count: usize, share: f64) -> usize {
    let rank = (count as f64 * share).ceil() as usize;
    rank.clamp(1, count) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Figures {
        Figures::of(&micros.into_iter().map(Duration::from_micros).collect::<Vec<_>>())
    }

    #[test]
    fn the_figures_of_a_hundred_are_those_at_their_places_in_whatever_order_they_come() {
        let figures = Figures { count: 100, min: 1.0, median: 50.0, p90: 90.0, p99: 99.0 };
        assert_eq!(of((1..=100).rev()), figures);
    }

    #[test]
    fn one_time_is_all_of_its_figures() {
        assert_eq!(of([7]), Figures { count: 1, min: 7.0, median: 7.0, p90: 7.0, p99: 7.0 });
    }

    #[test]
    fn of_twenty_five_the_thirteenth_is_the_median_and_the_last_is_beyond_all_shares() {
        let figures = Figures { count: 25, min: 1.0, median: 13.0, p90: 23.0, p99: 25.0 };
        assert_eq!(of(1..=25), figures);
    }
}
