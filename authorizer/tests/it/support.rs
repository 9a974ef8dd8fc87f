//! An authorizer with everything real but Vault and the clock, an issuer's keys, and events to send.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fs,
    io::{Read, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use authorizer_adapters::jwks::Jwks;
use authorizer_steps::{
    authorize::{Authorizer, Invocation, Resolver},
    caller_limit::CallerLimit,
    clock::{Clock, UnixTime},
    identity::{AwsIdentityScheme, JwtScheme, Schemes},
    mint::{MintError, Minter, Order, Undo},
    response::{Answer, Envelope},
    telemetry::Record,
};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
        ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        Ed25519KeyPair, KeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sts_identity::{Sts, StsAnswer, StsRequest, StsUnavailable};
use tracing::{Dispatch, subscriber::NoSubscriber};
use vault_api::{VaultAnswer, VaultError};
use vault_authorizer::config::Config;

/// 2027-01-15T08:00:00Z.
pub const NOW: u64 = 1_800_000_000;
pub const ISSUER: &str = "https://login.example.com/";
pub const WRAPPING_TOKEN: &str = "s.WrappingTokenOfTheTest00";
pub const CLEAR_TOKEN: &str = "s.ClearTokenOfTheTest00000";
pub const ACCESSOR: &str = "BJ2J7fl2ksKbSCQaYIgIx3cU";

/// A clock that is set.
pub struct SetClock(AtomicU64);

impl SetClock {
    pub fn at(seconds: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seconds * 1000)))
    }

    pub fn forward_seconds(&self, seconds: u64) {
        self.forward_millis(seconds * 1000);
    }

    pub fn back_seconds(&self, seconds: u64) {
        self.0.fetch_sub(seconds * 1000, Ordering::SeqCst);
    }

    pub fn forward_millis(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A Vault below the trait: gives the answers it was told to give, else the good one, and writes down what it was asked.
pub struct FakeVault {
    pub answers: RefCell<VecDeque<Result<VaultAnswer, MintError>>>,
    pub orders: RefCell<Vec<Order>>,
    pub undone: RefCell<Vec<String>>,
    /// How long each mint takes.
    pub takes_millis: u64,
    /// Whether it takes an order and does not answer.
    pub hangs: Cell<bool>,
    clock: Arc<SetClock>,
}

impl Minter for FakeVault {
    async fn mint(&self, order: &Order) -> Result<VaultAnswer, MintError> {
        self.orders.borrow_mut().push(order.clone());
        self.clock.forward_millis(self.takes_millis);
        // Others come in between, as they do where there is a network.
        tokio::task::yield_now().await;
        if self.hangs.get() {
            std::future::pending::<()>().await;
        }
        self.answers.borrow_mut().pop_front().unwrap_or_else(|| Ok(good_answer(order)))
    }

    async fn undo(&self, token: Undo) -> Result<(), VaultError> {
        self.undone.borrow_mut().push(match token {
            Undo::Clear(token) => format!("revoke {}", token.expose()),
            Undo::Wrapped(token) => format!("unwrap and revoke {}", token.expose()),
        });
        Ok(())
    }
}

/// An STS below the trait: gives the answers it was told to give, else names [`ROLE_SESSION`], and writes down what it
/// was asked.
#[derive(Clone, Default)]
pub struct FakeSts(Arc<Mutex<StsState>>);

#[derive(Default)]
struct StsState {
    answers: VecDeque<Result<StsAnswer, StsUnavailable>>,
    asked: Vec<String>,
    hangs: bool,
}

pub const ROLE_SESSION: &str = "arn:aws:sts::123456789012:assumed-role/batch/nightly-7";

impl FakeSts {
    /// What the next call gets.
    pub fn answer(&self, answer: Result<StsAnswer, StsUnavailable>) {
        self.0.lock().unwrap().answers.push_back(answer);
    }

    /// As if no answer had been given.
    pub fn forget_answers(&self) {
        self.0.lock().unwrap().answers.clear();
    }

    /// Whether it takes a question and does not answer.
    pub fn hang(&self, hangs: bool) {
        self.0.lock().unwrap().hangs = hangs;
    }

    /// What was asked since the last time: each call's URL and headers.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

impl Sts for FakeSts {
    async fn call(&self, request: &StsRequest) -> Result<StsAnswer, StsUnavailable> {
        let headers: Vec<_> = request.headers().map(|(name, value)| format!("{name}: {value}")).collect();
        // Others come in between, as they do where there is a network.
        tokio::task::yield_now().await;
        if self.0.lock().unwrap().hangs {
            std::future::pending::<()>().await;
        }
        let mut state = self.0.lock().unwrap();
        state.asked.push(format!("{} {}", request.url(), headers.join(", ")));
        state
            .answers
            .pop_front()
            .unwrap_or_else(|| Ok(caller_answer(ROLE_SESSION, "AROAEXAMPLEBATCH:nightly-7")))
    }
}

/// STS's answer to a good proof.
pub fn caller_answer(arn: &str, user_id: &str) -> StsAnswer {
    let account = arn.split(':').nth(4).unwrap();
    sts_answer(
        200,
        &format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>{arn}</Arn><UserId>{user_id}</UserId><Account>{account}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        ),
    )
}

/// STS's answer to a proof that is not good.
pub fn error_answer(status: u16, code: &str) -> StsAnswer {
    sts_answer(
        status,
        &format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>no</Message></Error><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>\
             </ErrorResponse>"
        ),
    )
}

