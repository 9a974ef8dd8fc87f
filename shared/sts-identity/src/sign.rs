//! Signs a GetCallerIdentity request. Receives credentials, an endpoint, a server id and the time; produces the
//! request, ready to be handed over. It sends nothing. `web_identity` uses it to sign its form, too.

use crate::{ServerId, StsEndpoint};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Signs `sts:GetCallerIdentity` with signature version 4.
///
/// The outcome depends on the arguments alone: the same ones give the same signature.
///
/// ```text
/// POST / HTTP/1.1
/// Content-Type: application/x-www-form-urlencoded
/// Host: sts.eu-west-1.amazonaws.com
/// X-Amz-Date: 20270115T080000Z
/// X-Amz-Security-Token: …                        (temporary credentials)
/// X-Vault-AWS-IAM-Server-ID: vault.example.com   (if there is one)
/// Authorization: AWS4-HMAC-SHA256 Credential=…/20270115/eu-west-1/sts/aws4_request, SignedHeaders=…, Signature=…
///
/// Action=GetCallerIdentity&Version=2011-06-15
/// ```
///
/// Every header but `Authorization` is signed, and there is no other.
pub fn sign_get_caller_identity(request: SigningRequest<'_>) -> Result<SignedRequest, SignError> {
    let SigningRequest { credentials, endpoint, server_id, now } = request;
    let server_id = server_id.map(|server_id| Header::new(ServerId::HEADER, server_id.as_str()));
    sign_form(Form { body: BODY.into(), header: server_id, credentials, endpoint, now })
}

/// A call to STS as it will be sent: a form, and at most one header beside those that every such call has.
pub(crate) struct Form<'a> {
    pub(crate) body: Cow<'static, str>,
    pub(crate) header: Option<Header>,
    pub(crate) credentials: &'a Credentials,
    pub(crate) endpoint: &'a StsEndpoint,
    pub(crate) now: SystemTime,
}

/// Signs a `POST` of a form to STS. Every header but `Authorization` is signed, and there is no other.
pub(crate) fn sign_form(form: Form<'_>) -> Result<SignedRequest, SignError> {
    let Form { body, header, credentials, endpoint, now } = form;
    check_access_key_id(credentials.access_key_id())?;
    check_time(now)?;

    let mut headers = vec![Header::new("Content-Type", FORM), Header::new("Host", endpoint.host())];
    headers.extend(header);

    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(endpoint.region().as_str())
        .name("sts")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(SignError::signer)?
        .into();
    let unsigned = SignableRequest::new(
        METHOD,
        endpoint.url(),
        headers.iter().map(|header| (header.name, header.value.as_str())),
        SignableBody::Bytes(body.as_bytes()),
    )
    .map_err(SignError::signer)?;
    let (instructions, _) = sign(unsigned, &params).map_err(SignError::signer)?.into_parts();

    for (name, value) in instructions.headers() {
        headers.push(Header::new(conventional_name(name)?, value));
    }
    Ok(SignedRequest { url: endpoint.url().to_owned(), body, headers })
}

/// What a signature is made of.
#[derive(Clone, Copy)]
pub struct SigningRequest<'a> {
    /// Whose identity is proved. Take them from a provider each time: temporary ones end.
    pub credentials: &'a Credentials,
    /// Which STS the request is for.
    pub endpoint: &'a StsEndpoint,
    /// Whom the request is meant for.
    pub server_id: Option<&'a ServerId>,
    /// STS takes the signature for fifteen minutes from here.
    pub now: SystemTime,
}

/// A signed request: for fifteen minutes, a bearer credential of the identity that signed it.
///
/// Its `Debug` shows neither the signature nor the session token, and its header values are wiped when it is dropped.
/// The signer's own working copies are not: its crate gives no hold on them.
pub struct SignedRequest {
    url: String,
    body: Cow<'static, str>,
    headers: Vec<Header>,
}

impl SignedRequest {
    /// `POST`.
    pub fn method(&self) -> &'static str {
        METHOD
    }

    /// The endpoint's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The form that names the call.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Names and values of the headers, `Host` among them. Secret: the signature and the session token are here.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|header| (header.name, header.value.as_str()))
    }
}

impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why nothing was signed. No variant holds a part of the credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The access key id is written into the `Authorization` header as it is.
    #[error("the access key id must be letters, digits and underscores")]
    AccessKeyId,
    /// A URL is presigned with an id that AWS could have issued: whoever verifies it asks for no less.
    #[error("an access key id has 16 to 128 characters")]
    AccessKeyIdLength,
    /// A session token that STS could not have issued.
    #[error("a session token is at most 5120 characters of base64")]
    SessionToken,
    /// A presigned URL without a server id is good for every receiver.
    #[error("a presigned URL needs a server id, which says whom it is meant for")]
    ServerIdMissing,
    /// AWS's signers allow no other.
    #[error("a presigned URL expires after 1 to 604800 seconds")]
    Expires,
    /// `X-Amz-Date` has four digits for the year.
    #[error("the time to sign at must be between the years 1970 and 9999")]
    Time,
    /// The signer refused, for instance a session token that cannot be a header.
    #[error("the request could not be signed")]
    Signer(#[source] Box<dyn Error + Send + Sync>),
}

impl SignError {
    pub(crate) fn signer(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Signer(source.into())
    }
}

pub(crate) struct Header {
    name: &'static str,
    value: Zeroizing<String>,
}

impl Header {
    pub(crate) fn new(name: &'static str, value: &str) -> Self {
        Self { name, value: Zeroizing::new(value.to_owned()) }
    }
}

/// An id with a `/` or a `,` in it would move the fields of `Credential=<id>/<date>/<region>/sts/aws4_request, …`.
pub(crate) fn check_access_key_id(id: &str) -> Result<(), SignError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if id.is_empty() || !id.bytes().all(word) { Err(SignError::AccessKeyId) } else { Ok(()) }
}

/// The signer panics on a time that it cannot write.
pub(crate) fn check_time(now: SystemTime) -> Result<(), SignError> {
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) if since < YEAR_10000 => Ok(()),
        Ok(_) | Err(_) => Err(SignError::Time),
    }
}

/// The signer's lower-case names, spelt as AWS and Vault document them. One that is not known here is a change in the
/// signer that somebody has to look at, so it is an error.
fn conventional_name(name: &str) -> Result<&'static str, SignError> {
    match name {
        "authorization" => Ok("Authorization"),
        "x-amz-date" => Ok("X-Amz-Date"),
        "x-amz-security-token" => Ok("X-Amz-Security-Token"),
        _ => Err(SignError::signer(format!("the signer added a header `{name}`"))),
    }
}

