//! Says what a release was built from, as an in-toto statement with SLSA's provenance:
//! <https://slsa.dev/spec/v1.0/provenance>.
//!
//! It has no time, so that the same commit gives the same bytes.

use super::stated::Stated;
use crate::cargo;
use crate::package::{self, Source};
use crate::workspace::{Failure, Workspace};
use serde_json::{Value, json};
use std::env;

/// The statement about files: the name and the SHA-256 of each.
pub(super) fn statement(
    workspace: &Workspace,
    stated: &Stated,
    source: &Source,
    files: &[(String, String)],
    warnings: &[String],
) -> Result<String, Failure> {
    let subjects = files.iter().map(|(name, sum)| json!({"name": name, "digest": {"sha256": sum}}));
    let commit = source.commit.trim_end_matches("-dirty");
    let mut dependencies = vec![
        json!({
            "uri": format!("git+{}@refs/tags/v{}", stated.address, stated.version),
            "digest": {"gitCommit": commit},
        }),
        json!({
            "uri": format!("pkg:github/rust-lang/rust@{}", cargo::rustc_field("release")?),
            "digest": {"gitCommit": cargo::rustc_field("commit-hash")?},
        }),
    ];
    for file in MATERIALS {
        let sum = package::sha256(&package::read(&workspace.root.join(file))?)?;
        dependencies.push(json!({"name": file, "digest": {"sha256": sum}}));
    }
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects.collect::<Vec<_>>(),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": format!("{}/blob/v{}/docs/packages.md#releases", stated.address, stated.version),
                "externalParameters": {"version": stated.version, "repository": stated.address},
                // Of a dry run: why it is not a release.
                "internalParameters": {"warnings": warnings},
                "resolvedDependencies": dependencies,
            },
            "runDetails": builder(stated, |name| env::var(name).ok()),
        },
    });
    let text = serde_json::to_string_pretty(&statement).map_err(Failure::because("the provenance"))?;
    Ok(text + "\n")
}

/// What pins everything that is downloaded for the build.
const MATERIALS: [&str; 4] = [
    "Cargo.lock",
    "infra/cdk/package-lock.json",
    "integrations/typescript/package-lock.json",
    "xtask/release-requirements.txt",
];

/// The workflow that runs this, as GitHub's variables name it, or a person.
fn builder(stated: &Stated, variable: impl Fn(&str) -> Option<String>) -> Value {
    let by_workflow = || {
        let (server, repository) = (variable("GITHUB_SERVER_URL")?, variable("GITHUB_REPOSITORY")?);
        let (workflow, run) = (variable("GITHUB_WORKFLOW_REF")?, variable("GITHUB_RUN_ID")?);
        let attempt = variable("GITHUB_RUN_ATTEMPT")?;
        Some(json!({
            "builder": {"id": format!("{server}/{workflow}")},
            "metadata": {"invocationId": format!("{server}/{repository}/actions/runs/{run}/attempts/{attempt}")},
        }))
    };
    by_workflow().unwrap_or_else(|| json!({"builder": {"id": format!("{}#by-hand", stated.address)}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_each_file_the_commit_and_the_lock_files() {
        let workspace = Workspace::find().unwrap();
        let source = Source { time: String::new(), commit: format!("{COMMIT}-dirty") };
        let files = [("a.zip".to_owned(), "ab".repeat(32))];
        let warnings = ["uncommitted changes".to_owned()];
        let statement = || statement(&workspace, &stated(), &source, &files, &warnings).unwrap();
        assert_eq!(statement(), statement());
        let statement: Value = serde_json::from_str(&statement()).unwrap();
        assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
        assert_eq!(statement["subject"], json!([{"name": "a.zip", "digest": {"sha256": "ab".repeat(32)}}]));
        let definition = &statement["predicate"]["buildDefinition"];
        assert_eq!(definition["internalParameters"]["warnings"], json!(["uncommitted changes"]));
        let materials = definition["resolvedDependencies"].as_array().unwrap();
        assert_eq!(materials[0]["uri"], "git+https://git.example.org/x@refs/tags/v0.2.0");
        assert_eq!(materials[0]["digest"]["gitCommit"], COMMIT);
        let lock = package::read(&workspace.root.join("Cargo.lock")).unwrap();
        assert_eq!(
            materials[2],
            json!({"name": "Cargo.lock", "digest": {"sha256": package::sha256(&lock).unwrap()}})
        );
        assert_eq!(materials.len(), 2 + MATERIALS.len());
    }

    #[test]
    fn names_the_workflow_that_builds_or_says_by_hand() {
        assert_eq!(
            builder(&stated(), |_| None),
            json!({"builder": {"id": "https://git.example.org/x#by-hand"}})
        );
        let variable = |name: &str| {
            let value = match name {
                "GITHUB_SERVER_URL" => "https://git.example.org",
                "GITHUB_REPOSITORY" => "team/x",
                "GITHUB_WORKFLOW_REF" => "team/x/.github/workflows/release.yml@refs/tags/v0.2.0",
                _ => "7",
            };
            Some(value.to_owned())
        };
        assert_eq!(
            builder(&stated(), variable),
            json!({
                "builder": {"id": "https://git.example.org/team/x/.github/workflows/release.yml@refs/tags/v0.2.0"},
                "metadata": {"invocationId": "https://git.example.org/team/x/actions/runs/7/attempts/7"},
            })
        );
    }

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn stated() -> Stated {
        Stated { version: "0.2.0".to_owned(), address: "https://git.example.org/x".to_owned() }
    }
}
