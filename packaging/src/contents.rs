//! What a binary contains, in Cargo's own words.
//!
//! `cargo tree` resolves features as `cargo build --package` does, and leaves out what runs at build time only. `cargo
//! metadata` alone would not do: it takes the features that all members want together.

use crate::{Failure, TARGETS};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The packages of one binary, the binary's own among them.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Contents {
    pub(crate) own: Id,
    pub(crate) packages: BTreeSet<Id>,
    pub(crate) features: BTreeMap<Id, String>,
    /// What each is linked with.
    pub(crate) dependencies: BTreeMap<Id, BTreeSet<Id>>,
}

/// A package's name and version. No two are alike: all come from one registry, or are members.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Id {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// What Cargo knows of a package.
pub(crate) struct Package {
    pub(crate) licence: String,
    /// As the manifest names them: `Name <address>`. Many name none.
    pub(crate) authors: Vec<String>,
    pub(crate) description: Option<String>,
    pub(crate) repository: Option<String>,
    /// Where its source lies.
    pub(crate) folder: PathBuf,
    /// The SHA-256 of the registry's file, from `Cargo.lock`. A member has none.
    pub(crate) checksum: Option<String>,
}

impl Package {
    pub(crate) fn is_member(&self) -> bool {
        self.checksum.is_none()
    }
}

/// The workspace, its lock file and the toolchain.
pub(crate) struct Cargo {
    pub(crate) root: PathBuf,
    pub(crate) rust: Rust,
    packages: BTreeMap<Id, Package>,
}

impl Cargo {
    pub(crate) fn read() -> Result<Self, Failure> {
        let mut metadata = cargo(["metadata", "--locked", "--format-version", "1"]);
        for (triple, _) in TARGETS {
            metadata.args(["--filter-platform", triple]);
        }
        let metadata = output(metadata)?;
        let metadata: Value =
            serde_json::from_str(&metadata).map_err(Failure::because("`cargo metadata`"))?;
        let root = text(&metadata, "workspace_root")?;
        let lock = Path::new(&root).join("Cargo.lock");
        let lock = fs::read_to_string(&lock).map_err(Failure::because(lock.display()))?;
        let checksums = checksums(&lock);
        let listed = metadata.get("packages").and_then(Value::as_array);
        let mut packages = BTreeMap::new();
        for package in listed.ok_or_else(|| Failure::new("`cargo metadata` lists no packages"))? {
            let id = Id { name: text(package, "name")?, version: text(package, "version")? };
            let manifest = text(package, "manifest_path")?;
            let folder = Path::new(&manifest).parent().unwrap_or(Path::new("")).to_owned();
            let optional = |key| package.get(key).and_then(Value::as_str).map(str::to_owned);
            // `MIT/Apache-2.0` is how it was written before SPDX had expressions.
            let licence = text(package, "license")?.replace('/', " OR ");
            let (description, repository) = (optional("description"), optional("repository"));
            let authors = package.get("authors").and_then(Value::as_array).into_iter().flatten();
            let authors = authors.filter_map(Value::as_str).map(str::to_owned).collect();
            let checksum = checksums.get(&id).cloned();
            packages.insert(id, Package { licence, authors, description, repository, folder, checksum });
        }
        Ok(Self { root: root.into(), rust: Rust::read()?, packages })
    }

    pub(crate) fn package(&self, id: &Id) -> Result<&Package, Failure> {
        self.packages.get(id).ok_or_else(|| Failure::new(format!("`cargo metadata` does not know {id}")))
    }

