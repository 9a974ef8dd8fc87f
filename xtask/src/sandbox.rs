//! `cargo xtask sandbox`: installs and builds what a deployment on this machine needs, then becomes a shell for it.

use crate::workspace::{Failure, Workspace};
use crate::{demo, machine, parts};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Returns only if something failed: the exit code is the shell's.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    println!("sandbox: installing the parts and building; a few minutes the first time, seconds after that");
    machine::require(&[machine::PYTHON])?;
    parts::python(workspace)?;
    demo::build(workspace, "sandbox")?;
    let mut command = Command::new(workspace.target.join("demo").join("sandbox"));
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    let failed = command.exec();
    Err(Failure::because(command.get_program().display())(failed))
}
