//! A configuration that somebody else wrote must not choose who gets the operator's token, or the function's login.

use serde_json::{Value, json};

use crate::support::{Ran, Server, file, has, plain_config, run};

const TOKEN: &str = "s.OperatorTokenOfTheTest";
const UNTRUSTED: &str = "VAULT_ADDR is not set, and a configuration alone must not decide where your credentials go: set VAULT_ADDR";

/// A document whose Vault is the attacker's, and that server.
fn foreign(changes: &[(&str, &str)]) -> (Server, String) {
    let attacker = Server::start(|path| match path {
        "/v1/sys/health" => (200, json!({"initialized": true, "sealed": false, "version": "1.0.0"})),
        _ => (404, Value::Null),
    });
    let document = plain_config().replace("https://vault.example.com:8200", &attacker.url);
    let document = changes.iter().fold(document, |document, (from, to)| document.replace(from, to));
    (attacker, file("yaml", &document))
}

fn operate(command: &[&str], config: &str, env: &[(&str, &str)]) -> Ran {
    run(&[command, &["--config", config]].concat(), "", &[&[("VAULT_TOKEN", TOKEN)], env].concat())
}

fn saw_the_token(server: &Server) -> bool {
    server.asked.lock().unwrap().iter().any(|head| head.contains(TOKEN))
}

#[test]
fn rejects_a_document_that_sends_the_operators_token_to_its_own_vault() {
    for command in [
        &["vault", "plan"][..],
        &["vault", "apply"],
        &["revoke", "--grant", "orders-reader", "--yes"],
        &["revoke", "--role", "chat", "--yes"],
        &["revoke", "--accessor", "BJ2J7fl2ksKbSCQaYIgIx3cU", "--yes"],
    ] {
        let (attacker, config) = foreign(&[]);
        let told = operate(command, &config, &[]).complained(1);
        assert!(told.contains(UNTRUSTED) && told.contains("--trust-config-address"), "{command:?}: {told}");
        assert!(told.contains(&attacker.url), "{told}");
        assert_eq!(attacker.calls(), Vec::<String>::new(), "{command:?}");
        operate(&[command, &["--trust-config-address"]].concat(), &config, &[]);
        assert!(saw_the_token(&attacker), "{command:?}: the operator said so");
    }
}

#[test]
fn rejects_a_document_that_has_the_doctor_show_the_operators_token_around() {
    let (attacker, config) = foreign(&[]);
    has(&operate(&["doctor"], &config, &[]).stdout, &[&format!("unseen  vault-objects: {UNTRUSTED}")]);
    assert!(!saw_the_token(&attacker), "{:?}", attacker.calls());
    operate(&["doctor", "--trust-config-address"], &config, &[]);
    assert!(saw_the_token(&attacker), "the operator said so");
}

/// A login with a file sends that file's content, whichever the document names.
#[test]
fn rejects_a_document_that_has_the_doctor_log_in_to_its_own_vault() {
    let secret = file("txt", "s3cret-of-the-operators-machine");
    let login = format!("{{method: approle, role_id: r, secret_id_file: {secret}}}");
    let (attacker, config) = foreign(&[("{method: token, token: s.AuthorizerTokenOfTheTest}", &login)]);
    let logins = || attacker.calls().iter().filter(|call| call.contains("login")).count();
    has(
        &operate(&["doctor", "--log-in"], &config, &[]).stdout,
        &[&format!("unseen  vault-login: {UNTRUSTED}")],
    );
    let own = [("VAULT_ADDR", "https://vault.example.com:8200"), ("VAULT_NAMESPACE", "platform")];
    has(
        &operate(&["doctor", "--log-in"], &config, &own).stdout,
        &["unseen  vault-login: VAULT_ADDR or VAULT_NAMESPACE names a different Vault"],
    );
    assert_eq!(logins(), 0);
    operate(&["doctor", "--log-in", "--trust-config-address"], &config, &[]);
    assert_eq!(logins(), 1, "the operator said so");
}
