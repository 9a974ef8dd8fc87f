//! Fetches the issuers' keys and caches them.
//!
//! Receives the source of each issuer: a file's keys, a URI, or OIDC discovery. Produces unproven key sets for
//! [`identity::jwt`](authorizer_steps::identity::jwt). Each issuer has at most one fetch at a time, and a request
//! whose key is known never waits for another key. A fetch runs in its own task, which continues when all its callers
//! have given up. If it were dropped with them, a provider slower than their patience would never deliver its keys.
//! `key_cache` decides when to ask, and `provider` knows how.

mod key_cache;
mod provider;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use authorizer_steps::{
    clock::{Clock, UnixTime},
    identity::{
        KeySource, KeysUnavailable,
        jwt::{Issuer, KeySet},
    },
    names::IssuerName,
};
use futures_util::future::join_all;
use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use url::Url;
use vault_transport::http::{HttpSetupError, Protocol};

use crate::backoff::chance;

use key_cache::{Begin, KeyCache, Wanted};
use provider::{FETCH_TIMEOUT, Provider, client, is_loopback_http, report, shown_uri};

/// How long a caller waits for a fetch. Counted from its beginning: however many callers come while it goes on, they hold up
/// this instance for a second together.
const KEYS_WAIT: Duration = Duration::from_secs(1);

/// How long callers wait for the first keys, at a cold start: none of this issuer's can be served without them, so a slow
/// answer is better than a quick fault. It leaves the functions that we deploy, which have 8 s, some time to mint. Once a
/// fetch has failed, nobody waits so long: a provider that is away must not hold up the callers of others.
const FIRST_KEYS_WAIT: Duration = Duration::from_secs(5);

/// Where an issuer's keys come from. `ca_pem` holds the only roots that are trusted, in place of the system's.
pub enum JwksSource {
    /// `jwks_uri` of the issuer's discovery document (OpenID Connect Discovery 1.0, section 4).
    Discovery {
        /// PEM certificates.
        ca_pem: Option<Vec<u8>>,
    },
    /// This URI.
    Uri {
        /// Where the key set is.
        uri: Url,
        /// PEM certificates.
        ca_pem: Option<Vec<u8>>,
    },
    /// A file beside the binary, read at init.
    File(KeySet),
}

impl fmt::Debug for JwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discovery { ca_pem } => {
                f.debug_struct("Discovery").field("own_ca", &ca_pem.is_some()).finish()
            }
            Self::Uri { uri, ca_pem } => {
                let mut uri_struct = f.debug_struct("Uri");
                uri_struct.field("uri", &shown_uri(uri)).field("own_ca", &ca_pem.is_some()).finish()
            }
            Self::File(keys) => f.debug_tuple("File").field(keys).finish(),
        }
    }
}

/// The keys of every configured issuer.
pub struct Jwks {
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
    cache: Mutex<KeyCache>,
    /// Wakes those who wait for another's fetch.
    ended: Notify,
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
        let mut clients = Clients::default();
        let mut keys = BTreeMap::new();
        let mut known = Vec::new();
        for (issuer, source) in issuers {
            keys.insert(issuer.name.clone(), Keys::new(&issuer, source, &mut clients)?);
            known.push(issuer);
        }
        Ok((known, Self { clock, issuers: keys }))
    }

    /// Fetches what can be fetched, from all at once, so that the first request need not. Failures are logged and tried
    /// again later.
    pub async fn warm(&self) {
        join_all(self.issuers.keys().map(|name| self.keys(name, |_| true))).await;
    }

    /// Fetches the keys, and waits as long as a fetch may last: for an operator who looks at the provider.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`].
    pub async fn fetched(&self, issuer: &IssuerName) -> Result<Arc<KeySet>, KeysUnavailable> {
        let fetched = match self.of(issuer)? {
            Keys::Fixed(keys) => return Ok(Arc::clone(keys)),
            Keys::Fetched(fetched) => fetched,
        };
        let now = self.clock.now();
        let begin = fetched.cache().begin_attempt(Wanted::Any, now);
        if begin == Begin::Own {
            let _ended = self.fetch(issuer, fetched, now).await;
        }
        let usable = fetched.cache().usable(self.clock.now());
        usable.ok_or_else(|| KeysUnavailable { reason: fetched.why_not(begin, false) })
    }

    fn of(&self, issuer: &IssuerName) -> Result<&Keys, KeysUnavailable> {
        let no_source = || KeysUnavailable { reason: "no source is configured".to_owned() };
        self.issuers.get(issuer).ok_or_else(no_source)
    }

    /// Fetches in a task of its own. It says whether the provider gave or confirmed the keys.
    fn fetch(&self, issuer: &IssuerName, fetched: &Arc<Fetched>, begun_at: UnixTime) -> JoinHandle<bool> {
        let (issuer, clock) = (issuer.clone(), Arc::clone(&self.clock));
        let flight = Flight(Arc::clone(fetched));
        tokio::spawn(async move {
            let Flight(fetched) = &flight;
            let validator = fetched.cache().validator().cloned();
            let outcome = fetched.provider.fetch(&issuer, validator.as_ref(), begun_at).await;
            if let Err(reason) = &outcome {
                tracing::warn!(issuer = issuer.as_str(), reason, "the issuer's keys could not be fetched");
            }
            let succeeded = outcome.is_ok();
            fetched.cache().end_attempt(outcome, begun_at, clock.now(), chance());
            succeeded
        })
    }
}

/// A fetch that is under way, until this is dropped.
struct Flight(Arc<Fetched>);

impl Drop for Flight {
    fn drop(&mut self) {
        let Self(fetched) = self;
        fetched.cache().land();
        fetched.ended.notify_waiters();
    }
}

