//! Lints of one stage's grants: grants that never decide, and tokens that do not fit the integration that takes them.

use authorizer_steps::{
    grant::{Callers, Mode, Rule, Stage, TokenRule},
    names::GrantName,
};
use vault_context::unwrap::DEFAULT_MAX_LEASE_SECONDS;

use super::{claims, finding::Finding, routes};

/// An integration unwraps when it is called, and it is called at once.
const LONGEST_WRAP_SECONDS: u64 = 300;
/// One call and the revoke.
const TOO_FEW_USES: u64 = 2;

pub(super) fn lint(stage: &Stage, place: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, rule) in stage.rules.iter().enumerate() {
        let place = format!("{place}.grants[{index}]");
        findings.extend(shadowed(rule, stage.rules.iter().take(index).enumerate(), &place));
        findings.extend(any_caller_any_route(rule, &place));
        findings.extend(routes::lint(stage, &rule.routes, &place));
        findings.extend(claims::bounds(&rule.bounds, &place));
        if let Mode::Token(token) = &rule.mode {
            let place = format!("{place}.token");
            findings.extend(long_lease(token, &place));
            findings.extend(long_wrap(token, &place));
            findings.extend(few_uses(token, &place));
            let alias = token.alias_claim.as_deref();
            findings
                .extend(alias.and_then(|name| claims::name(name, &format!("{place}.entity_alias.claim"))));
        }
    }
    findings
}

fn shadowed<'a>(
    rule: &Rule,
    mut earlier: impl Iterator<Item = (usize, &'a Rule)>,
    place: &str,
) -> Option<Finding> {
    let (index, earlier) = earlier.find(|(_, earlier)| earlier.shadows(rule))?;
    let (own, name): (&GrantName, &GrantName) = (&rule.name, &earlier.name);
    let risk = format!(
        "`{own}` is never used: grants[{index}], `{name}`, comes first and covers all its routes and callers"
    );
    let instead = format!("put `{own}` before `{name}`, or remove it");
    Some(Finding::warning("shadowed-grant", place, risk, instead))
}

fn any_caller_any_route(rule: &Rule, place: &str) -> Option<Finding> {
    let everything = rule.routes.iter().any(|route| route.to_string() == "* /*");
    if !rule.bounds.is_any() || !everything {
        return None;
    }
    let (who, bound) = match &rule.callers {
        Callers::OfIssuer(issuer) => (format!("anyone with a token from `{issuer}`"), "`bound_claims`"),
        Callers::AwsIdentity => {
            ("every IAM user and role of the accepted accounts".to_owned(), "`bound_iam_principal_arns`")
        }
    };
    let risk = format!("{who} may make every call, including on routes that you add later");
    let instead = format!("{bound} in place of `any: true`, or the routes that you mean in place of `* /*`");
    Some(Finding::warning("any-caller-any-route", place, risk, instead))
}

fn long_lease(token: &TokenRule, place: &str) -> Option<Finding> {
    let seconds = token.ttl_seconds;
    if seconds <= DEFAULT_MAX_LEASE_SECONDS {
        return None;
    }
    let risk = format!(
        "an integration with vault-context refuses a token that lives {seconds} s: its limit is {DEFAULT_MAX_LEASE_SECONDS} s by default"
    );
    let instead = format!(
        "{DEFAULT_MAX_LEASE_SECONDS}s or less, or set `Integration::max_lease_seconds({seconds})` where this grant's tokens are used"
    );
    Some(Finding::warning("ttl-over-lease-limit", format!("{place}.ttl"), risk, instead))
}

fn long_wrap(token: &TokenRule, place: &str) -> Option<Finding> {
    let seconds = token.wrap_ttl_seconds;
    if seconds <= LONGEST_WRAP_SECONDS {
        return None;
    }
    let risk = format!(
        "an integration unwraps within seconds; for {seconds} s anyone who reads the context in a log can unwrap the token first"
    );
    Some(Finding::warning("long-wrap", format!("{place}.wrap_ttl"), risk, "30s or 60s"))
}

/// Vault counts every request made with the token, refused ones and revoke-self too, and revokes it with the last one.
fn few_uses(token: &TokenRule, place: &str) -> Option<Finding> {
    let uses = token.num_uses.filter(|uses| *uses <= TOO_FEW_USES)?;
    let risk = format!(
        "{uses} uses allow one call and the revoke: a refused or repeated call also counts, and then the revoke fails; a leased secret, such as a database password, is revoked with the token's last use"
    );
    let instead = "about 5, or leave it out: `ttl` limits the token in any case";
    Some(Finding::warning("few-uses", format!("{place}.num_uses"), risk, instead))
}
