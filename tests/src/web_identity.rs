//! A stand-in for `GetWebIdentityToken`, the only call of STS that the emulator cannot serve for our purpose. The
//! emulator signs its JWTs with a fixed HMAC key, which no verifier accepts.
//!
//! ```text
//! POST /                                       signed with signature version 4, for `sts`
//! Action=GetWebIdentityToken&Version=2011-06-15&Audience.member.1=…&SigningAlgorithm=ES384&DurationSeconds=60
//! ```
//!
//! It computes the signature itself from the request, and does not use the library that the code under test signs
//! with. The JWT is one of an account's issuer ([`Issuer::start_as_aws_account`]), for the role whose credentials
//! signed. It leaves out tags, several audiences, and the age of a signature.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::{digest, hmac};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::{Issuer, Server, Signing, TokenSpec};

/// The role whose credentials these are.
pub const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/service/api-authorizer";
/// The region that a signature must be scoped to.
pub const STS_REGION: &str = "eu-west-1";

const ACCESS_KEY_ID: &str = "ASIAEXAMPLE0LOGIN000";
/// The key of AWS's documentation.
const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// Secret: no output of a function may hold it.
pub const SESSION_TOKEN: &str =
    "IQoJb3JpZ2luX2VjSESSIONTOKENofTheLogin//////////wEaCWV1LXdlc3QtMSJ+example==";

/// The stand-in. It stops when it is dropped.
#[derive(Debug)]
pub struct WebIdentitySts {
    server: Server,
    state: Arc<Sts>,
}

#[derive(Debug)]
struct Sts {
    issuer: Arc<Issuer>,
    audience: String,
    refusal: Mutex<Option<&'static str>>,
    issued: AtomicUsize,
}

impl WebIdentitySts {
    /// Starts. The role may have JWTs of `issuer` for `audience`, and for no other.
    pub fn start(issuer: Arc<Issuer>, audience: &str) -> Self {
        let state = Sts {
            issuer,
            audience: audience.to_owned(),
            refusal: Mutex::default(),
            issued: AtomicUsize::new(0),
        };
        let state = Arc::new(state);
        let server = Server::start(0, Router::new().fallback(serve).with_state(Arc::clone(&state)));
        Self { server, state }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The role's credentials, as Lambda puts them into a function's environment.
    pub fn environment() -> [(&'static str, &'static str); 3] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_SESSION_TOKEN", SESSION_TOKEN),
        ]
    }

    /// From now on refuses every call with this code; `None` ends it.
    pub fn refuse(&self, code: Option<&'static str>) {
        *self.state.refusal.lock().expect("not poisoned") = code;
    }

    pub fn issued(&self) -> usize {
        self.state.issued.load(Ordering::SeqCst)
    }
}

async fn serve(
    State(sts): State<Arc<Sts>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = (|| {
        if let Some(code) = *sts.refusal.lock().expect("not poisoned") {
            return Err((code, "as the test wishes".to_owned()));
        }
        check_signature(&method, &uri, &headers, &body)?;
        sts.token(&body)
    })();
    let (status, document) = match answer {
        Ok(jwt) => {
            sts.issued.fetch_add(1, Ordering::SeqCst);
            (StatusCode::OK, token_document(&jwt))
        }
        Err((code, message)) => (StatusCode::FORBIDDEN, error_document(code, &message)),
    };
    (status, [("content-type", "text/xml")], document).into_response()
}

impl Sts {
    fn token(&self, body: &[u8]) -> Result<String, (&'static str, String)> {
        let form: Vec<_> = url::form_urlencoded::parse(body).collect();
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        let [
            ("Action", "GetWebIdentityToken"),
            ("Version", "2011-06-15"),
            ("Audience.member.1", audience),
            ("SigningAlgorithm", algorithm),
            ("DurationSeconds", seconds),
        ] = form[..]
        else {
            return Err(("ValidationError", format!("parameters: {form:?}")));
        };
        if audience != self.audience {
            return Err(("AccessDenied", format!("not for the audience {audience}")));
        }
        let signing = match algorithm {
            "ES384" => Signing::Es384,
            "RS256" => Signing::Rs256,
            _ => return Err(("ValidationError", format!("no algorithm {algorithm}"))),
        };
        let seconds = seconds.parse().ok().filter(|seconds| (60..=3600).contains(seconds));
        let seconds = seconds.ok_or_else(|| ("ValidationError", "a duration of 60 to 3600".to_owned()))?;
        let spec = TokenSpec::aws_iam(ROLE_ARN).signing(signing);
        Ok(self.issuer.token(&spec.claim("aud", audience).expires_in(seconds)))
    }
}

/// Signature version 4, after AWS's documentation, "Create a signed AWS API request".
fn check_signature(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), (&'static str, String)> {
    let incomplete = |what: &str| ("IncompleteSignature", what.to_owned());
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (date_time, authorization) = (header("x-amz-date"), header("authorization"));
    let scope = format!("{}/{STS_REGION}/sts/aws4_request", date_time.get(..8).unwrap_or_default());
    let fields = authorization
        .strip_prefix(&format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{scope}, SignedHeaders="))
        .and_then(|rest| rest.split_once(", Signature="));
    let (names, signature) = fields.ok_or_else(|| incomplete("Authorization"))?;
    for name in ["host", "x-amz-date", "x-amz-security-token"] {
        if !names.split(';').any(|signed| signed == name) {
            return Err(incomplete(name));
        }
    }
    if header("x-amz-security-token") != SESSION_TOKEN {
        return Err(("InvalidClientTokenId", "another session token".to_owned()));
    }

    let canonical_headers: String =
        names.split(';').map(|name| format!("{name}:{}\n", header(name).trim())).collect();
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let canonical = format!("{method}\n{path}\n{query}\n{canonical_headers}\n{names}\n{}", sha256(body));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date_time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let hmac = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
    };
    let secret = format!("AWS4{SECRET_ACCESS_KEY}").into_bytes();
    let key = scope.split('/').fold(secret, |key, part| hmac(&key, part));
    if hex(&hmac(&key, &to_sign)) != signature {
        // AWS's message quotes what it signed, the session token included.
        return Err(("SignatureDoesNotMatch", canonical));
    }
    Ok(())
}

/// In hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn token_document(jwt: &str) -> String {
    format!(
        r#"<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetWebIdentityTokenResult>
    <WebIdentityToken>{jwt}</WebIdentityToken>
    <Expiration>2027-01-15T08:01:00Z</Expiration>
  </GetWebIdentityTokenResult>
  <ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata>
</GetWebIdentityTokenResponse>
"#
    )
}

fn error_document(code: &str, message: &str) -> String {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>
  <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
</ErrorResponse>
"#
    )
}
