//! Runs the five steps. No other module knows their order.
//!
//! Receives the raw event of one invocation; produces the answer for API Gateway, and one [`Record`]. Every wait ends
//! before the deadline that Lambda sets.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sts_identity::Sts;

use crate::{
    caller_limit::{Beyond, CallerLimit},
    clock::{Clock, UnixTime},
    event::{self, CredentialSource, EventError, EventSummary, Json, Request, Shape},
    grant::{self, Grant, Stage, Stages},
    identity::{Asked, Identity, KeySource, Schemes},
    mint::{self, Minter, TokenMetadata, ahead::Ahead},
    outcome::{Code, Kind, Refusal},
    response::{self, Answer, AnswerSettings, Envelope},
    telemetry::{self, CallerIdInLog, Observer, Record, Step, Stopwatch},
};

/// Left for the answer to reach Lambda before the deadline.
const ANSWER_MARGIN: Duration = Duration::from_millis(200);

/// HTTP APIs give an authorizer 10 s whatever the function's timeout is (API Gateway quotas).
const LONGEST_WALK: Duration = Duration::from_millis(9_500);

/// Decides about requests.
pub struct Authorizer<K, S, M> {
    /// Steps 1 to 3.
    pub resolver: Resolver<K, S>,
    /// How often one caller may have something minted.
    pub caller_limit: CallerLimit,
    /// What was minted before it was asked for.
    pub ahead: Ahead,
    /// Who mints.
    pub minter: M,
    /// Where the integration finds Vault.
    pub envelope: Envelope,
    /// The forms of answers.
    pub answer: AnswerSettings,
    /// How the log names callers.
    pub caller_id_in_log: CallerIdInLog,
    /// Whether this process has served a request.
    pub warm: AtomicBool,
}

/// Steps 1 to 3: who is calling, and which grant is theirs. Asks Vault for nothing.
pub struct Resolver<K, S> {
    /// How callers prove who they are.
    pub schemes: Schemes<K, S>,
    /// Where a credential may stand.
    pub credentials: Vec<CredentialSource>,
    /// What each stage gives to whom.
    pub stages: Stages,
    /// The one clock.
    pub clock: Arc<dyn Clock>,
}

/// What steps 1 to 3 found.
pub struct Resolved<'a> {
    /// Step 1.
    pub request: Request<'a>,
    /// The stage that the request is for.
    pub stage: &'a Stage,
    /// Step 2.
    pub identity: Identity,
    /// Step 3.
    pub grant: Grant<'a>,
}

/// What Lambda says of one invocation.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// Lambda's request id: the denial id, and the name of this decision in every log.
    pub request_id: &'a str,
    /// `X-Amzn-Trace-Id`.
    pub trace_id: Option<&'a str>,
    /// When Lambda ends the call.
    pub deadline: UnixTime,
}

impl<K: KeySource, S: Sts, M: Minter> Authorizer<K, S, M> {
    /// Answers one event and writes its record.
    pub async fn answer(&self, event: &[u8], invocation: Invocation<'_>) -> Answer {
        let (answer, record) = self.decide(event, invocation).await;
        record.write(self.resolver.clock.now());
        answer
    }

    /// Answers one event, and says what there is to record of it.
    pub async fn decide(&self, event: &[u8], invocation: Invocation<'_>) -> (Answer, Record) {
        let stopwatch = Stopwatch::start();
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        let event = event::read(event);
        let seen = event.as_ref().map(EventSummary::of).unwrap_or_default();
        let mut record = Record::of(seen, self.caller_id_in_log);
        record.invocation(invocation.request_id, invocation.trace_id, cold_start);
        let now = self.resolver.clock.now();
        let time = time_for_the_walk(invocation.deadline, now);
        let walk = async {
            let event = event.as_ref().map_err(EventError::clone)?;
            self.walk(event, invocation.request_id, now.plus(time), &mut record).await
        };
        let outcome = tokio::time::timeout(time, walk).await.unwrap_or(Err(Refusal::DeadlineExceeded));
        record.decided(outcome.as_ref().map(|_| ()), stopwatch);
        let refuse = |refusal: Refusal| {
            let shape = event.as_ref().ok().and_then(|event| Shape::of(event).ok());
            response::refuse(refusal.code(), invocation.request_id, shape, self.answer)
        };
        (outcome.unwrap_or_else(refuse), record)
    }

