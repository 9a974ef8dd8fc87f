//! The command `vault-authorizer`, run as an operator runs it, beside the parts of the bed.

use std::process::{self, Output};

use crate::parts;
use crate::process::with_input;

/// One run of the command, to come.
#[derive(Debug)]
pub struct Command {
    process: process::Command,
    stdin: String,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

impl Ran {
    /// What it printed, if it ended with this code and had nothing to complain of.
    #[track_caller]
    pub fn printed(self, code: i32) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (code, ""), "{}", self.stdout);
        assert!(!self.stdout.contains('\u{1b}'), "no colour in a pipe: {}", self.stdout);
        self.stdout
    }

    /// What it printed, if it ended with this code and all of these words are in it.
    #[track_caller]
    pub fn told(self, code: i32, words: &[&str]) -> String {
        assert_eq!(self.code, code, "{}", self.all());
        for words in words {
            assert!(self.stdout.contains(words), "{words}: {}", self.stdout);
        }
        self.stdout
    }

    /// All that it printed.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// What it complained of, if it ended with this code.
    #[track_caller]
    pub fn complained(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}", self.all());
        self.stderr
    }
}

impl Command {
    /// The command with these arguments. It sees no variable but those it is given, and has no terminal.
    pub fn new<A: AsRef<str>>(arguments: &[A]) -> Self {
        let mut process = process::Command::new(parts::binary("dev", "vault-authorizer"));
        process.env_clear().args(arguments.iter().map(AsRef::as_ref));
        Self { process, stdin: String::new() }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.process.env(name, value);
        self
    }

    /// Gives it something to read.
    pub fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    pub fn run(mut self) -> Ran {
        with_input(&mut self.process, self.stdin.as_bytes()).into()
    }
}
