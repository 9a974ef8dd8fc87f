//! Calls STS: with a caller's proof, and for the authorizer's own login.
//!
//! Receives a request that `sts-identity` rebuilt or signed. Sends it, and sends it once more if the connection
//! breaks. Produces the answer as it came, bounded.
//! [`identity::aws_identity`](authorizer_steps::identity::aws_identity) decides what the answer to a proof proves,
//! and `sts-identity` reads the other answers.

use authorizer_steps::error_chain::with_causes;
use reqwest::RequestBuilder;
use sts_identity::{MAX_ANSWER_BYTES, SignedRequest, Sts, StsAnswer, StsRequest, StsUnavailable};
use vault_transport::http::{self, TransportError};

use crate::client::send_repeatable;

/// STS over https, or an emulator of it on this machine. Clones share their connections.
#[derive(Clone)]
pub struct StsClient {
    client: reqwest::Client,
}

impl StsClient {
    /// STS by this client, which is [`identity_client`](super::identity_client)'s.
    pub fn new(client: reqwest::Client) -> Self {
        Self { client }
    }

    /// Sends a request that was signed here, and so may be sent twice.
    ///
    /// # Errors
    ///
    /// [`StsUnavailable`], where no whole answer came.
    pub async fn send(&self, request: &SignedRequest) -> Result<StsAnswer, StsUnavailable> {
        // STS also speaks JSON; what reads its answer takes XML.
        let call = self.client.post(request.url()).header("accept", "text/xml");
        let mut call = call.body(request.body().to_owned());
        for (name, value) in request.headers() {
            call = call.header(name, value);
        }
        answered(call).await
    }
}

impl Sts for StsClient {
    async fn call(&self, request: &StsRequest) -> Result<StsAnswer, StsUnavailable> {
        let mut call = self.client.get(request.url());
        for (name, value) in request.headers() {
            call = call.header(name, value);
        }
        answered(call).await
    }
}

async fn answered(call: RequestBuilder) -> Result<StsAnswer, StsUnavailable> {
    let unavailable = |error: &dyn std::error::Error| StsUnavailable { reason: with_causes(error) };
    // The error never shows the URL: a proof is in it.
    let answer = send_repeatable(call).await.map_err(|error| unavailable(&TransportError::from(error)))?;
    let status = answer.status().as_u16();
    let content_type =
        answer.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = http::read_capped(answer, MAX_ANSWER_BYTES).await.map_err(|error| unavailable(&error))?;
    Ok(StsAnswer { status, content_type, body })
}
