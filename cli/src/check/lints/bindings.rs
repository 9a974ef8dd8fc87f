//! Lints of sender-constrained tokens: a required proof that can never arrive, or that depends on how the API is set
//! up.

use authorizer_steps::{
    event::CredentialSource,
    grant::Stage,
    identity::jwt::{BindingSettings, Issuer, PublicUrl, RequiredBinding},
};
use vault_authorizer::config::{Config, quoted};

use super::{
    finding::Finding,
    providers::{is_for, rules},
    stages,
};

pub(super) fn lint(issuer: &Issuer, config: &Config, place: &str) -> Vec<Finding> {
    let demands = Demands::of(issuer, config.stages.values());
    let BindingSettings::Verified { public_urls, .. } = &issuer.binding else {
        let elsewhere = Finding::hint(
            "binding-elsewhere",
            format!("{place}.binding.verify"),
            "a bound token is accepted from anyone who sends it: you rely on something in front of the API to verify its proof",
            "leave it if nobody can bypass that to reach the API; otherwise remove `verify`",
        );
        return demands.in_grants.into_iter().map(never_holds).chain([elsewhere]).collect();
    };
    let mut findings = route_in_url(issuer, public_urls, config, place);
    if let Some(place) = demands.any() {
        findings.push(Finding::hint(
            "binding-authorizer",
            place,
            "a TOKEN authorizer sees neither headers nor a certificate: it refuses every bound token (binding_missing), and other tokens do not satisfy this",
            "leave it if every API has a REQUEST authorizer; otherwise give it one",
        ));
    }
    let has_scheme = |source: &CredentialSource| matches!(source, CredentialSource::Header(_));
    if let Some(place) = demands.dpop().filter(|_| !config.credentials.iter().any(has_scheme)) {
        findings.push(Finding::warning(
            "binding-header",
            "credentials",
            format!("a DPoP-bound token arrives in a header with the scheme `DPoP`, and none of these is a header with a scheme: no call satisfies {place}"),
            "add `{header: Authorization}`",
        ));
    }
    if let Some(place) = demands.dpop_or_any().filter(|_| public_urls.is_empty()) {
        findings.push(Finding::hint(
            "binding-urls",
            place,
            "the event does not say which URL the caller used if an HTTP or WebSocket API has a custom domain, or if the API is behind a proxy such as CloudFront or behind a routing rule that strips the base path. Every DPoP proof is refused there (binding_refused)",
            "leave it if callers call API Gateway directly, on a REST API without such a rule or at another API's own endpoint; otherwise list the URL in `public_urls`",
        ));
    }
    findings.extend(demands.mtls().map(|place| {
        Finding::hint(
            "binding-endpoint",
            place,
            "an API's default endpoint does not ask for a client certificate, and neither does a WebSocket API: every certificate-bound token is refused there (binding_missing), and other tokens do not satisfy this",
            "leave it if callers use a custom domain with a truststore, and the API has `disableExecuteApiEndpoint`; otherwise set up both",
        )
    }));
    findings
}

/// What tokens of an issuer must be bound to, each with its place in the document.
#[derive(Debug, Default)]
pub(crate) struct Demands {
    by_issuer: Option<(String, RequiredBinding)>,
    in_grants: Vec<(String, RequiredBinding)>,
}

impl Demands {
    /// Of the issuer, and of its grants in these stages. Where it has none, nothing is asked of its tokens.
    pub(crate) fn of<'a>(issuer: &Issuer, stages: impl Iterator<Item = &'a Stage>) -> Self {
        let mut demands = Self::default();
        let require = match &issuer.binding {
            BindingSettings::Verified { require, .. } => *require,
            BindingSettings::VerifiedElsewhere => None,
        };
        for stage in stages {
            let rules = stage.rules.iter().enumerate().filter(|(_, rule)| is_for(rule, issuer));
            for (index, rule) in rules {
                let place = || format!("issuers.{}.binding.require", quoted(issuer.name.as_str()));
                demands.by_issuer = require.map(|binding| (place(), binding));
                let place = || format!("{}.grants[{index}].caller.binding", stages::place(stage));
                demands.in_grants.extend(rule.bounds.binding.map(|binding| (place(), binding)));
            }
        }
        demands
    }

    /// Where any binding is asked for.
    pub(crate) fn any(&self) -> Option<&str> {
        self.place(|_| true)
    }

    /// Where a DPoP proof would do.
    pub(crate) fn dpop_or_any(&self) -> Option<&str> {
        self.place(|binding| binding != RequiredBinding::Mtls)
    }

    /// Where nothing but a DPoP proof will do.
    fn dpop(&self) -> Option<&str> {
        self.place(|binding| binding == RequiredBinding::Dpop)
    }

    /// Where nothing but a certificate will do.
    pub(crate) fn mtls(&self) -> Option<&str> {
        self.place(|binding| binding == RequiredBinding::Mtls)
    }

    fn place(&self, is_meant: impl Fn(RequiredBinding) -> bool) -> Option<&str> {
        let mut all = self.by_issuer.iter().chain(&self.in_grants);
        all.find(|(_, binding)| is_meant(*binding)).map(|(place, _)| place.as_str())
    }
}

/// The URL of one route, where the URL of the API is meant.
fn route_in_url(issuer: &Issuer, urls: &[PublicUrl], config: &Config, place: &str) -> Vec<Finding> {
    let rules = config.stages.values().flat_map(|stage| rules(stage, issuer));
    let routes: Vec<String> = rules.flat_map(|rule| &rule.routes).map(ToString::to_string).collect();
    let mut findings = Vec::new();
    for (index, url) in urls.iter().enumerate() {
        let path = url.path().trim_end_matches('/');
        let template = routes.iter().find_map(|route| {
            let (_, template) = route.split_once(' ')?;
            let template = template.strip_suffix("/*").unwrap_or(template);
            // A template begins with a slash, so it is whole segments that are compared.
            (template.len() > 1 && !template.contains('{') && path.ends_with(template)).then_some(template)
        });
        findings.extend(template.map(|template| {
            let risk = format!(
                "the path of the call is appended to this URL: for a call to {template}, a proof must name a URL that ends with {path}{template}"
            );
            let instead = format!("the URL without `{template}`, unless callers really use {path}{template}");
            Finding::warning("binding-urls", format!("{place}.binding.public_urls[{index}]"), risk, instead)
        }));
    }
    findings
}

fn never_holds((place, binding): (String, RequiredBinding)) -> Finding {
    let risk = format!(
        "this grant never matches: with `verify: elsewhere` no token counts as bound, so none has the binding `{}`",
        binding.as_str()
    );
    let instead = "remove `binding` here, or `verify: elsewhere` on the issuer";
    Finding::warning("binding-never-holds", place, risk, instead)
}
