//! Runs the command `vault-authorizer` on what the demo made, and shows lines to paste into a shell. Each line has
//! been run.

use std::fs;
use std::path::Path;
use std::process::Command;

use test_bed::{Scratch, parts};

use crate::api::Answer;
use crate::promise;
use crate::screen::Screen;
use crate::world::{JWT_MINUTES, World, alice};

/// A code that `doctor` ends with where nothing is wrong, and something was not looked at.
const NOTHING_WRONG_AS_FAR_AS_SEEN: i32 = 3;

/// What to paste.
pub(crate) struct Lines {
    /// Sets the variables of the others.
    pub(crate) variables: Vec<String>,
    pub(crate) commands: Vec<String>,
}

/// Writes the files that the lines name, and runs each line as a shell would.
pub(crate) async fn checked(screen: &Screen, world: &World, scratch: &Scratch, call: &Answer) -> Lines {
    world.save_function_logs(scratch).await;
    let save = |name: &str, text: String| {
        fs::write(scratch.path().join(name), text).expect("the demo's files can be written");
    };
    save("authorizer.yaml", world.deployment.configuration().await);
    let jwt = world.issuer.token(&alice().expires_in(JWT_MINUTES * 60));
    save("event.json", world.deployment.event(&jwt).to_string());
    let lines = lines(world, scratch.path(), call);
    for line in &lines.commands {
        let script = format!("{}\n{line}", lines.variables.join("\n"));
        let ran = tokio::task::spawn_blocking(move || Command::new("sh").args(["-c", &script]).output());
        let ran = ran.await.expect("the shell is waited for").expect("a shell starts");
        let code = ran.status.code().unwrap_or(-1);
        let is_good = code == 0 || (code == NOTHING_WRONG_AS_FAR_AS_SEEN && line.contains(" doctor "));
        let printed = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        promise::equal(&format!("{line}\n{}exit code", printed.concat()), 0, if is_good { 0 } else { code });
    }
    screen.proved(
        "The command's explain, doctor, vault plan, trace and revoke, each pasted into a shell, work on all of this.",
    );
    lines
}

fn lines(world: &World, folder: &Path, call: &Answer) -> Lines {
    let id = call.logged("lambda_request_id");
    let variables = vec![
        // Of another Vault, perhaps.
        "unset VAULT_NAMESPACE VAULT_CACERT VAULT_CLIENT_CERT VAULT_CLIENT_KEY".to_owned(),
        format!("export VAULT_ADDR={}", world.vault.address()),
        format!("export VAULT_TOKEN={}", world.vault.openbao.root_token()),
        format!("authorizer={}", quoted(&parts::binary("dev", "vault-authorizer"))),
        format!("logs={}", quoted(folder)),
        format!("config={}", quoted(&folder.join("authorizer.yaml"))),
        format!("audit={}", quoted(&world.vault.openbao.audit_log())),
    ];
    let commands = vec![
        r#""$authorizer" explain --config "$config" --event "$logs/event.json""#.to_owned(),
        r#""$authorizer" doctor --config "$config""#.to_owned(),
        r#""$authorizer" vault plan --config "$config""#.to_owned(),
        format!(
            r#""$authorizer" trace --request-id {id} --authorizer-log "$logs/authorizer.log" --audit-log "$audit""#
        ),
        r#""$authorizer" revoke --config "$config" --grant orders-prod-reader --yes"#.to_owned(),
    ];
    Lines { variables, commands }
}

/// One word of a shell.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
