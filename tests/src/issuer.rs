//! An OpenID Connect issuer: discovery, a JWKS, and tokens of every kind, above all malformed ones. It can also play
//! the issuer that each AWS account has for `sts:GetWebIdentityToken`: [`Issuer::start_as_aws_account`].
//!
//! It signs with `aws-lc-rs` and writes JOSE by hand. The code under test verifies with another library, so a mistake
//! of that library cannot hide here.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256,
};
use aws_lc_rs::{hmac, rand};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::Server;

/// The issuer. It stops when it is dropped.
#[derive(Debug)]
pub struct Issuer {
    server: Option<Server>,
    port: u16,
    state: Arc<Published>,
}

impl Issuer {
    /// Starts with fresh keys: RS256, ES256 and EdDSA, with the ids `rs256-1`, `es256-1` and `eddsa-1`.
    pub fn start() -> Self {
        Self::start_with(Kind::Corporate, 1)
    }

    /// Starts as the issuer of one AWS account (`https://<uuid>.tokens.sts.global.api.aws` on AWS): discovery names RS256
    /// and ES384; the JWKS has an RSA key without `alg`, of id `RSA_0`, and one on P-384, of id `EC384_0`. So does a
    /// public copy of a real account's. Its tokens are those of [`TokenSpec::aws_iam`].
    pub fn start_as_aws_account() -> Self {
        Self::start_with(Kind::AwsAccount, 0)
    }

    /// A company counts its keys from 1, AWS from 0.
    fn start_with(kind: Kind, generation: u32) -> Self {
        let state = Published {
            kind,
            keys: Mutex::new(Keys::generate(generation)),
            url: OnceLock::new(),
            hangs: AtomicBool::new(false),
            discovery: Mutex::default(),
            discovery_fetches: AtomicUsize::new(0),
            jwks_fetches: AtomicUsize::new(0),
        };
        let mut issuer = Self { server: None, port: 0, state: Arc::new(state) };
        issuer.start_again();
        issuer
    }

    /// Its `iss`: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn jwks_url(&self) -> String {
        format!("{}/jwks.json", self.url())
    }

    /// A token as `spec` says, signed with this issuer's key.
    pub fn token(&self, spec: &TokenSpec) -> String {
        self.sign(&self.state.keys.lock().expect("not poisoned"), spec)
    }

    /// The same token, naming this issuer's key and signed with another one.
    pub fn forged(&self, spec: &TokenSpec) -> String {
        static IMPOSTOR: OnceLock<Keys> = OnceLock::new();
        let kid = self.state.keys.lock().expect("not poisoned").kid(self.state.kind, spec.signing);
        let named = spec.header.iter().any(|(name, _)| name == "kid");
        let spec = if named { spec.clone() } else { spec.clone().header("kid", kid) };
        self.sign(IMPOSTOR.get_or_init(|| Keys::generate(0)), &spec)
    }

    /// Replaces its keys by new ones with new ids (`rs256-2`, `RSA_1` and so on). The JWKS has only the new ones.
    pub fn rotate(&self) {
        let mut keys = self.state.keys.lock().expect("not poisoned");
        *keys = Keys::generate(keys.generation + 1);
    }

    /// Its public keys, as the JWKS gives them: also for `jwks: {file: …}`.
    pub fn jwks(&self) -> Value {
        self.state.keys.lock().expect("not poisoned").jwks(self.state.kind)
    }

    /// Serves `document` as its discovery document; `Null` for its own again.
    pub fn serve_discovery(&self, document: Value) {
        *self.state.discovery.lock().expect("not poisoned") = document;
    }

    pub fn discovery_fetches(&self) -> usize {
        self.state.discovery_fetches.load(Ordering::SeqCst)
    }

    pub fn jwks_fetches(&self) -> usize {
        self.state.jwks_fetches.load(Ordering::SeqCst)
    }

    /// From now on it answers nobody.
    pub fn hang(&self) {
        self.state.hangs.store(true, Ordering::SeqCst);
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

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
        let header =
            json!({"typ": "JWT", "alg": spec.signing.alg(), "kid": keys.kid(self.state.kind, spec.signing)});
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
    #[expect(clippy::new_without_default, reason = "a specification is started, not defaulted")]
    pub fn new() -> Self {
        Self { signing: Signing::Rs256, header: Vec::new(), claims: Vec::new() }
    }

    /// That of a caller who may read orders.
    pub fn reader() -> Self {
        Self::new().claim("scope", "orders:read")
    }

    /// What `sts:GetWebIdentityToken` issues to a principal: `sub` is its ARN, with its path and without the session;
    /// there is no `nbf`; what AWS knows of the caller is nested under `https://sts.amazonaws.com/`
    /// (IAM user guide, "Understanding token claims").
    pub fn aws_iam(principal_arn: &str) -> Self {
        let account = principal_arn.split(':').nth(4).expect("an ARN");
        let about = json!({
            "aws_account": account,
            "source_region": "us-east-1",
            "org_id": "o-a1b2c3d4e5",
            "ou_path": ["o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"],
            "principal_tags": {"team": "orders"},
            "request_tags": {"run": "nightly"},
        });
        let spec = Self::new().signing(Signing::Es384).claim("sub", principal_arn).without("nbf");
        spec.claim("https://sts.amazonaws.com/", about)
    }

    /// Signs in another way; `alg` and `kid` follow unless they are set.
    pub fn signing(mut self, signing: Signing) -> Self {
        self.signing = signing;
        self
    }

    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.push((name.to_owned(), Some(value.into())));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.claims.push((name.to_owned(), None));
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Sets `exp` to so many seconds from now; a negative number is in the past.
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
    /// ECDSA on P-384: only an AWS account's issuer publishes the key.
    Es384,
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
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Hs256PublicKey => "HS256",
            Self::None => "none",
        }
    }
}

