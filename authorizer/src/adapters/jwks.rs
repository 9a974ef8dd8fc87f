//! The issuers' keys, fetched and kept.
//!
//! Receives each issuer's source: a file's keys, a URI, or OIDC discovery; produces key sets, unproven, for
//! [`identity::jwt`](crate::identity::jwt). One fetch at a time for each issuer; every answer is bounded and checked, and
//! one that is not a usable key set never replaces good keys.
//!
//! URLs come from the configuration, and from the discovery document of an issuer named there; never from a token.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;
use vault_context::http::{self, HttpOptions, HttpSetupError};

use crate::{
    clock::{Clock, UnixTime},
    identity::{
        KeySource, KeysUnavailable,
        jwt::{Issuer, KeySet, MAX_JWKS_BYTES},
    },
    names::IssuerName,
};

/// Keys younger than this are used without asking.
const FRESH_SECONDS: u64 = 3600;
/// While the provider is down, keys are used up to this age.
const USABLE_SECONDS: u64 = 24 * 3600;
/// No two attempts for one issuer lie closer together, whoever asks: a `kid` is chosen by the caller.
const COOL_DOWN_SECONDS: u64 = 10;
/// Where there are no keys at all, waiting that long would turn away everyone.
const COOL_DOWN_WITHOUT_KEYS_SECONDS: u64 = 1;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a caller whose key may well be known waits for newer ones.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_DISCOVERY_BYTES: usize = 64 * 1024;

/// Where an issuer's keys come from.
pub enum JwksSource {
    /// `jwks_uri` of the issuer's discovery document (OpenID Connect Discovery 1.0, section 4).
    Discovery,
    /// This URI.
    Uri(Url),
    /// A file beside the binary, read at init.
    File(KeySet),
}

impl fmt::Debug for JwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discovery => f.write_str("Discovery"),
            Self::Uri(uri) => f.debug_tuple("Uri").field(&shown(uri)).finish(),
            Self::File(keys) => f.debug_tuple("File").field(keys).finish(),
        }
    }
}

/// The keys of every configured issuer.
pub struct Jwks {
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    issuers: BTreeMap<IssuerName, Kept>,
}

enum Kept {
    Fixed(Arc<KeySet>),
    Fetched { source: Source, state: Mutex<State> },
}

enum Source {
    Discovery { issuer: String },
    Uri(Url),
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<KeySet>, UnixTime)>,
    last_attempt: Option<UnixTime>,
    last_failure: Option<String>,
}

impl Jwks {
    /// Keeps the keys of these issuers. Fetches nothing yet.
    ///
    /// # Errors
    ///
    /// Where no TLS client can be built.
    pub fn new(
        issuers: impl IntoIterator<Item = (Issuer, JwksSource)>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Vec<Issuer>, Self), HttpSetupError> {
        let mut kept = BTreeMap::new();
        let mut known = Vec::new();
        for (issuer, source) in issuers {
            kept.insert(issuer.name.clone(), Kept::new(&issuer, source));
            known.push(issuer);
        }
        let options = HttpOptions {
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            ca_pem: None,
            loopback_http: true,
        };
        Ok((known, Self { client: http::client(&options)?, clock, issuers: kept }))
    }

    /// Fetches what can be fetched, from all at once, so that the first request need not. Failures are logged and tried
    /// again later.
    pub async fn warm(&self) {
        join_all(self.issuers.keys().map(|name| self.current(name))).await;
    }

    fn kept(&self, issuer: &IssuerName) -> Result<&Kept, KeysUnavailable> {
        self.issuers.get(issuer).ok_or_else(|| unavailable("no source is configured"))
    }

    /// Fetches unless that was tried just now. What it fails with is kept for those who ask meanwhile.
    async fn attempt(
        &self,
        issuer: &IssuerName,
        source: &Source,
        state: &mut State,
        patience: Option<Duration>,
    ) {
        let now = self.clock.now();
        if state.is_cooling_down(now) {
            return;
        }
        state.attempt_begins(now);
        let outcome = match patience {
            Some(patience) => tokio::time::timeout(patience, source.fetch(&self.client)).await,
            None => Ok(source.fetch(&self.client).await),
        };
        match outcome.unwrap_or_else(|_elapsed| Err("no answer in time".to_owned())) {
            Ok(keys) => {
                state.keys = Some((Arc::new(keys), now));
                state.last_failure = None;
            }
            Err(reason) => {
                tracing::warn!(issuer = issuer.as_str(), reason, "the issuer's keys could not be fetched");
                state.last_failure = Some(reason);
            }
        }
        state.last_attempt = Some(now);
    }
}

impl KeySource for Jwks {
    async fn current(&self, issuer: &IssuerName) -> Result<Arc<KeySet>, KeysUnavailable> {
        match self.kept(issuer)? {
            Kept::Fixed(keys) => Ok(Arc::clone(keys)),
            Kept::Fetched { source, state } => {
                let mut state = state.lock().await;
                let now = self.clock.now();
                if state.usable(now, FRESH_SECONDS).is_none() {
                    // Keys that will still do are no reason to make a caller wait for a provider that hangs.
                    let patience = state.usable(now, USABLE_SECONDS).map(|_| REFRESH_TIMEOUT);
                    self.attempt(issuer, source, &mut state, patience).await;
                }
                state.answer(self.clock.now())
            }
        }
    }

