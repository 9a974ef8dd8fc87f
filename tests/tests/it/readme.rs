//! The README's five steps to AWS, as they stand there, from nothing, in each of the three ways: its blocks of commands are
//! read from it and given to a shell, whose `aws`, `vault` and `curl` lead to the test bed.
//!
//! Not the README's own are: the values of its first block, an STS on this machine, and where the emulator serves an API.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::json;
use test_bed::cloudformation::BUCKET;
use test_bed::{AwsBed, REGION, parts};

const WAYS: [&str; 3] = ["CloudFormation", "Terraform", "CDK"];

/// A block of commands, and the ways it is for.
#[derive(Debug, PartialEq)]
struct Block {
    step: u32,
    ways: Vec<&'static str>,
    commands: String,
}

/// The blocks of the section "Deploy it to AWS". A bold `With <way>` narrows those that follow it in its step.
fn blocks(readme: &str) -> Vec<Block> {
    let (_, section) = readme.split_once("\n## Deploy it to AWS\n").expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let (mut step, mut ways, mut blocks) = (0, WAYS.to_vec(), Vec::new());
    let mut open: Option<String> = None;
    for line in section.lines() {
        if let Some(commands) = &mut open {
            if line == "```" {
                let commands = open.take().unwrap();
                blocks.push(Block { step, ways: ways.clone(), commands });
            } else {
                *commands += &format!("{line}\n");
            }
        } else if line == "```sh" {
            open = Some(String::new());
        } else if let Some(bold) = line.strip_prefix("**") {
            let bold = bold.split("**").next().unwrap();
            if let Some(number) = bold.split('.').next().and_then(|number| number.parse().ok()) {
                (step, ways) = (number, WAYS.to_vec());
            } else if bold.starts_with("With ") {
                let all = bold.starts_with("With all");
                ways = WAYS.into_iter().filter(|way| all || bold.contains(way)).collect();
                assert!(!ways.is_empty(), "{bold}: for none of the ways");
            }
        }
    }
    blocks
}

#[test]
fn each_way_has_its_five_steps() {
    let blocks = blocks(&parts::text("README.md"));
    for way in WAYS {
        let steps: BTreeSet<_> = blocks.iter().filter(|b| b.ways.contains(&way)).map(|b| b.step).collect();
        assert_eq!(steps, (0..=5).collect(), "{way}: settings, and five steps");
        let own: Vec<_> = blocks.iter().filter(|b| b.ways == [way]).map(|b| b.step).collect();
        assert!(own.contains(&3), "{way} has a way of its own to deploy: {own:?}");
    }
}

#[tokio::test]
async fn the_five_steps_with_cloudformation() {
    Walk::new("CloudFormation").await.walk().await;
}

#[tokio::test]
async fn the_five_steps_with_terraform() {
    Walk::new("Terraform").await.walk().await;
}

#[tokio::test]
async fn the_five_steps_with_cdk() {
    Walk::new("CDK").await.walk().await;
}

/// Somebody with the README, an AWS account, a Vault and an identity provider.
struct Walk {
    way: &'static str,
    bed: AwsBed,
}

impl Walk {
    async fn new(way: &'static str) -> Self {
        // The stand-in, or the plugin, has what the script would write; `vault` only notes it.
        Self { way, bed: AwsBed::without_setup(&format!("readme-{way}"), "orders-authorizer").await }
    }

    async fn walk(self) {
        let folder = self.folder();
        let bucket = json!({"Bucket": BUCKET});
        self.bed.emulator.aws().request("s3", "create_bucket", &bucket).await;
        let blocks = blocks(&parts::text("README.md"));
        let own = blocks.iter().filter(|block| block.ways.contains(&self.way));
        let mut script = String::from("set -euo pipefail\n");
        for block in own {
            if block.step == 0 {
                script += &self.settings(&block.commands);
            } else {
                script += &format!("echo '=== step {}'\n{}", block.step, block.commands);
            }
        }
        let output = self.shell(&folder, &script).await;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}:\n{printed}\n{complaint}", self.way);

