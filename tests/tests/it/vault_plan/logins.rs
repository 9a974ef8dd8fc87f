//! The authorizer's own login: who may log in. It is written only on request, and nobody who may log in is forgotten.

use serde_json::json;
use test_bed::{Issuer, TokenSpec, vault_setup};

use super::*;

fn aws_login() -> Value {
    json!({"method": "aws", "role": "api-authorizer", "server_id": "vault.example.com"})
}

#[tokio::test]
async fn the_aws_login_is_set_up_on_request_and_a_shared_server_id_never_changed() {
    let (_scratch, openbao) = started("plan-aws").await;
    let principal = ["--aws-principal", "arn:aws:iam::123456789012:role/service/api-authorizer"];
    let (role, client) = ("/v1/auth/aws/role/api-authorizer", "/v1/auth/aws/config/client");

    // Not enabled: said, and in the way of nothing else.
    let bare = Operator::root(&openbao, &one_grant(openbao.address()).login(aws_login())).with(&principal);
    let plan = bare.plan(&[]);
    assert!(
        plan.contains("missing: auth method at `auth/aws`: run `vault auth enable -path=aws aws`"),
        "{plan}"
    );
    assert!(plan.ends_with("\nplan: 4 to create, 2 missing\n"), "{plan}");
    let told = "error: the authorizer cannot log in yet: an auth method is missing, see above\n";
    assert_eq!(bare.fails(&[]), told);
    bare.plans(&[]);

    let stored = Stored::default();
    let server = with_aws_auth(&openbao, &stored);
    let configuration = one_grant(&server.url()).login(aws_login());
    let unnamed = Operator::root(&openbao, &configuration);
    let named = unnamed.clone().with(&principal);
    let at = |place: &str, name: &str| stored.lock().unwrap()[place][name].clone();
    let put = |place: &str, name: &str, value: Value| {
        stored.lock().unwrap().get_mut(place).unwrap()[name] = value;
    };

    let alone = unnamed.apply(&[]);
    assert!(
        alone.contains("left alone: login role `api-authorizer` of `auth/aws`: `--aws-principal`"),
        "{alone}"
    );
    assert_eq!(stored.lock().unwrap().len(), 0);

    named.apply(&[]);
    let expected = json!({
        "bound_account_id": [], "auth_type": "iam", "resolve_aws_unique_ids": false,
        "bound_iam_principal_arn": ["arn:aws:iam::123456789012:role/api-authorizer"],
        "token_policies": ["vault-authorizer"], "token_no_default_policy": true, "token_type": "service",
        "token_num_uses": 0, "token_period": 0, "token_ttl": 3600, "token_max_ttl": 86400,
    });
    assert_eq!(stored.lock().unwrap()[role], expected);
    assert_eq!(at(client, "iam_server_id_header_value"), "vault.example.com");
    named.nothing_to_do();

    // Without the principal, and with --prune, the login that is in use is not removed.
    let pruned = unnamed.apply(&["--prune"]);
    assert!(pruned.contains("\nnothing to do: "), "{pruned}");
    assert_eq!(stored.lock().unwrap()[role], expected);

    put(role, "bound_iam_principal_arn", json!(["arn:aws:iam::123456789012:role/*"]));
    let drift = named.apply(&[]);
    let told = "bound_iam_principal_arn: arn:aws:iam::123456789012:role/* -> arn:aws:iam::123456789012:role/api-authorizer";
    assert!(drift.contains(told), "{drift}");

    put(client, "iam_server_id_header_value", json!("others.example.com"));
    let shared = named.run("apply", &["--adopt"]);
    for told in [
        "in use: server id of `auth/aws`: other logins there rely on it",
        "iam_server_id_header_value: others.example.com -> vault.example.com",
    ] {
        assert!(shared.stdout.contains(told), "{}", shared.stdout);
    }
    assert_eq!(shared.complained(1), "error: nothing was changed: 1 in conflict, see above\n");
    assert_eq!(at(client, "iam_server_id_header_value"), "others.example.com");

    // Set up by others without one: theirs to decide, or adopted.
    put(client, "iam_server_id_header_value", json!(""));
    named.fails(&[]);
    named.apply(&["--adopt"]);
    assert_eq!(at(client, "iam_server_id_header_value"), "vault.example.com");

    // Another role: the old one is no longer needed.
    let renamed = configuration.set("vault.login.role", "other-authorizer");
    Operator::root(&openbao, &renamed).with(&principal).apply(&["--prune"]);
    assert!(!stored.lock().unwrap().contains_key(role));
    assert!(stored.lock().unwrap().contains_key(client), "and what is shared stays");
}

