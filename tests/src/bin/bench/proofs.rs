//! Credentials that are made again for each call: DPoP proofs and proofs of an AWS identity. It also has the STS that
//! judges the latter.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use test_bed::iam_callers::proof_of;
use test_bed::{IamCaller, Server, TokenSpec};

use crate::call::{Call, Due, event};
use crate::world::World;

/// The URL of the sample event, as a DPoP proof names it.
const HTU: &str = "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/prod/orders";

/// The server id of proofs of an AWS identity.
pub(crate) const SERVER_ID: &str = "orders.example.com";

/// Who proves an AWS identity.
pub(crate) const USER: &str = "arn:aws:iam::123456789012:user/batch";

/// A JWT bound to a key, each time with a new proof of that key.
pub(crate) fn dpop(world: &World) -> Call {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a P-256 key");
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (encode(x), encode(y));
    // RFC 7638: these members in this order.
    let thumbprint = sha256(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
    let jwt = world.jwt(TokenSpec::reader().claim("cnf", json!({"jkt": thumbprint})));
    let header =
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": {"kty": "EC", "crv": "P-256", "x": x, "y": y}});
    let (ath, authorization) = (sha256(&jwt), format!("DPoP {jwt}"));
    let proofs = Cell::new(0);
    let proof = move || {
        proofs.set(proofs.get() + 1);
        let jti = format!("00000000-0000-4000-8000-{:012}", proofs.get());
        let claims = json!({"jti": jti, "htm": "GET", "htu": HTU, "iat": seconds_since_1970(), "ath": ath});
        let proof = sign(&key, &header, &claims);
        event("/orders", &[("Authorization", &authorization), ("DPoP", &proof)])
    };
    Call::fresh("allowed, DPoP", proof, Due::Token)
}

/// An AWS identity, each time with a new proof: the authorizer asks STS.
pub(crate) fn aws_identity(sts: &str) -> Call {
    let (sts, proofs) = (sts.to_owned(), Cell::new(0));
    let proof = move || {
        proofs.set(proofs.get() + 1);
        // Within one second only the lifetime, which nobody looks at, tells one proof from the next.
        identified(&sts, SystemTime::now(), Duration::from_secs(60 + proofs.get()))
    };
    // The authorizer asks STS about five new proofs of one access key in a second.
    Call::fresh("allowed, AWS-Identity", proof, Due::Token).after(Duration::from_millis(210))
}

/// An AWS identity with a proof that is used for half a minute: the authorizer knows it already.
pub(crate) fn aws_identity_again(sts: &str) -> Call {
    let sts = sts.to_owned();
    let proof = move || {
        let half_minute = Duration::from_secs(seconds_since_1970() / 30 * 30);
        identified(&sts, UNIX_EPOCH + half_minute, Duration::from_secs(60))
    };
    Call::fresh("allowed, AWS-Identity used again", proof, Due::Token)
}

fn identified(sts: &str, time: SystemTime, lifetime: Duration) -> Vec<u8> {
    let keys = aws_credential_types::Credentials::new("AKIAEXAMPLE0BATCH000", "secret", None, None, "bench");
    let caller = IamCaller { credentials: keys, arn: USER.to_owned() };
    let server_id = [(test_bed::iam_callers::SERVER_ID_HEADER, SERVER_ID)];
    let proof = proof_of(&caller.presigned_with(sts, &server_id, time, lifetime));
    event("/orders", &[("Authorization", &format!("AWS-Identity {proof}"))])
}

/// An STS that names [`USER`] to whoever asks, at once.
pub(crate) fn sts() -> Server {
    let answer = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{USER}</Arn><UserId>AIDAEXAMPLE0BATCH000</UserId><Account>123456789012</Account></GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>"
    );
    Server::start(0, Router::new().fallback(async move || ([("content-type", "text/xml")], answer.clone())))
}

fn sign(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", encode(signature))
}

fn sha256(text: &str) -> String {
    encode(digest(&SHA256, text.as_bytes()))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
