//! `vault-authorizer sign dpop`: the proof that a sender-constrained token needs beside it (RFC 9449, section 4.2).
//!
//! Receives a private key, a method, a URL and the token; produces one proof. Nothing is sent, and nothing but the
//! proof is printed.

use std::process::ExitCode;

use authorizer_steps::clock::{Clock, SystemClock};
use aws_lc_rs::{
    digest::{SHA256, digest},
    error::Unspecified,
    rand::{self, SystemRandom},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use fluent_uri::Uri;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    input::{InputError, Source, bare_jwt},
    output::{Output, OutputError},
};

/// A key and a token are far shorter.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

/// Makes a DPoP proof for one request
///
/// Prints the value of the header `DPoP` and nothing else. Send it together with `Authorization: DPoP <token>`. It is valid
/// for one call with this method and URL, within 60 seconds.
#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Arguments {
    /// The private key that the token is bound to: PKCS #8 in PEM; P-256, Ed25519, RSA, or P-384 (ES384, which
    /// `dpop_algorithms` must name)
    #[arg(long, value_name = "FILE")]
    key: Source,
    /// The request's method, in uppercase, such as `GET`
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: String,
    /// The request's URL. Its query is left out
    #[arg(long, value_name = "URL", value_parser = htu)]
    url: String,
    /// The token: a file, or `-` for standard input. `DPoP` or `Bearer` before it is ignored. Leave it out for a proof with
    /// which you request a token
    #[arg(long, value_name = "FILE")]
    token: Option<Source>,
}

const HELP: &str = "\
Examples:
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem
  vault-authorizer sign dpop --key key.pem --method GET --url https://api.example.com/v1/orders --token token.txt
  printf %s \"$TOKEN\" | vault-authorizer sign dpop --key key.pem --method GET --url https://api.example.com/v1/orders --token -
  vault-authorizer sign dpop --key key.pem --method POST --url https://login.example.com/token

Exit codes:
  0  the proof is on standard output
  1  the key or the token cannot be read
  2  the command line is wrong";

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DpopError {
    /// The key or the token.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Two arguments want standard input.
    #[error("the key and the token cannot both come from standard input: put one of them into a file")]
    TwoFromStdin,
    /// No token, where one was to be.
    #[error("{name} contains no token")]
    NoToken {
        /// Where it was read.
        name: String,
    },
    /// Not a key that can sign a proof.
    #[error(
        "{key} is not a single private key in PEM (PKCS #8) for P-256, P-384, Ed25519 or RSA: `openssl pkcs8 -topk8 -nocrypt` \
         converts other formats to PKCS #8"
    )]
    Key {
        /// Where it was read.
        key: String,
    },
    /// The library gave no reason.
    #[error("the key cannot sign")]
    Sign(#[from] Unspecified),
    /// Standard output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure for DpopError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::TwoFromStdin)
    }
}

/// A private key of a kind that the authorizer takes by default, or of P-384.
enum PrivateKey {
    Ec(EcdsaKeyPair, &'static str, &'static str),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, DpopError> {
    if arguments.key == Source::Stdin && arguments.token == Some(Source::Stdin) {
        return Err(DpopError::TwoFromStdin);
    }
    let pem = arguments.key.read(MAX_INPUT_BYTES)?;
    let key = PrivateKey::read(&pem).ok_or_else(|| DpopError::Key { key: arguments.key.to_string() })?;
    let token = arguments.token.as_ref().map(token).transpose()?;
    let mut jti = [0; 16];
    rand::fill(&mut jti)?;
    let mut claims = json!({"jti": URL_SAFE_NO_PAD.encode(jti), "htm": arguments.method, "htu": arguments.url,
        "iat": SystemClock.now().seconds()});
    if let (Some(token), Some(claims)) = (token, claims.as_object_mut()) {
        let ath = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
        claims.insert("ath".to_owned(), ath.into());
    }
    let (alg, jwk) = key.public();
    let header = json!({"typ": "dpop+jwt", "alg": alg, "jwk": jwk});
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key.sign(message.as_bytes())?;
    output.print(&format!("{message}.{}\n", URL_SAFE_NO_PAD.encode(signature)))?;
    Ok(ExitCode::SUCCESS)
}

/// Methods are compared to the letter (RFC 9110, section 9.1), and API Gateway has none of another form.
fn method(text: &str) -> Result<String, &'static str> {
    let is_method = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase());
    is_method.then(|| text.to_owned()).ok_or("must be uppercase letters only, such as `GET`")
}

/// RFC 9449, section 4.2: the URL without query and fragment.
fn htu(text: &str) -> Result<String, &'static str> {
    let htu = text.split(['?', '#']).next().unwrap_or_default();
    let is_called = |url: &Uri<&str>| {
        let scheme = url.scheme().as_str();
        let authority = url.authority().filter(|authority| authority.userinfo().is_none());
        ["https", "http", "wss", "ws"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
            && authority.is_some_and(|authority| !authority.host().is_empty())
    };
    let url = Uri::parse(htu).ok().filter(is_called);
    url.map(|_| htu.to_owned()).ok_or(
        "must be a full http, https, ws or wss URL with a host, percent-encoded and without a user, such as `https://api.example.com/v1/orders`",
    )
}

fn token(source: &Source) -> Result<String, DpopError> {
    let text = source.read(MAX_INPUT_BYTES)?;
    let token = bare_jwt(&text);
    if token.is_empty() { Err(DpopError::NoToken { name: source.to_string() }) } else { Ok(token.to_owned()) }
}

impl PrivateKey {
    fn read(pem: &str) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let der = der.secret_pkcs8_der();
        let p256 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok();
        let p384 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der).ok();
        let ed25519 = || {
            Ed25519KeyPair::from_pkcs8(der).or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)).ok()
        };
        p256()
            .map(|key| Self::Ec(key, "ES256", "P-256"))
            .or_else(|| p384().map(|key| Self::Ec(key, "ES384", "P-384")))
            .or_else(|| ed25519().map(Self::Ed25519))
            .or_else(|| RsaKeyPair::from_pkcs8(der).ok().map(Self::Rsa))
    }

    /// `alg`, and the public key as a JWK.
    fn public(&self) -> (&'static str, Value) {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(key, alg, crv) => {
                // SEC 1, uncompressed: 4, x, y.
                let point = key.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                (alg, json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)}))
            }
            Self::Ed25519(key) => {
                ("EdDSA", json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())}))
            }
            Self::Rsa(key) => {
                let [n, e] = [key.public_key().modulus(), key.public_key().exponent()];
                let [n, e] = [n, e].map(|number| encode(number.big_endian_without_leading_zero()));
                ("RS256", json!({"kty": "RSA", "n": n, "e": e}))
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(key, ..) => Ok(key.sign(&random, message)?.as_ref().to_vec()),
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}
