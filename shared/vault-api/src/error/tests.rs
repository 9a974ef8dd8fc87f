//! Each known refusal of Vault and OpenBao, and the variant that it becomes.

use super::*;

fn refusal(status: u16, body: &str) -> VaultError {
    VaultError::from_refusal("auth/token/create/x", Some("root-token"), status, Some(3), body.as_bytes())
}

fn code(status: u16, body: &str) -> &'static str {
    refusal(status, body).code()
}

#[test]
fn without_a_token_a_403_is_about_the_path() {
    let body = br#"{"errors":["permission denied"]}"#;
    let error = VaultError::from_refusal("auth/aws/login", None, 403, None, body);
    assert!(matches!(error.kind, VaultErrorKind::Refused { status: 403, .. }), "{error:?}");
}

#[test]
fn each_text_of_vaults_becomes_its_error() {
    const SPENT: &str = r#"{"errors":["wrapping token is not valid or does not exist"]}"#;
    const LOST: &str =
        r#"{"errors":["failed to persist accessor index entry: leadership lost while committing log"]}"#;
    const INVALID: &str =
        r#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#;
    const DENIED: &str = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
    for (status, body, expected) in [
        (403, r#"{"errors":["permission denied"]}"#, "vault_token_not_valid"),
        (403, INVALID, "vault_token_not_valid"),
        (403, DENIED, "vault_forbidden"),
        (403, "<html>blocked by the firewall</html>", "vault_refused"),
        (400, SPENT, "vault_wrapping_token_not_valid"),
        (400, LOST, "vault_unavailable"),
        (503, r#"{"errors":["Vault is sealed"]}"#, "vault_sealed"),
    ] {
        assert_eq!(code(status, body), expected, "{status} {body}");
    }
}

#[test]
fn an_outage_is_an_outage_whatever_its_status() {
    for status in [412, 472, 473, 474, 500, 501, 502, 503, 504, 530, 599] {
        let error = refusal(status, "");
        assert!(
            matches!(error.kind, VaultErrorKind::Unavailable { status: seen, .. } if seen == status),
            "{status}: {error:?}"
        );
        assert!(error.is_outage() && !error.request_not_sent());
    }
    assert!(matches!(refusal(429, "{}").kind, VaultErrorKind::Throttled { retry_after_seconds: Some(3) }));
}

#[test]
fn a_429_without_a_word_is_a_quota_only_where_something_else_than_vault_says_when_to_come_back() {
    let told = |retry_after_seconds, body: &str| {
        VaultError::from_refusal("a/b", Some("root-token"), 429, retry_after_seconds, body.as_bytes()).code()
    };
    for blank in ["", " ", "\r\n"] {
        assert_eq!(told(None, blank), "vault_unavailable", "{blank:?}");
        assert_eq!(told(Some(1), blank), "vault_throttled", "{blank:?}");
    }
    // A standby of OpenBao's that lags behind, word for word: it says when to come back, too.
    assert_eq!(told(Some(1), r#"{"errors":[]}"#), "vault_unavailable");
    assert_eq!(told(None, r#"{"errors":[]}"#), "vault_unavailable");
}

#[test]
fn any_other_refusal_keeps_its_status_and_message() {
    let VaultError { path, kind } = refusal(400, r#"{"errors":["unknown role x"]}"#);
    let VaultErrorKind::Refused { status, message } = kind else { panic!("{kind:?}") };
    assert_eq!((path.as_str(), status, message.as_str()), ("auth/token/create/x", 400, "unknown role x"));
    for status in [400, 401, 404, 405, 499] {
        assert_eq!(code(status, r#"{"errors":[]}"#), "vault_refused");
    }
}

/// To list or to read what is not there is a 404 at Vault. A proxy's own 404 would make every policy and role look absent.
#[test]
fn rejects_a_404_of_another_server_as_an_answer_of_vaults() {
    for body in
        ["", "<html><h1>404 Not Found</h1></html>", "404 page not found", "default backend - 404", "[]"]
    {
        let error = refusal(404, body);
        assert_eq!(
            error.to_string(),
            "Vault cannot answer `auth/token/create/x` now (status 404): the answer is not Vault's, so another \
             server may be at this address"
        );
        assert!(
            matches!(error.kind, VaultErrorKind::Unavailable { .. }) && error.is_outage(),
            "{body}: {error:?}"
        );
    }
    // Nothing at the path; a deleted version of a KV secret.
    for body in [r#"{"errors":[]}"#, r#"{"data":{"data":null,"metadata":{"version":2}}}"#] {
        assert_eq!(code(404, body), "vault_refused", "{body}");
    }
}

#[test]
fn a_refusal_always_gives_a_reason() {
    let told = |status, body| refusal(status, body).to_string();
    let refused = "Vault refused `auth/token/create/x` (status 405): ";
    assert_eq!(told(405, r#"{"errors":[]}"#), format!("{refused}no reason given"));
    for body in ["", " \n", "<html>blocked</html>"] {
        assert_eq!(told(405, body), format!("{refused}{ANOTHER_SERVER}"), "{body}");
    }
    assert!(told(502, "<html>").ends_with(&format!("(status 502): {ANOTHER_SERVER}")));
    assert_eq!(
        told(400, "Client sent an HTTP request to an HTTPS server."),
        "Vault refused `auth/token/create/x` (status 400): Client sent an HTTP request to an HTTPS server."
    );
}

#[test]
fn the_text_never_holds_the_token_that_was_sent() {
    for status in [400, 403, 500] {
        let error = refusal(status, r#"{"errors":["bad root-token given"]}"#);
        assert!(!format!("{error} {error:?}").contains("root-token"), "{error}");
    }
}

/// What each failure means: what it did, where its cause lies, and the four questions that callers ask.
#[test]
fn each_kind_means_what_the_table_says() {
    use Cause::{Away, Call, Hanging, Lag, Node, Quota, Token};
    let unreachable = |sent| VaultErrorKind::Unreachable { sent, source: Arc::new(fmt::Error) };
    let unavailable = |status| VaultErrorKind::Unavailable { status, message: String::new() };
    for (kind, effect, cause) in [
        (VaultErrorKind::CallInvalid { reason: "" }, Effect::NotSent, Call),
        (unreachable(false), Effect::NotSent, Away),
        (unreachable(true), Effect::Unknown, Away),
        (VaultErrorKind::TimedOut, Effect::Unknown, Hanging),
        (VaultErrorKind::Sealed, Effect::None, Away),
        (VaultErrorKind::Throttled { retry_after_seconds: None }, Effect::None, Quota),
        (unavailable(307), Effect::None, Node),
        (unavailable(400), Effect::Unknown, Node),
        (unavailable(404), Effect::None, Away),
        (unavailable(412), Effect::None, Lag),
        (unavailable(429), Effect::None, Lag),
        (unavailable(473), Effect::Unknown, Node),
        (unavailable(500), Effect::Unknown, Away),
        (unavailable(530), Effect::Unknown, Away),
        (VaultErrorKind::TokenNotValid, Effect::None, Token),
        (VaultErrorKind::WrappingTokenNotValid, Effect::None, Token),
        (VaultErrorKind::Forbidden, Effect::None, Call),
        (VaultErrorKind::Refused { status: 400, message: String::new() }, Effect::None, Call),
        (VaultErrorKind::AnswerInvalid { reason: String::new() }, Effect::Unknown, Call),
        (VaultErrorKind::AnswerTooLarge { limit_bytes: 1 }, Effect::Unknown, Call),
    ] {
        let meaning = kind.meaning();
        assert_eq!((meaning.effect, meaning.cause), (effect, cause), "{kind:?}");
        let error = kind.at("a/b");
        assert_eq!(error.request_not_sent(), effect == Effect::NotSent);
        assert_eq!(error.may_have_been_done(), effect == Effect::Unknown);
        assert_eq!(error.is_outage(), ![Call, Token].contains(&cause));
        assert_eq!(error.is_away(), [Away, Hanging].contains(&cause));
        assert_eq!(error.passes(), [Away, Node, Lag].contains(&cause));
        assert_eq!(error.may_be_lag(), [Token, Lag].contains(&cause));
        let another_may_answer = error.is_outage() && effect != Effect::NotSent && cause != Quota;
        assert_eq!(error.may_be_one_nodes_own(), another_may_answer);
    }
}
