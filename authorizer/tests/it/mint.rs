//! Answers that a real Vault cannot be made to give, and what Vault is asked.

use authorizer_steps::mint::MintError;
use serde_json::{Value, json};
use vault_api::VaultErrorKind;

use crate::support::*;

const PATH: &str = "auth/token/create/orders-prod-reader";

/// What comes of an answer: the code, and what was undone.
fn outcome(body: Value) -> (String, Vec<String>) {
    let bed = Bed::new().vault_gives([Ok(answer(body))]);
    let (reply, line) = bed.decide_bytes(event(&good_token()).to_string().as_bytes());
    if line["Code"] != "allowed" {
        assert_eq!(reply.as_result(), Err("vault_answer_invalid"), "{line}");
    }
    (line["Code"].as_str().unwrap().to_owned(), bed.undone())
}

fn undone(what: &[String]) -> (String, Vec<String>) {
    ("vault_answer_invalid".to_owned(), what.to_vec())
}

#[test]
fn exactly_what_the_contract_allows_is_sent() {
    let bed = Bed::new();
    assert_eq!(bed.code_for(&good_token()), "allowed");
    let orders = bed.orders();
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
        let bed = Bed::of(document_with(&format!("log: {{caller_id: {setting}}}")));
        let line = bed.line(&event(&good_token()));
        let orders = bed.orders();
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
    let bed = Bed::new().vault_fails(2, || MintError::TenantDisabled);
    let policy = bed.decision(&event(&good_token()));
    assert_eq!(policy["policyDocument"]["Statement"][0]["Effect"], "Deny");
    assert_eq!(policy["context"]["reason"], "identity_value_refused");
    let line = bed.line(&event(&good_token()));
    assert_eq!(json!([line["outcome"], line["Denied"], line["Faults"]]), json!(["denied", 1, 0]));
}

/// Where the grant's tokens are for a tenant.
fn tenants() -> Document {
    document().at("/stages/prod/grants/0/token/entity_alias", "{claim: /org/tenant}")
}

#[test]
fn a_tenants_alias_is_sent_with_its_issuers_name() {
    let bed = Bed::of(tenants());
    assert_eq!(bed.code_for(&token_with(json!({"org": {"tenant": "blue-1"}}))), "allowed");
    assert_eq!(bed.orders()[0].body()["entity_alias"], "blue-1@corp");
}

#[test]
fn rejects_a_tenant_that_vault_could_take_for_another() {
    let bed = Bed::of(tenants());
    let tenants = json!(["Blue", "a/../b", "*", "a@partner", "", 7, ["a"], null]);
    for tenant in tenants.as_array().unwrap() {
        let token = token_with(json!({"org": {"tenant": tenant}}));
        assert_eq!(bed.code_for(&token), "identity_value_refused", "{tenant}");
    }
    assert_eq!(bed.code_for(&good_token()), "identity_value_refused", "no claim, no alias");
    assert!(bed.orders().is_empty());
}

#[test]
fn rejects_a_callers_flood_before_vault_is_asked() {
    let bed = Bed::of(document_with("limits: {caller_mints_per_second: 3}"));
    let codes = (0..10).map(|_| bed.code_for(&good_token())).filter(|code| code == "allowed");
    assert_eq!((codes.count(), bed.orders().len()), (6, 6));
    assert_eq!(bed.code_for(&good_token()), "rate_limited");
    assert_eq!(bed.code_for(&token_with(json!({"sub": "bob"}))), "allowed");
    let status = bed.code(&event_on(&good_token(), "prod", "GET", "/status"));
    assert_eq!(status, "allowed", "nothing is minted for it");
    bed.clock.forward_seconds(1);
    assert_eq!(bed.code_for(&good_token()), "allowed");
}

/// A caller who does what 503 and `Retry-After` say must not be told that they may not.
#[test]
fn retries_while_vault_is_down_never_use_up_the_callers_limit() {
    let sealed = || MintError::Vault(VaultErrorKind::Sealed.at(PATH));
    let bed = Bed::of(document_with("limits: {caller_mints_per_second: 1}")).vault_fails(20, sealed);
    assert_eq!(bed.codes_for(&good_token(), 20), ["vault_sealed"; 20]);
    assert_eq!(bed.codes_for(&good_token(), 3), ["allowed", "allowed", "rate_limited"]);
}

