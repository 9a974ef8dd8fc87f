//! The issuers' keys: when they are fetched, and what never replaces them.

use std::{
    io::{Read, Write},
    pin::pin,
    sync::{Arc, Mutex, OnceLock, atomic::Ordering},
    time::Duration,
};

use authorizer_adapters::jwks::Jwks;
use authorizer_steps::{
    identity::{KeySource, jwt::KeySet},
    names::IssuerName,
};
use axum::{extract::Request, response::IntoResponse};
use futures_util::{FutureExt, future::join_all};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use vault_authorizer::config::Config;

use crate::support::*;

/// How many keys of [`Keys::jwks`] can verify.
const USABLE: usize = 4;

/// What a provider answers.
#[derive(Clone)]
struct Served {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// Answers `If-None-Match` with 304 where it is this.
    etag: Option<&'static str>,
    /// Takes the request and does not answer.
    hangs: bool,
    /// Takes the request and answers when it is let.
    gate: Option<Arc<Semaphore>>,
    /// Where the discovery document says that the keys are.
    jwks_path: &'static str,
}

impl Served {
    fn keys(jwks: &Value) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: jwks.to_string(),
            etag: None,
            hangs: false,
            gate: None,
            jwks_path: "/keys",
        }
    }

    fn status(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), ..Self::keys(&Value::Null) }
    }

    fn answer(&self, if_none_match: Option<&str>) -> axum::response::Response {
        let unchanged = self.etag.is_some() && if_none_match == self.etag;
        let body = if unchanged { String::new() } else { self.body.clone() };
        let status = axum::http::StatusCode::from_u16(if unchanged { 304 } else { self.status }).unwrap();
        let mut response = (status, body).into_response();
        let etag = self.etag.map(|etag| ("etag", etag.to_owned()));
        for (name, value) in self.headers.iter().cloned().chain(etag) {
            response.headers_mut().append(name, value.parse().unwrap());
        }
        response
    }
}

/// A provider on loopback. Writes down what was asked, as `path If-None-Match`.
struct Provider {
    url: String,
    serves: Arc<Mutex<Served>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    async fn start() -> Self {
        let serves = Arc::new(Mutex::new(Served::keys(&keys().jwks())));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (served, seen) = (Arc::clone(&serves), Arc::clone(&asked));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let own = url.clone();
        let handler = move |request: Request| {
            let served = served.lock().unwrap().clone();
            let header = request.headers().get("if-none-match").map(|etag| etag.to_str().unwrap().to_owned());
            let (url, path) = (own.clone(), request.uri().path().to_owned());
            let line = format!("{path} {}", header.as_deref().unwrap_or("-"));
            seen.lock().unwrap().push(line);
            async move {
                if served.hangs {
                    std::future::pending::<()>().await;
                }
                if let Some(gate) = &served.gate {
                    gate.acquire().await.unwrap().forget();
                }
                if path == "/.well-known/openid-configuration" {
                    let jwks_uri = format!("{url}{}", served.jwks_path);
                    return axum::Json(json!({"issuer": url, "jwks_uri": jwks_uri})).into_response();
                }
                served.answer(header.as_deref())
            }
        };
        let app = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, serves, asked }
    }

    fn serve(&self, served: Served) {
        *self.serves.lock().unwrap() = served;
    }

    fn document(&self) -> String {
        CONFIG.replacen("{file: jwks.json}", &format!("{{uri: \"{}/keys\"}}", self.url), 1)
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

struct World {
    provider: Provider,
    clock: Arc<SetClock>,
    keys: Jwks,
    corp: IssuerName,
}

impl World {
    async fn new() -> Self {
        let provider = Provider::start().await;
        let config = Config::parse(&provider.document(), &task_root()).unwrap();
        let clock = SetClock::at(NOW);
        let (_, keys) = Jwks::new(config.issuers, clock.clone()).unwrap();
        Self { provider, clock, keys, corp: "corp".parse().unwrap() }
    }

    /// One that has its keys, and whose fetches are counted from here.
    async fn with_keys(served: Served) -> Self {
        let world = Self::new().await;
        world.provider.serve(served);
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1));
        world
    }

    fn serve(&self, served: Served) {
        self.provider.serve(served);
    }

    /// For a token whose key is among those that are kept, if any are.
    async fn current(&self) -> Result<usize, String> {
        self.asked(|_| true).await
    }

    /// For a token whose key is in no set.
    async fn refreshed(&self) -> Result<usize, String> {
        self.asked(|_| false).await
    }

    async fn asked(&self, knows: impl Fn(&KeySet) -> bool) -> Result<usize, String> {
        self.keys.keys(&self.corp, knows).await.map(|keys| keys.len()).map_err(|error| error.reason)
    }

    fn fetches(&self) -> usize {
        self.provider.asked().len()
    }
}

