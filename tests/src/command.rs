//! The command `vault-authorizer`, as an operator runs it beside the parts of the bed.

use std::io::Write as _;
use std::process::{self, Stdio};

use crate::parts;

/// One run of the command, to come.
#[derive(Debug)]
pub struct Command {
    process: process::Command,
    stdin: String,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Command {
    /// The command with these arguments. It sees no variable but those it is given, and has no terminal.
    pub fn new<A: AsRef<str>>(arguments: &[A]) -> Self {
        let mut process = process::Command::new(parts::binary("dev", "vault-authorizer"));
        process.env_clear().args(arguments.iter().map(AsRef::as_ref));
        Self { process, stdin: String::new() }
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.process.env(name, value);
        self
    }

    /// Gives it something to read.
    pub fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Ran {
        self.process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.process.spawn().expect("the command starts");
        // A command that does not read it may be gone already.
        let _unread = child.stdin.take().expect("a pipe").write_all(self.stdin.as_bytes());
        let output = child.wait_with_output().expect("the command ends");
        Ran {
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}