const METHOD: &str = "POST";
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const FORM: &str = "application/x-www-form-urlencoded";
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, SECRET_ACCESS_KEY, SESSION_TOKEN, now, rendered};
    use std::collections::{BTreeMap, BTreeSet};

    /// AWS's own documentation examples; they open nothing.
    const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";

    #[test]
    fn signs_as_botocore_does() {
        let regional = |name: &str| StsEndpoint::regional(&fixture::region(name));
        let (user, role) = (include_str!("../golden/user.http"), include_str!("../golden/role.http"));
        let (china, emulator) =
            (include_str!("../golden/china.http"), include_str!("../golden/emulator.http"));
        let cases = [
            ("user", regional("us-east-1"), long_lived(), None, user),
            ("role", regional("eu-west-1"), temporary(), Some(server_id()), role),
            ("china", regional("cn-north-1"), temporary(), None, china),
            ("emulator", fixture::emulator(), long_lived(), Some(server_id()), emulator),
        ];
        for (name, endpoint, credentials, server_id, golden) in cases {
            let signed = signed(&credentials, &endpoint, server_id.as_ref());
            assert_eq!(rendered(&signed), golden, "{name}");
        }
    }

    #[test]
    fn signs_every_header_it_sends_and_shows_none() {
        let signed = signed(&temporary(), &ireland(), Some(&server_id()));
        let shown = r#"SignedRequest { url: "https://sts.eu-west-1.amazonaws.com/", .. }"#;
        assert_eq!(format!("{signed:?}"), shown);
        let headers: BTreeMap<String, &str> =
            signed.headers().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let sent: Vec<_> = headers.keys().filter(|name| *name != "authorization").cloned().collect();
        assert_eq!(
            sent.join(";"),
            "content-type;host;x-amz-date;x-amz-security-token;x-vault-aws-iam-server-id"
        );
        assert!(headers["authorization"].contains(&format!("SignedHeaders={},", sent.join(";"))));
    }

    #[test]
    fn the_signature_covers_the_session_token_the_server_id_the_endpoint_and_the_second() {
        let other_server: ServerId = "other.example.com".parse().unwrap();
        let frankfurt = StsEndpoint::regional(&fixture::region("eu-central-1"));
        let other_token = credentials(ACCESS_KEY_ID, Some("other"));
        let (role, endpoint, server_id) = (temporary(), ireland(), server_id());
        let later = now() + Duration::from_secs(1);
        let later = SigningRequest { now: later, ..request(&role, &endpoint, Some(&server_id)) };
        let signatures = BTreeSet::from([
            signature(&signed(&role, &endpoint, Some(&server_id))),
            signature(&signed(&other_token, &endpoint, Some(&server_id))),
            signature(&signed(&role, &endpoint, Some(&other_server))),
            signature(&signed(&role, &endpoint, None)),
            signature(&signed(&role, &frankfurt, Some(&server_id))),
            signature(&sign_get_caller_identity(later).unwrap()),
        ]);
        assert_eq!(signatures.len(), 6, "each is another one");
    }

    #[test]
    fn url_host_and_scope_agree() {
        for region in ["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1"] {
            let endpoint = StsEndpoint::regional(&region.parse().unwrap());
            let signed = signed(&temporary(), &endpoint, None);
            let headers: BTreeMap<&str, &str> = signed.headers().collect();
            assert_eq!(signed.url(), format!("https://{}/", headers["Host"]));
            let scope = format!("/20270115/{region}/sts/aws4_request,");
            assert!(headers["Authorization"].contains(&scope), "{region}");
        }
    }

    #[test]
    fn rejects_an_access_key_id_that_would_move_the_scope() {
        for id in
            ["", "AKID/20270115/us-east-1", "AKID, SignedHeaders=host", "AKID EXAMPLE", "AKID\n", "AKIDÉ"]
        {
            let refused = sign_get_caller_identity(request(&credentials(id, None), &ireland(), None));
            assert!(matches!(refused, Err(SignError::AccessKeyId)), "`{id}`");
        }
    }

    #[test]
    fn rejects_a_session_token_that_is_no_header_and_does_not_repeat_it() {
        let credentials = credentials(ACCESS_KEY_ID, Some("secret\r\nX-Other: 1"));
        let refused = sign_get_caller_identity(request(&credentials, &ireland(), None)).unwrap_err();
        assert!(matches!(refused, SignError::Signer(_)));
        assert!(!format!("{refused:?} {refused}").contains("secret"), "{refused:?}");
    }

    #[test]
    fn rejects_a_time_that_has_no_date_header() {
        let sign_at = |now| {
            sign_get_caller_identity(SigningRequest { now, ..request(&long_lived(), &ireland(), None) })
        };
        let before = UNIX_EPOCH - Duration::from_secs(1);
        for now in [before, UNIX_EPOCH + YEAR_10000, UNIX_EPOCH + Duration::from_secs(1 << 60)] {
            assert!(matches!(sign_at(now), Err(SignError::Time)), "{now:?}");
        }
        for now in [UNIX_EPOCH, UNIX_EPOCH + YEAR_10000 - Duration::from_nanos(1)] {
            assert!(sign_at(now).is_ok(), "{now:?}");
        }
    }

    fn signed(
        credentials: &Credentials,
        endpoint: &StsEndpoint,
        server_id: Option<&ServerId>,
    ) -> SignedRequest {
        sign_get_caller_identity(request(credentials, endpoint, server_id)).unwrap()
    }

    fn request<'a>(
        credentials: &'a Credentials,
        endpoint: &'a StsEndpoint,
        server_id: Option<&'a ServerId>,
    ) -> SigningRequest<'a> {
        SigningRequest { credentials, endpoint, server_id, now: now() }
    }

    fn signature(signed: &SignedRequest) -> String {
        let headers: BTreeMap<&str, &str> = signed.headers().collect();
        headers["Authorization"].rsplit_once("Signature=").unwrap().1.to_owned()
    }

    fn credentials(id: &str, token: Option<&str>) -> Credentials {
        Credentials::new(id, SECRET_ACCESS_KEY, token.map(str::to_owned), None, "test")
    }

    fn long_lived() -> Credentials {
        credentials(ACCESS_KEY_ID, None)
    }

    fn temporary() -> Credentials {
        credentials("ASIDEXAMPLE", Some(SESSION_TOKEN))
    }

    fn ireland() -> StsEndpoint {
        StsEndpoint::regional(&fixture::region("eu-west-1"))
    }

    fn server_id() -> ServerId {
        "vault.example.com".parse().unwrap()
    }
}