/// An alias outside the Vault role's `allowed_entity_aliases`, a JWT that ends while a slow Vault mints, a claim that makes the
/// answer too large: the caller chooses to end in a fault, and Vault has worked each time.
#[test]
fn rejects_a_flood_of_faults_that_the_caller_forces_before_vault_is_asked() {
    let refused = || {
        let message = "not permitted".to_owned();
        MintError::Vault(VaultErrorKind::Refused { status: 400, message }.at(PATH))
    };
    let forced: [fn() -> MintError; 3] =
        [refused, || MintError::Late, || MintError::AnswerInvalid { reason: "odd" }];
    for fault in forced {
        let bed = Bed::of(document_with("limits: {caller_mints_per_second: 1}")).vault_fails(20, fault);
        let codes = bed.codes_for(&good_token(), 20);
        assert_eq!(bed.orders().len(), 2);
        // Whoever has forced nothing, since a role is not as it should be, is told why each time.
        let beyond = if codes[0] == "vault_mint_refused" { "vault_mint_refused" } else { "vault_throttled" };
        assert!(codes[1] == codes[0] && codes[2..].iter().all(|code| code == beyond), "{codes:?}");
        assert_eq!(bed.code_for(&token_with(json!({"sub": "bob"}))), codes[0], "another caller is asked for");
        bed.clock.forward_seconds(1);
        bed.orders();
        assert_eq!(bed.codes_for(&good_token(), 3), [&codes[0], beyond, beyond]);
        assert_eq!(bed.orders().len(), 1, "one more each second");
    }
}

/// Each of these calls reaches Vault, and none is Vault's fault.
#[test]
fn rejects_a_flood_of_a_disabled_tenant_before_vault_is_asked() {
    let bed = Bed::of(tenants().with("limits: {caller_mints_per_second: 1}"))
        .vault_fails(3, || MintError::TenantDisabled);
    let token = token_with(json!({"org": {"tenant": "blue"}}));
    let refused = "identity_value_refused";
    assert_eq!(bed.codes_for(&token, 3), [refused, refused, "rate_limited"]);
}

#[tokio::test]
async fn a_call_given_up_at_the_deadline_does_not_count_for_its_caller() {
    let bed = Bed::of(document_with("limits: {caller_mints_per_second: 1}"));
    bed.vault_hangs(true);
    for _ in 0..4 {
        assert_eq!(bed.code_within(&event(&good_token()), 0).await, "deadline_exceeded");
    }
    bed.vault_hangs(false);
    assert_eq!(bed.code_of(&event(&good_token())).await, "allowed");
}

#[test]
fn a_token_in_clear_is_revoked_and_a_fault() {
    let clear = format!("revoke {CLEAR_TOKEN}");
    assert_eq!(outcome(json!({"auth": auth()})), undone(std::slice::from_ref(&clear)));
    let both = json!({"auth": auth(), "wrap_info": wrap_info(PATH, 30)});
    assert_eq!(outcome(both), undone(&[clear, format!("unwrap and revoke {WRAPPING_TOKEN}")]));
}

#[test]
fn an_answer_as_ordered_is_delivered_and_any_other_undone() {
    for seconds in [30, 1] {
        let good = outcome(json!({"wrap_info": wrap_info(PATH, seconds)}));
        assert_eq!(good, ("allowed".to_owned(), vec![]), "{seconds}");
    }
    for nothing in [json!({}), json!({"wrap_info": null, "auth": null, "data": {"x": 1}})] {
        assert_eq!(outcome(nothing), undone(&[]));
    }
    let wrapped = format!("unwrap and revoke {WRAPPING_TOKEN}");
    let without_accessor = changed(&wrap_info(PATH, 30), &json!({"wrapped_accessor": ""}));
    for wrap_info in [
        wrap_info("auth/token/create/orders-prod-readers", 30),
        wrap_info("auth/token/create", 30),
        wrap_info("sys/wrapping/wrap", 30),
        wrap_info("cubbyhole/token", 30),
        wrap_info(PATH, 31),
        wrap_info(PATH, 0),
        without_accessor,
    ] {
        let outcome = outcome(json!({"wrap_info": wrap_info}));
        assert_eq!(outcome, undone(std::slice::from_ref(&wrapped)), "{wrap_info}");
    }
}

#[test]
fn a_token_in_an_answer_of_odd_form_is_undone() {
    let odd = |body: Value| vault_api::VaultAnswer { malformed: true, ..answer(body) };
    let (clear, wrapped) = (format!("revoke {CLEAR_TOKEN}"), format!("unwrap and revoke {WRAPPING_TOKEN}"));
    for (body, expected) in
        [(json!({"auth": auth()}), clear), (json!({"wrap_info": wrap_info(PATH, 30)}), wrapped)]
    {
        let bed = Bed::new().vault_gives([Ok(odd(body))]);
        assert_eq!(bed.code_for(&good_token()), "vault_answer_invalid");
        assert_eq!(bed.undone(), [expected]);
    }
}

