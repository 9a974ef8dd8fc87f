//! Installs each file of a release in an empty folder, and uses it from there.

use super::files;
use crate::integrations::CRATES;
use crate::package;
use crate::workspace::{self, Failure, Workspace};
use flate2::read::GzDecoder;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files that package managers install.
pub(super) fn packages(workspace: &Workspace, work: &Path, folder: &Path) -> Result<(), Failure> {
    let work = work.join("installed");
    package::renew(&work)?;
    python(workspace, &work, folder)?;
    println!("release: installed and imported: the wheel; the sdist builds the same wheel");
    npm(&work, folder, "vault-context", "Integration", &[])?;
    let peers = pinned_peers(workspace)?;
    npm(&work, folder, "vault-authorizer-cdk", "VaultAuthorizer", &peers)?;
    println!("release: installed and imported: both npm packages");
    crates(workspace, &work, folder)?;
    println!("release: compiled from their files: {}", CRATES.join(", "));
    Ok(())
}

/// The command line of this machine's architecture.
pub(super) fn command(work: &Path, folder: &Path) -> Result<(), Failure> {
    let name = format!("vault-authorizer-cli-{}", lambdas_name(std::env::consts::ARCH));
    let work = work.join("installed/command");
    package::renew(&work)?;
    unpack(&folder.join(format!("{name}.tar.gz")), &work)?;
    let said = workspace::said(Command::new(work.join(&name).join("vault-authorizer")).arg("--version"))?;
    let expected = format!("vault-authorizer {VERSION}");
    if said.trim_end() != expected {
        return Err(Failure::new(format!("{name}: `--version` says `{said}`, expected `{expected}`")));
    }
    println!("release: unpacked and run: {expected}");
    Ok(())
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn lambdas_name(architecture: &str) -> &str {
    if architecture == "aarch64" { "arm64" } else { architecture }
}

fn python(workspace: &Workspace, work: &Path, folder: &Path) -> Result<(), Failure> {
    let wheel = files::wheel(folder);
    let environment = work.join("python");
    files::quietly(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let python = || {
        let mut python = Command::new(environment.join("bin/python"));
        python.current_dir(work);
        python
    };
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
    files::quietly(python().args(install).arg(&wheel))?;
    let import = format!(
        "import vault_context, importlib.metadata as m; assert vault_context.Integration\n\
         assert {{vault_context.__version__, m.version('vault-context')}} == {{'{VERSION}'}}"
    );
    files::quietly(python().args(["-c", &import]))?;

    let built = work.join("from-sdist");
    let mut pip = files::python_tool(
        workspace,
        &["pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--disable-pip-version-check"],
    );
    pip.arg("--wheel-dir").arg(&built).arg(folder.join(format!("vault_context-{VERSION}.tar.gz")));
    files::quietly(pip.env_remove("SOURCE_DATE_EPOCH"))?;
    if package::read(&files::wheel(&built))? != package::read(&wheel)? {
        return Err(Failure::new("the sdist builds a different wheel from the one next to it"));
    }
    Ok(())
}

/// Installs one package from its file, and imports it as a CommonJS and as an ES module.
fn npm(work: &Path, folder: &Path, package: &str, name: &str, peers: &[String]) -> Result<(), Failure> {
    let consumer = work.join(package);
    fs::create_dir_all(&consumer).map_err(Failure::because(consumer.display()))?;
    package::write(&consumer.join("package.json"), b"{\"private\": true}\n")?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]);
    npm.arg(folder.join(format!("{package}-{VERSION}.tgz"))).args(peers).current_dir(&consumer);
    files::quietly(&mut npm)?;
    let good = format!("if (typeof {name} !== 'function') process.exit(1)");
    for (kind, import) in [
        ("commonjs", format!("const {{ {name} }} = require('{package}'); {good}")),
        ("module", format!("import {{ {name} }} from '{package}'; {good}")),
    ] {
        let input = format!("--input-type={kind}");
        files::quietly(Command::new("node").args([&input, "-e", &import]).current_dir(&consumer))?;
    }
    Ok(())
}

/// The construct's peers, in the versions that it is tested with: `aws-cdk-lib@2.276.0`.
fn pinned_peers(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let file = workspace.root.join("infra/cdk/package.json");
    let manifest: serde_json::Value =
        serde_json::from_slice(&package::read(&file)?).map_err(Failure::because(file.display()))?;
    let section = |name: &str| manifest.get(name).and_then(serde_json::Value::as_object);
    let peers = section("peerDependencies").into_iter().flatten();
    let pinned = |peer: &String| Some(format!("{peer}@{}", section("devDependencies")?.get(peer)?.as_str()?));
    let missing = |peer| Failure::new(format!("{}: pins no version of {peer}", file.display()));
    peers.map(|(peer, _)| pinned(peer).ok_or_else(|| missing(peer))).collect()
}

/// Compiles a program that depends on the unpacked crates, with the versions of the lock file.
fn crates(workspace: &Workspace, work: &Path, folder: &Path) -> Result<(), Failure> {
    let consumer = work.join("crates");
    fs::create_dir_all(consumer.join("src")).map_err(Failure::because(consumer.display()))?;
    let mut manifest = format!(
        "[package]\nname = \"consumer\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\nvault-context = \"={VERSION}\"\n\n[patch.crates-io]\n"
    );
    for name in CRATES {
        unpack(&folder.join(format!("{name}-{VERSION}.crate")), &consumer)?;
        manifest += &format!("{name} = {{ path = \"{name}-{VERSION}\" }}\n");
    }
    package::write(&consumer.join("Cargo.toml"), manifest.as_bytes())?;
    package::write(
        &consumer.join("src/main.rs"),
        b"fn main() {\n    println!(\"{}\", std::any::type_name::<vault_context::VaultToken>());\n}\n",
    )?;
    let (from, to) = (workspace.root.join("Cargo.lock"), consumer.join("Cargo.lock"));
    fs::copy(&from, &to).map_err(Failure::because(from.display()))?;
    files::quietly(workspace.cargo(["check", "--quiet"]).current_dir(&consumer))
}

fn unpack(file: &Path, folder: &PathBuf) -> Result<(), Failure> {
    let bytes = package::read(file)?;
    let mut archive = tar::Archive::new(GzDecoder::new(bytes.as_slice()));
    archive.unpack(folder).map_err(Failure::because(file.display()))
}
