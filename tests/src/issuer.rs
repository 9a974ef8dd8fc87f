//! An OpenID Connect issuer: discovery, a JWKS, and tokens of every kind, the malformed ones above all.
//!
//! It signs with `aws-lc-rs` and writes JOSE by hand: the code under test verifies with another library, so a mistake
//! of that library cannot hide here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use aws_lc_rs::{hmac, rand};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::http::Server;

/// The issuer. It stops when it is dropped.
#[derive(Debug)]
pub struct Issuer {
    server: Option<Server>,
    port: u16,
    state: Arc<Published>,
}

impl Issuer {
    /// Starts with fresh keys: RS256, ES256 and EdDSA, with the ids `rs256-1`, `es256-1` and `eddsa-1`.
    #[must_use]
    pub fn start() -> Self {
        let state = Published {
            keys: Mutex::new(Keys::generate(1)),
            url: OnceLock::new(),
            failure: Mutex::default(),
            discovery: Mutex::default(),
            jwks: Mutex::default(),
            discovery_fetches: AtomicUsize::new(0),
            jwks_fetches: AtomicUsize::new(0),
        };
        let mut issuer = Self { server: None, port: 0, state: Arc::new(state) };
        issuer.start_again();
        issuer
    }

    /// Its `iss`: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its JWKS.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks.json", self.url())
    }

    /// A token as `spec` says, signed with this issuer's key.
    #[must_use]
    pub fn token(&self, spec: &TokenSpec) -> String {
        self.sign(&self.state.keys.lock().expect("not poisoned"), spec)
    }

    /// The same token, naming this issuer's key and signed with another one.
    #[must_use]
    pub fn forged(&self, spec: &TokenSpec) -> String {
        static IMPOSTOR: OnceLock<Keys> = OnceLock::new();
        let kid = self.state.keys.lock().expect("not poisoned").kid(spec.signing);
        let named = spec.header.iter().any(|(name, _)| name == "kid");
        let spec = if named { spec.clone() } else { spec.clone().header("kid", kid) };
        self.sign(IMPOSTOR.get_or_init(|| Keys::generate(0)), &spec)
    }

    /// `header.payload` as given, signed: for what is not even JSON.
    #[must_use]
    pub fn sign_raw(&self, signing: Signing, header: &str, payload: &str) -> String {
        self.state.keys.lock().expect("not poisoned").jws(signing, header, payload)
    }

    /// Replaces its keys by new ones with new ids (`rs256-2` and so on). The JWKS has only the new ones.
    pub fn rotate(&self) {
        let mut keys = self.state.keys.lock().expect("not poisoned");
        *keys = Keys::generate(keys.generation + 1);
    }

    /// Its public keys, as the JWKS gives them: also for `jwks: {file: …}`.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.state.keys.lock().expect("not poisoned").jwks()
    }

    /// Serves `document` as its JWKS; `Null` for its own again.
    pub fn serve_jwks(&self, document: Value) {
        *self.state.jwks.lock().expect("not poisoned") = document;
    }

    /// Serves `document` as its discovery document; `Null` for its own again.
    pub fn serve_discovery(&self, document: Value) {
        *self.state.discovery.lock().expect("not poisoned") = document;
    }

    /// How often the discovery document was asked for.
    #[must_use]
    pub fn discovery_fetches(&self) -> usize {
        self.state.discovery_fetches.load(Ordering::SeqCst)
    }

    /// How often the JWKS was asked for.
    #[must_use]
    pub fn jwks_fetches(&self) -> usize {
        self.state.jwks_fetches.load(Ordering::SeqCst)
    }

    /// Breaks both documents until [`Issuer::heal`].
    pub fn fail(&self, failure: Failure) {
        *self.state.failure.lock().expect("not poisoned") = Some(failure);
    }

    /// Ends [`Issuer::fail`].
    pub fn heal(&self) {
        *self.state.failure.lock().expect("not poisoned") = None;
    }

    /// From now on connections are refused.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Serves again, on the same port.
    pub fn start_again(&mut self) {
        self.stop();
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks.json", get(jwks))
            .with_state(Arc::clone(&self.state));
        let server = Server::start(self.port, routes);
        self.port = server.port();
        self.state.url.get_or_init(|| server.url());
        self.server = Some(server);
    }

    fn sign(&self, keys: &Keys, spec: &TokenSpec) -> String {
        let now = now();
        let claims = json!({
            "iss": self.url(), "sub": "alice", "aud": "orders-api",
            "iat": now, "nbf": now, "exp": now + 300, "jti": random_id(),
        });
        let header = json!({"typ": "JWT", "alg": spec.signing.alg(), "kid": keys.kid(spec.signing)});
        let header = overridden(&header, &spec.header).to_string();
        keys.jws(spec.signing, &header, &overridden(&claims, &spec.claims).to_string())
    }
}

/// What to put into a token. As it stands: RS256, `sub` alice, `aud` orders-api, issued now, good for 5 minutes.
#[derive(Debug, Clone)]
pub struct TokenSpec {
    signing: Signing,
    header: Vec<(String, Option<Value>)>,
    claims: Vec<(String, Option<Value>)>,
}

impl TokenSpec {
    /// The token described above.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a specification is started, not defaulted")]
    pub fn new() -> Self {
        Self { signing: Signing::Rs256, header: Vec::new(), claims: Vec::new() }
    }

