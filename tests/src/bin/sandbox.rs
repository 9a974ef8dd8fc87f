//! `cargo xtask sandbox`: a shell in which the commands of `docs/deploy` work on this machine. An AWS emulator,
//! OpenBao and an identity provider run until the shell ends.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "not shipped: it runs the test bed")]

use std::process::ExitCode;

use serde_json::json;
use test_bed::AwsBed;
use test_bed::cloudformation::BUCKET;
use tokio::process::Command;

const WELCOME: &str = "
The commands of docs/deploy/*.md work in this shell, on this machine: `aws` leads to an emulator, `vault` to OpenBao,
and $jwt is a caller's JWT. The settings at the top of a page are already made: continue with its step 1.
Vault's audit log is the file $audit_log. `bao` and `vault-authorizer` work here, too.
Leave the shell to stop everything and to delete what you deployed.
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let bed = AwsBed::without_setup("sandbox", "orders-authorizer").await;
    bed.emulator.aws().request("s3", "create_bucket", &json!({"Bucket": BUCKET})).await;
    println!("{WELCOME}");
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut shell = Command::new(shell);
    shell.envs(bed.page_settings()).envs(bed.page_environment(&[]));
    match shell.status().await {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            println!("the shell does not start: {error}");
            ExitCode::FAILURE
        }
    }
}
