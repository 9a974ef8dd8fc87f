//! What the caller presents, bounded and redacted, before anything in it is believed.
//!
//! Receives the request's headers, cookies and query, and the places the configuration names; produces one [`Credential`]
//! of a known scheme. Two values, two spellings or two credentials are refused: whichever one this process read, another
//! hop might read the other. An empty value is none.
//!
//! ```text
//! Authorization: Bearer <JWT>                         {header: Authorization}, and the token of a TOKEN event
//! Authorization: AWS-Identity <base64url of a URL>
//! X-Goog-Iap-Jwt-Assertion: <JWT>                     {header: X-Goog-Iap-Jwt-Assertion, scheme: none}
//! Cookie: session=<JWT>                               {cookie: session}
//! GET /orders?access_token=<JWT>                      {query: access_token}
//! Sec-WebSocket-Protocol: bearer, <JWT>               {websocket_protocol: bearer}
//! ```

use std::fmt;

use zeroize::Zeroizing;

use super::fields::Fields;

/// What API Gateway lets all headers of a request have together (API Gateway quotas).
pub const MAX_CREDENTIAL_BYTES: usize = 10_240;

/// Where the configuration says a credential may stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialSource {
    /// A header, by its name in lower case: a scheme, spaces, the credential.
    Header(String),
    /// A header, by its name in lower case: a bare JWT, as Google's IAP, Cloudflare Access and some of Cognito's clients
    /// send it.
    BareHeader(String),
    /// A cookie: a bare JWT.
    Cookie(String),
    /// A query parameter: a bare JWT (RFC 6750, section 2.3).
    Query(String),
    /// The subprotocol that a client offers right after this one (RFC 6455, section 1.9), which is all that a browser can
    /// set on a WebSocket handshake: a bare JWT. The integration accepts the name and never repeats the token.
    WebSocketProtocol(String),
}

impl CredentialSource {
    /// `[{header: Authorization}]`, where the configuration names none.
    pub fn default_list() -> Vec<Self> {
        vec![Self::Header("authorization".to_owned())]
    }
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::BareHeader(name) => write!(f, "header {name} without a scheme"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
            Self::WebSocketProtocol(name) => write!(f, "WebSocket subprotocol {name}"),
        }
    }
}

/// One credential, unverified.
#[derive(Debug)]
pub enum Credential {
    /// `Bearer <JWT>` (RFC 6750, section 2.1).
    Bearer(BearerToken),
    /// `AWS-Identity <base64url of a presigned GetCallerIdentity URL>`.
    AwsIdentity(EncodedProof),
}

/// The text after `Bearer`: three or so parts of base64url.
pub struct BearerToken(Zeroizing<String>);

/// The text after `AWS-Identity`: base64url.
pub struct EncodedProof(Zeroizing<String>);

impl BearerToken {
    /// The token, for verification only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl EncodedProof {
    /// The proof as it came, for verification only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(** redacted **)")
    }
}

impl fmt::Debug for EncodedProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncodedProof(** redacted **)")
    }
}

impl Credential {
    /// Reads the `authorizationToken` of a `TOKEN` event, which does not say which header it was: it may be in each form
    /// that `sources` allow a header. Only the one with a scheme has a space.
    ///
    /// # Errors
    ///
    /// See [`CredentialError`].
    pub(super) fn of_token_event(value: &str, sources: &[CredentialSource]) -> Result<Self, CredentialError> {
        let value = filled(value).ok_or(CredentialError::Missing)?;
        let bare_header = sources.iter().any(|source| matches!(source, CredentialSource::BareHeader(_)));
        let header = sources.iter().any(|source| matches!(source, CredentialSource::Header(_)));
        if bare_header && !(header && value.contains(' ')) {
            Self::bare(value)
        } else {
            Self::with_scheme(value)
        }
    }

    /// Reads a scheme and what it carries. The scheme comes first: what belongs to another may be longer than ours, and
    /// hold commas (SigV4, Digest).
    fn with_scheme(value: &str) -> Result<Self, CredentialError> {
        let mut of_ours = joined(value).filter_map(Scheme::split);
        let (scheme, rest) = of_ours.next().ok_or(CredentialError::SchemeUnsupported)?;
        if value.contains(',') {
            return Err(CredentialError::Duplicate);
        }
        check_size(value)?;
        match scheme {
            Scheme::Bearer => bearer(rest),
            Scheme::AwsIdentity => proof(rest),
        }
    }

