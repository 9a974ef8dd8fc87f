//! The HTTP client for STS, and the rule for sending a request twice.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use vault_transport::http::{self, HttpOptions, HttpSetupError, Protocol};

/// STS is asked while a caller waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);

/// The HTTP client for STS, which is on the public internet or, for development, on this machine. Vault and the issuers
/// have clients of their own, with their own roots and their own patience.
///
/// # Errors
///
/// Where no TLS client can be built.
pub fn identity_client(protocol: Protocol) -> Result<reqwest::Client, HttpSetupError> {
    let options = HttpOptions {
        connect_timeout: CONNECT_TIMEOUT,
        timeout: TIMEOUT,
        protocol,
        ..HttpOptions::default()
    };
    http::client(&options)
}

/// Sends a request that may arrive twice, once more where it broke: a connection that was kept while the function was
/// frozen is found dead by the first to use it. What was not answered in time is not repeated.
pub(crate) async fn send_repeatable(request: RequestBuilder) -> Result<Response, reqwest::Error> {
    let again = request.try_clone();
    match (request.send().await, again) {
        (Err(error), Some(again)) if !error.is_timeout() => again.send().await,
        (answer, _) => answer,
    }
}
