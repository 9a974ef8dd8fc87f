//! Asks STS for a JWT that names the signer: `sts:GetWebIdentityToken`.
//!
//! Receives credentials, an endpoint, the audience and the time, and produces the signed request. Receives STS's
//! answer, and produces the JWT in it. It sends nothing, and does not verify the JWT, because the receiver of the JWT
//! does that.

use crate::sign::{Form, sign_form};
use crate::xml::{self, is_named, members, value};
use crate::{SignError, SignedRequest, StsAnswer, StsEndpoint};
use aws_credential_types::Credentials;
use roxmltree::Document;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;
use url::form_urlencoded;
use zeroize::{Zeroize as _, Zeroizing};

/// Signs `sts:GetWebIdentityToken` with signature version 4. The outcome depends on the arguments alone.
///
/// ```text
/// POST / HTTP/1.1
/// Content-Type: application/x-www-form-urlencoded
/// Host: sts.eu-west-1.amazonaws.com
/// X-Amz-Date: 20270115T080000Z
/// X-Amz-Security-Token: …                        (temporary credentials)
/// Authorization: AWS4-HMAC-SHA256 Credential=…/20270115/eu-west-1/sts/aws4_request, SignedHeaders=…, Signature=…
///
/// Action=GetWebIdentityToken&Version=2011-06-15&Audience.member.1=vault.example.com&SigningAlgorithm=ES384&DurationSeconds=60
/// ```
///
/// The JWT is asked for a minute, the shortest that STS gives: it is meant to be used at once.
pub fn sign_get_web_identity_token(request: WebIdentityRequest<'_>) -> Result<SignedRequest, SignError> {
    let WebIdentityRequest { credentials, endpoint, audience, now } = request;
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "GetWebIdentityToken")
        .append_pair("Version", "2011-06-15")
        .append_pair("Audience.member.1", audience.as_str())
        .append_pair("SigningAlgorithm", SIGNING_ALGORITHM)
        .append_pair("DurationSeconds", DURATION_SECONDS)
        .finish();
    sign_form(Form { body: body.into(), header: None, credentials, endpoint, now })
}

/// What is asked for, and who asks.
#[derive(Clone, Copy)]
pub struct WebIdentityRequest<'a> {
    /// Whose identity the JWT will name. Take them from a provider each time: temporary ones end.
    pub credentials: &'a Credentials,
    /// Which STS is asked: one of a region, since the global host does not know the call ([`StsEndpoint::of_region`]).
    pub endpoint: &'a StsEndpoint,
    /// Whom the JWT is meant for: its `aud`.
    pub audience: &'a Audience,
    /// STS takes the signature for fifteen minutes from here.
    pub now: SystemTime,
}

/// Whom a JWT is meant for, such as `vault.example.com`: 1 to 1000 visible ASCII characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audience(String);

/// An audience is 1 to 1000 visible ASCII characters, without spaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an audience is 1 to {MAX_AUDIENCE_LENGTH} visible ASCII characters, without spaces")]
pub struct AudienceError;

impl Audience {
    /// The audience as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Audience {
    type Err = AudienceError;

    fn from_str(text: &str) -> Result<Self, AudienceError> {
        let in_length = (1..=MAX_AUDIENCE_LENGTH).contains(&text.len());
        if !in_length || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AudienceError);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A JWT that AWS signed: until it ends, a bearer credential of the identity that asked for it.
///
/// Its `Debug` shows nothing of it, and it is wiped when it is dropped.
pub struct WebIdentityToken(Zeroizing<String>);

/// Why an answer holds no JWT. No variant holds a part of the request or of the answer's texts.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WebIdentityError {
    /// STS answered that it gives none: a permission, a setting of the account, a signature.
    #[error("STS refused to issue a web identity token: `{code}`")]
    Refused {
        /// STS's error code.
        code: String,
    },
    /// An outage, throttling, a proxy's page, an answer in another form.
    #[error("STS gave no usable answer: {reason}")]
    Unavailable {
        /// What came instead.
        reason: String,
    },
}

impl WebIdentityToken {
    /// Reads an answer strictly: STS's own XML, in the one form that GetWebIdentityToken has, and nothing beside it.
    ///
    /// ```xml
    /// <GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
    ///   <GetWebIdentityTokenResult>
    ///     <WebIdentityToken>eyJ…</WebIdentityToken>
    ///     <Expiration>2027-01-15T08:01:00Z</Expiration>
    ///   </GetWebIdentityTokenResult>
    ///   <ResponseMetadata><RequestId>…</RequestId></ResponseMetadata>
    /// </GetWebIdentityTokenResponse>
    /// ```
    ///
    /// The answer is consumed, and its body wiped. Of an error only the code is kept: STS's message can quote the signed
    /// request, session token included.
    pub fn read(mut answer: StsAnswer) -> Result<Self, WebIdentityError> {
        let read = read(&answer);
        answer.body.zeroize();
        read
    }