    /// Reads a value that stands where only a JWT may.
    fn bare(value: &str) -> Result<Self, CredentialError> {
        if joined(value).any(|value| value.contains(' ')) {
            return Err(CredentialError::SchemeUnexpected);
        }
        if value.contains(',') {
            return Err(CredentialError::Duplicate);
        }
        check_size(value)?;
        bearer(value)
    }

    /// The scheme, for the log and for messages.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Bearer(_) => Scheme::Bearer.name(),
            Self::AwsIdentity(_) => Scheme::AwsIdentity.name(),
        }
    }
}

/// What a header's value begins with.
#[derive(Clone, Copy)]
enum Scheme {
    Bearer,
    AwsIdentity,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::AwsIdentity => "AWS-Identity",
        }
    }

    /// One of our schemes, in any case, and what follows its spaces: `1*SP` (RFC 6750, section 2.1).
    fn split(value: &str) -> Option<(Self, &str)> {
        let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
        let ours = [Self::Bearer, Self::AwsIdentity];
        let scheme = ours.into_iter().find(|scheme| name.eq_ignore_ascii_case(scheme.name()))?;
        Some((scheme, rest.trim_start_matches(' ')))
    }
}

/// The values of a repeated header, which HTTP joins with commas (RFC 9110, section 5.3). None of our forms has one.
fn joined(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|value| value.trim_matches(WHITE_SPACE))
}

/// A value without the white space around it, and without the commas that join empty values to it; `None` where nothing
/// is left.
fn filled(value: &str) -> Option<&str> {
    let [space, tab] = WHITE_SPACE;
    Some(value.trim_matches([space, tab, ','])).filter(|value| !value.is_empty())
}

/// HTTP's own (RFC 9110, section 5.6.3).
const WHITE_SPACE: [char; 2] = [' ', '\t'];

fn check_size(value: &str) -> Result<(), CredentialError> {
    if value.len() > MAX_CREDENTIAL_BYTES { Err(CredentialError::TooLarge) } else { Ok(()) }
}

fn bearer(token: &str) -> Result<Credential, CredentialError> {
    // The alphabet of a JWS in compact serialization (RFC 7515, section 7.1).
    if token.is_empty() || !token.bytes().all(|byte| is_base64url(byte) || byte == b'.') {
        return Err(CredentialError::Malformed);
    }
    Ok(Credential::Bearer(BearerToken(Zeroizing::new(token.to_owned()))))
}

fn proof(encoded: &str) -> Result<Credential, CredentialError> {
    if encoded.is_empty() || !encoded.bytes().all(is_base64url) {
        return Err(CredentialError::Malformed);
    }
    Ok(Credential::AwsIdentity(EncodedProof(Zeroizing::new(encoded.to_owned()))))
}

/// RFC 4648, section 5, without padding.
fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The named values of a request among which a credential is looked for.
#[derive(Default)]
pub(super) struct Places {
    pub(super) headers: Fields,
    pub(super) query: Fields,
    /// Where the event has cookies apart from their header.
    pub(super) cookies: Option<Vec<String>>,
}

/// Every place is read, so that no two of them can hold different credentials.
pub(super) fn find(
    places: &Places,
    sources: &[CredentialSource],
) -> Result<(CredentialSource, Credential), CredentialError> {
    let mut found = None;
    for source in sources {
        let Some(value) = places.value(source)? else { continue };
        if found.replace((source, value)).is_some() {
            return Err(CredentialError::Duplicate);
        }
    }
    let (source, value) = found.ok_or(CredentialError::Missing)?;
    let credential = match source {
        CredentialSource::Header(_) => Credential::with_scheme(value)?,
        CredentialSource::BareHeader(_)
        | CredentialSource::Cookie(_)
        | CredentialSource::Query(_)
        | CredentialSource::WebSocketProtocol(_) => Credential::bare(value)?,
    };
    Ok((source.clone(), credential))
}

impl Places {
    /// The one value in a place; `None` where it is absent or empty.
    fn value(&self, source: &CredentialSource) -> Result<Option<&str>, CredentialError> {
        match source {
            CredentialSource::Header(name) | CredentialSource::BareHeader(name) => {
                sole_value(&self.headers, name)
            }
            CredentialSource::Query(name) => sole_value(&self.query, name),
            CredentialSource::Cookie(name) => self.cookie(name),
            CredentialSource::WebSocketProtocol(name) => self.subprotocol_after(name),
        }
    }

