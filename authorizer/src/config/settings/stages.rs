//! The section `stages`: which APIs each stage is for, and its grants in order.

use authorizer_adapters::jwks::JwksSource;
use authorizer_document::{
    ClaimValue, ClaimValues, ClaimsType, Seconds, Token, WrittenCaller, WrittenCallerBinding, WrittenGrant,
    WrittenStage, quoted,
};
use authorizer_steps::{
    grant::{Apis, BoundClaim, Bounds, Callers, Mode, Pattern, Rule, Stage, Stages, TokenRule},
    identity::jwt::{AudienceClaim, Issuer, RequiredBinding},
};

use super::{Reader, whole};

impl Reader<'_> {
    pub(super) fn stage(&self, name: &str, stage: WrittenStage) -> Option<Stage> {
        let at = format!("stages.{}", quoted(name));
        let name = self.parsed(&at, name);
        let apis = self.apis(&at, &stage);
        let server_id = stage.server_id.map(|text| self.parsed(format!("{at}.server_id"), &text));
        let grants = stage.grants.into_iter().enumerate();
        let rules =
            whole(grants.map(|(index, grant)| self.rule(&format!("{at}.grants[{index}]"), grant)).collect());
        Some(Stage {
            name: name?,
            apis: apis?,
            audiences: stage.audiences,
            server_id: server_id.map_or(Some(None), |id| id.map(Some))?,
            rules: rules?,
        })
    }

    fn apis(&self, at: &str, stage: &WrittenStage) -> Option<Apis> {
        if let [any] = stage.api_ids.as_slice()
            && any.0 == "*"
        {
            return Some(Apis::Any);
        }
        let ids = stage.api_ids.iter().map(|id| id.0.as_str());
        self.each(&format!("{at}.api_ids"), ids).map(Apis::Listed)
    }

    fn rule(&self, at: &str, grant: WrittenGrant) -> Option<Rule> {
        let name = self.parsed(format!("{at}.name"), &grant.name);
        let routes = self.each(&format!("{at}.routes"), grant.routes.iter().map(String::as_str));
        let callers = match &grant.caller.issuer {
            Some(name) => self.parsed(format!("{at}.caller.issuer"), name).map(Callers::OfIssuer),
            None => Some(Callers::AwsIdentity),
        };
        let mode = match grant.token {
            Some(token) => {
                let mint_ahead = grant.mint_ahead.unwrap_or_default();
                self.token(&format!("{at}.token"), token, mint_ahead).map(Mode::Token)
            }
            None => Some(Mode::None),
        };
        Some(Rule {
            name: name?,
            routes: routes?,
            callers: callers?,
            bounds: bounds(grant.caller),
            mode: mode?,
        })
    }

    fn token(&self, at: &str, token: Token, mint_ahead: bool) -> Option<TokenRule> {
        let role = self.parsed(format!("{at}.role"), &token.role);
        let policies = token.policies.iter().map(|policy| policy.0.as_str());
        let policies = self.each(&format!("{at}.policies"), policies);
        let (Seconds(ttl_seconds), Seconds(wrap_ttl_seconds)) = (token.ttl, token.wrap_ttl);
        Some(TokenRule {
            role: role?,
            policies: policies?,
            ttl_seconds,
            wrap_ttl_seconds,
            num_uses: token.num_uses,
            alias_claim: token.entity_alias.map(|alias| alias.claim),
            mint_ahead,
        })
    }

    /// A claim that holds one audience cannot name one of the issuer's and another of the stage's.
    pub(super) fn refuse_audiences_that_no_token_names(
        &self,
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
                let message = format!(
                    "no token of issuer `{}` can match this stage: its `{}` names one audience, and none of the \
                     issuer's `audiences` is among these",
                    issuer.name,
                    issuer.audience_claim.as_str()
                );
                self.refuse(format!("stages.{}.audiences", quoted(stage.name.as_str())), message);
            }
        }
    }
}

fn bounds(caller: WrittenCaller) -> Bounds {
    let globs = matches!(caller.bound_claims_type, Some(ClaimsType::Glob));
    let claims = caller.bound_claims.unwrap_or_default().into_iter().map(|(name, values)| {
        let values = match values {
            ClaimValues::One(value) => vec![value],
            ClaimValues::OneOf(values) => values,
        };
        BoundClaim { name, any_of: values.into_iter().map(|value| pattern(value, globs)).collect() }
    });
    // A star stands in a path or a name: the rules allow it only where AWS's own tokens name those.
    let arns = caller.bound_iam_principal_arns.unwrap_or_default().into_iter();
    let arns =
        arns.map(|arn| if arn.contains('*') { Pattern::Glob(arn) } else { Pattern::Exactly(arn.into()) });
    let ids = caller.bound_iam_principal_ids.unwrap_or_default().into_iter();
    Bounds {
        subject: caller.bound_subject,
        claims: claims.collect(),
        principal_arns: arns.collect(),
        principal_ids: ids.map(|id| id.0).collect(),
        binding: caller.binding.map(|binding| match binding {
            WrittenCallerBinding::Dpop => RequiredBinding::Dpop,
            WrittenCallerBinding::Mtls => RequiredBinding::Mtls,
            WrittenCallerBinding::Any => RequiredBinding::Any,
        }),
    }
}

fn pattern(value: ClaimValue, globs: bool) -> Pattern {
    match value {
        ClaimValue::Text(text) if globs => Pattern::Glob(text),
        ClaimValue::Text(text) => Pattern::Exactly(text.into()),
        ClaimValue::Number(number) => Pattern::Exactly(number.into()),
        ClaimValue::Boolean(flag) => Pattern::Exactly(flag.into()),
    }
}
