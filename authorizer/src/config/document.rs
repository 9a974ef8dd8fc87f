//! The document's sections, read top-down into the steps' own settings.
//!
//! Receives the document's text; produces a [`Config`], or every problem in it. Leaves where the text comes from to
//! [`source`](super::source), and what the settings mean to the steps.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    str::FromStr,
};

use serde_json::Value;
use sts_identity::{Region, ServerId, StsEndpoint};
use url::Url;
use vault_context::{
    VaultToken,
    http::{self, HttpOptions, checked_endpoint},
    vault::{Namespace, VaultAddress},
};

use super::{
    Config, InvalidConfig,
    node::{Node, Problems, Table},
};
use crate::{
    adapters::{
        jwks::JwksSource,
        vault::{AwsLoginSettings, LoginSettings, VaultSettings},
    },
    causes::with_causes,
    event::{CredentialSource, Route},
    grant::{Apis, BoundClaim, Bounds, MIN_TTL_SECONDS, Mode, Pattern, Rule, Stage, Stages, TokenRule},
    identity::jwt::{Algorithm, AudienceClaim, Issuer, KeySet},
    names::{ApiId, IssuerName, PolicyName, StageName},
    response::UnauthorizedAs,
    telemetry::CallerIdInLog,
};

/// A token that lives longer is not a short-lived one.
const MAX_TTL_SECONDS: u64 = 24 * 3600;
const MAX_LEEWAY_SECONDS: u64 = 300;
const DEFAULT_LEEWAY_SECONDS: u64 = 30;
const DEFAULT_TYPES: [&str; 2] = ["JWT", "at+jwt"];
const MAX_FILE_BYTES: u64 = 256 * 1024;

pub(super) fn read(document: &str, task_root: &Path) -> Result<Config, InvalidConfig> {
    let value: Value = serde_saphyr::from_str_with_options(document, yaml_options()).map_err(|error| {
        InvalidConfig::one(format!("not a YAML document: {}", reason(&error.to_string())))
    })?;
    let problems = Problems::default();
    let reader = Reader { task_root, issuers: issuer_names(&value), seen: RefCell::default() };
    let config = reader.config(&Node::root(&value, &problems));
    let problems = problems.into_vec();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) | None => Err(InvalidConfig { problems }),
    }
}

/// The parser's own text quotes the document around the error, and a document can hold a development token.
fn reason(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    // Advice to whoever calls the parser, not to whoever writes the document.
    line.split(", set DuplicateKeyPolicy").next().unwrap_or_default()
}

/// YAML 1.2: `yes`, `no`, `on` and `off` are text, so that a claim bound to one of them means what it says.
fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true }
}

/// The names that a grant may refer to, also where the issuer itself is refused for another reason.
fn issuer_names(document: &Value) -> BTreeSet<String> {
    let issuers = document.get("issuers").and_then(Value::as_object);
    issuers.into_iter().flat_map(serde_json::Map::keys).cloned().collect()
}

struct Reader<'r> {
    task_root: &'r Path,
    issuers: BTreeSet<String>,
    /// What must be unique in the document: by which rule, its value, and where it was seen last.
    seen: RefCell<BTreeMap<(&'static str, String), String>>,
}

