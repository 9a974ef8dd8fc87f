//! Reads STS's answer to a proof.
//!
//! Receives a [`StsAnswer`] and the [`StsRequest`] that it answers; produces the [`CallerIdentity`], or says whether the
//! caller's credential was refused or STS gave no answer that can be used. It does not decide what the caller may do.

use crate::arn::{self, Kind};
use crate::{MAX_ANSWER_BYTES, PrincipalArn, PrincipalArnError, StsAnswer, StsRequest};
use roxmltree::{Document, Node, ParsingOptions};

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
            200 => identity(xml(answer)?, request.partition()),
            TOO_MANY_REQUESTS => Err(unavailable("status 429")),
            status @ 400..=499 => Err(refusal(xml(answer)?, status)),
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

/// The body, if it can be XML of STS at all: of its type, in its size, and of elements and text alone.
///
/// Comments, processing instructions, CDATA and a DTD are ways to make two readers see two documents, and STS writes
/// none. All of them begin with `<!` or `<?`, which no text of XML may hold. An XML declaration may come first.
fn xml(answer: &StsAnswer) -> Result<&str, AnswerError> {
    if !answer.content_type.as_deref().is_some_and(is_text_xml) {
        return Err(unavailable(format!("status {}, and not `text/xml`", answer.status)));
    }
    if answer.body.len() > MAX_ANSWER_BYTES {
        return Err(unavailable(format!("an answer longer than {MAX_ANSWER_BYTES} bytes")));
    }
    let text = std::str::from_utf8(&answer.body).map_err(|_| unavailable("an answer that is not UTF-8"))?;
    let document = match text.strip_prefix("<?xml ").and_then(|rest| rest.split_once("?>")) {
        Some((_, document)) => document.trim_ascii_start(),
        None => text,
    };
    if !document.starts_with('<') || document.contains("<!") || document.contains("<?") {
        return Err(unavailable("an answer that is not STS's XML"));
    }
    Ok(document)
}

/// `text/xml`, and perhaps `; charset=utf-8`.
fn is_text_xml(content_type: &str) -> bool {
    let (kind, parameter) = match content_type.split_once(';') {
        Some((kind, parameter)) => (kind.trim_ascii_end(), Some(parameter.trim_ascii())),
        None => (content_type, None),
    };
    let utf_8 = parameter.is_none_or(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8"));
    kind.eq_ignore_ascii_case("text/xml") && utf_8
}

fn identity(text: &str, partition: &str) -> Result<CallerIdentity, AnswerError> {
    // Of this document only a path of an ARN can need an escape, and then one of XML's own five by its name.
    let document = if text.contains("&#") { None } else { parse(text) };
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
    let document = parse(text);
    let Some(code) = document.as_ref().and_then(read_error_code) else {
        return unavailable(format!("status {status}, and no error document of STS"));
    };
    match REFUSALS.into_iter().find(|known| *known == code) {
        Some(code) => AnswerError::Refused { code },
        None => unavailable(format!("status {status}, error `{code}`")),
    }
}

/// The code of an error that STS lays to the sender:
///
/// ```xml
/// <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
///   <Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>…</Message></Error>
///   <RequestId>…</RequestId>
/// </ErrorResponse>
/// ```
fn read_error_code<'a>(document: &'a Document<'_>) -> Option<&'a str> {
    let root = document.root_element();
    if !is_named(root, "ErrorResponse") {
        return None;
    }
    let [error, request_id] = members(root, ["Error", "RequestId"])?;
    value(request_id)?;
    let [kind, code, message] = members(error, ["Type", "Code", "Message"])?;
    value(message)?;
    let code = value(code)?;
    // It is written into a log.
    let word = code.len() <= MAX_ERROR_CODE_LENGTH && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (value(kind)? == "Sender" && word).then_some(code)
}

/// No DTD, so no entities beyond XML's own five; and no more nodes than any answer of STS has.
fn parse(text: &str) -> Option<Document<'_>> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).ok()
}

fn is_named(node: Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name() == name && node.tag_name().namespace() == Some(NAMESPACE)
}

/// The children of an element that has these and no others, each once. Between them stands nothing but white space.
fn members<'a, 'd, const N: usize>(element: Node<'a, 'd>, names: [&str; N]) -> Option<[Node<'a, 'd>; N]> {
    let blank = |text: &str| text.trim_ascii().is_empty();
    let (elements, others): (Vec<Node<'_, '_>>, Vec<Node<'_, '_>>) =
        element.children().partition(Node::is_element);
    let stray = others.iter().any(|node| !node.is_text() || !node.text().is_some_and(blank));
    if stray || elements.len() != N || element.attributes().len() != 0 {
        return None;
    }
    let find = |name: &str| elements.iter().copied().find(|element| is_named(*element, name));
    let found: Option<Vec<Node<'_, '_>>> = names.into_iter().map(find).collect();
    found?.try_into().ok()
}

/// The text of an element that holds text and nothing else.
fn value<'a>(element: Node<'a, '_>) -> Option<&'a str> {
    let mut children = element.children();
    match (children.next(), children.next()) {
        (Some(only), None) if only.is_text() && element.attributes().len() == 0 => only.text(),
        _ => None,
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
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const TOO_MANY_REQUESTS: u16 = 429;
const MAX_ERROR_CODE_LENGTH: usize = 64;
const MAX_NODES: u32 = 64;
/// IAM's `idType`.
const MAX_UNIQUE_ID_LENGTH: usize = 128;

#[cfg(test)]
mod tests;
