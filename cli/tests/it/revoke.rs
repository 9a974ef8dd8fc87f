//! `revoke` without a Vault, and with a Vault that fails. The end-to-end tests cover a real Vault.

use std::{
    fs::File,
    io,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{LOGIN_TOKEN, Ran, Server, file, has, plain_config, run, run_into};

const TOKEN: &str = "s.OperatorTokenOfTheTest";

/// At an address where nobody listens.
fn revoke(what: &[&str]) -> Ran {
    revoke_at("http://127.0.0.1:9", what)
}

fn revoke_at(address: &str, what: &[&str]) -> Ran {
    revoke_into(Stdio::piped(), address, what)
}

fn revoke_into(stdout: Stdio, address: &str, what: &[&str]) -> Ran {
    let config = file("yaml", &plain_config());
    let env = [("RUST_LOG", "trace"), ("VAULT_ADDR", address), ("VAULT_TOKEN", TOKEN)];
    let ran = run_into(stdout, &[&["revoke", "--config", &config], what].concat(), "yes\n", &env);
    for secret in [TOKEN, LOGIN_TOKEN] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{}{}", ran.stdout, ran.stderr);
    }
    ran
}

#[test]
fn a_name_that_is_not_there_is_told_with_those_that_are() {
    assert_snapshot!(revoke(&["--grant", "orders-raeder", "--yes"]).complained(2), @"error: no grant is called `orders-raeder`; the configuration has `orders-writer`, `orders-reader`, `status`, `chat`, `reports`, `nightly-batch`");
    assert_snapshot!(revoke(&["--stage", "live", "--yes"]).complained(2), @"error: no stage is called `live`; the configuration has `prod`");
    assert_snapshot!(revoke(&["--grant", "status", "--yes"]).complained(2), @"error: grant `status` issues no Vault tokens (`mode: none`): there is nothing to revoke");
}

#[test]
fn nothing_is_done_without_a_confirmation_or_to_more_than_one_thing() {
    for what in
        [["--grant", "orders-reader"], ["--stage", "prod"], ["--accessor", "BJ2J7fl2ksKbSCQaYIgIx3cU"]]
    {
        assert_eq!(revoke(&what).complained(2), "error: there is no terminal to confirm on: add `--yes`\n");
    }
    revoke(&["--yes"]).complained(2);
    revoke(&["--grant", "orders-reader", "--stage", "prod", "--yes"]).complained(2);
    // It would have gone to Vault.
    assert!(revoke(&["--grant", "orders-reader", "--yes"]).complained(1).contains("could not be reached"));
}

/// Whoever pastes a token there has it in the shell's history, and not in this output as well.
#[test]
fn rejects_a_token_in_the_place_of_an_accessor() {
    let refused = |accessor: &str| revoke(&["--accessor", accessor, "--yes"]).complained(2);
    let told = refused("hvs.CAESIJ0mlWcdwLPLXy3cPoCbMLBJ");
    assert_snapshot!(told, @"error: `--accessor` is not an accessor: pass the `wrapped_accessor` of the log line, never a token");
    for other in ["", "s.KGXDu8CLc1DnGKEU4KBqXzzW", "hvs.CAESIJ", "a b", "../x", &"a".repeat(129)] {
        assert_eq!(refused(other), told, "{other}");
    }
}

/// The token roles of the grants of `prod`, in the order of the configuration.
const ROLES: [&str; 4] = ["orders-prod-writer", "orders-prod-reader", "chat", "orders-prod-batch"];

fn revocations(vault: &Server) -> Vec<String> {
    vault.calls().into_iter().filter(|call| call.starts_with("POST ")).collect()
}

fn every_revocation() -> Vec<String> {
    ROLES.map(|role| format!("POST sys/leases/revoke-prefix/auth/token/create/{role}")).to_vec()
}

/// The look at a role is for the operator's information, and no condition.
#[test]
fn a_look_that_fails_saves_no_token() {
    for (status, answer, told) in [
        (500, json!({"errors": ["internal error"]}), "status 500"),
        (412, json!({"errors": ["required index state not present"]}), "status 412"),
        (429, json!({"errors": ["rate limit quota exceeded"]}), "rate limit"),
        (400, json!({"errors": ["odd"]}), "status 400"),
        (403, json!({"errors": ["1 error occurred:\n\t* permission denied\n\n"]}), "need `read` on"),
        (200, json!("no answer of Vault's"), "not one of Vault's"),
    ] {
        let vault = Server::start(move |path| match path.strip_prefix("/v1/auth/token/roles/") {
            Some("orders-prod-reader") => (status, answer.clone()),
            Some(_) => (200, json!({"data": {}})),
            None => (204, Value::Null),
        });
        let printed = revoke_at(&vault.url, &["--stage", "prod", "--yes"]).printed(0);
        assert_eq!(revocations(&vault), every_revocation(), "{printed}");
        let note = printed.lines().find(|line| line.starts_with("    unclear whether")).unwrap();
        assert!(note.contains(told), "{printed}");
        assert_eq!(printed.matches("unclear whether").count(), 1, "{printed}");
    }
}

