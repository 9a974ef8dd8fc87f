//! The issuers' keys, fetched and kept.
//!
//! Receives each issuer's source: a file's keys, a URI, or OIDC discovery; produces key sets, unproven, for
//! [`identity::jwt`](crate::identity::jwt). One fetch at a time for each issuer, and nobody whose keys are fresh waits
//! for it. A fetch is a task of its own, which ends also where every caller has given up the wait: were it dropped with
//! them, a provider that takes longer than they do would never be heard. Leaves when to ask to `kept`, and how to
//! `provider`.

mod kept;
mod provider;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use url::Url;

use super::jitter;
use crate::{
    clock::Clock,
    identity::{
        KeySource, KeysUnavailable,
        jwt::{Issuer, KeySet},
    },
    names::IssuerName,
};
use kept::{Kept, Wanted};
use provider::{Provider, shown};

/// How long a caller whose key may well be known waits for newer ones, be it behind another's fetch.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);

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
    issuers: BTreeMap<IssuerName, Keys>,
}

enum Keys {
    Fixed(Arc<KeySet>),
    Fetched(Arc<Fetched>),
}

struct Fetched {
    provider: Provider,
    /// Locked for as long as it takes to read or write, and never while somebody waits for the network.
    kept: Mutex<Kept>,
    /// Held by the fetch that is under way.
    flight: Arc<tokio::sync::Mutex<()>>,
}

impl Jwks {
    /// Keeps the keys of these issuers, fetched by [`identity_client`](super::identity_client)'s client. Fetches nothing
    /// yet.
    pub fn new(
        issuers: impl IntoIterator<Item = (Issuer, JwksSource)>,
        client: reqwest::Client,
        clock: Arc<dyn Clock>,
    ) -> (Vec<Issuer>, Self) {
        let mut keys = BTreeMap::new();
        let mut known = Vec::new();
        for (issuer, source) in issuers {
            keys.insert(issuer.name.clone(), Keys::new(&issuer, source));
            known.push(issuer);
        }
        (known, Self { client, clock, issuers: keys })
    }

    /// Fetches what can be fetched, from all at once, so that the first request need not. Failures are logged and tried
    /// again later.
    pub async fn warm(&self) {
        join_all(self.issuers.keys().map(|name| self.current(name))).await;
    }

    fn keys(&self, issuer: &IssuerName) -> Result<&Keys, KeysUnavailable> {
        let unknown = || KeysUnavailable { reason: "no source is configured".to_owned() };
        self.issuers.get(issuer).ok_or_else(unknown)
    }

    /// Fetches, unless it is too early for that. Who waited for another's attempt takes what came of it.
    async fn attempt(&self, issuer: &IssuerName, fetched: &Arc<Fetched>, wanted: Wanted) {
        let seen = fetched.kept().attempts();
        let flight = Arc::clone(&fetched.flight).lock_owned().await;
        let begun_at = self.clock.now();
        let due = fetched.kept().attempts() == seen && fetched.kept().begin_attempt(wanted, begun_at);
        if !due {
            return;
        }
        let (issuer, fetched) = (issuer.clone(), Arc::clone(fetched));
        let (client, clock) = (self.client.clone(), Arc::clone(&self.clock));
        let fetch = tokio::spawn(async move {
            let _flight = flight;
            let validator = fetched.kept().validator().cloned();
            let outcome = fetched.provider.fetch(&client, validator.as_ref()).await;
            if let Err(reason) = &outcome {
                tracing::warn!(issuer = issuer.as_str(), reason, "the issuer's keys could not be fetched");
            }
            fetched.kept().end_attempt(outcome, begun_at, clock.now(), jitter());
        });
        let _ended = fetch.await;
    }
}

impl KeySource for Jwks {
    async fn current(&self, issuer: &IssuerName) -> Result<Arc<KeySet>, KeysUnavailable> {
        let fetched = match self.keys(issuer)? {
            Keys::Fixed(keys) => return Ok(Arc::clone(keys)),
            Keys::Fetched(fetched) => fetched,
        };
        let now = self.clock.now();
        if let Some(keys) = fetched.kept().fresh(now) {
            return Ok(keys);
        }
        let usable = fetched.kept().usable(now).is_some();
        let attempt = self.attempt(issuer, fetched, Wanted::Any);
        if !usable {
            attempt.await;
        } else if tokio::time::timeout(REFRESH_TIMEOUT, attempt).await.is_err() {
            // Keys that will still do are no reason to make a caller wait for a provider that hangs.
            tracing::warn!(
                issuer = issuer.as_str(),
                "the issuer's keys are used on: newer ones take too long"
            );
        }
        fetched.kept().any(self.clock.now())
    }

    async fn refreshed(&self, issuer: &IssuerName) -> Result<Arc<KeySet>, KeysUnavailable> {
        match self.keys(issuer)? {
            Keys::Fixed(keys) => Ok(Arc::clone(keys)),
            Keys::Fetched(fetched) => {
                self.attempt(issuer, fetched, Wanted::Newer).await;
                fetched.kept().newest(self.clock.now())
            }
        }
    }
}

impl Keys {
    fn new(issuer: &Issuer, source: JwksSource) -> Self {
        let provider = match source {
            JwksSource::File(keys) => return Self::Fixed(Arc::new(keys)),
            JwksSource::Uri(uri) => Provider::Uri(uri),
            JwksSource::Discovery => Provider::Discovery { issuer: issuer.issuer.clone() },
        };
        let (kept, flight) = (Mutex::default(), Arc::default());
        Self::Fetched(Arc::new(Fetched { provider, kept, flight }))
    }
}

impl Fetched {
    /// Nothing panics while it holds the lock; should it ever, what is kept is still whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
