//! Finds the caller's credential in a request. It is bounded and redacted before anything in it is trusted.
//!
//! Receives the request's headers, cookies and query, and the places that the configuration names; produces one
//! [`Credential`] of a known scheme. Two values, two spellings or two credentials are refused, because another hop
//! might read a different one than this process. An empty value counts as no credential.
//!
//! ```text
//! Authorization: Bearer <JWT>                         {header: Authorization}, and the token of a TOKEN event
//! Authorization: DPoP <JWT>
//! Authorization: AWS-Identity <base64url of a URL>
//! X-Goog-Iap-Jwt-Assertion: <JWT>                     {header: X-Goog-Iap-Jwt-Assertion, scheme: none}
//! Cookie: session=<JWT>                               {cookie: session}
//! GET /orders?access_token=<JWT>                      {query: access_token}
//! Sec-WebSocket-Protocol: bearer, <JWT>               {websocket_protocol: bearer}
//! ```

use std::{borrow::Cow, fmt};

use zeroize::Zeroizing;

use super::{fields::Fields, sender::DpopHeader};

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
    /// `DPoP <JWT>` (RFC 9449, section 7.1), whose proof is in the header `DPoP`.
    Dpop(BearerToken),
    /// `AWS-Identity <base64url of a presigned GetCallerIdentity URL>`.
    AwsIdentity(EncodedProof),
}

/// The text after `Bearer` or `DPoP`: three or so parts of base64url.
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
            Scheme::Bearer => token(rest).map(Self::Bearer),
            Scheme::Dpop => token(rest).map(Self::Dpop),
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
        token(value).map(Self::Bearer)
    }

    /// The scheme, for the log and for messages.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Bearer(_) => Scheme::Bearer.name(),
            Self::Dpop(_) => Scheme::Dpop.name(),
            Self::AwsIdentity(_) => Scheme::AwsIdentity.name(),
        }
    }
}

/// What a header's value begins with.
#[derive(Clone, Copy)]
enum Scheme {
    Bearer,
    Dpop,
    AwsIdentity,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
            Self::AwsIdentity => "AWS-Identity",
        }
    }

    /// One of our schemes, in any case, and what follows its spaces: `1*SP` (RFC 6750, section 2.1).
    fn split(value: &str) -> Option<(Self, &str)> {
        let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
        let ours = [Self::Bearer, Self::Dpop, Self::AwsIdentity];
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

fn token(token: &str) -> Result<BearerToken, CredentialError> {
    let is_jws = |byte: u8| JWS.get(usize::from(byte)).is_some_and(|is_jws| *is_jws);
    if token.is_empty() || !token.bytes().all(is_jws) {
        return Err(CredentialError::Malformed);
    }
    Ok(BearerToken(Zeroizing::new(token.to_owned())))
}

fn proof(encoded: &str) -> Result<Credential, CredentialError> {
    if encoded.is_empty() || !encoded.bytes().all(is_base64url) {
        return Err(CredentialError::Malformed);
    }
    Ok(Credential::AwsIdentity(EncodedProof(Zeroizing::new(encoded.to_owned()))))
}

/// RFC 4648, section 5, without padding.
const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The alphabet of a JWS in compact serialization (RFC 7515, section 7.1), as a table: a token has a thousand bytes of it.
const JWS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = u8::MAX;
    loop {
        #[expect(
            clippy::indexing_slicing,
            reason = "every byte has its place, and it is looked up by the compiler alone"
        )]
        {
            table[byte as usize] = is_base64url(byte) || byte == b'.';
        }
        if byte == 0 {
            break table;
        }
        byte -= 1;
    }
};

/// The named values of a request among which a credential is looked for.
#[derive(Default)]
pub(super) struct Places<'e> {
    pub(super) headers: Fields<'e>,
    pub(super) query: Fields<'e>,
    /// Where the event has cookies apart from their header.
    pub(super) cookies: Option<Vec<&'e str>>,
}

