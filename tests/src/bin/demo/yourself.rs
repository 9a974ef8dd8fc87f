//! Hands the API over: lines to paste into another terminal, and each decision as it is made.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use test_bed::Scratch;

use crate::api::shown;
use crate::command::{Lines, quoted};
use crate::screen::Screen;
use crate::world::{JWT_MINUTES, World, alice};

/// How often the authorizer's log is looked at.
const POLL: Duration = Duration::from_millis(300);

const CALLS: [&str; 3] = [
    r#"curl -i -w "\n" -H "Authorization: Bearer $jwt" $api/prod/orders"#,
    r#"curl -i -w "\n" -H "Authorization: Bearer $jwt" $api/staging/orders"#,
    r#"curl -i -w "\n" -H "Authorization: Bearer $forged" $api/prod/orders"#,
];

/// Without `--stay`: the lines, and how to get something that answers them.
pub(crate) fn invite(screen: &Screen) {
    screen.paragraph(
        "To make such calls yourself: `cargo xtask demo --stay` keeps it all running, and prints the values of $api, \
         $jwt and $forged for these lines:",
    );
    CALLS.iter().for_each(|call| screen.line(&format!("    {call}")));
}

/// With it: until somebody interrupts.
pub(crate) async fn stay(screen: &Screen, world: &World, scratch: &Scratch, lines: &Lines) {
    screen.chapter("Call it yourself, from another terminal");
    let save = |name: &str, jwt: String| -> PathBuf {
        let path = scratch.path().join(name);
        fs::write(&path, jwt).expect("the JWT can be written");
        path
    };
    let claims = alice().expires_in(JWT_MINUTES * 60);
    let jwt = save("alice.jwt", world.issuer.token(&claims));
    let forged = save("forged.jwt", world.issuer.forged(&claims));
    let prod = world.deployment.url("prod");
    let api = prod.trim_end_matches("/prod");
    screen.line("");
    screen.line(&format!("api={api}"));
    screen.line(&format!("jwt=$(cat {})", quoted(&jwt)));
    screen.line(&format!("forged=$(cat {})", quoted(&forged)));
    CALLS.iter().for_each(|call| screen.line(call));
    screen.paragraph("The command, on the same API and the same Vault, with Vault's root token:");
    screen.line("");
    lines.variables.iter().chain(&lines.commands).for_each(|line| screen.line(line));
    screen.line("");
    screen.paragraph(&format!(
        "The JWTs expire in {JWT_MINUTES} minutes. Each decision of the authorizer appears here. Ctrl-C stops everything."
    ));
    screen.paragraph(&format!("The logs are kept: {}", scratch.path().display()));
    screen.line("");
    follow(screen, world, &scratch.path().join("authorizer.log")).await;
}

/// Shows what the authorizer decides from now on, and adds the whole lines to its log.
async fn follow(screen: &Screen, world: &World, log: &Path) {
    let log = fs::File::options().append(true).open(log);
    let mut log = log.expect("the log can be written");
    writeln!(log).expect("the log can be written");
    let mut shown_so_far = world.deployment.decisions().await.len();
    loop {
        tokio::time::sleep(POLL).await;
        for decision in world.deployment.decisions().await.into_iter().skip(shown_so_far) {
            shown_so_far += 1;
            writeln!(log, "{decision}").expect("the log can be written");
            screen.line(&line(&decision));
            if let Some(message) = decision["message"].as_str() {
                screen.line(&format!("      {message}"));
            }
        }
    }
}

fn line(decision: &Value) -> String {
    let field = |name: &str| shown(&decision[name]);
    let call = format!("{} /{}{}", field("method"), field("stage"), field("route"));
    let why = match decision["outcome"].as_str() {
        Some("allowed") => format!("{}, {}, {} s", field("caller_id"), field("grant"), field("ttl_seconds")),
        _ => field("code"),
    };
    format!("  {call:<26}{:<9}{why}", field("outcome"))
}