/// Seconds since 1970, as claims count them.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the end of time")
}

/// Whose issuer it plays: what its keys are called, and which of them it publishes.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Corporate,
    AwsAccount,
}

impl Kind {
    fn algorithms(self) -> &'static [Signing] {
        match self {
            Self::Corporate => &[Signing::Rs256, Signing::Es256, Signing::EdDsa],
            Self::AwsAccount => &[Signing::Rs256, Signing::Es384],
        }
    }
}

#[derive(Debug)]
struct Published {
    kind: Kind,
    keys: Mutex<Keys>,
    url: OnceLock<String>,
    hangs: AtomicBool,
    discovery: Mutex<Value>,
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
        "id_token_signing_alg_values_supported": state.kind.algorithms().iter().map(|s| s.alg()).collect::<Vec<_>>(),
    });
    let document = state.discovery.lock().expect("not poisoned").clone();
    answer(&state, if document.is_null() { own } else { document }).await
}

async fn jwks(State(state): State<Arc<Published>>) -> Response {
    state.jwks_fetches.fetch_add(1, Ordering::SeqCst);
    let document = state.keys.lock().expect("not poisoned").jwks(state.kind);
    answer(&state, document).await
}

async fn answer(state: &Published, document: Value) -> Response {
    if state.hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    axum::Json(document).into_response()
}

/// One generation of keys. Their ids end in its number.
#[derive(Debug)]
struct Keys {
    generation: u32,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Keys {
    fn generate(generation: u32) -> Self {
        Self {
            generation,
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key"),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a P-256 key"),
            p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a P-384 key"),
            ed25519: Ed25519KeyPair::generate().expect("an Ed25519 key"),
        }
    }

    fn kid(&self, kind: Kind, signing: Signing) -> String {
        let (key, aws_key) = match signing {
            Signing::Rs256 | Signing::Hs256PublicKey | Signing::None => ("rs256", "RSA"),
            Signing::Es256 => ("es256", "EC256"),
            Signing::Es384 => ("es384", "EC384"),
            Signing::EdDsa => ("eddsa", "OKP"),
        };
        match kind {
            Kind::Corporate => format!("{key}-{}", self.generation),
            Kind::AwsAccount => format!("{aws_key}_{}", self.generation),
        }
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
            Signing::Es384 => self.p384.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Signing::EdDsa => self.ed25519.sign(message).as_ref().to_vec(),
            Signing::Hs256PublicKey => {
                let public_key = self.rsa.public_key().as_der().expect("a public key");
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public_key.as_ref()), message).as_ref().to_vec()
            }
            Signing::None => Vec::new(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn jwks(&self, kind: Kind) -> Value {
        let mut keys: Vec<_> = kind.algorithms().iter().map(|signing| self.jwk(kind, *signing)).collect();
        if matches!(kind, Kind::AwsAccount) {
            // As AWS publishes it: a verifier takes the algorithm from its own configuration.
            keys[0].as_object_mut().expect("a key is an object").remove("alg");
        }
        json!({ "keys": keys })
    }

    fn jwk(&self, kind: Kind, signing: Signing) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        // An uncompressed point: 0x04, then x, then y.
        let point = |key: &EcdsaKeyPair| {
            let (_, coordinates) = key.public_key().as_ref().split_at(1);
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            (encode(x), encode(y))
        };
        let key = match signing {
            Signing::Rs256 | Signing::Hs256PublicKey | Signing::None => {
                let key = self.rsa.public_key();
                let [n, e] = [key.modulus(), key.exponent()]
                    .map(|part| encode(part.big_endian_without_leading_zero()));
                json!({"kty": "RSA", "n": n, "e": e})
            }
            Signing::Es256 | Signing::Es384 => {
                let (curve, key) =
                    if signing == Signing::Es256 { ("P-256", &self.p256) } else { ("P-384", &self.p384) };
                let (x, y) = point(key);
                json!({"kty": "EC", "crv": curve, "x": x, "y": y})
            }
            Signing::EdDsa => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(self.ed25519.public_key().as_ref())})
            }
        };
        let own =
            [("use", "sig".to_owned()), ("kid", self.kid(kind, signing)), ("alg", signing.alg().to_owned())];
        let own: Vec<_> = own.map(|(name, value)| (name.to_owned(), Some(json!(value)))).into();
        overridden(&key, &own)
    }
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

pub(crate) fn random_id() -> String {
    let mut bytes = [0; 12];
    rand::fill(&mut bytes).expect("randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}
