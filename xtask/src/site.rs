//! `cargo xtask docs [--serve]`: builds the site of `docs/` in `<target>/site`. A broken link, or a page that is not
//! in the navigation, is an error.

use crate::workspace::{self, Failure, Workspace};
use crate::{machine, parts};
use std::process::Command;

/// `cargo xtask docs`.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    machine::require(&[machine::PYTHON])?;
    match arguments {
        [] => check(workspace),
        ["--serve"] => workspace::run(mkdocs(workspace)?.arg("serve")),
        _ => {
            Err(Failure::new(format!("docs takes `--serve` and nothing else, not `{}`", arguments.join(" "))))
        }
    }
}

/// Builds it, as one of the checks.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let site = workspace.target.join("site");
    workspace::run(mkdocs(workspace)?.args(["build", "--quiet", "--site-dir"]).arg(&site))?;
    println!("docs: {}", site.join("index.html").display());
    Ok(())
}

fn mkdocs(workspace: &Workspace) -> Result<Command, Failure> {
    parts::site(workspace)?;
    let mut mkdocs = Command::new(workspace.test_bed().join("site").join("bin/mkdocs"));
    mkdocs.current_dir(&workspace.root).env("NO_MKDOCS_2_WARNING", "1");
    Ok(mkdocs)
}
