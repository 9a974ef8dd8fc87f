//! An authorizer with everything real except Vault, STS and the clock.

use std::{
    fmt::Display,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use authorizer_adapters::jwks::Jwks;
use authorizer_steps::{
    authorize::{Authorizer, Invocation, Resolver},
    caller_limit::CallerLimit,
    clock::Clock,
    identity::{AwsIdentityScheme, JwtScheme, Schemes},
    mint::{
        MintError, Order,
        ahead::{Ahead, Wasted},
    },
    response::{Answer, Envelope},
    telemetry::Record,
};
use serde_json::Value;
use vault_api::VaultAnswer;
use vault_authorizer::config::Config;

use super::*;

pub struct Bed {
    pub authorizer: Authorizer<Jwks, FakeSts, FakeVault>,
    pub clock: Arc<SetClock>,
    pub sts: FakeSts,
}

impl Bed {
    /// With the usual document.
    pub fn new() -> Self {
        Self::of(document())
    }

    /// With all algorithms, and these keys as the issuer's.
    pub fn with_keys(jwks: &Value) -> Self {
        static SETS: AtomicU64 = AtomicU64::new(0);
        let name = format!("keys-{}.json", SETS.fetch_add(1, Ordering::SeqCst));
        fs::write(task_root().join(&name), jwks.to_string()).unwrap();
        let all = ALGORITHMS.map(|(algorithm, _)| algorithm).join(", ");
        Self::of(document().corp(&format!("jwks: {{file: {name}}}, algorithms: [{all}]")))
    }

    /// With a [`Document`], or the text of one.
    pub fn of(document: impl Display) -> Self {
        let clock = SetClock::at(NOW);
        let config =
            Config::parse(&document.to_string(), &task_root()).unwrap_or_else(|error| panic!("{error}"));
        let (issuers, keys) = Jwks::new(config.issuers, clock.clone()).unwrap();
        let sts = FakeSts::default();
        let aws_identity =
            config.aws_identity.map(|settings| AwsIdentityScheme::new(settings, sts.clone(), clock.clone()));
        let authorizer = Authorizer {
            ahead: Ahead::of(&config.stages),
            resolver: Resolver {
                schemes: Schemes { jwt: JwtScheme::new(issuers, keys), aws_identity },
                credentials: config.credentials,
                stages: config.stages,
                clock: clock.clone(),
            },
            caller_limit: CallerLimit::new(config.limits.caller_mints_per_second),
            minter: FakeVault::new(clock.clone()),
            envelope: Envelope { address: config.vault.address.to_string(), namespace: None },
            answer: config.answer,
            caller_id_in_log: config.caller_id_in_log,
            warm: false.into(),
        };
        Self { authorizer, clock, sts }
    }

    /// With these for Vault's first answers.
    pub fn vault_gives(self, answers: impl IntoIterator<Item = Result<VaultAnswer, MintError>>) -> Self {
        *self.authorizer.minter.answers.lock().unwrap() = answers.into_iter().collect();
        self
    }

    /// With this for Vault's first failures.
    pub fn vault_fails(self, times: usize, error: impl Fn() -> MintError) -> Self {
        self.vault_gives((0..times).map(|_| Err(error())))
    }

    /// With a Vault that takes its time for each token, also to revoke it.
    pub fn vault_takes_millis(self, millis: u64) -> Self {
        self.authorizer.minter.takes_millis.store(millis, Ordering::SeqCst);
        self
    }

    /// How many seconds the clock is set back during each mint.
    pub fn mints_set_the_clock_back(&self, seconds: u64) {
        self.authorizer.minter.sets_back.store(seconds, Ordering::SeqCst);
    }

    /// Whether Vault takes an order and does not answer.
    pub fn vault_hangs(&self, hangs: bool) {
        self.authorizer.minter.hangs.store(hangs, Ordering::SeqCst);
    }

    /// What Vault was asked for since the last time.
    pub fn orders(&self) -> Vec<Order> {
        std::mem::take(&mut self.authorizer.minter.orders.lock().unwrap())
    }

    /// What was given back since the last time.
    pub fn undone(&self) -> Vec<String> {
        std::mem::take(&mut self.authorizer.minter.undone.lock().unwrap())
    }

    pub fn decide(&self, event: &Value) -> (Answer, Record) {
        block_on(self.decide_within(event, 8))
    }

    /// The answer where it is a decision and no error.
    pub fn decision(&self, event: &Value) -> Value {
        let (answer, _) = self.decide(event);
        parsed(answer.as_result().unwrap_or_else(|message| panic!("{message} for {event}")))
    }

    /// The answer and the line for an event that may not be JSON.
    pub fn decide_bytes(&self, event: &[u8]) -> (Answer, Value) {
        let (answer, record) = block_on(self.decide_bytes_within(event, 8));
        (answer, parsed(&record.line(self.clock.now())))
    }

    pub async fn decide_within(&self, event: &Value, seconds: u64) -> (Answer, Record) {
        self.decide_bytes_within(event.to_string().as_bytes(), seconds).await
    }

    async fn decide_bytes_within(&self, event: &[u8], seconds: u64) -> (Answer, Record) {
        let deadline = self.clock.now().plus_seconds(seconds);
        let invocation =
            Invocation { request_id: "lambda-request-1", trace_id: Some("Root=1-2-3"), deadline };
        self.authorizer.decide(event, invocation).await
    }

    /// What runs after an answer: mints ahead, and says what was wasted.
    pub fn renew(&self) -> Vec<Wasted> {
        block_on(self.renew_within(8))
    }

    pub async fn renew_within(&self, seconds: u64) -> Vec<Wasted> {
        let deadline = self.clock.now().plus_seconds(seconds);
        let wasted = Mutex::new(Vec::new());
        let report = |one| wasted.lock().unwrap().push(one);
        self.authorizer.ahead.renew(deadline, &self.authorizer.minter, &*self.clock, report).await;
        wasted.into_inner().unwrap()
    }

    pub fn line(&self, event: &Value) -> Value {
        parsed(&self.decide(event).1.line(self.clock.now()))
    }

    /// `allowed`, or the code.
    pub fn code(&self, event: &Value) -> String {
        code_in(&self.line(event))
    }

    /// The code for a token, on the route that `orders-reader` covers.
    pub fn code_for(&self, token: &str) -> String {
        self.code(&event(token))
    }

    /// What the log says of a refused token.
    pub fn message_for(&self, token: &str) -> String {
        self.line(&event(token))["message"].as_str().unwrap().to_owned()
    }

    /// The grant that decided, or the code.
    pub fn grant_or_code(&self, event: &Value) -> String {
        let line = self.line(event);
        line["grant"].as_str().map_or_else(|| code_in(&line), str::to_owned)
    }

    /// [`Bed::code`] within a runtime.
    pub async fn code_of(&self, event: &Value) -> String {
        self.code_within(event, 8).await
    }

    /// [`Bed::code_of`] with a deadline so many seconds from now.
    pub async fn code_within(&self, event: &Value, seconds: u64) -> String {
        let (_, record) = self.decide_within(event, seconds).await;
        code_in(&parsed(&record.line(self.clock.now())))
    }

    /// The codes for these events at once.
    pub fn codes_at_once(&self, events: &[Value]) -> Vec<String> {
        block_on(futures_util::future::join_all(events.iter().map(|event| self.code_of(event))))
    }

    /// The codes for one token that is sent so often.
    pub fn codes_for(&self, token: &str, times: usize) -> Vec<String> {
        (0..times).map(|_| self.code_for(token)).collect()
    }
}

pub fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn code_in(line: &Value) -> String {
    line["Code"].as_str().unwrap().to_owned()
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
