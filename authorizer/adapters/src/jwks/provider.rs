//! One issuer's provider: where its keys are, and how to fetch them.
//!
//! Receives a URI, or an issuer whose discovery document names one. Produces a key set with what the provider said of
//! its age, or the news that nothing changed. Every answer is bounded and checked, and an unusable key set is an
//! error. A key that cannot verify is logged. `key_cache` decides what happens to the cached keys.
//!
//! URLs come from the configuration, or from the discovery document of an issuer named there. They never come from a
//! token.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use authorizer_steps::{
    clock::UnixTime,
    identity::jwt::{Algorithm, InvalidKeySet, KeySet, MAX_JWKS_BYTES, UnusableKey},
    names::IssuerName,
    shown::shown,
};
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, AGE, CACHE_CONTROL, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH},
};
use serde_json::Value;
use url::Url;
use vault_api::is_loopback;
use vault_transport::http::{self, BodyError, HttpOptions, HttpSetupError, Protocol, TransportError};

use crate::client::send_repeatable;

/// How long connecting may take, TLS included. The operating system sends a lost packet again after 1 s and 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a fetch may take in all, the discovery document included. No caller waits as long.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// How long `jwks_uri` of a discovery document is taken for granted. A flood of unknown keys then costs one request each,
/// and keys that have moved are found by the next fetch after this.
const DISCOVERY_SECONDS: u64 = 300;

const MAX_DISCOVERY_BYTES: usize = 64 * 1024;
/// An entity tag longer than this is not kept.
const MAX_ETAG_BYTES: usize = 256;

/// How long keys are used without asking, where the provider does not say.
const FRESH_SECONDS: u64 = 3600;
/// The bounds for what it says. A provider that wants to be asked each time is not: the unknown key is what tells of a
/// change. Half a day leaves the other half of the keys' life to find it away and come back.
const MIN_FRESH_SECONDS: u64 = 300;
const MAX_FRESH_SECONDS: u64 = 12 * 3600;

/// Where the keys are, and how they are asked for.
pub(super) struct Provider {
    place: Place,
    client: Client,
    /// What the discovery document said, and when it was asked.
    discovered: Mutex<Option<(Url, UnixTime)>>,
}

enum Place {
    Discovery { issuer: String },
    Uri(Url),
}

/// A client that trusts these roots, else the system's.
pub(super) fn client(ca_pem: Option<Vec<u8>>, protocol: Protocol) -> Result<Client, HttpSetupError> {
    let options = HttpOptions {
        connect_timeout: CONNECT_TIMEOUT,
        timeout: FETCH_TIMEOUT,
        ca_pem,
        protocol,
        ..HttpOptions::default()
    };
    http::client(&options)
}

/// What the provider answered.
pub(super) enum Update {
    Changed(Published),
    /// They are as the validator says (RFC 9110, section 15.4.5).
    Unchanged {
        /// `None` where the provider did not say.
        fresh_seconds: Option<u64>,
    },
}

/// A key set as the provider gave it.
pub(super) struct Published {
    pub(super) keys: KeySet,
    pub(super) validator: Option<Validator>,
    pub(super) fresh_seconds: u64,
}

/// The entity tag of a key set (RFC 9110, section 8.8.3). It says nothing of what another URI has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validator {
    uri: Url,
    etag: HeaderValue,
}

impl Provider {
    pub(super) fn at(uri: Url, client: Client) -> Self {
        Self { place: Place::Uri(uri), client, discovered: Mutex::default() }
    }

    pub(super) fn discovered_for(issuer: String, client: Client) -> Self {
        Self { place: Place::Discovery { issuer }, client, discovered: Mutex::default() }
    }

    /// The URI that is asked now, for messages.
    pub(super) fn shown(&self) -> String {
        match (&self.place, self.discovered()) {
            (Place::Uri(uri), _) => shown_uri(uri),
            (Place::Discovery { .. }, Some((uri, _))) => shown_uri(&uri),
            (Place::Discovery { issuer }, None) => discovery_uri(issuer),
        }
    }