    /// What there is to do once an answer has gone, and no caller waits: mints ahead, and gives back what is too old.
    pub async fn mint_ahead(&self, deadline: UnixTime) {
        let clock = &*self.resolver.clock;
        if !self.ahead.is_due(clock.now()) {
            return;
        }
        let deadline = clock.now().plus(time_for_the_walk(deadline, clock.now()));
        let report = |wasted| telemetry::write_wasted(&wasted, clock.now());
        self.ahead.renew(deadline, &self.minter, clock, report).await;
    }

    /// event -> identity -> grant -> mint -> response.
    async fn walk(
        &self,
        event: &Json<'_>,
        request_id: &str,
        deadline: UnixTime,
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
        let Resolved { request, stage, mut identity, grant } = self.resolver.resolve(event, record).await?;

        let stopwatch = Stopwatch::start();
        let clock = &*self.resolver.clock;
        let counted = match grant.to_mint() {
            Some(_) => {
                let counted =
                    self.caller_limit.take(identity.caller_id(), grant.name().as_str(), clock.now());
                Some(counted.map_err(|beyond| match beyond {
                    // A denial is an answer, too.
                    Beyond::Mints => {
                        identity.spend();
                        Refusal::RateLimited
                    }
                    Beyond::Faults { refused: true } => Refusal::RefusedOfLate,
                    Beyond::Faults { refused: false } => Refusal::TooManyFaults,
                })?)
            }
            None => None,
        };
        let caller_id = self.caller_id_in_log.shown(identity.caller_id());
        let metadata =
            TokenMetadata { stage: stage.name.as_str(), request_id, caller_id: caller_id.as_deref() };
        let delivery = mint::deliver(&grant, metadata, deadline, &self.ahead, &self.minter, clock).await;
        if grant.to_mint().is_some() {
            record.timed(Step::Mint, stopwatch);
        }
        let outcome = delivery.map_err(Refusal::from).and_then(|delivery| {
            record.delivery(&delivery);
            response::allow(&request, &identity, &grant, &delivery, &self.envelope, self.answer)
                .map_err(|bytes| Refusal::AnswerTooLarge { bytes })
        });
        let fault = outcome.as_ref().err().map(Refusal::code).filter(|code| code.kind() == Kind::Fault);
        let is_outage = matches!(&outcome, Err(Refusal::Mint(error)) if error.is_outage());
        if let Some(counted) = counted {
            match fault {
                None => counted.answered(),
                Some(fault) if !is_outage => counted.wasted(fault == Code::VaultMintRefused),
                Some(_) => {}
            }
        }
        // A denial is an answer, too. A proof that ends in a fault is given back, also where the walk is dropped.
        if fault.is_none() {
            identity.spend();
        }
        outcome
    }
}

impl<K: KeySource, S: Sts> Resolver<K, S> {
    /// event -> identity -> grant.
    ///
    /// # Errors
    ///
    /// The error of the step that ended the walk.
    pub async fn resolve<'a>(
        &'a self,
        event: &'a Json<'_>,
        observer: &mut impl Observer,
    ) -> Result<Resolved<'a>, Refusal> {
        let stopwatch = Stopwatch::start();
        let request = Request::parse(event)?;
        let stage = grant::stage(&self.stages, &request)?;
        observer.stage(stage);
        let (source, credential) = request.credential(&self.credentials)?;
        observer.credential(&source, &credential);
        observer.timed(Step::Event, stopwatch);

        let stopwatch = Stopwatch::start();
        let asked = Asked {
            audiences: stage.audiences.as_deref(),
            server_id: stage.server_id.as_ref(),
            sender: request.sender(),
            now: self.clock.now(),
        };
        let mut identity = self.schemes.identify(&credential, asked).await?;
        observer.caller(&identity, &request, stage);
        observer.timed(Step::Identity, stopwatch);

        let stopwatch = Stopwatch::start();
        let grant = grant::resolve(&identity, &request, stage, self.clock.now());
        // A denial is an answer, too.
        let grant = grant.inspect_err(|_| identity.spend())?;
        observer.grant(&grant);
        observer.timed(Step::Grant, stopwatch);
        Ok(Resolved { request, stage, identity, grant })
    }
}

/// How long the walk may take.
fn time_for_the_walk(deadline: UnixTime, now: UnixTime) -> Duration {
    deadline.duration_after(now).saturating_sub(ANSWER_MARGIN).min(LONGEST_WALK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_ends_before_lambda_and_api_gateway_do() {
        let millis = |deadline| {
            time_for_the_walk(UnixTime::from_millis(deadline), UnixTime::from_millis(1_000)).as_millis()
        };
        assert_eq!(millis(9_000), 7_800);
        assert_eq!(millis(31_000), 9_500);
        assert_eq!(millis(1_100), 0);
        assert_eq!(millis(0), 0);
    }
}
