//! The call to STS that a caller's proof asks for.
//!
//! Receives a request that `sts-identity` rebuilt; sends it, once more where the connection breaks, and produces whatever
//! was answered, bounded. Leaves to [`identity::aws_identity`](crate::identity::aws_identity) what the answer proves.

use std::time::Duration;

use sts_identity::{Sts, StsAnswer, StsRequest, StsUnavailable};
use vault_context::http::{self, HttpOptions, HttpSetupError};

use crate::causes::with_causes;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);
/// STS answers in about 600 bytes.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// STS over https, or an emulator of it on this machine.
pub struct StsClient {
    client: reqwest::Client,
}

impl StsClient {
    /// A client that follows no redirect and asks no proxy.
    ///
    /// # Errors
    ///
    /// Where no TLS client can be built.
    pub fn new() -> Result<Self, HttpSetupError> {
        let options = HttpOptions {
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            ca_pem: None,
            loopback_http: true,
        };
        Ok(Self { client: http::client(&options)? })
    }

    /// The error never shows the URL: the proof is in it.
    async fn send(&self, request: &StsRequest) -> Result<reqwest::Response, reqwest::Error> {
        let mut call = self.client.get(request.url());
        for (name, value) in request.headers() {
            call = call.header(name, value);
        }
        call.send().await.map_err(reqwest::Error::without_url)
    }
}

impl Sts for StsClient {
    async fn call(&self, request: &StsRequest) -> Result<StsAnswer, StsUnavailable> {
        let unavailable = |error: &dyn std::error::Error| StsUnavailable { reason: with_causes(error) };
        let mut answer = self.send(request).await;
        // A connection that was kept while the function was frozen is found dead by the first request.
        if answer.as_ref().is_err_and(|error| !error.is_timeout()) {
            answer = self.send(request).await;
        }
        let answer = answer.map_err(|error| unavailable(&error))?;
        let status = answer.status().as_u16();
        let content_type =
            answer.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = http::read_capped(answer, MAX_ANSWER_BYTES).await.map_err(|error| unavailable(&error))?;
        Ok(StsAnswer { status, content_type, body })
    }
}