    /// Asks once. The error is for the operator. After one, the discovery document is asked for again.
    pub(super) async fn fetch(
        &self,
        issuer: &IssuerName,
        known: Option<&Validator>,
        now: UnixTime,
    ) -> Result<Update, String> {
        let update = tokio::time::timeout(FETCH_TIMEOUT, self.ask_for_keys(issuer, known, now)).await;
        let update = update.unwrap_or_else(|_| Err(format!("{}: {}", self.shown(), no_answer())));
        if update.is_err() {
            self.remember(None);
        }
        update
    }

    async fn ask_for_keys(
        &self,
        issuer: &IssuerName,
        known: Option<&Validator>,
        now: UnixTime,
    ) -> Result<Update, String> {
        let uri = self.jwks_uri(now).await?;
        let etag = known.filter(|known| known.uri == uri).map(|known| &known.etag);
        let response = ask(&self.client, &uri, etag).await?;
        let fresh_seconds = fresh_seconds(response.headers());
        if etag.is_some() && response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Update::Unchanged { fresh_seconds });
        }
        let fresh_seconds = fresh_seconds.unwrap_or(FRESH_SECONDS);
        let validator = Validator::of(&uri, response.headers());
        let document = body(response, &uri, MAX_JWKS_BYTES).await?;
        let keys = KeySet::parse(&document).map_err(|error| {
            if let InvalidKeySet::NoUsableKey(unusable) = &error {
                report_unusable(issuer, unusable);
            }
            format!("{}: {error}", shown_uri(&uri))
        })?;
        report(issuer, &keys);
        Ok(Update::Changed(Published { keys, validator, fresh_seconds }))
    }

    async fn jwks_uri(&self, now: UnixTime) -> Result<Url, String> {
        let issuer = match &self.place {
            Place::Uri(uri) => return Ok(uri.clone()),
            Place::Discovery { issuer } => issuer,
        };
        // A clock that was set back makes a document of the future an old one.
        if let Some((uri, _)) =
            self.discovered().filter(|(_, at)| *at <= now && now.seconds_after(*at) < DISCOVERY_SECONDS)
        {
            return Ok(uri);
        }
        let uri = discover(&self.client, issuer).await?;
        self.remember(Some((uri.clone(), now)));
        Ok(uri)
    }

    fn discovered(&self) -> Option<(Url, UnixTime)> {
        self.discovered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, discovered: Option<(Url, UnixTime)>) {
        *self.discovered.lock().unwrap_or_else(PoisonError::into_inner) = discovered;
    }
}

/// Says which keys of a set cannot be used, once for each set that is read.
pub(super) fn report(issuer: &IssuerName, keys: &KeySet) {
    report_unusable(issuer, keys.unusable());
    for kid in keys.ambiguous_kids(&Algorithm::ALL) {
        tracing::warn!(
            issuer = issuer.as_str(),
            kid,
            "the issuer publishes different keys under one `kid`, so none of them is used"
        );
    }
}

fn report_unusable(issuer: &IssuerName, unusable: &[UnusableKey]) {
    let issuer = issuer.as_str();
    for key in unusable {
        let (kid, reason) = (key.kid(), key.why().to_string());
        if key.why().is_for_another_purpose() {
            tracing::info!(issuer, kid, reason, "the issuer publishes a key that is not for signatures");
        } else {
            tracing::warn!(issuer, kid, reason, "the issuer publishes a key that cannot be used");
        }
    }
}

impl Validator {
    fn of(uri: &Url, headers: &HeaderMap) -> Option<Self> {
        let etag = headers.get(ETAG).filter(|etag| etag.len() <= MAX_ETAG_BYTES)?;
        Some(Self { uri: uri.clone(), etag: etag.clone() })
    }
}

