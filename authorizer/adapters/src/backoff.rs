//! How long to wait after failures.

use std::time::Duration;

use aws_lc_rs::rand;

/// A pause that grows with the failures in a row. Half of it is chance, which spreads the attempts of many instances.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    /// The longest that the pause after one failure can be.
    pub(crate) first: Duration,
    /// What each further failure multiplies it by.
    pub(crate) factor: u32,
    /// The longest that any pause can be.
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The pause after so many failures in a row. `chance` is [`chance`]'s.
    pub(crate) fn after(self, failures: u32, chance: u8) -> Duration {
        let factor = self.factor.saturating_pow(failures.saturating_sub(1));
        let half = self.first.saturating_mul(factor).min(self.longest) / 2;
        half + half * u32::from(chance) / u32::from(u8::MAX)
    }
}

/// Where there is no randomness, the attempts are not spread.
pub(crate) fn chance() -> u8 {
    let mut byte = [0];
    let _spread = rand::fill(&mut byte);
    let [byte] = byte;
    byte
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_up_to_its_limit_and_half_of_it_is_chance() {
        let backoff = Backoff { first: Duration::from_secs(1), factor: 2, longest: Duration::from_secs(6) };
        let pauses =
            |chance| [1, 2, 3, 4, u32::MAX].map(|failures| backoff.after(failures, chance).as_millis());
        assert_eq!(pauses(0), [500, 1000, 2000, 3000, 3000]);
        assert_eq!(pauses(255), [1000, 2000, 4000, 6000, 6000]);
    }
}
