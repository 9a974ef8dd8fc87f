//! Answers that a real Vault cannot be made to give, and what is sent to it.

use authorizer_steps::{mint::MintError, response::Answer};
use serde_json::{Value, json};
use vault_api::VaultErrorKind;

use crate::support::*;

const PATH: &str = "auth/token/create/orders-prod-reader";

/// What comes of an answer: the code, and what was undone.
fn outcome(body: Value) -> (String, Vec<String>) {
    let bed = Bed::with_vault(CONFIG, vec![Ok(answer(body))], 0);
    let (reply, record) = bed.decide(&event(&good_token()));
    let line = record.line(authorizer_steps::clock::UnixTime::from_seconds(NOW));
    if line["Code"] != "allowed" {
        assert_eq!(reply, Answer::Error("vault_answer_invalid"), "{line}");
    }
    (line["Code"].as_str().unwrap().to_owned(), bed.authorizer.minter.undone.take())
}

fn undone(what: &[String]) -> (String, Vec<String>) {
    ("vault_answer_invalid".to_owned(), what.to_vec())
}

#[test]
fn exactly_what_the_contract_allows_is_sent() {
    let bed = Bed::new();
    assert_eq!(bed.code_for(&good_token()), "allowed");
    let orders = bed.authorizer.minter.orders.take();
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].creation_path, PATH);
    assert_eq!((orders[0].ttls.token_seconds, orders[0].ttls.wrap_seconds), (120, 30));
    let body = json!({"ttl": "120s", "num_uses": 5,
        "meta": {"grant": "orders-reader", "stage": "prod", "request_id": "lambda-request-1", "caller_id": "corp:alice"}});
    assert_eq!(orders[0].body(), body);
}

#[test]
fn the_tokens_metadata_names_the_caller_as_the_log_does() {
    let named = |setting: &str| {
        let bed = Bed::with(&CONFIG.replace("stages:", &format!("log: {{caller_id: {setting}}}\nstages:")));
        let line = bed.line(&event(&good_token()));
        let orders = bed.authorizer.minter.orders.take();
        let meta = orders[0].body()["meta"].clone();
        assert_eq!(meta.get("caller_id"), line.get("caller_id"));
        meta.get("caller_id").cloned()
    };
    assert_eq!(named("plain"), Some(json!("corp:alice")));
    assert_eq!(named("omit"), None);
    let hashed = named("hash").unwrap();
    assert_eq!((hashed.as_str().unwrap().len(), hashed == json!("corp:alice")), (43, false));
}

#[test]
fn a_tenant_that_vault_has_disabled_is_a_denial_and_no_fault() {
    let disabled = MintError::TenantDisabled;
    let bed = Bed::with_vault(CONFIG, vec![Err(disabled)], 0);
    let (reply, record) = bed.decide(&event(&good_token()));
    let Answer::Decision(policy) = reply else { panic!("{reply:?}") };
    assert_eq!(policy["policyDocument"]["Statement"][0]["Effect"], "Deny");
    assert_eq!(policy["context"]["reason"], "identity_value_refused");
    let line = record.line(authorizer_steps::clock::UnixTime::from_seconds(NOW));
    assert_eq!(
        (&line["outcome"], &line["Denied"], &line["Faults"]),
        (&json!("denied"), &json!(1), &json!(0))
    );
}

const TENANTS: &str = "num_uses: 5, entity_alias: {claim: /org/tenant}";

#[test]
fn a_tenants_alias_is_sent_with_its_issuers_name() {
    let bed = Bed::with(&CONFIG.replacen("num_uses: 5", TENANTS, 1));
    assert_eq!(bed.code_for(&token_with(json!({"org": {"tenant": "blue-1"}}))), "allowed");
    assert_eq!(bed.authorizer.minter.orders.take()[0].body()["entity_alias"], "blue-1@corp");
}

