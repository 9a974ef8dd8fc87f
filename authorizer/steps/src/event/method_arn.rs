//! The ARN of the method that the caller calls.
//!
//! Receives the event's `methodArn`; produces its checked parts, and the original text for the policy.
//!
//! ```text
//! arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders/7
//!     └┬┘             └───┬───┘ └────┬─────┘ └───┬────┘ └┬─┘ └┬┘└───┬───┘
//!  partition            region     account     api id  stage method path
//!
//! arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/$connect      (WebSocket APIs: no method and no path)
//! ```
//!
//! The path comes from the caller and may contain `:` and `/`, so only the first five colons and the first three
//! slashes separate parts. The policy gets a copy of the prefix as it came. The prefix is never built from the parts.

use std::fmt;

/// API Gateway refuses a longer resource in a policy
/// (API Gateway developer guide, "Output from a Lambda authorizer": 512 characters).
const MAX_POLICY_RESOURCE_BYTES: usize = 512;

/// A `methodArn`, parsed. Its text can stand in a policy without becoming a pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct MethodArn {
    text: String,
    account: String,
    api_id: String,
    stage: String,
    method: String,
    path: Option<String>,
}

/// What a WebSocket API has in place of a method and a path.
const CONNECT: &str = "$connect";

impl MethodArn {
    /// Reads a `methodArn`.
    ///
    /// # Errors
    ///
    /// [`InvalidMethodArn::Malformed`] is the event's fault; the others are the caller's, who chooses the path.
    pub fn parse(text: &str) -> Result<Self, InvalidMethodArn> {
        let parts = Parts::split(text).ok_or(InvalidMethodArn::Malformed)?;
        if !parts.are_well_formed() {
            return Err(InvalidMethodArn::Malformed);
        }
        if text.len() > MAX_POLICY_RESOURCE_BYTES {
            return Err(InvalidMethodArn::TooLong);
        }
        if parts.path.is_some_and(|path| !path_is_literal(path)) {
            return Err(InvalidMethodArn::PathIsPattern);
        }
        if parts.path.is_some() && !super::route::is_method(parts.method) {
            return Err(InvalidMethodArn::MethodUnknown);
        }
        Ok(Self {
            text: text.to_owned(),
            account: parts.account.to_owned(),
            api_id: parts.api_id.to_owned(),
            stage: parts.stage.to_owned(),
            method: parts.method.to_owned(),
            path: parts.path.map(|path| format!("/{path}")),
        })
    }

    /// The ARN as the event gave it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The account that owns the API.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The API's id.
    pub fn api_id(&self) -> &str {
        &self.api_id
    }

    /// The stage's name.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// The request's method; `$connect` where a WebSocket is opened.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The request's path below the stage, with its leading slash; `None` where a WebSocket is opened.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }
}

impl fmt::Debug for MethodArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MethodArn").field(&self.text).finish()
    }
}

struct Parts<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    api_id: &'a str,
    stage: &'a str,
    method: &'a str,
    path: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let mut fields = text.splitn(6, ':');
        if fields.next()? != "arn" {
            return None;
        }
        let (partition, service) = (fields.next()?, fields.next()?);
        let (region, account) = (fields.next()?, fields.next()?);
        let mut resource = fields.next()?.splitn(4, '/');
        let (api_id, stage, method) = (resource.next()?, resource.next()?, resource.next()?);
        let path = resource.next();
        Some(Self { partition, service, region, account, api_id, stage, method, path })
    }

    fn are_well_formed(&self) -> bool {
        self.service == "execute-api"
            && is_word(self.partition, b"-")
            && is_word(self.region, b"-")
            && is_word(self.api_id, b"")
            && (self.stage == "$default" || is_word(self.stage, b"_-"))
            && self.account.len() == 12
            && self.account.bytes().all(|b| b.is_ascii_digit())
            && self.is_a_method_with_its_path_or_connect()
    }

    /// The method is the caller's to choose, so a strange one is a denial, and what no method looks like is no ARN.
    fn is_a_method_with_its_path_or_connect(&self) -> bool {
        match self.path {
            // A token of RFC 9110, section 5.6.2, but for the `*` of a policy.
            Some(_) => is_word(self.method, b"!#$%&'+-.^_`|~"),
            None => self.method == CONNECT,
        }
    }
}

fn is_word(text: &str, also: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
}

/// `*` and `?` match any text in an execute-api resource, and `${` opens a policy variable: a caller who could place
/// one in the path would turn "exactly this call" into a pattern. A control character has no place in a policy or a log.
pub(super) fn path_is_literal(path: &str) -> bool {
    !path.contains(['*', '?']) && !path.contains("${") && !path.contains(char::is_control)
}

