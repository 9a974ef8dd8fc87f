//! What a task needs of the machine. Everything that is missing is reported at once, before anything is built.

use crate::workspace::Failure;
use std::process::{Command, Stdio};

/// A program, how to see that it is there, and how to get it.
pub(crate) struct Tool {
    name: &'static str,
    probe: &'static [&'static str],
    remedy: &'static str,
}

pub(crate) const PYTHON: Tool = Tool {
    name: "Python 3 with venv and pip",
    probe: &["python3", "-c", "import ensurepip, venv"],
    remedy: "install Python 3; Debian and Ubuntu split it: apt-get install python3 python3-venv",
};
pub(crate) const NODE: Tool =
    Tool { name: "Node.js", probe: &["node", "--version"], remedy: "install Node.js 20 or newer" };
pub(crate) const NPM: Tool = Tool {
    name: "npm",
    probe: &["npm", "--version"],
    remedy: "it comes with Node.js; Debian: apt-get install npm",
};
pub(crate) const GO: Tool = Tool {
    name: "Go",
    probe: &["go", "version"],
    remedy: "install 1.25 or newer: https://go.dev/doc/install",
};
pub(crate) const JDK: Tool = Tool {
    name: "a JDK",
    probe: &["javac", "-version"],
    remedy: "install 17 or newer; Debian and Ubuntu: apt-get install default-jdk-headless",
};
pub(crate) const MAVEN: Tool = Tool {
    name: "Maven",
    probe: &["mvn", "--version"],
    remedy: "install it; Debian and Ubuntu: apt-get install maven",
};
pub(crate) const RUSTFMT: Tool =
    Tool { name: "rustfmt", probe: &["cargo", "fmt", "--version"], remedy: "rustup component add rustfmt" };
pub(crate) const CLIPPY: Tool =
    Tool { name: "Clippy", probe: &["cargo", "clippy", "--version"], remedy: "rustup component add clippy" };
pub(crate) const CPP: Tool = Tool {
    name: "a C++ compiler",
    probe: &["c++", "--version"],
    remedy: "install one, for libFuzzer; Debian and Ubuntu: apt-get install g++",
};
pub(crate) const OPENSSL: Tool = Tool {
    name: "the `openssl` command",
    probe: &["openssl", "version"],
    remedy: "install it, for the sample in shell; Debian and Ubuntu: apt-get install openssl",
};
pub(crate) const TERRAFORM: Tool = Tool {
    name: "Terraform",
    probe: &["terraform", "version"],
    remedy: "install 1.9 or newer: https://developer.hashicorp.com/terraform/install",
};
pub(crate) const PRLIMIT: Tool = Tool {
    name: "prlimit",
    probe: &["prlimit", "--version"],
    remedy: "install util-linux, which most systems have",
};
pub(crate) const VALGRIND: Tool = Tool {
    name: "valgrind",
    probe: &["valgrind", "--version"],
    remedy: "install it, to count instructions; Debian and Ubuntu: apt-get install valgrind",
};
pub(crate) const CHROMIUM: Tool = Tool {
    name: "Chromium",
    probe: &["chromium", "--version"],
    remedy: "install it, to open pages as readers do; Debian: apt-get install chromium",
};
pub(crate) const MINISIGN: Tool = Tool {
    name: "minisign",
    probe: &["minisign", "-v"],
    remedy: "install it, to sign what a dry run makes; Debian and Ubuntu: apt-get install minisign",
};
pub(crate) const COREUTILS: Tool = Tool {
    name: "sha256sum and date",
    probe: &["sha256sum", "--version"],
    remedy: "install GNU coreutils, which most systems have",
};
pub(crate) const GIT: Tool = Tool { name: "git", probe: &["git", "--version"], remedy: "install git" };

/// Fails with the list of what is missing.
pub(crate) fn require<'t>(tools: impl IntoIterator<Item = &'t Tool>) -> Result<(), Failure> {
    let missing: Vec<String> = tools
        .into_iter()
        .filter(|tool| !has(tool))
        .map(|tool| format!("\n  {}: {}", tool.name, tool.remedy))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("this machine lacks:{}", missing.concat())))
}

pub(crate) fn has(tool: &Tool) -> bool {
    answers(tool.probe)
}

pub(crate) fn answers(probe: &[&str]) -> bool {
    let Some((program, arguments)) = probe.split_first() else {
        return false;
    };
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: Tool =
        Tool { name: "Absent", probe: &["vault-authorizer-no-such-tool"], remedy: "write it" };
    const FAILING: Tool = Tool { name: "Failing", probe: &["cargo", "no-such-subcommand"], remedy: "fix it" };
    const CARGO: Tool = Tool { name: "Cargo", probe: &["cargo", "--version"], remedy: "install Rust" };

    #[test]
    fn lists_everything_that_is_missing() {
        let failure = require(&[ABSENT, CARGO, FAILING]).unwrap_err();
        assert_eq!(failure.to_string(), "this machine lacks:\n  Absent: write it\n  Failing: fix it");
    }

    #[test]
    fn accepts_a_machine_that_has_it_all() {
        assert!(require(&[CARGO]).is_ok());
    }
}
