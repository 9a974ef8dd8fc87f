//! A bearer token. The only token that may be accepted is one that our key signed, and only for what it says.
//!
//! The input is a token as it travels. Or it is the token's parts in clear, so that base64 and the signature do not
//! keep the fuzzer from the code behind them:
//!
//! ```text
//! {"alg":"EdDSA","kid":"ed"}       the header
//! {"iss":"…","sub":"…",…}          the claims
//! c2lnbmF0dXJl                     the signature in base64url; without this line, the target signs
//! ```
//!
//! Or it is members to set in the header (`h`) and the claims (`c`) of a good token, which is then signed:
//!
//! ```text
//! h typ "at+jwt"
//! c exp 1799999999
//! ```
#![no_main]

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use authorizer_steps::clock::UnixTime;
use authorizer_steps::event::{Credential, Json, Request};
use authorizer_steps::identity::jwt::{
    Algorithm, AudienceClaim, BindingSettings, Issuer, IssuerKind, KeySet, TokenScheme,
};
use authorizer_steps::identity::{Asked, Identity, IdentityError, JwtScheme, KeySource, KeysUnavailable};
use authorizer_steps::names::IssuerName;
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

/// Whether somebody was identified.
fn check(input: &str) -> bool {
    let token = token(input);
    let event = event(&token);
    let event = Json::from(&event);
    let request = Request::parse(&event).expect("an event");
    let Ok((_, credential)) = request.credential(&[]) else { return false };
    let sender = request.sender();
    let asked = Asked { audiences: None, server_id: None, sender, now: UnixTime::from_seconds(NOW) };
    let Credential::Bearer(token_read) = &credential else { panic!("it was sent as a bearer token") };
    match now(SCHEME.verify(token_read, TokenScheme::Bearer, asked)) {
        Ok(identity) => {
            check_identity(&identity, &token);
            true
        }
        Err(error) => {
            check_error(&error);
            false
        }
    }
}

fn token(input: &str) -> String {
    if input.starts_with('{') {
        let mut lines = input.splitn(3, '\n');
        let (header, claims) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        return token_of(header, claims, lines.next());
    }
    if input.contains(' ') {
        return token_with(input.lines());
    }
    input.to_owned()
}

fn token_with<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut header = json!({"alg": "EdDSA", "kid": "ed"});
    let mut claims = json!({"iss": "https://login.example.com/", "sub": "alice", "aud": "orders-api",
        "exp": NOW + 600, "iat": NOW, "nbf": NOW});
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let (part, name, value) = (words.next(), words.next(), words.next());
        let part = if part == Some("h") { &mut header } else { &mut claims };
        if let (Some(name), Some(Ok(value))) = (name, value.map(serde_json::from_str)) {
            part[name] = value;
        }
    }
    token_of(&header.to_string(), &claims.to_string(), None)
}

fn token_of(header: &str, claims: &str, signature: Option<&str>) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = signature.map_or_else(|| sign(&message), str::to_owned);
    format!("{message}.{signature}")
}

/// The only way to a credential is an event.
fn event(token: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": format!("Bearer {token}"),
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders"})
}

/// The token once more, read by other means than the scheme's.
fn check_identity(identity: &Identity, token: &str) {
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    // A signature of Ed25519 has one value for one message, and no other key of the set has a private half.
    assert_eq!(signature, sign(message), "nobody signed this token");
    let (header, claims) = message.split_once('.').expect("three parts");
    let (header, claims) = (read(header), read(claims));
    assert_eq!(header["alg"], "EdDSA");
    assert!(header["kid"].is_null() || header["kid"] == "ed");
    assert!(header["crit"].is_null() && header["b64"].is_null());
    assert!(claims["cnf"].is_null(), "it is bound to a key");

    let issuer = ISSUERS.iter().find(|issuer| claims["iss"] == *issuer.issuer).expect("a configured issuer");
    assert_eq!(identity.issuer(), Some(&issuer.name));
    check_times(identity, &claims, issuer);
    let audience = &claims[issuer.audience_claim.as_str()];
    let named = audience.as_array().map_or(std::slice::from_ref(audience), Vec::as_slice);
    assert!(named.iter().any(|name| name == "orders-api"), "it is for someone else");
    check_caller(identity, &claims, issuer);
}

/// `exp` has no leeway, and the token's end is the identity's.
fn check_times(identity: &Identity, claims: &Value, issuer: &Issuer) {
    let seconds = |name: &str| claims[name].as_f64();
    let ends_at = identity.ends_at().expect("a JWT ends");
    assert!(ends_at.seconds() > NOW && seconds("exp").is_some_and(|exp| ends_at.seconds() as f64 <= exp));
    let latest = (NOW + issuer.leeway_seconds + 1) as f64;
    assert!(
        ["nbf", "iat"].iter().all(|name| claims[name].is_null() || seconds(name).is_some_and(|s| s < latest))
    );
    if let Some(max_age_seconds) = issuer.max_age_seconds {
        assert!(seconds("iat").is_some_and(|iat| iat >= (NOW - max_age_seconds) as f64), "it is too old");
    }
}

