//! The one place that builds an HTTP client, and the check that every answer's size goes through.
//!
//! Receives options; produces a [`reqwest::Client`] that follows no redirect (the token would follow it to
//! any host), asks no proxy, speaks HTTP/1.1 over rustls, repeats nothing and gives up in time. Which requests to send
//! is left to the callers: the Vault transport here, the authorizer's JWKS and STS adapters.

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity, Response};
use rustls::RootCertStore;
use zeroize::Zeroizing;

/// How a client behaves. Start from `HttpOptions::default()` and change what differs.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// How long connecting, TLS included, may take.
    pub connect_timeout: Duration,
    /// How long one request may take in all, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// PEM bundle of private roots. When given, these are trusted and nothing else.
    pub ca_pem: Option<Vec<u8>>,
    /// What this side shows of itself to a server that asks for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// Lets `http` through at all; [`checked_endpoint`](vault_api::checked_endpoint) then holds it to loopback hosts. For
    /// development.
    pub loopback_http: bool,
}

impl Default for HttpOptions {
    /// One second to connect, five in all, the system's roots, https only.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            ca_pem: None,
            client_certificate: None,
            loopback_http: false,
        }
    }
}

/// A certificate for TLS, with its private key. `Debug` shows neither; the key is wiped when the last clone is dropped, the
/// TLS library's own copy excepted.
#[derive(Clone)]
pub struct ClientCertificate(Zeroizing<Vec<u8>>);

impl ClientCertificate {
    /// Takes a certificate, with those that lead to its CA behind it if there are any, and its key, both in PEM. The key is
    /// PKCS#8, PKCS#1 or SEC1, and not encrypted.
    ///
    /// # Errors
    /// [`ClientCertificateError`].
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, ClientCertificateError> {
        if !Certificate::from_pem_bundle(certificate).is_ok_and(|list| !list.is_empty()) {
            return Err(ClientCertificateError::Certificate);
        }
        let length = certificate.len().saturating_add(key.len()).saturating_add(1);
        let mut pem = Zeroizing::new(Vec::with_capacity(length));
        pem.extend_from_slice(certificate);
        pem.push(b'\n');
        pem.extend_from_slice(key);
        if Identity::from_pem(&pem).is_err() {
            // Its error says no more: a certificate is there, so it is the key that is not.
            return Err(ClientCertificateError::Key);
        }
        let pair = Self(pem);
        // Only a client that is built compares the two. Roots are needed for that, any will do, and these need not be read
        // from the system.
        let ca_pem = Some(certificate.to_vec());
        let trial = HttpOptions { ca_pem, client_certificate: Some(pair.clone()), ..HttpOptions::default() };
        client(&trial).map_err(|error| ClientCertificateError::Pair(Box::new(error)))?;
        Ok(pair)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// Why two texts are no client certificate. Never quotes them.
#[derive(Debug, thiserror::Error)]
pub enum ClientCertificateError {
    /// The first one.
    #[error("the client certificate is not a list of PEM certificates")]
    Certificate,
    /// The second one.
    #[error("the client key is not a private key in PEM, unencrypted")]
    Key,
    /// Each is one, but not of the other.
    #[error("the client key is not the certificate's own")]
    Pair(#[source] Box<HttpSetupError>),
}

/// Why no client could be built: always the operator's to mend, always at start.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// The PEM bundle does not parse.
    #[error("the CA bundle is not a list of PEM certificates")]
    CaInvalid {
        /// The parser's reason.
        source: reqwest::Error,
    },
    /// The PEM bundle parses, and holds no certificate: nothing would be trusted.
    #[error("the CA bundle contains no certificate")]
    CaEmpty,
    /// The client certificate cannot be used.
    #[error("the client certificate cannot be used")]
    ClientCertificate {
        /// The client's reason.
        source: reqwest::Error,
    },
    /// Nothing else was given to trust, and the system has nothing.
    #[error(
        "the system has no root certificates that can be read: install its `ca-certificates`, see that SSL_CERT_FILE and \
         SSL_CERT_DIR are right where they are set, or name a CA file"
    )]
    NoSystemRoots {
        /// The first reason.
        source: Option<rustls_native_certs::Error>,
    },
    /// The TLS set-up failed.
    #[error("the HTTP client could not be set up")]
    Client {
        /// The client's reason.
        source: reqwest::Error,
    },
}

