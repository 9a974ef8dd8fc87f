//! Presigns GetCallerIdentity: the same proof that `sign` makes, as one URL. Receives the same input as `sign`, and a
//! lifetime; produces the URL. It sends nothing.

use crate::query::{self, Query};
use crate::sign::{check_access_key_id, check_time};
use crate::{ServerId, SignError, SigningRequest};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// Presigns `sts:GetCallerIdentity` with signature version 4, as a `GET` URL.
///
/// The signed headers are exactly `host` and `x-vault-aws-iam-server-id`, so a server id is required: without one,
/// whoever receives the URL could pass it on to any other receiver. `expires` counts from `request.now`, in whole
/// seconds, 1 to 604800. STS does not look at it; [`StsRequest::parse`](crate::StsRequest::parse) does.
///
/// ```text
/// GET /?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=…
/// Host: sts.eu-west-1.amazonaws.com
/// X-Vault-AWS-IAM-Server-ID: orders.example.com
/// ```
pub fn presign_get_caller_identity(
    request: SigningRequest<'_>,
    expires: Duration,
) -> Result<PresignedUrl, SignError> {
    let SigningRequest { credentials, endpoint, server_id, now } = request;
    let server_id = server_id.ok_or(SignError::ServerIdMissing)?;
    check_access_key_id(credentials.access_key_id())?;
    check_time(now)?;
    check_expires(expires)?;
    if !query::is_access_key_id(credentials.access_key_id()) {
        return Err(SignError::AccessKeyIdLength);
    }
    if credentials.session_token().is_some_and(|token| !query::is_session_token(token)) {
        return Err(SignError::SessionToken);
    }

    let mut query = Query::default();
    query.set(query::ACTION, query::GET_CALLER_IDENTITY);
    query.set(query::VERSION, query::API_VERSION);

    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(expires);
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(endpoint.region().as_str())
        .name("sts")
        .time(now)
        .settings(settings)
        .build()
        .map_err(SignError::signer)?
        .into();
    let headers = [("Host", endpoint.host()), (ServerId::HEADER, server_id.as_str())];
    let url = query.url(endpoint.url());
    let unsigned = SignableRequest::new(METHOD, url.as_str(), headers.into_iter(), SignableBody::empty())
        .map_err(SignError::signer)?;
    let (instructions, _) = sign(unsigned, &params).map_err(SignError::signer)?.into_parts();

    for (name, value) in instructions.params() {
        query.set(known(name)?, value);
    }
    Ok(PresignedUrl(query.url(endpoint.url())))
}

/// A presigned URL: for as long as its receiver takes it, a bearer credential of the identity that signed it.
///
/// Its `Debug` shows nothing of it, and it is wiped when it is dropped. The signer's own working copies are not: its
/// crate gives no hold on them.
pub struct PresignedUrl(Zeroizing<String>);

impl PresignedUrl {
    /// The URL. Secret: the signature and the session token are in it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresignedUrl").finish_non_exhaustive()
    }
}

fn check_expires(expires: Duration) -> Result<(), SignError> {
    if query::EXPIRES_SECONDS.contains(&expires.as_secs()) { Ok(()) } else { Err(SignError::Expires) }
}

/// One that is not known here is a change in the signer that somebody has to look at, so it is an error.
fn known(name: &str) -> Result<&'static str, SignError> {
    query::name(name).ok_or_else(|| SignError::signer(format!("the signer added a parameter `{name}`")))
}

const METHOD: &str = "GET";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StsEndpoint, fixture};
    use aws_credential_types::Credentials;
    use std::time::UNIX_EPOCH;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn presigns_as_botocore_does() {
        let regional = |name: &str| StsEndpoint::regional(&fixture::region(name));
        let cases = [
            ("user", fixture::user(), regional("us-east-1"), fixture::USER),
            ("role", fixture::session(), regional("eu-west-1"), fixture::ROLE),
            ("china", fixture::session(), regional("cn-north-1"), fixture::CHINA),
            ("emulator", fixture::user(), fixture::emulator(), fixture::EMULATOR),
        ];
        for (name, credentials, endpoint, golden) in cases {
            assert_eq!(fixture::presigned(&credentials, &endpoint), fixture::sorted(golden), "{name}");
        }
        let shown = format!("{:?}", presign(&fixture::session(), MINUTE).unwrap());
        assert_eq!(shown, "PresignedUrl { .. }", "nothing of the URL");
    }

    #[test]
    fn rejects_a_url_that_would_be_good_for_every_receiver_or_a_time_that_has_no_date() {
        let for_all = presign_with(&fixture::user(), MINUTE, |request| request.server_id = None);
        assert!(matches!(for_all, Err(SignError::ServerIdMissing)));
        let early = |request: &mut SigningRequest<'_>| request.now = UNIX_EPOCH - Duration::from_secs(1);
        assert!(matches!(presign_with(&fixture::user(), MINUTE, early), Err(SignError::Time)));
    }

    #[test]
    fn rejects_a_lifetime_that_awss_signers_do_not_allow() {
        let expires = |seconds| presign(&fixture::user(), Duration::from_secs(seconds));
        for seconds in [0, 604_801, u64::MAX] {
            assert!(matches!(expires(seconds), Err(SignError::Expires)), "{seconds}");
        }
        assert!(matches!(presign(&fixture::user(), Duration::from_millis(999)), Err(SignError::Expires)));
        for seconds in [1, 604_800] {
            let parameter = format!("&X-Amz-Expires={seconds}&");
            assert!(expires(seconds).unwrap().expose().contains(&parameter), "{seconds}");
        }
    }

    #[test]
    fn rejects_credentials_that_no_receiver_would_read() {
        let presign = |id: &str, token: Option<&str>| {
            let token = token.map(str::to_owned);
            presign(&Credentials::new(id, fixture::SECRET_ACCESS_KEY, token, None, "test"), MINUTE)
        };
        let id = fixture::ACCESS_KEY_ID;
        assert!(matches!(presign("AKID/20270115/us-east-1", None), Err(SignError::AccessKeyId)));
        assert!(matches!(presign("AKIDEXAMPLE", None), Err(SignError::AccessKeyIdLength)));
        assert!(matches!(presign(&"A".repeat(129), None), Err(SignError::AccessKeyIdLength)));
        for token in ["", "secret&X-Amz-Expires=1", "secret token", &"t".repeat(5121)] {
            let refused = presign(id, Some(token)).unwrap_err();
            assert!(matches!(refused, SignError::SessionToken), "{token}");
            assert!(!format!("{refused:?} {refused}").contains("secret"), "{refused:?}");
        }
        assert!(presign(id, Some(&"t".repeat(5120))).is_ok());
    }

    fn presign(credentials: &Credentials, expires: Duration) -> Result<PresignedUrl, SignError> {
        presign_with(credentials, expires, |_| ())
    }

    fn presign_with(
        credentials: &Credentials,
        expires: Duration,
        change: impl Fn(&mut SigningRequest<'_>),
    ) -> Result<PresignedUrl, SignError> {
        let (endpoint, server_id) = (&fixture::emulator(), &fixture::server_id());
        let mut request =
            SigningRequest { credentials, endpoint, server_id: Some(server_id), now: fixture::now() };
        change(&mut request);
        presign_get_caller_identity(request, expires)
    }
}