    fn cookie(&self, name: &str) -> Result<Option<&str>, CredentialError> {
        let apart = self.cookies.iter().flatten().map(String::as_str);
        let in_header = every_value(&self.headers, "cookie")?.into_iter();
        sole(cookies(apart), cookies(in_header), name)
    }

    fn subprotocol_after(&self, name: &str) -> Result<Option<&str>, CredentialError> {
        let lists = every_value(&self.headers, "sec-websocket-protocol")?.into_iter();
        let offered: Vec<&str> = lists.flat_map(joined).collect();
        let after = |place: usize| offered.get(place + 1).copied();
        let mut places = offered.iter().enumerate().filter(|(_, offer)| offer.eq_ignore_ascii_case(name));
        match (places.next(), places.next()) {
            (_, Some(_)) => Err(CredentialError::Duplicate),
            (Some((place, offer)), None) if *offer == name => {
                after(place).map(filled).ok_or(CredentialError::Malformed)
            }
            (None | Some(_), None) => Ok(None),
        }
    }
}

/// `name=value; name=value` (RFC 6265, section 4.2.1), from however many headers.
fn cookies<'a>(headers: impl Iterator<Item = &'a str>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let pairs = headers.flat_map(|cookies| cookies.split(';'));
    pairs.filter_map(|pair| pair.trim_matches(WHITE_SPACE).split_once('='))
}

/// One map keeps one value of a repeated name and the other keeps all: both must tell of the same one.
fn sole_value<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a str>, CredentialError> {
    sole(pairs(&fields.single), pairs(&fields.multi), name)
}

/// Every value of a name of which several may stand: all of them where the event has all, among which must be the one
/// that it kept elsewhere.
fn every_value<'a>(fields: &'a Fields, name: &str) -> Result<Vec<&'a str>, CredentialError> {
    let named = |fields: &'a [(String, String)]| -> Vec<&'a str> {
        pairs(fields).filter(|(own, _)| *own == name).map(|(_, value)| value).collect()
    };
    let (kept, all) = (named(&fields.single), named(&fields.multi));
    match (kept.as_slice(), all.as_slice()) {
        (_, []) => Ok(kept),
        (kept, all) if kept.iter().all(|value| all.contains(value)) => Ok(all.to_vec()),
        _ => Err(CredentialError::Duplicate),
    }
}

fn pairs(fields: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The one value of a name, of which two lists may tell. Names that differ in case alone count as two spellings of one. What is
/// empty does not count.
fn sole<'a>(
    one: impl Iterator<Item = (&'a str, &'a str)>,
    other: impl Iterator<Item = (&'a str, &'a str)>,
    name: &str,
) -> Result<Option<&'a str>, CredentialError> {
    let found = match (sole_spelling(one, name)?, sole_spelling(other, name)?) {
        (Some(one), Some(other)) if one != other => return Err(CredentialError::Duplicate),
        (one, other) => one.or(other),
    };
    Ok(found.filter(|(own, _)| *own == name).map(|(_, value)| value))
}

fn sole_spelling<'a>(
    fields: impl Iterator<Item = (&'a str, &'a str)>,
    name: &str,
) -> Result<Option<(&'a str, &'a str)>, CredentialError> {
    let named = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
    let mut named = named.filter_map(|(own, value)| Some((own, filled(value)?)));
    match (named.next(), named.next()) {
        (_, Some(_)) => Err(CredentialError::Duplicate),
        (found, None) => Ok(found),
    }
}