#[test]
fn rejects_a_tenant_that_vault_could_take_for_another() {
    let bed = Bed::with(&CONFIG.replacen("num_uses: 5", TENANTS, 1));
    for tenant in [
        json!("Blue"),
        json!("a/../b"),
        json!("*"),
        json!("a@partner"),
        json!(""),
        json!(7),
        json!(["a"]),
        json!(null),
    ] {
        let token = token_with(json!({"org": {"tenant": tenant}}));
        assert_eq!(bed.code_for(&token), "identity_value_refused", "{tenant}");
    }
    assert_eq!(bed.code_for(&good_token()), "identity_value_refused", "no claim, no alias");
    assert!(bed.authorizer.minter.orders.take().is_empty());
}

#[test]
fn rejects_a_callers_flood_before_vault_is_asked() {
    let bed = Bed::with(&CONFIG.replace("stages:", "limits: {caller_mints_per_second: 3}\nstages:"));
    let codes = (0..10).map(|_| bed.code_for(&good_token())).filter(|code| code == "allowed");
    assert_eq!((codes.count(), bed.authorizer.minter.orders.take().len()), (6, 6));
    assert_eq!(bed.code_for(&good_token()), "rate_limited");
    assert_eq!(bed.code_for(&token_with(json!({"sub": "bob"}))), "allowed");
    assert_eq!(
        bed.code(&event_on(&good_token(), "prod", "GET", "/status")),
        "allowed",
        "nothing is minted for it"
    );
    bed.clock.forward_seconds(1);
    assert_eq!(bed.code_for(&good_token()), "allowed");
}

/// A caller who does what 503 and `Retry-After` say must not be told that they may not.
#[test]
fn retries_while_vault_is_down_never_use_up_the_callers_limit() {
    let config = CONFIG.replace("stages:", "limits: {caller_mints_per_second: 1}\nstages:");
    let sealed = || Err(MintError::Vault(VaultErrorKind::Sealed.at(PATH)));
    let bed = Bed::with_vault(&config, std::iter::repeat_with(sealed).take(20).collect(), 0);
    for _ in 0..20 {
        assert_eq!(bed.code_for(&good_token()), "vault_sealed");
    }
    let back = [(); 3].map(|()| bed.code_for(&good_token()));
    assert_eq!(back, ["allowed", "allowed", "rate_limited"]);
}

/// An alias outside the Vault role's `allowed_entity_aliases`, a JWT that ends while a slow Vault mints, a claim that makes the
/// answer too large: the caller chooses to end in a fault, and Vault has worked each time.
#[test]
fn rejects_a_flood_of_faults_that_the_caller_forces_before_vault_is_asked() {
    let config = CONFIG.replace("stages:", "limits: {caller_mints_per_second: 1}\nstages:");
    let refused = || {
        let (path, message) = (PATH.to_owned(), "not permitted".to_owned());
        MintError::Vault(VaultErrorKind::Refused { status: 400, message }.at(path))
    };
    let forced: [fn() -> MintError; 3] =
        [refused, || MintError::Late, || MintError::AnswerInvalid { reason: "odd" }];
    for fault in forced {
        let faults = std::iter::repeat_with(|| Err(fault())).take(20).collect();
        let bed = Bed::with_vault(&config, faults, 0);
        let codes: Vec<_> = (0..20).map(|_| bed.code_for(&good_token())).collect();
        let asked = bed.authorizer.minter.orders.take().len();
        assert_eq!(asked, 2);
        // Whoever has forced nothing, since a role is not as it should be, is told why each time.
        let beyond = if codes[0] == "vault_mint_refused" { "vault_mint_refused" } else { "vault_throttled" };
        assert!(codes[1] == codes[0] && codes[2..].iter().all(|code| code == beyond), "{codes:?}");
        assert_eq!(bed.code_for(&token_with(json!({"sub": "bob"}))), codes[0], "another caller is asked for");
        bed.clock.forward_seconds(1);
        bed.authorizer.minter.orders.take();
        let codes_then = [(); 3].map(|()| bed.code_for(&good_token()));
        let asked = bed.authorizer.minter.orders.take().len();
        assert_eq!(asked, 1, "one more each second");
        assert_eq!(codes_then, [&codes[0], beyond, beyond]);
    }
}

