//! Namespaces: where the roles are, and where the quotas.

use serde_json::json;
use test_bed::vault_setup;

use super::*;

const CREATE: &str = "auth/token/create/orders-prod-reader";

/// Quotas lie in the root namespace, whatever namespace the rest is in.
#[tokio::test]
async fn a_namespace_has_its_roles_and_its_quotas() {
    let (_scratch, openbao) = started("plan-namespace").await;
    openbao.write("sys/namespaces/platform", json!({})).await;
    let configuration = one_grant(openbao.address()).set("limits.grant_mints_per_second", 3);
    let operator = Operator::root(&openbao, &configuration).in_namespace("platform");
    let applied = operator.apply(&[]);
    let first = format!("Vault {}, namespace platform, token from VAULT_TOKEN\n", openbao.address());
    assert!(applied.starts_with(&first), "{applied}");
    let plan = operator.nothing_to_do();
    assert!(plan.contains("\nnothing to do: 4 unchanged, 1 missing\n"), "{plan}");
    assert_eq!(openbao.status(READER).await, 404, "nothing in the root namespace");
    let quota = openbao.read("sys/quotas/rate-limit/vault-authorizer-platform-orders-prod-reader").await;
    assert_eq!(quota["path"], format!("platform/{CREATE}"));

    let (root, there) = (Some(openbao.root_token()), [("X-Vault-Namespace", "platform")]);
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(openbao.api_with("POST", CREATE, root, &there, json!({"ttl": "15s"})).await.0);
    }
    assert!(statuses.contains(&429) && statuses.contains(&200), "{statuses:?}");

    // Who has power in the namespace alone is told so, and has a way on.
    let all = json!({"policy": r#"path "*" { capabilities = ["create", "read", "update", "list"] }"#});
    openbao.api_with("PUT", "sys/policies/acl/operator", root, &there, all).await;
    let body = json!({"policies": ["operator"]});
    let (_, made) = openbao.api_with("POST", "auth/token/create", root, &there, body).await;
    let local = Operator::nobody(&configuration).in_namespace("platform");
    let local = local.env("VAULT_TOKEN", made["auth"]["client_token"].as_str().unwrap());
    let told = local.run("plan", &[]).complained(1);
    for words in ["Vault keeps quotas in the root namespace", "`--quota-namespace`", "`--no-quotas`"] {
        assert!(told.contains(words), "{told}");
    }
    let plan = local.with(&["--no-quotas", "--prune"]).nothing_to_do();
    assert!(plan.contains("\nnothing to do: 3 unchanged, 1 missing\n"), "{plan}");
}

#[tokio::test]
async fn the_quotas_of_an_administrative_namespace_are_made_there() {
    let (_scratch, openbao) = started("plan-quota-namespace").await;
    openbao.write("sys/namespaces/admin", json!({})).await;
    let (root, in_admin) = (Some(openbao.root_token()), [("X-Vault-Namespace", "admin")]);
    openbao.api_with("POST", "sys/namespaces/team", root, &in_admin, json!({})).await;
    let hcp = with_administrative_namespace(&openbao);
    let configuration = one_grant(&hcp.url());
    let there = ["--quota-namespace", "admin"];
    for namespace in ["admin", "admin/team"] {
        let operator = Operator::root(&openbao, &configuration).in_namespace(namespace);
        let told = operator.fails(&[]);
        assert!(told.contains("HCP Vault in `admin`, which you set with `--quota-namespace`"), "{told}");
        operator.apply(&there);
        operator.with(&there).nothing_to_do();
        let name = namespace.replace('/', "-");
        let quota = format!("sys/quotas/rate-limit/vault-authorizer-{name}-orders-prod-reader");
        assert_eq!(openbao.read(&quota).await["path"], format!("{namespace}/{CREATE}"));
    }
    let team = Operator::root(&openbao, &configuration).in_namespace("admin/team");
    let told = team.fails(&["--quota-namespace", "admin/team"]);
    assert!(told.contains("`--quota-namespace`"), "{told}");

    let script = Operator::nobody(&configuration).in_namespace("admin/team").script(&there);
    let line = "\nVAULT_NAMESPACE='admin' \"$cli\" write sys/quotas/rate-limit/vault-authorizer-admin-team-";
    assert!(script.contains(line), "{script}");
    assert_eq!(run_script(&openbao, &hcp.url(), &script).code, 0);
}

#[tokio::test]
async fn the_quickstarts_script_in_a_namespace_claims_no_quota_outside_of_it() {
    let (_scratch, openbao) = started("plan-quickstart-namespace").await;
    openbao.write("sys/namespaces/platform", json!({})).await;
    vault_setup::quickstart(&openbao).await;
    let ran = vault_setup::quickstart_script(&openbao).env("VAULT_NAMESPACE", "platform").output().unwrap();
    let complaint = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success() && complaint.contains("no rate limit quotas were made"), "{complaint}");
    let outside = Operator::root(&openbao, &of_quickstart(openbao.address()));
    let inside = outside.clone().in_namespace("platform");
    inside.clone().with(&["--no-quotas"]).nothing_to_do();
    // What the root namespace has by nearly the same names is its own.
    inside.apply(&["--prune"]);
    outside.nothing_to_do();
}

#[tokio::test]
async fn the_quickstarts_script_makes_its_quotas_in_an_administrative_namespace() {
    let (_scratch, openbao) = started("plan-quickstart-admin").await;
    openbao.write("sys/namespaces/admin", json!({})).await;
    let hcp = with_administrative_namespace(&openbao);
    // First without the option, which the script then recommends; once it is given, leaving it out takes nothing away.
    let there = ["--quota-namespace", "admin"];
    for options in [&[][..], &there, &there, &[]] {
        let mut script = vault_setup::quickstart_script(&openbao);
        script.args(options).env("VAULT_ADDR", hcp.url()).env("VAULT_NAMESPACE", "admin/");
        let ran = script.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    Operator::root(&openbao, &of_quickstart(&hcp.url())).in_namespace("admin").with(&there).nothing_to_do();
}
