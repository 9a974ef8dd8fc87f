//! Writes the packages of functions that are built already. `cargo xtask package` builds them, calls this, and says where
//! to.
//!
//! ```text
//! <folder>/<package>-<architecture>.zip        bootstrap, and the texts below
//! <folder>/<package>-<architecture>.cdx.json   what that `bootstrap` contains, as CycloneDX
//! <folder>/THIRD-PARTY-LICENSES.txt            the licences of what any function contains on any architecture
//! <folder>/RUST-STANDARD-LIBRARY.html          those of the standard library, as the toolchain has them
//! ```
//!
//! INVARIANT (same bytes): nothing here reads a clock, a host or a folder's name into what it writes; every list is sorted.
#![expect(clippy::print_stderr, reason = "a command line prints")]

mod archive;
mod contents;
mod licences;
mod sbom;

use archive::Archive;
use contents::Cargo;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("packaging: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The triples that a function may be built for, and Lambda's names of their architectures.
const TARGETS: [(&str, &str); 2] =
    [("x86_64-unknown-linux-gnu", "x86_64"), ("aarch64-unknown-linux-gnu", "arm64")];

fn run(arguments: &[String]) -> Result<(), Failure> {
    let [folder, source, functions @ ..] = arguments else { return Err(Failure::new(USAGE)) };
    let folder = Path::new(folder);
    let source = Source::parse(source)?;
    let functions = functions.iter().map(|text| Function::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let cargo = Cargo::read()?;

    // Of every architecture, built here or not: so the texts are the same on every machine.
    let mut used = BTreeSet::new();
    for package in functions.iter().map(|function| function.package.as_str()).collect::<BTreeSet<_>>() {
        for (triple, _) in TARGETS {
            used.extend(cargo.contents(package, triple)?.packages);
        }
    }
    let texts = [
        ("LICENSE", read(&cargo.root.join("LICENSE"))?),
        ("RUST-STANDARD-LIBRARY.html", licences::of_the_standard_library(&cargo.rust)?),
        ("THIRD-PARTY-LICENSES.txt", licences::of_packages(&cargo, &used)?.into_bytes()),
    ];
    for (name, text) in texts.iter().filter(|(name, _)| *name != "LICENSE") {
        write(&folder.join(name), text)?;
    }
    for function in &functions {
        let contents = cargo.contents(&function.package, function.triple)?;
        let sbom = sbom::cyclonedx(&cargo, &contents, function, &source)?;
        write(&folder.join(format!("{}.cdx.json", function.name())), sbom.as_bytes())?;
        let mut archive = Archive::new();
        archive.add("bootstrap", archive::PROGRAM, &read(&function.binary)?)?;
        for (name, text) in &texts {
            archive.add(name, archive::TEXT, text)?;
        }
        write(&folder.join(format!("{}.zip", function.name())), &archive.finish()?)?;
    }
    Ok(())
}

const USAGE: &str = "usage: packaging <folder> <time>,<commit> <package>,<triple>,<SHA-256>,<binary>…";

/// What the packages are made of.
struct Source {
    /// When, in RFC 3339.
    time: String,
    /// The commit, with `-dirty` where the tree holds more; empty where no git knows it.
    commit: String,
}

impl Source {
    fn parse(text: &str) -> Result<Self, Failure> {
        let (time, commit) = text.split_once(',').ok_or_else(|| Failure::new(USAGE))?;
        Ok(Self { time: time.to_owned(), commit: commit.to_owned() })
    }
}

/// A function that is built.
struct Function {
    package: String,
    triple: &'static str,
    architecture: &'static str,
    sha256: String,
    binary: PathBuf,
}

impl Function {
    fn parse(text: &str) -> Result<Self, Failure> {
        let mut fields = text.splitn(4, ',');
        let mut field = || fields.next().ok_or_else(|| Failure::new(USAGE));
        let (package, triple, sha256, binary) = (field()?, field()?, field()?, field()?);
        let target = TARGETS.into_iter().find(|(known, _)| *known == triple);
        let (triple, architecture) =
            target.ok_or_else(|| Failure::new(format!("Lambda has no architecture for `{triple}`")))?;
        Ok(Self {
            package: package.to_owned(),
            triple,
            architecture,
            sha256: sha256.to_owned(),
            binary: binary.into(),
        })
    }

    /// As the files about it are called.
    fn name(&self) -> String {
        format!("{}-{}", self.package, self.architecture)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(Failure::because(path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(Failure::because(path.display()))
}

/// Why there is no package, for the person who wanted one.
#[derive(Debug)]
struct Failure(String);

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For `map_err`: what was being done, then the error.
    fn because<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_as_lambda_names_its_architecture() {
        let function = Function::parse("orders,aarch64-unknown-linux-gnu,00ff,/a,b/orders").unwrap();
        assert_eq!(function.name(), "orders-arm64");
        assert_eq!(function.binary, Path::new("/a,b/orders"));
    }

    #[test]
    fn rejects_an_architecture_that_lambda_does_not_have() {
        let failure = Function::parse("orders,riscv64gc-unknown-linux-gnu,00ff,/orders").err().unwrap();
        assert_eq!(failure.to_string(), "Lambda has no architecture for `riscv64gc-unknown-linux-gnu`");
    }
}
