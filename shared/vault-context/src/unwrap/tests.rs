//! The checks that need no network, each with one case that it accepts and one that it rejects.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::context::{CallerBinding, CallerKind, ContextError};
use crate::vault::{VaultAddress, VaultOptions};
use vault_api::{VaultToken, WrappingToken};

const ROLE_PATH: &str = "auth/token/create/orders-prod-reader";
const EXPIRES_AT: u64 = 1_800_000_000;

fn integration() -> Integration {
    let mut options = VaultOptions::new(VaultAddress::parse("http://127.0.0.1:8200/").unwrap());
    options.namespace = Some(Namespace::parse("platform").unwrap());
    Integration::new(Vault::new(options).unwrap(), CreationPath::parse(ROLE_PATH).unwrap())
}

fn wrapped() -> Wrapped {
    Wrapped {
        token: WrappingToken::parse("s.wrapping").unwrap(),
        wrapped_accessor: "accessor-1".into(),
        creation_path: ROLE_PATH.into(),
        address: "http://127.0.0.1:8200".into(),
        namespace: Some("platform".into()),
        expires_at: EXPIRES_AT,
    }
}

fn context(wrapped: Option<Wrapped>) -> VaultContext {
    let caller = Caller {
        kind: CallerKind::Jwt,
        issuer: Some("corp".into()),
        id: "corp:alice".into(),
        binding: CallerBinding::None,
    };
    VaultContext { grant: "orders-reader".into(), caller, wrapped }
}