    /// Signs in another way; `alg` and `kid` follow unless they are set.
    #[must_use]
    pub fn signing(mut self, signing: Signing) -> Self {
        self.signing = signing;
        self
    }

    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Leaves a claim out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.push((name.to_owned(), None));
        self
    }

    /// Sets a header parameter.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Leaves a header parameter out.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.push((name.to_owned(), None));
        self
    }

    /// Sets `exp` to so many seconds from now; a negative number is in the past.
    #[must_use]
    pub fn expires_in(self, seconds: i64) -> Self {
        self.claim("exp", now() + seconds)
    }
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// RSA with SHA-256, 2048 bits.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// HMAC with the DER of the public RSA key for a secret: the confusion of algorithms.
    Hs256PublicKey,
    /// Not at all: `alg` none, an empty signature.
    None,
}

impl Signing {
    fn alg(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Hs256PublicKey => "HS256",
            Self::None => "none",
        }
    }
}

/// How the issuer's documents are broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// This status, without a body.
    Status(u16),
    /// 200 and a page of HTML.
    Garbage,
    /// No answer within a minute.
    Hang,
    /// 200 and eight megabytes of JSON.
    Huge,
}

/// Seconds since 1970, as claims count them.
#[must_use]
pub fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the end of time")
}

#[derive(Debug)]
struct Published {
    keys: Mutex<Keys>,
    url: OnceLock<String>,
    failure: Mutex<Option<Failure>>,
    discovery: Mutex<Value>,
    jwks: Mutex<Value>,
    discovery_fetches: AtomicUsize,
    jwks_fetches: AtomicUsize,
}

async fn discovery(State(state): State<Arc<Published>>) -> Response {
    state.discovery_fetches.fetch_add(1, Ordering::SeqCst);
    let url = state.url.get().expect("set before the first request");
    let own = json!({
        "issuer": url,
        "jwks_uri": format!("{url}/jwks.json"),
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
    });
    let document = state.discovery.lock().expect("not poisoned").clone();
    answer(&state, if document.is_null() { own } else { document }).await
}

async fn jwks(State(state): State<Arc<Published>>) -> Response {
    state.jwks_fetches.fetch_add(1, Ordering::SeqCst);
    let own = state.keys.lock().expect("not poisoned").jwks();
    let document = state.jwks.lock().expect("not poisoned").clone();
    answer(&state, if document.is_null() { own } else { document }).await
}

async fn answer(state: &Published, document: Value) -> Response {
    let failure = *state.failure.lock().expect("not poisoned");
    match failure {
        None => axum::Json(document).into_response(),
        Some(Failure::Status(status)) => StatusCode::from_u16(status).expect("a status").into_response(),
        Some(Failure::Garbage) => "<html>We will be right back.</html>".into_response(),
        Some(Failure::Hang) => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Some(Failure::Huge) => {
            axum::Json(json!({"keys": [], "padding": "x".repeat(8 << 20)})).into_response()
        }
    }
}

/// One generation of keys. Their ids end in its number.
#[derive(Debug)]
struct Keys {
    generation: u32,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Keys {
    fn generate(generation: u32) -> Self {
        Self {
            generation,
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key"),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a P-256 key"),
            ed25519: Ed25519KeyPair::generate().expect("an Ed25519 key"),
        }
    }

    fn kid(&self, signing: Signing) -> String {
        let key = match signing {
            Signing::Rs256 | Signing::Hs256PublicKey | Signing::None => "rs256",
            Signing::Es256 => "es256",
            Signing::EdDsa => "eddsa",
        };
        format!("{key}-{}", self.generation)
    }

    fn jws(&self, signing: Signing, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let message = signed.as_bytes();
        let random = SystemRandom::new();
        let signature = match signing {
            Signing::Rs256 => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
            Signing::Es256 => self.p256.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Signing::EdDsa => self.ed25519.sign(message).as_ref().to_vec(),
            Signing::Hs256PublicKey => {
                let public_key = self.rsa.public_key().as_der().expect("a public key");
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public_key.as_ref()), message).as_ref().to_vec()
            }
            Signing::None => Vec::new(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn jwks(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (n, e) = rsa_components(self.rsa.public_key().as_ref());
        // An uncompressed point: 0x04, then x, then y.
        let (x, y) = self.p256.public_key().as_ref()[1..].split_at(32);
        let ed25519 = self.ed25519.public_key().as_ref();
        let key = |signing: Signing| (self.kid(signing), signing.alg());
        let (rs256, es256, eddsa) = (key(Signing::Rs256), key(Signing::Es256), key(Signing::EdDsa));
        json!({"keys": [
            {"kty": "RSA", "use": "sig", "kid": rs256.0, "alg": rs256.1, "n": encode(n), "e": encode(e)},
            {"kty": "EC", "use": "sig", "kid": es256.0, "alg": es256.1, "crv": "P-256", "x": encode(x), "y": encode(y)},
            {"kty": "OKP", "use": "sig", "kid": eddsa.0, "alg": eddsa.1, "crv": "Ed25519", "x": encode(ed25519)},
        ]})
    }
}

/// The modulus and the exponent of a DER `RSAPublicKey ::= SEQUENCE { INTEGER, INTEGER }`.
fn rsa_components(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_value(der);
    let (modulus, rest) = der_value(sequence);
    let (exponent, _) = der_value(rest);
    (modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent)
}

/// The contents of the first DER value, and what follows it.
fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
    let first = usize::from(der[1]);
    let (start, length) = if first < 0x80 {
        (2, first)
    } else {
        let bytes = &der[2..2 + (first & 0x7f)];
        (2 + bytes.len(), bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    };
    der[start..].split_at(length)
}

fn overridden(document: &Value, overrides: &[(String, Option<Value>)]) -> Value {
    let mut members: Map<String, Value> = document.as_object().cloned().unwrap_or_default();
    for (name, value) in overrides {
        match value {
            Some(value) => members.insert(name.clone(), value.clone()),
            None => members.remove(name),
        };
    }
    members.into()
}

fn random_id() -> String {
    let mut bytes = [0; 12];
    rand::fill(&mut bytes).expect("randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}
