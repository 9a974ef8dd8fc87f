//! The ARN of an IAM principal.
//!
//! Receives text from STS or from an operator's list; produces a [`PrincipalArn`] with every part checked. Others
//! decide what the principal may do.

use crate::partition::Partition;
use std::fmt;
use std::ops::RangeInclusive;

/// The ARN of an IAM user, of an IAM role, or of a session of a role, in two spellings.
///
/// ```text
/// arn:<partition>:iam::<account>:user/<path><user name>
/// arn:<partition>:iam::<account>:role/<path><role name>
/// arn:<partition>:sts::<account>:assumed-role/<role name>/<session name>
/// ```
///
/// [`as_str`](Self::as_str) is the ARN as it was written, for the record. [`canonical`](Self::canonical) is the one to
/// compare: whoever assumes a role chooses the session name, so it does not say who they are. Equality is of the raw
/// spelling.
///
/// ```
/// # use sts_identity::PrincipalArn;
/// let session = PrincipalArn::parse("arn:aws:sts::123456789012:assumed-role/batch/nightly")?;
/// assert_eq!(session.canonical(), "arn:aws:iam::123456789012:role/batch");
/// # Ok::<(), sts_identity::PrincipalArnError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct PrincipalArn {
    raw: String,
    canonical: String,
    partition: &'static str,
    account: String,
    kind: Kind,
}

/// What the ARN names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    User,
    Role,
    Session { name: String },
}

/// Why a text names no principal that a caller can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PrincipalArnError {
    /// It is no ARN of a principal.
    #[error("an IAM principal looks like `arn:aws:iam::123456789012:role/name`, or `user/name` at its end")]
    Malformed,
    /// It is an account's root user, who may do everything in the account and stands for no one in particular.
    #[error("an account's root user is not accepted as a principal")]
    Root,
    /// It is a session of `sts:GetFederationToken`, whose name the user who asked for it chose.
    #[error("a federated user is not accepted as a principal")]
    FederatedUser,
    /// It is a session that AWS made for a machine, such as `assumed-role/aws:ec2-instance/i-…`: no role of the account's.
    #[error("a session that AWS created for a machine is not accepted as a principal")]
    Machine,
}

impl PrincipalArn {
    /// Reads an ARN strictly: a known partition, 12 digits of account, names and paths as AWS defines them.
    ///
    /// Limits and alphabets are those of the IAM API reference (`User`, `Role`) and the STS API reference (`AssumeRole`,
    /// `GetFederationToken`). Since every part has a limit, no ARN is longer than 640 bytes.
    pub fn parse(text: &str) -> Result<Self, PrincipalArnError> {
        let fields = Fields::split(text).ok_or(PrincipalArnError::Malformed)?;
        let Fields { partition, account, .. } = fields;
        let (canonical, kind) = match fields.principal()? {
            Principal::User => (text.to_owned(), Kind::User),
            Principal::Role => (text.to_owned(), Kind::Role),
            Principal::Session { role, name } => (
                format!("arn:{partition}:iam::{account}:role/{role}"),
                Kind::Session { name: name.to_owned() },
            ),
        };
        Ok(Self { raw: text.to_owned(), canonical, partition, account: account.to_owned(), kind })
    }

    /// The ARN as it was written.
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The ARN to compare: `assumed-role/<role>/<session>` of STS is IAM's `role/<role>`; a user or a role stays as it
    /// is, path included.
    ///
    /// STS leaves out the path of a role. So the canonical ARN of a session never has one, and an ARN with a path is
    /// never that of a session.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The partition, such as `aws`.
    pub fn partition(&self) -> &'static str {
        self.partition
    }

    /// The account, 12 digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The session name, where this is a session of a role. Whoever assumed the role chose it: fit for a log, not for a
    /// decision.
    pub fn session_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Session { name } => Some(name),
            Kind::User | Kind::Role => None,
        }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }
}

impl fmt::Debug for PrincipalArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrincipalArn").field(&self.raw).finish()
    }
}

impl fmt::Display for PrincipalArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

/// `arn:<partition>:<service>:<region>:<account>:<resource>`. IAM and STS leave the region empty; a path may hold colons.
struct Fields<'a> {
    partition: &'static str,
    service: &'a str,
    account: &'a str,
    resource: &'a str,
}

enum Principal<'a> {
    User,
    Role,
    Session { role: &'a str, name: &'a str },
}

