use serde_json::json;

use crate::support::{LOGIN_TOKEN, Server, file, plain_config, run};

#[test]
fn everything_is_printed_without_a_server_or_a_token() {
    let config = file("yaml", &plain_config());
    let script = run(&["vault", "plan", "--format", "hcl", "--config", &config], "", &[]).printed(0);
    assert!(script.starts_with("#!/bin/sh\n") && !script.contains(LOGIN_TOKEN), "{script}");
    for written in [
        "policy write vault-authorizer-self",
        "policy write vault-authorizer -",
        "write auth/token/roles/orders-prod-batch",
        "VAULT_NAMESPACE='' \"$cli\" write sys/quotas/rate-limit/vault-authorizer-platform-chat",
        "\"path\": \"platform/auth/token/create/chat\"",
        "export VAULT_NAMESPACE='platform'",
        "# Yours to write: policy orders-write, which is given by: orders-writer",
    ] {
        assert!(script.contains(written), "{written}: {script}");
    }
    let other = [("VAULT_ADDR", "https://other.example.com"), ("VAULT_NAMESPACE", "team")];
    let script = run(&["vault", "plan", "--format", "hcl", "--config", &config], "", &other).printed(0);
    assert!(
        script.contains("'set VAULT_ADDR; this is for the Vault at https://other.example.com'"),
        "{script}"
    );
    assert!(script.contains("write sys/quotas/rate-limit/vault-authorizer-team-chat"), "{script}");
}

/// Everything would be absent there, and so to be created.
#[test]
fn rejects_a_server_that_is_not_vault() {
    let other = Server::start(|_| (404, json!("404 page not found")));
    let config = file("yaml", &plain_config().replace("https://vault.example.com:8200", &other.url));
    let env = [("VAULT_ADDR", other.url.as_str()), ("VAULT_TOKEN", "s.x")];
    for command in ["plan", "apply"] {
        let told = run(&["vault", command, &config], "", &env).complained(1);
        assert!(told.contains("cannot answer `sys/policies/acl"), "{told}");
        assert!(told.contains("(status 404): the answer is not Vault's"), "{told}");
    }
}

#[test]
fn what_cannot_be_planned_is_said_in_one_line() {
    let config = file("yaml", &plain_config());
    let plan = |options: &[&str], env: &[(&str, &str)]| {
        run(&[&["vault", "plan", "--config", &config], options].concat(), "", env)
    };
    let trusting = ["--trust-config-address"];
    assert_eq!(
        plan(&trusting, &[]).complained(1),
        "error: there is no token for Vault: set VAULT_TOKEN, or `vault login`, which writes ~/.vault-token\n"
    );
    let told = plan(&trusting, &[("VAULT_TOKEN", "s.secretOfTheOperator secret")]).complained(1);
    assert!(
        told.starts_with("error: the token in VAULT_TOKEN is refused: ") && !told.contains("secret"),
        "{told}"
    );
    let plain_http = [("VAULT_ADDR", "http://vault.example.com:8200"), ("VAULT_TOKEN", "s.x")];
    let told = plan(&[], &plain_http).complained(1);
    assert!(told.starts_with("error: Vault cannot be addressed: VAULT_ADDR is not usable: "), "{told}");
    let root = ["--aws-principal", "arn:aws:iam::123456789012:root"];
    assert!(plan(&root, &[]).complained(2).contains("root user"));
    let (one, two) = ("arn:aws:iam::123456789012:role/orders-eu", "arn:aws:iam::123456789012:role/orders-us");
    for list in [format!("{one},{two}"), format!("{one}, {two}"), format!("{one},{two},")] {
        let told = plan(&["--aws-principal", &list], &[]).complained(2);
        assert!(
            told.contains(&format!("one ARN in each option: `--aws-principal {one} --aws-principal {two}`")),
            "{told}"
        );
    }
    // A comma that IAM allows in a name is no list.
    let named = ["--aws-principal", "arn:aws:iam::123456789012:role/orders,eu"];
    assert!(
        plan(&[&named[..], &trusting].concat(), &[])
            .complained(2)
            .contains("`--aws-principal` is not for this login: a token needs none")
    );
    assert!(plan(&["--policy", "default"], &[]).complained(2).contains("must not be `default`"));
}
