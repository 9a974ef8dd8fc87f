//! The measured programs, which a Lambda environment would start, and the calls that each of them answers.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use test_bed::{Configuration, Signing, TokenSpec, parts};

use crate::call::{Call, Due, bearer, event};
use crate::lambda::{Answer, Function};
use crate::proofs;
use crate::raw_mint::RawMint;
use crate::share::Share;
use crate::world::{Vault, World};

/// By which name `cargo xtask bench` knows them, and what they are; in the order of the report.
pub(crate) const SUBJECTS: [(&str, &str); 15] = [
    ("empty", "Rust: `lambda_runtime`, and an empty object for an answer"),
    ("raw-mint", "no function: the driver sends the mint to Vault itself, over one connection that it keeps"),
    ("mint-only", "Rust: `lambda_runtime` and `reqwest`; mints and checks nothing"),
    ("authorizer", "the authorizer; a token for a login, the issuer's keys in a file, Vault over http"),
    ("authorizer-mint-ahead", "the same with `mint_ahead`: Vault is asked between requests"),
    ("authorizer-tls", "the same with the same Vault over TLS 1.3"),
    ("authorizer-discovery", "the same over http, with the issuer's keys found by discovery at the start"),
    ("authorizer-aws-login", "the same with keys in a file, and a login by the AWS method at the start"),
    ("node-empty", "Node.js: an empty object for an answer"),
    ("node", "Node.js: `aws-jwt-verify` and `node-vault`, the issuer's keys in a file, Vault over http"),
    ("python-empty", "Python: `awslambdaric`, and an empty object for an answer"),
    ("python", "Python: `awslambdaric`, `PyJWT` and `hvac`, the issuer's keys in a file, Vault over http"),
    ("raw-mint-on-disk", "`raw-mint` with Raft on disk"),
    ("mint-only-on-disk", "`mint-only` with Raft on disk"),
    ("authorizer-on-disk", "`authorizer` with Raft on disk"),
];

/// Time for Vault to come to rest, on a machine that the function shares with it.
const REST: Duration = Duration::from_millis(5);

/// A program and its calls.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    program: Program,
    /// What is measured once it is warm.
    pub(crate) calls: Vec<Call>,
    /// Which of them is the first after a start; `None` where no start is measured.
    pub(crate) first: Option<usize>,
    /// Whether its warm calls say anything.
    pub(crate) is_warmed: bool,
}

enum Program {
    /// None: the driver asks Vault itself.
    RawMint(Vault),
    Function {
        /// The program and its arguments.
        command: Vec<OsString>,
        environment: Vec<(String, String)>,
        folder: PathBuf,
    },
}

/// A subject that was started.
pub(crate) enum Running {
    RawMint(RawMint),
    Function(Function),
}

impl Subject {
    /// The subject of this name.
    pub(crate) async fn of(name: &'static str, world: &World) -> Self {
        let minted = || vec![allowed("allowed", world, Signing::Rs256)];
        let checked = || vec![refused("refused", world), allowed("allowed", world, Signing::Rs256)];
        match name {
            "empty" => Self::rust(name, "empty", world, vec![empty()]),
            "raw-mint" => Self::raw_mint(name, world.vault()),
            "mint-only" => Self::rust(name, "mint-only", world, minted()),
            "authorizer" => Self::authorizer(name, &world.with_aws_identity(), world, credentials(world)),
            "authorizer-mint-ahead" => {
                let ahead = |name| allowed(name, world, Signing::Rs256);
                let calls = vec![
                    refused("refused", world),
                    ahead("allowed, minted ahead"),
                    refused("refused, 5 ms later", world).after(REST),
                    ahead("allowed, minted ahead, 5 ms later").after(REST),
                ];
                let subject = Self::authorizer(name, &world.minting_ahead(), world, calls);
                Self { first: None, ..subject }
            }
            "authorizer-tls" => Self::authorizer(name, &world.over_tls(), world, minted()),
            "authorizer-discovery" => {
                Self::authorizer(name, &world.discovering(world.vault()), world, minted())
            }
            "authorizer-aws-login" => {
                let (configuration, keys) = world.with_aws_login().await;
                let subject = Self::authorizer(name, &configuration, world, minted());
                let subject = Self { is_warmed: false, ..subject };
                keys.iter().fold(subject, |subject, (name, value)| subject.with_environment(name, value))
            }
            "node-empty" => Self::node(name, "empty.cjs", world, vec![empty()]),
            "node" => Self::node(name, "authorizer.cjs", world, checked()),
            "python-empty" => Self::python(name, "empty.handler", world, vec![empty()]),
            "python" => Self::python(name, "authorizer.handler", world, checked()),
            "raw-mint-on-disk" => Self::raw_mint(name, world.vault_on_disk().await),
            "mint-only-on-disk" => {
                let Vault { address, peer_token, .. } = world.vault_on_disk().await;
                let subject = Self::rust(name, "mint-only", world, minted());
                let subject = subject.with_environment("VAULT_ADDR", address);
                Self { first: None, ..subject.with_environment("VAULT_TOKEN", peer_token) }
            }
            "authorizer-on-disk" => {
                let configuration = world.configuration(world.vault_on_disk().await);
                Self { first: None, ..Self::authorizer(name, &configuration, world, minted()) }
            }
            _ => panic!("there is no subject `{name}`"),
        }
    }