impl<'a> Fields<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let (partition, rest) = text.strip_prefix("arn:")?.split_once(':')?;
        let partition = Partition::named(partition)?.name;
        let (service, rest) = rest.split_once("::")?;
        let (account, resource) = rest.split_once(':')?;
        is_account(account).then_some(Self { partition, service, account, resource })
    }

    fn principal(&self) -> Result<Principal<'a>, PrincipalArnError> {
        let (kind, rest) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        match (self.service, kind) {
            ("iam", "user") if is_path_and_name(rest) => Ok(Principal::User),
            ("iam", "role") if is_path_and_name(rest) => Ok(Principal::Role),
            ("sts", "assumed-role") if is_made_by_aws(rest) => Err(PrincipalArnError::Machine),
            ("sts", "assumed-role") => session(rest).ok_or(PrincipalArnError::Malformed),
            ("iam", "root") if self.resource == "root" => Err(PrincipalArnError::Root),
            ("sts", "federated-user") if is_name(rest, FEDERATED_USER_NAME_LENGTHS) => {
                Err(PrincipalArnError::FederatedUser)
            }
            _ => Err(PrincipalArnError::Malformed),
        }
    }
}

/// No role of an account has a colon in its name.
fn is_made_by_aws(text: &str) -> bool {
    let names = text.strip_prefix("aws:").and_then(|rest| rest.split_once('/'));
    names.is_some_and(|(role, name)| is_name(role, NAME_LENGTHS) && is_name(name, SESSION_NAME_LENGTHS))
}

fn session(text: &str) -> Option<Principal<'_>> {
    let (role, name) = text.split_once('/')?;
    let named = is_name(role, NAME_LENGTHS) && is_name(name, SESSION_NAME_LENGTHS);
    named.then_some(Principal::Session { role, name })
}

/// Twelve digits.
fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name, or a path before it. A path lies between two `/`, the first of which is the one after `user` or `role`; a
/// name holds no `/`, so the last one ends the path.
fn is_path_and_name(text: &str) -> bool {
    match text.rsplit_once('/') {
        None => is_name(text, NAME_LENGTHS),
        Some((path, name)) => is_path(path) && is_name(name, NAME_LENGTHS),
    }
}