fn good() -> Served {
    Served::keys(&keys().jwks())
}

#[tokio::test]
async fn keys_are_fetched_once_for_concurrent_callers_and_kept() {
    let world = World::new().await;
    assert_eq!(tokio::join!(world.current(), world.current()), (Ok(USABLE), Ok(USABLE)));
    assert_eq!(world.fetches(), 1);
    world.clock.forward_seconds(3600);
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 0));
    world.clock.forward_seconds(1);
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1));
}

/// What a caller can make of a `kid` that he chooses: a handful of fetches, and no wait for anybody else's new key.
#[tokio::test]
async fn a_flood_of_unknown_kids_costs_a_handful_of_fetches_and_holds_up_no_rotation() {
    const MOST_FETCHES: usize = 12;
    let provider = Provider::start().await;
    let bed = Bed::with(&provider.document());
    assert_eq!(bed.code_of(&event(&good_token())).await, "allowed");

    let rotated = Keys::generate();
    let new_token = event(&rotated.ed25519(&json!({"alg": "EdDSA", "kid": "ed-2"}), &claims()));
    let (mut rotated_at, mut accepted_after, mut looked_up) = (None, None, 0);
    for millis in 0..10_000 {
        let forged = json!({"alg": "EdDSA", "kid": format!("kid-{millis}")});
        match bed.code_of(&event(&rotated.ed25519(&forged, &claims()))).await.as_str() {
            "key_unknown" => looked_up += 1,
            code => assert_eq!(code, "jwks_unavailable", "after {millis} ms"),
        }
        if millis == 5_100 {
            provider.serve(Served::keys(&renamed(rotated.jwks(), "-2")));
            rotated_at = Some(millis);
        }
        if let (Some(at), None) = (rotated_at, accepted_after) {
            match bed.code_of(&new_token).await.as_str() {
                "allowed" => accepted_after = Some(millis - at),
                code => assert_eq!(
                    code, "jwks_unavailable",
                    "a good caller is never told that the key is unknown"
                ),
            }
        }
        bed.clock.forward_millis(1);
    }
    assert!(accepted_after.is_some_and(|millis| millis <= 2_000), "{accepted_after:?}");
    let fetches = provider.asked().len();
    assert!((2..=MOST_FETCHES).contains(&fetches), "{fetches} fetches");
    assert!(
        (2..=MOST_FETCHES).contains(&looked_up),
        "who is told so has had the provider asked: {looked_up}"
    );
    bed.clock.forward_millis(1500);
    assert_eq!(bed.code_of(&event(&good_token())).await, "key_unknown", "the old keys are gone");
}