/// Why a text is not a `methodArn` that a policy may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMethodArn {
    /// Not the documented form.
    #[error("`methodArn` is not of the form arn:partition:execute-api:region:account:api/stage/METHOD/path")]
    Malformed,
    /// A policy could not name it.
    #[error("the method ARN is longer than the {MAX_POLICY_RESOURCE_BYTES} bytes a policy may name")]
    TooLong,
    /// Not one of the methods that a route can name.
    #[error("the request's method is not one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")]
    MethodUnknown,
    /// The path holds `*`, `?`, `${` or a control character.
    #[error(
        "the path contains a control character, or `*`, `?` or `${{`, which a policy would read as a pattern"
    )]
    PathIsPattern,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders/7";

    #[test]
    fn parts_are_read_in_any_partition_with_any_path_and_without_one_for_a_websocket() {
        const OF_CHINA: &str = "arn:aws-cn:execute-api:cn-north-1:123456789012:a1/$default/GET/";
        const WITH_COLONS: &str =
            "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1/prod/POST/a:b/c:d";
        const DOUBLE: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1/prod/GET//double";
        const WEBSOCKET: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1/prod/$connect";
        for (text, api_id, stage, method, path) in [
            (ARN, "a1b2c3d4e5", "prod", "GET", Some("/orders/7")),
            (OF_CHINA, "a1", "$default", "GET", Some("/")),
            (WITH_COLONS, "a1", "prod", "POST", Some("/a:b/c:d")),
            (DOUBLE, "a1", "prod", "GET", Some("//double")),
            (WEBSOCKET, "a1", "prod", "$connect", None),
        ] {
            let arn = MethodArn::parse(text).unwrap();
            assert_eq!((arn.account(), arn.api_id(), arn.stage()), ("123456789012", api_id, stage));
            assert_eq!((arn.method(), arn.path(), arn.as_str()), (method, path, text));
        }
    }

    #[test]
    fn rejects_a_path_that_a_policy_would_read_as_a_pattern() {
        for path in ["*", "orders/*", "orders/?", "${aws:username}", "a/${*}", "x\ny", "x\u{0}"] {
            let arn = format!("arn:aws:execute-api:eu-west-1:123456789012:a1/prod/GET/{path}");
            assert_eq!(MethodArn::parse(&arn), Err(InvalidMethodArn::PathIsPattern), "{path}");
        }
    }

    #[test]
    fn rejects_a_path_too_long_for_a_policy() {
        let arn = |bytes: usize| format!("{ARN}{}", "x".repeat(bytes - ARN.len()));
        assert!(MethodArn::parse(&arn(512)).is_ok());
        assert_eq!(MethodArn::parse(&arn(513)), Err(InvalidMethodArn::TooLong));
    }

    /// The client chooses it, and so it is no fault.
    #[test]
    fn rejects_a_method_that_no_route_can_name() {
        let methods = "get Get TRACE CONNECT PROPFIND M-SEARCH VERSION-CONTROL $connect ANY X X!";
        for method in methods.split(' ') {
            let arn = format!("arn:aws:execute-api:eu-west-1:123456789012:a1/prod/{method}/x");
            assert_eq!(MethodArn::parse(&arn), Err(InvalidMethodArn::MethodUnknown), "{method}");
        }
    }

    #[test]
    fn rejects_a_wildcard_in_any_other_part() {
        let parts = "arn:*:execute-api:eu-west-1:123456789012:a1 arn:aws:lambda:eu-west-1:123456789012:a1
            arn:aws:execute-api:*:123456789012:a1 arn:aws:execute-api:eu-west-1:*:a1
            arn:aws:execute-api:eu-west-1:12345678901:a1 arn:aws:execute-api:eu-west-1:123456789012:*";
        let parts = parts.split_whitespace().map(|part| format!("{part}/prod/GET/x"));
        let calls = "prod/GET */GET/x prod/*/x prod/*PUT/x prod/P?T/x prod/${x}/x prod//x prod/$disconnect */$connect";
        let calls =
            calls.split(' ').map(|call| format!("arn:aws:execute-api:eu-west-1:123456789012:a1/{call}"));
        for arn in parts.chain(calls).chain(["", "arn"].map(str::to_owned)) {
            assert_eq!(MethodArn::parse(&arn), Err(InvalidMethodArn::Malformed), "{arn:?}");
        }
    }
}
