//! `cargo xtask bench`: installs and builds the measured programs, then becomes the program that measures them.

use crate::workspace::{self, Failure, Workspace};
use crate::{machine, optimized, parts};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Returns only if something failed: its exit code is the task's.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    let (package, binary) = optimized::AUTHORIZER;
    let authorizer = ["--package", package, "--bin", binary];
    let driver = match arguments {
        ["--check" | "--record"] => {
            machine::require(&[machine::PYTHON, machine::VALGRIND])?;
            parts::python(workspace)?;
            optimized::build(workspace, &authorizer)?;
            workspace::run(&mut workspace.cargo([
                "build",
                "--locked",
                "--package",
                "end-to-end",
                "--bin",
                "bench",
            ]))?;
            debug_driver(workspace)
        }
        _ => {
            machine::require(&[machine::PYTHON, machine::NODE, machine::NPM, machine::VALGRIND])?;
            parts::python(workspace)?;
            parts::bench_peers(workspace)?;
            optimized::build(workspace, &authorizer)?;
            optimized::build(workspace, &["--package", "bench-peers", "--bins"])?;
            optimized::build(workspace, &["--package", "end-to-end", "--bin", "bench"])?;
            workspace.release_binary("bench")
        }
    };
    let failed = command(workspace, driver).args(arguments).exec();
    Err(Failure::because("bench")(failed))
}

/// The instructions alone, as one of the checks: the tests have built the driver.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    workspace::run(command(workspace, debug_driver(workspace)).arg("--check"))
}

/// Good enough to count with: it is not on the driver's time.
fn debug_driver(workspace: &Workspace) -> PathBuf {
    workspace.target.join("debug").join("bench")
}

fn command(workspace: &Workspace, driver: PathBuf) -> Command {
    let mut command = Command::new(driver);
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    command
}