fn auth() -> Auth {
    Auth {
        client_token: VaultToken::parse("s.inner-token").unwrap(),
        accessor: "accessor-1".into(),
        policies: vec!["orders-read".into()],
        token_policies: vec!["orders-read".into()],
        identity_policies: Vec::new(),
        metadata: BTreeMap::new(),
        lease_duration: 120,
        renewable: false,
        num_uses: 5,
        orphan: true,
        entity_id: String::new(),
        token_type: "service".into(),
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What comes of a change to what the context says.
fn refused(change: impl FnOnce(&mut Wrapped)) -> String {
    let mut wrapped = wrapped();
    change(&mut wrapped);
    received(Some(wrapped), at(EXPIRES_AT - 1))
}

fn received(wrapped: Option<Wrapped>, now: SystemTime) -> String {
    format!("{:?}", integration().receive(context(wrapped), now).unwrap_err())
}

#[test]
fn receives_what_agrees_with_the_configuration() {
    let almost = at(EXPIRES_AT) - Duration::from_nanos(1);
    let received = integration().receive(context(Some(wrapped())), almost).unwrap();
    assert_eq!(received.caller().id, "corp:alice");
}

#[test]
fn rejects_no_token_and_an_expired_one_at_the_very_second() {
    assert_eq!(received(None, at(0)), "NoToken");
    assert_eq!(received(Some(wrapped()), at(EXPIRES_AT)), "Expired");
    let before_1970 = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(received(Some(wrapped()), before_1970), "Expired", "whatever the clock says");
}

#[test]
fn rejects_another_vault() {
    for address in ["https://vault.evil.example", "http://127.0.0.1:8200/v1", "http://127.0.0.1:8201", ""] {
        assert_eq!(refused(|wrapped| wrapped.address = address.into()), "AddressMismatch", "{address}");
    }
}

#[test]
fn rejects_another_namespace_or_none() {
    for namespace in [None, Some("platform/team1".to_owned()), Some("PLATFORM".to_owned())] {
        assert_eq!(refused(|wrapped| wrapped.namespace = namespace), "NamespaceMismatch");
    }
}

#[test]
fn rejects_any_creation_path_but_the_exact_one() {
    let paths = "sys/wrapping/wrap auth/token/create auth/token/create/orders-prod-reader2 /auth/token/create/orders-prod-reader";
    for path in paths.split(' ') {
        let error = refused(|wrapped| wrapped.creation_path = path.into());
        assert_eq!(error, "CreationPathMismatch { seen_at: Context }", "{path}");
    }
}

/// What is refused without these settings is tested on the wire, in `tests/it/unwrap.rs`.
#[test]
fn a_service_token_is_accepted_within_the_limits_that_were_set() {
    assert!(integration().check(&auth(), &wrapped()).is_ok());
    let with_identity = Auth { identity_policies: vec!["tenant".to_owned()], ..auth() };
    assert!(integration().allow_identity_policies().check(&with_identity, &wrapped()).is_ok());
    assert!(integration().max_lease_seconds(120).check(&auth(), &wrapped()).is_ok());
    let too_long = integration().max_lease_seconds(119).check(&auth(), &wrapped()).unwrap_err();
    assert_eq!(format!("{too_long:?}"), "LeaseTooLong { lease_seconds: 120, limit_seconds: 119 }");
}

#[test]
fn accepts_each_of_several_expected_paths() {
    let other = "auth/token/create/orders-prod-writer";
    let wrapped = Wrapped { creation_path: other.into(), ..wrapped() };
    let integration = integration().also_accept(CreationPath::parse(other).unwrap());
    assert!(integration.receive(context(Some(wrapped)), at(0)).is_ok());
    assert!(integration.receive(context(Some(self::wrapped())), at(0)).is_ok());
}

#[test]
fn debug_of_every_step_hides_the_tokens() {
    let received = integration().receive(context(Some(wrapped())), at(0)).unwrap();
    let steps = format!("{received:?}");
    assert!(steps.contains("WrappingToken(** redacted **)"), "{steps}");
    let inspected = format!("{:?}", Inspected { received });
    let unwrapped =
        Unwrapped::assertion(integration().vault, auth(), "g".into(), context(None).caller, ROLE_PATH.into());
    for text in [steps, inspected, format!("{unwrapped:?}"), format!("{:?}", context(Some(wrapped())))] {
        assert!(!text.contains("s.wrapping") && !text.contains("s.inner-token"), "{text}");
    }
}

#[test]
fn texts_do_not_repeat_their_source() {
    let error = UnwrapError::from(VaultErrorKind::Sealed.at(LOOKUP));
    assert_eq!(error.to_string(), "Vault refused, or could not be asked");
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "Vault is sealed (`sys/wrapping/lookup`)"
    );
    assert_eq!((error.code(), error.is_outage()), ("vault_sealed", true));
}

/// Each of the three asks something else of whoever is called at night.
#[test]
fn a_token_nobody_knew_an_expired_one_and_one_that_was_opened_have_texts_of_their_own() {
    for (error, code, outage, words) in [
        (
            UnwrapError::NotKnown,
            "wrapping_token_not_known",
            true,
            &["lag behind", "replication", "`vault-authorizer trace`", "authorizerResultTtlInSeconds"][..],
        ),
        (
            UnwrapError::NotValidAnyMore,
            "not_valid_any_more",
            false,
            &["was there and then was gone", "may have been intercepted", "audit log"],
        ),
        (
            UnwrapError::Expired,
            "wrapping_token_expired",
            false,
            &["expired before it was opened", "`wrap_ttl`"],
        ),
    ] {
        let text = error.to_string();
        assert_eq!((error.code(), error.is_outage()), (code, outage));
        assert!(words.iter().all(|words| text.contains(words)), "{words:?}: {text}");
        assert_eq!(text.contains("intercepted"), code == "not_valid_any_more", "an alarm: {text}");
    }
}

/// The table that the integrations of every language answer by.
#[test]
fn each_error_has_the_class_and_the_status_of_the_other_languages() {
    use ErrorClass::{
        AccessorMismatch, ContextMissing, ContextTampered, LeaseTooLong, TokenExpired, TokenSpent,
        VaultDenied, VaultUnavailable,
    };
    let vault = |kind: VaultErrorKind| UnwrapError::from(kind.at(UNWRAP));
    let unreachable =
        VaultErrorKind::Unreachable { sent: true, source: std::sync::Arc::new(std::fmt::Error) };
    let refused = VaultErrorKind::Refused { status: 400, message: String::new() };
    let invalid = VaultErrorKind::AnswerInvalid { reason: String::new() };
    for (error, code, class, status) in [
        (UnwrapError::NoContext, "no_context", ContextMissing, 403),
        (UnwrapError::NoToken, "no_token", ContextMissing, 403),
        (UnwrapError::Context(ContextError::UnsupportedVersion), "context_invalid", ContextTampered, 403),
        (UnwrapError::AddressMismatch, "address_mismatch", ContextTampered, 403),
        (UnwrapError::NamespaceMismatch, "namespace_mismatch", ContextTampered, 403),
        (
            UnwrapError::CreationPathMismatch { seen_at: SeenAt::Lookup },
            "creation_path_mismatch",
            ContextTampered,
            403,
        ),
        (UnwrapError::NotValidAnyMore, "not_valid_any_more", TokenSpent, 403),
        (UnwrapError::NotKnown, "wrapping_token_not_known", TokenSpent, 503),
        (UnwrapError::Expired, "wrapping_token_expired", TokenExpired, 403),
        (UnwrapError::AccessorMismatch, "accessor_mismatch", AccessorMismatch, 403),
        (
            UnwrapError::LeaseTooLong { lease_seconds: 0, limit_seconds: 1 },
            "lease_too_long",
            LeaseTooLong,
            403,
        ),
        (UnwrapError::IdentityPolicies, "identity_policies", VaultDenied, 403),
        (UnwrapError::NotAServiceToken, "not_a_service_token", VaultDenied, 403),
        (vault(unreachable), "vault_unreachable", VaultUnavailable, 503),
        (vault(VaultErrorKind::TimedOut), "vault_timed_out", VaultUnavailable, 503),
        (vault(VaultErrorKind::Sealed), "vault_sealed", VaultUnavailable, 503),
        (
            vault(VaultErrorKind::Throttled { retry_after_seconds: None }),
            "vault_throttled",
            VaultUnavailable,
            503,
        ),
        (
            vault(VaultErrorKind::Unavailable { status: 502, message: String::new() }),
            "vault_unavailable",
            VaultUnavailable,
            503,
        ),
        (vault(VaultErrorKind::Forbidden), "vault_forbidden", VaultDenied, 500),
        (vault(VaultErrorKind::TokenNotValid), "vault_token_not_valid", VaultDenied, 500),
        (vault(VaultErrorKind::WrappingTokenNotValid), "vault_wrapping_token_not_valid", VaultDenied, 500),
        (vault(refused), "vault_refused", VaultDenied, 500),
        (vault(VaultErrorKind::CallInvalid { reason: "" }), "vault_call_invalid", VaultDenied, 500),
        (vault(invalid), "vault_answer_invalid", VaultDenied, 500),
        (
            vault(VaultErrorKind::AnswerTooLarge { limit_bytes: 1 }),
            "vault_answer_too_large",
            VaultDenied,
            500,
        ),
    ] {
        assert_eq!((error.code(), error.class(), error.status()), (code, class, status));
        assert_eq!(error.is_outage(), status == 503, "{code}");
        assert_eq!(class.as_str(), format!("{class:?}"));
    }
}
