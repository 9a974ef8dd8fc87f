//! What is created, changed, adopted and removed, and what is not.

use std::time::Duration;

use serde_json::{Value, json};
use test_bed::configuration::with;
use test_bed::vault_setup;
use vault_api::{VaultAddress, VaultError, VaultErrorKind, VaultToken};
use vault_transport::{Call, Vault, VaultOptions};

use super::*;
use crate::bed::vault_setup::assert_own_token;

#[tokio::test]
async fn an_empty_server_gets_everything_once() {
    let (_scratch, openbao) = started("plan-empty").await;
    let operator = Operator::root(&openbao, &two_grants(openbao.address()));
    let plan = operator.plans(&[]);
    assert!(plan.ends_with("\nplan: 6 to create, 2 missing\n"), "{plan}");
    let missing = "missing: policy `tenant-read` of grant `tenants`: write it yourself";
    assert!(plan.contains(missing), "a policy that a grant names is reported: {plan}");
    assert_eq!(operator.plan(&[]), plan, "and a plan changes nothing");

    let mark = openbao.audit_mark();
    let applied = operator.apply(&[]);
    let verdict = "\napplied: 6 created; 2 policies are still missing: orders-prod-read, tenant-read\n";
    assert!(applied.ends_with(verdict), "{applied}");
    assert_eq!(
        writes_since(&openbao, mark),
        [
            "update sys/policies/acl/vault-authorizer-self",
            "update sys/policies/acl/vault-authorizer",
            "create auth/token/roles/orders-prod-reader",
            "create auth/token/roles/tenant",
            "update sys/quotas/rate-limit/vault-authorizer-orders-prod-reader",
            "update sys/quotas/rate-limit/vault-authorizer-tenant",
        ]
    );
    assert_eq!(openbao.status("sys/policies/acl/tenant-read").await, 404, "and never invented");

    let mark = openbao.audit_mark();
    let again = operator.apply(&["--adopt", "--prune"]);
    assert!(again.ends_with("\nnothing to do: 6 unchanged, 2 missing\n"), "{again}");
    assert_eq!(writes_since(&openbao, mark), [""; 0]);

    for policy in ["orders-prod-read", "tenant-read"] {
        openbao.policy(policy, r#"path "none" { capabilities = ["read"] }"#).await;
    }
    let first = format!("Vault {}, token from VAULT_TOKEN", openbao.address());
    assert_eq!(operator.plan(&[]), format!("{first}\nnothing to do: 6 unchanged\n"));
}

#[tokio::test]
async fn the_authorizers_policy_that_is_made_allows_its_mints_and_nothing_else() {
    let (_scratch, openbao) = started("plan-least-privilege").await;
    Operator::root(&openbao, &two_grants(openbao.address())).apply(&[]);
    let own = vault_setup::authorizer_token(&openbao).await;
    let all = |ttl| json!({"ttl": ttl, "num_uses": 5, "meta": {"caller": "corp:alice"}});
    let alias = |ttl, alias| json!({"ttl": ttl, "entity_alias": alias});
    for (what, wrap_ttl, body, expected) in [
        ("as the grant says", "20s", all("30s"), 200),
        ("with the issuer's alias", "20s", alias("45s", "blue@corp"), 200),
        ("wrapped as another grant allows", "30s", all("30s"), 403),
        ("as long as another grant allows", "20s", all("60s"), 403),
        ("an alias of another issuer", "20s", alias("45s", "blue@partner"), 403),
        ("an alias of another issuer in the value", "20s", alias("45s", "x@corp@partner"), 403),
        ("an alias of no issuer", "20s", alias("45s", "blue"), 403),
    ] {
        assert_eq!(mint(&openbao, &own, "tenant", Some(wrap_ttl), body).await, expected, "{what}");
    }
    assert_own_token(&openbao, &own).await;

    // The role's own part, past the policy: another issuer's alias, and a token that ends itself.
    let root = openbao.root_token();
    assert_eq!(mint(&openbao, root, "tenant", None, alias("45s", "blue@partner")).await, 400);
    assert_eq!(mint(&openbao, root, "orders-prod-reader", None, alias("45s", "blue@corp")).await, 400);
    let minted = openbao.write("auth/token/create/tenant", json!({"ttl": "1h", "type": "batch"})).await;
    let auth = &minted["auth"];
    assert_eq!(auth["policies"], json!(["tenant-read", "vault-authorizer-self"]));
    let made = ["lease_duration", "renewable", "orphan", "token_type"].map(|name| auth[name].clone());
    assert_eq!(json!(made), json!([45, false, true, "service"]));
    let token = auth["client_token"].as_str();
    assert_eq!(openbao.api("POST", "auth/token/revoke-self", token, Value::Null).await.0, 204);
}

#[tokio::test]
async fn drift_in_each_field_is_told_and_repaired() {
    let (_scratch, openbao) = started("plan-drift").await;
    let operator = Operator::root(&openbao, &two_grants(openbao.address()));
    operator.apply(&[]);
    let quota = |more| with(&json!({"path": "auth/token/create/tenant", "rate": 200}), more);
    let more = ["tenant-read", "vault-authorizer-self", "extra"];
    let policies =
        "allowed_policies: extra, tenant-read, vault-authorizer-self -> tenant-read, vault-authorizer-self";
    let never = json!({"explicit_max_ttl": 0, "token_explicit_max_ttl": 0});
    for (path, drift, told) in [
        (TENANT, json!({"allowed_policies": more}), policies),
        (TENANT, json!({"allowed_policies_glob": ["*"]}), "allowed_policies_glob: * -> (none)"),
        (TENANT, json!({"allowed_entity_aliases": ["*"]}), "allowed_entity_aliases: * -> *@corp"),
        (READER, json!({"allowed_entity_aliases": ["*"]}), "allowed_entity_aliases: * -> (none)"),
        (TENANT, json!({"orphan": false}), "orphan: false -> true"),
        (TENANT, json!({"renewable": true}), "renewable: true -> false"),
        (TENANT, json!({"token_type": "default-service"}), "token_type: default-service -> service"),
        (TENANT, json!({"token_no_default_policy": false}), "token_no_default_policy: false -> true"),
        (TENANT, json!({"token_explicit_max_ttl": "1h"}), "token_explicit_max_ttl: 3600s -> 45s"),
        (TENANT, never, "token_explicit_max_ttl: 0s -> 45s"),
        (TENANT, json!({"period": "1h"}), "token_period: 3600s -> 0s"),
        (TENANT, json!({"token_num_uses": 1}), "token_num_uses: 1 -> 0"),
        (TENANT, json!({"path_suffix": ""}), "path_suffix: (none) -> v01"),
        (TENANTS_QUOTA, quota(json!({"rate": 0.5})), "rate: 0.5 -> 200"),
        (TENANTS_QUOTA, quota(json!({"interval": "1m"})), "interval: 60s -> 1s"),
        (TENANTS_QUOTA, quota(json!({"block_interval": "5m"})), "block_interval: 300s -> 0s"),
    ] {
        let before = openbao.read(path).await;
        openbao.write(path, drift.clone()).await;
        let plan = operator.plans(&[]);
        assert!(plan.contains(&format!("`\n  {told}\n")), "{drift}: {plan}");
        assert!(plan.contains("\nplan: 1 to change, 5 unchanged, 2 missing\n"), "{drift}: {plan}");
        let mark = openbao.audit_mark();
        operator.apply(&[]);
        assert_eq!(writes_since(&openbao, mark), [format!("update {path}")]);
        let mut after = openbao.read(path).await;
        // OpenBao writes an empty list and no list alike, and tells them apart.
        if after["allowed_entity_aliases"] == json!([]) {
            after["allowed_entity_aliases"] = before["allowed_entity_aliases"].clone();
        }
        assert_eq!(after, before, "{drift}");
    }

    for policy in ["vault-authorizer", "vault-authorizer-self"] {
        let path = format!("sys/policies/acl/{policy}");
        let text = openbao.read(&path).await["policy"].as_str().unwrap().to_owned();
        openbao.policy(policy, &format!("{text}# by hand\n")).await;
        let plan = operator.plan(&[]);
        assert!(plan.contains(&format!("change: policy `{policy}`\n  - # by hand\n")), "{plan}");
        operator.apply(&[]);
        assert_eq!(openbao.read(&path).await["policy"], text);
    }
    operator.nothing_to_do();
}

/// An emergency stop is followed by a new generation. The next apply must not bring the old one back, nor undo what only
/// narrows a token.
#[tokio::test]
async fn a_rotated_generation_and_a_narrower_role_stay() {
    let (_scratch, openbao) = started("plan-generation").await;
    let before = two_grants(openbao.address());
    let operator = Operator::root(&openbao, &before);
    operator.apply(&[]);
    openbao.write(READER, json!({"path_suffix": "v02", "token_bound_cidrs": ["10.0.0.0/8"]})).await;
    operator.nothing_to_do();

    let longer = Operator::root(&openbao, &before.set("stages.prod.grants.0.token.ttl", "5m"));
    longer.apply(&[]);
    let role = openbao.read(READER).await;
    let kept = ["path_suffix", "token_bound_cidrs", "token_explicit_max_ttl"].map(|name| role[name].clone());
    assert_eq!(json!(kept), json!(["v02", ["10.0.0.0/8"], 300]));
    longer.nothing_to_do();
}

#[tokio::test]
async fn what_another_made_is_left_as_it_is_until_it_is_adopted() {
    let (_scratch, openbao) = started("plan-foreign").await;
    let operator = Operator::root(&openbao, &two_grants(openbao.address()));
    let hcl = |path: &str| json!({"policy": format!("path \"{path}\" {{ capabilities = [\"read\"] }}")});
    let foreign = [
        (POLICY, hcl("a")),
        ("sys/policies/acl/vault-authorizer-self", hcl("b")),
        (TENANT, json!({"allowed_policies": ["theirs"], "path_suffix": "theirs"})),
        (TENANTS_QUOTA, json!({"path": "auth/token", "rate": 70_000})),
    ];
    let mut before = Vec::new();
    for (path, body) in foreign {
        openbao.write(path, body).await;
        before.push((path, openbao.read(path).await));
    }

    let plan = operator.plans(&["--prune"]);
    assert!(plan.ends_with("\nplan: 2 to create, 4 in conflict, 2 missing\n"), "{plan}");
    assert!(plan.contains("conflict: token role `tenant`: it was not made for this configuration"), "{plan}");
    assert!(plan.contains("\n  - path \"a\" { capabilities = [\"read\"] }\n"), "{plan}");
    let mark = openbao.audit_mark();
    let refused = operator.fails(&["--prune"]);
    assert_eq!(refused, "error: nothing was changed: 4 in conflict, see above\n");
    assert_eq!(writes_since(&openbao, mark), [""; 0], "not even what is in no conflict");
    for (path, before) in &before {
        assert_eq!(&openbao.read(path).await, before, "{path}");
    }

    let adopted = operator.apply(&["--adopt"]);
    assert!(adopted.contains("\nplan: 2 to create, 4 to take over, 2 missing\n"), "{adopted}");
    let role = openbao.read(TENANT).await;
    assert_eq!(role["allowed_policies"], json!(["tenant-read", "vault-authorizer-self"]));
    operator.nothing_to_do();
}

#[tokio::test]
async fn only_what_it_made_and_no_grant_needs_is_removed_and_only_on_request() {
    let (_scratch, openbao) = started("plan-prune").await;
    let two = Operator::root(&openbao, &two_grants(openbao.address()));
    let one = Operator::root(&openbao, &one_grant(openbao.address()));
    two.apply(&[]);
    let foreign = [
        ("auth/token/roles/theirs", json!({"allowed_policies": ["theirs"]})),
        (
            "sys/quotas/rate-limit/vault-authorizer-theirs",
            json!({"path": "auth/token/create/theirs", "rate": 7}),
        ),
        ("sys/policies/acl/theirs", json!({"policy": "path \"a\" { capabilities = [\"read\"] }"})),
    ];
    for (path, body) in &foreign {
        openbao.write(path, body.clone()).await;
    }

    let kept = one.apply(&[]);
    let told = "not needed: token role `tenant`: no grant needs it any more; `--prune` removes it\n";
    assert!(kept.contains(told), "{kept}");
    assert_eq!([openbao.status(TENANT).await, openbao.status(TENANTS_QUOTA).await], [200, 200]);
    one.nothing_to_do();

    let mark = openbao.audit_mark();
    let pruned = one.apply(&["--prune"]);
    assert!(pruned.contains("\nremove: token role `tenant`: no grant needs it any more\n"), "{pruned}");
    let removed = [format!("delete {TENANTS_QUOTA}"), format!("delete {TENANT}"), format!("update {POLICY}")];
    assert_eq!(writes_since(&openbao, mark), removed, "what is removed leaves the list last");
    assert_eq!([openbao.status(TENANT).await, openbao.status(TENANTS_QUOTA).await], [404, 404]);
    for (path, _) in &foreign {
        assert_eq!(openbao.status(path).await, 200, "{path}");
    }
    one.nothing_to_do();

    // It comes and goes: nothing of an earlier time is in the way.
    two.apply(&[]);
    two.nothing_to_do();
}

/// A list that somebody else has extended is no licence to remove theirs.
#[tokio::test]
async fn rejects_a_manifest_that_lists_what_is_never_made() {
    let (_scratch, openbao) = started("plan-manifest").await;
    let operator = Operator::root(&openbao, &one_grant(openbao.address()));
    operator.apply(&[]);
    let global = "sys/quotas/rate-limit/global";
    openbao.write(global, json!({"path": "", "rate": 100_000})).await;
    let text = policy(&openbao).await;
    let more = format!("# made: {global}\n# made: sys/policies/acl/default\n# made: auth/");
    openbao.policy("vault-authorizer", &text.replace("# made: auth/", &more)).await;
    operator.apply(&["--prune"]);
    assert_eq!([openbao.status(global).await, openbao.status("sys/policies/acl/default").await], [200, 200]);
    assert_eq!(policy(&openbao).await, text);
}

#[tokio::test]
async fn the_quota_throttles_a_grant_and_no_other() {
    let (_scratch, openbao) = started("plan-quota").await;
    let slow = two_grants(openbao.address()).set("limits.grant_mints_per_second", 3);
    Operator::root(&openbao, &slow).apply(&[]);
    let own = VaultToken::parse(vault_setup::authorizer_token(&openbao).await).unwrap();
    let address = VaultAddress::parse(openbao.address()).unwrap();
    let vault = Vault::new(VaultOptions::new(address)).unwrap();
    let mint = async |role: &str| {
        let call = Call::post(format!("auth/token/create/{role}")).token(&own).wrap_ttl_seconds(15);
        vault.send(call.body(&json!({"ttl": "15s"})).unwrap()).await
    };
    let mut refused = 0;
    for _ in 0..20 {
        match mint("orders-prod-reader").await {
            Ok(answer) => assert!(answer.wrap_info.is_some()),
            // What the authorizer reports as `vault_throttled`.
            Err(VaultError { path, kind: VaultErrorKind::Throttled { .. } }) => {
                assert_eq!(path, "auth/token/create/orders-prod-reader");
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused >= 10, "{refused} of 20 were refused");
    assert!(mint("tenant").await.is_ok(), "another grant has a quota of its own");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(mint("orders-prod-reader").await.is_ok(), "and a second later it is over");
}

/// `docs/cli.md` shows what the command really prints.
#[tokio::test]
async fn the_reference_shows_a_real_plan() {
    let (_scratch, openbao) = started("plan-reference").await;
    openbao.policy("orders-prod-read", &vault_setup::policy_file("orders-prod-read")).await;
    Operator::root(&openbao, &one_grant(openbao.address())).apply(&[]);
    let drift = json!({"token_type": "default-service", "allowed_policies": ["admin", "orders-prod-read"]});
    openbao.write(READER, drift).await;
    let slower = two_grants(openbao.address()).set("limits.grant_mints_per_second", 100);
    let plan = Operator::root(&openbao, &slower).plan(&[]);
    let plan = plan.replace(openbao.address(), "https://vault.example.com:8200");
    let shown = format!("```\n$ vault-authorizer vault plan --config authorizer.yaml\n{plan}```\n");
    assert!(parts::text("docs/cli.md").contains(&shown), "docs/cli.md should show:\n{shown}");
}
