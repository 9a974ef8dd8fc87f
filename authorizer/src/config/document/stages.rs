//! `stages`: which APIs each is for, and its grants in order.

use std::str::FromStr;

use sts_identity::ServerId;

use super::{Node, Reader, key, seconds, texts};
use crate::{
    adapters::jwks::JwksSource,
    config::node::{Table, quoted},
    event::Route,
    grant::{
        Apis, Callers, MAX_TTL_SECONDS_WITHOUT_END, MIN_TTL_SECONDS, Mode, Rule, Stage, Stages, TokenRule,
    },
    identity::jwt::{AudienceClaim, Issuer, aws_iam},
    names::{ApiId, PolicyName, StageName},
};

/// A token that lives longer is not a short-lived one.
const MAX_TTL_SECONDS: u64 = 24 * 3600;

impl Reader<'_> {
    pub(super) fn stages(&self, node: &Node<'_>) -> Option<Stages> {
        node.entries(|name, node| self.stage(name, node))
    }

    fn stage(&self, name: &str, node: &Node<'_>) -> Option<(StageName, Stage)> {
        let name: Option<StageName> = key(name, node);
        let mut table = node.table()?;
        let apis = table.required("api_ids", api_ids);
        let audiences = table.optional("audiences", texts);
        let server_id = table.optional("server_id", |node| {
            if self.document.get("aws_identity").is_none() {
                return node.refuse("needs the section `aws_identity` at the top of the document");
            }
            node.parsed(ServerId::from_str)
        });
        let rules = table.required("grants", |node| node.list(|node| self.rule(node)));
        table.finish();
        let name = name?;
        Some((name.clone(), Stage { name, apis: apis?, audiences, server_id, rules: rules? }))
    }

    fn rule(&self, node: &Node<'_>) -> Option<Rule> {
        let mut table = node.table()?;
        let name = table.required("name", |node| {
            self.unique(node, "two grants with one name");
            node.parsed(str::parse)
        });
        let routes = table.required("routes", |node| node.list(|node| node.parsed(Route::from_str)));
        let caller = table.required("caller", |node| self.caller(node));
        let passage_only = table.optional("mode", |node| node.one_of(&[("none", ())])).is_some();
        let token =
            table.optional("token", |node| self.token(node, caller.as_ref().map(|(callers, _)| callers)));
        table.exactly_one(("token", "`token`"), ("mode", "`mode: none`"));
        let without_end = matches!(caller, Some((Callers::AwsIdentity, _)));
        let ttl_seconds = token.as_ref().map_or(0, |token| token.ttl_seconds);
        if without_end && ttl_seconds > MAX_TTL_SECONDS_WITHOUT_END {
            table.refuse(format!(
                "its `token.ttl` must be at most {MAX_TTL_SECONDS_WITHOUT_END}s: an IAM proof has no end that would bound it"
            ));
        }
        table.finish();
        let mode = if passage_only { Some(Mode::None) } else { token.map(Mode::Token) };
        let (callers, bounds) = caller?;
        Some(Rule { name: name?, routes: routes?, callers, bounds, mode: mode? })
    }

    fn token(&self, node: &Node<'_>, callers: Option<&Callers>) -> Option<TokenRule> {
        let mut table = node.table()?;
        let role = table.required("role", |node| {
            self.unique(node, "two grants with one role");
            node.parsed(str::parse)
        });
        let policies = table.required("policies", |node| node.list(|node| node.parsed(PolicyName::from_str)));
        let ttl_seconds = table.required("ttl", |node| seconds(node, MIN_TTL_SECONDS, MAX_TTL_SECONDS));
        let wrap_ttl_seconds =
            table.required("wrap_ttl", |node| seconds(node, MIN_TTL_SECONDS, MAX_TTL_SECONDS));
        if wrap_ttl_seconds > ttl_seconds && ttl_seconds.is_some() {
            table.refuse_key("wrap_ttl", "must not be longer than `ttl`: the token inside would end first");
        }
        let num_uses = table.optional("num_uses", |node| match node.integer()? {
            0 | 1 => node.refuse("must be at least 2: the revoke at the end counts as well"),
            uses => Some(uses),
        });
        let alias_claim = table.optional("entity_alias", |node| self.alias_claim(node, callers));
        table.finish();
        Some(TokenRule {
            role: role?,
            policies: policies?,
            ttl_seconds: ttl_seconds?,
            wrap_ttl_seconds: wrap_ttl_seconds?,
            num_uses,
            alias_claim,
        })
    }

    fn alias_claim(&self, node: &Node<'_>, callers: Option<&Callers>) -> Option<String> {
        let mut table = node.table()?;
        let claim = table.required("claim", |node| {
            let claim = node.text()?;
            match callers {
                Some(Callers::AwsIdentity) => node.refuse("never holds: an IAM proof has no claims"),
                Some(Callers::OfIssuer(issuer))
                    if self.is_aws(issuer) && aws_iam::is_chosen_by_the_caller(claim) =>
                {
                    node.refuse("`request_tags` are whatever the caller asked for: use `principal_tags`")
                }
                Some(Callers::OfIssuer(_)) | None => Some(claim.to_owned()),
            }
        });
        table.finish();
        claim
    }
}

/// A claim that holds one audience cannot name one of the issuer's and another of the stage's.
pub(super) fn refuse_audiences_that_no_token_names(
    table: &Table<'_>,
    issuers: &[(Issuer, JwksSource)],
    stages: &Stages,
) {
    for stage in stages.values() {
        let Some(audiences) = &stage.audiences else { continue };
        let is_caller = |issuer: &Issuer| {
            stage.rules.iter().any(|rule| rule.callers == Callers::OfIssuer(issuer.name.clone()))
        };
        let hopeless = issuers.iter().map(|(issuer, _)| issuer).filter(|issuer| {
            issuer.audience_claim != AudienceClaim::Aud
                && is_caller(issuer)
                && !issuer.audiences.iter().any(|own| audiences.contains(own))
        });
        for issuer in hopeless {
            let path = format!("stages.{}.audiences", quoted(stage.name.as_str()));
            table.refuse_at(
                &path,
                format!(
                    "no token of issuer `{}` can be for this stage: its `{}` names one audience, and none of the issuer's `audiences` is among these",
                    issuer.name,
                    issuer.audience_claim.as_str()
                ),
            );
        }
    }
}

fn api_ids(node: &Node<'_>) -> Option<Apis> {
    let ids = texts(node)?;
    if ids == ["*"] {
        return Some(Apis::Any);
    }
    node.list(|node| node.parsed(ApiId::from_str)).map(Apis::Listed)
}
