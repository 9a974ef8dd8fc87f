//! What a run has measured so far. It is saved after each part, so that you can continue an interrupted run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use test_bed::parts;

use crate::at_once::AtOnce;
use crate::instructions::Counts;
use crate::machine::{self, Machine};
use crate::scale::Scale;
use crate::timing::{Start, Throttled, Warm, Warmed};

/// All of it. What is empty was not measured yet.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Of the machine when the run began.
    pub(crate) load: String,
    pub(crate) sizes: BTreeMap<String, u64>,
    pub(crate) counts: Option<Counts>,
    pub(crate) starts: Vec<Start>,
    pub(crate) warm: Warmed,
    /// Empty, too, where the machine does not let itself be shared out.
    pub(crate) throttled: Option<Vec<Throttled>>,
    pub(crate) at_once: Vec<AtOnce>,
    pub(crate) scale: Option<Scale>,
}

impl Results {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            load: machine::load(),
            sizes: BTreeMap::new(),
            counts: None,
            starts: Vec::new(),
            warm: Warmed::default(),
            throttled: None,
            at_once: Vec::new(),
            scale: None,
        }
    }

    /// Those of a run that was interrupted, if it was of this commit and on this machine.
    pub(crate) fn of_last_run(machine: &Machine) -> Option<Self> {
        let kept: Self = serde_json::from_str(&std::fs::read_to_string(path()).ok()?).ok()?;
        (kept.machine == *machine).then_some(kept)
    }

    pub(crate) fn keep(&self) {
        let text = serde_json::to_string_pretty(self).expect("results are JSON");
        std::fs::write(path(), text).expect("the results can be written");
    }

    pub(crate) fn warm(&self, subject: &str, call: &str) -> Option<&Warm> {
        self.warm.calls.iter().find(|warm| warm.subject == subject && warm.call == call)
    }

    pub(crate) fn median(&self, subject: &str, call: &str) -> Option<f64> {
        Some(self.warm(subject, call)?.latency.median)
    }

    pub(crate) fn start(&self, subject: &str) -> Option<&Start> {
        self.starts.iter().find(|start| start.subject == subject)
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        let text = || "-".to_owned();
        Self::new(Machine {
            commit: text(),
            processor: text(),
            cores: 2,
            memory: text(),
            kernel: text(),
            versions: Vec::new(),
        })
    }
}

fn path() -> PathBuf {
    parts::target().join("test-bed/bench.json")
}
