//! What the caller presents, bounded and redacted, before anything in it is believed.
//!
//! Receives the headers and the places the configuration names; produces one [`Credential`] of a known scheme. Two
//! values, two spellings or two credentials are refused: whichever one this process read, another hop might read the
//! other.

use std::fmt;

use zeroize::Zeroizing;

use super::Headers;

/// All headers of a request together have at most 10,240 bytes (API Gateway quotas); a JWT beyond this is not a
/// session token but an attack on the parser.
pub const MAX_CREDENTIAL_BYTES: usize = 8192;

/// Where the configuration says a credential may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// A header, by its name in lower case.
    Header(String),
}

impl CredentialSource {
    /// `[{header: Authorization}]`, where the configuration names none.
    pub fn default_list() -> Vec<Self> {
        vec![Self::Header("authorization".to_owned())]
    }
}

/// One credential, unverified.
#[derive(Debug)]
pub enum Credential {
    /// `Bearer <JWT>` (RFC 6750, section 2.1).
    Bearer(BearerToken),
}

/// The text after `Bearer`: three or so parts of base64url.
pub struct BearerToken(Zeroizing<String>);

impl BearerToken {
    /// The token, for verification only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(** redacted **)")
    }
}

impl Credential {
    /// Reads the value of the header or of `authorizationToken`.
    ///
    /// # Errors
    ///
    /// See [`CredentialError`].
    pub(super) fn parse(value: &str) -> Result<Self, CredentialError> {
        if value.is_empty() {
            return Err(CredentialError::Missing);
        }
        if value.len() > MAX_CREDENTIAL_BYTES {
            return Err(CredentialError::TooLarge);
        }
        let (scheme, rest) = value.split_once(' ').ok_or(CredentialError::SchemeUnsupported)?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(CredentialError::SchemeUnsupported);
        }
        if rest.is_empty() || !rest.bytes().all(is_jws_byte) {
            return Err(CredentialError::Malformed);
        }
        Ok(Self::Bearer(BearerToken(Zeroizing::new(rest.to_owned()))))
    }
}

/// The alphabet of a JWS in compact serialization (RFC 7515, section 7.1).
fn is_jws_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

pub(super) fn find(headers: &Headers, sources: &[CredentialSource]) -> Result<Credential, CredentialError> {
    let mut found = None;
    for CredentialSource::Header(name) in sources {
        let Some(value) = sole_value(headers, name)? else { continue };
        if found.replace(value).is_some() {
            return Err(CredentialError::Duplicate);
        }
    }
    Credential::parse(found.unwrap_or_default())
}

/// `headers` keeps one value of a repeated header and `multiValueHeaders` keeps all: both must tell of the same one.
fn sole_value<'a>(headers: &'a Headers, name: &str) -> Result<Option<&'a str>, CredentialError> {
    match (sole(&headers.single, name)?, sole(&headers.multi, name)?) {
        (Some(single), Some(multi)) if single != multi => Err(CredentialError::Duplicate),
        (single, multi) => Ok(single.or(multi)),
    }
}

fn sole<'a>(headers: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, CredentialError> {
    let mut values = headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(CredentialError::Duplicate),
        (value, None) => Ok(value),
    }
}

/// Why there is no credential to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// None of the configured places carries one.
    #[error("the request carries no credential")]
    Missing,
    /// More than one value, spelling or place.
    #[error("the request carries more than one credential")]
    Duplicate,
    /// Not what its scheme asks for.
    #[error("the credential is not of its scheme's form")]
    Malformed,
    /// Over [`MAX_CREDENTIAL_BYTES`].
    #[error("the credential is longer than {MAX_CREDENTIAL_BYTES} bytes")]
    TooLarge,
    /// Neither `Bearer` nor another scheme of this version.
    #[error("the credential's scheme is not `Bearer`")]
    SchemeUnsupported,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn outcome(headers: Value, multi: Value) -> Result<(), CredentialError> {
        let event = json!({"headers": headers, "multiValueHeaders": multi});
        let headers = Headers::read(event.as_object().unwrap()).unwrap();
        find(&headers, &CredentialSource::default_list()).map(|_| ())
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
        let sources = [CredentialSource::Header("a".into()), CredentialSource::Header("b".into())];
        let event = json!({"headers": {"a": "Bearer a.b.c", "b": "Bearer a.b.c"}});
        let headers = Headers::read(event.as_object().unwrap()).unwrap();
        assert_eq!(find(&headers, &sources).unwrap_err(), CredentialError::Duplicate);
    }

    #[test]
    fn rejects_what_is_not_one_bearer_token() {
        let cases = [
            ("", CredentialError::Missing),
            ("Bearer", CredentialError::SchemeUnsupported),
            ("a.b.c", CredentialError::SchemeUnsupported),
            ("Basic dXNlcjpwYXNz", CredentialError::SchemeUnsupported),
            ("AWS-Identity aHR0cHM", CredentialError::SchemeUnsupported),
            ("Bearer ", CredentialError::Malformed),
            ("Bearer  a.b.c", CredentialError::Malformed),
            ("Bearer a.b.c ", CredentialError::Malformed),
            ("Bearer a.b.c, Bearer a.b.c", CredentialError::Malformed),
            ("Bearer a.b.c\n", CredentialError::Malformed),
            ("Bearer a+b/c=", CredentialError::Malformed),
        ];
        for (value, expected) in cases {
            assert_eq!(Credential::parse(value).unwrap_err(), expected, "{value:?}");
        }
    }

    #[test]
    fn rejects_an_oversized_credential() {
        let value = |bytes: usize| format!("Bearer {}", "a".repeat(bytes - "Bearer ".len()));
        assert!(Credential::parse(&value(MAX_CREDENTIAL_BYTES)).is_ok());
        assert_eq!(
            Credential::parse(&value(MAX_CREDENTIAL_BYTES + 1)).unwrap_err(),
            CredentialError::TooLarge
        );
    }
}
