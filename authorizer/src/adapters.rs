//! The only modules that touch the network. Each implements a trait of the step that calls it, returns unproven data and
//! decides nothing about a caller.

pub mod credentials;
pub mod jwks;
pub mod sts;
pub mod vault;

use std::time::Duration;

use aws_lc_rs::rand;
use reqwest::{RequestBuilder, Response};
use vault_context::http::{self, HttpOptions, HttpSetupError};

/// STS is asked while a caller waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);

/// The HTTP client for STS, which is on the public internet or, for development, on this machine. Vault and the issuers
/// have clients of their own, with their own roots and their own patience.
///
/// # Errors
///
/// Where no TLS client can be built.
pub fn identity_client() -> Result<reqwest::Client, HttpSetupError> {
    let options = HttpOptions {
        connect_timeout: CONNECT_TIMEOUT,
        timeout: TIMEOUT,
        loopback_http: true,
        ..HttpOptions::default()
    };
    http::client(&options)
}

/// Spreads the attempts of many instances. Where there is no randomness, they are not spread.
fn jitter() -> u8 {
    let mut byte = [0];
    let _spread = rand::fill(&mut byte);
    let [byte] = byte;
    byte
}

/// Sends a request that may arrive twice, once more where it broke: a connection that was kept while the function was
/// frozen is found dead by the first to use it. What was not answered in time is not repeated.
async fn send_repeatable(request: RequestBuilder) -> Result<Response, reqwest::Error> {
    let again = request.try_clone();
    match (request.send().await, again) {
        (Err(error), Some(again)) if !error.is_timeout() => again.send().await,
        (answer, _) => answer,
    }
}
