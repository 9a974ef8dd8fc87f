//! `issuers`: whose JWTs are accepted, and where their keys come from.

use std::str::FromStr;

use serde_json::Value;
use url::Url;
use vault_context::http::{self, checked_endpoint};

use super::{Node, Reader, key, seconds, texts};
use crate::{
    adapters::jwks::JwksSource,
    causes::with_causes,
    config::node::Table,
    identity::jwt::{Algorithm, AudienceClaim, Issuer, IssuerKind, KeySet, aws_iam},
};

const MAX_AGE_SECONDS: u64 = 24 * 3600;
const MAX_LEEWAY_SECONDS: u64 = 300;
pub(in crate::config) const DEFAULT_LEEWAY_SECONDS: u64 = 30;
pub(in crate::config) const DEFAULT_TYPES: [&str; 2] = ["JWT", "at+jwt"];

/// What `sts:GetWebIdentityToken` can sign with.
pub(in crate::config) const AWS_ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES384];
/// Below this lie the issuers of AWS accounts.
const AWS_ISSUERS: &str = ".tokens.sts.global.api.aws";

impl Reader<'_> {
    pub(super) fn issuers(&self, node: &Node<'_>) -> Option<Vec<(Issuer, JwksSource)>> {
        node.entries(|name, node| self.issuer(name, node))
    }

    fn issuer(&self, name: &str, node: &Node<'_>) -> Option<(Issuer, JwksSource)> {
        let name = key(name, node);
        let mut table = node.table()?;
        let kinds = [("jwt", IssuerKind::Jwt), ("aws_iam", IssuerKind::AwsIam)];
        let kind = table.required("kind", |node| node.one_of(&kinds));
        let is_aws = kind == Some(IssuerKind::AwsIam);
        let issuer =
            table.required(
                "issuer",
                |node| {
                    if is_aws { aws_issuer(node) } else { node.text().map(str::to_owned) }
                },
            );
        let audiences = table.required("audiences", texts);
        let audience_claim = table.optional("audience_claim", |node| {
            let claims = [AudienceClaim::Aud, AudienceClaim::ClientId, AudienceClaim::Azp];
            node.one_of(&claims.map(|claim| (claim.as_str(), claim)))
        });
        if is_aws && audience_claim.is_some_and(|claim| claim != AudienceClaim::Aud) {
            table.refuse_key("audience_claim", "must be `aud`: AWS names the audience nowhere else");
        }
        let algorithms = if is_aws {
            let algorithms = table.optional("algorithms", |node| node.list(aws_algorithm));
            algorithms.or_else(|| Some(AWS_ALGORITHMS.to_vec()))
        } else {
            table.required("algorithms", |node| node.list(|node| node.parsed(Algorithm::from_str)))
        };
        let types = table.optional("types", texts);
        // AWS's own issuers have public certificates: a private CA could stand in for AWS.
        let ca_pem = if is_aws { None } else { table.optional("ca_file", |node| self.ca_file(node)) };
        let jwks = if is_aws && !table.has("jwks") {
            Some(JwksSource::Discovery { ca_pem })
        } else {
            table.required("jwks", |node| self.jwks(node, issuer.as_deref(), is_aws, ca_pem))
        };
        if table.has("ca_file") && matches!(jwks, Some(JwksSource::File(_))) {
            table.refuse_key("ca_file", "is of no use: `jwks` names a file, so no keys are fetched");
        }
        let leeway_seconds = table.optional("leeway", |node| seconds(node, 0, MAX_LEEWAY_SECONDS));
        let max_age_seconds = table.optional("max_age", |node| seconds(node, 1, MAX_AGE_SECONDS));
        let user_claim = table.optional("user_claim", |node| user_claim(node, is_aws));
        let verified_elsewhere = table.optional("binding", binding);
        let claim_is_read = audience_claim.is_some() || !table.has("audience_claim");
        let audience_claim = audience_claim.unwrap_or(AudienceClaim::Aud);
        if let (Some(issuer), Some(audiences), true) = (&issuer, &audiences, claim_is_read) {
            self.refuse_a_shared_audience(&table, issuer, audience_claim, audiences);
        }
        table.finish();
        let issuer = Issuer {
            name: name?,
            kind: kind?,
            issuer: issuer?,
            audiences: audiences?,
            audience_claim,
            algorithms: algorithms?,
            types: types.unwrap_or_else(|| DEFAULT_TYPES.map(str::to_owned).to_vec()),
            leeway_seconds: leeway_seconds.unwrap_or(DEFAULT_LEEWAY_SECONDS),
            max_age_seconds,
            user_claim: user_claim.unwrap_or_else(|| "sub".to_owned()),
            binding_verified_elsewhere: verified_elsewhere.unwrap_or(false),
        };
        Some((issuer, jwks?))
    }

    /// A token must be of one entry alone. One that names audiences of two is refused when it comes; but where two entries of
    /// one `issuer` look for one audience in one claim, no token for it could ever be of either.
    fn refuse_a_shared_audience(
        &self,
        table: &Table<'_>,
        issuer: &str,
        claim: AudienceClaim,
        audiences: &[String],
    ) {
        let place = table.path_of("audiences");
        for audience in audiences {
            let value = format!("{:?}", (issuer, claim, audience));
            let first = self.seen.borrow_mut().insert(("audience", value), place.clone());
            if let Some(first) = first.filter(|first| *first != place) {
                table.refuse_key(
                    "audiences",
                    format!(
                        "two issuers with one `issuer` may not share an audience in one `audience_claim`: `{audience}` is in {first}, too"
                    ),
                );
            }
        }
    }

    fn jwks(
        &self,
        node: &Node<'_>,
        issuer: Option<&str>,
        is_aws: bool,
        ca_pem: Option<Vec<u8>>,
    ) -> Option<JwksSource> {
        if let Value::String(text) = node.value() {
            if text != "discovery" {
                return node.refuse("must be `discovery`, {uri: …} or {file: …}");
            }
            return match checked_endpoint(issuer?) {
                Ok(_) => Some(JwksSource::Discovery { ca_pem }),
                Err(error) => {
                    node.refuse(format!("`discovery` needs an `issuer` that can be called: {error}"))
                }
            };
        }
        let mut table = node.table()?;
        let uri = table.optional("uri", |node| {
            let uri = node.parsed(key_uri)?;
            if is_aws && !is_beside(&uri, issuer?) {
                return node.refuse(
                    "must be on the issuer's own host: whoever has the keys says who every principal is",
                );
            }
            Some(uri)
        });
        let file = table.optional("file", |node| self.key_file(node));
        if table.has("uri") == table.has("file") {
            table.refuse("must be `discovery`, {uri: …} or {file: …}");
        }
        table.finish();
        uri.map(|uri| JwksSource::Uri { uri, ca_pem }).or(file.map(JwksSource::File))
    }

    fn key_file(&self, node: &Node<'_>) -> Option<KeySet> {
        let document = self.file(node)?;
        KeySet::parse(&document).map_err(|error| node.refuse::<()>(error.to_string())).ok()
    }
}

