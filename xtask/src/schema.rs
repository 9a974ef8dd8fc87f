//! `cargo xtask schema`: writes `infra/authorizer.schema.json` anew.
//!
//! The command line's tests fail where it is stale.

use crate::workspace::{Failure, Workspace};
use std::fs;
use std::process::Stdio;

const KEPT: &str = "infra/authorizer.schema.json";

pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let mut command =
        workspace.cargo(["run", "--quiet", "--locked", "--package", "vault-authorizer-cli", "--", "schema"]);
    let output =
        command.stderr(Stdio::inherit()).output().map_err(Failure::because("`vault-authorizer schema`"))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`vault-authorizer schema`: {}", output.status)));
    }
    fs::write(workspace.root.join(KEPT), output.stdout).map_err(Failure::because(KEPT))?;
    println!("written: {KEPT}");
    Ok(())
}
