//! Reads the AWS principal from JWTs of `sts:GetWebIdentityToken` (AWS IAM user guide, "Understanding token claims"
//! of outbound identity federation).
//!
//! Receives claims that passed every check of a JWT; produces the principal that AWS vouches for. The grant decides
//! which principal may do what.
//!
//! ```text
//! {"iss": "https://….tokens.sts.global.api.aws", "sub": "arn:aws:iam::123456789012:role/team/batch", "aud": …, "exp": …,
//!  "https://sts.amazonaws.com/": {"aws_account": "123456789012", "org_id": "o-…",
//!      "principal_tags": {"team": "orders"}, "request_tags": {…}}}
//! ```

use serde_json::Value;
use sts_identity::{PrincipalArn, PrincipalArnError};

use super::Binding;
use crate::{
    identity::{Claims, IdentityError, Proven},
    names::IssuerName,
    shown::shown,
};

/// The claim that holds what AWS says beyond the registered claims.
const AWS_CLAIM: &str = "https://sts.amazonaws.com/";

/// What the caller wrote into the request for the token, as it pleased.
const REQUEST_TAGS: &str = "request_tags";

/// INVARIANT (nothing that the caller chose authorises): from here on no bound and no caller id can reach it, by whatever
/// name or pointer.
pub(super) fn forget_request_tags(claims: &mut Claims) {
    claims.remove_member(AWS_CLAIM, REQUEST_TAGS);
}

pub(super) fn proven(issuer: IssuerName, claims: Claims, binding: Binding) -> Result<Proven, IdentityError> {
    let sub = claims.get("sub");
    let sub = sub
        .and_then(Value::as_str)
        .ok_or_else(|| IdentityError::claim("sub", sub, "an IAM principal's ARN"))?;
    let arn = PrincipalArn::parse(sub)?;
    // AWS names the role, not its session: a session's name is the caller's to choose.
    if arn.as_str() != arn.canonical() {
        return Err(PrincipalArnError::Malformed.into());
    }
    let aws = claims.get(AWS_CLAIM);
    let aws =
        aws.and_then(Value::as_object).ok_or_else(|| IdentityError::claim(AWS_CLAIM, aws, "an object"))?;
    let account = aws.get("aws_account");
    let account = account
        .and_then(Value::as_str)
        .ok_or_else(|| IdentityError::claim("aws_account", account, "a string"))?;
    // AWS says it twice; where the two differ, neither is believed.
    if account != arn.account() {
        return Err(IdentityError::AccountsDiffer {
            principal: arn.account().to_owned(),
            claimed: shown(account),
        });
    }
    Ok(Proven::AwsIam { issuer, claims, arn, binding })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_caller_asked_for_is_forgotten_and_what_aws_says_is_kept() {
        let tags = json!({"team": "orders"});
        let Value::Object(map) = json!({AWS_CLAIM: {"request_tags": tags, "principal_tags": tags}}) else {
            panic!()
        };
        let mut claims = Claims::assertion(map);
        let team = |claims: &Claims, tags: &str| {
            claims.get(&format!("/https:~1~1sts.amazonaws.com~1/{tags}/team")).cloned()
        };
        assert_eq!(team(&claims, "request_tags"), Some(json!("orders")));
        forget_request_tags(&mut claims);
        assert_eq!(team(&claims, "request_tags"), None);
        assert_eq!(team(&claims, "principal_tags"), Some(json!("orders")));
    }
}