#[test]
fn a_look_that_hangs_is_given_up_soon_and_saves_no_token() {
    let vault = Server::start(|path| {
        if path.starts_with("/v1/auth/token/roles/") {
            thread::sleep(Duration::from_secs(20));
        }
        (204, Value::Null)
    });
    let printed = revoke_at(&vault.url, &["--grant", "chat", "--yes"]).printed(0);
    assert_eq!(revocations(&vault), ["POST sys/leases/revoke-prefix/auth/token/create/chat"]);
    assert!(printed.contains("did not answer `auth/token/roles/chat` in time"), "{printed}");
}

/// With a token that is refused, nothing could be revoked.
#[test]
fn a_refused_token_stops_before_anything_is_tried() {
    let vault = Server::start(|_| (403, json!({"errors": ["permission denied"]})));
    let ran = revoke_at(&vault.url, &["--stage", "prod", "--yes"]);
    assert!(ran.complained(1).contains("does not know your token"));
    assert_eq!(vault.calls(), ["GET auth/token/roles/orders-prod-writer"]);
}

/// A node that goes away breaks its connections off. A revocation does no harm twice.
#[test]
fn a_connection_that_breaks_is_made_anew_once() {
    let broken = AtomicBool::new(false);
    let vault = Server::start_breaking(move |path| {
        let breaks = path.starts_with("/v1/sys/leases/") && !broken.swap(true, Ordering::SeqCst);
        (!breaks).then_some((204, Value::Null))
    });
    let printed = revoke_at(&vault.url, &["--grant", "chat", "--yes"]).printed(0);
    let call = "POST sys/leases/revoke-prefix/auth/token/create/chat";
    assert_eq!(revocations(&vault), [call, call], "{printed}");
}

/// Of what was sent and not answered, nobody knows whether it was done.
#[test]
fn a_revocation_without_an_answer_is_not_said_to_be_none() {
    let vault = Server::start_breaking(|path| match path {
        path if path.starts_with("/v1/auth/token/roles/") => Some((200, json!({"data": {}}))),
        path if path.ends_with("/chat") => None,
        path if path.ends_with("/orders-prod-writer") => Some((504, Value::Null)),
        path if path.ends_with("/orders-prod-reader") => Some((400, json!({"errors": ["odd"]}))),
        _ => Some((204, Value::Null)),
    });
    let printed = revoke_at(&vault.url, &["--stage", "prod", "--yes"]).printed(1);
    for (grant, told) in [
        ("chat", "\npossibly not revoked: every token"),
        ("orders-writer", "\npossibly not revoked: every token"),
        ("orders-reader", "\nnot revoked every token"),
        ("nightly-batch", "\nrevoked every token"),
    ] {
        has(&printed, &[&format!("{told} of grant `{grant}`, opened or not, with its leases")]);
    }
}

/// A full disk under the transcript is no reason to let tokens live.
#[test]
fn a_standard_output_that_takes_nothing_saves_no_token() {
    let vault = Server::start(|path| match path {
        path if path.ends_with("/create/chat") => (400, json!({"errors": ["odd"]})),
        _ => (204, Value::Null),
    });
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = revoke_into(full.into(), &vault.url, &["--stage", "prod", "--yes"]);
    assert_eq!(revocations(&vault), every_revocation(), "{}", ran.stderr);
    assert_eq!(ran.code, 1);
    // What became of them is told where it can be.
    let full = "error: the output could not be written: No space left on device (os error 28)\n";
    let told =
        ["\nrevoked every token of grant `orders-writer`", "\nnot revoked every token of grant `chat`", full];
    has(&ran.stderr, &told);

    let (_, gone) = io::pipe().unwrap();
    let before = revocations(&vault).len();
    revoke_into(gone.into(), &vault.url, &["--stage", "prod", "--yes"]);
    assert_eq!(revocations(&vault).split_off(before), every_revocation());
}

