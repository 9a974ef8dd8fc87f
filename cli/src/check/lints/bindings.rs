//! Lints of sender-constrained tokens: where a proof that is asked for can never come, or depends on how the API is set up.

use authorizer_steps::{
    event::CredentialSource,
    grant::{Callers, Stage},
    identity::jwt::{BindingSettings, Issuer, RequiredBinding},
};
use vault_authorizer::config::{Config, quoted};

use super::{finding::Finding, stages};

pub(super) fn lint(issuer: &Issuer, config: &Config, place: &str) -> Vec<Finding> {
    let demands = Demands::of(issuer, config.stages.values());
    let BindingSettings::Verified { public_urls, .. } = &issuer.binding else {
        let elsewhere = Finding::hint(
            "binding-elsewhere",
            format!("{place}.binding.verify"),
            "a token that is bound to its sender's key is accepted from whoever sends it: all depends on what verifies the proof in front of the API",
            "leave it if nobody can reach the API around that; else remove it",
        );
        return demands.in_grants.into_iter().map(never_holds).chain([elsewhere]).collect();
    };
    let mut findings = Vec::new();
    if let Some(place) = demands.any() {
        findings.push(Finding::hint(
            "binding-authorizer",
            place,
            "the event of a TOKEN authorizer carries no proof: there every token that this is asked of is refused (binding_missing)",
            "leave it if each API has a REQUEST authorizer; else make it one",
        ));
    }
    let has_scheme = |source: &CredentialSource| matches!(source, CredentialSource::Header(_));
    if let Some(place) = demands.dpop().filter(|_| !config.credentials.iter().any(has_scheme)) {
        findings.push(Finding::warning(
            "binding-header",
            "credentials",
            format!("a DPoP-bound token comes with the scheme `DPoP` in a header, which none of these reads: {place} refuses every call"),
            "{header: Authorization} among them",
        ));
    }
    if let Some(place) = demands.dpop_or_any().filter(|_| public_urls.is_empty()) {
        findings.push(Finding::hint(
            "binding-urls",
            place,
            "the event of an HTTP or WebSocket API at a custom domain does not tell the URL that the caller used, nor does any event behind a proxy or a routing rule that strips the base path: every DPoP proof is refused there (binding_refused)",
            "leave it for a REST API, and for an HTTP API at its own endpoint; else add the URL to `public_urls`",
        ));
    }
    findings.extend(demands.mtls().map(|place| {
        Finding::hint(
            "binding-endpoint",
            place,
            "an API's default endpoint has no mutual TLS, nor has a WebSocket API: every token that this is asked of is refused there (binding_missing)",
            "a custom domain with a truststore, and `disableExecuteApiEndpoint` on the API",
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
            for (index, rule) in stage.rules.iter().enumerate() {
                if !matches!(&rule.callers, Callers::OfIssuer(name) if *name == issuer.name) {
                    continue;
                }
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

fn never_holds((place, binding): (String, RequiredBinding)) -> Finding {
    let risk = format!(
        "this grant never decides: with `verify: elsewhere` no token counts as bound, so none has the binding `{}`",
        binding.as_str()
    );
    let instead = "no `binding` here, or no `verify: elsewhere` on the issuer";
    Finding::warning("binding-never-holds", place, risk, instead)
}