impl Reader<'_> {
    fn config(&self, root: &Node<'_>) -> Option<Config> {
        let mut table = root.table()?;
        let vault = table.required("vault", |node| self.vault(node));
        let issuers = table.required("issuers", |node| self.issuers(node));
        let credentials =
            table.optional("credentials", |node| node.list(|node| self.credential_source(node)));
        let unauthorized = table.optional("answer", answer).unwrap_or(UnauthorizedAs::Thrown);
        let caller_id_in_log = table.optional("log", log).unwrap_or(CallerIdInLog::Plain);
        let stages = table.required("stages", |node| self.stages(node));
        table.not_available("aws_identity");
        table.finish();
        let credentials = credentials.unwrap_or_else(CredentialSource::default_list);
        Some(Config {
            vault: vault?,
            issuers: issuers?,
            credentials,
            unauthorized,
            caller_id_in_log,
            stages: stages?,
        })
    }

    fn vault(&self, node: &Node<'_>) -> Option<VaultSettings> {
        let mut table = node.table()?;
        let address = table.required("address", |node| {
            node.parsed(|text| VaultAddress::parse(text).map_err(|error| with_causes(&error)))
        });
        let namespace = table.optional("namespace", |node| node.parsed(Namespace::parse));
        let ca_pem = table.optional("ca_file", |node| self.ca_file(node));
        let login = table.required("login", login);
        table.finish();
        Some(VaultSettings { address: address?, namespace, ca_pem, login: login? })
    }

    fn issuers(&self, node: &Node<'_>) -> Option<Vec<(Issuer, JwksSource)>> {
        node.entries(|name, node| self.issuer(name, node))
    }

    fn issuer(&self, name: &str, node: &Node<'_>) -> Option<(Issuer, JwksSource)> {
        let name = key(name, node);
        let mut table = node.table()?;
        table.required("kind", |node| match node.text()? {
            "jwt" => Some(()),
            "aws_iam" => node.refuse("`aws_iam` is not available in this version"),
            _ => node.refuse("must be `jwt`"),
        });
        let issuer = table.required("issuer", |node| {
            self.unique(node, "two issuers with one `issuer`");
            node.text().map(str::to_owned)
        });
        let audiences = table.required("audiences", texts);
        let audience_claim = table.optional("audience_claim", |node| {
            let claims = [AudienceClaim::Aud, AudienceClaim::ClientId, AudienceClaim::Azp];
            node.one_of(&claims.map(|claim| (claim.as_str(), claim)))
        });
        let algorithms =
            table.required("algorithms", |node| node.list(|node| node.parsed(Algorithm::from_str)));
        let types = table.optional("types", texts);
        let jwks = table.required("jwks", |node| self.jwks(node, issuer.as_deref()));
        let leeway_seconds = table.optional("leeway", |node| seconds(node, 0, MAX_LEEWAY_SECONDS));
        let max_age_seconds = table.optional("max_age", |node| seconds(node, 1, MAX_TTL_SECONDS));
        let user_claim = table.optional("user_claim", |node| node.text().map(str::to_owned));
        table.finish();
        let issuer = Issuer {
            name: name?,
            issuer: issuer?,
            audiences: audiences?,
            audience_claim: audience_claim.unwrap_or(AudienceClaim::Aud),
            algorithms: algorithms?,
            types: types.unwrap_or_else(|| DEFAULT_TYPES.map(str::to_owned).to_vec()),
            leeway_seconds: leeway_seconds.unwrap_or(DEFAULT_LEEWAY_SECONDS),
            max_age_seconds,
            user_claim: user_claim.unwrap_or_else(|| "sub".to_owned()),
        };
        Some((issuer, jwks?))
    }

    fn jwks(&self, node: &Node<'_>, issuer: Option<&str>) -> Option<JwksSource> {
        if let Value::String(text) = node.value() {
            if text != "discovery" {
                return node.refuse("must be `discovery`, {uri: …} or {file: …}");
            }
            return match checked_endpoint(issuer?) {
                Ok(_) => Some(JwksSource::Discovery),
                Err(error) => {
                    node.refuse(format!("`discovery` needs an `issuer` that can be called: {error}"))
                }
            };
        }
        let mut table = node.table()?;
        let uri = table.optional("uri", |node| node.parsed(key_uri));
        let file = table.optional("file", |node| self.key_file(node));
        if table.has("uri") == table.has("file") {
            table.refuse("must be `discovery`, {uri: …} or {file: …}");
        }
        table.finish();
        uri.map(JwksSource::Uri).or(file.map(JwksSource::File))
    }

    fn key_file(&self, node: &Node<'_>) -> Option<KeySet> {
        let document = self.file(node)?;
        KeySet::parse(&document).map_err(|error| node.refuse::<()>(error.to_string())).ok()
    }

    fn stages(&self, node: &Node<'_>) -> Option<Stages> {
        node.entries(|name, node| self.stage(name, node))
    }

    fn stage(&self, name: &str, node: &Node<'_>) -> Option<(StageName, Stage)> {
        let name: Option<StageName> = key(name, node);
        let mut table = node.table()?;
        let apis = table.required("api_ids", api_ids);
        let audiences = table.optional("audiences", texts);
        table.not_available("server_id");
        let rules = table.required("grants", |node| node.list(|node| self.rule(node)));
        table.finish();
        let name = name?;
        Some((name.clone(), Stage { name, apis: apis?, audiences, rules: rules? }))
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
        let token = table.optional("token", |node| self.token(node));
        if table.has("mode") == table.has("token") {
            table.refuse("needs either `token` or `mode: none`");
        }
        table.finish();
        let mode = if passage_only { Some(Mode::None) } else { token.map(Mode::Token) };
        let (issuer, bounds) = caller?;
        Some(Rule { name: name?, routes: routes?, issuer, bounds, mode: mode? })
    }

    fn caller(&self, node: &Node<'_>) -> Option<(IssuerName, Bounds)> {
        let mut table = node.table()?;
        for key in ["aws_identity", "bound_iam_principal_arns", "bound_iam_principal_ids"] {
            table.not_available(key);
        }
        let issuer = table.required("issuer", |node| {
            let name: IssuerName = node.parsed(str::parse)?;
            if self.issuers.contains(name.as_str()) {
                Some(name)
            } else {
                node.refuse("is not among `issuers`")
            }
        });
        let subject = table.optional("bound_subject", |node| node.text().map(str::to_owned));
        let globs =
            table.optional("bound_claims_type", |node| node.one_of(&[("string", false), ("glob", true)]));
        let claims = table.optional("bound_claims", |node| bound_claims(node, globs.unwrap_or(false)));
        let any = table.optional("any", Node::boolean).unwrap_or(false);
        let bound = table.has("bound_subject") || table.has("bound_claims");
        match (bound, any) {
            (false, false) => {
                table.refuse("binds nothing: write `bound_claims`, `bound_subject`, or `any: true`");
            }
            (true, true) => table.refuse_key("any", "cannot stand beside a bound"),
            (true, false) | (false, true) => {}
        }
        table.finish();
        Some((issuer?, Bounds { subject, claims: claims.unwrap_or_default() }))
    }

    fn token(&self, node: &Node<'_>) -> Option<TokenRule> {
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
        table.not_available("entity_alias");
        table.finish();
        Some(TokenRule {
            role: role?,
            policies: policies?,
            ttl_seconds: ttl_seconds?,
            wrap_ttl_seconds: wrap_ttl_seconds?,
            num_uses,
        })
    }

    fn credential_source(&self, node: &Node<'_>) -> Option<CredentialSource> {
        let mut table = node.table()?;
        let others = ["cookie", "query", "websocket_protocol"];
        let other = others.iter().any(|key| table.has(key));
        others.into_iter().for_each(|key| table.not_available(key));
        let header = if other { None } else { table.required("header", |node| self.header_source(node)) };
        table.finish();
        header
    }

    fn header_source(&self, node: &Node<'_>) -> Option<CredentialSource> {
        let name = node.text()?.to_ascii_lowercase();
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !plain || vault_context::is_reserved_header(&name) {
            return node.refuse("must be a header's name that does not start with `x-vault-`");
        }
        // Named twice, every credential would be found twice, and refused.
        self.unique_value(node, &name, "two sources with one header");
        Some(CredentialSource::Header(name))
    }

    /// Reports the second place that uses a value of which `rule` allows one in the document.
    fn unique(&self, node: &Node<'_>, rule: &'static str) {
        if let Some(value) = node.value().as_str() {
            self.unique_value(node, value, rule);
        }
    }

    fn unique_value(&self, node: &Node<'_>, value: &str, rule: &'static str) {
        let first = self.seen.borrow_mut().insert((rule, value.to_owned()), node.path().to_owned());
        if let Some(first) = first {
            node.refuse::<()>(format!("{rule}; the other is {first}"));
        }
    }

    /// A bundle that trusts nobody would show at the first call only.
    fn ca_file(&self, node: &Node<'_>) -> Option<Vec<u8>> {
        let pem = self.file(node)?;
        let options = HttpOptions { ca_pem: Some(pem.clone()), ..HttpOptions::default() };
        match http::client(&options) {
            Ok(_) => Some(pem),
            Err(error) => node.refuse(with_causes(&error)),
        }
    }

    fn file(&self, node: &Node<'_>) -> Option<Vec<u8>> {
        let path = self.task_root.join(node.text()?);
        let too_large = fs::metadata(&path).is_ok_and(|file| file.len() > MAX_FILE_BYTES);
        if too_large {
            return node.refuse(format!("{} is larger than {MAX_FILE_BYTES} bytes", path.display()));
        }
        fs::read(&path)
            .map_err(|error| node.refuse::<()>(format!("{} cannot be read: {error}", path.display())))
            .ok()
    }
}

