//! What a binary contains, as Cargo reports it.
//!
//! `cargo tree` resolves features as `cargo build --package` does, and leaves out what runs at build time only.
//! `cargo metadata` alone is not enough, because it takes the union of the features of all members.

use super::ARCHITECTURES;
use crate::cargo::{self, Locked};
use crate::workspace::{Failure, Workspace, said};
use cargo_metadata::Package;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

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

/// The workspace, its lock file and the toolchain.
pub(crate) struct Cargo<'w> {
    pub(crate) workspace: &'w Workspace,
    pub(crate) rust: Rust,
    packages: BTreeMap<Id, Package>,
    checksums: BTreeMap<Id, String>,
}

impl<'w> Cargo<'w> {
    pub(crate) fn read(workspace: &'w Workspace) -> Result<Self, Failure> {
        let triples = ARCHITECTURES.each_ref().map(|architecture| architecture.triple);
        let metadata = cargo::metadata(workspace, &triples)?;
        let packages = metadata.packages.into_iter().map(|package| {
            (Id { name: package.name.to_string(), version: package.version.to_string() }, package)
        });
        let locked = cargo::lock_file(workspace, "Cargo.lock")?.into_iter();
        let checksums =
            locked.filter_map(|Locked { name, version, checksum }| Some((Id { name, version }, checksum?)));
        Ok(Self {
            workspace,
            rust: Rust { version: cargo::rustc_field("release")?, sysroot: cargo::sysroot()? },
            packages: packages.collect(),
            checksums: checksums.collect(),
        })
    }

    /// The SHA-256 of the registry's file. A member has none.
    pub(crate) fn checksum(&self, id: &Id) -> Option<&str> {
        self.checksums.get(id).map(String::as_str)
    }

    pub(crate) fn package(&self, id: &Id) -> Result<&Package, Failure> {
        self.packages.get(id).ok_or_else(|| Failure::new(format!("`cargo metadata` does not know {id}")))
    }

    /// What the binary of a package contains when it is built for a triple.
    pub(crate) fn contents(&self, package: &str, triple: &str) -> Result<Contents, Failure> {
        let mut tree = self.workspace.cargo([
            "tree",
            "--locked",
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "depth",
        ]);
        // A package's features before its path, which only members have and which may hold any character.
        tree.args(["--charset", "ascii", "--format", "|{f}|{p}", "--package", package, "--target", triple]);
        parse_tree(&said(&mut tree)?).ok_or_else(|| Failure::new("`cargo tree` printed unexpected output"))
    }
}

/// The toolchain, whose standard library is in every binary.
pub(crate) struct Rust {
    pub(crate) version: String,
    pub(crate) sysroot: PathBuf,
}

/// `MIT/Apache-2.0` is how it was written before SPDX had expressions.
pub(crate) fn licence(package: &Package) -> Result<String, Failure> {
    let licence = package.license.as_deref().map(|licence| licence.replace('/', " OR "));
    licence.ok_or_else(|| Failure::new(format!("{} names no licence", package.id)))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn cargo() -> Cargo<'static> {
        Cargo::read(Box::leak(Box::new(Workspace::find().unwrap()))).unwrap()
    }

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

    /// What each library may not link, whatever its dependencies want: the crates' borders.
    #[test]
    fn no_library_links_what_is_beyond_its_border() {
        let cargo = cargo();
        let http = ["hyper", "reqwest", "rustls", "vault-transport"];
        let ours = ["authorizer-adapters", "authorizer-document", "authorizer-steps", "vault-authorizer"];
        let beyond = |package: &str, others: &[&str]| {
            let contents = cargo.contents(package, "x86_64-unknown-linux-gnu").unwrap();
            let linked = contents.packages.into_iter().map(|id| id.name).filter(|name| name != package);
            let found: Vec<_> = linked.filter(|name| others.contains(&name.as_str())).collect();
            assert_eq!(found, [""; 0], "{package}");
        };
        beyond("authorizer-document", &[&http[..], &ours, &["aws-lc-rs", "tokio", "vault-api"]].concat());
        beyond("authorizer-steps", &[&http[..], &ours].concat());
        beyond("authorizer-adapters", &["authorizer-document", "vault-authorizer"]);
        beyond("vault-api", &[&http[..], &ours, &["aws-lc-rs", "tokio", "vault-context"]].concat());
        beyond("vault-transport", &[&ours[..], &["vault-context"]].concat());
        // What its features bring for an integration's framework is off unless it is asked for.
        beyond("vault-context", &[&ours[..], &["aws_lambda_events", "axum-core"]].concat());
        beyond("vault-authorizer", &["axum-core"]);
        beyond("sts-identity", &[&http[..], &ours, &["vault-api", "vault-context"]].concat());
    }

    /// What is never linked, or only where another member asks for it: `serde_derive` runs in the compiler, `clap` is of the
    /// command line, `ring` and `quinn` are not asked for by anyone.
    #[test]
    fn the_authorizer_contains_what_it_links_and_no_more() {
        let cargo = cargo();
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
            let is_member = package.manifest_path.starts_with(&cargo.workspace.root);
            assert_eq!(is_member, cargo.checksum(id).is_none(), "{id}");
        }
    }
}