/// What stands between the two `/` of a path.
fn is_path(inner: &str) -> bool {
    (1..=MAX_PATH_LENGTH - "//".len()).contains(&inner.len())
        && inner.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_name(text: &str, lengths: RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(is_name_byte)
}

/// `[\w+=,.@-]`, the alphabet of IAM's names.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

/// With both of its slashes.
const MAX_PATH_LENGTH: usize = 512;
const NAME_LENGTHS: RangeInclusive<usize> = 1..=64;
const SESSION_NAME_LENGTHS: RangeInclusive<usize> = 2..=64;
const FEDERATED_USER_NAME_LENGTHS: RangeInclusive<usize> = 2..=32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_its_role_and_everything_else_itself() {
        let (role, user) = ("arn:aws:iam::123456789012:role/batch", "arn:aws:iam::123456789012:user/ann");
        let with_path = "arn:aws-cn:iam::123456789012:role/a:b/c/batch";
        let cases = [
            ("arn:aws:sts::123456789012:assumed-role/batch/nightly", role, Some("nightly")),
            ("arn:aws:sts::123456789012:assumed-role/batch/a+b=c,d.e@f-g_h", role, Some("a+b=c,d.e@f-g_h")),
            (role, role, None),
            (user, user, None),
            (with_path, with_path, None),
        ];
        for (raw, canonical, session) in cases {
            let arn = PrincipalArn::parse(raw).unwrap();
            assert_eq!((arn.as_str(), arn.canonical(), arn.session_name()), (raw, canonical, session));
            assert_eq!(arn.account(), "123456789012");
            assert_eq!(format!("{arn} {arn:?}"), format!("{raw} PrincipalArn({raw:?})"));
        }
    }

    #[test]
    fn accepts_every_partition() {
        for partition in
            ["aws", "aws-us-gov", "aws-cn", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"]
        {
            let raw = format!("arn:{partition}:sts::123456789012:assumed-role/batch/nightly");
            let arn = PrincipalArn::parse(&raw).unwrap();
            assert_eq!(arn.partition(), partition);
            assert_eq!(arn.canonical(), format!("arn:{partition}:iam::123456789012:role/batch"));
        }
    }

    /// CVE-2025-11621: Vault took a role for its namesake in another account.
    #[test]
    fn keeps_namesakes_apart() {
        let arns = [
            "arn:aws:sts::123456789012:assumed-role/batch/nightly",
            "arn:aws:sts::210987654321:assumed-role/batch/nightly",
            "arn:aws-cn:sts::123456789012:assumed-role/batch/nightly",
            "arn:aws:iam::123456789012:user/batch",
            "arn:aws:iam::123456789012:role/nightly/batch",
        ];
        let canonical: Vec<String> =
            arns.iter().map(|arn| PrincipalArn::parse(arn).unwrap().canonical().to_owned()).collect();
        for (at, one) in canonical.iter().enumerate() {
            assert!(!canonical[at + 1..].contains(one), "{one}");
        }
    }

    #[test]
    fn rejects_root_federated_users_and_sessions_that_aws_made_for_a_machine() {
        use PrincipalArnError::{FederatedUser, Machine, Malformed, Root};
        const NEAR_ROOT: &str = "iam::1:root iam::123456789012:root/ sts::123456789012:root";
        const NEAR_FEDERATED: &str = "sts::123456789012:federated-user sts::123456789012:federated-user/
            sts::123456789012:federated-user/a/b";
        const NEAR_MACHINE: &str = "sts::123456789012:assumed-role/aws:/i-0
            sts::123456789012:assumed-role/aws:ec2-instance/ sts::123456789012:assumed-role/aws:ec2-instance
            sts::123456789012:assumed-role/other:ec2/i-0";
        for (arn, error, near) in [
            ("iam::123456789012:root", Root, NEAR_ROOT),
            ("sts::123456789012:federated-user/ann", FederatedUser, NEAR_FEDERATED),
            ("sts::123456789012:assumed-role/aws:ec2-instance/i-0123456789abcdef0", Machine, NEAR_MACHINE),
        ] {
            assert_eq!(PrincipalArn::parse(&format!("arn:aws:{arn}")), Err(error));
            for malformed in near.split_whitespace() {
                assert_eq!(
                    PrincipalArn::parse(&format!("arn:aws:{malformed}")),
                    Err(Malformed),
                    "{malformed}"
                );
            }
        }
        for with_space in ["federated-user/a b", "assumed-role/aws:a b/i-0"] {
            let arn = format!("arn:aws:sts::123456789012:{with_space}");
            assert_eq!(PrincipalArn::parse(&arn), Err(Malformed), "`{arn}`");
        }
    }

    #[test]
    fn rejects_what_is_no_arn_of_a_principal() {
        const ACCOUNT: &str = "123456789012";
        const OF_IAM: &str = "role/ role role//batch role/a/ role/* role/ba?ch role/b\u{e4}tch Role/batch group/batch \
                              instance-profile/batch assumed-role/batch/nightly oidc-provider/example.com";
        const OF_STS: &str = "role/batch user/ann assumed-role/batch assumed-role/batch/ assumed-role/batch/n \
                              assumed-role//nightly assumed-role/a/batch/nightly";
        const ACCOUNTS: &str = "12345678901 1234567890123 12345678901a \u{661}23456789012 aws";
        const PREFIXES: &str = "arn:aws:iam:eu-west-1 arn:mars:iam: arn::iam: ARN:aws:iam:";
        let of_iam = OF_IAM.split(' ').chain(["role/batch ", "role/batch\n", "role/a b/batch"]);
        let of_iam = of_iam.map(|resource| format!("arn:aws:iam::{ACCOUNT}:{resource}"));
        let of_sts = OF_STS.split(' ').map(|resource| format!("arn:aws:sts::{ACCOUNT}:{resource}"));
        let accounts =
            ACCOUNTS.split(' ').chain([""]).map(|account| format!("arn:aws:iam::{account}:role/batch"));
        let prefixes = PREFIXES.split(' ').chain([" arn:aws:iam:"]);
        let prefixes = prefixes.map(|prefix| format!("{prefix}:{ACCOUNT}:role/batch"));
        let others = ["", "arn", "arn:aws:s3:::bucket"].map(str::to_owned);
        for arn in of_iam.chain(of_sts).chain(accounts).chain(prefixes).chain(others) {
            assert_eq!(PrincipalArn::parse(&arn), Err(PrincipalArnError::Malformed), "`{arn}`");
        }
    }

    #[test]
    fn rejects_a_name_or_path_beyond_awss_limits() {
        let name = |length| format!("arn:aws:iam::123456789012:user/{}", "n".repeat(length));
        let path = |length: usize| format!("arn:aws:iam::123456789012:role/{}/batch", "p".repeat(length - 2));
        let session = |length| format!("arn:aws:sts::123456789012:assumed-role/batch/{}", "s".repeat(length));
        for (longest, too_long) in [
            (name(64), name(65)),
            (path(512), path(513)),
            (session(64), session(65)),
            (session(2), name(4000)),
        ] {
            assert!(PrincipalArn::parse(&longest).is_ok(), "{longest}");
            assert_eq!(PrincipalArn::parse(&too_long), Err(PrincipalArnError::Malformed), "{too_long}");
        }
        let longest = format!("arn:aws-us-gov:iam::123456789012:role/{}/{}", "p".repeat(510), "n".repeat(64));
        assert!(PrincipalArn::parse(&longest).unwrap().as_str().len() <= 640);
    }
}