/// The same set under other ids.
fn renamed(mut jwks: Value, suffix: &str) -> Value {
    for jwk in jwks["keys"].as_array_mut().unwrap() {
        jwk["kid"] = format!("{}{suffix}", jwk["kid"].as_str().unwrap()).into();
    }
    jwks
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_at_once_where_nobody_asked_lately() {
    let world = World::with_keys(good()).await;
    let mut answers = Vec::new();
    for _ in 0..1000 {
        answers.push(world.refreshed().await);
    }
    assert_eq!(answers[..4], vec![Ok(USABLE); 4]);
    for withheld in &answers[4..] {
        let reason = withheld.as_ref().unwrap_err();
        assert!(
            reason.ends_with("the provider was asked too often for unknown keys to be asked now"),
            "{reason}"
        );
    }
    assert_eq!(world.fetches(), 4);
    world.clock.forward_millis(1499);
    assert_eq!((world.refreshed().await.is_err(), world.fetches()), (true, 0));
    world.clock.forward_millis(1);
    assert_eq!((world.refreshed().await, world.fetches()), (Ok(USABLE), 1));
}

/// The fetch may have asked the provider before the key was published.
#[tokio::test]
async fn a_fetch_that_began_before_the_key_was_named_denies_nobody() {
    let world = World::with_keys(good()).await;
    let gate = Arc::new(Semaphore::new(0));
    world.serve(Served { gate: Some(Arc::clone(&gate)), ..good() });
    let (first, second, _) =
        tokio::join!(world.refreshed(), world.refreshed(), async { gate.add_permits(1) });
    assert_eq!(first, Ok(USABLE), "it is in no set that was fetched for it");
    let reason = second.unwrap_err();
    assert!(reason.ends_with("and the fetch that may find it began before this request"), "{reason}");
    assert_eq!(world.fetches(), 1);
}

/// A fetch that found it serves everybody who waited.
#[tokio::test]
async fn a_new_key_is_found_by_anothers_fetch() {
    let world = World::with_keys(good()).await;
    let gate = Arc::new(Semaphore::new(0));
    let one_key = Served::keys(&json!({"keys": [keys().rsa_public_jwk()]}));
    world.serve(Served { gate: Some(Arc::clone(&gate)), ..one_key });
    let is_new = |keys: &KeySet| keys.len() == 1;
    let found = tokio::join!(world.asked(is_new), world.asked(is_new), async { gate.add_permits(1) });
    assert_eq!((found.0, found.1, world.fetches()), (Ok(1), Ok(1), 1));
}

/// A stranger's unknown `kid`s and a provider that hangs: the fetch is never driven on, so that only patience ends a wait.
#[tokio::test]
async fn a_known_key_never_waits_for_anothers_fetch() {
    let world = World::with_keys(good()).await;
    world.serve(Served { hangs: true, ..good() });
    let mut refresh = pin!(world.refreshed());
    assert!(refresh.as_mut().now_or_never().is_none(), "the fetch is under way");
    assert_eq!(world.current().now_or_never(), Some(Ok(USABLE)));
    world.clock.forward_seconds(3601);
    assert_eq!(
        world.current().now_or_never(),
        Some(Ok(USABLE)),
        "old keys are good while the provider is slow"
    );
}

#[tokio::test]
async fn unknown_keys_hold_an_instance_for_a_second_a_fetch() {
    let world = World::with_keys(good()).await;
    world.serve(Served { hangs: true, ..good() });
    let reason = world.refreshed().await.unwrap_err();
    assert!(reason.ends_with("/keys: no answer yet; the fetch goes on"), "{reason}");
    world.clock.forward_seconds(1);
    let others = join_all((0..20).map(async |_| world.refreshed().await.unwrap_err()));
    let at_once = tokio::time::timeout(Duration::from_millis(500), others).await;
    assert!(at_once.is_ok(), "the second of this fetch is used up");
    assert_eq!(world.fetches(), 1);
}

/// It takes longer than a caller whose keys are old waits for it, and than one whose time is up. Were the fetch dropped
/// with its caller, such a provider would not be heard until its keys are a day old, nor would any new key of it.
#[tokio::test]
async fn a_slow_provider_is_heard_although_nobody_waits_for_it() {
    let world = World::with_keys(good()).await;
    let gate = Arc::new(Semaphore::new(0));
    world.serve(Served {
        gate: Some(Arc::clone(&gate)),
        ..Served::keys(&json!({"keys": [keys().rsa_public_jwk()]}))
    });
    world.clock.forward_seconds(3601);
    assert_eq!(world.current().await, Ok(USABLE), "the old ones serve meanwhile");
    let is_new = |keys: &KeySet| keys.len() == 1;
    assert!(world.asked(is_new).now_or_never().is_none(), "its caller's time is up");
    gate.add_permits(1);
    assert_eq!((world.asked(is_new).await, world.fetches()), (Ok(1), 1));
    assert_eq!((world.current().await, world.fetches()), (Ok(1), 0));
}

/// Frozen for a minute, it finds the answer that has waited for it.
#[tokio::test]
async fn an_answer_that_came_while_the_function_was_frozen_is_taken() {
    let world = World::with_keys(good()).await;
    let gate = Arc::new(Semaphore::new(0));
    let one_key = Served::keys(&json!({"keys": [keys().rsa_public_jwk()]}));
    world.serve(Served { gate: Some(Arc::clone(&gate)), ..one_key });
    let is_new = |keys: &KeySet| keys.len() == 1;
    assert!(world.asked(is_new).now_or_never().is_none());
    world.clock.forward_seconds(60);
    gate.add_permits(1);
    assert_eq!((world.asked(is_new).await, world.fetches()), (Ok(1), 1));
}

/// The first to use a connection that died while the function was frozen finds out.
#[tokio::test]
async fn a_connection_that_died_costs_no_caller_anything() {
    let (url, connections) = one_answer_for_each_connection(keys().jwks().to_string());
    let document = CONFIG.replacen("{file: jwks.json}", &format!("{{uri: \"{url}/keys\"}}"), 1);
    let config = Config::parse(&document, &task_root()).unwrap();
    let (_, jwks) = Jwks::new(config.issuers, SetClock::at(NOW)).unwrap();
    let corp: IssuerName = "corp".parse().unwrap();
    for expected in [1, 2, 3] {
        assert_eq!(jwks.keys(&corp, |_| false).await.map(|keys| keys.len()), Ok(USABLE));
        assert_eq!(connections.load(Ordering::SeqCst), expected);
    }
}

/// Without keys there is nothing to serve meanwhile: the caller waits for some seconds, and learns why. A fetch ends after
/// ten, of the test's own time.
#[tokio::test]
async fn without_keys_a_provider_that_hangs_is_an_outage_and_its_fetch_ends() {
    let world = World::new().await;
    world.serve(Served { hangs: true, ..good() });
    let reason = world.current().await.unwrap_err();
    assert!(reason.ends_with("/keys: no answer yet; the fetch goes on"), "{reason}");
    let reason = world.current().await.unwrap_err();
    // Two timers of one length run for this, and the fetch may end a moment after the wait.
    let ended = reason.ends_with("/keys: no answer within 10 s");
    assert!(ended || reason.ends_with("/keys: no answer yet; the fetch goes on"), "{reason}");
    world.serve(good());
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.clock.forward_seconds(1);
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 2));
}

