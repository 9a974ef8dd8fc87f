//! The names that a configuration gives. Each is checked text that is safe in a log line, a header and a path as it
//! is.
//!
//! Receives text; produces a name of its kind. The steps know what each name refers to.

use std::{borrow::Borrow, fmt, str::FromStr};

/// Why a text is not a name of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {rule}")]
pub struct InvalidName {
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $rule:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(text) { Ok(Self(text.to_owned())) } else { Err(InvalidName { rule: $rule }) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of an issuer: the first half of a caller id, and of an entity alias the second. `arn` is not one: with it, a
    /// claim could make a caller id that reads like an IAM principal's.
    IssuerName, "1 to 64 of a-z, 0-9, `.`, `_` and `-`, begin with a letter or digit, and not be `arn`",
    |text| text.len() <= 64
        && text != "arn"
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
);
name!(
    /// The name of a grant.
    GrantName, "1 to 64 letters, digits, `.`, `_` and `-`",
    |text| is_word(text, 64, b"._-")
);
name!(
    /// The name of an API's stage (`$default` on HTTP APIs).
    StageName, "a stage name: 1 to 128 letters, digits, `_` and `-`, or `$default`",
    |text| text == "$default" || is_word(text, 128, b"_-")
);
name!(
    /// The id of an API.
    ApiId, "an API id: 1 to 32 letters and digits",
    |text| is_word(text, 32, b"")
);
name!(
    /// The name of a Vault token role.
    RoleName, "a Vault role name: 1 to 128 letters, digits, `.`, `_` and `-`, no `..`",
    |text| is_word(text, 128, b"._-") && !text.starts_with('.') && !text.contains("..")
);
name!(
    /// The name of a Vault policy, in lower case as Vault keeps it.
    PolicyName, "a Vault policy name in lower case, not `root`",
    |text| text != "root" && is_word(text, 128, b"._-/") && !text.bytes().any(|b| b.is_ascii_uppercase())
);
name!(
    /// Where an auth method is mounted below `auth/`.
    MountPath, "a mount path such as `aws` or `team/aws`",
    |text| text.split('/').all(|part| is_word(part, 64, b"_-"))
);

fn is_word(text: &str, most: usize, also: &[u8]) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_alphabet() {
        assert!("corp".parse::<IssuerName>().is_ok());
        assert!("$default".parse::<StageName>().is_ok());
        assert!("team/aws".parse::<MountPath>().is_ok());
        for refused in ["", "Corp", "-corp", "a:b", "a b", "a\n", "arn"] {
            assert!(refused.parse::<IssuerName>().is_err(), "{refused:?}");
        }
        for refused in ["", "..", "a/../b", "a/b", "a?b", "a%2fb", ".hidden"] {
            assert!(refused.parse::<RoleName>().is_err(), "{refused:?}");
        }
        for refused in ["root", "Admin", ""] {
            assert!(refused.parse::<PolicyName>().is_err(), "{refused:?}");
        }
        for refused in ["/aws", "aws/", "a//b", "..", "a/../b"] {
            assert!(refused.parse::<MountPath>().is_err(), "{refused:?}");
        }
    }
}
