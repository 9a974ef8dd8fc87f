//! What is measured: programs that a Lambda environment would start, and the calls that each of them answers.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use test_bed::{Configuration, TokenSpec, parts};

use crate::call::{Call, Due, bearer};
use crate::lambda::Function;
use crate::world::World;

/// A program and its calls.
pub(crate) struct Subject {
    /// By which `cargo xtask bench` knows it.
    pub(crate) name: &'static str,
    /// The program and its arguments.
    program: Vec<OsString>,
    environment: Vec<(String, String)>,
    folder: PathBuf,
    pub(crate) calls: Vec<Call>,
}

impl Subject {
    /// The authorizer with this configuration.
    pub(crate) fn authorizer(
        name: &'static str,
        configuration: &Configuration,
        world: &World,
        calls: Vec<Call>,
    ) -> Self {
        let environment = vec![("AUTHORIZER_CONFIG".to_owned(), configuration.to_string())];
        let program = vec![parts::binary("release", "bootstrap").into()];
        Self { name, program, environment, folder: world.scratch.folder(name), calls }
    }

    /// A program of the comparison, which gets Vault's address and a token in its environment.
    pub(crate) fn peer(name: &'static str, program: Vec<OsString>, world: &World, calls: Vec<Call>) -> Self {
        let environment = [("VAULT_ADDR", world.openbao.address()), ("VAULT_TOKEN", &world.token)];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { name, program, environment, folder: world.scratch.folder(name), calls }
    }

    pub(crate) fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it asks for its first event.
    pub(crate) async fn start(&self) -> Function {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]);
        Function::start(command, &self.environment, &self.folder).await
    }

    /// The same under callgrind, which writes to this file when the function ends.
    pub(crate) async fn start_counted(&self, valgrind: &Path, counts: &Path) -> Function {
        let mut command = Command::new(valgrind);
        command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", counts.display()));
        Function::start(self.counted(command), &self.environment, &self.folder).await
    }

    fn counted(&self, mut command: Command) -> Command {
        command.args(&self.program);
        command
    }
}

/// The calls whose keys, grants and verdicts need no other part than Vault.
pub(crate) fn calls(world: &World) -> Vec<Call> {
    let reader = world.jwt(TokenSpec::reader());
    let stranger = world.jwt(TokenSpec::new());
    vec![
        Call::new("refused", bearer("/orders", &stranger), Due::Deny("no_grant")),
        Call::new("mode: none", bearer("/status", &stranger), Due::Allow),
        Call::new("allowed", bearer("/orders", &reader), Due::Token),
    ]
}
