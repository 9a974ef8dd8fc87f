//! Reads a caller's proof: a presigned GetCallerIdentity URL.
//!
//! Receives the URL as the caller sent it, and what is expected of it; produces a [`StsRequest`] that holds only
//! checked parts. It cannot tell whether the signature is valid. STS does that when it is asked (see
//! [`Sts`](crate::Sts)). Nothing here reads a clock or sends anything.

use crate::query::{self, Query, UnknownName};
use crate::{Region, ServerId, StsEndpoint, StsHosts, date};
use std::fmt;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// A request to STS that a caller has signed, rebuilt from checked parts. STS's answer to it says who the caller is.
///
/// ```text
/// GET https://<host>/?Action=GetCallerIdentity&…&X-Amz-SignedHeaders=host%3Bx-vault-aws-iam-server-id
/// Accept: text/xml
/// X-Vault-AWS-IAM-Server-ID: <ours>
/// ```
///
/// Send exactly this, follow no redirect, and add no header that changes the answer. A secret: it is a bearer credential
/// of the caller, so its `Debug` shows neither signature nor session token, and it is wiped when it is dropped.
///
/// INVARIANT (rebuilt): the URL is written by [`Query::url`] from parameters that passed [`check`], under an address out
/// of the operator's list. No byte of the caller's URL is forwarded.
pub struct StsRequest {
    url: Zeroizing<String>,
    endpoint: StsEndpoint,
    server_id: ServerId,
    access_key_id: String,
    ends_at: SystemTime,
}

/// What a proof must agree with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The hosts that it may be for.
    pub hosts: &'a StsHosts,
    /// Whom it must be meant for: us.
    pub server_id: &'a ServerId,
    /// For how long after its signature it is taken. STS itself takes it for fifteen minutes.
    pub max_age: Duration,
    /// The time by the verifier's wall clock.
    pub now: SystemTime,
}

/// Why a proof was not accepted. No variant holds a value of it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProofError {
    /// It is no proof, or none for this verifier.
    #[error("the proof is refused: {0}")]
    Refused(ProofDefect),
    /// Its time is over.
    #[error("the proof expired {seconds_ago} s ago")]
    Expired {
        /// Seconds since its end, rounded up.
        seconds_ago: u64,
    },
    /// It was signed in the future, beyond what clocks may differ by.
    #[error("the proof is dated {seconds_ahead} s ahead of this clock")]
    NotYetValid {
        /// Seconds from now to its date, rounded up.
        seconds_ahead: u64,
    },
}

