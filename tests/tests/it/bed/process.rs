//! Children end with their parent, however the parent ends.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use test_bed::{Child, Scratch};

#[test]
fn a_dropped_child_ends_with_all_that_it_started() {
    let scratch = Scratch::new("process");
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 300 & echo $!; wait"]);
    let child = Child::spawn("shell", shell, &scratch.path().join("shell.log"));
    let pids = [child.pid(), printed_pid(&child)];
    drop(child);
    pids.into_iter().for_each(ends);
}

/// The parent is this test again, in a process of its own.
#[test]
fn a_child_ends_when_its_parent_is_killed() {
    if let Ok(folder) = env::var("LEASH_TEST_FOLDER") {
        hold_a_child(Path::new(&folder));
        return;
    }
    let scratch = Scratch::new("leash");
    let mut parent = Command::new(env::current_exe().unwrap());
    parent.args(["--exact", "bed::process::a_child_ends_when_its_parent_is_killed", "--nocapture"]);
    parent.env("LEASH_TEST_FOLDER", scratch.path());
    let mut parent = Child::spawn("parent", parent, &scratch.path().join("parent.log"));

    let child = printed_pid(&parent);
    assert!(!has_ended(child));
    parent.kill();
    ends(child);
}

/// Signals take a moment on a busy machine.
fn ends(pid: u32) {
    let start = Instant::now();
    while !has_ended(pid) {
        assert!(start.elapsed() < Duration::from_secs(5), "process {pid} has outlived its parent");
        thread::sleep(Duration::from_millis(10));
    }
}

fn hold_a_child(folder: &Path) {
    let mut sleep = Command::new("sleep");
    sleep.arg("300");
    let child = Child::spawn("sleep", sleep, &folder.join("sleep.log"));
    println!("\n{}", child.pid());
    thread::sleep(Duration::from_secs(300));
}

/// The first line of its log that is a number.
fn printed_pid(child: &Child) -> u32 {
    let start = Instant::now();
    loop {
        if let Some(pid) = child.log().lines().find_map(|line| line.parse().ok()) {
            return pid;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "no process id: {}", child.log());
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether it is gone, or dead and not yet waited for by whoever inherited it.
fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with('Z'))
}