/// The document must speak of the issuer it was asked for (OpenID Connect Discovery 1.0, section 4.3).
async fn discover(client: &Client, issuer: &str) -> Result<Url, String> {
    let uri =
        Url::parse(&discovery_uri(issuer)).map_err(|error| format!("the issuer is not a URL: {error}"))?;
    let document = body(ask(client, &uri, None).await?, &uri, MAX_DISCOVERY_BYTES).await?;
    let document: Value = serde_json::from_slice(&document)
        .map_err(|_| format!("{}: the answer is not JSON", shown_uri(&uri)))?;
    match document.get("issuer").and_then(Value::as_str) {
        Some(theirs) if theirs == issuer => {}
        Some(theirs) => {
            let (uri, theirs) = (shown_uri(&uri), shown(theirs));
            return Err(format!("{uri}: its `issuer` is `{theirs}`, the configured one is `{issuer}`"));
        }
        None => {
            return Err(format!("{}: it has no `issuer`, so the keys could be anybody's", shown_uri(&uri)));
        }
    }
    let jwks_uri = document.get("jwks_uri").and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
    let trusted = jwks_uri.filter(|found| {
        let plain_on_both = is_loopback_http(found) && is_loopback_http(&uri);
        let nobody = found.username().is_empty() && found.password().is_none();
        nobody && (found.scheme() == "https" || plain_on_both)
    });
    trusted.ok_or_else(|| format!("{}: its `jwks_uri` is not an https URL", shown_uri(&uri)))
}