/// What is wrong with a proof.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofDefect {
    /// No signer writes one of this size.
    #[error("it is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// URL readers disagree about these: some drop a tab or a newline, some take a backslash for a slash.
    #[error("it holds a space, a control character, a backslash, a fragment or something other than ASCII")]
    Characters,
    /// It does not begin with `https://`, the whole name of a configured host, and `/?`.
    #[error("it is not for one of the configured STS hosts, or not written as `https://<host>/?<query>`")]
    Endpoint,
    /// There is a parameter that GetCallerIdentity does not need, or one in another spelling.
    #[error("it has the query parameter {0}, which a GetCallerIdentity proof never has")]
    UnknownParameter(UnknownName),
    /// A parameter is there twice.
    #[error("it has `{0}` twice")]
    DuplicateParameter(&'static str),
    /// A parameter is not there.
    #[error("it has no `{0}`")]
    MissingParameter(&'static str),
    /// A value is not percent-encoded as RFC 3986 says, or holds something other than visible ASCII.
    #[error("its `{0}` is not percent-encoded")]
    Encoding(&'static str),
    /// A value is not the one that a proof has, or not of its form.
    #[error("its `{0}` is wrong for a GetCallerIdentity proof")]
    Value(&'static str),
    /// The signature does not cover the server id, or covers headers that nobody will send.
    #[error("its signed headers are not exactly `{SIGNED_HEADERS}`")]
    SignedHeaders,
    /// The signature is scoped to another region than the host's.
    #[error("its signature is scoped to another region than the host's")]
    ScopeRegion,
    /// The signature is scoped to another day than the proof's date.
    #[error("its signature is scoped to another day than its `X-Amz-Date`")]
    ScopeDate,
}

impl StsRequest {
    /// Checks a proof, and makes the request to STS.
    ///
    /// It accepts what [`presign_get_caller_identity`](crate::presign_get_caller_identity) and AWS's own signers write,
    /// and nothing else: every parameter once, under its exact name, of its exact form, for a configured host, signed
    /// with a server id. The proof lives from `X-Amz-Date` for the shorter of `X-Amz-Expires` and `max_age`; its date
    /// may be up to [`CLOCK_SKEW`] ahead of `now`.
    pub fn parse(url: &str, expected: &Expected<'_>) -> Result<Self, ProofError> {
        check_text(url).map_err(ProofError::Refused)?;
        let (endpoint, query) =
            split(url, expected.hosts).ok_or(ProofError::Refused(ProofDefect::Endpoint))?;
        let query = Query::parse(query).map_err(ProofError::Refused)?;
        let Checked { date, expires, access_key_id } =
            check(&query, endpoint.region()).map_err(ProofError::Refused)?;
        let ends_at = end(date, expires.min(expected.max_age), expected.now)?;
        Ok(Self {
            url: query.url(endpoint.url()),
            endpoint: endpoint.clone(),
            server_id: expected.server_id.clone(),
            access_key_id,
            ends_at,
        })
    }

    /// `GET`.
    pub fn method(&self) -> &'static str {
        "GET"
    }

    /// The URL, which also says the `Host`. Secret: the signature and the session token are in it.
    ///
    /// One proof has one spelling here, however the caller wrote it. Together with the server id, it names the proof.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Names and values of the headers to send besides `Host`.
    ///
    /// The server id is ours, not the caller's: where the caller signed another one, STS finds the signature wrong. So is
    /// `Accept`: in CVE-2020-16250 the caller asked for JSON, and Vault read an identity out of its text.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("Accept", "text/xml"), (ServerId::HEADER, self.server_id.as_str())].into_iter()
    }

    /// When the proof ends. It is accepted until then, that instant included.
    pub fn ends_at(&self) -> SystemTime {
        self.ends_at
    }

    /// Which STS is asked, for messages: its host, with the port where that is not the scheme's own.
    pub fn host(&self) -> &str {
        self.endpoint.host()
    }

    /// The region whose STS is asked.
    pub fn region(&self) -> &Region {
        self.endpoint.region()
    }

    /// The access key that the proof says it was signed with. Anybody can write any: it says nothing about the caller, and is
    /// good only to bound what is done before STS has answered.
    pub fn unverified_access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The partition of that region, such as `aws`. The caller's identity must be of the same one.
    pub fn partition(&self) -> &'static str {
        self.endpoint.partition()
    }
}

impl fmt::Debug for StsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StsRequest").field("host", &self.endpoint.host()).finish_non_exhaustive()
    }
}

/// The raw text comes first: no parser may mend it before it was looked at.
fn check_text(url: &str) -> Result<(), ProofDefect> {
    if url.len() > MAX_URL_BYTES {
        return Err(ProofDefect::TooLong);
    }
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#';
    if url.bytes().all(plain) { Ok(()) } else { Err(ProofDefect::Characters) }
}

/// The configured endpoint that the URL begins with, and the URL's query.
///
/// The comparison is of bytes, from the scheme to the `/?`. So a user, a port, a dot at the end, an escape, another case
/// or another name of the same machine is another host, and there is no parser to be led astray.
fn split<'a, 'h>(url: &'a str, hosts: &'h StsHosts) -> Option<(&'h StsEndpoint, &'a str)> {
    hosts.iter().find_map(|endpoint| {
        let query = url.strip_prefix(endpoint.url())?.strip_prefix('?')?;
        Some((endpoint, query))
    })
}

