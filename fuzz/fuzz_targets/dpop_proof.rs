//! A DPoP proof beside a valid bound token. The only proof that may be accepted is one that the token's key made for
//! this very call.
//!
//! The input is a proof as it travels. Or it changes a good call, with a value in JSON for each member: members of
//! the header (`h`) and the claims (`c`) of the proof, which is then signed, and the path in the event (`e`) or a
//! public URL (`u`):
//!
//! ```text
//! h typ "dpop+jwt"
//! c htu "https://api.example.com/v1/orders"
//! e path "/v1/orders"
//! u url "https://api.example.com/v1"
//! ```
#![no_main]

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use authorizer_steps::clock::UnixTime;
use authorizer_steps::event::{Credential, CredentialSource, Json, Request};
use authorizer_steps::identity::jwt::{
    Algorithm, AudienceClaim, BindingSettings, Issuer, IssuerKind, KeySet, PublicUrl, TokenScheme,
};
use authorizer_steps::identity::{Asked, IdentityError, JwtScheme, KeySource, KeysUnavailable};
use authorizer_steps::names::IssuerName;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(
    init: assert!(SEEDS.into_iter().all(check), "a target that accepts nothing checks nothing"),
    |input: &str| {
        check(input);
    }
);

/// Whether the proof was accepted.
fn check(input: &str) -> bool {
    let proof = if input.contains(' ') { proof_with(input) } else { input.to_owned() };
    let path = value_of(input, "e path ").unwrap_or_else(|| "/v1/orders".to_owned());
    let public_url: Option<PublicUrl> = value_of(input, "u url ").and_then(|url| url.parse().ok());
    let event = json!({"type": "REQUEST", "resource": "/orders",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders",
        "headers": {"Authorization": format!("DPoP {}", *TOKEN), "DPoP": proof},
        "requestContext": {"domainName": "api.example.com", "path": path}});
    let event = Json::from(&event);
    let request = Request::parse(&event).expect("an event");
    let credential = request.credential(&CredentialSource::default_list()).map(|(_, credential)| credential);
    let Ok(Credential::Dpop(token)) = &credential else { panic!("the token is good") };
    let now = UnixTime::from_seconds(NOW);
    let asked = Asked { audiences: None, server_id: None, sender: request.sender(), now };
    // A memory of its own: no input depends on the ones before.
    let scheme =
        JwtScheme::new(vec![issuer(public_url.iter().cloned().collect())], FixedKeys(Arc::clone(&KEYS)));
    match at_once(scheme.verify(token, TokenScheme::Dpop, asked)) {
        Ok(identity) => {
            assert_eq!(identity.binding().as_str(), "dpop");
            // Behind a public URL comes the path of the ARN.
            check_proof(&proof, if public_url.is_some() { "/orders" } else { &path }, public_url.is_some());
            true
        }
        Err(IdentityError::Unproven(_)) => false,
        Err(other) => panic!("the token is good: {other}"),
    }
}

/// The proof once more, read by other means than the scheme's.
fn check_proof(proof: &str, path: &str, is_public: bool) {
    let proof = proof.trim_matches([' ', '\t', ',']);
    let (message, signature) = proof.rsplit_once('.').expect("three parts");
    // A signature of Ed25519 has one value for one message.
    assert_eq!(signature, sign(message), "the key's holder did not sign this proof");
    let (header, claims) = message.split_once('.').expect("three parts");
    let (header, claims) = (read(header), read(claims));
    assert!(["EdDSA", "Ed25519"].iter().any(|alg| header["alg"] == *alg));
    assert!(header["crit"].is_null() && header["b64"].is_null());
    assert_eq!(header["jwk"]["x"], public_key()["x"]);
    assert!(header["jwk"]["d"].is_null() && header["jwk"]["k"].is_null(), "a key that is private no more");
    assert_eq!(claims["htm"], "GET");
    assert_eq!(claims["ath"], hash(&TOKEN));
    let iat = claims["iat"].as_f64().expect("a time");
    assert!((NOW as f64 - 60.0..(NOW + 31) as f64).contains(&iat), "out of its time");
    assert!(header["typ"].as_str().expect("text").to_ascii_lowercase().ends_with("dpop+jwt"));
    assert!((1..=256).contains(&claims["jti"].as_str().expect("text").len()));
    let Ok(htu) = url::Url::parse(claims["htu"].as_str().expect("text")) else {
        return assert!(is_public, "a host that no browser would call");
    };
    assert_eq!((htu.username(), htu.password()), ("", None));
    // Not `htu.path()`: that crate keeps what looks like a drive, `v:`, where a dot segment removes it.
    let (found, called) = (segments(path_of(&claims)), segments(path));
    if is_public {
        return assert!(found.ends_with(&called), "{found:?} {called:?}");
    }
    assert_eq!((htu.scheme(), htu.host_str(), htu.port()), ("https", Some("api.example.com"), None));
    assert_eq!(found, called);
}

