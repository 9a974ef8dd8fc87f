//! `cargo xtask providers`: installs Keycloak, builds the programs that are tried with it, then becomes the program
//! that runs the examples of Keycloak's page on it.

use crate::workspace::{self, Failure, Workspace};
use crate::{machine, optimized, parts};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Keycloak is 180 MB and Java's, so a machine without Java goes without it. Where it runs, this returns only if something failed:
/// the program's exit code is the task's.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    if !machine::has(&machine::JDK) || !machine::has(&machine::MAVEN) {
        println!("providers: skipped: Keycloak needs a JDK and Maven, and this machine lacks them");
        return Ok(());
    }
    machine::require(&[machine::PYTHON, machine::OPENSSL])?;
    parts::python(workspace)?;
    parts::keycloak(workspace)?;
    optimized::functions(workspace)?;
    let mut cargo = workspace.cargo(["build", "--locked", "--package", "end-to-end", "--bin", "providers"]);
    workspace::run(cargo.args(["--package", "vault-authorizer-cli", "--bin", "vault-authorizer"]))?;
    let mut command = Command::new(workspace.target.join("debug").join("providers"));
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    let failed = command.exec();
    Err(Failure::because(command.get_program().display())(failed))
}
