//! `infra/cdk` as a CDK user has it: a copy of the package with the dependencies that its lock file pins, its checks,
//! and its examples.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::cloudformation::BUCKET;
use crate::configuration::with;
use crate::parts::{self, copy};
use crate::{AwsBed, Code, DeployedStack, REGION, SERVER_ID, Scratch};

/// A copy of the package, beside the files of the repository that its tests read.
#[derive(Debug)]
pub struct Package {
    folder: PathBuf,
}

impl Package {
    /// Copies it. Nothing is written into the repository.
    pub fn new(scratch: &Scratch) -> Self {
        let root = scratch.folder("cdk");
        let repository = parts::repository();
        for file in [
            "infra/authorizer.schema.json",
            "infra/authorizer.rules.json",
            "infra/authorizer.cases.json",
            "infra/dashboard.json",
            "shared/vault-context/src/context.rs",
        ] {
            copy(&repository.join(file), &root.join(file));
        }
        let folder = root.join("infra/cdk");
        copy(&repository.join("infra/cdk"), &folder);
        symlink(parts::cdk().join("node_modules"), folder.join("node_modules")).expect("a link can be made");
        Self { folder }
    }

    /// Runs Node.js in the package, and answers what it prints.
    pub fn node(&self, arguments: &[&str]) -> String {
        self.try_node(arguments, &json!({}), &[]).unwrap_or_else(|printed| panic!("{printed}"))
    }

    /// The package's own tests. Answers what the runner prints, its counts at the end.
    pub fn test(&self) -> String {
        let tests = fs::read_dir(self.folder.join("test")).expect("the tests").flatten();
        let names = tests.map(|entry| entry.file_name().into_string().expect("UTF-8"));
        let mut names: Vec<String> =
            names.filter(|name| name.ends_with(".test.ts")).map(|name| format!("test/{name}")).collect();
        names.sort();
        let mut arguments = vec!["--import", "tsx", "--test", "--test-reporter=tap"];
        arguments.extend(names.iter().map(String::as_str));
        self.node(&arguments)
    }

    /// Runs an example as an app, and answers the path of its template.
    pub fn synthesise(&self, example: &str, stack: &str, context: &Value) -> PathBuf {
        self.try_synthesise(example, stack, context).unwrap_or_else(|printed| panic!("{printed}"))
    }

    /// The same where the synthesis may well fail.
    pub fn try_synthesise(&self, example: &str, stack: &str, context: &Value) -> Result<PathBuf, String> {
        let out = self.folder.join(format!("cdk.out/{stack}"));
        let directory = out.to_str().expect("the path is UTF-8");
        let program = format!("examples/{example}.ts");
        self.try_node(&["--import", "tsx", &program], context, &[("CDK_OUTDIR", directory)])?;
        Ok(out.join(format!("{stack}.template.json")))
    }

    /// Puts a program beside the examples, under a name of its own.
    pub fn add_example(&self, name: &str, program: &Path) {
        copy(program, &self.folder.join(format!("examples/{name}.ts")));
    }

    /// Synthesises an example for what is in a bed, with the release binaries, and deploys its template, which CloudFormation takes
    /// as it is. Answers the template as well.
    pub async fn deploy(&self, bed: &AwsBed, example: &str, stack: &str) -> (PathBuf, DeployedStack) {
        let aws = bed.emulator.aws();
        let code = |name: &str| Code::of(name, &parts::binary("release", name), aws);
        let (authorizer, orders) = (code("bootstrap"), code("orders"));
        let context = with(&Self::context(bed, &authorizer), json!({"ordersKey": orders.key()}));
        let template = self.synthesise(example, stack, &context);
        let deployed = DeployedStack::create(aws, stack, &template, &json!({}), &[authorizer, orders]).await;
        (template, deployed)
    }

    /// What every example is told of what is in a bed.
    pub fn context(bed: &AwsBed, authorizer: &Code) -> Value {
        json!({
            "bucket": BUCKET,
            "authorizerKey": authorizer.key(),
            "vaultAddress": bed.vault.address(),
            "serverId": SERVER_ID,
            "issuer": bed.issuer.url(),
            "audience": "orders-api",
            "stsRegion": REGION,
            "stsEndpoint": bed.emulator.sts_url(),
        })
    }

    fn try_node(
        &self,
        arguments: &[&str],
        context: &Value,
        environment: &[(&str, &str)],
    ) -> Result<String, String> {
        let mut node = Command::new("node");
        node.args(arguments).current_dir(&self.folder).env("CDK_CONTEXT_JSON", context.to_string());
        // Nothing of the developer's own may reach it: options of Node.js, or AWS's account and region.
        for name in
            ["NODE_OPTIONS", "NODE_PATH", "CDK_DEFAULT_ACCOUNT", "CDK_DEFAULT_REGION", "UPDATE_SNAPSHOTS"]
        {
            node.env_remove(name);
        }
        let output = node.envs(environment.iter().copied()).output().expect("node runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(printed)
        } else {
            Err(format!("node {}:\n{printed}\n{complaint}", arguments.join(" ")))
        }
    }
}

/// What cfn-lint finds in a template, `ignored` rules left out.
pub fn lint(template: &Path, ignored: &[&str]) -> String {
    let mut lint = Command::new(parts::venv().join("bin/cfn-lint"));
    lint.arg("--format").arg("parseable").arg("--template").arg(template);
    if !ignored.is_empty() {
        lint.arg("--ignore-checks").args(ignored);
    }
    let output = lint.output().expect("cfn-lint runs");
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        output.status.success(),
        found.trim().is_empty(),
        "{found}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    found
}