    /// The authorizer that takes so many invocations at once, and allowed calls of several callers.
    pub(crate) fn at_once(most: usize, configuration: &Configuration, world: &World) -> Self {
        let caller = |number: usize| {
            let jwt = world.jwt(TokenSpec::reader().claim("sub", format!("caller-{number}")));
            Call::new("allowed", bearer("/orders", &jwt), Due::Token)
        };
        let calls = (0..16).map(caller).collect();
        let subject = Self::authorizer("authorizer", configuration, world, calls);
        if most == 1 {
            subject
        } else {
            subject.with_environment("AWS_LAMBDA_MAX_CONCURRENCY", &most.to_string())
        }
    }

    /// The authorizer with this configuration.
    pub(crate) fn authorizer(
        name: &'static str,
        configuration: &Configuration,
        world: &World,
        calls: Vec<Call>,
    ) -> Self {
        let command = vec![parts::binary("release", "bootstrap").into()];
        let subject = Self::function(name, command, world, calls);
        subject.with_environment("AUTHORIZER_CONFIG", &configuration.to_string())
    }

    /// A program of the comparison, which gets Vault's address and a token in its environment.
    fn peer(name: &'static str, command: Vec<OsString>, world: &World, calls: Vec<Call>) -> Self {
        let subject = Self::function(name, command, world, calls);
        let subject = subject.with_environment("VAULT_ADDR", &world.vault().address);
        let subject = subject.with_environment("VAULT_TOKEN", &world.vault().peer_token);
        let subject = subject.with_environment("ISSUER", &world.issuer.url());
        subject.with_environment("JWKS_FILE", &world.keys().display().to_string())
    }

    fn rust(name: &'static str, binary: &str, world: &World, calls: Vec<Call>) -> Self {
        Self::peer(name, vec![parts::binary("release", binary).into()], world, calls)
    }

    fn node(name: &'static str, handler: &str, world: &World, calls: Vec<Call>) -> Self {
        let place = peers().join("node");
        let node = parts::on_path("node").expect("Node.js is installed");
        let subject = Self::peer(name, vec![node.into(), place.join("runtime.cjs").into()], world, calls);
        let modules = parts::target().join("test-bed/bench-node/node_modules");
        let subject = subject.with_environment("HANDLER", &place.join(handler).display().to_string());
        subject.with_environment("NODE_PATH", &modules.display().to_string())
    }

    fn python(name: &'static str, handler: &str, world: &World, calls: Vec<Call>) -> Self {
        let python = parts::target().join("test-bed/bench-python/bin/python");
        let command = vec![python.into(), "-m".into(), "awslambdaric".into(), handler.into()];
        let subject = Self::peer(name, command, world, calls);
        // What Python compiles stays out of the repository.
        let cache = world.scratch.folder("pycache").display().to_string();
        let subject = subject.with_environment("PYTHONPYCACHEPREFIX", &cache);
        subject.with_environment("PYTHONPATH", &peers().join("python").display().to_string())
    }

    /// The first after a start is the call that a token of RS256 makes, or the only one.
    fn function(name: &'static str, command: Vec<OsString>, world: &World, calls: Vec<Call>) -> Self {
        let folder = world.scratch.folder(name);
        let program = Program::Function { command, environment: Vec::new(), folder };
        let first = calls.iter().position(|call| call.name == "allowed").unwrap_or_default();
        Self { name, program, calls, first: Some(first), is_warmed: true }
    }