#[tokio::test]
async fn without_keys_a_slow_provider_serves_the_first_caller() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.serve(Served { gate: Some(Arc::clone(&gate)), ..good() });
    let late = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        gate.add_permits(1);
    };
    assert_eq!(tokio::join!(world.current(), late).0, Ok(USABLE));
}

/// A provider on loopback whose certificate a private CA signed, and which takes its time for each handshake.
fn behind_a_private_ca(handshake_after: Duration) -> String {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../tls/provider.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tls/provider.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            std::thread::sleep(handshake_after);
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, connection.unwrap());
            // Who does not trust the certificate ends the handshake.
            if stream.read(&mut [0; 4096]).is_ok() {
                let body = keys().jwks().to_string();
                let head =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                let _closed = stream.write_all((head + &body).as_bytes());
                stream.conn.send_close_notify();
                let _closed = stream.flush();
            }
        }
    });
    url
}

async fn keys_from(url: &str, ca_file: Option<&str>) -> Result<usize, String> {
    let ca_file = ca_file.map(|file| format!("\n    ca_file: {file}")).unwrap_or_default();
    let source = format!("{{uri: \"{url}/keys\"}}{ca_file}");
    let config = Config::parse(&CONFIG.replacen("{file: jwks.json}", &source, 1), &task_root()).unwrap();
    let (_, jwks) = Jwks::new(config.issuers, SetClock::at(NOW)).unwrap();
    let keys = jwks.keys(&"corp".parse().unwrap(), |_| true).await;
    keys.map(|keys| keys.len()).map_err(|error| error.reason)
}

#[tokio::test]
async fn a_private_ca_is_trusted_where_it_is_configured_and_nowhere_else() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.pem");
    let another = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vault-transport/tests/tls/client.pem");
    let url = behind_a_private_ca(Duration::ZERO);
    assert_eq!(keys_from(&url, Some(tests)).await, Ok(USABLE));
    for ca_file in [None, Some(another)] {
        let reason = keys_from(&url, ca_file).await.unwrap_err();
        assert!(reason.contains("/keys: not reachable: ") && reason.contains("certificate"), "{reason}");
    }
}

#[tokio::test]
async fn a_connection_that_takes_longer_than_a_second_gets_through() {
    let ca_file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.pem");
    let url = behind_a_private_ca(Duration::from_millis(1200));
    assert_eq!(keys_from(&url, Some(ca_file)).await, Ok(USABLE));
}

