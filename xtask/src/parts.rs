//! Installs the pinned parts of the test bed under the target folder, each once.
//!
//! ```text
//! <target>/test-bed/venv        OpenBao, the AWS emulator, Python clients: tests/requirements.txt
//! <target>/test-bed/node        the Node.js clients: tests/clients/node
//! <target>/test-bed/cdk         what infra/cdk is built and tested with
//! <target>/test-bed/go          the Go client, built: tests/clients/go
//! <target>/test-bed/nodes       more versions of Node.js: tests/clients/nodes
//! <target>/test-bed/integrations/python      what integrations/python is checked with
//! <target>/test-bed/integrations/go          the runner of the conformance suite, built: integrations/go
//! <target>/test-bed/integrations/typescript  the package, built: integrations/typescript
//! <target>/test-bed/orders-typescript        the sample, bundled: examples/orders-typescript
//! <target>/test-bed/release     what a release is packed with: xtask/release-requirements.txt
//! <target>/test-bed/java        the libraries of the Java client: tests/clients/java
//! <target>/test-bed/bench-node    the benchmarks' peer in Node.js: tests/bench/peers/node
//! <target>/test-bed/bench-python  the one in Python: tests/bench/peers/python
//! <target>/test-bed/keycloak    an identity provider: tests/clients/keycloak
//! <target>/test-bed/cargo-deny  checks the dependencies
//! <target>/test-bed/*.stamp     what each was installed from, written last
//! <target>/test-bed/*.log       what each installer printed
//! ```
//!
//! A part whose stamp equals its pins is left alone, so a second call is instant. A part that was interrupted has no
//! stamp and starts again.

use crate::machine::{self, Tool};
use crate::workspace::{Failure, Stopwatch, Workspace, shown};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// What installs them all.
pub(crate) const NEEDS: &[Tool] =
    &[machine::PYTHON, machine::NODE, machine::NPM, machine::GO, machine::JDK, machine::MAVEN];

/// `cargo xtask parts`.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    machine::require(NEEDS)?;
    python(workspace)?;
    node(workspace)?;
    go(workspace)?;
    java(workspace)?;
    integrations(workspace)
}

/// What the packages for other languages are built and checked with. Tests only.
fn integrations(workspace: &Workspace) -> Result<(), Failure> {
    npm(workspace, "nodes", "more versions of Node.js", "tests/clients/nodes")?;
    virtual_environment(
        workspace,
        "integrations/python",
        "what the Python package is checked with",
        "integrations/python/requirements-dev.txt",
    )?;
    go_package(workspace)?;
    typescript_package(workspace)?;
    orders_typescript(workspace)
}

/// What the demo shows on top where the machine has it.
pub(crate) fn for_demo(workspace: &Workspace) -> Result<(), Failure> {
    python(workspace)?;
    if machine::has(&machine::NODE) && machine::has(&machine::NPM) {
        let installed = orders_typescript(workspace);
        let _ =
            installed.inspect_err(|failure| eprintln!("parts: without the sample in TypeScript: {failure}"));
    }
    Ok(())
}

/// The servers and the Python clients. All that the demo needs.
pub(crate) fn python(workspace: &Workspace) -> Result<(), Failure> {
    let what = "OpenBao, the AWS emulator and Python clients";
    virtual_environment(workspace, "venv", what, "tests/requirements.txt")
}

/// What the site of `docs/` is built with.
pub(crate) fn site(workspace: &Workspace) -> Result<(), Failure> {
    virtual_environment(
        workspace,
        "site",
        "what the documentation's site is built with",
        "docs/site/requirements.txt",
    )
}

/// What a release is packed with. The modules of the npm packages are in [`cdk_modules`] and [`typescript_modules`].
pub(crate) fn for_release(workspace: &Workspace) -> Result<(), Failure> {
    let what = "what a release is packed with";
    virtual_environment(workspace, "release", what, "xtask/release-requirements.txt")?;
    cdk(workspace)?;
    typescript_package(workspace)
}