/// Each of these calls reaches Vault, and none is Vault's fault.
#[test]
fn rejects_a_flood_of_a_disabled_tenant_before_vault_is_asked() {
    let config = CONFIG.replacen("num_uses: 5", TENANTS, 1);
    let config = config.replace("stages:", "limits: {caller_mints_per_second: 1}\nstages:");
    let disabled = || Err(MintError::TenantDisabled);
    let bed = Bed::with_vault(&config, std::iter::repeat_with(disabled).take(3).collect(), 0);
    let token = token_with(json!({"org": {"tenant": "blue"}}));
    let codes = [(); 3].map(|()| bed.code_for(&token));
    assert_eq!(codes, ["identity_value_refused", "identity_value_refused", "rate_limited"]);
}

#[tokio::test]
async fn a_call_given_up_at_the_deadline_does_not_count_for_its_caller() {
    let bed = Bed::with(&CONFIG.replace("stages:", "limits: {caller_mints_per_second: 1}\nstages:"));
    bed.authorizer.minter.hangs.set(true);
    for _ in 0..4 {
        assert_eq!(bed.code_within(&event(&good_token()), 0).await, "deadline_exceeded");
    }
    bed.authorizer.minter.hangs.set(false);
    assert_eq!(bed.code_of(&event(&good_token())).await, "allowed");
}

#[test]
fn an_answer_as_ordered_is_delivered_and_nothing_undone() {
    assert_eq!(outcome(json!({"wrap_info": wrap_info(PATH, 30)})), ("allowed".to_owned(), vec![]));
    assert_eq!(outcome(json!({"wrap_info": wrap_info(PATH, 1)})).0, "allowed");
}

#[test]
fn a_token_in_clear_is_revoked_and_a_fault() {
    let clear = format!("revoke {CLEAR_TOKEN}");
    assert_eq!(outcome(json!({"auth": auth()})), undone(std::slice::from_ref(&clear)));
    let both = json!({"auth": auth(), "wrap_info": wrap_info(PATH, 30)});
    assert_eq!(outcome(both), undone(&[clear, format!("unwrap and revoke {WRAPPING_TOKEN}")]));
}

#[test]
fn an_answer_without_a_token_is_a_fault() {
    assert_eq!(outcome(json!({})), undone(&[]));
    assert_eq!(outcome(json!({"wrap_info": null, "auth": null, "data": {"x": 1}})), undone(&[]));
}

#[test]
fn a_wrapped_answer_that_is_not_as_ordered_is_undone() {
    let wrapped = format!("unwrap and revoke {WRAPPING_TOKEN}");
    let mut without_accessor = wrap_info(PATH, 30);
    without_accessor["wrapped_accessor"] = json!("");
    for wrap_info in [
        wrap_info("auth/token/create/orders-prod-readers", 30),
        wrap_info("auth/token/create", 30),
        wrap_info("sys/wrapping/wrap", 30),
        wrap_info("cubbyhole/token", 30),
        wrap_info(PATH, 31),
        wrap_info(PATH, 0),
        without_accessor,
    ] {
        assert_eq!(
            outcome(json!({"wrap_info": wrap_info})),
            undone(std::slice::from_ref(&wrapped)),
            "{wrap_info}"
        );
    }
}

#[test]
fn a_token_in_an_answer_of_odd_form_is_undone() {
    let odd = |body: Value| vault_api::VaultAnswer { malformed: true, ..answer(body) };
    let (clear, wrapped) = (format!("revoke {CLEAR_TOKEN}"), format!("unwrap and revoke {WRAPPING_TOKEN}"));
    for (body, expected) in
        [(json!({"auth": auth()}), clear), (json!({"wrap_info": wrap_info(PATH, 30)}), wrapped)]
    {
        let bed = Bed::with_vault(CONFIG, vec![Ok(odd(body))], 0);
        assert_eq!(bed.code_for(&good_token()), "vault_answer_invalid");
        assert_eq!(bed.authorizer.minter.undone.take(), [expected]);
    }
}

#[test]
fn a_token_that_came_too_late_for_the_credential_is_undone() {
    let token = token_with(json!({"exp": NOW + 62}));
    let in_time = Bed::with_vault(CONFIG, vec![], 1_900);
    assert_eq!(in_time.code_for(&token), "allowed");
    let late = Bed::with_vault(CONFIG, vec![], 2_100);
    assert_eq!(late.code_for(&token), "vault_unreachable");
    assert_eq!(late.authorizer.minter.undone.take(), [format!("unwrap and revoke {WRAPPING_TOKEN}")]);
}

