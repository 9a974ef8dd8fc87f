//! Lints of stages: what separates two stages, and the APIs they are for.

use std::collections::BTreeSet;

use authorizer_steps::{
    grant::{Apis, Callers, Stage},
    identity::aws_identity::AwsIdentitySettings,
    names::IssuerName,
};
use vault_authorizer::config::{Config, quoted};

use super::{claims, finding::Finding, grants};

pub(super) fn lint(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut earlier: Vec<&Stage> = Vec::new();
    for stage in config.stages.values() {
        findings.extend(any_api(stage));
        let audiences = stage.audiences.iter().flatten();
        findings.extend(claims::star_in(audiences, &format!("{}.audiences", place(stage))));
        findings.extend(earlier.iter().filter_map(|earlier| shared_audience(earlier, stage)));
        let settings = config.aws_identity.as_ref();
        findings.extend(earlier.iter().filter_map(|earlier| shared_server_id(settings?, earlier, stage)));
        findings.extend(grants::lint(stage, &place(stage)));
        earlier.push(stage);
    }
    findings
}

/// `stages.prod`.
pub(super) fn place(stage: &Stage) -> String {
    format!("stages.{}", quoted(stage.name.as_str()))
}

fn any_api(stage: &Stage) -> Option<Finding> {
    if stage.apis != Apis::Any {
        return None;
    }
    let name = &stage.name;
    let risk = format!(
        "every API that may call this function gets these grants on its own stage `{name}`, including APIs that are created later"
    );
    let instead = "the ids of the APIs that you mean";
    Some(Finding::warning("any-api", format!("{}.api_ids", place(stage)), risk, instead))
}

/// A token must name one of its issuer's audiences and one of the stage's. So what holds two stages apart is a list of
/// audiences on each, with nothing in common.
fn shared_audience(earlier: &Stage, stage: &Stage) -> Option<Finding> {
    let issuers: Vec<String> =
        issuers(earlier).intersection(&issuers(stage)).map(|name| format!("`{name}`")).collect();
    let apart = match (&earlier.audiences, &stage.audiences) {
        (Some(earlier), Some(own)) => !earlier.iter().any(|audience| own.contains(audience)),
        (Some(_), None) | (None, Some(_)) | (None, None) => false,
    };
    if issuers.is_empty() || apart {
        return None;
    }
    let risk = format!(
        "a token from {} for stage `{}` may also be valid on `{}`, or the other way round",
        issuers.join(", "),
        earlier.name,
        stage.name
    );
    let instead = "`audiences` on both stages, with none in common";
    Some(Finding::warning("shared-audience", format!("{}.audiences", place(stage)), risk, instead))
}

/// Whether any grant of it is for IAM proofs.
pub(super) fn takes_proofs(stage: &Stage) -> bool {
    stage.rules.iter().any(|rule| rule.callers == Callers::AwsIdentity)
}

fn issuers(stage: &Stage) -> BTreeSet<&IssuerName> {
    let vouching = stage.rules.iter().filter_map(|rule| match &rule.callers {
        Callers::OfIssuer(issuer) => Some(issuer),
        Callers::AwsIdentity => None,
    });
    vouching.collect()
}

fn shared_server_id(settings: &AwsIdentitySettings, earlier: &Stage, stage: &Stage) -> Option<Finding> {
    let server_id = |stage: &Stage| stage.server_id.clone().unwrap_or_else(|| settings.server_id.clone());
    if !takes_proofs(earlier) || !takes_proofs(stage) || server_id(earlier) != server_id(stage) {
        return None;
    }
    let risk = format!(
        "an IAM proof signed for stage `{}` is also valid on `{}`, and the other way round",
        earlier.name, stage.name
    );
    let instead =
        format!("a `server_id` for each stage, such as `{}.{}`", stage.name, settings.server_id.as_str());
    Some(Finding::warning("shared-server-id", format!("{}.server_id", place(stage)), risk, instead))
}