pub(crate) fn cdk_modules(workspace: &Workspace) -> PathBuf {
    workspace.test_bed().join("cdk/node_modules")
}

pub(crate) fn typescript_modules(workspace: &Workspace) -> PathBuf {
    workspace.test_bed().join("integrations/typescript/node_modules")
}

fn virtual_environment(
    workspace: &Workspace,
    name: &'static str,
    what: &'static str,
    requirements: &str,
) -> Result<(), Failure> {
    let part = Part { name, what, pins: vec![workspace.root.join(requirements)] };
    part.install(&workspace.test_bed(), |folder, installer, pins| {
        installer.run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]);
        for requirements in pins {
            pip.arg("--requirement").arg(requirements);
        }
        installer.run(&mut pip)
    })
}

/// The Node.js clients, and what the CDK package is built and tested with. Tests only.
pub(crate) fn node(workspace: &Workspace) -> Result<(), Failure> {
    npm(workspace, "node", "the Node.js clients", "tests/clients/node")?;
    cdk(workspace)
}

fn cdk(workspace: &Workspace) -> Result<(), Failure> {
    npm(workspace, "cdk", "what the CDK package needs", "infra/cdk")
}

/// What the benchmarks compare the authorizer with, for `cargo xtask bench` alone.
pub(crate) fn bench_peers(workspace: &Workspace) -> Result<(), Failure> {
    npm(workspace, "bench-node", "the benchmarks' peer in Node.js", "tests/bench/peers/node")?;
    let what = "the benchmarks' peer in Python";
    virtual_environment(workspace, "bench-python", what, "tests/bench/peers/python/requirements.txt")
}

/// `cargo deny`, which checks the dependencies, in the version that `xtask/cargo-deny.version` pins. Built without
/// optimisation, which takes a minute and not five, and runs for two seconds.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let pin = workspace.root.join("xtask/cargo-deny.version");
    let part = Part { name: "cargo-deny", what: "cargo-deny", pins: vec![pin.clone()] };
    part.install(&workspace.test_bed(), |folder, installer, _| {
        let version = fs::read_to_string(&pin).map_err(Failure::because(pin.display()))?;
        let mut cargo =
            workspace.cargo(["install", "cargo-deny", "--locked", "--debug", "--version", version.trim()]);
        cargo.arg("--root").arg(folder).env("CARGO_PROFILE_DEV_DEBUG", "false");
        // Its build has a folder of its own, which goes when it is done.
        installer.run(cargo.env_remove("CARGO_TARGET_DIR"))
    })?;
    Ok(workspace.test_bed().join("cargo-deny/bin/cargo-deny"))
}

