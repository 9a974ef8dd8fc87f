//! Runs work between an answer and the next event, while no caller waits.
//!
//! Lambda freezes a function once it asks for the next event. An internal extension keeps it awake: Lambda sends the
//! extension an event with each invocation, and neither freezes the function nor invokes it again before the
//! extension asks for the next event, too (Lambda developer guide, "Lambda Extensions API"). Managed Instances send
//! extensions no such events and freeze nothing, so a task is enough there.
//!
//! The crate `lambda-extension` would add a calendar, regular expressions and a second log set-up. We need two calls
//! of the Extensions API, and the client that the runtime already has can make them.

use std::{error::Error, time::Duration};

use authorizer_steps::{
    clock::{Clock, SystemClock, UnixTime},
    error_chain::with_causes,
};
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};
use serde::Deserialize;
use tokio::{sync::watch, time};

/// Unique among a function's extensions.
const EXTENSION: &str = "vault-authorizer-mint-ahead";
const IDENTIFIER: &str = "Lambda-Extension-Identifier";
/// Lambda's API is on this machine.
const LONGEST_REGISTRATION: Duration = Duration::from_secs(1);
/// Lambda waits for an extension that does not ask for its next event, so it asks again soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

type BoxError = Box<dyn Error + Send + Sync>;

/// Hears which invocation is over.
#[derive(Debug, Clone)]
pub struct Invocations(watch::Sender<String>);

/// An invocation that is under way. It is over when this is dropped: its answer has gone, or there is none.
#[derive(Debug)]
pub struct UnderWay {
    request_id: String,
    of: Invocations,
}

impl Invocations {
    /// One that begins.
    pub fn begin(&self, request_id: &str) -> UnderWay {
        UnderWay { request_id: request_id.to_owned(), of: self.clone() }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.of.0.send_replace(std::mem::take(&mut self.request_id));
    }
}

/// What runs the work between answers.
#[derive(Debug)]
pub struct BetweenAnswers {
    over: watch::Receiver<String>,
    /// None where nothing is frozen.
    extension: Option<Extension>,
}

impl BetweenAnswers {
    /// Registers the extension where Lambda freezes the function. `None` where Lambda does not take it, which is logged.
    pub async fn prepare(is_frozen: bool) -> Option<(Invocations, Self)> {
        let extension = if is_frozen { Some(Extension::register().await?) } else { None };
        let (invocations, over) = watch::channel(String::new());
        Some((Invocations(invocations), Self { over, extension }))
    }

    /// Does the work after each invocation, with the time by which it must end. Returns when the runtime has ended.
    pub async fn run<F: Future<Output = ()>>(self, work: impl Fn(UnixTime) -> F) {
        let Self { mut over, extension } = self;
        let Some(extension) = extension else {
            while over.changed().await.is_ok() {
                work(UnixTime::from_millis(u64::MAX)).await;
            }
            return;
        };
        let mut pause = FIRST_PAUSE;
        loop {
            match extension.next().await {
                Ok(invoked) => {
                    pause = FIRST_PAUSE;
                    let deadline = UnixTime::from_millis(invoked.deadline_ms);
                    let time = deadline.duration_after(SystemClock.now());
                    match time::timeout(time, is_over(&mut over, &invoked.request_id)).await {
                        Ok(true) => work(deadline).await,
                        Ok(false) => return,
                        Err(_elapsed) => {}
                    }
                }
                Err(error) => {
                    let reason = with_causes(&*error);
                    tracing::warn!(
                        reason,
                        "Lambda sent no event to the extension, so no token is minted ahead"
                    );
                    time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

/// Waits until this invocation is over; false where no more will be.
async fn is_over(over: &mut watch::Receiver<String>, request_id: &str) -> bool {
    over.wait_for(|last| last == request_id).await.is_ok()
}

/// An internal extension of the function.
#[derive(Debug)]
struct Extension {
    client: PooledClient,
    identifier: String,
}

/// The event of an extension that registered for `INVOKE` alone.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invoked {
    request_id: String,
    deadline_ms: u64,
}

impl Extension {
    async fn register() -> Option<Self> {
        let client = PooledClient::builder().build();
        let registered = time::timeout(LONGEST_REGISTRATION, identifier(&client)).await;
        match registered.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            Ok(identifier) => Some(Self { client, identifier }),
            Err(error) => {
                let reason = with_causes(&*error);
                tracing::warn!(reason, "Lambda did not register the extension, so no token is minted ahead");
                None
            }
        }
    }

    async fn next(&self) -> Result<Invoked, BoxError> {
        let request = build_request().uri("/2020-01-01/extension/event/next");
        let answer =
            self.client.call(request.header(IDENTIFIER, &self.identifier).body(Body::empty())?).await?;
        if !answer.status().is_success() {
            return Err(format!("the Extensions API answered {}", answer.status()).into());
        }
        let event = Body::new(answer.into_body()).collect().await?.to_bytes();
        Ok(serde_json::from_slice(&event)?)
    }
}

async fn identifier(client: &PooledClient) -> Result<String, BoxError> {
    let request = build_request().method("POST").uri("/2020-01-01/extension/register");
    let request =
        request.header("Lambda-Extension-Name", EXTENSION).header("Content-Type", "application/json");
    let answer = client.call(request.body(Body::from(r#"{"events":["INVOKE"]}"#))?).await?;
    if !answer.status().is_success() {
        return Err(format!("the Extensions API answered {}", answer.status()).into());
    }
    let identifier = answer.headers().get(IDENTIFIER).ok_or("the Extensions API gave no identifier")?;
    Ok(identifier.to_str()?.to_owned())
}