#[test]
fn a_token_that_came_too_late_for_the_credential_is_undone() {
    let token = token_with(json!({"exp": NOW + 62}));
    let in_time = Bed::new().vault_takes_millis(1_900);
    assert_eq!(in_time.code_for(&token), "allowed");
    let late = Bed::new().vault_takes_millis(2_100);
    assert_eq!(late.code_for(&token), "vault_unreachable");
    assert_eq!(late.undone(), [format!("unwrap and revoke {WRAPPING_TOKEN}")]);
}

#[test]
fn a_minted_token_never_outlives_the_credential() {
    let lives = |bed: &Bed, left: u64| {
        bed.line(&event(&token_with(json!({"exp": NOW + left}))))["ttl_seconds"].take()
    };
    for (left, expected) in [(16, 15), (30, 15), (31, 30), (61, 60), (121, 120), (9999, 120)] {
        assert_eq!(lives(&Bed::new(), left), expected, "{left}");
    }
    let bed = Bed::new();
    bed.clock.forward_millis(900);
    assert_eq!(lives(&bed, 61), 30, "a fraction counts");
    for left in [1, 14, 15] {
        let bed = Bed::new();
        assert_eq!(bed.code_for(&token_with(json!({"exp": NOW + left}))), "token_expiring");
        assert!(bed.orders().is_empty());
    }
}

#[test]
fn a_grant_without_a_token_needs_no_time_left_and_no_vault() {
    let bed = Bed::new();
    let event = event_on(&token_with(json!({"exp": NOW + 2})), "prod", "GET", "/status");
    let context = json!({"vaultGrant": "status", "callerKind": "jwt", "callerIssuer": "corp", "callerBinding": "none", "callerId": "corp:alice",
        "contextVersion": "1"});
    assert_eq!(bed.decision(&event)["context"], context);
    assert!(bed.orders().is_empty());
}

/// The caller has a token, too, and so has whoever reads the log.
#[test]
fn a_mint_that_vaults_policies_forbid_says_whose_they_are_and_what_compares_them() {
    let forbidden = MintError::Vault(VaultErrorKind::Forbidden.at(PATH));
    assert_eq!(
        authorizer_steps::error_chain::with_causes(&forbidden),
        format!(
            "the authorizer's own token may not mint (`vault-authorizer vault plan` shows what its policy is missing): \
             the token's policies do not allow `{PATH}`"
        )
    );
}

#[test]
fn whatever_vault_fails_with_is_a_fault_with_its_own_code() {
    let refused = || VaultErrorKind::Refused { status: 400, message: "unknown role".to_owned() };
    let unavailable = VaultErrorKind::Unavailable { status: 502, message: String::new() };
    let throttled = VaultErrorKind::Throttled { retry_after_seconds: Some(1) };
    let invalid = VaultErrorKind::AnswerInvalid { reason: String::new() };
    let vault = |kind: VaultErrorKind| MintError::Vault(kind.at(PATH));
    for (error, code) in [
        (vault(VaultErrorKind::TimedOut), "vault_unreachable"),
        (vault(unavailable), "vault_unreachable"),
        (vault(VaultErrorKind::Sealed), "vault_sealed"),
        (vault(throttled), "vault_throttled"),
        (vault(VaultErrorKind::Forbidden), "vault_mint_refused"),
        (vault(VaultErrorKind::TokenNotValid), "vault_mint_refused"),
        (vault(refused()), "vault_mint_refused"),
        (vault(invalid), "vault_answer_invalid"),
        (MintError::Login(refused().at(PATH)), "vault_login_refused"),
        (MintError::Login(VaultErrorKind::TimedOut.at(PATH)), "vault_unreachable"),
        (MintError::LoginCredentials { reason: String::new() }, "vault_login_refused"),
        (MintError::LoginSts { reason: String::new() }, "sts_unavailable"),
    ] {
        let bed = Bed::new().vault_gives([Err(error)]);
        let (reply, line) = bed.decide_bytes(event(&good_token()).to_string().as_bytes());
        assert_eq!((line["outcome"].as_str(), line["Code"].as_str()), (Some("fault"), Some(code)), "{line}");
        assert_eq!(reply.as_result(), Err(code));
    }
}