        let step = |number: u32| {
            let begin = format!("=== step {number}\n");
            printed.rsplit_once(&begin).expect("each step ran").1.split("=== step").next().unwrap()
        };
        let called = step(4);
        assert!(called.starts_with("HTTP/1.1 200"), "{called}");
        assert!(called.contains(r#""caller":"corp:alice""#), "{called}");
        let looked = step(5);
        assert!(looked.contains(r#""outcome":"allowed""#), "{looked}");
        assert!(looked.contains("hmac-sha256:"), "{looked}");
        let hash = looked.split("hmac-sha256:").nth(1).unwrap().split_whitespace().next().unwrap();
        let audited = self.bed.vault.openbao.audit_entries();
        assert!(audited.iter().any(|entry| entry.to_string().contains(hash)), "the two logs join");

        let noted = fs::read_to_string(self.bed.scratch.path().join("aws-auth.log")).unwrap();
        assert!(noted.contains(&format!("bound_iam_principal_arn={} ", self.bed.role)), "{noted}");
        assert!(noted.contains("iam_server_id_header_value=vault.example.com"), "{noted}");
    }

    /// The first block with the bed's values. Each of its names must be one that is known here.
    fn settings(&self, block: &str) -> String {
        let (address, token) = (self.bed.vault.address(), self.bed.vault.openbao.root_token().to_owned());
        let values = [
            ("AWS_REGION", REGION.to_owned()),
            ("VAULT_ADDR", address),
            ("VAULT_TOKEN", token),
            ("bucket", BUCKET.to_owned()),
            ("issuer", self.bed.issuer.url()),
            ("audience", "orders-api".to_owned()),
            ("stack", "orders".to_owned()),
            ("audit", "main".to_owned()),
        ];
        let mut names = BTreeSet::new();
        for line in block.lines() {
            let line = line.split(" #").next().unwrap();
            names.extend(
                line.split_whitespace().filter_map(|word| word.split_once('=')).map(|(name, _)| name),
            );
        }
        let expected: BTreeSet<_> = values.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected, "the settings of the README");
        values.map(|(name, value)| format!("export {name}='{value}'\n")).concat()
    }

    /// A copy of what the commands work on: what they leave behind is not the repository's.
    fn folder(&self) -> PathBuf {
        let folder = self.bed.scratch.folder("clone");
        parts::copy(&parts::repository().join("infra"), &folder.join("infra"));
        std::os::unix::fs::symlink(parts::target(), folder.join("target")).unwrap();
        folder
    }

    async fn shell(&self, folder: &Path, script: &str) -> Output {
        let programs = parts::client("readme");
        let (url, notes) = (self.bed.emulator.url(), self.bed.scratch.path().join("aws-auth.log"));
        let real = std::env::var("PATH").unwrap();
        let mut bash = tokio::process::Command::new("bash");
        bash.arg("-c").arg(script).current_dir(folder).kill_on_drop(true);
        bash.envs(self.bed.emulator.aws().client_env()).env("PATH", format!("{}:{real}", programs.display()));
        bash.env("REAL_PATH", &real)
            .env("REAL_AWS", parts::venv().join("bin/aws"))
            .env("REAL_BAO", parts::openbao());
        bash.env("EMULATOR", &url).env("NOTES", notes).env("REPOSITORY", parts::repository());
        bash.env("jwt", self.bed.good_token());
        bash.env("TF_CLI_ARGS_apply", "-auto-approve").env("TF_IN_AUTOMATION", "1").env("AWS_PAGER", "");
        bash.env("TF_VAR_sts_endpoint", &url).env("TF_VAR_sts_region", REGION);
        bash.env("CDK_CONTEXT_JSON", json!({"stsEndpoint": url, "stsRegion": REGION}).to_string());
        bash.output().await.unwrap()
    }
}
