//! `cargo xtask demo`: installs and builds what the demo needs, then becomes it.

use crate::workspace::{self, Failure, Stopwatch, Workspace};
use crate::{machine, parts};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

/// Returns only if something failed: the demo takes this process over. So Ctrl-C reaches it, it cleans up behind itself,
/// and its exit code is the task's.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    if let Some(unknown) = arguments.iter().find(|argument| **argument != "--stay") {
        return Err(Failure::new(format!("demo takes `--stay` and nothing else, not `{unknown}`")));
    }
    println!("demo: installing the parts and building; a few minutes the first time, seconds after that");
    machine::require(&[machine::PYTHON])?;
    let stopwatch = Stopwatch::start();
    thread::scope(|scope| {
        let parts = scope.spawn(|| {
            // Said at once: the builds may run for minutes more.
            parts::for_demo(workspace).inspect_err(|failure| eprintln!("parts: {failure}"))
        });
        build(workspace, DRIVER)?;
        parts.join().unwrap_or_else(|_| Err(Failure::new("the installation of the parts panicked")))
    })?;
    println!("demo: ready in {:.0} s", stopwatch.seconds());

    let mut command = driver(workspace, "demo");
    let failed = command.args(arguments).exec();
    Err(Failure::because(command.get_program().display())(failed))
}

/// Runs it as one of the checks, on the functions as they ship: what it promises is checked as it goes.
pub(crate) fn show(workspace: &Workspace) -> Result<(), Failure> {
    workspace::run(&mut driver(workspace, "debug"))
}

fn driver(workspace: &Workspace, folder: &str) -> Command {
    let mut command = Command::new(workspace.target.join(folder).join(DRIVER));
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    command
}

const DRIVER: &str = "demo";

/// Both functions, the command, and a driver of the test bed, with a profile that builds fast. Always all of them, so that
/// every driver finds the others' dependencies built, with the same features.
pub(crate) fn build(workspace: &Workspace, driver: &str) -> Result<(), Failure> {
    let mut cargo = workspace.cargo(["build", "--profile", "demo", "--locked"]);
    for (package, binary) in [
        ("vault-authorizer", "bootstrap"),
        ("orders", "orders"),
        ("vault-authorizer-cli", "vault-authorizer"),
        ("end-to-end", driver),
    ] {
        cargo.args(["--package", package, "--bin", binary]);
    }
    workspace::run(&mut cargo)
}
