//! `cargo xtask package`: builds what you upload to Lambda, and the files that describe it.
//!
//! ```text
//! <target>/package/vault-authorizer-<architecture>.zip        bootstrap, and its licences
//! <target>/package/vault-authorizer-<architecture>.cdx.json   what that bootstrap contains (CycloneDX)
//! <target>/package/orders-<architecture>.zip, .cdx.json       the same of the sample integration
//! <target>/package/THIRD-PARTY-LICENSES.txt, RUST-STANDARD-LIBRARY.html
//! <target>/package/SHA256SUMS                                 of all of these
//! ```
//!
//! INVARIANT (same bytes): nothing here reads a clock, a host or a folder's name into what it writes; every list is sorted.

mod archive;
mod contents;
mod licences;
mod sbom;

use crate::optimized::{self, Binary, COMMAND, FUNCTIONS, Places};
use crate::workspace::{self, Failure, Stopwatch, Workspace, said};
use crate::{cargo, glibc, machine};
use archive::Archive;
use contents::Cargo;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    let functions = build(workspace, &FUNCTIONS)?;
    let folder = workspace.target.join("package");
    renew(&folder)?;
    write_all(workspace, &folder, &source, &functions)?;

    let mut sums = String::new();
    for name in files(&folder)? {
        let bytes = read(&folder.join(&name))?;
        let size = bytes.len();
        println!("package: {name}: {size} bytes");
        if name.ends_with(".zip") && size > LARGEST_ZIP {
            return Err(Failure::new(format!("{name} has {size} bytes, but the limit is {LARGEST_ZIP}")));
        }
        sums += &format!("{}  {name}\n", sha256(&bytes)?);
    }
    write(&folder.join(SUMS), sums.as_bytes())?;
    println!("package: in {}\n{sums}", folder.display());
    Ok(())
}

/// Packs the command line into a folder: the binary with its licences, and what it contains.
pub(crate) fn command(workspace: &Workspace, folder: &Path) -> Result<(), Failure> {
    let source = Source::find(workspace)?;
    let programs = build(workspace, &[COMMAND])?;
    let cargo = Cargo::read(workspace)?;
    let texts = texts(&cargo, &[COMMAND])?;
    let (package, name) = COMMAND;
    for program in &programs {
        let binary = read(&program.file)?;
        let contents = cargo.contents(package, program.architecture.triple)?;
        let sbom = sbom::cyclonedx(&cargo, &contents, program, &sha256(&binary)?, &source)?;
        write(&folder.join(format!("{}.cdx.json", program.name())), sbom.as_bytes())?;
        let mut files = vec![(name, archive::PROGRAM, binary.as_slice())];
        files.extend(texts.iter().map(|(name, text)| (*name, archive::TEXT, text.as_slice())));
        let archive = archive::tar_gz(&program.name(), &files)?;
        write(&folder.join(format!("{}.tar.gz", program.name())), &archive)?;
    }
    Ok(())
}

/// The texts, and for each function its zip file and what it contains.
fn write_all(
    workspace: &Workspace,
    folder: &Path,
    source: &Source,
    functions: &[Program],
) -> Result<(), Failure> {
    let cargo = Cargo::read(workspace)?;
    let texts = texts(&cargo, &FUNCTIONS)?;
    for (name, text) in texts.iter().filter(|(name, _)| *name != "LICENSE") {
        write(&folder.join(name), text)?;
    }
    for function in functions {
        let (name, binary) = (function.name(), read(&function.file)?);
        let contents = cargo.contents(function.package, function.architecture.triple)?;
        let sbom = sbom::cyclonedx(&cargo, &contents, function, &sha256(&binary)?, source)?;
        write(&folder.join(format!("{name}.cdx.json")), sbom.as_bytes())?;
        let mut archive = Archive::new();
        archive.add("bootstrap", archive::PROGRAM, &binary)?;
        for (name, text) in &texts {
            archive.add(name, archive::TEXT, text)?;
        }
        write(&folder.join(format!("{name}.zip")), &archive.finish()?)?;
    }
    Ok(())
}