/// Why there is no credential to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// None of the configured places carries one.
    #[error("the request carries no credential in any of the places that `credentials` names")]
    Missing,
    /// More than one value, spelling or place.
    #[error(
        "the request carries more than one credential: in two places, or in one place twice or in two spellings"
    )]
    Duplicate,
    /// Not what its scheme asks for.
    #[error(
        "the credential does not have its form: expected `Bearer` and a JWT, or `AWS-Identity` and base64url without padding"
    )]
    Malformed,
    /// Where only a JWT may stand.
    #[error(
        "the value begins with a scheme, but this place takes the JWT alone: send it without `Bearer`, or remove `scheme: none` \
         where it is a header's"
    )]
    SchemeUnexpected,
    /// Over [`MAX_CREDENTIAL_BYTES`].
    #[error("the credential is longer than {MAX_CREDENTIAL_BYTES} bytes")]
    TooLarge,
    /// No scheme of ours.
    #[error(
        "the credential's scheme is neither `Bearer` nor `AWS-Identity`; a header that carries a JWT alone needs `scheme: none` in \
         `credentials`"
    )]
    SchemeUnsupported,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn places(event: Value) -> Places {
        let event = event.as_object().unwrap();
        Places {
            headers: Fields::headers(event).unwrap(),
            query: Fields::query(event).unwrap(),
            cookies: super::super::fields::cookies(event).unwrap(),
        }
    }

    fn outcome(headers: Value, multi: Value) -> Result<(), CredentialError> {
        let places = places(json!({"headers": headers, "multiValueHeaders": multi}));
        find(&places, &CredentialSource::default_list()).map(|_| ())
    }

    fn found(event: Value, source: CredentialSource) -> Result<String, CredentialError> {
        find(&places(event), &[source]).map(|(_, credential)| match credential {
            Credential::Bearer(token) => token.expose().to_owned(),
            Credential::AwsIdentity(proof) => proof.expose().to_owned(),
        })
    }

    fn bare_header() -> CredentialSource {
        CredentialSource::BareHeader("x-goog-iap-jwt-assertion".into())
    }

    fn cookie() -> CredentialSource {
        CredentialSource::Cookie("session".into())
    }

    fn query() -> CredentialSource {
        CredentialSource::Query("access_token".into())
    }

    fn subprotocol() -> CredentialSource {
        CredentialSource::WebSocketProtocol("bearer".into())
    }

    #[test]
    fn a_bearer_token_is_found_in_any_case() {
        assert_eq!(outcome(json!({"authorization": "Bearer a.b.c"}), json!(null)), Ok(()));
        assert_eq!(
            outcome(json!({"AUTHORIZATION": "bearer a.b.c"}), json!({"Authorization": ["bearer a.b.c"]})),
            Ok(())
        );
        assert_eq!(outcome(json!({}), json!({"Authorization": ["Bearer a.b.c"]})), Ok(()));
    }

    #[test]
    fn a_proof_is_found() {
        let event = json!({"headers": {"Authorization": "AWS-Identity aHR0cHM6Ly9z"}});
        let (source, credential) = find(&places(event), &CredentialSource::default_list()).unwrap();
        assert_eq!(
            (source.to_string().as_str(), credential.scheme()),
            ("header authorization", "AWS-Identity")
        );
    }

    #[test]
    fn rejects_two_values_two_spellings_and_two_credentials() {
        let refused = Err(CredentialError::Duplicate);
        assert_eq!(
            outcome(
                json!({"Authorization": "Bearer a.b.c"}),
                json!({"Authorization": ["Bearer x.y.z", "Bearer a.b.c"]})
            ),
            refused
        );
        assert_eq!(
            outcome(json!({"Authorization": "Bearer a.b.c", "authorization": "Bearer a.b.c"}), json!(null)),
            refused
        );
        assert_eq!(
            outcome(json!({}), json!({"Authorization": ["Bearer a.b.c"], "authorization": ["Bearer a.b.c"]})),
            refused
        );
        assert_eq!(
            outcome(json!({"Authorization": "Bearer a.b.c"}), json!({"Authorization": ["Bearer x.y.z"]})),
            refused
        );
        assert_eq!(outcome(json!({"authorization": "Bearer a.b.c,Bearer x.y.z"}), json!(null)), refused);
        let sources = [CredentialSource::Header("a".into()), CredentialSource::Header("b".into())];
        let places = places(json!({"headers": {"a": "Bearer a.b.c", "b": "Bearer a.b.c"}}));
        assert_eq!(find(&places, &sources).unwrap_err(), CredentialError::Duplicate);
    }

    #[test]
    fn a_scheme_and_its_credential_are_parted_by_one_or_more_spaces() {
        for value in ["Bearer  a.b.c", "bearer     a.b.c", " Bearer a.b.c\t"] {
            assert_eq!(outcome(json!({"Authorization": value}), json!(null)), Ok(()), "{value:?}");
        }
        let proof = json!({"headers": {"Authorization": "AWS-Identity   aHR0cHM6Ly9z"}});
        assert_eq!(
            found(proof, CredentialSource::Header("authorization".into())),
            Ok("aHR0cHM6Ly9z".to_owned())
        );
    }

    /// Clients and proxies clear a header, a cookie or a parameter by sending it empty.
    #[test]
    fn an_empty_value_beside_a_good_one_is_none() {
        let header = || CredentialSource::Header("authorization".into());
        let token = Ok("a.b.c".to_owned());
        for (event, source) in [
            (json!({"headers": {"Authorization": "", "authorization": "Bearer a.b.c"}}), header()),
            (
                json!({"headers": {"Authorization": ""}, "multiValueHeaders": {"Authorization": ["Bearer a.b.c", ""]}}),
                header(),
            ),
            (json!({"headers": {"authorization": "Bearer a.b.c,"}}), header()),
            (json!({"headers": {"authorization": " , Bearer a.b.c"}}), header()),
            (json!({"headers": {"X-Goog-Iap-Jwt-Assertion": ",a.b.c"}}), bare_header()),
            (json!({"headers": {"cookie": "session=; session=a.b.c; SESSION="}}), cookie()),
            (json!({"cookies": ["session="], "headers": {"cookie": "session=a.b.c"}}), cookie()),
            (json!({"queryStringParameters": {"access_token": "a.b.c", "Access_Token": ""}}), query()),
            (json!({"multiValueQueryStringParameters": {"access_token": ["", "a.b.c"]}}), query()),
        ] {
            assert_eq!(found(event.clone(), source), token, "{event}");
        }
        let emptied = json!({"headers": {"Authorization": "Bearer a.b.c", "Cookie": "session=", "Sec-WebSocket-Protocol": "bearer, "},
            "queryStringParameters": {"access_token": " "}});
        let sources = [header(), bare_header(), cookie(), query(), subprotocol()];
        assert_eq!(find(&places(emptied), &sources).unwrap().0, header());
    }

    #[test]
    fn a_bare_jwt_is_found_in_a_header_that_is_said_to_have_one() {
        let event = |value: &str| json!({"headers": {"X-Goog-IAP-JWT-Assertion": value}});
        assert_eq!(found(event("a.b.c"), bare_header()), Ok("a.b.c".to_owned()));
        for (value, expected) in [
            ("", CredentialError::Missing),
            ("Bearer a.b.c", CredentialError::SchemeUnexpected),
            ("Basic dXNlcjpwYXNz", CredentialError::SchemeUnexpected),
            ("AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host", CredentialError::SchemeUnexpected),
            ("a.b.c,x.y.z", CredentialError::Duplicate),
            ("a.b.c, a.b.c", CredentialError::Duplicate),
            ("\"a.b.c\"", CredentialError::Malformed),
        ] {
            assert_eq!(found(event(value), bare_header()), Err(expected), "{value:?}");
        }
        let twice = json!({"multiValueHeaders": {"x-goog-iap-jwt-assertion": ["a.b.c", "x.y.z"]}});
        assert_eq!(found(twice, bare_header()), Err(CredentialError::Duplicate));
        let both = json!({"headers": {"Authorization": "Bearer a.b.c", "X-Goog-IAP-JWT-Assertion": "a.b.c"}});
        let sources = [CredentialSource::Header("authorization".into()), bare_header()];
        assert_eq!(find(&places(both), &sources).unwrap_err(), CredentialError::Duplicate);
    }

    /// API Gateway hands over the value and not the name of the header that it took it from.
    #[test]
    fn a_token_event_is_read_as_the_configured_headers_are() {
        let header = || CredentialSource::Header("authorization".into());
        let read = |value: &str, sources: &[CredentialSource]| {
            Credential::of_token_event(value, sources).map(|_| ())
        };
        for (value, with_scheme, bare, both) in [
            ("Bearer  a.b.c", Ok(()), Err(CredentialError::SchemeUnexpected), Ok(())),
            ("a.b.c", Err(CredentialError::SchemeUnsupported), Ok(()), Ok(())),
            ("", Err(CredentialError::Missing), Err(CredentialError::Missing), Err(CredentialError::Missing)),
            (
                "Basic dXNlcjpwYXNz",
                Err(CredentialError::SchemeUnsupported),
                Err(CredentialError::SchemeUnexpected),
                Err(CredentialError::SchemeUnsupported),
            ),
        ] {
            assert_eq!(read(value, &[header(), cookie()]), with_scheme, "{value:?}");
            assert_eq!(read(value, &[cookie()]), with_scheme, "{value:?}, and no header is configured");
            assert_eq!(read(value, &[bare_header(), cookie()]), bare, "{value:?}");
            assert_eq!(read(value, &[bare_header(), header()]), both, "{value:?}");
        }
    }

    #[test]
    fn rejects_a_second_credential_in_another_place() {
        let event = json!({"headers": {"Authorization": "Bearer a.b.c", "Cookie": "session=a.b.c"},
            "queryStringParameters": {"access_token": "a.b.c"}});
        let header = CredentialSource::Header("authorization".into());
        for sources in [[header.clone(), cookie()], [cookie(), query()], [query(), header]] {
            assert_eq!(find(&places(event.clone()), &sources).unwrap_err(), CredentialError::Duplicate);
        }
    }

    #[test]
    fn a_cookie_is_found_in_its_header_or_apart() {
        let token = Ok("a.b.c".to_owned());
        assert_eq!(found(json!({"headers": {"cookie": "x=1; session=a.b.c;y=2"}}), cookie()), token);
        assert_eq!(
            found(json!({"multiValueHeaders": {"Cookie": ["x=1", "session=a.b.c"]}}), cookie()),
            token
        );
        assert_eq!(found(json!({"cookies": ["x=1", "session=a.b.c"]}), cookie()), token);
        assert_eq!(
            found(json!({"cookies": ["session=a.b.c"], "headers": {"cookie": "session=a.b.c"}}), cookie()),
            token
        );
        for absent in
            [json!({"headers": {"cookie": "Session=a.b.c; sessions=a.b.c; session"}}), json!({"cookies": []})]
        {
            assert_eq!(found(absent, cookie()), Err(CredentialError::Missing));
        }
    }

    #[test]
    fn rejects_a_cookie_tossed_in_by_another_host() {
        for event in [
            json!({"headers": {"cookie": "session=a.b.c"}, "multiValueHeaders": {"cookie": ["session=x.y.z"]}}),
            json!({"headers": {"cookie": "session=a.b.c"}, "cookies": ["session=x.y.z"]}),
            json!({"headers": {"cookie": "session=a.b.c; session=x.y.z"}}),
            json!({"headers": {"cookie": "session=a.b.c; SESSION=x.y.z"}}),
            json!({"multiValueHeaders": {"cookie": ["session=a.b.c", "session=a.b.c"]}}),
            json!({"cookies": ["session=a.b.c", "session=x.y.z"]}),
            json!({"cookies": ["session=a.b.c"], "headers": {"cookie": "SESSION=x.y.z"}}),
        ] {
            assert_eq!(found(event.clone(), cookie()), Err(CredentialError::Duplicate), "{event}");
        }
        let quoted = json!({"cookies": ["session=\"a.b.c\""]});
        assert_eq!(found(quoted, cookie()), Err(CredentialError::Malformed));
    }

    #[test]
    fn a_query_parameter_is_found_once_and_in_one_spelling() {
        let single = json!({"queryStringParameters": {"access_token": "a.b.c", "page": "2"}});
        assert_eq!(found(single, query()), Ok("a.b.c".to_owned()));
        for event in [
            json!({"queryStringParameters": {"access_token": "a.b.c,x.y.z"}}),
            json!({"queryStringParameters": {"access_token": "a.b.c", "Access_Token": "x.y.z"}}),
            json!({"multiValueQueryStringParameters": {"access_token": ["a.b.c", "x.y.z"]}}),
        ] {
            assert_eq!(found(event.clone(), query()), Err(CredentialError::Duplicate), "{event}");
        }
        let with_scheme = json!({"queryStringParameters": {"access_token": "Bearer a.b.c"}});
        assert_eq!(found(with_scheme, query()), Err(CredentialError::SchemeUnexpected));
    }

    #[test]
    fn the_subprotocol_after_the_configured_one_is_the_token() {
        let offers = |list: &str| json!({"headers": {"Sec-WebSocket-Protocol": list}});
        for list in ["bearer, a.b.c", "bearer,a.b.c", "graphql-ws, bearer, a.b.c, json"] {
            assert_eq!(found(offers(list), subprotocol()), Ok("a.b.c".to_owned()), "{list}");
        }
        let lines = json!({"multiValueHeaders": {"Sec-WebSocket-Protocol": ["bearer", "a.b.c"]}});
        assert_eq!(found(lines, subprotocol()), Ok("a.b.c".to_owned()));
        let other = json!({"headers": {"Sec-WebSocket-Protocol": "bearer, a.b.c"},
            "multiValueHeaders": {"Sec-WebSocket-Protocol": ["bearer, x.y.z"]}});
        assert_eq!(found(other, subprotocol()), Err(CredentialError::Duplicate));
        for (list, expected) in [
            ("graphql-ws, json", CredentialError::Missing),
            ("Bearer, a.b.c", CredentialError::Missing),
            ("bearer", CredentialError::Malformed),
            ("bearer, a/b", CredentialError::Malformed),
            ("bearer, a.b.c, bearer, x.y.z", CredentialError::Duplicate),
            ("Bearer, x.y.z, bearer, a.b.c", CredentialError::Duplicate),
            ("bearer, ", CredentialError::Missing),
        ] {
            assert_eq!(found(offers(list), subprotocol()), Err(expected), "{list}");
        }
    }

    #[test]
    fn rejects_what_is_not_one_credential() {
        let cases = [
            ("", CredentialError::Missing),
            (" ,\t", CredentialError::Missing),
            ("a.b.c", CredentialError::SchemeUnsupported),
            ("a.b.c,x.y.z", CredentialError::SchemeUnsupported),
            ("Basic dXNlcjpwYXNz", CredentialError::SchemeUnsupported),
            ("Bearer\ta.b.c", CredentialError::SchemeUnsupported),
            (
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20270115/eu-west-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=0",
                CredentialError::SchemeUnsupported,
            ),
            (
                "Digest username=\"Bearer\", realm=\"orders\", uri=\"/orders\"",
                CredentialError::SchemeUnsupported,
            ),
            ("Bearer", CredentialError::Malformed),
            ("Bearer ", CredentialError::Malformed),
            ("Bearer a.b.c x.y.z", CredentialError::Malformed),
            ("Bearer a.b.c, Bearer a.b.c", CredentialError::Duplicate),
            ("Bearer a.b.c,x.y.z", CredentialError::Duplicate),
            ("Basic dXNlcjpwYXNz,Bearer a.b.c", CredentialError::Duplicate),
            ("Bearer a.b.c, Basic dXNlcjpwYXNz", CredentialError::Duplicate),
            ("Bearer a.b.c\n", CredentialError::Malformed),
            ("Bearer a+b/c=", CredentialError::Malformed),
            ("AWS-Identity ", CredentialError::Malformed),
            ("AWS-Identity aHR0cHM=", CredentialError::Malformed),
            ("AWS-Identity https://sts.amazonaws.com/", CredentialError::Malformed),
        ];
        for (value, expected) in cases {
            assert_eq!(outcome(json!({"Authorization": value}), json!(null)), Err(expected), "{value:?}");
        }
    }

    #[test]
    fn a_message_names_the_setting_that_may_be_wrong() {
        let setting = "`scheme: none`";
        for error in [CredentialError::SchemeUnexpected, CredentialError::SchemeUnsupported] {
            assert!(error.to_string().contains(setting), "{error}");
        }
        assert!(CredentialError::Missing.to_string().contains("`credentials`"));
    }

    #[test]
    fn rejects_an_oversized_credential() {
        let value = |bytes: usize| format!("Bearer {}", "a".repeat(bytes - "Bearer ".len()));
        assert!(Credential::with_scheme(&value(MAX_CREDENTIAL_BYTES)).is_ok());
        assert_eq!(
            Credential::with_scheme(&value(MAX_CREDENTIAL_BYTES + 1)).unwrap_err(),
            CredentialError::TooLarge
        );
        assert!(Credential::bare(&"a".repeat(MAX_CREDENTIAL_BYTES)).is_ok());
        assert_eq!(
            Credential::bare(&"a".repeat(MAX_CREDENTIAL_BYTES + 1)).unwrap_err(),
            CredentialError::TooLarge
        );
        let ticket = format!("Negotiate {}", "a".repeat(MAX_CREDENTIAL_BYTES));
        assert_eq!(Credential::with_scheme(&ticket).unwrap_err(), CredentialError::SchemeUnsupported);
    }
}
