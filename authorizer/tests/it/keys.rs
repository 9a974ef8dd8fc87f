//! The issuers' keys: when they are fetched, and what never replaces them.

mod discovery;
mod documents;
mod fetches;
mod tls;

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use authorizer_adapters::jwks::Jwks;
use authorizer_steps::{
    identity::{KeySource, jwt::KeySet},
    names::IssuerName,
};
use futures_util::{FutureExt, future::join_all};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::*;

/// How many keys of [`Keys::jwks`] can verify.
const USABLE: usize = 4;

/// What a provider answers.
#[derive(Clone)]
struct Served {
    reply: Reply,
    /// Answers `If-None-Match` with 304 where it is this.
    etag: Option<&'static str>,
    /// Where the discovery document says that the keys are.
    jwks_path: &'static str,
}

impl Served {
    fn keys(jwks: &Value) -> Self {
        Self::status(200, jwks.to_string())
    }

    fn status(status: u16, body: impl Into<String>) -> Self {
        Self { reply: Reply::new(status, body), etag: None, jwks_path: "/keys" }
    }

    /// Takes the request and answers when it is let.
    fn behind(mut self, gate: &Arc<Semaphore>) -> Self {
        self.reply.gate = Some(Arc::clone(gate));
        self
    }

    /// Takes the request and does not answer.
    fn never(self) -> Self {
        self.behind(&Arc::new(Semaphore::new(0)))
    }

    fn header(self, name: &'static str, value: &str) -> Self {
        Self { reply: self.reply.header(name, value), ..self }
    }

    fn tagged(self, etag: &'static str) -> Self {
        Self { etag: Some(etag), ..self.header("etag", etag) }
    }

    fn answer(&self, asked: &Asked) -> Reply {
        if asked.path == "/.well-known/openid-configuration" {
            let url = format!("http://{}", asked.header("host").unwrap());
            let discovery = json!({"issuer": url, "jwks_uri": format!("{url}{}", self.jwks_path)});
            return Reply { gate: self.reply.gate.clone(), ..Reply::new(200, discovery.to_string()) };
        }
        if self.etag.is_some_and(|etag| asked.header("if-none-match") == Some(etag)) {
            return Reply { status: 304, body: String::new(), ..self.reply.clone() };
        }
        self.reply.clone()
    }
}

fn good() -> Served {
    Served::keys(&keys().jwks())
}

/// Told from [`good`] by [`is_new`].
fn one_key() -> Served {
    Served::keys(&json!({"keys": [keys().rsa_public_jwk()]}))
}

fn is_new(keys: &KeySet) -> bool {
    keys.len() == 1
}

/// A provider on loopback.
struct Provider {
    server: Server,
    serves: Arc<Mutex<Served>>,
}

impl Provider {
    async fn start() -> Self {
        let serves = Arc::new(Mutex::new(good()));
        let served = Arc::clone(&serves);
        let server = Server::start(move |asked| served.lock().unwrap().answer(asked)).await;
        Self { server, serves }
    }

    fn serve(&self, served: Served) {
        *self.serves.lock().unwrap() = served;
    }

    /// What was asked since the last time, as `path If-None-Match`.
    fn asked(&self) -> Vec<String> {
        let line = |asked: &Asked| format!("{} {}", asked.path, asked.header("if-none-match").unwrap_or("-"));
        self.server.requests().iter().map(line).collect()
    }
}

/// The keys of the issuer `corp`, as a document has them fetched.
struct Corp {
    keys: Jwks,
    clock: Arc<SetClock>,
}

impl Corp {
    fn of(document: Document) -> Self {
        let clock = SetClock::at(NOW);
        let (_, keys) = Jwks::new(document.config().issuers, clock.clone()).unwrap();
        Self { keys, clock }
    }

    /// For a token whose key is among those that are kept, if any are.
    async fn current(&self) -> Result<usize, String> {
        self.asked(|_| true).await
    }

    /// For a token whose key is in no set.
    async fn refreshed(&self) -> Result<usize, String> {
        self.asked(|_| false).await
    }

    async fn asked(&self, knows: impl Fn(&KeySet) -> bool + Send) -> Result<usize, String> {
        let corp: IssuerName = "corp".parse().unwrap();
        self.keys.keys(&corp, knows).await.map(|keys| keys.len()).map_err(|error| error.reason)
    }
}

/// The keys, and the provider that they come from.
struct World {
    provider: Provider,
    corp: Corp,
    clock: Arc<SetClock>,
}

impl std::ops::Deref for World {
    type Target = Corp;

    fn deref(&self) -> &Corp {
        &self.corp
    }
}

impl World {
    async fn new() -> Self {
        Self::of(Document::keys_at).await
    }

    /// One that finds its keys by the provider's discovery document.
    async fn discovering() -> Self {
        Self::of(Document::discovered_at).await
    }

    async fn of(source: impl Fn(Document, &str) -> Document) -> Self {
        let provider = Provider::start().await;
        let corp = Corp::of(source(document(), &provider.server.url));
        Self { provider, clock: corp.clock.clone(), corp }
    }

    /// One that has its keys, and whose fetches are counted from here.
    async fn with_keys(served: Served) -> Self {
        let world = Self::new().await;
        world.serve(served);
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1));
        world
    }

    /// The same, and from now on the provider serves something else.
    async fn then(served: Served) -> Self {
        let world = Self::with_keys(good()).await;
        world.serve(served);
        world
    }

    fn serve(&self, served: Served) {
        self.provider.serve(served);
    }

    fn fetches(&self) -> usize {
        self.provider.asked().len()
    }
}
