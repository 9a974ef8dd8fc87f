//! One issuer's provider: where its keys are, and how they are asked for.
//!
//! Receives a URI, or an issuer whose discovery document names one; produces a key set with what the provider said of its
//! age, or the news that nothing changed. Every answer is bounded and checked: what is not a usable key set is an error.
//! Leaves what becomes of the keys that are kept to `kept`.
//!
//! URLs come from the configuration, and from the discovery document of an issuer named there; never from a token.

use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, AGE, CACHE_CONTROL, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH},
};
use serde_json::Value;
use url::Url;
use vault_context::http;

use crate::{
    adapters,
    identity::jwt::{KeySet, MAX_JWKS_BYTES},
};

const MAX_DISCOVERY_BYTES: usize = 64 * 1024;
/// An entity tag longer than this is not kept.
const MAX_ETAG_BYTES: usize = 256;

/// How long keys are used without asking, where the provider does not say.
const FRESH_SECONDS: u64 = 3600;
/// The bounds for what it says. A provider that wants to be asked each time is not: the unknown key is what tells of a
/// change. Half a day leaves the other half of the keys' life to find it away and come back.
const MIN_FRESH_SECONDS: u64 = 300;
const MAX_FRESH_SECONDS: u64 = 12 * 3600;

/// Where the keys are.
pub(super) enum Provider {
    Discovery { issuer: String },
    Uri(Url),
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
    /// Asks once. The error is for the operator.
    pub(super) async fn fetch(&self, client: &Client, known: Option<&Validator>) -> Result<Update, String> {
        let uri = match self {
            Self::Uri(uri) => uri.clone(),
            Self::Discovery { issuer } => discover(client, issuer).await?,
        };
        let etag = known.filter(|known| known.uri == uri).map(|known| &known.etag);
        let response = ask(client, &uri, etag).await?;
        let fresh_seconds = fresh_seconds(response.headers());
        if etag.is_some() && response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Update::Unchanged { fresh_seconds });
        }
        let fresh_seconds = fresh_seconds.unwrap_or(FRESH_SECONDS);
        let validator = Validator::of(&uri, response.headers());
        let document = body(response, &uri, MAX_JWKS_BYTES).await?;
        let keys = KeySet::parse(&document).map_err(|error| format!("{}: {error}", shown(&uri)))?;
        Ok(Update::Changed(Published { keys, validator, fresh_seconds }))
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
    let uri = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let uri = Url::parse(&uri).map_err(|error| format!("the issuer is not a URL: {error}"))?;
    let document = body(ask(client, &uri, None).await?, &uri, MAX_DISCOVERY_BYTES).await?;
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

async fn ask(client: &Client, uri: &Url, etag: Option<&HeaderValue>) -> Result<Response, String> {
    let mut request = client.get(uri.clone()).header(ACCEPT, "application/json");
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    adapters::send_repeatable(request).await.map_err(|error| format!("{}: {}", shown(uri), reason(error)))
}

async fn body(response: Response, uri: &Url, max_bytes: usize) -> Result<Vec<u8>, String> {
    if response.status() != StatusCode::OK {
        return Err(format!("{}: status {}", shown(uri), response.status().as_u16()));
    }
    let body = http::read_capped(response, max_bytes).await;
    body.map_err(|error| format!("{}: {error}", shown(uri)))
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
pub(super) fn shown(uri: &Url) -> String {
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
        assert_eq!(fresh(&[]), 3600);
        assert_eq!(fresh(&["public"]), 3600);
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
        assert_eq!(
            [aged("0"), aged("600"), aged("3500"), aged("9999")].map(Option::unwrap),
            [3600, 3000, 300, 300]
        );
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
}
