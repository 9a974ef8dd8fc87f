//! `revoke` as far as it goes without a Vault; what it does there is tested end to end.

use insta::assert_snapshot;

use crate::support::{LOGIN_TOKEN, Ran, file, plain_config, run};

const TOKEN: &str = "s.OperatorTokenOfTheTest";

/// At an address where nobody listens.
fn revoke(what: &[&str]) -> Ran {
    let config = file("yaml", &plain_config());
    let env = [("RUST_LOG", "trace"), ("VAULT_ADDR", "http://127.0.0.1:9"), ("VAULT_TOKEN", TOKEN)];
    let ran = run(&[&["revoke", "--config", &config], what].concat(), "yes\n", &env);
    for secret in [TOKEN, LOGIN_TOKEN] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{}{}", ran.stdout, ran.stderr);
    }
    ran
}

#[test]
fn a_name_that_is_not_there_is_told_with_those_that_are() {
    assert_snapshot!(revoke(&["--grant", "orders-raeder", "--yes"]).complained(2), @"error: no grant is called `orders-raeder`: there are `orders-writer`, `orders-reader`, `status`, `chat`, `reports`, `nightly-batch`");
    assert_snapshot!(revoke(&["--stage", "live", "--yes"]).complained(2), @"error: no stage is called `live`: there is `prod`");
    assert_snapshot!(revoke(&["--grant", "status", "--yes"]).complained(2), @"error: grant `status` gives no Vault token (`mode: none`): there is nothing to revoke");
}

#[test]
fn nothing_is_done_without_a_confirmation() {
    for what in
        [["--grant", "orders-reader"], ["--stage", "prod"], ["--accessor", "BJ2J7fl2ksKbSCQaYIgIx3cU"]]
    {
        assert_eq!(revoke(&what).complained(2), "error: there is no terminal to ask on: say `--yes`\n");
    }
    // It would have gone to Vault.
    assert!(revoke(&["--grant", "orders-reader", "--yes"]).complained(1).contains("could not be reached"));
}

#[test]
fn exactly_one_thing_is_revoked() {
    revoke(&["--yes"]).complained(2);
    revoke(&["--grant", "orders-reader", "--stage", "prod", "--yes"]).complained(2);
}

/// Whoever pastes a token there has it in the shell's history, and not in this output as well.
#[test]
fn rejects_a_token_in_the_place_of_an_accessor() {
    let complaint = revoke(&["--accessor", "hvs.CAESIJ0mlWcdwLPLXy3cPoCbMLBJ", "--yes"]).complained(2);
    assert_snapshot!(complaint, @"error: `--accessor` is no accessor: give the `wrapped_accessor` of the log line, never a token");
}
