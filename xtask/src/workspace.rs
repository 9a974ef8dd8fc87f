//! Where the workspace is, and how its tasks run a command.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The workspace's folders.
pub(crate) struct Workspace {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, absolute.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = root.parent().ok_or_else(|| Failure::new("the package is not in a workspace"))?;
        Ok(Self { root: root.to_owned(), target: target_folder(root)? })
    }

    /// A Cargo command in the workspace. It is told the target folder, since not every command starts in the root.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.args(arguments).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// A git command in the repository.
    pub(crate) fn git(&self, arguments: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(&self.root);
        git
    }

    /// The files that git tracks, by their path below the root.
    pub(crate) fn tracked_files(&self) -> Result<Vec<String>, Failure> {
        let names = said(&mut self.git(&["ls-files", "-z"]))?;
        Ok(names.split_terminator('\0').map(str::to_owned).collect())
    }

    /// The path of a binary built in release.
    pub(crate) fn release_binary(&self, name: &str) -> PathBuf {
        self.target.join("release").join(name)
    }

    /// Where the parts of the test bed are installed.
    pub(crate) fn test_bed(&self) -> PathBuf {
        self.target.join("test-bed")
    }
}

/// `CARGO_TARGET_DIR`; else the folder that Cargo marked as its own and built this very program into, which covers a
/// `build.target-dir` of the user's; else `target`.
fn target_folder(root: &Path) -> Result<PathBuf, Failure> {
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        return std::path::absolute(folder).map_err(Failure::because("CARGO_TARGET_DIR is not a path"));
    }
    let program = std::env::current_exe().map_err(Failure::because("this program has no path"))?;
    let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(marked.map_or_else(|| root.join("target"), Path::to_owned))
}

/// Runs a command to its end, and takes what it says. Its errors are shown as they come.
pub(crate) fn said(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(Failure::because(format!("`{}`", shown(command))))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{}`: {}", shown(command), output.status)));
    }
    String::from_utf8(output.stdout).map_err(Failure::because(format!("`{}`", shown(command))))
}

/// Runs a command to its end, its output shown as it comes.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(Failure::because(format!("`{}`", shown(command))))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{}`: {status}", shown(command)))) }
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Why a task stopped, for the person who ran it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For `map_err`: what was being done, then the error.
    pub(crate) fn because<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Measures how long a step takes.
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "a task on a developer's machine, where no clock is frozen"
    )]
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
