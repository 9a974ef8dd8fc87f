//! The `terraform` of this machine, and the modules of `infra/terraform` as a user runs them.
//!
//! Terraform writes into the folder that it works on, so every test has a copy of `infra`. The machine's own
//! configuration says where the provider comes from: `TF_CLI_CONFIG_FILE` names one with a mirror. The developer's
//! AWS configuration is hidden from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::sync::OnceLock;

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::{Aws, Ran, Scratch, parts};

/// A copy of `infra` to run Terraform in.
#[derive(Debug)]
pub struct Terraform {
    infra: PathBuf,
    home: PathBuf,
    endpoint: BTreeMap<&'static str, String>,
    /// What the emulator prints.
    log: Option<PathBuf>,
}

impl Terraform {
    /// Copies `infra`. What it runs finds no AWS.
    pub fn new(scratch: &Scratch) -> Self {
        let infra = scratch.folder("infra");
        parts::copy(&parts::repository().join("infra"), &infra);
        Self { infra, home: scratch.folder("home"), endpoint: BTreeMap::new(), log: None }
    }

    /// The same, with an emulator for AWS.
    pub fn on(scratch: &Scratch, aws: &Aws) -> Self {
        Self { endpoint: aws.client_env().into(), log: Some(aws.emulator_log()), ..Self::new(scratch) }
    }

    /// A folder of the copy, by its path below `infra`.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.infra.join(name)
    }

    /// Runs `terraform init` in a folder of the copy.
    pub async fn init(&self, folder: &str, arguments: &[&str]) {
        // Two that fill one cache at once spoil it.
        static CACHE: Mutex<()> = Mutex::const_new(());
        let _turn = CACHE.lock().await;
        let ran = self.run(folder, &[&["init", "-input=false"], arguments].concat()).await;
        assert!(
            ran.code == 0,
            "terraform init fails in {folder}. It needs the AWS provider: from its registry, or from a mirror that the file \
             in TF_CLI_CONFIG_FILE names.\n{}",
            ran.all()
        );
    }

    /// Runs a command in a folder of the copy: `run("terraform", &["validate"])`.
    pub async fn run(&self, folder: &str, arguments: &[&str]) -> Ran {
        self.output(folder, arguments).await.into()
    }

    /// The same; answers what it prints to standard output.
    pub async fn succeeds(&self, folder: &str, arguments: &[&str]) -> String {
        let ran = self.run(folder, arguments).await;
        if ran.code != 0 {
            let emulator = self.log.as_ref().and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default();
            // The error first: a long report is cut at its end.
            panic!(
                "terraform {} fails in {folder}:\n{}\nthe emulator:\n{emulator}\n{}",
                arguments.join(" "),
                ran.stderr,
                ran.stdout
            );
        }
        ran.stdout
    }

    /// Initialises and applies a root with these variables; answers its outputs.
    pub async fn apply(&self, folder: &str, variables: &Value) -> Value {
        let file = self.folder(folder).join("test.auto.tfvars.json");
        fs::write(file, variables.to_string()).expect("the variables can be written");
        self.init(folder, &[]).await;
        self.succeeds(folder, &["apply", "-input=false", "-auto-approve"]).await;
        let outputs = self.succeeds(folder, &["output", "-json"]).await;
        let outputs: BTreeMap<String, Value> = serde_json::from_str(&outputs).expect("outputs are JSON");
        outputs.into_iter().map(|(name, output)| (name, output["value"].clone())).collect()
    }

    pub async fn destroy(&self, folder: &str) {
        self.succeeds(folder, &["destroy", "-input=false", "-auto-approve"]).await;
    }

    async fn output(&self, folder: &str, arguments: &[&str]) -> Output {
        version().await;
        let mut command = Command::new("terraform");
        command.args(arguments).current_dir(self.folder(folder)).kill_on_drop(true);
        let foreign = |name: &str| {
            name.starts_with("AWS_")
                || name.starts_with("TF_") && name != "TF_CLI_CONFIG_FILE" && name != "TF_PLUGIN_CACHE_DIR"
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(foreign)) {
            command.env_remove(name);
        }
        let cache = parts::target().join("test-bed/terraform");
        fs::create_dir_all(&cache).expect("the cache's folder can be made");
        command.env("TF_PLUGIN_CACHE_DIR", cache);
        // There is no lock file whose hashes a cached provider might not have.
        command.env("TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE", "1");
        command.envs([("CHECKPOINT_DISABLE", "1"), ("TF_IN_AUTOMATION", "1"), ("TF_CLI_ARGS", "-no-color")]);
        // The emulator serves one call at a time. With more of them waiting on a loaded machine, the provider has repeated a creation
        // that had succeeded.
        command.env("TF_CLI_ARGS_apply", "-parallelism=3").env("TF_CLI_ARGS_destroy", "-parallelism=3");
        for (name, file) in [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")] {
            command.env(name, self.home.join(file));
        }
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(&self.endpoint);
        command.output().await.expect("terraform runs")
    }
}

/// Looks once that it is there and new enough.
async fn version() {
    static VERSION: OnceLock<()> = OnceLock::new();
    if VERSION.get().is_some() {
        return;
    }
    let needed = "the tests of infra/terraform need `terraform`, 1.9 or newer, on PATH: \
                  https://developer.hashicorp.com/terraform/install";
    let printed =
        Command::new("terraform").args(["version", "-json"]).env("CHECKPOINT_DISABLE", "1").output().await;
    let printed = printed.unwrap_or_else(|error| panic!("{needed} ({error})"));
    let version: Value = serde_json::from_slice(&printed.stdout).unwrap_or_default();
    let version = version["terraform_version"].as_str().unwrap_or_default().to_owned();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    assert!(found >= (1, 9), "{needed}; this one is `{version}`");
    let _ = VERSION.set(());
}