/// The packages that a lock file in `source` pins. No package's own script is run.
fn npm(workspace: &Workspace, name: &'static str, what: &'static str, source: &str) -> Result<(), Failure> {
    let package = workspace.root.join(source);
    let pins = vec![package.join("package.json"), package.join("package-lock.json")];
    let part = Part { name, what, pins };
    part.install(&workspace.test_bed(), |folder, installer, pins| {
        fs::create_dir_all(folder).map_err(Failure::because(folder.display()))?;
        for pin in pins {
            let name = pin.file_name().unwrap_or_default();
            fs::copy(pin, folder.join(name)).map_err(Failure::because(pin.display()))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
        installer.run(&mut npm)
    })
}

/// The Go client: `go.sum` pins every module, and Go's own caches keep them. Tests only.
fn go(workspace: &Workspace) -> Result<(), Failure> {
    let source = workspace.root.join("tests/clients/go");
    let pins = ["go.mod", "go.sum", "identity/main.go"].map(|file| source.join(file)).to_vec();
    let part = Part { name: "go", what: "the Go client", pins };
    part.install(&workspace.test_bed(), |folder, installer, _| {
        installer.run(&mut go_build(&source, "./identity", &folder.join("identity")))
    })
}

/// With the machine's own Go, and without a C compiler.
fn go_build(source: &Path, package: &str, binary: &Path) -> Command {
    let mut go = Command::new("go");
    go.args(["build", "-mod=readonly", "-buildvcs=false", "-o"]).arg(binary).arg(package);
    go.current_dir(source).env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
    go
}

/// The Go package's runner of the conformance suite.
fn go_package(workspace: &Workspace) -> Result<(), Failure> {
    let (source, pins) = package(workspace, "integrations/go")?;
    let part = Part { name: "integrations/go", what: "the Go package", pins };
    part.install(&workspace.test_bed(), |folder, installer, _| {
        installer.run(&mut go_build(&source, "./internal/conformance", &folder.join("conformance")))
    })
}

/// A copy of the TypeScript package with what its lock file pins, built as it ships.
fn typescript_package(workspace: &Workspace) -> Result<(), Failure> {
    let (source, pins) = package(workspace, "integrations/typescript")?;
    let part = Part { name: "integrations/typescript", what: "the TypeScript package", pins };
    part.install(&workspace.test_bed(), |folder, installer, pins| {
        copy(pins, &source, folder)?;
        npm_build(installer, folder)
    })
}

/// The sample in TypeScript, bundled from the package's source. Both lie as they do in the repository.
fn orders_typescript(workspace: &Workspace) -> Result<(), Failure> {
    let (_, mut pins) = package(workspace, "examples/orders-typescript")?;
    pins.extend(package(workspace, "integrations/typescript/src")?.1);
    pins.push(workspace.root.join("integrations/typescript/package.json"));
    let part = Part { name: "orders-typescript", what: "the sample in TypeScript", pins };
    part.install(&workspace.test_bed(), |folder, installer, pins| {
        copy(pins, &workspace.root, folder)?;
        npm_build(installer, &folder.join("examples/orders-typescript"))
    })
}

/// Copies files to the places below `folder` that they have below `source`.
pub(crate) fn copy(files: &[PathBuf], source: &Path, folder: &Path) -> Result<(), Failure> {
    for file in files {
        let copy = folder.join(file.strip_prefix(source).unwrap_or(file));
        fs::create_dir_all(copy.parent().unwrap_or(folder)).map_err(Failure::because(folder.display()))?;
        fs::copy(file, copy).map_err(Failure::because(file.display()))?;
    }
    Ok(())
}

/// Installs what a lock file pins, without any package's own script, and builds.
fn npm_build(installer: &mut Installer, folder: &Path) -> Result<(), Failure> {
    let npm = |arguments: &[&str]| {
        let mut npm = Command::new("npm");
        npm.args(arguments).current_dir(folder);
        npm
    };
    installer.run(&mut npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    installer.run(&mut npm(&["run", "build"]))
}

/// The folder of a package, and its tracked files.
pub(crate) fn package(workspace: &Workspace, folder: &str) -> Result<(PathBuf, Vec<PathBuf>), Failure> {
    let files = workspace.tracked_files()?.into_iter().filter(|name| Path::new(name).starts_with(folder));
    let files = files.map(|name| workspace.root.join(name)).filter(|file| file.exists()).collect();
    Ok((workspace.root.join(folder), files))
}

/// The libraries of the Java client, which Java itself compiles when it runs it. Tests only.
fn java(workspace: &Workspace) -> Result<(), Failure> {
    maven(workspace, "java", "the libraries of the Java client", "dependency:copy-dependencies")
}

/// Keycloak, for `cargo xtask providers` alone.
pub(crate) fn keycloak(workspace: &Workspace) -> Result<(), Failure> {
    maven(workspace, "keycloak", "Keycloak", "dependency:unpack-dependencies")
}

/// What the pom of `tests/clients/<name>` names.
fn maven(workspace: &Workspace, name: &'static str, what: &'static str, goal: &str) -> Result<(), Failure> {
    let pom = workspace.root.join("tests/clients").join(name).join("pom.xml");
    let part = Part { name, what, pins: vec![pom.clone()] };
    part.install(&workspace.test_bed(), |folder, installer, _| {
        let mut maven = Command::new("mvn");
        maven.args(["--batch-mode", "--no-transfer-progress", "--strict-checksums", "--file"]).arg(&pom);
        maven.arg(goal).arg(format!("-DoutputDirectory={}", folder.display()));
        // Maven notes what it has unpacked, beside the pom unless told otherwise, and does not do it again.
        installer.run(maven.arg(format!("-DmarkersDirectory={}", folder.join("unpacked").display())))
    })
}

struct Part {
    /// Its folder under `test-bed`.
    name: &'static str,
    what: &'static str,
    /// The files that pin its versions.
    pins: Vec<PathBuf>,
}

impl Part {
    fn install(
        &self,
        bed: &Path,
        installation: impl FnOnce(&Path, &mut Installer, &[PathBuf]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let folder = bed.join(self.name);
        let above = folder.parent().unwrap_or(bed);
        fs::create_dir_all(above).map_err(Failure::because(above.display()))?;
        let file = |kind: &str| bed.join(format!("{}.{kind}", self.name));

        // Two tasks at once: the second waits, and then finds the part in place. The lock ends with this function.
        let lock = file("lock");
        let lock = File::create(&lock).map_err(Failure::because(lock.display()))?;
        lock.lock().map_err(Failure::because("the lock of the test bed"))?;

        let stamp = Stamp::of(&folder, &self.pins)?;
        if stamp.is_at(&file("stamp")) && folder.is_dir() {
            println!("parts: in place: {}", self.what);
            return Ok(());
        }
        println!("parts: installing {} …", self.what);
        let mut installer = Installer { log: file("log"), stopwatch: Stopwatch::start(), told: 0.0 };
        // INVARIANT (stamp last): the stamp goes before the first change to the folder and comes back after the last
        // one, so that no interruption leaves a stamp beside half a part.
        remove(&file("stamp"), |path| fs::remove_file(path))?;
        remove(&folder, |path| fs::remove_dir_all(path))?;
        remove(&installer.log, |path| fs::remove_file(path))?;
        installation(&folder, &mut installer, &self.pins)?;
        stamp.write(&file("stamp"))?;
        println!("parts: installed in {:.0} s: {}", installer.stopwatch.seconds(), self.what);
        Ok(())
    }
}

/// What a part is installed from: its place (a Python environment works nowhere else) and its pins, word for word.
struct Stamp(String);

impl Stamp {
    fn of(folder: &Path, pins: &[PathBuf]) -> Result<Self, Failure> {
        let mut text = format!("{}\n", folder.display());
        for pin in pins {
            text += &fs::read_to_string(pin).map_err(Failure::because(pin.display()))?;
        }
        Ok(Self(text))
    }

    fn is_at(&self, path: &Path) -> bool {
        fs::read_to_string(path).is_ok_and(|found| found == self.0)
    }

    /// A rename, so that half a stamp is never read.
    fn write(&self, path: &Path) -> Result<(), Failure> {
        let draft = path.with_extension("stamp-draft");
        fs::write(&draft, &self.0).map_err(Failure::because(draft.display()))?;
        fs::rename(&draft, path).map_err(Failure::because(path.display()))
    }
}

fn remove(path: &Path, removal: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), Failure> {
    match removal(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::because(path.display())(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Runs the commands that install a part, one after the other.
struct Installer {
    /// What they print.
    log: PathBuf,
    stopwatch: Stopwatch,
    /// The last time, in seconds, at which the user heard of it.
    told: f64,
}

impl Installer {
    /// Says every ten seconds that it is still at work, and shows the end of the log if the command fails.
    fn run(&mut self, command: &mut Command) -> Result<(), Failure> {
        let output = File::options().create(true).append(true).open(&self.log);
        let output = output.map_err(Failure::because(self.log.display()))?;
        let errors = output.try_clone().map_err(Failure::because(self.log.display()))?;
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let mut child = child.map_err(Failure::because(format!("`{}`", shown(command))))?;

        let status = loop {
            if let Some(status) = child.try_wait().map_err(Failure::because(shown(command)))? {
                break status;
            }
            thread::sleep(Duration::from_millis(50));
            if self.stopwatch.seconds() >= self.told + 10.0 {
                self.told += 10.0;
                println!("parts: still installing, {:.0} s", self.told);
            }
        };
        if status.success() {
            return Ok(());
        }
        let printed = fs::read_to_string(&self.log).unwrap_or_default();
        Err(Failure::new(format!("`{}`: {status}\n{}", shown(command), last_lines(&printed, 30))))
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installs_once_and_again_only_when_a_pin_changes() {
        let bed = Bed::new("once");
        assert_eq!(bed.install(), Ok(true));
        assert_eq!(bed.install(), Ok(false));
        fs::write(bed.pin(), "part==2\n").unwrap();
        assert_eq!(bed.install(), Ok(true));
        assert_eq!(bed.install(), Ok(false));
    }

    #[test]
    fn an_installation_that_fails_is_not_done_and_starts_over_clean() {
        let bed = Bed::new("fails");
        assert_eq!(bed.install(), Ok(true));
        fs::write(bed.pin(), "part==2\n").unwrap();
        assert!(
            bed.install_with(|folder, _, _| {
                fs::create_dir_all(folder).unwrap();
                fs::write(folder.join("half"), "").unwrap();
                Err(Failure::new("interrupted"))
            })
            .is_err()
        );
        assert!(!bed.0.join("part.stamp").exists());
        assert_eq!(bed.install(), Ok(true));
        assert!(!bed.0.join("part/half").exists());
    }

    #[test]
    fn a_part_whose_folder_is_gone_is_installed_again() {
        let bed = Bed::new("gone");
        assert_eq!(bed.install(), Ok(true));
        fs::remove_dir_all(bed.0.join("part")).unwrap();
        assert_eq!(bed.install(), Ok(true));
    }

    #[test]
    fn a_part_that_was_moved_is_installed_again() {
        let (one, other) = (Bed::new("one"), Bed::new("other"));
        assert_eq!(one.install(), Ok(true));
        fs::rename(one.0.join("part"), other.0.join("part")).unwrap();
        fs::rename(one.0.join("part.stamp"), other.0.join("part.stamp")).unwrap();
        assert_eq!(other.install(), Ok(true));
    }

    #[test]
    fn a_failed_installer_shows_the_end_of_its_log() {
        let bed = Bed::new("log");
        let mut installer =
            Installer { log: bed.0.join("part.log"), stopwatch: Stopwatch::start(), told: 0.0 };
        assert!(installer.run(&mut Command::new("true")).is_ok());
        let mut command = Command::new("sh");
        command.args(["-c", "echo first; seq 40; echo why >&2; exit 3"]);
        let failure = installer.run(&mut command).unwrap_err().to_string();
        assert!(failure.contains("exit status: 3") && failure.ends_with("why"), "{failure}");
        assert!(!failure.contains("\nfirst\n"), "{failure}");
    }

    /// A test bed in a folder of its own, with one part and one pin.
    struct Bed(PathBuf);

    impl Bed {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("xtask-parts-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let bed = Self(folder);
            fs::write(bed.pin(), "part==1\n").unwrap();
            bed
        }

        fn pin(&self) -> PathBuf {
            self.0.join("pins.txt")
        }

        /// Whether there was anything to install.
        fn install(&self) -> Result<bool, String> {
            let mut installed = false;
            let done = self.install_with(|folder, _, _| {
                installed = true;
                fs::create_dir_all(folder).map_err(Failure::because("folder"))
            });
            done.map(|()| installed).map_err(|failure| failure.to_string())
        }

        fn install_with(
            &self,
            installation: impl FnOnce(&Path, &mut Installer, &[PathBuf]) -> Result<(), Failure>,
        ) -> Result<(), Failure> {
            Part { name: "part", what: "a part", pins: vec![self.pin()] }.install(&self.0, installation)
        }
    }

    impl Drop for Bed {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