    fn raw_mint(name: &'static str, vault: &Vault) -> Self {
        let calls = vec![Call::new("allowed", Vec::new(), Due::Token)];
        Self { name, program: Program::RawMint(vault.clone()), calls, first: None, is_warmed: true }
    }

    fn with_environment(mut self, name: &str, value: &str) -> Self {
        if let Program::Function { environment, .. } = &mut self.program {
            environment.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Starts it and waits until it asks for its first event.
    pub(crate) async fn start(&self) -> Running {
        self.start_with(None).await
    }

    /// The same with a share of a processor.
    pub(crate) async fn start_with(&self, share: Option<&Share>) -> Running {
        match &self.program {
            Program::RawMint(vault) => Running::RawMint(RawMint::connect(vault).await),
            Program::Function { command, environment, folder } => {
                Running::Function(Function::start(command_of(command), environment, folder, share).await)
            }
        }
    }

    /// The same under callgrind, which writes to this file when the function ends.
    pub(crate) async fn start_counted(&self, valgrind: &Path, counts: &Path) -> Function {
        let Program::Function { command, environment, folder } = &self.program else {
            panic!("{} is no function", self.name)
        };
        let callgrind = [
            valgrind.into(),
            "--tool=callgrind".into(),
            format!("--callgrind-out-file={}", counts.display()).into(),
        ];
        let command = callgrind.into_iter().chain(command.clone()).collect::<Vec<OsString>>();
        Function::start(command_of(&command), environment, folder, None).await
    }
}

impl Running {
    /// The right answer to a call. Any other ends the run.
    pub(crate) async fn answer(&mut self, call: &Call) -> Answer {
        match self {
            Self::RawMint(mint) => {
                let answer = mint.mint().await;
                call.judge(&answer).unwrap_or_else(|wrong| panic!("{wrong}"));
                answer
            }
            Self::Function(_) => self.invoke(call).await,
        }
    }

    /// The same of a function, of which several may be asked for at once.
    pub(crate) async fn invoke(&self, call: &Call) -> Answer {
        let function = self.function().expect("a function");
        let answer = function.invoke(&call.event()).await;
        call.judge(&answer).unwrap_or_else(|wrong| panic!("{wrong}\n{}", function.log()));
        answer
    }

    pub(crate) fn function(&self) -> Option<&Function> {
        match self {
            Self::RawMint(_) => None,
            Self::Function(function) => Some(function),
        }
    }
}

/// The calls whose instructions are counted.
pub(crate) fn counted(world: &World) -> Vec<Call> {
    let stranger = world.jwt(TokenSpec::new());
    vec![
        refused("refused", world),
        Call::new("mode: none", bearer("/status", &stranger), Due::Allow),
        allowed("allowed", world, Signing::Rs256),
    ]
}

/// A call for each kind of credential.
fn credentials(world: &World) -> Vec<Call> {
    let forged = world.issuer.forged(&TokenSpec::reader().expires_in(6 * 3600));
    let mut calls = vec![Call::new("refused, forged", bearer("/orders", &forged), Due::Unauthorized)];
    calls.extend(counted(world));
    calls.push(allowed("allowed, ES256", world, Signing::Es256));
    calls.push(allowed("allowed, EdDSA", world, Signing::EdDsa));
    calls.push(proofs::dpop(world));
    calls.push(proofs::aws_identity(&world.sts()));
    calls.push(proofs::aws_identity_again(&world.sts()));
    calls
}

fn empty() -> Call {
    Call::new("empty", event("/orders", &[]), Due::Nothing)
}

/// A good JWT without the scope that the grant asks for.
fn refused(name: &'static str, world: &World) -> Call {
    Call::new(name, bearer("/orders", &world.jwt(TokenSpec::new())), Due::Deny("no_grant"))
}

fn allowed(name: &'static str, world: &World, signing: Signing) -> Call {
    Call::new(name, bearer("/orders", &world.jwt(TokenSpec::reader().signing(signing))), Due::Token)
}

fn peers() -> PathBuf {
    parts::repository().join("tests/bench/peers")
}

fn command_of(words: &[OsString]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}