/// When a proof was signed, for how long its signer wants it to live, and with which key.
struct Checked {
    date: SystemTime,
    expires: Duration,
    access_key_id: String,
}

/// Checks every value of a proof for an STS in `region`.
fn check(query: &Query, region: &Region) -> Result<Checked, ProofDefect> {
    for (name, value) in [
        (query::ACTION, query::GET_CALLER_IDENTITY),
        (query::VERSION, query::API_VERSION),
        (query::ALGORITHM, ALGORITHM),
    ] {
        require(name, query.required(name)? == value)?;
    }
    if query.required(query::SIGNED_HEADERS)? != SIGNED_HEADERS {
        return Err(ProofDefect::SignedHeaders);
    }
    require(query::SIGNATURE, is_signature(query.required(query::SIGNATURE)?))?;
    if let Some(token) = query.optional(query::SECURITY_TOKEN) {
        require(query::SECURITY_TOKEN, query::is_session_token(token))?;
    }
    let date_text = query.required(query::DATE)?;
    let date = date::parse(date_text).ok_or(ProofDefect::Value(query::DATE))?;
    let access_key_id = access_key_id(query.required(query::CREDENTIAL)?, date_text, region)?.to_owned();
    let expires = expires(query.required(query::EXPIRES)?).ok_or(ProofDefect::Value(query::EXPIRES))?;
    Ok(Checked { date, expires, access_key_id })
}

fn require(name: &'static str, holds: bool) -> Result<(), ProofDefect> {
    if holds { Ok(()) } else { Err(ProofDefect::Value(name)) }
}

/// Of `<access key id>/<day>/<region>/sts/aws4_request`.
fn access_key_id<'a>(text: &'a str, date: &str, region: &Region) -> Result<&'a str, ProofDefect> {
    let malformed = ProofDefect::Value(query::CREDENTIAL);
    let parts: Vec<&str> = text.split('/').collect();
    let [key_id, day, scope_region, "sts", "aws4_request"] = parts.as_slice() else {
        return Err(malformed);
    };
    if !query::is_access_key_id(key_id) {
        return Err(malformed);
    }
    if *scope_region != region.as_str() {
        return Err(ProofDefect::ScopeRegion);
    }
    match date.split_once('T') {
        Some((date, _)) if date == *day => Ok(key_id),
        Some(_) | None => Err(ProofDefect::ScopeDate),
    }
}

/// A number as signers write it: digits alone, and no zero before them.
fn expires(text: &str) -> Option<Duration> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let seconds = plain.then(|| text.parse().ok())??;
    query::EXPIRES_SECONDS.contains(&seconds).then(|| Duration::from_secs(seconds))
}

fn is_signature(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// When a proof of that date and life ends, if it has begun and has not ended.
fn end(date: SystemTime, life: Duration, now: SystemTime) -> Result<SystemTime, ProofError> {
    match now.duration_since(date) {
        Ok(age) if age > life => Err(ProofError::Expired { seconds_ago: rounded_up(age - life) }),
        Err(ahead) if ahead.duration() > CLOCK_SKEW => {
            Err(ProofError::NotYetValid { seconds_ahead: rounded_up(ahead.duration()) })
        }
        Ok(_) | Err(_) => date.checked_add(life).ok_or(ProofError::Refused(ProofDefect::Value(query::DATE))),
    }
}

fn rounded_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// How far ahead of the verifier's clock a proof may be dated. A date that lies ahead stretches the time in which the
/// proof is taken, so it is no more than what synchronised clocks differ by.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SIGNED_HEADERS: &str = "host;x-vault-aws-iam-server-id";
/// Without its session token a proof has about 450 bytes, and STS calls its session tokens usually smaller than 4 KiB.
/// In base64, as it travels, a proof of this size has 10,240 bytes, which is what API Gateway gives to all headers together.
const MAX_URL_BYTES: usize = 7_680;

#[cfg(test)]
mod tests;