/// Why an answer's body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is longer than this side is ready to hold.
    #[error("the answer is longer than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The connection broke, or the time was up, before the body ended.
    #[error("the answer broke off")]
    Read {
        /// The client's reason, without the URL.
        source: reqwest::Error,
    },
}

/// Why a request had no answer: the HTTP client's reason, without the URL.
#[derive(Debug)]
pub struct TransportError(reqwest::Error);

/// The server answered a TLS handshake with text. The TLS library says `received corrupt message of type InvalidContentType`.
const PLAIN_HTTP: &str = "InvalidContentType";

impl TransportError {
    /// Whether no connection was made, so that nothing was sent.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.0.is_connect()
    }

    /// Whether the time was up.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.is_timeout()
    }

    /// Whether the answer began, and could not be read to its end.
    #[must_use]
    pub fn is_body(&self) -> bool {
        self.0.is_body() || self.0.is_decode()
    }

    fn is_plain_http(&self) -> bool {
        let causes = std::iter::successors(self.0.source(), |error| (*error).source());
        self.is_connect() && causes.into_iter().any(|cause| cause.to_string().contains(PLAIN_HTTP))
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_plain_http() {
            return f.write_str(
                "the address starts with https://, but the server there does not speak TLS: check the port, or write http:// if the host is this machine",
            );
        }
        self.0.fmt(f)
    }
}

impl Error for TransportError {
    /// None where the text says it all: the TLS library's own words would only hide it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if self.is_plain_http() { None } else { self.0.source() }
    }
}

/// Idle connections kept per host: as many as a Lambda environment can serve requests at once, else a busy one would connect anew
/// for many of its calls.
const IDLE_CONNECTIONS_PER_HOST: usize = 1600;
/// How long an idle connection is kept: shorter than any load balancer's own limit. A function's frozen time does not
/// count, so what it finds may be dead all the same.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);

/// Builds a client.
///
/// # Errors
/// [`HttpSetupError`].
pub fn client(options: &HttpOptions) -> Result<Client, HttpSetupError> {
    #[expect(clippy::disallowed_methods, reason = "the one place that builds a client")]
    let mut builder = Client::builder();
    builder = builder.tls_certs_only(match &options.ca_pem {
        Some(pem) => roots(pem)?,
        None => system_roots()?,
    });
    if let Some(ClientCertificate(pem)) = &options.client_certificate {
        let identity = Identity::from_pem(pem);
        builder = builder.identity(identity.map_err(|source| HttpSetupError::ClientCertificate { source })?);
    }
    builder
        .user_agent(concat!("vault-context/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .https_only(!options.loopback_http)
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
        .build()
        .map_err(|source| HttpSetupError::Client { source })
}

/// Reads a body of at most `max_bytes`, and stops reading where it grows past them.
///
/// # Errors
/// [`BodyError`].
pub async fn read_capped(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, BodyError> {
    let too_large = BodyError::TooLarge { limit_bytes: max_bytes };
    let announced = response.content_length().map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if announced > max_bytes {
        return Err(too_large);
    }
    let mut body = Vec::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(broken_off)? {
        if chunk.len() > max_bytes.saturating_sub(body.len()) {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Read once: a system can keep its roots in hundreds of files, and each client would read all of them.
fn system_roots() -> Result<Vec<Certificate>, HttpSetupError> {
    static ROOTS: OnceLock<Vec<Certificate>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(roots.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's root certificates could not be read");
    }
    let mut store = RootCertStore::empty();
    // One that is no certificate must not keep all others from use.
    let usable = found.certs.into_iter().filter(|root| store.add(root.clone()).is_ok());
    let roots: Vec<_> = usable.filter_map(|root| Certificate::from_der(&root).ok()).collect();
    if roots.is_empty() {
        return Err(HttpSetupError::NoSystemRoots { source: found.errors.into_iter().next() });
    }
    Ok(ROOTS.get_or_init(|| roots).clone())
}

fn roots(pem: &[u8]) -> Result<Vec<Certificate>, HttpSetupError> {
    let roots = Certificate::from_pem_bundle(pem).map_err(|source| HttpSetupError::CaInvalid { source })?;
    if roots.is_empty() { Err(HttpSetupError::CaEmpty) } else { Ok(roots) }
}

fn broken_off(error: reqwest::Error) -> BodyError {
    BodyError::Read { source: error.without_url() }
}

#[cfg(test)]
mod tests;