/// Every place is read, so that no two of them can hold different credentials.
pub(super) fn find(
    places: &Places<'_>,
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

impl Places<'_> {
    /// The headers with the name `DPoP`. None of their values has a comma, with which HTTP joins several.
    pub(super) fn dpop(&self) -> DpopHeader<'_> {
        match sole_value(&self.headers, "dpop") {
            Ok(None) => DpopHeader::Absent,
            Ok(Some(value)) if !value.contains(',') => DpopHeader::One(value),
            Ok(Some(_)) | Err(_) => DpopHeader::Several,
        }
    }

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
        let apart = self.cookies.iter().flatten().copied();
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
fn sole_value<'a>(fields: &'a Fields<'_>, name: &str) -> Result<Option<&'a str>, CredentialError> {
    sole(pairs(&fields.single), pairs(&fields.multi), name)
}

/// Every value of a name of which several may stand: all of them where the event has all, among which must be the one
/// that it kept elsewhere.
fn every_value<'a>(fields: &'a Fields<'_>, name: &str) -> Result<Vec<&'a str>, CredentialError> {
    let named = |fields: &'a [(Cow<'_, str>, &str)]| -> Vec<&'a str> {
        pairs(fields).filter(|(own, _)| *own == name).map(|(_, value)| value).collect()
    };
    let (kept, all) = (named(&fields.single), named(&fields.multi));
    match (kept.as_slice(), all.as_slice()) {
        (_, []) => Ok(kept),
        (kept, all) if kept.iter().all(|value| all.contains(value)) => Ok(all.to_vec()),
        _ => Err(CredentialError::Duplicate),
    }
}

