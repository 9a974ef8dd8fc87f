//! The callers: one after the other for each function, with a pause between them.
//!
//! Receives functions, and perhaps the integration behind each; produces a [`Sample`] of each request.
//! [`figures`](super::figures) decides what the samples mean.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use tokio::task::JoinHandle;

use super::{ONE_FORGED_IN, PAUSE};
use crate::{Function, Invocation, Issuer, Signing, TokenSpec, proxied_event};

/// One request and what became of it.
#[derive(Debug, Clone)]
pub struct Sample {
    pub function: usize,
    /// When the function got it.
    pub began: Instant,
    /// Until the answer.
    pub took: Duration,
    pub forged: bool,
    pub outcome: Outcome,
}

/// What the caller would see.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// An Allow, with a token; and the integration's answer, where there is one.
    Allowed,
    /// A 401 or a 403.
    Denied,
    /// An error with this code.
    Fault(String),
    /// Nothing before the deadline, or something that is no answer.
    Unanswered,
}

/// The callers, until [`Load::finish`].
pub(super) struct Load {
    run: Arc<Run>,
    callers: Vec<JoinHandle<()>>,
}

struct Run {
    issuer: Arc<Issuer>,
    samples: Mutex<Vec<Sample>>,
    /// Read by each request; written by who wants none on its way.
    gate: Arc<RwLock<()>>,
    over: AtomicBool,
}

impl Load {
    pub(super) fn start(
        functions: &[Arc<Function>],
        integrations: &[Arc<Function>],
        issuer: &Arc<Issuer>,
    ) -> Self {
        // The forger's keys take a moment to make.
        let _ = issuer.forged(&spec());
        let run = Arc::new(Run {
            issuer: Arc::clone(issuer),
            samples: Mutex::default(),
            gate: Arc::default(),
            over: AtomicBool::new(false),
        });
        let caller = |(index, function): (usize, &Arc<Function>)| {
            tokio::spawn(Arc::clone(&run).call(index, Arc::clone(function), integrations.get(index).cloned()))
        };
        let callers = functions.iter().enumerate().map(caller).collect();
        Self { run, callers }
    }

    /// Waits until no request is on its way, and lets none begin while the guard is held.
    pub(super) async fn hold(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.run.gate).write_owned().await
    }

    /// Waits until every function has allowed a request that began since then; answers whether each has, in time.
    pub(super) async fn served_since(&self, since: Instant, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            let served = |function: usize| {
                let samples = self.run.samples.lock().expect("not poisoned");
                let mut its_own =
                    samples.iter().filter(|sample| sample.function == function && sample.began >= since);
                its_own.any(|sample| sample.outcome == Outcome::Allowed)
            };
            if (0..self.callers.len()).all(served) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// Lets the last requests end.
    pub(super) async fn finish(self) -> Vec<Sample> {
        self.run.over.store(true, Ordering::SeqCst);
        for caller in self.callers {
            caller.await.expect("a caller does not panic");
        }
        self.run.samples.lock().expect("not poisoned").clone()
    }
}

impl Run {
    async fn call(
        self: Arc<Self>,
        index: usize,
        function: Arc<Function>,
        integration: Option<Arc<Function>>,
    ) {
        for turn in 1.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let forged = turn % ONE_FORGED_IN == 0;
            let token = if forged { self.issuer.forged(&spec()) } else { self.issuer.token(&spec()) };
            let gate = self.gate.read().await;
            let began = Instant::now();
            let invocation = function.get("/orders", &token).await;
            let ended = matches!(invocation, Invocation::Exited(_));
            let outcome = match (outcome(&invocation), &integration, invocation) {
                (Outcome::Allowed, Some(integration), Invocation::Response(answer)) => {
                    integrated(integration.invoke(&proxied_event(&answer["context"])).await)
                }
                (outcome, ..) => outcome,
            };
            drop(gate);
            let took = began.elapsed();
            let sample = Sample { function: index, began, took, forged, outcome };
            self.samples.lock().expect("not poisoned").push(sample);
            if ended {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn outcome(invocation: &Invocation) -> Outcome {
    match invocation {
        Invocation::Response(answer) => match answer["policyDocument"]["Statement"][0]["Effect"].as_str() {
            Some("Allow") if answer["context"]["vaultWrappingToken"].is_string() => Outcome::Allowed,
            Some("Deny") => Outcome::Denied,
            _ => Outcome::Unanswered,
        },
        Invocation::Error { message, .. } if message == "Unauthorized" => Outcome::Denied,
        Invocation::Error { message, .. } => Outcome::Fault(message.clone()),
        Invocation::TimedOut | Invocation::Exited(_) => Outcome::Unanswered,
    }
}

/// What the caller sees of the integration.
fn integrated(invocation: Invocation) -> Outcome {
    let Invocation::Response(answer) = invocation else { return Outcome::Unanswered };
    let body = answer["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
    match answer["statusCode"].as_u64() {
        Some(200) => Outcome::Allowed,
        Some(403) => Outcome::Denied,
        _ => Outcome::Fault(body.unwrap_or_default()["error"].as_str().unwrap_or("no answer").to_owned()),
    }
}

fn spec() -> TokenSpec {
    TokenSpec::reader().signing(Signing::Es256)
}