/// `revoke` with these arguments and variables, and no configuration unless they name one.
fn plainly(arguments: &[&str], env: &[(&str, &str)]) -> Ran {
    run(&[&["revoke"], arguments].concat(), "", &[&[("VAULT_TOKEN", TOKEN)], env].concat())
}

/// In an emergency the configuration may be the thing that is broken, or on a machine that is away.
#[test]
fn a_configuration_that_does_not_load_saves_no_token() {
    let vault = Server::start(|_| (204, Value::Null));
    let at = [("VAULT_ADDR", vault.url.as_str()), ("VAULT_NAMESPACE", "platform/")];
    let printed = plainly(&["--role", "orders-prod-reader", "--yes"], &at).printed(0);
    let role = "revoke every token of token role `orders-prod-reader`, opened or not, with its leases (auth/token/create/orders-prod-reader)";
    assert!(
        printed.starts_with(&format!(
            "at `{}`, namespace `platform`, token from VAULT_TOKEN:\n  {role}\n",
            vault.url
        )),
        "{printed}"
    );
    let done = "\nrevoked every token of token role `orders-prod-reader`, opened or not, with its leases\n";
    assert!(printed.contains(done), "{printed}");
    plainly(&["--accessor", "BJ2J7fl2ksKbSCQaYIgIx3cU", "--yes"], &at).printed(0);
    let expected = [
        "GET auth/token/roles/orders-prod-reader",
        "POST sys/leases/revoke-prefix/auth/token/create/orders-prod-reader",
        "POST auth/token/revoke-accessor",
    ];
    assert_eq!(vault.calls(), expected);
}

/// Where it is trusted, it says where Vault is, as for a grant.
#[test]
fn a_role_is_revoked_at_the_vault_of_a_configuration_that_is_trusted() {
    let vault = Server::start(|_| (204, Value::Null));
    let config = file("yaml", &plain_config().replace("https://vault.example.com:8200", &vault.url));
    let place = format!("at `{}`, namespace `platform`, token from VAULT_TOKEN:", vault.url);
    for what in [["--role", "of-an-older-configuration"], ["--accessor", "BJ2J7fl2ksKbSCQaYIgIx3cU"]] {
        let trusting = ["--config", &config, "--trust-config-address", "--yes"];
        let printed = plainly(&[&trusting, &what[..]].concat(), &[]).printed(0);
        assert_eq!(printed.lines().next(), Some(place.as_str()));
    }
}

#[test]
fn what_is_missing_without_a_configuration_is_told() {
    let told = plainly(&["--role", "chat", "--yes"], &[]).complained(1);
    assert_snapshot!(told, @"error: cannot connect to Vault: VAULT_ADDR is not set");
    let broken = plain_config().replace("https://vault.example.com:8200", "vault.example.com");
    let config = file("yaml", &broken);
    let told = plainly(&["--config", &config, "--grant", "chat", "--yes"], &[]).complained(1);
    let way_out = "error: nothing was revoked; `--role` and `--accessor` need no configuration: ";
    assert!(
        told.starts_with(way_out) && told.contains("the configuration is invalid: vault.address: "),
        "{told}"
    );
    for what in [["--grant", "chat"], ["--stage", "prod"]] {
        let told = plainly(&[&what[..], &["--yes"]].concat(), &[]).complained(2);
        assert_eq!(told, "error: `--grant` and `--stage` need `--config`\n");
    }
    // Whoever names nothing is not sent to look for a file.
    let told = plainly(&["--yes"], &[]).complained(2);
    let (missing, _usage) = told.split_once("Usage:").unwrap();
    assert!(missing.contains("--accessor <ACCESSOR>") && !missing.contains("--config"), "{told}");
    plainly(&["--role", "chat", "--task-root", ".", "--yes"], &[]).complained(2);
    plainly(&["--role", "chat", "--accessor", "BJ2J7fl2ksKbSCQaYIgIx3cU", "--yes"], &[]).complained(2);
}

/// An empty name would be every role's tokens, and one with a slash a part of another's.
#[test]
fn rejects_what_is_no_token_roles_name() {
    for role in ["", "/", "chat/", "chat/v01", "..", "../../login", "chat?", "*"] {
        let told = plainly(&["--role", role, "--yes"], &[("VAULT_ADDR", "http://127.0.0.1:9")]).complained(2);
        let named = told.contains("for '--role <NAME>': must be a Vault role name");
        assert!(named || role.is_empty(), "{told}");
    }
}