pub fn sts_answer(status: u16, body: &str) -> StsAnswer {
    StsAnswer { status, content_type: Some("text/xml".to_owned()), body: body.as_bytes().to_vec() }
}

pub fn good_answer(order: &Order) -> VaultAnswer {
    answer(json!({"wrap_info": wrap_info(&order.creation_path, order.ttls.wrap_seconds)}))
}

pub fn wrap_info(creation_path: &str, ttl: u64) -> Value {
    json!({"token": WRAPPING_TOKEN, "accessor": "AKUe", "ttl": ttl, "creation_path": creation_path,
        "creation_time": "2027-01-15T08:00:00Z", "wrapped_accessor": ACCESSOR})
}

pub fn auth() -> Value {
    json!({"client_token": CLEAR_TOKEN, "accessor": ACCESSOR, "policies": ["orders-read"], "lease_duration": 120,
        "renewable": false, "token_type": "service", "orphan": true, "num_uses": 0, "entity_id": ""})
}

/// What the transport would make of Vault's JSON.
pub fn answer(body: Value) -> VaultAnswer {
    let field = |name: &str| body.get(name).cloned().filter(|value| !value.is_null());
    VaultAnswer {
        auth: field("auth").map(|auth| serde_json::from_value(auth).unwrap()),
        wrap_info: field("wrap_info").map(|wrap| serde_json::from_value(wrap).unwrap()),
        ..VaultAnswer::default()
    }
}

/// An authorizer and its surroundings.
pub struct Bed {
    pub authorizer: Authorizer<Jwks, FakeSts, FakeVault>,
    pub clock: Arc<SetClock>,
    pub sts: FakeSts,
}

impl Bed {
    pub fn new() -> Self {
        Self::with(CONFIG)
    }

    pub fn with(document: &str) -> Self {
        Self::with_vault(document, Vec::new(), 0)
    }

    /// With all ten algorithms, and these keys as the issuer's.
    pub fn with_keys(jwks: &Value) -> Self {
        static SETS: AtomicU64 = AtomicU64::new(0);
        let name = format!("keys-{}.json", SETS.fetch_add(1, Ordering::SeqCst));
        fs::write(task_root().join(&name), jwks.to_string()).unwrap();
        let document = CONFIG.replacen("jwks.json", &name, 1);
        let all = ALGORITHMS.map(|(algorithm, _)| algorithm).join(", ");
        Self::with(&document.replacen("RS256, ES256, EdDSA", &all, 1))
    }

    pub fn with_vault(
        document: &str,
        answers: Vec<Result<VaultAnswer, MintError>>,
        takes_millis: u64,
    ) -> Self {
        let clock = SetClock::at(NOW);
        let config = Config::parse(document, &task_root()).unwrap_or_else(|error| panic!("{error}"));
        let (issuers, keys) = Jwks::new(config.issuers, clock.clone()).unwrap();
        let sts = FakeSts::default();
        let aws_identity =
            config.aws_identity.map(|settings| AwsIdentityScheme::new(settings, sts.clone(), clock.clone()));
        let authorizer = Authorizer {
            resolver: Resolver {
                schemes: Schemes { jwt: JwtScheme::new(issuers, keys), aws_identity },
                credentials: config.credentials,
                stages: config.stages,
                clock: clock.clone(),
            },
            caller_limit: CallerLimit::new(config.limits.caller_mints_per_second),
            minter: FakeVault {
                answers: RefCell::new(answers.into()),
                orders: RefCell::default(),
                undone: RefCell::default(),
                takes_millis,
                hangs: Cell::default(),
                clock: clock.clone(),
            },
            envelope: Envelope { address: config.vault.address.to_string(), namespace: None },
            answer: config.answer,
            caller_id_in_log: config.caller_id_in_log,
            warm: false.into(),
        };
        Self { authorizer, clock, sts }
    }

