//! Whose power the command uses, and what it says if that is not enough.

use serde_json::json;

use super::*;

#[tokio::test]
async fn what_the_token_lacks_is_said_and_the_documented_policy_is_enough() {
    let (_scratch, openbao) = started("plan-power").await;
    let configuration = two_grants(openbao.address());
    let as_bearer = |token: &str| Operator::nobody(&configuration).env("VAULT_TOKEN", token);
    let told = |token: &str, command: &str| {
        let ran = as_bearer(token).run(command, &[]);
        assert!(!ran.stdout.contains(token) && !ran.stderr.contains(token));
        ran.complained(1)
    };
    let needs = |doing: &str, capabilities: &str, path: &str| {
        let at = openbao.address();
        format!(
            "could not {doing}: your token from VAULT_TOKEN may not do this at `{at}`: its policies need {capabilities} on `{path}`\n"
        )
    };

    let none = openbao.token_with(r#"path "none" { capabilities = ["read"] }"#).await;
    let lists = needs("list the policies' names", "`list`", "sys/policies/acl");
    assert_eq!(told(&none, "plan"), format!("error: {lists}"));
    let list = openbao.token_with(r#"path "sys/policies/acl" { capabilities = ["list"] }"#).await;
    let reads = needs("read policy `vault-authorizer`", "`read`", POLICY);
    assert_eq!(told(&list, "plan"), format!("error: {reads}"));
    let unknown = told("s.nobodysToken0123456789", "apply");
    assert!(unknown.contains("does not know your token, or it has expired"), "{unknown}");
    let absent = Operator::nobody(&configuration).run("plan", &[]).complained(1);
    let how = "error: there is no Vault token: set VAULT_TOKEN, or run `vault login`, which writes ~/.vault-token\n";
    assert_eq!(absent, how);

    // Half way: everything but the quotas may be written.
    let reference = parts::text("docs/cli.md");
    let (_, documented) = reference.split_once("```hcl\n# for `vault apply`").unwrap();
    let documented = format!("# {}", documented.split_once("```").unwrap().0);
    let (before, quotas) = documented.split_once("path \"sys/quotas/").unwrap();
    let read_only = quotas.replacen("\"create\", \"read\", \"update\", \"delete\"", "\"read\"", 1);
    assert_ne!(read_only, quotas);
    let half = openbao.token_with(&format!("{before}path \"sys/quotas/{read_only}")).await;
    let name = "vault-authorizer-orders-prod-reader";
    let writes = needs(
        &format!("write rate limit quota `{name}`"),
        "`create` and `update`",
        &format!("sys/quotas/rate-limit/{name}"),
    );
    let undone =
        format!("create rate limit quota `{name}`; create rate limit quota `vault-authorizer-tenant`");
    let half_done = "error: 4 done, then this failed; run it again to continue. Not done";
    assert_eq!(told(&half, "apply"), format!("{half_done}: {undone}: {writes}"));
    let whole = openbao.token_with(&documented).await;
    let finished = as_bearer(&whole).apply(&[]);
    assert!(finished.contains("\nplan: 2 to create, 4 unchanged, 2 missing\n"), "{finished}");
    let one = Operator::nobody(&one_grant(openbao.address())).env("VAULT_TOKEN", &whole);
    let pruned = one.apply(&["--prune"]);
    assert!(pruned.contains("\ndone: remove token role `tenant`\n"), "{pruned}");
}

/// Vault takes one quota for a path: another's is no reason to guess, and not ours to remove.
#[tokio::test]
async fn a_quota_by_another_name_is_said() {
    let (_scratch, openbao) = started("plan-quota-taken").await;
    let operator = Operator::root(&openbao, &one_grant(openbao.address()));
    let theirs = json!({"path": "auth/token/create/orders-prod-reader", "rate": 50});
    openbao.write("sys/quotas/rate-limit/theirs", theirs).await;
    let told = operator.fails(&[]);
    let begins =
        "error: 3 done, then this failed; run it again to continue. Not done: create rate limit quota";
    assert!(told.starts_with(begins), "{told}");
    for words in ["this path already has one under another name", "`--no-quotas`", "exists under the name"] {
        assert!(told.contains(words), "{told}");
    }
    operator.apply(&["--no-quotas"]);
    assert_eq!(openbao.read("sys/quotas/rate-limit/theirs").await["rate"], 50);
}

#[tokio::test]
async fn a_token_is_found_where_vaults_own_command_line_leaves_it() {
    let (scratch, openbao) = started("plan-token").await;
    let home = scratch.folder("home");
    std::fs::write(home.join(".vault-token"), format!("{}\n", openbao.root_token())).unwrap();
    let at_home = Operator::nobody(&one_grant("http://127.0.0.1:1")).env("HOME", home.to_str().unwrap());
    let plan = at_home.clone().env("VAULT_ADDR", openbao.address()).plan(&[]);
    let first = format!("Vault {}, token from ~/.vault-token\n", openbao.address());
    assert!(plan.starts_with(&first), "the environment's address: {plan}");
    let nowhere = at_home.run("plan", &[]).complained(1);
    let begins =
        "error: could not list the policies' names: `http://127.0.0.1:1`: Vault could not be reached";
    assert!(nowhere.starts_with(begins), "{nowhere}");
}

#[tokio::test]
async fn rejects_names_that_would_give_callers_or_others_the_authorizers_power() {
    let (_scratch, openbao) = started("plan-names").await;
    let good = one_grant(openbao.address());
    let own_policy = json!(["vault-authorizer"]);
    let escalates =
        Operator::root(&openbao, &good.clone().set("stages.prod.grants.0.token.policies", own_policy));
    let told = escalates.fails(&[]);
    let begins = "error: grant `orders-reader` gives `vault-authorizer`, the authorizer's own policy";
    assert!(told.starts_with(begins), "{told}");
    escalates.plan(&["--policy", "orders-authorizer"]);
    for taken in ["default", "root", "vault-authorizer-self"] {
        Operator::root(&openbao, &good).run("apply", &["--adopt", "--policy", taken]).complained(2);
    }
}
