//! Checks the workflow file, which is never run here: that it is YAML, that its commands exist, that its actions are pinned, and that
//! its jobs may do no more than they must.

use super::Task;
use crate::workspace::Workspace;
use serde_json::{Value, json};
use std::fs;

#[test]
fn every_task_that_the_workflow_runs_exists() {
    let mut tasks = Vec::new();
    for command in steps(&workflow()).iter().filter_map(|step| step["run"].as_str()).flat_map(str::lines) {
        let Some((_, task)) = command.split_once("cargo xtask ") else { continue };
        let words: Vec<&str> = task.split_whitespace().map(|word| word.trim_matches('"')).collect();
        let [name, arguments @ ..] = words.as_slice() else { panic!("no task in `{command}`") };
        match *name {
            "release" => tasks.push(Task::parse(arguments).unwrap()),
            "help" => assert_eq!(arguments, [""; 0]),
            other => panic!("{other}"),
        }
    }
    assert_eq!(tasks, [Task::Build, Task::Sign { key: "$RUNNER_TEMP/minisign.key".into() }]);
}

#[test]
fn every_action_is_pinned_to_a_commit_and_says_its_version() {
    let text = text();
    let uses: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, uses)| uses).collect();
    assert_eq!(uses.len(), steps(&workflow()).iter().filter(|step| step["uses"].is_string()).count());
    for pin in uses {
        let (_, commit) = pin.split_once('@').unwrap();
        let (commit, version) = commit.split_once(" # v").unwrap_or_else(|| panic!("{pin}"));
        assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{pin}");
        assert_eq!(version.split('.').count(), 3, "{pin}");
    }
}

#[test]
fn a_job_may_do_no_more_than_it_must() {
    let workflow = workflow();
    assert_eq!(workflow["permissions"], json!({}));
    let jobs = &workflow["jobs"];
    // What builds runs the code of every dependency: it may write nothing, and sees no secret.
    assert_eq!(jobs["build"]["permissions"], json!({"contents": "read"}));
    assert!(!jobs["build"].to_string().contains("secrets."));
    let publish = json!({"attestations": "write", "contents": "write", "id-token": "write"});
    assert_eq!(jobs["publish"]["permissions"], publish);
    assert_eq!(jobs["publish"]["environment"], "release");
    for checkout in steps(&workflow).iter().filter(|step| step["uses"].to_string().contains("/checkout@")) {
        assert_eq!(checkout["with"]["persist-credentials"], false);
    }
    // Text of an event must not become part of a script.
    let scripts: Vec<Value> = steps(&workflow).iter().map(|step| step["run"].clone()).collect();
    assert!(!Value::from(scripts).to_string().contains("${{"));
}

#[test]
fn it_builds_with_the_rust_of_the_workspace_and_says_that_it_was_not_run() {
    let text = text();
    let mut toolchains = text.split("rustup toolchain install ").skip(1).peekable();
    assert!(toolchains.peek().is_some());
    assert!(toolchains.all(|rest| rest.starts_with(&format!("{} ", env!("CARGO_PKG_RUST_VERSION")))));
    assert!(text.lines().next().unwrap().contains("this file has not been run"));
}

fn steps(workflow: &Value) -> Vec<Value> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    jobs.flat_map(|job| job["steps"].as_array().unwrap().clone()).collect()
}

fn workflow() -> Value {
    serde_saphyr::from_str(&text()).unwrap()
}

fn text() -> String {
    fs::read_to_string(Workspace::find().unwrap().root.join(".github/workflows/release.yml")).unwrap()
}