    pub fn decide(&self, event: &Value) -> (Answer, Record) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.decide_within(event, 8))
    }

    async fn decide_within(&self, event: &Value, seconds: u64) -> (Answer, Record) {
        self.decide_bytes_within(event.to_string().as_bytes(), seconds).await
    }

    /// The line for an event that may not be JSON, and the answer.
    pub fn decide_bytes(&self, event: &[u8]) -> (Answer, Value) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (answer, record) = runtime.block_on(self.decide_bytes_within(event, 8));
        (answer, record.line(self.clock.now()))
    }

    async fn decide_bytes_within(&self, event: &[u8], seconds: u64) -> (Answer, Record) {
        let deadline = self.clock.now().plus_seconds(seconds);
        let invocation =
            Invocation { request_id: "lambda-request-1", trace_id: Some("Root=1-2-3"), deadline };
        self.authorizer.decide(event, invocation).await
    }

    /// [`Bed::code`] within a runtime.
    pub async fn code_of(&self, event: &Value) -> String {
        self.code_within(event, 8).await
    }

    /// [`Bed::code_of`] with a deadline so many seconds from now.
    pub async fn code_within(&self, event: &Value, seconds: u64) -> String {
        let (_, record) = self.decide_within(event, seconds).await;
        record.line(self.clock.now())["Code"].as_str().unwrap().to_owned()
    }

    /// The codes for these events at once.
    pub fn codes_at_once(&self, events: &[Value]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(futures_util::future::join_all(events.iter().map(|event| self.code_of(event))))
    }

    pub fn line(&self, event: &Value) -> Value {
        self.decide(event).1.line(self.clock.now())
    }

    /// `allowed`, or the code.
    pub fn code(&self, event: &Value) -> String {
        self.line(event)["Code"].as_str().unwrap().to_owned()
    }

    /// The code for a token, on the route that `orders-reader` covers.
    pub fn code_for(&self, token: &str) -> String {
        self.code(&event(token))
    }
}

/// Every algorithm, and the `kid` of the key of [`Keys::jwks`] that serves it.
pub const ALGORITHMS: [(&str, &str); 9] = [
    ("RS256", "rsa"),
    ("RS384", "rsa"),
    ("RS512", "rsa"),
    ("PS256", "rsa"),
    ("PS384", "rsa"),
    ("PS512", "rsa"),
    ("ES256", "ec"),
    ("ES384", "ec384"),
    ("EdDSA", "ed"),
];

pub const CONFIG: &str = r#"
vault:
  address: https://vault.example.com:8200
  login: {method: token, token: s.AuthorizerTokenOfTheTest}
issuers:
  corp:
    kind: jwt
    issuer: https://login.example.com/
    audiences: [orders-api]
    algorithms: [RS256, ES256, EdDSA]
    jwks: {file: jwks.json}
    max_age: 1h
  partner:
    kind: jwt
    issuer: https://partner.example.net
    audiences: [orders-api]
    audience_claim: client_id
    algorithms: [EdDSA]
    jwks: {file: partner.json}
    user_claim: /user/name
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - name: orders-reader
        routes: ["GET /orders", "GET /orders/{id}"]
        caller: {issuer: corp, bound_claims: {scope: ["orders:read"]}}
        token: {role: orders-prod-reader, policies: [orders-read], ttl: 2m, wrap_ttl: 30s, num_uses: 5}
      - name: status
        mode: none
        routes: ["GET /status"]
        caller: {issuer: corp, any: true}
      - name: partner-reader
        routes: ["GET /orders"]
        caller: {issuer: partner, any: true}
        token: {role: partner-reader, policies: [partner-read], ttl: 1m, wrap_ttl: 15s}
  narrow:
    api_ids: ["*"]
    audiences: [orders-api-narrow]
    grants:
      - name: narrow-status
        mode: none
        routes: ["* /*"]
        caller: {issuer: corp, any: true}
"#;

/// A REST `REQUEST` event for `GET /orders` on `prod`, with a JWT.
pub fn event(token: &str) -> Value {
    event_with(&format!("Bearer {token}"))
}

/// The same with any `Authorization`.
pub fn event_with(authorization: &str) -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders",
        "resource": "/orders",
        "path": "/orders",
        "httpMethod": "GET",
        "headers": {"Authorization": authorization},
        "multiValueHeaders": {"Authorization": [authorization]},
        "requestContext": {"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod",
            "resourcePath": "/orders", "httpMethod": "GET", "requestId": "request-1", "extendedRequestId": "extended-1"},
    })
}

