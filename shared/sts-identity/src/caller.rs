//! Reads STS's answer to a proof.
//!
//! Receives a [`StsAnswer`] and the [`StsRequest`] that it answers. Produces the [`CallerIdentity`], or says whether
//! STS refused the caller's credential or gave no usable answer. It does not decide what the caller may do.

use crate::arn::{self, Kind};
use crate::xml::{self, is_named, members, value};
use crate::{PrincipalArn, PrincipalArnError, StsAnswer, StsRequest};
use roxmltree::Document;

/// Who the caller is, as STS says. The only way to have one is [`verify`](Self::verify).
///
/// Four things that are not the same, and are compared on their own: the ARN as STS wrote it, the canonical ARN (no
/// session name, but no path either: [`PrincipalArn::canonical`]), the account, and the unique id, which no other
/// principal ever gets, not even one of the same name that is made after this one is gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallerIdentity {
    arn: PrincipalArn,
    user_id: String,
    unique_id: String,
}

/// Why an answer proves no identity. No variant holds a part of the proof.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AnswerError {
    /// STS refused the caller's credential: the caller must act.
    #[error("STS refused the caller's credential: `{code}`")]
    Refused {
        /// STS's error code.
        code: &'static str,
    },
    /// The proof is good, but the identity is one that is never accepted.
    #[error("{0}")]
    Principal(PrincipalArnError),
    /// The answer says nothing about the caller: an outage, throttling, a proxy's page, an answer in another form.
    #[error("STS gave no usable answer: {reason}")]
    Unavailable {
        /// What came instead.
        reason: String,
    },
}

impl CallerIdentity {
    /// Reads an answer strictly: STS's own XML, in the one form that GetCallerIdentity has, and nothing beside it.
    ///
    /// ```xml
    /// <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
    ///   <GetCallerIdentityResult>
    ///     <Arn>arn:aws:sts::123456789012:assumed-role/batch/nightly</Arn>
    ///     <UserId>AROACLKWSDQRAOEXAMPLE:nightly</UserId>
    ///     <Account>123456789012</Account>
    ///   </GetCallerIdentityResult>
    ///   <ResponseMetadata><RequestId>…</RequestId></ResponseMetadata>
    /// </GetCallerIdentityResponse>
    /// ```
    ///
    /// Only an error document of STS that blames the credential itself is [`AnswerError::Refused`]. Everything else that
    /// is no identity is [`AnswerError::Unavailable`]: an outage must never look like a denial.
    pub fn verify(answer: &StsAnswer, request: &StsRequest) -> Result<Self, AnswerError> {
        match answer.status {
            200 => identity(xml::text(answer).map_err(unavailable)?, request.partition()),
            TOO_MANY_REQUESTS => Err(unavailable("status 429")),
            status @ 400..=499 => Err(refusal(xml::text(answer).map_err(unavailable)?, status)),
            status => Err(unavailable(format!("status {status}"))),
        }
    }

    /// The ARN, as STS wrote it and canonical.
    pub fn arn(&self) -> &PrincipalArn {
        &self.arn
    }

    /// The account, 12 digits.
    pub fn account(&self) -> &str {
        self.arn.account()
    }

    /// The unique id of the user or the role, such as `AIDA…` or `AROA…`.
    pub fn unique_id(&self) -> &str {
        &self.unique_id
    }

    /// The `UserId` as STS wrote it: the unique id, and for a session of a role also its name.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }
}

fn identity(text: &str, partition: &str) -> Result<CallerIdentity, AnswerError> {
    // Of this document only a path of an ARN can need an escape, and then one of XML's own five by its name.
    let document = if text.contains("&#") { None } else { xml::parse(text) };
    let result = document.as_ref().and_then(read_result);
    let Answered { arn, user_id, account } =
        result.ok_or_else(|| unavailable("an answer that is not GetCallerIdentity's"))?;

    let arn = PrincipalArn::parse(arn).map_err(|error| match error {
        PrincipalArnError::Root | PrincipalArnError::FederatedUser | PrincipalArnError::Machine => {
            AnswerError::Principal(error)
        }
        PrincipalArnError::Malformed => unavailable("an ARN that names no user and no session of a role"),
    })?;
    if arn.account() != account {
        return Err(unavailable("an ARN of another account than the answer's"));
    }
    if arn.partition() != partition {
        return Err(unavailable("an ARN of another partition than STS's"));
    }
    let unique_id = unique_id(user_id, &arn)
        .ok_or_else(|| unavailable("a user id that does not belong to the ARN"))?
        .to_owned();
    Ok(CallerIdentity { arn, user_id: user_id.to_owned(), unique_id })
}

/// What a GetCallerIdentity answer says.
struct Answered<'a> {
    arn: &'a str,
    user_id: &'a str,
    account: &'a str,
}

fn read_result<'a>(document: &'a Document<'_>) -> Option<Answered<'a>> {
    let root = document.root_element();
    if !is_named(root, "GetCallerIdentityResponse") {
        return None;
    }
    let [result, metadata] = members(root, ["GetCallerIdentityResult", "ResponseMetadata"])?;
    let [request_id] = members(metadata, ["RequestId"])?;
    value(request_id)?;
    let [arn, user_id, account] = members(result, ["Arn", "UserId", "Account"])?;
    Some(Answered { arn: value(arn)?, user_id: value(user_id)?, account: value(account)? })
}

/// A user's `UserId` is its unique id; that of a role's session is `<unique id>:<session name>`. STS never answers with a
/// role itself, only with a session of it.
///
/// AWS's unique ids are word characters and begin with `AIDA` or `AROA`. Emulators put names there, so a name is accepted.
fn unique_id<'a>(user_id: &'a str, arn: &PrincipalArn) -> Option<&'a str> {
    let id = match arn.kind() {
        Kind::User => user_id,
        Kind::Session { name } => user_id.strip_suffix(name.as_str())?.strip_suffix(':')?,
        Kind::Role => return None,
    };
    let in_form = (1..=MAX_UNIQUE_ID_LENGTH).contains(&id.len()) && id.bytes().all(arn::is_name_byte);
    in_form.then_some(id)
}

/// What an answer with a status of 400 to 499 means.
fn refusal(text: &str, status: u16) -> AnswerError {
    let document = xml::parse(text);
    let Some(code) = document.as_ref().and_then(xml::error_code) else {
        return unavailable(format!("status {status}, and no error document of STS"));
    };
    match REFUSALS.into_iter().find(|known| *known == code) {
        Some(code) => AnswerError::Refused { code },
        None => unavailable(format!("status {status}, error `{code}`")),
    }
}

fn unavailable(reason: impl Into<String>) -> AnswerError {
    AnswerError::Unavailable { reason: reason.into() }
}

/// The errors that blame the credential, by the "Common Errors" page of the STS API reference and what STS is seen to
/// answer. All others are faults, even where the sender could be meant: throttling comes as a 400, the policy of a VPC
/// endpoint answers `AccessDenied`, a region that is switched off has an error of its own, and a request that lost its
/// signature on the way is not the caller's doing (`MissingAuthenticationToken`).
const REFUSALS: [&str; 7] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];
const TOO_MANY_REQUESTS: u16 = 429;
/// IAM's `idType`.
const MAX_UNIQUE_ID_LENGTH: usize = 128;

#[cfg(test)]
mod tests;