/// A JWK set's URI may have a query, which an endpoint that takes credentials may not.
fn key_uri(text: &str) -> Result<Url, String> {
    let (endpoint, _query) = text.split_once('?').unwrap_or((text, ""));
    checked_endpoint(endpoint).map_err(|error| with_causes(&error))?;
    Url::parse(text).map_err(|error| with_causes(&error))
}

/// Ports differ where the issuer is one of development.
fn is_beside(uri: &Url, issuer: &str) -> bool {
    let issuer = Url::parse(issuer).ok();
    issuer.is_some_and(|issuer| {
        (uri.scheme(), uri.host()) == (issuer.scheme(), issuer.host())
            && (uri.port() == issuer.port() || http::is_loopback(uri))
    })
}

/// Whoever could put another host here would say who every principal is.
fn aws_issuer(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let url = node.parsed(|text| checked_endpoint(text).map_err(|error| with_causes(&error)))?;
    let is_aws = url.scheme() == "https"
        && url.port().is_none()
        && url.path() == "/"
        && url.host_str().is_some_and(|host| host.ends_with(AWS_ISSUERS));
    if !is_aws && !http::is_loopback(&url) {
        return node.refuse(format!("must be an account's own issuer: https://…{AWS_ISSUERS}"));
    }
    Some(text.to_owned())
}

fn aws_algorithm(node: &Node<'_>) -> Option<Algorithm> {
    node.one_of(&AWS_ALGORITHMS.map(|algorithm| (algorithm.as_str(), algorithm)))
}

/// Whether something in front of the API verifies what `cnf` binds a token to.
fn binding(node: &Node<'_>) -> Option<bool> {
    const NOT_YET: &str = "is not supported yet: a sender-constrained token cannot be proven, and is refused";
    let mut table = node.table()?;
    let elsewhere = table.optional("verify", |node| node.one_of(&[("elsewhere", true)]));
    let none = table.optional("require", |node| match node.text()? {
        "any" | "dpop" | "mtls" => node.refuse(NOT_YET),
        _ => node.one_of(&[("none", false)]),
    });
    if table.has("verify") == table.has("require") {
        table.refuse("must be {verify: elsewhere} or {require: none}");
    }
    table.finish();
    elsewhere.or(none)
}

fn user_claim(node: &Node<'_>, is_aws: bool) -> Option<String> {
    let name = node.text()?;
    if is_aws && aws_iam::is_chosen_by_the_caller(name) {
        return node.refuse("`request_tags` are whatever the caller asked for: they name nobody");
    }
    Some(name.to_owned())
}