#[test]
fn a_minted_token_never_outlives_the_credential() {
    for (left, expected) in
        [(16, Some(15)), (30, Some(15)), (31, Some(30)), (61, Some(60)), (121, Some(120)), (9999, Some(120))]
    {
        let bed = Bed::new();
        let line = bed.line(&event(&token_with(json!({"exp": NOW + left}))));
        assert_eq!(line["ttl_seconds"].as_u64(), expected, "{left}");
    }
    let bed = Bed::new();
    bed.clock.forward_millis(900);
    assert_eq!(
        bed.line(&event(&token_with(json!({"exp": NOW + 61}))))["ttl_seconds"],
        30,
        "a fraction counts"
    );
    for left in [1, 14, 15] {
        let bed = Bed::new();
        assert_eq!(bed.code_for(&token_with(json!({"exp": NOW + left}))), "token_expiring");
        assert!(bed.authorizer.minter.orders.take().is_empty());
    }
}

#[test]
fn a_grant_without_a_token_needs_no_time_left_and_no_vault() {
    let bed = Bed::new();
    let event = event_on(&token_with(json!({"exp": NOW + 2})), "prod", "GET", "/status");
    let (Answer::Decision(policy), _) = bed.decide(&event) else { panic!() };
    assert_eq!(
        policy["context"],
        json!({"vaultGrant": "status", "callerKind": "jwt", "callerIssuer": "corp",
        "callerId": "corp:alice", "contextVersion": "1"})
    );
    assert!(bed.authorizer.minter.orders.take().is_empty());
}

/// The caller has a token, too, and so has whoever reads the log.
#[test]
fn a_mint_that_vaults_policies_forbid_says_whose_they_are_and_what_compares_them() {
    let forbidden = MintError::Vault(VaultErrorKind::Forbidden.at(PATH));
    assert_eq!(
        authorizer_steps::error_chain::with_causes(&forbidden),
        format!(
            "the authorizer's own token may not mint (`vault-authorizer vault plan` shows what its policy lacks): \
             the token's policies do not allow `{PATH}`"
        )
    );
}

#[test]
fn whatever_vault_fails_with_is_a_fault_with_its_own_code() {
    let path = || PATH.to_owned();
    let refused = |status| VaultErrorKind::Refused { status, message: "unknown role".to_owned() }.at(path());
    let cases = [
        (MintError::Vault(VaultErrorKind::TimedOut.at(path())), "vault_unreachable"),
        (
            MintError::Vault(VaultErrorKind::Unavailable { status: 502, message: String::new() }.at(path())),
            "vault_unreachable",
        ),
        (MintError::Vault(VaultErrorKind::Sealed.at(path())), "vault_sealed"),
        (
            MintError::Vault(VaultErrorKind::Throttled { retry_after_seconds: Some(1) }.at(path())),
            "vault_throttled",
        ),
        (MintError::Vault(VaultErrorKind::Forbidden.at(path())), "vault_mint_refused"),
        (MintError::Vault(VaultErrorKind::TokenNotValid.at(path())), "vault_mint_refused"),
        (MintError::Vault(refused(400)), "vault_mint_refused"),
        (
            MintError::Vault(VaultErrorKind::AnswerInvalid { reason: String::new() }.at(path())),
            "vault_answer_invalid",
        ),
        (MintError::Login(refused(400)), "vault_login_refused"),
        (MintError::Login(VaultErrorKind::TimedOut.at(path())), "vault_unreachable"),
        (MintError::LoginCredentials { reason: String::new() }, "vault_login_refused"),
        (MintError::LoginSts { reason: String::new() }, "sts_unavailable"),
    ];
    for (error, code) in cases {
        let bed = Bed::with_vault(CONFIG, vec![Err(error)], 0);
        let (reply, record) = bed.decide(&event(&good_token()));
        let line = record.line(authorizer_steps::clock::UnixTime::from_seconds(NOW));
        assert_eq!((line["outcome"].as_str(), line["Code"].as_str()), (Some("fault"), Some(code)), "{line}");
        assert!(matches!(reply, Answer::Error(message) if message == code));
    }
}
