//! Packs what other tools than Lambda install: the crates, the Python package and the npm packages.

use crate::integrations;
use crate::package;
use crate::parts;
use crate::workspace::{self, Failure, Workspace};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packs all of them into a folder. `work` is for what is built on the way.
pub(super) fn pack(workspace: &Workspace, work: &Path, folder: &Path) -> Result<(), Failure> {
    for file in integrations::crates(workspace)? {
        let name = file.file_name().unwrap_or_default();
        fs::copy(&file, folder.join(name)).map_err(Failure::because(file.display()))?;
    }
    python(workspace, folder)?;
    npm(workspace, "integrations/typescript", &parts::typescript_modules(workspace), work, folder)?;
    npm(workspace, "infra/cdk", &parts::cdk_modules(workspace), work, folder)
}

/// Packs everything once more, and fails if a byte differs.
pub(super) fn pack_again(workspace: &Workspace, work: &Path, folder: &Path) -> Result<(), Failure> {
    let again = work.join("again");
    package::renew(&again)?;
    pack(workspace, &work.join("built-again"), &again)?;
    let names = package::files(&again)?;
    for name in &names {
        if package::read(&again.join(name))? != package::read(&folder.join(name))? {
            return Err(Failure::new(format!(
                "{name}: has different bytes when packed a second time. Compare {} with {}",
                folder.join(name).display(),
                again.join(name).display()
            )));
        }
    }
    println!("release: packed twice: {} files have the same bytes", names.len());
    Ok(())
}

/// A wheel and an sdist, by the pinned Hatchling.
fn python(workspace: &Workspace, folder: &Path) -> Result<(), Failure> {
    let mut build = python_tool(workspace, &["hatchling", "build", "--directory"]);
    build.arg(folder).current_dir(workspace.root.join("integrations/python"));
    // Else it would be the time of the files.
    quietly(build.env_remove("SOURCE_DATE_EPOCH").env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// A module of the environment in which a release is packed.
pub(super) fn python_tool(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut python = Command::new(workspace.test_bed().join("release/bin/python"));
    python.arg("-m").args(arguments);
    python
}

pub(super) fn wheel(folder: &Path) -> PathBuf {
    folder.join(format!("vault_context-{VERSION}-py3-none-any.whl"))
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A package of the repository, built in a copy of its tracked files with the modules that its lock file pins.
fn npm(
    workspace: &Workspace,
    source: &str,
    modules: &Path,
    work: &Path,
    folder: &Path,
) -> Result<(), Failure> {
    let (root, files) = parts::package(workspace, source)?;
    let copy = work.join(source);
    package::renew(&copy)?;
    parts::copy(&files, &root, &copy)?;
    symlink(modules, copy.join("node_modules")).map_err(Failure::because(copy.display()))?;
    quietly(Command::new("npm").args(["run", "--silent", "build"]).current_dir(&copy))?;
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", "--ignore-scripts", "--pack-destination"]).arg(folder).current_dir(&copy);
    quietly(&mut pack)
}

/// Shows what a command says only if it fails.
pub(super) fn quietly(command: &mut Command) -> Result<(), Failure> {
    let shown = workspace::shown(command);
    let output = command.output().map_err(Failure::because(format!("`{shown}`")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(Failure::new(format!("`{shown}`: {}\n{}", output.status, String::from_utf8_lossy(&said).trim_end())))
}
