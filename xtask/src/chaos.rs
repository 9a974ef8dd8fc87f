//! `cargo xtask chaos`: installs and builds what the scenarios need, then becomes the program that runs them.

use crate::workspace::{Failure, Workspace};
use crate::{machine, optimized, parts};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Returns only if something failed: its exit code is the task's.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    machine::require(&[machine::PYTHON, machine::PRLIMIT])?;
    parts::python(workspace)?;
    optimized::functions(workspace)?;
    optimized::build(workspace, &["--package", "end-to-end", "--bin", "chaos"])?;
    let mut command = Command::new(workspace.release_binary("chaos"));
    command.args(arguments).current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    let failed = command.exec();
    Err(Failure::because(command.get_program().display())(failed))
}