    /// The JWT. Secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebIdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebIdentityToken").finish_non_exhaustive()
    }
}

fn read(answer: &StsAnswer) -> Result<WebIdentityToken, WebIdentityError> {
    match answer.status {
        200 => token(xml::text(answer).map_err(unavailable)?),
        status @ 400..=499 => Err(refusal(xml::text(answer).map_err(unavailable)?, status)),
        status => Err(unavailable(format!("status {status}"))),
    }
}

fn token(text: &str) -> Result<WebIdentityToken, WebIdentityError> {
    // Nothing in this document needs an escape.
    let document = if text.contains('&') { None } else { xml::parse(text) };
    let jwt = document.as_ref().and_then(read_result);
    let jwt = jwt.ok_or_else(|| unavailable("an answer that is not GetWebIdentityToken's"))?;
    Ok(WebIdentityToken(Zeroizing::new(jwt.to_owned())))
}

fn refusal(text: &str, status: u16) -> WebIdentityError {
    let document = xml::parse(text);
    match document.as_ref().and_then(xml::error_code) {
        Some(code) if THROTTLING.contains(&code) => unavailable(format!("status {status}, `{code}`")),
        Some(code) => WebIdentityError::Refused { code: code.to_owned() },
        None => unavailable(format!("status {status}, and no error document of STS")),
    }
}

/// The JWT's text, if it has the form of one. When it ends is not read: it is used at once, and says so itself.
fn read_result<'a>(document: &'a Document<'_>) -> Option<&'a str> {
    let root = document.root_element();
    if !is_named(root, "GetWebIdentityTokenResponse") {
        return None;
    }
    let [result, metadata] = members(root, ["GetWebIdentityTokenResult", "ResponseMetadata"])?;
    let [request_id] = members(metadata, ["RequestId"])?;
    value(request_id)?;
    let [jwt, expiration] = members(result, ["WebIdentityToken", "Expiration"])?;
    value(expiration)?;
    value(jwt).filter(|jwt| is_jws(jwt))
}

/// `<base64url>.<base64url>.<base64url>`
fn is_jws(text: &str) -> bool {
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.split('.').count() == 3
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(base64url))
}

fn unavailable(reason: impl Into<String>) -> WebIdentityError {
    WebIdentityError::Unavailable { reason: reason.into() }
}

