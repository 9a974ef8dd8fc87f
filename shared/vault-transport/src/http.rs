//! The only place that builds an HTTP client, and the size check that every answer passes.
//!
//! Receives options; produces a [`reqwest::Client`] that follows no redirect (the token would follow it to any host),
//! asks no proxy, speaks HTTP/1.1 over rustls, repeats nothing and has timeouts. The callers decide which requests to
//! send: the Vault transport here, and the authorizer's JWKS and STS adapters.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroize;

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
    /// What it speaks.
    pub protocol: Protocol,
}

/// What a client speaks. Plain http is for development: [`checked_endpoint`](vault_api::checked_endpoint) holds it to loopback
/// hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// https alone.
    Https,
    /// https, or http to this machine.
    HttpsOrHttp,
    /// http to this machine. No root is read, and by https nobody is trusted but a bundle of its own.
    Http,
}

impl Protocol {
    /// What it takes to call one host.
    #[must_use]
    pub fn of(is_loopback_http: bool) -> Self {
        if is_loopback_http { Self::Http } else { Self::Https }
    }
}

impl Default for HttpOptions {
    /// One second to connect, five in all, the system's roots, https only.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            ca_pem: None,
            client_certificate: None,
            protocol: Protocol::Https,
        }
    }
}

/// A certificate for TLS, with its private key, which the TLS library holds. `Debug` shows neither.
#[derive(Clone)]
pub struct ClientCertificate(Arc<CertifiedKey>);

impl ClientCertificate {
    /// Takes a certificate, with those that lead to its CA behind it if there are any, and its key, both in PEM. The key is
    /// PKCS#8, PKCS#1 or SEC1, and not encrypted.
    ///
    /// # Errors
    /// [`ClientCertificateError`].
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, ClientCertificateError> {
        let chain = certificates(certificate).ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or(ClientCertificateError::Certificate)?;
        let mut der = PrivateKeyDer::from_pem_slice(key).map_err(|_| ClientCertificateError::Key)?;
        let key = aws_lc_rs::sign::any_supported_type(&der);
        der.zeroize();
        let pair = CertifiedKey::new(chain, key.map_err(|_| ClientCertificateError::Key)?);
        pair.keys_match().map_err(ClientCertificateError::Pair)?;
        Ok(Self(Arc::new(pair)))
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
    #[error("the client key does not match the client certificate")]
    Pair(#[source] rustls::Error),
}

/// Why no client could be built: always the operator's to fix, always at start.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// The PEM bundle does not parse.
    #[error("the CA bundle is not a list of PEM certificates")]
    CaInvalid {
        /// The parser's reason.
        source: pem::Error,
    },
    /// The PEM bundle parses, and one of its certificates cannot be a root.
    #[error("the CA bundle contains a certificate that cannot be used")]
    CaUnusable {
        /// The TLS library's reason.
        source: rustls::Error,
    },
    /// The PEM bundle parses, and holds no certificate: nothing would be trusted.
    #[error("the CA bundle contains no certificate")]
    CaEmpty,
    /// Nothing else was given to trust, and the system has nothing.
    #[error(
        "no root certificates could be read from this system: install `ca-certificates`, check SSL_CERT_FILE and \
         SSL_CERT_DIR if they are set, or name a CA file"
    )]
    NoSystemRoots {
        /// The first reason.
        source: Option<rustls_native_certs::Error>,
    },
    /// The TLS library's set-up failed.
    #[error("TLS could not be set up")]
    Tls {
        /// The TLS library's reason.
        source: rustls::Error,
    },
    /// The HTTP client's set-up failed.
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
    #[error("the answer ended early")]
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

/// Idle connections kept per host: as many as a Lambda environment can serve requests at once, else a busy one would reconnect
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
    let builder = Client::builder();
    builder
        .tls_backend_preconfigured(tls(options)?)
        .user_agent(concat!("vault-context/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .https_only(options.protocol == Protocol::Https)
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

fn tls(options: &HttpOptions) -> Result<ClientConfig, HttpSetupError> {
    let roots = match (&options.ca_pem, options.protocol) {
        (Some(pem), _) => Arc::new(bundled_roots(pem)?),
        (None, Protocol::Http) => Arc::new(RootCertStore::empty()),
        (None, Protocol::Https | Protocol::HttpsOrHttp) => system_roots()?,
    };
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().map_err(|source| HttpSetupError::Tls { source })?;
    let tls = tls.with_root_certificates(roots);
    Ok(match &options.client_certificate {
        Some(ClientCertificate(pair)) => {
            tls.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(pair))))
        }
        None => tls.with_no_client_auth(),
    })
}

/// Read once, into the one store of all clients: a system can keep its roots in hundreds of files.
fn system_roots() -> Result<Arc<RootCertStore>, HttpSetupError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's root certificates could not be read");
    }
    let mut roots = RootCertStore::empty();
    // One that is no certificate must not keep all others from use.
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        return Err(HttpSetupError::NoSystemRoots { source: found.errors.into_iter().next() });
    }
    Ok(Arc::clone(ROOTS.get_or_init(|| Arc::new(roots))))
}

fn bundled_roots(pem: &[u8]) -> Result<RootCertStore, HttpSetupError> {
    let certificates = certificates(pem).map_err(|source| HttpSetupError::CaInvalid { source })?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|source| HttpSetupError::CaUnusable { source })?;
    }
    if roots.is_empty() { Err(HttpSetupError::CaEmpty) } else { Ok(roots) }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

fn broken_off(error: reqwest::Error) -> BodyError {
    BodyError::Read { source: error.without_url() }
}

#[cfg(test)]
mod tests;
