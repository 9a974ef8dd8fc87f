//! Checks whether the proofs that the configuration requires of callers' tokens can reach the function through an
//! API.
//!
//! Receives the requirements, and the JSON of AWS's own APIs; produces findings, or none if nothing is required. The
//! documentation of sender-constrained tokens says what an event tells of the caller's URL.

use authorizer_steps::{
    grant::Stage,
    identity::jwt::{BindingSettings, Issuer},
};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    aws::{items, text},
    aws_api::{AwsApi, Service},
    finding::Finding,
};
use crate::check::lints::bindings::Demands;

const BINDING_AUTHORIZER: &str = "binding-authorizer";
const BINDING_ENDPOINT: &str = "binding-endpoint";
const BINDING_URLS: &str = "binding-urls";

/// An API, and those of its authorizers that call the function.
pub(super) struct Api<'a> {
    pub(super) id: &'a str,
    pub(super) is_rest: bool,
    pub(super) settings: &'a Value,
    pub(super) authorizers: &'a [&'a Value],
}

impl Api<'_> {
    /// Where one of the issuers asks for a binding in one of the API's stages.
    pub(super) async fn examine(&self, issuers: &[Issuer], stages: &[&Stage], aws: &AwsApi) -> Vec<Finding> {
        let mut findings = Vec::new();
        // Asked for once, and only where a check needs them: there are two calls for each domain of the account.
        let domains = OnceCell::new();
        let domains = async || domains.get_or_init(async || Domain::of(self.id, aws).await).await;
        for issuer in issuers {
            let demands = Demands::of(issuer, stages.iter().copied());
            findings.extend(demands.any().map(|place| self.token_authorizer(place)));
            if let Some(place) = demands.mtls() {
                findings.push(match domains().await {
                    Ok(domains) => self.endpoint(domains, place),
                    Err(unseen) => unseen.clone().of(BINDING_ENDPOINT),
                });
            }
            let has_urls = matches!(&issuer.binding, BindingSettings::Verified { public_urls, .. } if !public_urls.is_empty());
            if let Some(place) = demands.dpop_or_any().filter(|_| !has_urls) {
                findings.push(match domains().await {
                    Ok(domains) => self.urls(domains, place),
                    Err(unseen) => unseen.clone(),
                });
            }
        }
        findings
    }

    fn token_authorizer(&self, place: &str) -> Finding {
        let api = self.id;
        match self.authorizers.iter().find(|authorizer| text(authorizer, "type") == "TOKEN") {
            None => Finding::good(
                BINDING_AUTHORIZER,
                format!("API `{api}` has a REQUEST authorizer, as {place} needs"),
            ),
            Some(authorizer) => Finding::wrong(
                BINDING_AUTHORIZER,
                format!(
                    "authorizer `{}` of API `{api}` is a TOKEN authorizer, whose event carries no proof: no call satisfies {place}",
                    text(authorizer, "name")
                ),
                "make it a REQUEST authorizer without identity sources, and deploy the API",
            ),
        }
    }

    /// API Gateway developer guide, "Disable the default endpoint for REST APIs": clients with the default endpoint go around
    /// the custom domain's mutual TLS.
    fn endpoint(&self, domains: &[Domain], place: &str) -> Finding {
        let (api, check) = (self.id, BINDING_ENDPOINT);
        if text(self.settings, "protocolType") == "WEBSOCKET" {
            let found =
                format!("API `{api}` is a WebSocket API, which has no mutual TLS: no call satisfies {place}");
            return Finding::wrong(check, found, "require DPoP there, or `none`");
        }
        if self.settings.get("disableExecuteApiEndpoint") != Some(&Value::Bool(true)) {
            let found = format!(
                "the default endpoint of API `{api}` is open, and does not ask for a client certificate: no call satisfies {place} there"
            );
            return Finding::wrong(check, found, "set `disableExecuteApiEndpoint`, and deploy the API");
        }
        if !domains.iter().any(|domain| domain.has_truststore) {
            let found = format!(
                "no custom domain of API `{api}` asks for a client certificate: no call satisfies {place}"
            );
            return Finding::wrong(check, found, "give its domain a truststore (`mutualTlsAuthentication`)");
        }
        Finding::good(check, format!("API `{api}` is reachable only at its custom domains, with mutual TLS"))
    }

    fn urls(&self, domains: &[Domain], place: &str) -> Finding {
        let (api, check) = (self.id, BINDING_URLS);
        let hidden = domains.iter().find(|domain| !self.is_rest || domain.strips_base_path);
        let Some(domain) = hidden else {
            let found = format!(
                "API `{api}` sees the URL that its callers use, as {place} needs; behind a proxy it would not, and this check cannot see a proxy"
            );
            return Finding::good(check, found);
        };
        let found = format!(
            "API `{api}` is called at `{}`, and its events do not contain the URL that was used: no DPoP proof satisfies {place} there",
            domain.name
        );
        let remedy = format!(
            "add the URL at which callers reach the API, such as `https://{}/v1`, to the issuer's `binding.public_urls`",
            domain.name
        );
        Finding::wrong(check, found, remedy)
    }
}

/// A custom domain from which calls reach an API.
struct Domain {
    name: String,
    strips_base_path: bool,
    /// It asks for a client certificate.
    has_truststore: bool,
}

impl Domain {
    /// Those that lead to the API, by mappings or rules (API reference, version 2: both kinds of APIs are there).
    async fn of(api: &str, aws: &AwsApi) -> Result<Vec<Self>, Finding> {
        let mut domains = Vec::new();
        for domain in &listed(aws, "v2/domainnames", "items").await? {
            let (name, mode) = (text(domain, "domainName"), text(domain, "routingMode"));
            let base = format!("v2/domainnames/{name}");
            let mut routes = Vec::new();
            if mode != "ROUTING_RULE_ONLY" {
                routes.extend(listed(aws, &format!("{base}/apimappings"), "items").await?);
            }
            if mode.starts_with("ROUTING_RULE") {
                for rule in &listed(aws, &format!("{base}/routingrules"), "routingRules").await? {
                    let actions = items(rule, "actions").iter();
                    routes.extend(actions.filter_map(|action| action.get("invokeApi").cloned()));
                }
            }
            let own: Vec<_> = routes.iter().filter(|route| text(route, "apiId") == api).collect();
            let strips_base_path =
                own.iter().any(|route| route.get("stripBasePath") == Some(&Value::Bool(true)));
            if !own.is_empty() {
                let truststore = domain.pointer("/mutualTlsAuthentication/truststoreUri");
                let has_truststore = truststore.is_some_and(Value::is_string);
                domains.push(Self { name: name.to_owned(), strips_base_path, has_truststore });
            }
        }
        Ok(domains)
    }
}

/// More than an account has by default: 120 domains, and as many mappings and rules of one as API Gateway lets it have.
const PAGE: &str = "maxResults=500";

async fn listed(aws: &AwsApi, path: &str, name: &str) -> Result<Vec<Value>, Finding> {
    let found = aws.get(BINDING_URLS, Service::ApiGateway, &format!("{path}?{PAGE}")).await?;
    let found = found.unwrap_or_default();
    if found.get("nextToken").is_some_and(|token| !token.is_null()) {
        return Err(Finding::unseen(
            BINDING_URLS,
            format!("{path} has more than one page, and only the first is read"),
        ));
    }
    Ok(items(&found, name).to_vec())
}