    async fn refreshed(&self, issuer: &IssuerName) -> Result<Arc<KeySet>, KeysUnavailable> {
        match self.kept(issuer)? {
            Kept::Fixed(keys) => Ok(Arc::clone(keys)),
            Kept::Fetched { source, state } => {
                let mut state = state.lock().await;
                self.attempt(issuer, source, &mut state, None).await;
                // The key may be new and the provider away: that is an outage, and no reason to refuse the caller.
                match &state.last_failure {
                    Some(reason) => Err(unavailable(reason)),
                    None => state.answer(self.clock.now()),
                }
            }
        }
    }
}

impl State {
    fn is_cooling_down(&self, now: UnixTime) -> bool {
        let seconds = if self.keys.is_some() { COOL_DOWN_SECONDS } else { COOL_DOWN_WITHOUT_KEYS_SECONDS };
        self.last_attempt.is_some_and(|last| last <= now && now.seconds_after(last) < seconds)
    }

    /// Holds if the attempt is given up half-way, at the caller's deadline: that is an outage until a later attempt says
    /// otherwise. Without any keys it does not count as an attempt, so that the next caller tries at once.
    fn attempt_begins(&mut self, now: UnixTime) {
        self.last_failure = Some("the last attempt to fetch them was given up".to_owned());
        self.last_attempt = self.keys.is_some().then_some(now);
    }

    fn usable(&self, now: UnixTime, within_seconds: u64) -> Option<Arc<KeySet>> {
        let (keys, fetched_at) = self.keys.as_ref()?;
        (now.seconds_after(*fetched_at) <= within_seconds).then(|| Arc::clone(keys))
    }

    fn answer(&self, now: UnixTime) -> Result<Arc<KeySet>, KeysUnavailable> {
        let reason = || self.last_failure.as_deref().unwrap_or("they are too old and were not fetched again");
        self.usable(now, USABLE_SECONDS).ok_or_else(|| unavailable(reason()))
    }
}

impl Kept {
    fn new(issuer: &Issuer, source: JwksSource) -> Self {
        let source = match source {
            JwksSource::File(keys) => return Self::Fixed(Arc::new(keys)),
            JwksSource::Uri(uri) => Source::Uri(uri),
            JwksSource::Discovery => Source::Discovery { issuer: issuer.issuer.clone() },
        };
        Self::Fetched { source, state: Mutex::default() }
    }
}

impl Source {
    async fn fetch(&self, client: &reqwest::Client) -> Result<KeySet, String> {
        let uri = match self {
            Self::Uri(uri) => uri.clone(),
            Self::Discovery { issuer } => discover(client, issuer).await?,
        };
        let document = get(client, uri.clone(), MAX_JWKS_BYTES).await?;
        KeySet::parse(&document).map_err(|error| format!("{}: {error}", shown(&uri)))
    }
}

/// The document must speak of the issuer it was asked for (OpenID Connect Discovery 1.0, section 4.3).
async fn discover(client: &reqwest::Client, issuer: &str) -> Result<Url, String> {
    let uri = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let uri = Url::parse(&uri).map_err(|error| format!("the issuer is not a URL: {error}"))?;
    let document = get(client, uri.clone(), MAX_DISCOVERY_BYTES).await?;
    let document: Value =
        serde_json::from_slice(&document).map_err(|_| format!("{}: the answer is not JSON", shown(&uri)))?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(format!("{}: its `issuer` is not the configured one", shown(&uri)));
    }
    let jwks_uri = document.get("jwks_uri").and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
    let trusted = jwks_uri.filter(|found| {
        let plain_on_both = is_loopback_http(found) && is_loopback_http(&uri);
        let nobody = found.username().is_empty() && found.password().is_none();
        nobody && (found.scheme() == "https" || plain_on_both)
    });
    trusted.ok_or_else(|| format!("{}: its `jwks_uri` is not an https URL", shown(&uri)))
}

/// Plain text is for development, where the provider runs on this machine.
fn is_loopback_http(url: &Url) -> bool {
    url.scheme() == "http" && http::is_loopback(url)
}

async fn get(client: &reqwest::Client, uri: Url, max_bytes: usize) -> Result<Vec<u8>, String> {
    let response = client.get(uri.clone()).header("accept", "application/json").send().await;
    let response = response.map_err(|error| format!("{}: {}", shown(&uri), reason(error)))?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("{}: status {}", shown(&uri), response.status().as_u16()));
    }
    let body = http::read_capped(response, max_bytes).await;
    body.map_err(|error| format!("{}: {error}", shown(&uri)))
}

/// A query may hold a key of the provider's.
fn shown(uri: &Url) -> String {
    let mut uri = uri.clone();
    uri.set_query(None);
    uri.to_string()
}

fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    format!("not reachable: {deepest}")
}

fn unavailable(reason: &str) -> KeysUnavailable {
    KeysUnavailable { reason: reason.to_owned() }
}
