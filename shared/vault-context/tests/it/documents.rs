//! The documents name every error code of the integration.

use vault_context::context::ContextError;
use vault_context::unwrap::{SeenAt, UnwrapError};

#[test]
fn each_code_of_the_integration_is_explained() {
    let text = include_str!("../../../../docs/operations.md");
    let (_, text) = text.split_once("\n### The integration's codes\n").unwrap();
    let (section, _) = text.split_once("\n## ").unwrap();
    let errors: Vec<_> = std::iter::successors(Some(UnwrapError::NoContext), next).collect();
    assert_eq!(errors.len(), 13);
    for code in errors.iter().map(UnwrapError::code) {
        assert!(section.contains(&format!("`{code}`")), "{code} is missing");
    }
}

/// Each error leads to the next, so that a new one does not compile before it has its place. Vault's own have their codes in
/// another table.
fn next(error: &UnwrapError) -> Option<UnwrapError> {
    Some(match error {
        UnwrapError::NoContext => UnwrapError::Context(ContextError::UnsupportedVersion),
        UnwrapError::Context(_) => UnwrapError::NoToken,
        UnwrapError::NoToken => UnwrapError::Expired,
        UnwrapError::Expired => UnwrapError::AddressMismatch,
        UnwrapError::AddressMismatch => UnwrapError::NamespaceMismatch,
        UnwrapError::NamespaceMismatch => UnwrapError::CreationPathMismatch { seen_at: SeenAt::Context },
        UnwrapError::CreationPathMismatch { .. } => UnwrapError::NotKnown,
        UnwrapError::NotKnown => UnwrapError::NotValidAnyMore,
        UnwrapError::NotValidAnyMore => UnwrapError::AccessorMismatch,
        UnwrapError::AccessorMismatch => UnwrapError::IdentityPolicies,
        UnwrapError::IdentityPolicies => UnwrapError::LeaseTooLong { lease_seconds: 0, limit_seconds: 0 },
        UnwrapError::LeaseTooLong { .. } => UnwrapError::NotAServiceToken,
        UnwrapError::NotAServiceToken | UnwrapError::Vault(_) => return None,
    })
}
