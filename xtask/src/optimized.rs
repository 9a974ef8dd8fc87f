//! Builds everything in release the same way for the packages, the tests and the demo, so that the tests run what
//! ships.
//!
//! The same commit gives the same bytes in every folder. So no path of this machine may reach the compiler's output,
//! and no flag of its user may either: `RUSTFLAGS` and `CFLAGS` are left out.

use crate::cargo;
use crate::workspace::{self, Failure, Workspace};
use cargo_metadata::Metadata;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// The functions, each alone, as it ships: so no other package's features reach it.
pub(crate) fn functions(workspace: &Workspace) -> Result<(), Failure> {
    for (package, binary) in FUNCTIONS {
        build(workspace, &["--package", package, "--bin", binary])?;
    }
    Ok(())
}

/// The name of a package, and of its binary.
pub(crate) type Binary = (&'static str, &'static str);

/// The authorizer and the sample integration.
pub(crate) const FUNCTIONS: [Binary; 2] = [AUTHORIZER, ("orders", "orders")];

pub(crate) const AUTHORIZER: Binary = ("vault-authorizer", "bootstrap");

/// The command line.
pub(crate) const COMMAND: Binary = ("vault-authorizer-cli", "vault-authorizer");

/// One build for this machine, into `<target>/release`.
pub(crate) fn build(workspace: &Workspace, what: &[&str]) -> Result<(), Failure> {
    workspace::run(&mut cargo_build(workspace, what)?)
}

/// One build, to which a target may still be added.
pub(crate) fn cargo_build(workspace: &Workspace, what: &[&str]) -> Result<Command, Failure> {
    let places = Places::find(workspace)?;
    let mut cargo = workspace.cargo(["build", "--release", "--locked"]);
    cargo.args(what).env("CARGO_ENCODED_RUSTFLAGS", places.rustflags());
    // aws-lc-sys leaves the paths out of its C code itself.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_a_flag(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    Ok(cargo)
}