/// The value of the last line that begins so.
fn value_of(input: &str, start: &str) -> Option<String> {
    input.lines().rev().find_map(|line| serde_json::from_str(line.strip_prefix(start)?).ok())
}

fn path_of(claims: &Value) -> &str {
    let htu = claims["htu"].as_str().and_then(|htu| htu.split(['?', '#']).next()).expect("text");
    let (_, behind) = htu.split_once("://").expect("a URL");
    behind.find('/').map_or("/", |at| &behind[at..])
}

/// What a path leads to: each segment as it is meant, and dot segments gone.
fn segments(path: &str) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    let mut rest = path.strip_prefix('/').expect("a path").split('/').peekable();
    while let Some(segment) = rest.next() {
        let meant = percent_decoded(segment.as_bytes());
        if meant == b".." {
            segments.pop();
        }
        if meant != b"." && meant != b".." {
            segments.push(meant);
        } else if rest.peek().is_none() {
            segments.push(Vec::new());
        }
    }
    segments
}

fn percent_decoded(mut segment: &[u8]) -> Vec<u8> {
    let mut meant = Vec::new();
    while let [first, rest @ ..] = segment {
        let hex = rest.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.filter(|hex| !hex.starts_with('+')).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        meant.push(byte.unwrap_or(*first));
        segment = if byte.is_some() { &rest[2..] } else { rest };
    }
    meant
}

fn proof_with(input: &str) -> String {
    let mut header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": public_key()});
    let mut claims = json!({"jti": "one", "htm": "GET", "htu": "https://api.example.com/v1/orders", "iat": NOW, "ath": hash(&TOKEN)});
    for line in input.lines() {
        let mut words = line.splitn(3, ' ');
        let (part, name, value) = (words.next(), words.next(), words.next());
        let part = match part {
            Some("h") => &mut header,
            Some("c") => &mut claims,
            _ => continue,
        };
        if let (Some(name), Some(Ok(value))) = (name, value.map(serde_json::from_str)) {
            part[name] = value;
        }
    }
    signed(&header, &claims)
}

fn read(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

fn signed(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(&message);
    format!("{message}.{signature}")
}

fn sign(message: &str) -> String {
    URL_SAFE_NO_PAD.encode(SIGNER.sign(message.as_bytes()))
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

fn public_key() -> Value {
    json!({"crv": "Ed25519", "kty": "OKP", "x": URL_SAFE_NO_PAD.encode(SIGNER.public_key())})
}

/// The answer of a future that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the keys are at hand"),
    }
}

struct FixedKeys(Arc<KeySet>);

impl KeySource for FixedKeys {
    async fn keys(
        &self,
        _: &IssuerName,
        _: impl Fn(&KeySet) -> bool + Send,
    ) -> Result<Arc<KeySet>, KeysUnavailable> {
        Ok(Arc::clone(&self.0))
    }
}

const SEEDS: [&str; 5] = [
    include_str!("../seeds/dpop_proof/drive.txt"),
    include_str!("../seeds/dpop_proof/kid.txt"),
    include_str!("../seeds/dpop_proof/members.txt"),
    include_str!("../seeds/dpop_proof/path.txt"),
    include_str!("../seeds/dpop_proof/public_url.txt"),
];

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

/// A key that everybody knows, and that is accepted nowhere but here: the issuer's and the caller's.
static SIGNER: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed"));

static KEYS: LazyLock<Arc<KeySet>> = LazyLock::new(|| {
    let jwks = json!({"keys": [public_key()]}).to_string();
    Arc::new(KeySet::parse(jwks.as_bytes()).expect("a key set"))
});

/// Bound to the key: its thumbprint is the hash of the members in this order (RFC 7638).
static TOKEN: LazyLock<String> = LazyLock::new(|| {
    let jkt = hash(&public_key().to_string());
    let claims = json!({"iss": "https://login.example.com/", "sub": "alice", "aud": "orders-api", "exp": NOW + 600,
        "cnf": {"jkt": jkt}});
    signed(&json!({"alg": "EdDSA"}), &claims)
});

fn issuer(public_urls: Vec<PublicUrl>) -> Issuer {
    Issuer {
        name: "corp".parse().expect("a name"),
        kind: IssuerKind::Jwt,
        issuer: "https://login.example.com/".to_owned(),
        audiences: vec!["orders-api".to_owned()],
        audience_claim: AudienceClaim::Aud,
        algorithms: vec![Algorithm::EDDSA],
        types: vec!["JWT".to_owned()],
        leeway_seconds: 30,
        max_age_seconds: None,
        user_claim: "sub".to_owned(),
        binding: BindingSettings::Verified {
            require: None,
            public_urls,
            dpop_algorithms: vec![Algorithm::EDDSA],
        },
    }
}