fn pairs<'a>(fields: &'a [(Cow<'_, str>, &str)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    fields.iter().map(|(name, value)| (name.as_ref(), *value))
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
    #[error("the request has no credential in any of the places listed in `credentials`")]
    Missing,
    /// More than one value, spelling or place.
    #[error(
        "the request has more than one credential: in two places, twice in one place, or under two spellings of one \
         name"
    )]
    Duplicate,
    /// Not what its scheme asks for.
    #[error(
        "the credential is malformed: expected `Bearer` or `DPoP` and a JWT, or `AWS-Identity` and base64url \
         without padding"
    )]
    Malformed,
    /// Where only a JWT may stand.
    #[error(
        "the value begins with a scheme, but this place takes only the JWT: send it without `Bearer` or, for a \
         header, remove `scheme: none`"
    )]
    SchemeUnexpected,
    /// Over [`MAX_CREDENTIAL_BYTES`].
    #[error("the credential is longer than {MAX_CREDENTIAL_BYTES} bytes")]
    TooLarge,
    /// No scheme of ours.
    #[error(
        "the credential's scheme is not `Bearer`, `DPoP` or `AWS-Identity`; a header that carries only a JWT needs \
         `scheme: none` in `credentials`"
    )]
    SchemeUnsupported,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Json;
    use crate::table::{rows, tests_of_table};

    fn places<'e>(event: &'e Json<'_>) -> Places<'e> {
        Places {
            headers: Fields::headers(event).unwrap(),
            query: Fields::query(event).unwrap(),
            cookies: super::super::fields::cookies(event).unwrap(),
        }
    }

    fn source(name: &str) -> CredentialSource {
        match name {
            "header" => CredentialSource::Header("authorization".into()),
            "other header" => CredentialSource::Header("x-other".into()),
            "bare header" => CredentialSource::BareHeader("x-goog-iap-jwt-assertion".into()),
            "cookie" => CredentialSource::Cookie("session".into()),
            "query" => CredentialSource::Query("access_token".into()),
            "subprotocol" => CredentialSource::WebSocketProtocol("bearer".into()),
            _ => panic!("{name}"),
        }
    }

    /// The configured sources, the event, and what is found in it or why nothing is.
    fn holds([sources, event, expected]: [&str; 3]) {
        let sources: Vec<_> = sources.split(", ").map(source).collect();
        let found = match find(&places(&serde_json::from_str(event).unwrap()), &sources) {
            Ok((place, Credential::Bearer(token) | Credential::Dpop(token))) => {
                (place == sources[0], token.expose().to_owned())
            }
            Ok((place, Credential::AwsIdentity(proof))) => (place == sources[0], proof.expose().to_owned()),
            Err(error) => (true, format!("{error:?}")),
        };
        assert_eq!(found, (true, expected.to_owned()), "{event}");
    }

    tests_of_table! {
        include_str!("../../golden/credentials.txt"), holds {
            fn a_bearer_token_is_found_in_any_case();
            fn rejects_two_values_two_spellings_and_two_credentials();
            fn a_scheme_and_its_credential_are_parted_by_one_or_more_spaces();
            /// Clients and proxies clear a header, a cookie or a parameter by sending it empty.
            fn an_empty_value_beside_a_good_one_is_none();
            fn a_bare_jwt_is_found_in_a_header_that_is_said_to_have_one();
            fn rejects_a_second_credential_in_another_place();
            fn a_cookie_is_found_in_its_header_or_apart();
            fn rejects_a_cookie_tossed_in_by_another_host();
            fn a_query_parameter_is_found_once_and_in_one_spelling();
            fn the_subprotocol_after_the_configured_one_is_the_token();
            fn rejects_what_is_not_one_credential();
        }
    }

    #[test]
    fn a_proof_is_found() {
        let event = json!({"headers": {"Authorization": "AWS-Identity aHR0cHM6Ly9z"}});
        let (source, credential) =
            find(&places(&Json::from(&event)), &CredentialSource::default_list()).unwrap();
        assert_eq!([&source.to_string(), credential.scheme()], ["header authorization", "AWS-Identity"]);
    }

    /// API Gateway hands over the value and not the name of the header that it took it from.
    #[test]
    fn a_token_event_is_read_as_the_configured_headers_are() {
        use CredentialError::{Missing, SchemeUnexpected, SchemeUnsupported};
        for (value, with_scheme, bare, both) in [
            ("Bearer  a.b.c", Ok(()), Err(SchemeUnexpected), Ok(())),
            ("a.b.c", Err(SchemeUnsupported), Ok(()), Ok(())),
            ("", Err(Missing), Err(Missing), Err(Missing)),
            ("Basic dXNlcjpwYXNz", Err(SchemeUnsupported), Err(SchemeUnexpected), Err(SchemeUnsupported)),
        ] {
            for (sources, expected) in [
                (&["header", "cookie"][..], with_scheme),
                // No header is configured.
                (&["cookie"], with_scheme),
                (&["bare header", "cookie"], bare),
                (&["bare header", "header"], both),
            ] {
                let list: Vec<_> = sources.iter().map(|name| source(name)).collect();
                let read = Credential::of_token_event(value, &list).map(|_| ());
                assert_eq!(read, expected, "{value:?} {sources:?}");
            }
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
        let token = |bytes: usize| "a".repeat(bytes);
        let value = |bytes: usize| format!("Bearer {}", token(bytes - "Bearer ".len()));
        let too_large = MAX_CREDENTIAL_BYTES + 1;
        assert!(Credential::with_scheme(&value(MAX_CREDENTIAL_BYTES)).is_ok());
        assert_eq!(Credential::with_scheme(&value(too_large)).unwrap_err(), CredentialError::TooLarge);
        assert!(Credential::bare(&token(MAX_CREDENTIAL_BYTES)).is_ok());
        assert_eq!(Credential::bare(&token(too_large)).unwrap_err(), CredentialError::TooLarge);
        let ticket = format!("Negotiate {}", token(MAX_CREDENTIAL_BYTES));
        assert_eq!(Credential::with_scheme(&ticket).unwrap_err(), CredentialError::SchemeUnsupported);
    }
}
