//! How everything in release is built: one way for the packages, the tests and the demo, so that what is tested is what ships.
//!
//! The same commit gives the same bytes in every folder. So no path of this machine may reach the compiler's output, and
//! no flag of its user: `RUSTFLAGS` and `CFLAGS` are left out.

use crate::workspace::{self, Failure, Workspace, said};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The functions, each alone, as it ships: so no other package's features reach it.
pub(crate) fn functions(workspace: &Workspace) -> Result<(), Failure> {
    for (package, binary) in FUNCTIONS {
        build(workspace, &["--package", package, "--bin", binary])?;
    }
    Ok(())
}

/// Package and binary of each function: the authorizer and the sample integration.
pub(crate) const FUNCTIONS: [(&str, &str); 2] = [AUTHORIZER, ("orders", "orders")];

pub(crate) const AUTHORIZER: (&str, &str) = ("vault-authorizer", "bootstrap");

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
        let mut metadata = workspace.cargo(["metadata", "--locked", "--format-version", "1"]);
        let metadata = said(metadata.args(["--filter-platform", &host()?]))?;
        let sysroot = said(workspace::rustc().args(["--print", "sysroot"]))?;
        Ok(Self {
            workspace: workspace.root.clone(),
            target: workspace.target.clone(),
            sources: sources(&metadata),
            sysroot: sysroot.trim_end().into(),
            commit: rustc_field("commit-hash")?,
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

/// The folders that the packages of a registry lie in, from `cargo metadata`. A member's id begins with `path+`.
fn sources(metadata: &str) -> Vec<PathBuf> {
    let parts: Vec<&str> = metadata.split("\"manifest_path\":\"").collect();
    let packages = parts.windows(2).filter_map(|pair| match pair {
        [before, after] => Some((before.rsplit("\"id\":\"").next()?, after.split_once('"')?.0)),
        _ => None,
    });
    let strangers = packages.filter(|(id, _)| !id.starts_with("path+"));
    let mut folders: Vec<PathBuf> = strangers
        .filter_map(|(_, manifest)| Some(Path::new(manifest).parent()?.parent()?.to_owned()))
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

/// This machine's triple.
pub(crate) fn host() -> Result<String, Failure> {
    rustc_field("host")
}

fn rustc_field(name: &str) -> Result<String, Failure> {
    let version = said(workspace::rustc().arg("-vV"))?;
    let value = version.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.map(str::to_owned).ok_or_else(|| Failure::new(format!("`rustc -vV` names no {name}")))
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
        let metadata = r#"{"packages":[
            {"name":"a","id":"path+file:///w/a#0.1.0","source":null,"manifest_path":"/w/a/Cargo.toml"},
            {"name":"b","id":"registry+https://r#b@1.0.0","manifest_path":"/home/me/.cargo/registry/src/r-1/b-1.0.0/Cargo.toml"},
            {"name":"c","id":"registry+https://r#c@1.0.0","manifest_path":"/home/me/.cargo/registry/src/r-1/c-1.0.0/Cargo.toml"}]}"#;
        assert_eq!(sources(metadata), [Path::new("/home/me/.cargo/registry/src/r-1")]);
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