fn discovery_uri(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// Plain text is for development, where the provider runs on this machine.
pub(super) fn is_loopback_http(url: &Url) -> bool {
    url.scheme() == "http" && is_loopback(url)
}

async fn ask(client: &Client, uri: &Url, etag: Option<&HeaderValue>) -> Result<Response, String> {
    let mut request = client.get(uri.clone()).header(ACCEPT, "application/json");
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    send_repeatable(request).await.map_err(|error| format!("{}: {}", shown_uri(uri), reason(error)))
}

async fn body(response: Response, uri: &Url, max_bytes: usize) -> Result<Vec<u8>, String> {
    if response.status() != StatusCode::OK {
        return Err(format!("{}: status {}", shown_uri(uri), response.status().as_u16()));
    }
    let body = http::read_capped(response, max_bytes).await;
    body.map_err(|error| match error {
        BodyError::Read { source } => format!("{}: {}", shown_uri(uri), reason(source)),
        BodyError::TooLarge { .. } => format!("{}: {error}", shown_uri(uri)),
    })
}

/// How long the answer is fresh by its `Cache-Control` (RFC 9111, section 5.2.2), within our bounds. What cannot be read
/// is not fresh (section 4.2.1), nor is what says so; of several values the least counts. What it spent in a cache on the
/// way is taken off (section 4.2.3).
fn fresh_seconds(headers: &HeaderMap) -> Option<u64> {
    let texts = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let directives = texts(CACHE_CONTROL).flat_map(|value| value.split(','));
    let said = directives.filter_map(directive_seconds).min()?;
    let age_seconds = texts(AGE).next().and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    Some(said.saturating_sub(age_seconds).clamp(MIN_FRESH_SECONDS, MAX_FRESH_SECONDS))
}

fn directive_seconds(directive: &str) -> Option<u64> {
    let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
    match name.trim().to_ascii_lowercase().as_str() {
        "max-age" => Some(value.trim().trim_matches('"').parse().unwrap_or(0)),
        "no-store" | "no-cache" => Some(0),
        _ => None,
    }
}

/// A query may hold a key of the provider's.
pub(super) fn shown_uri(uri: &Url) -> String {
    let mut uri = uri.clone();
    uri.set_query(None);
    uri.to_string()
}

fn reason(error: reqwest::Error) -> String {
    let error = TransportError::from(error);
    if error.is_timeout() && error.is_connect() {
        return format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
    }
    if error.is_timeout() {
        return no_answer();
    }
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    format!("{}: {deepest}", if error.is_body() { "the answer ended early" } else { "not reachable" })
}

fn no_answer() -> String {
    format!("no answer within {} s", FETCH_TIMEOUT.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(values: &[&str]) -> u64 {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, HeaderValue::from_str(value).unwrap());
        }
        fresh_seconds(&headers).unwrap_or(FRESH_SECONDS)
    }

    #[test]
    fn what_the_provider_says_of_its_keys_age_is_kept_within_bounds() {
        assert_eq!([fresh(&[]), fresh(&["public"])], [3600, 3600]);
        assert_eq!(fresh(&["public, s-maxage=7200, must-revalidate"]), 3600, "we are a private cache");
        assert_eq!(fresh(&["public, max-age=1800"]), 1800);
        assert_eq!(fresh(&["Max-Age=1800"]), 1800);
        assert_eq!(fresh(&["max-age = \"1800\""]), 1800);
        assert_eq!(fresh(&["max-age=299"]), 300);
        assert_eq!(fresh(&["max-age=43201"]), 43_200);
        assert_eq!(fresh(&["max-age=31536000, immutable"]), 43_200);
        for asked_each_time in ["no-store", "no-cache", "NO-CACHE", "no-cache=\"set-cookie\"", "max-age=0"] {
            assert_eq!(fresh(&[asked_each_time]), 300, "{asked_each_time}");
            assert_eq!(fresh(&["max-age=7200", asked_each_time]), 300, "{asked_each_time}");
        }
    }

    #[test]
    fn what_an_answer_spent_in_a_cache_is_taken_off() {
        let aged = |age: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
            headers.insert(AGE, HeaderValue::from_str(age).unwrap());
            fresh_seconds(&headers)
        };
        assert_eq!(["0", "600", "3500", "9999"].map(aged), [3600, 3000, 300, 300].map(Some));
        assert_eq!(aged("-1"), Some(3600), "no age");
        assert_eq!(fresh_seconds(&HeaderMap::from_iter([(AGE, HeaderValue::from_static("60"))])), None);
    }

    #[test]
    fn what_cannot_be_read_is_asked_for_soon() {
        for odd in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1e9",
            "max-age=99999999999999999999",
            "max-age=1, max-age=7200",
        ] {
            assert_eq!(fresh(&[odd]), 300, "{odd}");
        }
    }

    #[test]
    fn an_entity_tag_is_kept_with_its_uri_and_bounded() {
        let uri = Url::parse("https://login.example.com/keys").unwrap();
        let of = |etag: &str| {
            let headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_str(etag).unwrap())]);
            Validator::of(&uri, &headers)
        };
        let etag = HeaderValue::from_static("W/\"1\"");
        assert_eq!(of("W/\"1\""), Some(Validator { uri: uri.clone(), etag }));
        assert!(of(&"e".repeat(256)).is_some() && of(&"e".repeat(257)).is_none());
        assert_eq!(Validator::of(&uri, &HeaderMap::new()), None);
    }

    /// Whether it takes connections that never get further, or requests that are never answered.
    #[tokio::test]
    async fn a_late_connection_is_told_from_a_late_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let options = HttpOptions {
            connect_timeout: Duration::from_millis(100),
            timeout: Duration::from_millis(400),
            protocol: Protocol::HttpsOrHttp,
            ..HttpOptions::default()
        };
        let client = http::client(&options).unwrap();
        let asked = async |scheme: &str| {
            let uri = Url::parse(&format!("{scheme}://{address}/keys")).unwrap();
            ask(&client, &uri, None).await.unwrap_err()
        };
        assert_eq!(asked("https").await, format!("https://{address}/keys: no connection within 5 s"));
        assert_eq!(asked("http").await, format!("http://{address}/keys: no answer within 10 s"));
    }
}
