//! The two scripts beside `vault apply`: the plan as commands, and `quickstart.sh`.

use serde_json::json;
use test_bed::vault_setup;

use super::*;

#[tokio::test]
async fn the_printed_commands_do_the_same_through_the_real_command_line() {
    let (_scratch, openbao) = started("plan-hcl").await;
    let configuration = two_grants(openbao.address());
    // Without a token, and whether a server is there or not.
    let script = Operator::nobody(&configuration).script(&[]);
    for _ in 0..2 {
        let ran = run_script(&openbao, openbao.address(), &script);
        assert_eq!(ran.code, 0, "{}\n{script}", ran.stderr);
        Operator::root(&openbao, &configuration).nothing_to_do();
    }
}

/// Whoever began with the script goes on with `vault apply`, and the script does not undo what that made.
#[tokio::test]
async fn the_quickstarts_vault_grows_by_apply_and_the_script_takes_nothing_away() {
    let (_scratch, openbao) = started("plan-quickstart").await;
    let configuration = of_quickstart(openbao.address());
    let operator = |configuration: &Configuration| Operator::root(&openbao, configuration);
    let changed = json!({"username": "changed"});
    for _ in 0..2 {
        vault_setup::quickstart(&openbao).await;
        operator(&configuration).nothing_to_do();
        openbao.write("secret/data/prod/orders", json!({"data": changed})).await;
    }
    let kept = openbao.read("secret/data/prod/orders").await;
    assert_eq!(
        (&kept["data"], &kept["metadata"]["version"]),
        (&changed, &json!(3)),
        "a secret is left alone"
    );

    let grown = operator(&configuration.clone().grant(tenants()));
    grown.apply(&[]);
    let before = policy(&openbao).await;
    let complaint = Ran::from(vault_setup::quickstart_script(&openbao).output().unwrap()).complained(1);
    assert!(complaint.contains("the policy vault-authorizer is another configuration's"), "{complaint}");
    assert_eq!(policy(&openbao).await, before);
    grown.nothing_to_do();

    // The same two grants, and another life of one's tokens.
    let longer = operator(&configuration.set("stages.prod.grants.0.token.ttl", "5m"));
    longer.apply(&["--prune"]);
    assert_eq!(vault_setup::quickstart_script(&openbao).output().unwrap().status.code(), Some(1));
    longer.nothing_to_do();
    // A token that may not read the policy cannot tell whose it is.
    let token = openbao.token(json!({"policies": ["default"], "ttl": "60s"})).await;
    let mut blind = vault_setup::quickstart_script(&openbao);
    assert!(!blind.env("VAULT_TOKEN", token).output().unwrap().status.success());
    longer.nothing_to_do();

    operator(&bare(openbao.address()).grant(Grant::reader())).apply(&["--prune"]);
    assert_eq!(openbao.status("auth/token/roles/orders-staging-reader").await, 404);
}

/// Somebody who works with OpenBao has its variables in the shell, of another server than the one that is meant.
#[tokio::test]
async fn rejects_variables_that_lead_the_scripts_to_another_server() {
    let scratch = Scratch::new("plan-two-servers");
    let (meant, other) = (OpenBao::start_in_memory(&scratch).await, OpenBao::start_in_memory(&scratch).await);
    other.write("sys/namespaces/team", json!({})).await;
    let hcl = Operator::nobody(&of_quickstart(meant.address())).script(&[]);
    // So that `$(dirname "$0")/policies` is found.
    let quickstart = parts::repository().join("infra/vault/quickstart.sh").display().to_string();
    let (agent, token) = (other.address(), other.root_token());
    let before = other.audit_mark();
    for variables in [
        &[("BAO_ADDR", agent), ("BAO_TOKEN", token), ("BAO_NAMESPACE", "team")][..],
        &[("BAO_ADDR", ""), ("BAO_TOKEN", ""), ("VAULT_AGENT_ADDR", agent), ("VAULT_WRAP_TTL", "60s")],
        &[
            ("BAO_AGENT_ADDR", agent),
            ("VAULT_AGENT_ADDR", agent),
            ("BAO_FORMAT", "json"),
            ("VAULT_FORMAT", "json"),
        ],
    ] {
        for script in [&hcl, &parts::text("infra/vault/quickstart.sh")] {
            let mut shell = Process::new("sh");
            shell.args(["-c", script, &quickstart]).env("VAULT_CLI", parts::openbao());
            shell.env("VAULT_ADDR", meant.address()).env("VAULT_NAMESPACE", "");
            shell.env("VAULT_TOKEN", meant.root_token()).envs(variables.iter().copied());
            let mark = meant.audit_mark();
            let ran = shell.output().unwrap();
            assert!(ran.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&ran.stderr));
            assert!(!writes_since(&meant, mark).is_empty(), "{variables:?}");
            assert_eq!(other.requests_since(before), [""; 0], "{variables:?}");
        }
    }
    // What nobody said in the scripts' own variables, they do not guess.
    for (variable, value, lacks) in [
        ("BAO_ADDR", agent, "VAULT_ADDR"),
        ("BAO_TOKEN", "team", "VAULT_TOKEN"),
        ("BAO_NAMESPACE", "team", "VAULT_NAMESPACE"),
    ] {
        let mut script = vault_setup::quickstart_script(&meant);
        let ran = script.env_remove(lacks).env(variable, value).output().unwrap();
        let complaint = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && complaint.contains(&format!("set {lacks}")), "{complaint}");
    }
    assert_eq!(other.requests_since(before), [""; 0]);
    // A format for people who read JSON must not hide another configuration's policy from the script.
    let another = Grant::reader().set("name", "another").set("token.role", "another");
    let another = bare(meant.address()).grant(another).grant_on("staging", Grant::staging_reader());
    Operator::root(&meant, &another).apply(&["--prune", "--adopt"]);
    let before = policy(&meant).await;
    let ran = vault_setup::quickstart_script(&meant).env("VAULT_FORMAT", "json").output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(policy(&meant).await, before);
}