fn login(node: &Node<'_>) -> Option<LoginSettings> {
    let mut table = node.table()?;
    let method = table.required("method", |node| match node.text()? {
        method @ ("aws" | "token") => Some(method.to_owned()),
        "jwt" | "approle" => {
            node.refuse("`jwt` and `approle` are not available in this version; use `aws` or `token`")
        }
        _ => node.refuse("must be `aws` or `token`"),
    });
    let settings = match method.as_deref() {
        Some("aws") => aws_login(&mut table).map(LoginSettings::Aws),
        Some(_) => table
            .required("token", |node| node.parsed(|text| VaultToken::parse(text)))
            .map(LoginSettings::Token),
        None => return None,
    };
    table.finish();
    settings
}

fn aws_login(table: &mut Table<'_>) -> Option<AwsLoginSettings> {
    let mount = table.optional("mount", |node| node.parsed(str::parse));
    let role = table.required("role", |node| node.parsed(str::parse));
    let server_id = table.required("server_id", |node| node.parsed(ServerId::from_str));
    let default_region = || Region::from_str("us-east-1").ok();
    let region = table.optional("sts_region", |node| node.parsed(Region::from_str)).or_else(default_region);
    let development = table.has("sts_endpoint");
    let loopback = table.optional("sts_endpoint", |node| {
        let region = region.clone()?;
        node.parsed(|text| StsEndpoint::loopback(text, &region))
    });
    let sts = if development { loopback } else { region.as_ref().map(StsEndpoint::regional) };
    let mount = mount.or_else(|| "aws".parse().ok());
    Some(AwsLoginSettings { mount: mount?, role: role?, server_id: server_id?, sts: sts? })
}

