//! Where a token was made: [`CreationPath`], parsed once and compared exactly.
//!
//! Receives the integration's configuration; produces a path that only the maker of a token can have. The steps
//! compare it.

/// Why a string cannot be the creation path of one of the authorizer's tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a creation path such as `auth/token/create/orders-prod-reader`")]
pub struct InvalidCreationPath {
    path: String,
}

/// The path a token was made at, as Vault names it: without namespace, without a role's `path_suffix`
/// (<https://developer.hashicorp.com/vault/docs/concepts/response-wrapping>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreationPath(String);

impl CreationPath {
    /// Parses a path below `auth/`. Others, such as `sys/wrapping/wrap` and `cubbyhole/…`, are where anyone can put
    /// anything; and patterns are refused, since paths are compared exactly.
    ///
    /// # Errors
    /// [`InvalidCreationPath`].
    pub fn parse(path: &str) -> Result<Self, InvalidCreationPath> {
        if is_creation_path(path) {
            Ok(Self(path.to_owned()))
        } else {
            Err(InvalidCreationPath { path: path.to_owned() })
        }
    }

    /// The path, as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_creation_path(path: &str) -> bool {
    let mut segments = path.split('/');
    segments.next() == Some("auth") && segments.clone().count() >= 2 && segments.all(is_plain)
}

fn is_plain(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && segment.bytes().all(|byte| byte.is_ascii_graphic())
        && !segment.contains(['*', '?', '#', '{', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_paths_tokens_are_made_at() {
        for path in ["auth/token/create/orders-prod-reader", "auth/jwt/login", "auth/jwt/cel/login"] {
            assert_eq!(CreationPath::parse(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn rejects_what_anyone_could_write_to_and_what_would_match_more_than_one() {
        let paths =
            "auth auth/token auth/token/create/ /auth/token/create/x auth/token/create/* auth/token/../x
            auth/token/create/{{x}} sys/wrapping/wrap cubbyhole/x/y authx/token/create/y";
        for path in paths.split_whitespace().chain(["", "auth/a b/c"]) {
            assert_eq!(CreationPath::parse(path), Err(InvalidCreationPath { path: path.to_owned() }));
        }
    }
}