#[tokio::test]
async fn a_jwt_role_lets_in_whom_the_operator_named_and_nobody_else() {
    let (_scratch, openbao) = started("plan-jwt").await;
    let issuer = Issuer::start();
    let login = json!({"method": "jwt", "role": "api-authorizer", "jwt_file": "/tmp/vault.jwt"});
    let unnamed = Operator::root(&openbao, &one_grant(openbao.address()).login(login));
    let named = |subjects: &[&str]| {
        let operator = unnamed.clone().with(&["--jwt-audience", "vault.example.com"]);
        subjects.iter().fold(operator, |operator, subject| operator.with(&["--jwt-subject", subject]))
    };
    let operator = named(&["api-authorizer"]);
    let plan = operator.plan(&[]);
    assert!(
        plan.contains("missing: auth method at `auth/jwt`: run `vault auth enable -path=jwt jwt`"),
        "{plan}"
    );
    vault_setup::jwt_method(&openbao, &issuer).await;
    operator.apply(&[]);
    operator.nothing_to_do();

    let logs_in_for = async |subject: &str, audience: &str| {
        let jwt = issuer.token(&TokenSpec::new().claim("sub", subject).claim("aud", audience));
        logged_in(&openbao, "auth/jwt/login", json!({"role": "api-authorizer", "jwt": jwt})).await
    };
    let logs_in = async |subject: &str| logs_in_for(subject, "vault.example.com").await.0;
    let good = logs_in_for("api-authorizer", "vault.example.com").await;
    assert_eq!(good, (200, json!(["vault-authorizer"])));
    for (subject, audience) in [("mallory", "vault.example.com"), ("api-authorizer", "orders-api")] {
        assert_eq!(logs_in_for(subject, audience).await, (400, Value::Null));
    }

    // A role that somebody widened is narrowed again.
    let role = "auth/jwt/role/api-authorizer";
    let wide = json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": "", "groups_claim": "groups",
        "bound_audiences": ["vault.example.com"], "token_period": "1h"});
    openbao.write(role, wide).await;
    let drift = operator.apply(&[]);
    for line in [
        "bound_subject: (none) -> api-authorizer",
        "groups_claim: groups -> (none)",
        "token_period: 3600s -> 0s",
    ] {
        assert!(drift.contains(line), "{drift}");
    }
    assert_eq!(logs_in_for("mallory", "vault.example.com").await, (400, Value::Null));

    // A second function with the same role: both log in, neither is forgotten by leaving it out.
    named(&["api-authorizer", "second"]).apply(&[]);
    named(&["second", "api-authorizer"]).nothing_to_do();
    assert_eq!(
        [logs_in("api-authorizer").await, logs_in("second").await, logs_in("mallory").await],
        [200, 200, 400]
    );
    named(&["second"]).refuses(&[], "in use: login role `api-authorizer` of `auth/jwt`");
    assert_eq!(logs_in("api-authorizer").await, 200);
    named(&["second"]).apply(&["--remove-principals"]);

    let stops = |subject: &str, told: &str| {
        let ran = run_script(&openbao, openbao.address(), &named(&[subject]).script(&[]));
        assert!(ran.code != 0 && ran.stderr.contains(told), "{}", ran.stderr);
    };
    stops("api-authorizer", "second may log in with auth/jwt/role/api-authorizer as well");
    assert_eq!(logs_in("second").await, 200);
    assert_eq!(run_script(&openbao, openbao.address(), &named(&["second"]).script(&[])).code, 0);
    // What is another's stays: its claims, whom it lets in by them, and its policies.
    let by_claims = json!({"bound_subject": "", "bound_claims": {"sub": ["second", "third"]}});
    let gives = "gives [vault-authorizer theirs]: it logs in another";
    for (mut theirs, told) in [
        (json!({"bound_claims": {"org": "acme"}}), "has bound_claims map[org:acme]"),
        (by_claims, "map[sub:[second third]]"),
        (json!({"token_policies": ["vault-authorizer", "theirs"]}), gives),
    ] {
        let ours = openbao.read(role).await;
        // OpenBao takes a role for `oidc` where this is left out.
        theirs["role_type"] = json!("jwt");
        openbao.write(role, theirs).await;
        let before = openbao.read(role).await;
        stops("second", told);
        assert_eq!(openbao.read(role).await, before);
        let restored = json!({"role_type": "jwt", "bound_subject": ours["bound_subject"], "bound_claims": {},
            "token_policies": ours["token_policies"]});
        openbao.write(role, restored).await;
    }
    assert_eq!([logs_in("api-authorizer").await, logs_in("second").await], [400, 200]);
    operator.apply(&["--remove-principals"]);

    let pruned = unnamed.apply(&["--prune"]);
    assert!(
        pruned.contains("left alone: login role `api-authorizer` of `auth/jwt`: `--jwt-subject`"),
        "{pruned}"
    );
    assert_eq!(openbao.status(role).await, 200);
    let unsuited = unnamed.run("apply", &["--approle", "gateway"]).complained(2);
    let told = "error: `--approle` is not for this login: with this `vault.login`, `--jwt-subject` says who may log in\n";
    assert_eq!(unsuited, told);
}

