//! The bar: turns what was seen into [`Figures`], with every promise that was broken.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::load::{Outcome, Sample};
use super::scenario::{FaultsAllowed, Scenario};
use super::watch::Election;
use super::{Pace, RECOVERY_LIMIT};

/// How long after an election, or after all is mended, faults still count as its own: the load balancer looks at each node every
/// half second and waits a second for it; the authorizer leaves a Vault that failed alone for at most eight.
pub const MARGIN: Duration = Duration::from_secs(10);

/// Of the good callers' requests outside these times, how many may be faults.
pub const MOST_FAULTS_PERCENT: usize = 1;

/// Fewer good requests outside are no base for a share.
const FEWEST_REQUESTS: usize = 50;

/// What a run has seen.
#[derive(Debug)]
pub struct Observed {
    pub samples: Vec<Sample>,
    /// The times without a leader.
    pub leaders: Vec<Election>,
    pub broken: Instant,
    pub mended: Instant,
    /// Whether each function allowed a caller after that.
    pub served_again: bool,
    /// Callers' tokens that Vault holds after their TTL; `None` where nobody waited.
    pub tokens_left: Option<usize>,
    pub exits: usize,
    /// Functions' messages of a panic.
    pub panics: usize,
}

/// A scenario's row of the document.
#[derive(Debug)]
pub struct Figures {
    pub requests: usize,
    /// Good callers with a token.
    pub allowed: usize,
    /// Forged ones with a denial.
    pub denied: usize,
    /// Good callers' faults by code, in the times in which they may be.
    pub faults_within: BTreeMap<String, usize>,
    /// The same outside these times.
    pub faults_outside: BTreeMap<String, usize>,
    /// Good callers' requests outside these times.
    pub requests_outside: usize,
    pub longest: Duration,
    /// The longest time without a leader; `None` where there was always one.
    pub election: Option<Duration>,
    /// From when it was broken to the end of the last fault.
    pub last_fault: Option<Duration>,
    /// Callers' tokens that Vault holds after their TTL; `None` where nobody waited.
    pub tokens_left: Option<usize>,
    pub exits: usize,
    /// Which promises were not kept, in words.
    pub missed: Vec<String>,
}

impl Observed {
    /// Compares it with the bar.
    pub fn judged(&self, scenario: &Scenario, pace: Pace) -> Figures {
        let windows = self.windows(scenario.faults);
        let within = |sample: &Sample| {
            let end = sample.began + sample.took;
            windows.iter().any(|(from, to)| sample.began <= *to && *from <= end)
        };
        let good = || self.samples.iter().filter(|sample| !sample.forged);
        let count = |forged: bool, outcome: &Outcome| {
            self.samples.iter().filter(|sample| sample.forged == forged && sample.outcome == *outcome).count()
        };
        let faults = |inside: bool| {
            let mut codes = BTreeMap::new();
            for sample in good().filter(|sample| within(sample) == inside) {
                if let Outcome::Fault(code) = &sample.outcome {
                    *codes.entry(code.clone()).or_insert(0) += 1;
                }
            }
            codes
        };
        let last_fault = good()
            .filter(|sample| matches!(sample.outcome, Outcome::Fault(_)))
            .map(|sample| (sample.began + sample.took).saturating_duration_since(self.broken))
            .max();
        let mut figures = Figures {
            requests: self.samples.len(),
            allowed: count(false, &Outcome::Allowed),
            denied: count(true, &Outcome::Denied),
            faults_within: faults(true),
            faults_outside: faults(false),
            requests_outside: good().filter(|sample| !within(sample)).count(),
            longest: self.samples.iter().map(|sample| sample.took).max().unwrap_or_default(),
            election: self.leaders.iter().map(|election| election.ended - election.began).max(),
            last_fault,
            tokens_left: self.tokens_left,
            exits: self.exits + self.panics,
            missed: Vec::new(),
        };
        figures.missed = self.missed(&figures, pace);
        figures
    }

    /// When faults may be.
    fn windows(&self, faults: FaultsAllowed) -> Vec<(Instant, Instant)> {
        let elections = self.leaders.iter().map(|election| (election.began, election.ended + MARGIN));
        let broken = (faults == FaultsAllowed::WhileBroken).then_some((self.broken, self.mended + MARGIN));
        elections.chain(broken).collect()
    }

    fn missed(&self, figures: &Figures, pace: Pace) -> Vec<String> {
        let count =
            |wrong: &dyn Fn(&Sample) -> bool| self.samples.iter().filter(|sample| wrong(sample)).count();
        let denied = count(&|sample| !sample.forged && sample.outcome == Outcome::Denied);
        let forged = count(&|sample| sample.forged && sample.outcome != Outcome::Denied);
        let unanswered = count(&|sample| sample.outcome == Outcome::Unanswered);
        let outside: usize = figures.faults_outside.values().sum();
        let too_many = outside * 100 > figures.requests_outside * MOST_FAULTS_PERCENT;
        let tokens_left = figures.tokens_left.unwrap_or_default();
        let promises = [
            (denied == 0, format!("{denied} good callers were denied")),
            (forged == 0, format!("{forged} forged callers got something else than a denial")),
            (unanswered == 0, format!("{unanswered} requests had no answer before the deadline")),
            (figures.exits == 0, format!("{} functions ended or panicked", figures.exits)),
            (tokens_left == 0, format!("Vault holds {tokens_left} callers' tokens after their TTL")),
            (
                self.served_again,
                format!("not every function was served again within {} s", RECOVERY_LIMIT.as_secs()),
            ),
            (
                !pace.counts_faults || !too_many,
                format!("{outside} faults in {} requests outside", figures.requests_outside),
            ),
            (
                !pace.counts_faults || figures.requests_outside >= FEWEST_REQUESTS,
                format!("{} requests outside are too few to judge by", figures.requests_outside),
            ),
        ];
        promises.into_iter().filter(|(kept, _)| !kept).map(|(_, words)| words).collect()
    }
}