/// Entra ID's version 1 document, asked for below version 2's `iss`, and the like.
#[tokio::test]
async fn a_discovery_document_of_another_issuer_says_which() {
    for (document, expected) in [
        (
            json!({"issuer": "https://sts.windows.net/tenant/", "jwks_uri": "https://keys.example.com"}),
            "its `issuer` is `https://sts.windows.net/tenant/`, the configured one is `",
        ),
        (json!({"issuer": "a\u{202e}\n"}), "its `issuer` is `a\\u{202e}\\u{a}`, the configured one is `"),
        (json!({"issuer": 7}), "it has no `issuer`, so it is not known whose keys these are"),
    ] {
        let server = Server::start(move |_| (200, document.to_string())).await;
        let document = CONFIG.replacen("{file: jwks.json}", "discovery", 1).replacen(ISSUER, &server.url, 1);
        let config = Config::parse(&document, &task_root()).unwrap();
        let (_, jwks) = Jwks::new(config.issuers, SetClock::at(NOW)).unwrap();
        let reason = jwks.keys(&"corp".parse().unwrap(), |_| true).await.unwrap_err().reason;
        assert!(reason.contains(&format!("/.well-known/openid-configuration: {expected}")), "{reason}");
    }
}

/// A flood of unknown keys asks for the key set alone; keys that have moved are found again.
#[tokio::test]
async fn discovery_is_asked_again_after_five_minutes_or_a_failure() {
    let provider = Provider::start().await;
    let document = CONFIG.replacen("{file: jwks.json}", "discovery", 1).replacen(ISSUER, &provider.url, 1);
    let config = Config::parse(&document, &task_root()).unwrap();
    let clock = SetClock::at(NOW);
    let (_, jwks) = Jwks::new(config.issuers, clock.clone()).unwrap();
    let corp: IssuerName = "corp".parse().unwrap();
    let (discovery, keys) = ("/.well-known/openid-configuration -", "/keys -");
    assert!(jwks.keys(&corp, |_| false).await.is_ok());
    assert_eq!(provider.asked(), [discovery, keys]);
    for (seconds, expected) in [(0, vec![keys]), (299, vec![keys]), (1, vec![discovery, keys])] {
        clock.forward_seconds(seconds);
        assert!(jwks.keys(&corp, |_| false).await.is_ok());
        assert_eq!(provider.asked(), expected, "{seconds} s later");
    }
    provider.serve(Served::status(404, ""));
    clock.forward_seconds(10);
    assert!(jwks.keys(&corp, |_| false).await.is_err());
    assert_eq!(provider.asked(), [keys]);
    provider.serve(Served { jwks_path: "/moved", ..good() });
    clock.forward_seconds(10);
    assert!(jwks.keys(&corp, |_| false).await.is_ok());
    assert_eq!(provider.asked(), [discovery, "/moved -"]);
}

/// Once for each set that is read, and not for each token.
#[tokio::test]
async fn every_key_that_is_not_used_is_logged_once_a_fetch() {
    let log = Log::default();
    let _guard = log.capture();
    let mut jwks = keys().jwks();
    let list = jwks["keys"].as_array_mut().unwrap();
    list.push(json!({"kty": "RSA", "kid": "weak\u{202e}", "n": b64(&[0xff; 128]), "e": "AQAB"}));
    list.push(changed(&published("ec"), &json!({"kid": "rsa", "alg": null})));
    list.push(changed(&published("ed"), &json!({"x": published("ec")["x"]})));
    let world = World::new().await;
    world.serve(Served::keys(&jwks));
    for _ in 0..3 {
        world.current().await.unwrap();
    }
    let field = |line: &Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
    let of = |line: &Value| ["level", "issuer", "kid", "reason"].map(|name| field(line, name)).join(" ");
    let lines: Vec<String> = log.lines().iter().map(of).collect();
    let expected = [
        "WARN corp ed its `kty` `future` is not supported; RSA, EC and OKP are",
        "INFO corp enc its `use` is not `sig`",
        "WARN corp weak\\u{202e} its RSA modulus has 1024 bits; it needs 2048 to 8192, an odd modulus and an odd \
         exponent of 17 to 33 bits",
    ];
    assert_eq!(lines[..3], expected, "{lines:?}");
    // Either no point of the curve, or a second key under one `kid`, by chance of the numbers.
    assert!(lines.len() == 4 && lines[3].starts_with("WARN corp ed "), "{lines:?}");
    world.clock.forward_seconds(3601);
    world.current().await.unwrap();
    assert_eq!(log.lines().len(), 8);
}

