//! Measures the times of all subjects in turn, so that anything that slows the machine down for a while slows all of
//! them down.
//!
//! A slow run never fails, but a wrong answer ends the run.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::figures::Figures;
use crate::share::Share;
use crate::subject::{Running, Subject};

/// Starts of each subject.
const STARTS: usize = 25;

/// So many calls of one kind, then those of the next, and all of it so often.
const BLOCK: usize = 25;
const ROUNDS: usize = 40;

/// Of calls that wait for each other.
const SHORT_BLOCK: usize = 3;

/// Blocks of each kind before the ones that are timed.
const WARM_UP: usize = 4;

/// Of the warm calls of one kind.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Warm {
    pub(crate) subject: String,
    pub(crate) call: String,
    pub(crate) latency: Figures,
    /// Of the function's process, in microseconds a request; `None` for the driver's own mint.
    pub(crate) cpu: Option<f64>,
}

/// Of a subject's starts.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Start {
    pub(crate) subject: String,
    /// From the start of the process until it asks for an event.
    pub(crate) init: Figures,
    /// The first event.
    pub(crate) first: Figures,
    /// The processor's time of both, in microseconds.
    pub(crate) cpu: f64,
}

/// What a process has used.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Warmed {
    pub(crate) calls: Vec<Warm>,
    /// By subject: the most memory that was resident, in KiB.
    pub(crate) peak_memory: BTreeMap<String, u64>,
}

/// Warm calls.
pub(crate) async fn warm(subjects: &[Subject]) -> Warmed {
    let subjects: Vec<&Subject> = subjects.iter().filter(|subject| subject.is_warmed).collect();
    let mut running: Vec<Running> = Vec::new();
    for subject in &subjects {
        println!("    {} starts", subject.name);
        let mut started = subject.start().await;
        for call in &subject.calls {
            for _ in 0..WARM_UP {
                block(&mut started, call, &mut Vec::new()).await;
            }
        }
        running.push(started);
    }

    let mut times: Vec<Vec<(Vec<Duration>, Duration)>> =
        subjects.iter().map(|subject| vec![Default::default(); subject.calls.len()]).collect();
    for round in 1..=ROUNDS {
        if round % 10 == 0 {
            println!("    warm calls: round {round} of {ROUNDS}");
        }
        for ((subject, running), times) in subjects.iter().zip(&mut running).zip(&mut times) {
            for (call, (latencies, cpu)) in subject.calls.iter().zip(times) {
                let before = cpu_time(running);
                block(running, call, latencies).await;
                *cpu += cpu_time(running) - before;
            }
        }
    }

    let mut warmed = Warmed::default();
    for ((subject, running), times) in subjects.iter().zip(&running).zip(times) {
        if let Some(function) = running.function() {
            warmed.peak_memory.insert(subject.name.to_owned(), peak_memory(function.pid()));
        }
        for (call, (latencies, cpu)) in subject.calls.iter().zip(times) {
            let a_request = cpu.as_secs_f64() * 1e6 / latencies.len() as f64;
            warmed.calls.push(Warm {
                subject: subject.name.to_owned(),
                call: call.name.to_owned(),
                latency: Figures::of(&latencies),
                cpu: running.function().map(|_| a_request),
            });
        }
    }
    warmed
}

async fn block(running: &mut Running, call: &Call, latencies: &mut Vec<Duration>) {
    for _ in 0..if call.pause.is_some() { SHORT_BLOCK } else { BLOCK } {
        if let Some(pause) = call.pause {
            tokio::time::sleep(pause).await;
        }
        latencies.push(running.answer(call).await.took);
    }
}