/// The same for another route of `stage`.
pub fn event_on(token: &str, stage: &str, method: &str, resource: &str) -> Value {
    let mut event = event(token);
    event["methodArn"] =
        format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/{stage}/{method}{resource}").into();
    event["resource"] = resource.into();
    event["path"] = resource.into();
    event["httpMethod"] = method.into();
    event["requestContext"]["stage"] = stage.into();
    event["requestContext"]["resourcePath"] = resource.into();
    event["requestContext"]["httpMethod"] = method.into();
    event
}

pub fn token_event(token: &str, path: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": format!("Bearer {token}"),
        "methodArn": format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET{path}")})
}

pub fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "alice", "aud": "orders-api", "exp": NOW + 600, "iat": NOW - 10, "nbf": NOW - 10,
        "scope": "orders:read profile"})
}

/// [`claims`] with some changed, or removed where the value is null.
pub fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

pub fn good_token() -> String {
    keys().ed25519(&json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"}), &claims())
}

pub fn token_with(changes: Value) -> String {
    keys().ed25519(&json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"}), &claims_with(changes))
}

pub fn token_with_header(header: Value) -> String {
    keys().ed25519(&header, &claims())
}

/// The issuer's keys.
pub struct Keys {
    pub rsa: signature::RsaKeyPair,
    ec256: Ec,
    ec384: Ec,
    ed: Ed25519KeyPair,
    partner: Ed25519KeyPair,
}

/// One key of a curve, signing in both forms.
struct Ec {
    fixed: EcdsaKeyPair,
    der: EcdsaKeyPair,
}

impl Ec {
    fn generate(fixed: &'static EcdsaSigningAlgorithm, der: &'static EcdsaSigningAlgorithm) -> Self {
        let fixed = EcdsaKeyPair::generate(fixed).unwrap();
        let pkcs8 = fixed.to_pkcs8v1().unwrap();
        Self { der: EcdsaKeyPair::from_pkcs8(der, pkcs8.as_ref()).unwrap(), fixed }
    }

    fn jwk(&self, kid: &str, crv: &str, alg: &str) -> Value {
        // SEC 1, uncompressed: 4, x, y.
        let (x, y) =
            self.fixed.public_key().as_ref()[1..].split_at((self.fixed.public_key().as_ref().len() - 1) / 2);
        json!({"kty": "EC", "crv": crv, "kid": kid, "alg": alg, "x": b64(x), "y": b64(y)})
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.fixed.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        self.der.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(Keys::generate)
}

impl Keys {
    pub fn generate() -> Self {
        Self {
            rsa: signature::RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec256: Ec::generate(&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_ASN1_SIGNING),
            ec384: Ec::generate(&ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING),
            ed: Ed25519KeyPair::generate().unwrap(),
            partner: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// What `algorithm` makes of the message with the key of this set that fits.
    pub fn signature(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match algorithm {
            "RS256" => self.rsa_signature(&signature::RSA_PKCS1_SHA256, message),
            "RS384" => self.rsa_signature(&signature::RSA_PKCS1_SHA384, message),
            "RS512" => self.rsa_signature(&signature::RSA_PKCS1_SHA512, message),
            "PS256" => self.rsa_signature(&signature::RSA_PSS_SHA256, message),
            "PS384" => self.rsa_signature(&signature::RSA_PSS_SHA384, message),
            "PS512" => self.rsa_signature(&signature::RSA_PSS_SHA512, message),
            "ES256" => self.ec256.sign(message),
            "ES384" => self.ec384.sign(message),
            "EdDSA" => self.ed.sign(message).as_ref().to_vec(),
            "ES256 in DER" => self.ec256.sign_der(message),
            "ES384 in DER" => self.ec384.sign_der(message),
            other => panic!("no key signs {other}"),
        }
    }

    fn rsa_signature(&self, encoding: &'static signature::RsaSignatureEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// The modulus: DER's `RSAPublicKey` of 2048 bits and 65537 is a header of 9 bytes, the modulus, and 5 bytes more.
    pub fn rsa_modulus(&self) -> Vec<u8> {
        let der = self.rsa.public_key().as_ref();
        assert!(der.len() == 270 && der.ends_with(&[2, 3, 1, 0, 1]), "{der:?}");
        der[9..265].to_vec()
    }

    pub fn rsa_public_jwk(&self) -> Value {
        json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": b64(&self.rsa_modulus()), "e": "AQAB"})
    }

    /// A set with keys for other purposes and of unknown kinds among the good ones.
    pub fn jwks(&self) -> Value {
        json!({"keys": [
            {"kty": "future", "kid": "ed"},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": b64(&self.rsa_modulus()), "e": "AQAB"},
            self.rsa_public_jwk(),
            self.ec256.jwk("ec", "P-256", "ES256"),
            self.ec384.jwk("ec384", "P-384", "ES384"),
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "key_ops": ["verify"], "x": b64(self.ed.public_key().as_ref())},
        ]})
    }

    /// A token as `algorithm` signs it, whatever its header says.
    pub fn token(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        sign(header, claims, |message| self.signature(algorithm, message))
    }

    pub fn rs256(&self, header: &Value, claims: &Value) -> String {
        self.token("RS256", header, claims)
    }

    pub fn ed25519(&self, header: &Value, claims: &Value) -> String {
        self.token("EdDSA", header, claims)
    }

    pub fn partner(&self, header: &Value, claims: &Value) -> String {
        sign(header, claims, |message| self.partner.sign(message).as_ref().to_vec())
    }

    /// Signs header and claims that are not what `serde_json` would write.
    pub fn ed25519_raw(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", b64(header.as_bytes()), b64(claims.as_bytes()));
        format!("{message}.{}", b64(self.ed.sign(message.as_bytes()).as_ref()))
    }
}

/// The good key with this `kid`.
pub fn published(kid: &str) -> Value {
    let jwks = keys().jwks();
    jwks["keys"].as_array().unwrap().iter().rfind(|jwk| jwk["kid"] == kid).unwrap().clone()
}

/// The same with members changed, or removed where the value is null.
pub fn changed(jwk: &Value, changes: &Value) -> Value {
    let mut jwk = jwk.clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            jwk.as_object_mut().unwrap().remove(name);
        } else {
            jwk[name] = value.clone();
        }
    }
    jwk
}

pub fn sign(header: &Value, claims: &Value, signature: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()));
    let signature = signature(message.as_bytes());
    format!("{message}.{}", b64(&signature))
}

pub fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A folder with the files that [`CONFIG`] names, as they stand beside the binary.
pub fn task_root() -> PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("task-root-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("jwks.json"), keys().jwks().to_string()).unwrap();
        let partner = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": b64(keys().partner.public_key().as_ref())}]});
        fs::write(root.join("partner.json"), partner.to_string()).unwrap();
        fs::write(root.join("empty.json"), r#"{"keys": []}"#).unwrap();
        root
    });
    root.clone()
}