#[tokio::test]
async fn stale_keys_are_not_used_while_the_provider_answers() {
    let world = World::with_keys(good()).await;
    world.clock.forward_seconds(3601);
    let one_key = json!({"keys": [keys().rsa_public_jwk()]});
    world.serve(Served::keys(&one_key));
    assert_eq!((world.current().await, world.fetches()), (Ok(1), 1));
}

#[tokio::test]
async fn what_the_provider_says_of_its_keys_age_is_heeded_within_bounds() {
    for (cache_control, fresh_seconds) in [
        ("public, max-age=600", 600),
        ("max-age=7200, must-revalidate", 7200),
        ("max-age=5", 300),
        ("no-store", 300),
        ("no-cache, max-age=7200", 300),
        ("max-age=0", 300),
        ("max-age=31536000", 43_200),
        ("private", 3600),
    ] {
        let headers = vec![("cache-control", cache_control.to_owned())];
        let world = World::with_keys(Served { headers, ..good() }).await;
        world.clock.forward_seconds(fresh_seconds);
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 0), "{cache_control}");
        world.clock.forward_seconds(1);
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1), "{cache_control}");
    }
}

#[tokio::test]
async fn an_unchanged_set_is_renewed_by_its_entity_tag() {
    let served = Served { etag: Some("\"1\""), ..good() };
    let world = World::new().await;
    world.serve(served.clone());
    assert_eq!((world.current().await, world.provider.asked()), (Ok(USABLE), vec!["/keys -".to_owned()]));
    for _ in 0..30 {
        world.clock.forward_seconds(3601);
        // The body is not read: with 304 there is none.
        assert_eq!(world.current().await, Ok(USABLE));
        assert_eq!(world.provider.asked(), ["/keys \"1\""]);
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 0), "renewed");
    }
    let one_key = json!({"keys": [keys().rsa_public_jwk()]});
    world.serve(Served { etag: Some("\"2\""), ..Served::keys(&one_key) });
    world.clock.forward_seconds(3601);
    assert_eq!((world.current().await, world.provider.asked()), (Ok(1), vec!["/keys \"1\"".to_owned()]));
}

#[tokio::test]
async fn a_304_that_was_not_asked_for_gives_no_keys_and_renews_none() {
    let world = World::new().await;
    world.serve(Served::status(304, ""));
    let reason = world.current().await.unwrap_err();
    assert!(reason.contains("/keys: status 304"), "{reason}");
    // Keys without an entity tag cannot be asked for by one.
    let world = World::with_keys(good()).await;
    world.serve(Served::status(304, ""));
    world.clock.forward_seconds(24 * 3600);
    assert_eq!((world.current().await, world.provider.asked()), (Ok(USABLE), vec!["/keys -".to_owned()]));
    world.clock.forward_seconds(2);
    assert!(world.current().await.is_err());
}

#[tokio::test]
async fn an_entity_tag_says_nothing_of_another_uri() {
    let provider = Provider::start().await;
    let document = CONFIG.replacen("{file: jwks.json}", "discovery", 1).replacen(ISSUER, &provider.url, 1);
    let config = Config::parse(&document, &task_root()).unwrap();
    let clock = SetClock::at(NOW);
    let (_, jwks) = Jwks::new(config.issuers, clock.clone()).unwrap();
    let corp: IssuerName = "corp".parse().unwrap();
    for jwks_path in ["/keys-1", "/keys-1", "/keys-2"] {
        provider.serve(Served { etag: Some("\"1\""), jwks_path, ..good() });
        assert_eq!(jwks.keys(&corp, |_| true).await.unwrap().len(), USABLE);
        clock.forward_seconds(3601);
    }
    let discovery = "/.well-known/openid-configuration -";
    let expected = [discovery, "/keys-1 -", discovery, "/keys-1 \"1\"", discovery, "/keys-2 -"];
    assert_eq!(provider.asked(), expected);
}