/// Starts, each with its first answer.
pub(crate) async fn starts(subjects: &[Subject]) -> Vec<Start> {
    let subjects: Vec<(&Subject, usize)> =
        subjects.iter().filter_map(|subject| Some((subject, subject.first?))).collect();
    let mut times: Vec<(Vec<Duration>, Vec<Duration>, Duration)> = vec![Default::default(); subjects.len()];
    for round in 1..=STARTS {
        if round % 5 == 0 {
            println!("    starts: round {round} of {STARTS}");
        }
        for ((subject, first), (init, answers, cpu)) in subjects.iter().zip(&mut times) {
            let mut running = subject.start().await;
            answers.push(running.answer(&subject.calls[*first]).await.took);
            let function = running.function().expect("only functions start");
            init.push(function.init);
            *cpu += cpu_time(&running);
        }
    }
    let start =
        |((subject, _), (init, first, cpu)): (&(&Subject, usize), &(Vec<_>, Vec<_>, Duration))| Start {
            subject: subject.name.to_owned(),
            init: Figures::of(init),
            first: Figures::of(first),
            cpu: cpu.as_secs_f64() * 1e6 / STARTS as f64,
        };
    subjects.iter().zip(&times).map(start).collect()
}

/// A function with a share of a processor.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Throttled {
    pub(crate) subject: String,
    /// Thousandths of one processor.
    pub(crate) share: u64,
    pub(crate) init: Figures,
    /// The first answer after that.
    pub(crate) first: Figures,
    /// The first answer after an init with all that the machine has.
    pub(crate) first_after_full_init: Figures,
    pub(crate) warm: Figures,
}

/// What 128 MB and 512 MB of memory give a function: one processor is 1,769 MB.
pub(crate) const SHARES: [u64; 2] = [72, 289];

/// By name: who is measured so.
pub(crate) const WITH_A_SHARE: [&str; 6] =
    ["empty", "mint-only", "authorizer", "authorizer-tls", "node", "python"];

const THROTTLED_STARTS: usize = 10;
const THROTTLED_CALLS: usize = 40;

/// Between warm calls: a share is dealt out anew within it.
const REST: Duration = Duration::from_millis(40);

/// Each subject with each share; nothing where this machine lets nobody share it out.
pub(crate) async fn throttled(subjects: &[Subject]) -> Vec<Throttled> {
    let mut all = Vec::new();
    for thousandths in SHARES {
        let Some(share) = Share::of(thousandths) else {
            println!("    this user may make no control group: skipped");
            return Vec::new();
        };
        for subject in subjects {
            println!("    {} with {thousandths} thousandths of a processor", subject.name);
            all.push(with_a_share(subject, thousandths, &share).await);
        }
    }
    all
}

async fn with_a_share(subject: &Subject, thousandths: u64, share: &Share) -> Throttled {
    let call = &subject.calls[subject.first.expect("a function starts")];
    let (mut init, mut first, mut first_after_full_init, mut warm) = (vec![], vec![], vec![], vec![]);
    for round in 0..THROTTLED_STARTS {
        let mut running = subject.start_with(Some(share)).await;
        first.push(running.answer(call).await.took);
        init.push(running.function().expect("a function").init);

        let mut running = subject.start().await;
        share.take(running.function().expect("a function").pid());
        first_after_full_init.push(running.answer(call).await.took);
        for _ in 0..if round == 0 { THROTTLED_CALLS } else { 0 } {
            tokio::time::sleep(REST).await;
            warm.push(running.answer(call).await.took);
        }
    }
    let [init, first, first_after_full_init, warm] =
        [init, first, first_after_full_init, warm].map(|times| Figures::of(&times));
    Throttled {
        subject: subject.name.to_owned(),
        share: thousandths,
        init,
        first,
        first_after_full_init,
        warm,
    }
}

fn cpu_time(running: &Running) -> Duration {
    running.function().map_or(Duration::ZERO, |function| cpu_of(function.pid()))
}

/// What the process has had of the processors: the first figure of each thread's `schedstat`, in nanoseconds.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let time = |thread: &Path| {
        let stat = std::fs::read_to_string(thread.join("schedstat")).ok()?;
        Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
    };
    threads.flatten().filter_map(|thread| time(&thread.path())).sum()
}

/// `VmHWM:     1234 kB` in `/proc/<pid>/status`.
pub(crate) fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the function runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")).and_then(|peak| peak.parse().ok());
    peak.expect("a process has a peak")
}