fn check_caller(identity: &Identity, claims: &Value, issuer: &Issuer) {
    let user = claims[&issuer.user_claim].as_str().expect("a name");
    assert_eq!(identity.caller_id(), format!("{}:{user}", issuer.name));
    assert!(
        identity.caller_id().bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "it could break a header"
    );
    assert_eq!(identity.principal_id(), None);
    match issuer.kind {
        IssuerKind::Jwt => assert_eq!(identity.principal_arn(), None),
        IssuerKind::AwsIam => {
            let arn = claims["sub"].as_str().expect("an ARN");
            let aws = &claims["https://sts.amazonaws.com/"];
            assert_eq!(identity.principal_arn(), Some(arn));
            assert_eq!(aws["aws_account"].as_str(), arn.split(':').nth(4), "two accounts");
            let chosen = identity.claims().and_then(|claims| claims.get(REQUEST_TAGS));
            assert_eq!(chosen, None, "what the caller chose is among the claims");
        }
    }
}

/// A stranger's token is never our fault.
fn check_error(error: &IdentityError) {
    let fault = matches!(error, IdentityError::KeysUnavailable { .. } | IdentityError::StsUnavailable { .. });
    assert!(!fault, "{error}");
}

fn read(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let value: Value = serde_json::from_slice(&bytes).expect("JSON");
    // This reader keeps the last of two members of one name, another one the first.
    assert_eq!(members(&bytes), members(value.to_string().as_bytes()), "a member is there twice");
    value
}

/// How many members the objects of a JSON text have together: each has one colon that is in no string.
fn members(json: &[u8]) -> usize {
    let (mut in_string, mut escaped, mut count) = (false, false, 0);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b':' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// The answer of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the keys are at hand"),
    }
}

fn sign(message: &str) -> String {
    URL_SAFE_NO_PAD.encode(SIGNER.sign(message.as_bytes()))
}

/// The keys of both issuers.
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
    include_str!("../seeds/jwt_header/members.txt"),
    include_str!("../seeds/jwt_header/members_by_aws.txt"),
    include_str!("../seeds/jwt_header/signed.txt"),
    include_str!("../seeds/jwt_header/signed_by_aws.txt"),
    include_str!("../seeds/jwt_header/whole.txt"),
];

/// 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

const REQUEST_TAGS: &str = "/https:~1~1sts.amazonaws.com~1/request_tags";

static SCHEME: LazyLock<JwtScheme<FixedKeys>> = LazyLock::new(|| {
    let x = URL_SAFE_NO_PAD.encode(SIGNER.public_key());
    // Nobody has the private halves of the other two.
    let jwks = json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x},
        {"kty": "EC", "crv": "P-256", "kid": "ec", "x": "ilyhxyy2MWlNhmoQL6u5U2x9zB4zID1lWtnomGk0cUQ",
            "y": "HmbFzcvalqW7K9f6MpIwRX7G2Rue_sfz4RFn8e2dnMw"},
        {"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": "38lPdTZVp-u06mPfy8sWkKRE-950k0blHhSgvbhJKM2Yku3Li1Q5hPTafT76\
            lwZwzxXspaxTKgtkHV0CzHaekT440JlfxbTfXlXREwW-rknXAcSeyS7IYuiMqJenpv0LFqKwGB8UONyDwopoqJuFua2X1sBlbJ-Y6YRC2Jy5\
            HpZgwvDq7wWma6yxTT1QdQKaYNalzU2NddV81Q8oHWDN-AqrUW6c4nMklptW2Lo06yZL0ZEpZ6oOu9OluPZyuXdQk_NAyFHNCnHDma37_VOU\
            YMKH5KZ-Z8Wkz5xcFtXOoFLulQdgPWi09LR4_0ByUm_v69NBFW1-tv9WxFIjFjL_CQ"},
    ]});
    let keys = KeySet::parse(jwks.to_string().as_bytes()).expect("a key set");
    assert_eq!(keys.len(), 3);
    JwtScheme::new(ISSUERS.clone(), FixedKeys(Arc::new(keys)))
});

/// A key that everybody knows, and that is accepted nowhere but here.
static SIGNER: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed"));

static ISSUERS: LazyLock<Vec<Issuer>> = LazyLock::new(|| {
    let corp = Issuer {
        name: "corp".parse().expect("a name"),
        kind: IssuerKind::Jwt,
        issuer: "https://login.example.com/".to_owned(),
        audiences: vec!["orders-api".to_owned()],
        audience_claim: AudienceClaim::Aud,
        algorithms: vec![Algorithm::EDDSA, Algorithm::ES256, Algorithm::RS256, Algorithm::PS256],
        types: vec!["JWT".to_owned(), "at+jwt".to_owned()],
        leeway_seconds: 30,
        max_age_seconds: None,
        user_claim: "sub".to_owned(),
        binding: BindingSettings::Verified {
            require: None,
            public_urls: Vec::new(),
            dpop_algorithms: vec![Algorithm::ES256],
        },
    };
    let aws = Issuer {
        name: "aws".parse().expect("a name"),
        kind: IssuerKind::AwsIam,
        issuer: "https://example.tokens.sts.global.api.aws".to_owned(),
        max_age_seconds: Some(3600),
        ..corp.clone()
    };
    vec![corp, aws]
});