/// Whether a variable changes what a compiler makes: of the C compiler's, with a target's name in it or not; Cargo's profile;
/// how aws-lc is built. Which compiler it is stays the user's choice.
fn is_a_flag(variable: &str) -> bool {
    let name = variable.trim_start_matches("TARGET_").trim_start_matches("HOST_");
    ["CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "CARGO_PROFILE_", "AWS_LC_SYS_"]
        .iter()
        .any(|flag| name.starts_with(flag))
}

/// The folders of this machine that the compiler sees.
pub(crate) struct Places {
    workspace: PathBuf,
    target: PathBuf,
    /// Of the registry's packages: the folders that theirs lie in.
    sources: Vec<PathBuf>,
    sysroot: PathBuf,
    /// The commit of the compiler, under which its standard library's paths are known.
    commit: String,
}

impl Places {
    pub(crate) fn find(workspace: &Workspace) -> Result<Self, Failure> {
        // Downloads what is missing: before that, nothing says where it will lie.
        let metadata = cargo::metadata(workspace, &[&cargo::rustc_field("host")?])?;
        Ok(Self {
            workspace: workspace.root.clone(),
            target: workspace.target.clone(),
            sources: sources(&metadata),
            sysroot: cargo::sysroot()?,
            commit: cargo::rustc_field("commit-hash")?,
        })
    }

    /// As `CARGO_ENCODED_RUSTFLAGS` has them, which no flag of the user's is added to.
    fn rustflags(&self) -> OsString {
        let standard_library = self.sysroot.join("lib/rustlib/src/rust");
        // The last that matches counts: what lies in another folder stands after it.
        let mut mapped = vec![(self.workspace.as_path(), "/vault-authorizer".to_owned())];
        mapped.push((&self.target, "/target".to_owned()));
        mapped.extend(self.sources.iter().map(|folder| (folder.as_path(), "/crates".to_owned())));
        mapped.push((&standard_library, format!("/rustc/{}", self.commit)));
        let mut flags = OsString::new();
        for (folder, name) in mapped {
            if !flags.is_empty() {
                flags.push("\x1f");
            }
            flags.push("--remap-path-prefix=");
            flags.push(folder);
            flags.push(format!("={name}"));
        }
        flags
    }

    /// What of these folders stands in a binary. The user's own folder counts as one.
    pub(crate) fn found_in(&self, binary: &[u8]) -> Vec<String> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let folders = [&self.workspace, &self.target, &self.sysroot].into_iter().chain(&self.sources);
        // `/src` is in every path of a source: only what has two words tells one folder from another.
        let folders = folders.chain(&cargo_home).filter(|folder| folder.components().count() > 2);
        let folders = folders.chain(home.iter().filter(|folder| folder.components().count() > 1));
        let mut found: Vec<String> = folders
            .map(|folder| format!("{}/", folder.display()))
            .filter(|folder| binary.windows(folder.len()).any(|bytes| bytes == folder.as_bytes()))
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

/// The folders that the packages of a registry lie in. A member has no source.
fn sources(metadata: &Metadata) -> Vec<PathBuf> {
    let strangers = metadata.packages.iter().filter(|package| package.source.is_some());
    let folders = strangers.filter_map(|package| package.manifest_path.parent()?.parent());
    folders.map(PathBuf::from).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_flags_do_not_reach_a_package() {
        for flag in
            ["CFLAGS", "CFLAGS_x86_64_unknown_linux_gnu", "TARGET_CXXFLAGS", "CARGO_PROFILE_RELEASE_LTO"]
        {
            assert!(is_a_flag(flag), "{flag}");
        }
        for other in ["CC", "PATH", "CARGO_HOME", "CARGO_TARGET_DIR", "HOSTNAME"] {
            assert!(!is_a_flag(other), "{other}");
        }
    }

    #[test]
    fn a_registrys_folder_is_found_and_a_members_is_not_taken_for_one() {
        let workspace = Workspace::find().unwrap();
        let metadata = cargo::metadata(&workspace, &[]).unwrap();
        let sources = sources(&metadata);
        assert!(!sources.is_empty());
        for package in &metadata.packages {
            let is_member = package.manifest_path.starts_with(&workspace.root);
            let is_below = sources.iter().any(|folder| package.manifest_path.starts_with(folder));
            assert_ne!(is_member, is_below, "{}", package.manifest_path);
        }
    }

    #[test]
    fn every_folder_has_another_name_and_the_inner_one_counts() {
        let flags = places().rustflags().into_string().unwrap();
        let flags: Vec<&str> = flags.split('\x1f').collect();
        assert_eq!(
            flags,
            [
                "--remap-path-prefix=/home/me/a clone=/vault-authorizer",
                "--remap-path-prefix=/home/me/a clone/target=/target",
                "--remap-path-prefix=/mirror/src/r-1=/crates",
                "--remap-path-prefix=/opt/rust/lib/rustlib/src/rust=/rustc/abc",
            ]
        );
    }

    #[test]
    fn a_folder_of_this_machine_is_found_among_the_bytes() {
        let found = |bytes: &[u8]| places().found_in(bytes);
        assert_eq!(found(b"\0x/mirror/src/r-1/b-1.0.0/src/lib.rs\0"), ["/mirror/src/r-1/"]);
        assert_eq!(found(b"/home/me/a clone/cli"), ["/home/me/a clone/"]);
        assert_eq!(found(b"/crates/b-1.0.0/src/lib.rs /rustc/abc/library /home/me/a cloned"), [""; 0]);
    }

    fn places() -> Places {
        Places {
            workspace: "/home/me/a clone".into(),
            target: "/home/me/a clone/target".into(),
            sources: vec!["/mirror/src/r-1".into()],
            sysroot: "/opt/rust".into(),
            commit: "abc".to_owned(),
        }
    }
}
