//! `cargo xtask browser`: opens the site of `docs/` and the pages of `trace --html` in Chromium, as wide as a phone.
//!
//! `tests/browser/check.cjs` drives Chromium. First it must find every defect of the page in `tests/browser/defects`,
//! so that a check that finds nothing is not one that looks at nothing.

use crate::workspace::{self, Failure, Workspace, shown};
use crate::{machine, site};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo xtask browser`.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    machine::require(&[machine::PYTHON, machine::NODE, machine::CHROMIUM])?;
    site::check(workspace)?;
    workspace::run(&mut workspace.cargo(["build", "--package", "vault-authorizer-cli"]))?;
    check(workspace)
}

/// As one of the checks: the site is built, and the command by the unit tests.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let folder = workspace.target.join("browser");
    fs::create_dir_all(&folder).map_err(Failure::because(folder.display()))?;
    finds_every_defect(workspace, &folder)?;
    let pages = traces(workspace, &folder)?;
    workspace::run(driver(workspace, &folder, "trace").args(pages))?;
    workspace::run(driver(workspace, &folder, "site").arg(workspace.target.join("site")))
}

fn driver(workspace: &Workspace, folder: &Path, mode: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(workspace.root.join("tests/browser/check.cjs")).arg(folder.join("profile")).arg(mode);
    node
}

/// What the page is made to have, in the words of the check.
const DEFECTS: [&str; 8] = [
    "index.html: is 508 pixels wide on a screen of 390",
    "index.html: is cut off at the right: <p",
    "index.html: a picture does not load: http://127.0.0.1:",
    "index.html: sends a request: http://127.0.0.1:1/elsewhere.png",
    "index.html: the console has an error: on purpose",
    "index.html: a script fails: Error: thrown on purpose",
    "index.html: a link leads nowhere: nowhere.html",
    "index.html: a link leads to no heading: index.html#nowhere",
];

fn finds_every_defect(workspace: &Workspace, folder: &Path) -> Result<(), Failure> {
    let mut driver = driver(workspace, folder, "site");
    driver.arg(workspace.root.join("tests/browser/defects"));
    let output = driver.output().map_err(Failure::because(shown(&driver)))?;
    let found = String::from_utf8_lossy(&output.stdout);
    let missed: Vec<&str> = DEFECTS.into_iter().filter(|defect| !found.contains(defect)).collect();
    if missed.is_empty() && output.status.code() == Some(1) {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("the check should have found: {}\n{found}{errors}", missed.join("; "))))
}

/// Requests of the recorded logs: one that went well, one whose token was unwrapped twice, one that was denied.
const REQUESTS: [&str; 3] = ["c6af9ac6", "d7b00bd7", "e8c11ce8"];
/// In a caller's name. Whatever of it the browser obeyed would be a request or an error.
const ATTACK: &str =
    "</title></style></script><script>console.error('obeyed')</script><img src=x onerror=alert(1)>";

/// Writes the pages.
fn traces(workspace: &Workspace, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let recorded = workspace.root.join("cli/tests/it/trace");
    let (log, hostile_log) = (recorded.join("authorizer.log"), folder.join("authorizer.log"));
    let text = fs::read_to_string(&log).map_err(Failure::because(log.display()))?;
    let hostile = text.replace("corp:alice", ATTACK);
    if hostile == text {
        return Err(Failure::new(format!("{} has no caller to rename", log.display())));
    }
    fs::write(&hostile_log, hostile).map_err(Failure::because(hostile_log.display()))?;
    let of_log = |log: &Path, name: &str| {
        REQUESTS.map(|request| (log.to_owned(), request, folder.join(format!("{name}-{request}.html"))))
    };
    let mut pages = Vec::new();
    for (log, request, page) in of_log(&log, "trace").into_iter().chain(of_log(&hostile_log, "hostile")) {
        // The command overwrites no file.
        let _absent = fs::remove_file(&page);
        let mut command = Command::new(workspace.target.join("debug/vault-authorizer"));
        command.arg("trace").args(["--request-id", &format!("{request}-7b61-11e6-9a41-93e8deadbeef")]);
        command.arg("--authorizer-log").arg(log).arg("--audit-log").arg(recorded.join("audit.json"));
        workspace::said(command.arg("--html").arg(&page))?;
        pages.push(page);
    }
    Ok(pages)
}
