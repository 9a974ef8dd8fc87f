//! The query of a presigned GetCallerIdentity URL. It has at most nine parameters, and exactly one spelling.
//!
//! Receives a query's text, or names and values; produces a [`Query`]. It knows the names of the parameters and how
//! they are encoded. The caller decides what a value must be.
//!
//! ```text
//! Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256
//!   &X-Amz-Credential=<key id>%2F<date>%2F<region>%2Fsts%2Faws4_request&X-Amz-Date=20270115T080000Z&X-Amz-Expires=60
//!   &X-Amz-Security-Token=…&X-Amz-Signature=<64 hex digits>&X-Amz-SignedHeaders=host%3Bx-vault-aws-iam-server-id
//! ```

use crate::ProofDefect;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use zeroize::Zeroizing;

/// Parameters by name. Each is there at most once; the map's order is the one that AWS signs them in.
///
/// Secret, and wiped when it is dropped: the signature and the session token are here.
#[derive(Default)]
pub(crate) struct Query(BTreeMap<&'static str, Zeroizing<String>>);

impl Query {
    /// Reads a query strictly.
    ///
    /// A name is compared as it stands. So one with another case or with an escape in it is unknown, never a second
    /// spelling of a known one: readers that disagree on which of two counts were the hole of CVE-2022-2385.
    pub(crate) fn parse(text: &str) -> Result<Self, ProofDefect> {
        let mut query = Self::default();
        for parameter in text.split('&') {
            let unknown = |name| ProofDefect::UnknownParameter(UnknownName::of(name));
            let (name, value) = parameter.split_once('=').ok_or_else(|| unknown(parameter))?;
            let name = self::name(name).ok_or_else(|| unknown(name))?;
            let value = decoded(value).ok_or(ProofDefect::Encoding(name))?;
            if query.0.insert(name, value).is_some() {
                return Err(ProofDefect::DuplicateParameter(name));
            }
        }
        Ok(query)
    }

    /// Sets a parameter.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.0.insert(name, Zeroizing::new(value.to_owned()));
    }

    pub(crate) fn optional(&self, name: &'static str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<&str, ProofDefect> {
        self.optional(name).ok_or(ProofDefect::MissingParameter(name))
    }

    /// `<endpoint>?<query>`, in the one spelling that AWS signs.
    pub(crate) fn url(&self, endpoint_url: &str) -> Zeroizing<String> {
        // Room for all of it from the start: a string that grows leaves its old bytes behind, and nothing wipes them.
        let room =
            |(name, value): (&&str, &Zeroizing<String>)| name.len() + "%XX".len() * value.len() + "?=".len();
        let capacity = endpoint_url.len() + self.0.iter().map(room).sum::<usize>();
        let mut url = Zeroizing::new(String::with_capacity(capacity));
        url.push_str(endpoint_url);
        for (at, (name, value)) in self.0.iter().enumerate() {
            url.push(if at == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            encode(value, &mut url);
        }
        url
    }
}

/// The name of a parameter that a proof does not have, where it reads like a name. Where an `&` or a `=` was lost, it may be a
/// part of a signature or of a session token, and is not shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownName(Option<String>);

impl UnknownName {
    fn of(text: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_name = (1..=MAX_SHOWN_BYTES).contains(&text.len()) && text.bytes().all(plain);
        Self(is_name.then(|| text.to_owned()))
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "`{name}`"),
            None => write!(f, "of a name that is not 1 to {MAX_SHOWN_BYTES} letters, digits and `-`"),
        }
    }
}

/// The parameter of exactly this name.
pub(crate) fn name(text: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| *known == text)
}

/// Undoes percent-encoding, once. What is not escaped must be of RFC 3986's unreserved characters: a `+` is a space to
/// some readers and a plus to others. What is escaped must be visible ASCII: none of the values holds anything else.
fn decoded(text: &str) -> Option<Zeroizing<String>> {
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            byte if is_unreserved(byte) => byte,
            _ => return None,
        };
        if !byte.is_ascii_graphic() {
            return None;
        }
        value.push(char::from(byte));
    }
    Some(value)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// AWS's own rule, `UriEncode` of signature version 4: everything but RFC 3986's unreserved characters is escaped, in
/// upper case.
fn encode(value: &str, url: &mut String) {
    for byte in value.bytes() {
        if is_unreserved(byte) {
            url.push(char::from(byte));
        } else {
            url.push('%');
            for digit in [byte >> 4, byte & 0xF] {
                url.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// IAM's `accessKeyIdType`: 16 to 128 word characters.
pub(crate) fn is_access_key_id(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// STS promises no size for a session token, only that it is usually below 4 KiB, and no alphabet; what it hands out is
/// base64.
pub(crate) fn is_session_token(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    (1..=MAX_SESSION_TOKEN_BYTES).contains(&text.len()) && text.bytes().all(base64)
}

pub(crate) const ACTION: &str = "Action";
pub(crate) const VERSION: &str = "Version";
pub(crate) const ALGORITHM: &str = "X-Amz-Algorithm";
pub(crate) const CREDENTIAL: &str = "X-Amz-Credential";
pub(crate) const DATE: &str = "X-Amz-Date";
pub(crate) const EXPIRES: &str = "X-Amz-Expires";
pub(crate) const SECURITY_TOKEN: &str = "X-Amz-Security-Token";
pub(crate) const SIGNATURE: &str = "X-Amz-Signature";
pub(crate) const SIGNED_HEADERS: &str = "X-Amz-SignedHeaders";

pub(crate) const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";
/// Of the STS API.
pub(crate) const API_VERSION: &str = "2011-06-15";
/// What AWS's signers allow: a second to seven days.
pub(crate) const EXPIRES_SECONDS: RangeInclusive<u64> = 1..=604_800;

/// No signature and no secret access key is that short.
const MAX_SHOWN_BYTES: usize = 32;
const MAX_SESSION_TOKEN_BYTES: usize = 5 * 1024;
const NAMES: [&str; 9] =
    [ACTION, VERSION, ALGORITHM, CREDENTIAL, DATE, EXPIRES, SECURITY_TOKEN, SIGNATURE, SIGNED_HEADERS];
