//! Asks Cargo and the compiler about the workspace: its packages, its lock file, the toolchain.

use crate::workspace::{Failure, Workspace, said};
use cargo_metadata::{Metadata, MetadataCommand};
use serde::Deserialize;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Every package that is needed for one of the triples. Downloads what is missing.
pub(crate) fn metadata(workspace: &Workspace, triples: &[&str]) -> Result<Metadata, Failure> {
    let mut cargo = workspace.cargo(["metadata", "--locked", "--format-version", "1"]);
    for triple in triples {
        cargo.args(["--filter-platform", triple]);
    }
    MetadataCommand::parse(said(&mut cargo)?).map_err(Failure::because("`cargo metadata`"))
}

/// A package in a lock file.
#[derive(Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SHA-256 of the registry's file. A member has none.
    pub(crate) checksum: Option<String>,
}

/// The packages of a lock file, by its path below the root.
pub(crate) fn lock_file(workspace: &Workspace, name: &str) -> Result<Vec<Locked>, Failure> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    let path = workspace.root.join(name);
    let text = fs::read_to_string(&path).map_err(Failure::because(path.display()))?;
    let lock: Lock = toml::from_str(&text).map_err(Failure::because(path.display()))?;
    Ok(lock.package)
}

/// The compiler that Cargo calls.
pub(crate) fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc")))
}

/// A field of what `rustc -vV` says, such as `host`, this machine's triple.
pub(crate) fn rustc_field(name: &str) -> Result<String, Failure> {
    let version = said(rustc().arg("-vV"))?;
    let value = version.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.map(str::to_owned).ok_or_else(|| Failure::new(format!("`rustc -vV` names no {name}")))
}

/// Where the toolchain lies.
pub(crate) fn sysroot() -> Result<PathBuf, Failure> {
    Ok(said(rustc().args(["--print", "sysroot"]))?.trim_end().into())
}
