//! Where an object is on the server, and which of these places we may change.
//!
//! Receives names; produces API paths, names for people and, from a line of the manifest, the place that it names.

use std::fmt;

use authorizer_steps::names::{MountPath, RoleName};

/// One thing at the server. The order is that of the manifest, and of nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// An ACL policy.
    Policy(String),
    /// A token role.
    TokenRole(String),
    /// A rate limit quota.
    Quota(String),
    /// The server id and more of an AWS auth method, shared by all who log in there.
    AwsClient {
        /// Where the method is mounted.
        mount: String,
    },
    /// A role of an auth method, with which the authorizer logs in.
    LoginRole {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
    },
}

impl Place {
    /// All our quotas are called so: they lie in one set of names with everybody's.
    const QUOTA_PREFIX: &str = "vault-authorizer-";

    /// The quota of a token role. All quotas have one set of names, whatever namespace they are about.
    pub(crate) fn quota(namespace: Option<&str>, role: &str) -> Self {
        let namespace = namespace
            .map_or_else(String::new, |namespace| namespace.replace(|c: char| !is_name_char(c), "-") + "-");
        Self::Quota(format!("{}{namespace}{role}", Self::QUOTA_PREFIX))
    }

    /// Below `/v1/`.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Policy(name) => format!("sys/policies/acl/{name}"),
            Self::TokenRole(name) => format!("auth/token/roles/{name}"),
            Self::Quota(name) => format!("sys/quotas/rate-limit/{name}"),
            Self::AwsClient { mount } => format!("auth/{mount}/config/client"),
            Self::LoginRole { mount, role } => format!("auth/{mount}/role/{role}"),
        }
    }

    /// What a path of the manifest names. `None` for what is never in it: whoever may write the policy could otherwise
    /// have anything removed by the next `--prune`.
    pub(crate) fn of_made(path: &str) -> Option<Self> {
        let role = |name: &str| name.parse::<RoleName>().is_ok().then(|| name.to_owned());
        if let Some(name) = path.strip_prefix("auth/token/roles/") {
            return role(name).map(Self::TokenRole);
        }
        if let Some(name) = path.strip_prefix("sys/quotas/rate-limit/") {
            let ours = name.starts_with(Self::QUOTA_PREFIX) && name.chars().all(is_name_char);
            return ours.then(|| Self::Quota(name.to_owned()));
        }
        let (mount, name) = path.strip_prefix("auth/")?.rsplit_once("/role/")?;
        let mount = mount.parse::<MountPath>().ok()?.to_string();
        Some(Self::LoginRole { mount, role: role(name)? })
    }

    /// Whether the manifest lists it. Policies carry their own mark, and an auth method's settings are never only ours.
    pub(crate) fn is_listed(&self) -> bool {
        match self {
            Self::TokenRole(_) | Self::Quota(_) | Self::LoginRole { .. } => true,
            Self::Policy(_) | Self::AwsClient { .. } => false,
        }
    }

    /// Whether it lies with all quotas in one namespace, whatever namespace it is about.
    pub(crate) fn is_quota(&self) -> bool {
        matches!(self, Self::Quota(_))
    }

    /// The mount without which it cannot be, where that is not always there.
    pub(crate) fn mount(&self) -> Option<&str> {
        match self {
            Self::AwsClient { mount } | Self::LoginRole { mount, .. } => Some(mount),
            Self::Policy(_) | Self::TokenRole(_) | Self::Quota(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(name) => write!(f, "policy `{name}`"),
            Self::TokenRole(name) => write!(f, "token role `{name}`"),
            Self::Quota(name) => write!(f, "rate limit quota `{name}`"),
            Self::AwsClient { mount } => write!(f, "server id of `auth/{mount}`"),
            Self::LoginRole { mount, role } => write!(f, "login role `{role}` of `auth/{mount}`"),
        }
    }
}

/// As Vault has it in names, less what would be another path.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_what_this_command_makes() {
        for place in [
            Place::TokenRole("orders".to_owned()),
            Place::quota(None, "orders"),
            Place::quota(Some("team/one+two"), &"a".repeat(128)),
            Place::LoginRole { mount: "team/aws".to_owned(), role: "api".to_owned() },
        ] {
            assert!(place.is_listed());
            assert_eq!(Place::of_made(&place.path()), Some(place));
        }
    }

    #[test]
    fn rejects_a_manifest_that_names_what_is_not_made() {
        for path in [
            "sys/policies/acl/default",
            "sys/quotas/rate-limit/global",
            "sys/quotas/rate-limit/vault-authorizer-/../global",
            "sys/mounts/secret",
            "auth/token/roles/../../sys/seal",
            "auth/token/roles/a/b",
            "auth/aws/config/client",
            "auth/../role/x",
            "",
        ] {
            assert_eq!(Place::of_made(path), None, "{path}");
        }
    }
}
