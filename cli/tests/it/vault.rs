use std::{collections::BTreeSet, fs, sync::Mutex};

use serde_json::{Value, json};

use crate::support::{LOGIN_TOKEN, Server, file, has, plain_config, run};

#[test]
fn everything_is_printed_without_a_server_or_a_token() {
    let config = file("yaml", &plain_config());
    let script = run(&["vault", "plan", "--format", "shell", "--config", &config], "", &[]).printed(0);
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
    let script = run(&["vault", "plan", "--format", "shell", "--config", &config], "", &other).printed(0);
    has(&script, &["'set VAULT_ADDR; this is for the Vault at https://other.example.com'"]);
    assert!(script.contains("write sys/quotas/rate-limit/vault-authorizer-team-chat"), "{script}");
}

/// A Vault that has nothing, and takes whatever is written after it was looked for.
fn empty_vault() -> Server {
    let looked_for = Mutex::new(BTreeSet::new());
    Server::start(move |path| match path {
        "/v1/sys/policies/acl" => (200, json!({"data": {"keys": ["default", "chat", "batch"]}})),
        _ if looked_for.lock().unwrap().insert(path.to_owned()) => (404, json!({"errors": []})),
        _ => (204, Value::Null),
    })
}

/// `vault login` may have left a token of another Vault, or of more power than the operator meant to use.
#[test]
fn the_plan_says_whose_token_it_uses_and_an_apply_what_it_did_and_what_is_still_missing() {
    let home = home_with("s.OfTheFile");
    let config = file("yaml", &plain_config());
    for (env, place) in [
        (&[("VAULT_TOKEN", "s.OfTheVariable"), ("HOME", home.as_str())][..], "VAULT_TOKEN"),
        (&[("VAULT_TOKEN", ""), ("HOME", &home)], "~/.vault-token"),
    ] {
        for command in ["plan", "apply"] {
            let vault = empty_vault();
            let env = [env, &[("VAULT_ADDR", vault.url.as_str())]].concat();
            let printed = run(&["vault", command, &config], "", &env).printed(0);
            let first = format!("Vault {}, namespace platform, token from {place}\n", vault.url);
            assert!(printed.starts_with(&first), "{printed}");
            assert!(!printed.contains("s.OfThe"), "{printed}");
            let end = "\napplied: 10 created; 2 policies are still missing: orders-read, orders-write\n";
            assert_eq!(printed.ends_with(end), command == "apply", "{printed}");
        }
        let stranger = Server::start(|_| (403, json!({"errors": ["permission denied", "invalid token"]})));
        let env = [env, &[("VAULT_ADDR", stranger.url.as_str())]].concat();
        has(&run(&["vault", "plan", &config], "", &env).complained(1), &[&format!("token from {place}")]);
    }
}

fn home_with(token: &str) -> String {
    let folder = file("home", "") + ".d";
    fs::create_dir_all(&folder).unwrap();
    fs::write(format!("{folder}/.vault-token"), format!("{token}\n")).unwrap();
    folder
}

/// The name of the value that printed the same script before.
#[test]
fn the_script_is_printed_by_its_former_name_too() {
    let script = |format| run(&["vault", "plan", "--format", format, "-"], &plain_config(), &[]).printed(0);
    assert_eq!(script("hcl"), script("shell"));
    let help = run(&["vault", "plan", "--help"], "", &[]).printed(0);
    assert!(help.contains("- shell:") && !help.contains("hcl"), "{help}");
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
        "error: there is no Vault token: set VAULT_TOKEN, or run `vault login`, which writes ~/.vault-token\n"
    );
    let told = plan(&trusting, &[("VAULT_TOKEN", "s.secretOfTheOperator secret")]).complained(1);
    assert!(
        told.starts_with("error: the token in VAULT_TOKEN is invalid: ") && !told.contains("secret"),
        "{told}"
    );
    let plain_http = [("VAULT_ADDR", "http://vault.example.com:8200"), ("VAULT_TOKEN", "s.x")];
    let told = plan(&[], &plain_http).complained(1);
    assert!(told.starts_with("error: cannot connect to Vault: VAULT_ADDR is invalid: "), "{told}");
    let root = ["--aws-principal", "arn:aws:iam::123456789012:root"];
    assert!(plan(&root, &[]).complained(2).contains("root user"));
    let (one, two) = ("arn:aws:iam::123456789012:role/orders-eu", "arn:aws:iam::123456789012:role/orders-us");
    for list in [format!("{one},{two}"), format!("{one}, {two}"), format!("{one},{two},")] {
        has(
            &plan(&["--aws-principal", &list], &[]).complained(2),
            &[&format!("pass one ARN per option: `--aws-principal {one} --aws-principal {two}`")],
        );
    }
    // A comma that IAM allows in a name is no list.
    let named = ["--aws-principal", "arn:aws:iam::123456789012:role/orders,eu"];
    let told = plan(&[&named[..], &trusting].concat(), &[]).complained(2);
    has(&told, &["`--aws-principal` is not for this login: a token needs none"]);
    assert!(plan(&["--policy", "default"], &[]).complained(2).contains("must not be `default`"));
}