/// What the test's thread logs, a line of JSON each.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn capture(&self) -> tracing::subscriber::DefaultGuard {
        // While there is but one subscriber, tracing asks that of the thread which comes to a line first whether anybody
        // wants to hear it, and keeps the answer for all threads.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(NoSubscriber::new()));
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || log.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The fields of each line, with its `level`.
    pub fn lines(&self) -> Vec<Value> {
        let line = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line["fields"]["level"] = line["level"].take();
            line["fields"].take()
        };
        self.text().lines().map(line).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A loopback server that takes each connection, drops it at once, and counts them.
pub struct Dropping {
    pub url: String,
    pub connections: Arc<AtomicU64>,
}

impl Dropping {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (url, connections) =
            (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(connection);
            }
        });
        Self { url, connections }
    }
}

/// A server that lets a connection die where a second request comes on it.
pub fn one_answer_for_each_connection(body: String) -> (String, Arc<AtomicU64>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            read_head(&mut connection);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            connection.write_all((head + &body).as_bytes()).unwrap();
            std::thread::spawn(move || read_head(&mut connection));
        }
    });
    (url, connections)
}

fn read_head(connection: &mut std::net::TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|bytes| bytes == 1) {
        head.push(byte[0]);
    }
}

/// A loopback server that answers each request with what `answer` makes of its method, path and token, and writes them
/// down.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start(answer: impl Fn(&str) -> (u16, String) + Clone + Send + Sync + 'static) -> Self {
        // A moment each, so that concurrent callers meet.
        let answer = move |line: &str| {
            let (status, body) = answer(line);
            (status, body, 20)
        };
        Self::start_slow(answer).await
    }

    /// The same, where each answer says how many milliseconds it takes.
    pub async fn start_slow(
        answer: impl Fn(&str) -> (u16, String, u64) + Clone + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let handler = move |request: axum::extract::Request| {
            let token = request.headers().get("x-vault-token").map_or("-", |value| value.to_str().unwrap());
            let line = format!("{} {} {token}", request.method(), request.uri().path());
            seen.lock().unwrap().push(line.clone());
            let (status, body, millis) = answer(&line);
            async move {
                tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
                (axum::http::StatusCode::from_u16(status).unwrap(), body)
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, requests }
    }

    /// What was asked since the last time, as `METHOD path token`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}
