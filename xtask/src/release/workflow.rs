//! Checks the workflow file, which is never run here: that it is YAML, that its commands exist, that its actions are pinned, and that
//! its jobs may do no more than they must.

use super::Task;
use crate::workspace::Workspace;
use serde_json::{Value, json};
use std::fs;

#[test]
fn the_build_is_the_only_task_that_it_runs() {
    let scripts = scripts(&workflow());
    let tasks: Vec<&str> =
        scripts.lines().filter_map(|line| line.split_once("cargo xtask ")).map(|(_, task)| task).collect();
    assert_eq!(tasks, ["release --build"]);
    assert_eq!(Task::parse(&["--build"]).unwrap(), Task::Build);
}

/// A dependency's build script could steal the key, or upload what it likes.
#[test]
fn rejects_code_of_dependencies_beside_the_key_or_a_right_to_write() {
    for job in ["sign", "publish"] {
        let steps = workflow()["jobs"][job].to_string();
        for program in ["cargo", "rustup", "npm", "pip", "xtask"] {
            assert!(!steps.contains(program), "{job} runs {program}");
        }
    }
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
    let publish = json!({"attestations": "write", "contents": "write", "id-token": "write"});
    let read = json!({"contents": "read"});
    for (job, permissions, sees_a_secret) in
        [("build", &read, false), ("sign", &read, true), ("publish", &publish, false)]
    {
        assert_eq!(jobs[job]["permissions"], *permissions, "{job}");
        assert_eq!(jobs[job].to_string().contains("secrets."), sees_a_secret, "{job}");
        // Its secret is there only for the tags of the environment, and after a person's approval.
        assert_eq!(jobs[job]["environment"] == "release", sees_a_secret, "{job}");
    }
    assert_eq!(jobs.as_object().unwrap().len(), 3);
    for checkout in steps(&workflow).iter().filter(|step| step["uses"].to_string().contains("/checkout@")) {
        assert_eq!(checkout["with"]["persist-credentials"], false);
    }
    // Text of an event must not become part of a script.
    assert!(!scripts(&workflow).contains("${{"));
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

fn scripts(workflow: &Value) -> String {
    steps(workflow)
        .iter()
        .filter_map(|step| step["run"].as_str())
        .map(|script| script.to_owned() + "\n")
        .collect()
}

fn workflow() -> Value {
    serde_saphyr::from_str(&text()).unwrap()
}

fn text() -> String {
    fs::read_to_string(Workspace::find().unwrap().root.join(".github/workflows/release.yml")).unwrap()
}
