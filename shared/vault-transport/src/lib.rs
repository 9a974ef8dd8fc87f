//! The only Vault transport: one [`Call`] in, one [`VaultAnswer`] or one [`VaultError`] out.
//!
//! Receives calls; produces answers whose status, size and shape were checked, or errors that say what happened in
//! Vault's terms, without a word that could be a secret. It repeats nothing, follows no redirect, holds no token, and
//! keeps no connection to a node that failed. The callers decide when to log in, to retry or to give up.
//!
//! ```text
//! POST <address>/v1/<path>
//! X-Vault-Request: true            keeps Vault Agent's request-forgery guard content
//! X-Vault-Namespace: <namespace>   on every call, if one is configured
//! X-Vault-Token: <token>           if the call has one
//! X-Vault-Wrap-TTL: <n>s           if the answer is to be wrapped
//! ```

mod call;
mod connections;
pub mod http;
mod options;

use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use url::Url;
use vault_api::{Namespace, VaultAddress, VaultAnswer, VaultError, VaultErrorKind};
use zeroize::Zeroizing;

use crate::connections::Connections;
use crate::http::{BodyError, HttpOptions, HttpSetupError, Protocol, TransportError};

pub use crate::call::Call;
pub use crate::options::{VariableError, VaultOptions};

/// The longest answer read from Vault, in bytes.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Why no transport could be built.
#[derive(Debug, thiserror::Error)]
#[error("the connection to Vault could not be set up")]
pub struct VaultSetupError {
    /// The HTTP client's reason.
    #[from]
    source: HttpSetupError,
}

/// A connection to one Vault. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connections: Connections,
    address: VaultAddress,
    namespace: Option<Namespace>,
}

impl Vault {
    /// Sets the transport up. Sends nothing.
    ///
    /// # Errors
    /// [`VaultSetupError`], for a CA bundle that holds no certificates or a system without roots.
    pub fn new(options: VaultOptions) -> Result<Self, VaultSetupError> {
        let VaultOptions { address, namespace, ca_pem, client_certificate, connect_timeout, timeout } =
            options;
        let protocol = Protocol::of(address.is_loopback_http());
        let connections =
            Connections::new(HttpOptions { connect_timeout, timeout, ca_pem, client_certificate, protocol })?;
        Ok(Self { inner: Arc::new(Inner { connections, address, namespace }) })
    }

    /// The address, as configured.
    #[must_use]
    pub fn address(&self) -> &VaultAddress {
        &self.inner.address
    }

    /// The namespace sent with every call.
    #[must_use]
    pub fn namespace(&self) -> Option<&Namespace> {
        self.inner.namespace.as_ref()
    }

    /// Sends one call, once. Where the answer is one that another node might not have given, later calls open a new connection.
    ///
    /// # Errors
    /// [`VaultError`]; see [`VaultError::request_not_sent`] for what may be repeated.
    pub async fn send(&self, call: Call) -> Result<VaultAnswer, VaultError> {
        let url = call.url(&self.inner.address)?;
        let generation = self.inner.connections.current();
        let outcome = match self.request(&generation.client, &call, url).send().await {
            Ok(response) => read(&call, response).await,
            Err(error) => Err(failed(&call, error)),
        };
        let one_nodes_own =
            |error: &VaultError| error.may_be_one_nodes_own() || (call.token_is_new() && error.may_be_lag());
        if outcome.as_ref().is_err_and(one_nodes_own) {
            self.inner.connections.forget(&generation);
        }
        outcome
    }

    /// Sends a call that may be sent twice, and sends it once more where the connection broke: a function that was frozen
    /// finds its connections dead on first use. Not for an unwrap, which may have happened.
    ///
    /// # Errors
    /// [`VaultError`]: the second one where both fail, but for a first that was sent and a second that was not. What the
    /// first did is then not known, and the second says nothing of it.
    pub async fn send_repeatable(&self, call: Call) -> Result<VaultAnswer, VaultError> {
        let first = match self.send(call.clone()).await {
            Err(first) if matches!(first.kind, VaultErrorKind::Unreachable { .. }) => first,
            answer => return answer,
        };
        match self.send(call).await {
            Err(second) if second.request_not_sent() && !first.request_not_sent() => Err(first),
            answer => answer,
        }
    }

    fn request(&self, client: &Client, call: &Call, url: Url) -> RequestBuilder {
        let mut request = client.request(call.method(), url).header("x-vault-request", "true");
        if let Some(namespace) = &self.inner.namespace {
            request = request.header("x-vault-namespace", namespace.as_str());
        }
        if let Some(token) = call.token_header() {
            request = request.header("x-vault-token", token);
        }
        if let Some(seconds) = call.wrap_seconds() {
            request = request.header("x-vault-wrap-ttl", format!("{seconds}s"));
        }
        if let Some(timeout) = call.own_timeout() {
            request = request.timeout(timeout);
        }
        match call.json() {
            Some(json) => {
                request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(json.to_vec())
            }
            None => request,
        }
    }
}

async fn read(call: &Call, response: Response) -> Result<VaultAnswer, VaultError> {
    let status = response.status();
    if status.is_success() {
        let body = body(call, response).await?;
        return if status == StatusCode::NO_CONTENT {
            Ok(VaultAnswer::default())
        } else {
            VaultAnswer::parse(call.path(), &body)
        };
    }
    if status == StatusCode::TEMPORARY_REDIRECT {
        let message = "a standby that cannot forward the call names another node; redirects are not followed";
        let (status, message) = (status.as_u16(), message.to_owned());
        return Err(VaultErrorKind::Unavailable { status, message }.at(call.path()));
    }
    if !status.is_client_error() && !status.is_server_error() {
        let reason =
            format!("Vault does not answer with status {}; redirects are not followed", status.as_u16());
        return Err(VaultErrorKind::AnswerInvalid { reason }.at(call.path()));
    }
    let retry_after_seconds = retry_after(&response);
    // The status says enough when the text is not to be had.
    let body = body(call, response).await.unwrap_or_default();
    let (path, sent_token) = (call.path(), call.exposed_token());
    Err(VaultError::from_refusal(path, sent_token, status.as_u16(), retry_after_seconds, &body))
}

async fn body(call: &Call, response: Response) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    match http::read_capped(response, MAX_ANSWER_BYTES).await {
        Ok(body) => Ok(Zeroizing::new(body)),
        Err(BodyError::TooLarge { limit_bytes }) => {
            Err(VaultErrorKind::AnswerTooLarge { limit_bytes }.at(call.path()))
        }
        Err(BodyError::Read { source }) => Err(failed(call, source)),
    }
}

/// A connection that took too long to open is unreachable, not timed out: nothing was sent on it.
fn failed(call: &Call, error: reqwest::Error) -> VaultError {
    let kind = if error.is_timeout() && !error.is_connect() {
        VaultErrorKind::TimedOut
    } else {
        VaultErrorKind::Unreachable {
            sent: !error.is_connect(),
            source: Arc::new(TransportError::from(error)),
        }
    };
    kind.at(call.path())
}

/// Seconds alone: Vault sends no dates here.
fn retry_after(response: &Response) -> Option<u64> {
    response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()
}