    /// What the binary of a package contains when it is built for a triple.
    pub(crate) fn contents(&self, package: &str, triple: &str) -> Result<Contents, Failure> {
        let mut tree = cargo(["tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "depth"]);
        // A package's features before its path, which only members have and which may hold any character.
        tree.args(["--charset", "ascii", "--format", "|{f}|{p}", "--package", package, "--target", triple]);
        tree.current_dir(&self.root);
        parse_tree(&output(tree)?)
            .ok_or_else(|| Failure::new("`cargo tree` prints another form than expected"))
    }
}

/// The toolchain, whose standard library is in every binary.
pub(crate) struct Rust {
    pub(crate) version: String,
    pub(crate) sysroot: PathBuf,
}

impl Rust {
    fn read() -> Result<Self, Failure> {
        let rustc = || Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc")));
        let (mut verbose, mut sysroot) = (rustc(), rustc());
        verbose.arg("-vV");
        sysroot.args(["--print", "sysroot"]);
        let verbose = output(verbose)?;
        let version = verbose.lines().find_map(|line| line.strip_prefix("release: "));
        let version = version.ok_or_else(|| Failure::new("`rustc -vV` names no release"))?.to_owned();
        Ok(Self { version, sysroot: output(sysroot)?.trim_end().into() })
    }
}

/// ```text
/// 0||vault-authorizer v0.1.0 (/src/authorizer)
/// 1|default,std|url v2.5.8
/// 2|alloc,std|percent-encoding v2.3.2 (*)
/// ```
fn parse_tree(printed: &str) -> Option<Contents> {
    let mut path: Vec<Id> = Vec::new();
    let mut packages = BTreeSet::new();
    let (mut features, mut dependencies) = (BTreeMap::new(), BTreeMap::<Id, BTreeSet<Id>>::new());
    for line in printed.lines() {
        let mut fields = line.splitn(3, '|');
        let (depth, active, package) = (fields.next()?, fields.next()?, fields.next()?);
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?);
        let id = Id { name: name.to_owned(), version: version.strip_prefix('v')?.to_owned() };
        path.truncate(depth.parse().ok()?);
        if let Some(parent) = path.last() {
            dependencies.entry(parent.clone()).or_default().insert(id.clone());
        }
        path.push(id.clone());
        features.insert(id.clone(), active.to_owned());
        packages.insert(id);
    }
    Some(Contents { own: path.first()?.clone(), packages, features, dependencies })
}

/// The SHA-256 of each package's file, as the lock file pins it.
fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let field = |package: &str, name: &str| {
        let value = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
        Some(value.trim_matches('"').to_owned())
    };
    let packages = lock.split("\n[[package]]\n").skip(1);
    packages
        .filter_map(|package| {
            let id = Id { name: field(package, "name")?, version: field(package, "version")? };
            Some((id, field(package, "checksum")?))
        })
        .collect()
}

fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments);
    command
}

fn output(mut command: Command) -> Result<String, Failure> {
    let shown = format!("{command:?}");
    let output = command.stderr(Stdio::inherit()).output().map_err(Failure::because(&shown))?;
    if !output.status.success() {
        return Err(Failure::new(format!("{shown}: {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(Failure::because(shown))
}

fn text(value: &Value, key: &str) -> Result<String, Failure> {
    let found = value.get(key).and_then(Value::as_str);
    let name = || value.get("name").and_then(Value::as_str).unwrap_or("the workspace");
    found
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("`cargo metadata`: {} has no `{key}`", name())))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn id(name: &str, version: &str) -> Id {
        Id { name: name.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn a_tree_is_read_with_its_edges() {
        let contents = parse_tree(
            "0||app v0.1.0 (/a folder|x/app)\n1|default,std|url v2.5.8\n2|alloc|idna v1.1.0\n1||other v1.0.0\n\
             2|default,std|url v2.5.8 (*)\n",
        )
        .unwrap();
        let (app, url, idna, other) =
            (id("app", "0.1.0"), id("url", "2.5.8"), id("idna", "1.1.0"), id("other", "1.0.0"));
        assert_eq!(contents.own, app);
        assert_eq!(contents.packages, [&app, &url, &idna, &other].map(Clone::clone).into());
        assert_eq!(contents.features[&url], "default,std");
        assert_eq!(contents.features[&other], "");
        assert_eq!(contents.dependencies[&app], [url.clone(), other.clone()].into());
        assert_eq!(contents.dependencies[&url], [idna].into());
        assert_eq!(contents.dependencies[&other], [url].into());
    }

    #[test]
    fn what_is_no_tree_is_told() {
        for printed in ["", "app v0.1.0\n", "0||app 0.1.0\n", "a||app v0.1.0\n", "0|\n"] {
            assert_eq!(parse_tree(printed), None, "{printed}");
        }
    }

    /// What is never linked, or only where another member asks for it: `serde_derive` runs in the compiler, `clap` is of the
    /// command line, `ring` and `quinn` are not asked for by anyone.
    #[test]
    fn the_authorizer_contains_what_it_links_and_no_more() {
        let cargo = Cargo::read().unwrap();
        let contents = cargo.contents("vault-authorizer", "x86_64-unknown-linux-gnu").unwrap();
        let names: BTreeSet<&str> = contents.packages.iter().map(|id| id.name.as_str()).collect();
        for name in [
            "authorizer-document",
            "aws-lc-sys",
            "lambda_runtime",
            "rustls",
            "serde_core",
            "vault-authorizer",
            "vault-context",
        ] {
            assert!(names.contains(name), "{name} is missing");
        }
        for name in ["cc", "clap", "proptest", "quinn", "ring", "serde_derive", "syn"] {
            assert!(!names.contains(name), "{name} is not in it");
        }
        for id in &contents.packages {
            let package = cargo.package(id).unwrap();
            assert_eq!(package.is_member(), package.folder.starts_with(&cargo.root), "{id}");
        }
    }
}
