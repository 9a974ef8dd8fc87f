//! `cargo xtask package`: what is uploaded to Lambda, and what says what it is.
//!
//! ```text
//! <target>/package/vault-authorizer-<architecture>.zip        bootstrap, and its licences
//! <target>/package/vault-authorizer-<architecture>.cdx.json   what that bootstrap contains (CycloneDX)
//! <target>/package/orders-<architecture>.zip, .cdx.json       the same of the sample integration
//! <target>/package/THIRD-PARTY-LICENSES.txt, RUST-STANDARD-LIBRARY.html
//! <target>/package/SHA256SUMS                                 of all of these
//! ```
//!
//! This builds and checks; the package `packaging`, which needs a reader of JSON and a writer of zip files, writes.

use crate::release::{self, FUNCTIONS, Places};
use crate::workspace::{self, Failure, Stopwatch, Workspace, said};
use crate::{glibc, machine};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo xtask package`.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    let twice = match arguments {
        [] => false,
        ["--twice"] => true,
        _ => return Err(Failure::new(format!("package takes `--twice`, not `{}`", arguments.join(" ")))),
    };
    machine::require(&[machine::COREUTILS])?;
    package(workspace)?;
    if twice { again(workspace) } else { Ok(()) }
}

/// Builds the functions, checks them, and packs them.
pub(crate) fn package(workspace: &Workspace) -> Result<(), Failure> {
    let source = Source::find(workspace)?;
    println!("package: of {}", if source.commit.is_empty() { "no commit" } else { &source.commit });
    let binaries = build(workspace)?;
    let places = Places::find(workspace)?;
    for binary in &binaries {
        glibc::check(&binary.file)?;
        check_paths(&places, &binary.file)?;
    }
    let folder = workspace.target.join("package");
    renew(&folder)?;
    let mut packaging = workspace.cargo(["run", "--quiet", "--locked", "--package", "packaging", "--"]);
    packaging.arg(&folder).arg(format!("{},{}", source.time, source.commit));
    for binary in &binaries {
        let file =
            binary.file.to_str().ok_or_else(|| Failure::new("the target folder's path is not UTF-8"))?;
        packaging.arg(format!("{},{},{},{file}", binary.package, binary.triple, sha256(&binary.file)?));
    }
    workspace::run(&mut packaging)?;

    let files = files(&folder)?;
    let sums = said(Command::new("sha256sum").args(&files).current_dir(&folder))?;
    fs::write(folder.join(SUMS), &sums).map_err(Failure::because(SUMS))?;
    for name in &files {
        let size = fs::metadata(folder.join(name)).map_err(Failure::because(name))?.len();
        println!("package: {name}: {size} bytes");
        if name.ends_with(".zip") && size > LARGEST_ZIP {
            return Err(Failure::new(format!("{name} has {size} bytes, and may have {LARGEST_ZIP}")));
        }
    }
    println!("package: in {}\n{sums}", folder.display());
    Ok(())
}

const SUMS: &str = "SHA256SUMS";

/// What a cold start has to fetch.
const LARGEST_ZIP: u64 = 4_000_000;

/// Packs the same commit again, in a fresh clone and with a target folder of its own: every byte must be the same.
fn again(workspace: &Workspace) -> Result<(), Failure> {
    let (place, elsewhere) = elsewhere(workspace)?;
    let (clone, target) = (&elsewhere.root, &elsewhere.target);
    let stopwatch = Stopwatch::start();
    let mut cargo = workspace.cargo(["xtask", "package"]);
    workspace::run(cargo.current_dir(clone).env("CARGO_TARGET_DIR", target))?;
    let sums = |target: &Path| {
        let file = target.join("package").join(SUMS);
        fs::read_to_string(&file).map_err(Failure::because(file.display()))
    };
    let (one, other) = (sums(&workspace.target)?, sums(target)?);
    let different = different_lines(&one, &other);
    if !different.is_empty() {
        return Err(Failure::new(format!(
            "the second build, kept in {}, has other bytes:\n{}",
            place.display(),
            different.join("\n")
        )));
    }
    println!(
        "package: built again in {}, in {:.0} s: all {} files have the same bytes",
        clone.display(),
        stopwatch.seconds(),
        one.lines().count()
    );
    // A gigabyte, and it has said what it can say.
    fs::remove_dir_all(&place).map_err(Failure::because(place.display()))
}

/// As one of the checks: the authorizer's binary, which takes longest and matters most, built again and compared. `--twice`
/// compares all files.
pub(crate) fn authorizer_again(workspace: &Workspace) -> Result<(), Failure> {
    let (place, elsewhere) = elsewhere(workspace)?;
    let (package, binary) = release::AUTHORIZER;
    release::build(&elsewhere, &["--package", package, "--bin", binary])?;
    let (one, other) = (workspace.release_binary(binary), elsewhere.release_binary(binary));
    if sha256(&one)? != sha256(&other)? {
        return Err(Failure::new(format!("{} and {} have other bytes", one.display(), other.display())));
    }
    println!("package: {binary}: built again in {}: the same bytes", elsewhere.root.display());
    fs::remove_dir_all(&place).map_err(Failure::because(place.display()))
}

/// The same commit in a fresh clone, with a target folder of its own, and the folder that holds both.
fn elsewhere(workspace: &Workspace) -> Result<(PathBuf, Workspace), Failure> {
    let place = workspace.target.join("package-again");
    renew(&place)?;
    let (root, target) = (place.join("clone"), place.join("target"));
    workspace::run(Command::new("git").args(["clone", "--quiet"]).arg(&workspace.root).arg(&root))?;
    if !changes(workspace)?.is_empty() {
        println!("package: the tree is not as committed: what is compared is a copy of the tree");
        copy_tree(workspace, &root)?;
    }
    Ok((place, Workspace { root, target }))
}

fn different_lines<'l>(one: &'l str, other: &'l str) -> Vec<&'l str> {
    let only = |these: &'l str, those: &'l str| {
        these.lines().filter(|line| !those.lines().any(|that| that == *line))
    };
    only(one, other).chain(only(other, one)).collect()
}

/// What git ignores is left out, as a clone leaves it out.
fn copy_tree(workspace: &Workspace, to: &Path) -> Result<(), Failure> {
    let mut listing = git(workspace, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    for name in said(&mut listing)?.split_terminator('\0') {
        let (from, to) = (workspace.root.join(name), to.join(name));
        if from.is_file() {
            let folder = to.parent().unwrap_or(&to);
            fs::create_dir_all(folder).map_err(Failure::because(folder.display()))?;
            fs::copy(&from, &to).map_err(Failure::because(from.display()))?;
        } else if to.exists() {
            fs::remove_file(&to).map_err(Failure::because(to.display()))?;
        }
    }
    Ok(())
}

/// A function's binary for one architecture.
struct Binary {
    package: &'static str,
    triple: &'static str,
    file: PathBuf,
}

/// Lambda's architectures, their triples, and what Debian calls them.
const TARGETS: [(&str, &str, &str); 2] =
    [("x86_64", "x86_64-unknown-linux-gnu", "amd64"), ("arm64", "aarch64-unknown-linux-gnu", "arm64")];

/// Each function for each architecture that this machine can build for. What it cannot is said, and nothing stands for it.
fn build(workspace: &Workspace) -> Result<Vec<Binary>, Failure> {
    let host = release::host()?;
    let mut binaries = Vec::new();
    for (architecture, triple, debian) in TARGETS {
        let mut add = |folder: &Path| {
            let of = |(package, binary)| Binary { package, triple, file: folder.join(binary) };
            binaries.extend(FUNCTIONS.map(of));
        };
        if triple == host {
            release::functions(workspace)?;
            add(&workspace.target.join("release"));
            continue;
        }
        match Linker::find(triple, debian) {
            Ok(linker) => {
                for (package, binary) in FUNCTIONS {
                    let what = ["--package", package, "--bin", binary, "--target", triple];
                    workspace::run(linker.set(&mut release::cargo_build(workspace, &what)?))?;
                }
                add(&workspace.target.join(triple).join("release"));
            }
            Err(lack) => println!("package: LEFT OUT: {architecture}: {lack}"),
        }
    }
    if binaries.is_empty() {
        return Err(Failure::new("this machine can build for neither of Lambda's architectures"));
    }
    Ok(binaries)
}

/// What links for another architecture.
struct Linker {
    /// As Cargo is told of it.
    variable: String,
    program: String,
}

impl Linker {
    /// Or what is lacking, and how to get it.
    fn find(triple: &str, debian: &str) -> Result<Self, String> {
        let folder = said(workspace::rustc().args(["--print", "target-libdir", "--target", triple]));
        let folder = folder.map_err(|failure| failure.to_string())?;
        let mut libraries = fs::read_dir(folder.trim_end()).into_iter().flatten().flatten();
        if !libraries.any(|library| library.file_name().to_string_lossy().starts_with("libstd-")) {
            return Err(format!("the toolchain has no standard library for it: rustup target add {triple}"));
        }
        let variable = format!("CARGO_TARGET_{}_LINKER", triple.to_ascii_uppercase().replace('-', "_"));
        // As Debian and Fedora call it, and as aws-lc-sys looks for its C compiler.
        let usual = format!("{}-gcc", triple.replace("-unknown", ""));
        let program = std::env::var(&variable).unwrap_or(usual);
        if !machine::answers(&[&program, "--version"]) {
            return Err(format!(
                "there is no linker `{program}`: on Debian and Ubuntu apt-get install crossbuild-essential-{debian}, \
                 or name another in {variable}"
            ));
        }
        Ok(Self { variable, program })
    }

    fn set<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env(&self.variable, &self.program)
    }
}

fn check_paths(places: &Places, file: &Path) -> Result<(), Failure> {
    let bytes = fs::read(file).map_err(Failure::because(file.display()))?;
    let found = places.found_in(&bytes);
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} holds paths of this machine: {}", file.display(), found.join(", "))))
}

/// What the packages are made of.
struct Source {
    /// In RFC 3339, when it was committed.
    time: String,
    /// Empty where no git knows it.
    commit: String,
}

impl Source {
    /// `SOURCE_DATE_EPOCH`, which is everyone's word for it, else the commit's time.
    fn find(workspace: &Workspace) -> Result<Self, Failure> {
        let known = said(&mut git(workspace, &["rev-parse", "HEAD"]));
        let seconds = match (std::env::var("SOURCE_DATE_EPOCH"), &known) {
            (Ok(seconds), _) => seconds,
            (Err(_), Ok(_)) => said(&mut git(workspace, &["log", "-1", "--format=%ct"]))?,
            (Err(_), Err(failure)) => {
                return Err(Failure::new(format!(
                    "{failure}\nthe packages bear the time of the commit: outside of a clone, set SOURCE_DATE_EPOCH"
                )));
            }
        };
        let date = format!("--date=@{}", seconds.trim_end());
        let time = said(Command::new("date").args(["--utc", &date, "+%Y-%m-%dT%H:%M:%SZ"]))?;
        let commit = match known {
            Ok(commit) if changes(workspace)?.is_empty() => commit.trim_end().to_owned(),
            Ok(commit) => format!("{}-dirty", commit.trim_end()),
            Err(_) => String::new(),
        };
        Ok(Self { time: time.trim_end().to_owned(), commit })
    }
}

/// What in the tree is not as committed.
fn changes(workspace: &Workspace) -> Result<String, Failure> {
    said(&mut git(workspace, &["status", "--porcelain"]))
}

fn git(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(&workspace.root);
    git
}

fn sha256(file: &Path) -> Result<String, Failure> {
    let line = said(Command::new("sha256sum").arg("--zero").arg(file))?;
    let sum = line.split(' ').next().filter(|sum| sum.len() == 64);
    sum.map(str::to_owned).ok_or_else(|| Failure::new(format!("sha256sum says `{line}`")))
}

/// The names of a folder's files.
fn files(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::because(folder.display()))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// An empty folder, whatever was there.
fn renew(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Failure::because(folder.display()))?;
    }
    fs::create_dir_all(folder).map_err(Failure::because(folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_other_bytes_and_one_that_is_missing_are_told() {
        assert_eq!(different_lines("1  a\n2  b\n", "1  a\n2  b\n"), [""; 0]);
        assert_eq!(different_lines("1  a\n2  b\n3  c\n", "1  a\n4  b\n"), ["2  b", "3  c", "4  b"]);
    }

    #[test]
    fn what_cannot_be_built_for_is_told_with_its_remedy() {
        let told = Linker::find("sparcv9-sun-solaris", "sparc").err().expect("nobody installs this target");
        assert!(told.contains("rustup target add sparcv9-sun-solaris"), "{told}");
    }

    #[test]
    fn a_sum_is_the_first_word_of_what_sha256sum_says() {
        let file = std::env::temp_dir().join(format!("xtask-package-{}", std::process::id()));
        fs::write(&file, "abc").unwrap();
        let sum = sha256(&file);
        fs::remove_file(&file).unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(sum.unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