/// How STS and the front of all AWS APIs say that too much was asked. They come as a 400, like a mistake of the sender.
const THROTTLING: [&str; 3] = ["Throttling", "ThrottlingException", "RequestLimitExceeded"];
/// IAM's `webIdentityTokenAudienceStringType`.
const MAX_AUDIENCE_LENGTH: usize = 1000;
/// Of the two that STS knows the one with the short signature. Both are in every account's key set.
const SIGNING_ALGORITHM: &str = "ES384";
/// The least that STS gives.
const DURATION_SECONDS: &str = "60";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_ANSWER_BYTES, fixture};

    const JWT: &str = "eyJhbGciOiJFUzM4NCJ9.eyJzdWIiOiJhcm46YXdzIn0.c2lnbmF0dXJlLV8";

    #[test]
    fn signs_as_botocore_does() {
        let user = include_str!("../golden/user.web-identity.http");
        let role = include_str!("../golden/role.web-identity.http");
        for (name, credentials, region, golden) in
            [("user", fixture::user(), "us-east-1", user), ("role", fixture::session(), "eu-west-1", role)]
        {
            let endpoint = StsEndpoint::of_region(&fixture::region(region));
            let signed = signed(&credentials, &endpoint, "https://vault.example.com:8200/?a=b&c");
            assert_eq!(fixture::rendered(&signed), golden, "{name}");
        }
    }

    #[test]
    fn rejects_an_audience_that_adds_a_parameter() {
        let signed = signed(&fixture::session(), &fixture::emulator(), "a&Tags.member.1.Key=team");
        assert_eq!(
            signed.body(),
            "Action=GetWebIdentityToken&Version=2011-06-15&Audience.member.1=a%26Tags.member.1.Key%3Dteam&\
             SigningAlgorithm=ES384&DurationSeconds=60"
        );
    }

    #[test]
    fn an_audience_is_visible_ascii_up_to_the_limit() {
        for audience in ["a", "vault.example.com", &"x".repeat(1000)] {
            assert_eq!(audience.parse::<Audience>().unwrap().as_str(), audience);
        }
        for audience in ["", " ", "a b", "a\n", "é", &"x".repeat(1001)] {
            assert_eq!(audience.parse::<Audience>(), Err(AudienceError), "`{audience}`");
        }
    }

    #[test]
    fn reads_the_token_and_shows_nothing_of_it() {
        for document in [document(JWT), format!("<?xml version=\"1.0\"?>\n{}", document(JWT))] {
            let token = read(200, &document).unwrap();
            assert_eq!((token.expose(), format!("{token:?}").as_str()), (JWT, "WebIdentityToken { .. }"));
        }
    }

    #[test]
    fn rejects_what_is_no_answer_of_this_call() {
        let good = document(JWT);
        let twice = format!("<WebIdentityToken>{JWT}</WebIdentityToken><WebIdentityToken>");
        for body in [
            String::new(),
            "<html></html>".to_owned(),
            document(""),
            document("no.jwt"),
            document("a.b.c.d"),
            document("a..c"),
            document("a.b c.d"),
            good.replace("GetWebIdentityToken", "GetCallerIdentity"),
            good.replace("https://sts.amazonaws.com/doc/2011-06-15/", "https://other.example/"),
            good.replace("<WebIdentityToken>", &twice),
            good.replace("<Expiration>", "<!-- --><Expiration>"),
            good.replace("eyJ", "&#101;yJ"),
            good.replace("<Expiration>2027-01-15T08:01:00Z</Expiration>", ""),
            format!("<!DOCTYPE x>{good}"),
            format!("{good}{good}"),
            format!("{good}{}", " ".repeat(MAX_ANSWER_BYTES)),
        ] {
            let refused = read(200, &body).unwrap_err();
            assert!(matches!(refused, WebIdentityError::Unavailable { .. }), "{body}");
            assert!(!format!("{refused:?}").contains(JWT));
        }
        for (status, content_type) in [(200, "text/html"), (503, "text/xml"), (302, "text/xml")] {
            let refused = WebIdentityToken::read(answer(status, content_type, &good));
            assert!(matches!(refused, Err(WebIdentityError::Unavailable { .. })), "{status}, {content_type}");
        }
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_never_by_its_message() {
        let error = |code: &str| {
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
                 <Message>the canonical string was SECRET</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            )
        };
        for (status, code) in [(403, "OutboundWebIdentityFederationDisabledException"), (403, "AccessDenied")]
        {
            let refused = read(status, &error(code)).unwrap_err();
            assert_eq!(refused, WebIdentityError::Refused { code: code.to_owned() });
            assert!(!format!("{refused:?} {refused}").contains("SECRET"));
        }
        for code in THROTTLING {
            let throttled = read(400, &error(code)).unwrap_err();
            assert_eq!(throttled.to_string(), format!("STS gave no usable answer: status 400, `{code}`"));
        }
        let unavailable = read(403, &error("not a word")).unwrap_err().to_string();
        assert_eq!(unavailable, "STS gave no usable answer: status 403, and no error document of STS");
    }

    fn signed(credentials: &Credentials, endpoint: &StsEndpoint, audience: &str) -> SignedRequest {
        let audience = audience.parse().unwrap();
        let request = WebIdentityRequest { credentials, endpoint, audience: &audience, now: fixture::now() };
        sign_get_web_identity_token(request).unwrap()
    }

    fn read(status: u16, body: &str) -> Result<WebIdentityToken, WebIdentityError> {
        WebIdentityToken::read(answer(status, "text/xml", body))
    }

    fn answer(status: u16, content_type: &str, body: &str) -> StsAnswer {
        StsAnswer { status, content_type: Some(content_type.to_owned()), body: body.into() }
    }

    fn document(jwt: &str) -> String {
        format!(
            "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <GetWebIdentityTokenResult>\n    \
             <WebIdentityToken>{jwt}</WebIdentityToken>\n    <Expiration>2027-01-15T08:01:00Z</Expiration>\n  \
             </GetWebIdentityTokenResult>\n  <ResponseMetadata><RequestId>0</RequestId></ResponseMetadata>\n\
             </GetWebIdentityTokenResponse>"
        )
    }
}