fn answer(node: &Node<'_>) -> Option<UnauthorizedAs> {
    let mut table = node.table()?;
    table.optional("response", |node| match node.text()? {
        "policy" => Some(()),
        "simple" => node.refuse("`simple` is for HTTP APIs, which are not available in this version"),
        _ => node.refuse("must be `policy`"),
    });
    let choices = [("throw", UnauthorizedAs::Thrown), ("deny", UnauthorizedAs::Denied)];
    let unauthorized = table.optional("unauthorized", |node| node.one_of(&choices));
    table.finish();
    unauthorized
}

fn log(node: &Node<'_>) -> Option<CallerIdInLog> {
    let mut table = node.table()?;
    let choices =
        [("plain", CallerIdInLog::Plain), ("hash", CallerIdInLog::Hashed), ("omit", CallerIdInLog::Omitted)];
    let caller_id = table.optional("caller_id", |node| node.one_of(&choices));
    table.finish();
    caller_id
}

fn api_ids(node: &Node<'_>) -> Option<Apis> {
    let ids = texts(node)?;
    if ids == ["*"] {
        return Some(Apis::Any);
    }
    node.list(|node| node.parsed(ApiId::from_str)).map(Apis::Listed)
}

fn bound_claims(node: &Node<'_>, globs: bool) -> Option<Vec<BoundClaim>> {
    node.entries(|name, node| bound_claim(name, node, globs))
}

fn bound_claim(name: &str, node: &Node<'_>, globs: bool) -> Option<BoundClaim> {
    let any_of = match node.value() {
        Value::Array(_) => node.list(|node| pattern(node, globs))?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            vec![pattern(node, globs)?]
        }
    };
    Some(BoundClaim { name: name.to_owned(), any_of })
}

fn pattern(node: &Node<'_>, globs: bool) -> Option<Pattern> {
    match node.value() {
        Value::String(_) if globs => Some(Pattern::Glob(node.text()?.to_owned())),
        Value::String(_) => Some(Pattern::Exactly(node.text()?.into())),
        Value::Bool(_) | Value::Number(_) => Some(Pattern::Exactly(node.value().clone())),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            node.refuse("must be text, a number or a boolean")
        }
    }
}

/// A JWK set's URI may have a query, which an endpoint that takes credentials may not.
fn key_uri(text: &str) -> Result<Url, String> {
    let (endpoint, _query) = text.split_once('?').unwrap_or((text, ""));
    checked_endpoint(endpoint).map_err(|error| with_causes(&error))?;
    Url::parse(text).map_err(|error| with_causes(&error))
}

fn key<T: FromStr<Err: std::fmt::Display>>(name: &str, node: &Node<'_>) -> Option<T> {
    name.parse().map_err(|error: T::Err| node.refuse::<()>(format!("its name {error}"))).ok()
}

fn texts(node: &Node<'_>) -> Option<Vec<String>> {
    node.list(|node| node.text().map(str::to_owned))
}

fn seconds(node: &Node<'_>, least: u64, most: u64) -> Option<u64> {
    let seconds = node.seconds()?;
    if (least..=most).contains(&seconds) {
        return Some(seconds);
    }
    node.refuse(format!("must be from {least}s to {most}s"))
}
