//! The five steps of each page in `docs/deploy`, exactly as written and from nothing. The tests read the command
//! blocks from the page and give them to a shell whose `aws`, `vault` and `curl` use the test bed.
//!
//! These do not come from the page: the values of its first block, an STS on this machine, and where the emulator
//! serves an API.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::json;
use test_bed::cloudformation::BUCKET;
use test_bed::{AwsBed, parts};

const PAGES: [&str; 3] = ["cloudformation", "terraform", "cdk"];

/// The blocks of commands of a page, each with the number of its step; 0 for the settings. What follows the steps is left out.
fn blocks(page: &str) -> Vec<(u32, String)> {
    let text = parts::text(&format!("docs/deploy/{page}.md"));
    let (mut step, mut blocks, mut open) = (0, Vec::new(), None::<String>);
    for line in text.lines() {
        if let Some(commands) = &mut open {
            if line == "```" {
                blocks.extend(open.take().map(|commands| (step, commands)));
            } else {
                *commands += &format!("{line}\n");
            }
        } else if line == "```sh" {
            open = Some(String::new());
        } else if let Some(heading) = line.strip_prefix("## ") {
            match heading.split('.').next().and_then(|number| number.parse().ok()) {
                Some(number) => step = number,
                None => break,
            }
        }
    }
    blocks
}

#[test]
fn each_page_has_its_five_steps() {
    for page in PAGES {
        let steps: BTreeSet<_> = blocks(page).into_iter().map(|(step, _)| step).collect();
        assert_eq!(steps, (0..=5).collect(), "{page}: settings, and five steps");
    }
}

#[tokio::test]
async fn the_five_steps_with_cloudformation() {
    Walk::new("cloudformation").await.walk().await;
}

#[tokio::test]
async fn the_five_steps_with_terraform() {
    Walk::new("terraform").await.walk().await;
}

#[tokio::test]
async fn the_five_steps_with_cdk() {
    Walk::new("cdk").await.walk().await;
}

/// Somebody with a page, an AWS account, a Vault and an identity provider.
struct Walk {
    page: &'static str,
    bed: AwsBed,
}

impl Walk {
    async fn new(page: &'static str) -> Self {
        // The stand-in, or the plugin, has what the script would write; `vault` only notes it.
        Self { page, bed: AwsBed::without_setup(&format!("deploy-{page}"), "orders-authorizer").await }
    }

    async fn walk(self) {
        let folder = self.folder();
        let bucket = json!({"Bucket": BUCKET});
        self.bed.emulator.aws().request("s3", "create_bucket", &bucket).await;
        let mut script = String::from("set -euo pipefail\n");
        for (step, commands) in blocks(self.page) {
            if step == 0 {
                script += &self.settings(&commands);
            } else {
                script += &format!("echo '=== step {step}'\n{commands}");
            }
        }
        let output = self.shell(&folder, &script).await;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}:\n{printed}\n{complaint}", self.page);

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
        let values = self.bed.page_settings();
        let mut names = BTreeSet::new();
        for line in block.lines() {
            let line = line.split(" #").next().unwrap();
            names.extend(
                line.split_whitespace().filter_map(|word| word.split_once('=')).map(|(name, _)| name),
            );
        }
        let known = |name: &&str| values.iter().any(|(known, _)| known == name);
        assert!(names.len() >= 7 && names.iter().all(known), "{names:?}");
        let own = values.iter().filter(|(name, _)| names.contains(name));
        own.map(|(name, value)| format!("export {name}='{value}'\n")).collect()
    }

    /// A copy of what the commands work on: what they leave behind is not the repository's.
    fn folder(&self) -> PathBuf {
        let folder = self.bed.scratch.folder("clone");
        parts::copy(&parts::repository().join("infra"), &folder.join("infra"));
        std::os::unix::fs::symlink(parts::target(), folder.join("target")).unwrap();
        folder
    }

    async fn shell(&self, folder: &Path, script: &str) -> Output {
        let mut bash = tokio::process::Command::new("bash");
        bash.arg("-c").arg(script).current_dir(folder).kill_on_drop(true);
        bash.envs(self.bed.page_environment(&["deploy-test"])).env("TF_IN_AUTOMATION", "1");
        bash.env("TF_CLI_ARGS_apply", "-auto-approve");
        bash.output().await.unwrap()
    }
}