#[tokio::test]
async fn an_approle_is_written_without_its_ids_and_never_pruned_unasked() {
    let (_scratch, openbao) = started("plan-approle").await;
    let login = json!({"method": "approle", "role_id": "read-below", "secret_id_file": "/tmp/secret-id"});
    let operator = Operator::root(&openbao, &one_grant(openbao.address()).login(login));
    openbao.write("sys/auth/approle", json!({"type": "approle"})).await;
    let gateway = operator.clone().with(&["--approle", "gateway"]);
    gateway.apply(&[]);
    gateway.nothing_to_do();

    let role = "auth/approle/role/gateway";
    let role_id = openbao.read(&format!("{role}/role-id")).await["role_id"].take();
    let secret_id = openbao.write(&format!("{role}/secret-id"), json!({})).await;
    let ids = json!({"role_id": role_id, "secret_id": secret_id["data"]["secret_id"]});
    let logs_in = async || logged_in(&openbao, "auth/approle/login", ids.clone()).await;
    assert_eq!(logs_in().await, (200, json!(["vault-authorizer"])));

    // The configuration does not name the role, so without the option nothing says that it is needed.
    let pruned = operator.apply(&["--prune"]);
    assert!(
        pruned.contains("left alone: login role of `auth/approle`: `--approle` says who may log in"),
        "{pruned}"
    );
    assert_eq!(logs_in().await.0, 200);

    // Another role instead: said, and removed where that is asked for.
    let edge = operator.with(&["--approle", "edge"]);
    let renamed = edge.apply(&[]);
    assert!(renamed.contains("not needed: login role `gateway` of `auth/approle`"), "{renamed}");
    assert_eq!(logs_in().await.0, 200);
    edge.apply(&["--prune"]);
    assert_ne!(logs_in().await.0, 200);
}