/// What a discovery document may not lead to.
#[tokio::test]
async fn rejects_a_discovery_document_that_names_a_user_or_has_no_end() {
    for (document, expected) in [
        (json!({"jwks_uri": "https://user:secret@127.0.0.1/keys"}), "its `jwks_uri` is not an https URL"),
        (json!({"jwks_uri": "http://keys.example.com/keys"}), "its `jwks_uri` is not an https URL"),
        (json!({"jwks_uri": "file:///etc/passwd"}), "its `jwks_uri` is not an https URL"),
        (json!({"padding": " ".repeat(65_536)}), "the answer is longer than 65536 bytes"),
    ] {
        let own = Arc::new(OnceLock::<String>::new());
        let issuer = Arc::clone(&own);
        let server = Server::start(move |_| {
            let mut document = document.clone();
            document["issuer"] = issuer.get().unwrap().as_str().into();
            (200, document.to_string())
        })
        .await;
        own.set(server.url.clone()).unwrap();
        let document = CONFIG.replacen("{file: jwks.json}", "discovery", 1).replacen(ISSUER, &server.url, 1);
        let config = Config::parse(&document, &task_root()).unwrap();
        let (_, jwks) = Jwks::new(config.issuers, SetClock::at(NOW)).unwrap();
        let reason = jwks.keys(&"corp".parse().unwrap(), |_| true).await.unwrap_err().reason;
        assert!(reason.ends_with(expected), "{reason}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_never_replaces_good_keys() {
    let world = World::new().await;
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1));
    for (status, body) in [
        (200, "<html>sign in</html>".to_owned()),
        (200, json!({"keys": []}).to_string()),
        (200, json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string()),
        (200, keys().jwks().to_string().replacen("\"kid\"", "\"kty\":\"RSA\",\"kid\"", 1)),
        (200, json!({"keys": vec![keys().rsa_public_jwk(); 129]}).to_string()),
        (200, " ".repeat(300_000)),
        (500, keys().jwks().to_string()),
        (204, String::new()),
        (206, keys().jwks().to_string()),
        (302, keys().jwks().to_string()),
        (304, String::new()),
    ] {
        world.serve(Served::status(status, body));
        world.clock.forward_seconds(61);
        assert!(world.refreshed().await.is_err(), "{status}: whether there is a newer key cannot be known");
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1), "{status}");
    }
}

/// Who can write a redirect into the provider's answers must not choose the keys.
#[tokio::test]
async fn rejects_a_redirect_to_other_keys() {
    let elsewhere = Provider::start().await;
    for status in [301, 302, 303, 307, 308] {
        let world = World::new().await;
        let headers = vec![("location", format!("{}/keys", elsewhere.url))];
        world.serve(Served { headers, ..Served::status(status, keys().jwks().to_string()) });
        let reason = world.current().await.unwrap_err();
        assert!(reason.contains(&format!("/keys: status {status}")), "{reason}");
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn while_the_provider_is_down_keys_are_used_for_a_day_and_no_longer() {
    let world = World::new().await;
    world.current().await.unwrap();
    world.serve(Served::status(503, ""));
    world.clock.forward_seconds(24 * 3600);
    assert_eq!(world.current().await, Ok(USABLE));
    world.clock.forward_seconds(11);
    let reason = world.current().await.unwrap_err();
    assert!(reason.contains("/keys: status 503"), "{reason}");
    world.serve(good());
    world.clock.forward_seconds(11);
    assert_eq!(world.current().await, Ok(USABLE));
}

#[tokio::test]
async fn without_any_keys_a_provider_is_asked_again_after_a_second() {
    let world = World::new().await;
    world.serve(Served::status(503, ""));
    assert!(world.current().await.is_err() && world.current().await.is_err());
    assert_eq!(world.fetches(), 1);
    world.serve(good());
    assert!(world.current().await.is_err());
    world.clock.forward_seconds(1);
    assert_eq!(world.current().await, Ok(USABLE));
}

#[tokio::test]
async fn a_clock_set_back_does_not_stop_the_fetching() {
    let world = World::with_keys(good()).await;
    world.clock.back_seconds(86_400);
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1), "keys of the future are not fresh");
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 0));
}

#[tokio::test]
async fn a_fetch_that_init_did_not_wait_for_is_the_first_requests() {
    let world = World::new().await;
    assert!(world.current().now_or_never().is_none(), "given up while the fetch is under way");
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1));
}

#[tokio::test]
async fn a_query_in_a_uri_is_not_shown() {
    let server = Server::start(|_| (500, String::new())).await;
    let source = format!("{{uri: \"{}/keys?api_key=secret-of-the-provider\"}}", server.url);
    let config = Config::parse(&CONFIG.replacen("{file: jwks.json}", &source, 1), &task_root()).unwrap();
    let (_, keys) = Jwks::new(config.issuers, SetClock::at(NOW)).unwrap();
    let reason = keys.keys(&"corp".parse().unwrap(), |_| true).await.unwrap_err().reason;
    assert!(!reason.contains("secret-of-the-provider") && reason.contains("/keys"), "{reason}");
}