impl KeySource for Jwks {
    async fn keys(
        &self,
        issuer: &IssuerName,
        knows: impl Fn(&KeySet) -> bool + Send,
    ) -> Result<Arc<KeySet>, KeysUnavailable> {
        let fetched = match self.of(issuer)? {
            Keys::Fixed(keys) => return Ok(Arc::clone(keys)),
            Keys::Fetched(fetched) => fetched,
        };
        let now = self.clock.now();
        let fresh = fetched.cache().fresh(now);
        let usable = fetched.cache().usable(now);
        if let Some(keys) = fresh.as_ref().filter(|keys| knows(keys)) {
            return Ok(Arc::clone(keys));
        }
        let wanted = if fresh.is_some() { Wanted::Newer } else { Wanted::Any };
        let known = usable.as_ref().is_some_and(|keys| knows(keys));
        let first = usable.is_none() && fetched.cache().failure_reason().is_none();
        let ended = fetched.ended.notified();
        let begin = fetched.cache().begin_attempt(wanted, now);
        // INVARIANT (only a newer set denies): set by this call's own fetch alone, which began after the key was sought.
        let mut confirmed = false;
        match begin {
            Begin::Own => {
                let fetch = timeout(patience(first, now, now), self.fetch(issuer, fetched, now));
                match fetch.await {
                    Ok(fetch) => confirmed = fetch.is_ok_and(|succeeded| succeeded),
                    Err(_) if known => tracing::warn!(
                        issuer = issuer.as_str(),
                        "the issuer's cached keys stay in use, because newer ones take too long to fetch"
                    ),
                    Err(_) => {}
                }
            }
            Begin::Anothers { begun_at } if !known => {
                let _late = timeout(patience(first, begun_at, now), ended).await;
            }
            Begin::Anothers { .. } | Begin::Pausing | Begin::Spent => {}
        }
        let usable = fetched.cache().usable(self.clock.now());
        match usable {
            Some(keys) if confirmed || knows(&keys) => Ok(keys),
            others => Err(KeysUnavailable { reason: fetched.why_not(begin, others.is_some()) }),
        }
    }
}

/// How long to wait for a fetch that began then.
fn patience(first: bool, begun_at: UnixTime, now: UnixTime) -> Duration {
    let wait = if first { FIRST_KEYS_WAIT } else { KEYS_WAIT };
    let age = now.duration_after(begun_at);
    // No fetch runs that long, so the function was frozen meanwhile, and the answer may be here.
    if age > FETCH_TIMEOUT { wait } else { wait.saturating_sub(age) }
}

impl Keys {
    fn new(issuer: &Issuer, source: JwksSource, clients: &mut Clients) -> Result<Self, HttpSetupError> {
        let provider = match source {
            JwksSource::File(keys) => {
                report(&issuer.name, &keys);
                return Ok(Self::Fixed(Arc::new(keys)));
            }
            JwksSource::Uri { uri, ca_pem } => {
                let client = clients.with(ca_pem, Protocol::of(is_loopback_http(&uri)))?;
                Provider::at(uri, client)
            }
            JwksSource::Discovery { ca_pem } => {
                let is_loopback_http = Url::parse(&issuer.issuer).is_ok_and(|uri| is_loopback_http(&uri));
                let client = clients.with(ca_pem, Protocol::of(is_loopback_http))?;
                Provider::discovered_for(issuer.issuer.clone(), client)
            }
        };
        let (cache, ended) = (Mutex::default(), Notify::new());
        Ok(Self::Fetched(Arc::new(Fetched { provider, cache, ended })))
    }
}

/// One client for each set of roots, as its connections are kept apart.
#[derive(Default)]
struct Clients(BTreeMap<(Option<Vec<u8>>, Protocol), reqwest::Client>);

impl Clients {
    fn with(
        &mut self,
        ca_pem: Option<Vec<u8>>,
        protocol: Protocol,
    ) -> Result<reqwest::Client, HttpSetupError> {
        let key = (ca_pem, protocol);
        if let Some(client) = self.0.get(&key) {
            return Ok(client.clone());
        }
        let client = client(key.0.clone(), protocol)?;
        self.0.insert(key, client.clone());
        Ok(client)
    }
}

impl Fetched {
    /// Nothing panics while it holds the lock; should it ever, what is kept is still whole.
    fn cache(&self) -> MutexGuard<'_, KeyCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why no kept set can judge the token.
    fn why_not(&self, begin: Begin, has_keys: bool) -> String {
        if let Some(reason) = self.cache().failure_reason() {
            return reason.to_owned();
        }
        let why = match begin {
            Begin::Anothers { .. } if has_keys => {
                "the token's key is not cached, and a fetch that may find it began before this request"
            }
            Begin::Own | Begin::Anothers { .. } => "no answer yet; the fetch goes on",
            Begin::Pausing => "the last fetch failed a moment ago, and the next one follows soon",
            Begin::Spent => {
                "the token's key is not cached, and too many recent fetches were for unknown keys"
            }
        };
        format!("{}: {why}", self.provider.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_of_one_fetch_wait_a_second_together_unless_the_function_was_frozen() {
        let begun_at = UnixTime::from_seconds(1_800_000_000);
        let millis = |first, millis| {
            patience(first, begun_at, begun_at.plus(Duration::from_millis(millis))).as_millis()
        };
        assert_eq!([0, 400, 1000, 10_000, 10_001].map(|age| millis(false, age)), [1000, 600, 0, 0, 1000]);
        assert_eq!([0, 3000, 9000, 10_001].map(|age| millis(true, age)), [5000, 2000, 0, 5000]);
    }
}