/// The licences of binaries. Of every architecture, built here or not: so the texts are the same on every machine.
fn texts(cargo: &Cargo, binaries: &[Binary]) -> Result<[(&'static str, Vec<u8>); 3], Failure> {
    let mut used = BTreeSet::new();
    for (package, _) in binaries {
        for architecture in &ARCHITECTURES {
            used.extend(cargo.contents(package, architecture.triple)?.packages);
        }
    }
    Ok([
        ("LICENSE", read(&cargo.workspace.root.join("LICENSE"))?),
        ("RUST-STANDARD-LIBRARY.html", licences::of_the_standard_library(&cargo.rust)?),
        ("THIRD-PARTY-LICENSES.txt", licences::of_packages(cargo, &used)?.into_bytes()),
    ])
}

pub(crate) const SUMS: &str = "SHA256SUMS";

/// What a cold start has to fetch.
const LARGEST_ZIP: usize = 4_000_000;

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
            "the second build, kept in {}, has different bytes:\n{}",
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
    let (package, binary) = optimized::AUTHORIZER;
    optimized::build(&elsewhere, &["--package", package, "--bin", binary])?;
    let (one, other) = (workspace.release_binary(binary), elsewhere.release_binary(binary));
    if read(&one)? != read(&other)? {
        return Err(Failure::new(format!("{} and {} have different bytes", one.display(), other.display())));
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
        println!("package: the tree has uncommitted changes, so a copy of the tree is compared");
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
    let mut listing = workspace.git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
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

/// An architecture of Lambda's, under its name there.
struct Architecture {
    name: &'static str,
    triple: &'static str,
    /// As Debian calls it.
    debian: &'static str,
}

static ARCHITECTURES: [Architecture; 2] = [
    Architecture { name: "x86_64", triple: "x86_64-unknown-linux-gnu", debian: "amd64" },
    Architecture { name: "arm64", triple: "aarch64-unknown-linux-gnu", debian: "arm64" },
];

/// A binary that is built.
struct Program {
    package: &'static str,
    architecture: &'static Architecture,
    file: PathBuf,
}

impl Program {
    /// As the files about it are called.
    fn name(&self) -> String {
        format!("{}-{}", self.package, self.architecture.name)
    }
}

/// Each binary for each architecture that this machine can build for, checked. What it cannot is said, and nothing stands for it.
fn build(workspace: &Workspace, binaries: &[Binary]) -> Result<Vec<Program>, Failure> {
    let host = cargo::rustc_field("host")?;
    let mut programs = Vec::new();
    for architecture in &ARCHITECTURES {
        let triple = architecture.triple;
        let mut add = |folder: &Path| {
            let of =
                |&(package, binary): &Binary| Program { package, architecture, file: folder.join(binary) };
            programs.extend(binaries.iter().map(of));
        };
        if triple == host {
            for (package, binary) in binaries {
                optimized::build(workspace, &["--package", package, "--bin", binary])?;
            }
            add(&workspace.target.join("release"));
            continue;
        }
        match Linker::find(architecture) {
            Ok(linker) => {
                for (package, binary) in binaries {
                    let what = ["--package", package, "--bin", binary, "--target", triple];
                    workspace::run(linker.set(&mut optimized::cargo_build(workspace, &what)?))?;
                }
                add(&workspace.target.join(triple).join("release"));
            }
            Err(lack) => println!("package: skipped {}: {lack}", architecture.name),
        }
    }
    if programs.is_empty() {
        return Err(Failure::new("this machine can build for neither of Lambda's architectures"));
    }
    let places = Places::find(workspace)?;
    for program in &programs {
        glibc::check(&program.file)?;
        check_paths(&places, &program.file)?;
    }
    Ok(programs)
}

/// What links for another architecture.
struct Linker {
    /// As Cargo is told of it.
    variable: String,
    program: String,
}

impl Linker {
    /// Or what is lacking, and how to get it.
    fn find(architecture: &Architecture) -> Result<Self, String> {
        let Architecture { triple, debian, .. } = architecture;
        let folder = said(cargo::rustc().args(["--print", "target-libdir", "--target", triple]));
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
    let found = places.found_in(&read(file)?);
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} contains paths of this machine: {}", file.display(), found.join(", "))))
}

/// What the packages are made of.
pub(crate) struct Source {
    /// In RFC 3339, when it was committed.
    pub(crate) time: String,
    /// Empty where no git knows it.
    pub(crate) commit: String,
}

impl Source {
    /// `SOURCE_DATE_EPOCH`, which is everyone's word for it, else the commit's time.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self, Failure> {
        let known = said(&mut workspace.git(&["rev-parse", "HEAD"]));
        let seconds = match (std::env::var("SOURCE_DATE_EPOCH"), &known) {
            (Ok(seconds), _) => seconds,
            (Err(_), Ok(_)) => said(&mut workspace.git(&["log", "-1", "--format=%ct"]))?,
            (Err(_), Err(failure)) => {
                return Err(Failure::new(format!(
                    "{failure}\nthe packages carry the time of the commit: outside a clone, set SOURCE_DATE_EPOCH"
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
pub(crate) fn changes(workspace: &Workspace) -> Result<String, Failure> {
    said(&mut workspace.git(&["status", "--porcelain"]))
}

/// By the command, which takes the bytes on its standard input.
pub(crate) fn sha256(bytes: &[u8]) -> Result<String, Failure> {
    let mut sum = Command::new("sha256sum");
    let mut sum =
        sum.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(Failure::because("sha256sum"))?;
    // Taken, so that it is closed: the command reads to the end.
    if let Some(mut input) = sum.stdin.take() {
        input.write_all(bytes).map_err(Failure::because("sha256sum"))?;
    }
    let output = sum.wait_with_output().map_err(Failure::because("sha256sum"))?;
    let line = String::from_utf8_lossy(&output.stdout);
    let sum = line.split(' ').next().filter(|sum| sum.len() == 64);
    sum.map(str::to_owned).ok_or_else(|| Failure::new(format!("sha256sum says `{line}`")))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(Failure::because(path.display()))
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(Failure::because(path.display()))
}

/// The names of a folder's files.
pub(crate) fn files(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::because(folder.display()))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// An empty folder, whatever was there.
pub(crate) fn renew(folder: &Path) -> Result<(), Failure> {
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
        let sparc = Architecture { name: "sparc", triple: "sparcv9-sun-solaris", debian: "sparc64" };
        let told = Linker::find(&sparc).err().expect("nobody installs this target");
        assert!(told.contains("rustup target add sparcv9-sun-solaris"), "{told}");
    }

    #[test]
    fn a_sum_is_the_first_word_of_what_sha256sum_says() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            sha256(b"abc").unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_function_is_named_as_lambda_names_its_architecture() {
        let [_, architecture] = &ARCHITECTURES;
        let function = Program { package: "orders", architecture, file: PathBuf::new() };
        assert_eq!(function.name(), "orders-arm64");
    }
}
