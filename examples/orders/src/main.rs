//! The sample integration behind `vault-authorizer`. It reads one secret with the Vault token that it was given, or
//! queries a database with credentials that Vault makes for this one request.
//!
//! Receives API Gateway's events (REST, or HTTP API with payload 2.0); answers with what it did, never with a token
//! or a secret's value. [`config`] says which Vault and which tokens to expect, [`call`] reads the event, [`orders`]
//! serves one request, [`database`] queries PostgreSQL, and [`answer`] turns the outcome into a response.

mod answer;
mod call;
mod config;
mod database;
mod error;
mod orders;

use std::sync::Arc;
use std::time::SystemTime;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::config::{ConfigError, Stages};

/// Serves one event at a time, or as many at once as Lambda says (`AWS_LAMBDA_MAX_CONCURRENCY`, Lambda Managed Instances).
#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    init_log()?;
    // Bad configuration stops here, before the first request: everything in a request is compared with it.
    let stages = Stages::from_variables(|name| std::env::var(name).ok()).inspect_err(ConfigError::log)?;
    let shared = Arc::new((stages, std::env::var("ALLOW_ORIGIN").ok()));
    let handler = move |event: LambdaEvent<Value>| {
        let shared = Arc::clone(&shared);
        async move {
            let (stages, allow_origin) = &*shared;
            let outcome = orders::serve(stages, event.payload, now()).await;
            Ok::<_, lambda_runtime::Error>(answer::to(&outcome, allow_origin.as_deref()))
        }
    };
    lambda_runtime::run_concurrent(service_fn(handler)).await
}

/// JSON lines, `info` unless `RUST_LOG` says otherwise (`warn,vault_context=info`). Never below `info`: at `trace` the
/// Lambda runtime prints whole events, and an event carries the wrapping token.
fn init_log() -> Result<(), lambda_runtime::Error> {
    let targets = std::env::var("RUST_LOG").ok().and_then(|levels| levels.parse::<Targets>().ok());
    let targets = targets.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = layer().json().flatten_event(true).with_span_list(false);
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO).with(targets).with(lines);
    Ok(tracing::subscriber::set_global_default(subscriber)?)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
