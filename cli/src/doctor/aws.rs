//! The function and its APIs: what in AWS would break a promise, or an answer.
//!
//! Receives the JSON of AWS's own APIs; produces findings. Each check is a function of the JSON alone. The expected
//! values come from the API Gateway developer guide ("Use API Gateway Lambda authorizers", quotas) and the Lambda
//! developer guide.

use authorizer_steps::{
    grant::{Apis, Pattern, Stage, Stages},
    identity::jwt::Issuer,
};
use serde_json::Value;
use vault_authorizer::config::Limits;

use super::{
    aws_api::{AwsApi, Service},
    bindings,
    finding::Finding,
};
use crate::check::lints::limits::one_caller_over_a_grant;

/// HTTP APIs give an authorizer 10 s, and what API Gateway gives others is not documented.
const TIMEOUT_LIMIT_SECONDS: u64 = 10;
/// Of all of a function's variables together.
const ENVIRONMENT_LIMIT_BYTES: usize = 4096;

/// What to look at.
pub(super) struct Deployment<'a> {
    pub(super) function: &'a str,
    pub(super) stages: &'a Stages,
    pub(super) issuers: &'a [Issuer],
    pub(super) limits: Limits,
    /// APIs that the configuration does not name.
    pub(super) also: &'a [String],
}

impl Deployment<'_> {
    pub(super) async fn examine(&self, api: &AwsApi) -> Vec<Finding> {
        let path = format!("2015-03-31/functions/{}", self.function);
        let function = match api.get("function", Service::Lambda, &format!("{path}/configuration")).await {
            Ok(Some(function)) => function,
            Ok(None) => {
                let found = format!("there is no function `{}` in this region and account", self.function);
                let remedy = "fix `--function`, `--region` or the credentials";
                return vec![Finding::wrong("function", found, remedy)];
            }
            Err(unseen) => return vec![unseen],
        };
        let mut findings =
            vec![timeout(&function), environment(&function), self.concurrency(api, &function).await];
        let policy = api.get("authorizer-permission", Service::Lambda, &format!("{path}/policy")).await;
        let policy = policy.map(|policy| {
            let document = policy.unwrap_or_default();
            serde_json::from_str::<Value>(text(&document, "Policy")).unwrap_or_default()
        });
        let function = text(&function, "FunctionArn");
        for (id, stages) in self.apis() {
            let of_api = Api { id: &id, stages: &stages, issuers: self.issuers, function, policy: &policy };
            findings.extend(of_api.examine(api).await.unwrap_or_else(|finding| vec![finding]));
        }
        if findings.iter().all(|finding| !finding.check.starts_with("authorizer")) {
            let reason = "the configuration names no API: name one with `--api`";
            findings.push(Finding::unseen("authorizer-caching", reason));
        }
        findings
    }

    async fn concurrency(&self, api: &AwsApi, function: &Value) -> Finding {
        let (path, instances) = if function.get("CapacityProviderConfig").is_some_and(Value::is_object) {
            let scaling = "function-scaling-config?Qualifier=%24LATEST.PUBLISHED";
            (format!("2025-11-30/functions/{}/{scaling}", self.function), ENVIRONMENTS)
        } else {
            (format!("2019-09-30/functions/{}/concurrency", self.function), RESERVED)
        };
        let found = api.get(CONCURRENCY, Service::Lambda, &path).await;
        let judged = found.map(|found| instances.judge(&found.unwrap_or_default(), self.limits, self.stages));
        judged.unwrap_or_else(|unseen| unseen)
    }

    /// Each API with the stages that the configuration has for it: first those that it does not name.
    fn apis(&self) -> Vec<(String, Vec<&Stage>)> {
        let mut apis: Vec<(String, Vec<&Stage>)> =
            self.also.iter().map(|id| (id.clone(), Vec::new())).collect();
        for stage in self.stages.values() {
            let ids: Vec<String> = match &stage.apis {
                Apis::Any => self.also.to_vec(),
                Apis::Listed(ids) => ids.iter().map(ToString::to_string).collect(),
            };
            for id in ids {
                match apis.iter_mut().find(|(own, _)| *own == id) {
                    Some((_, stages)) => stages.push(stage),
                    None => apis.push((id, vec![stage])),
                }
            }
        }
        apis
    }
}

/// One API, of whichever kind.
struct Api<'a> {
    id: &'a str,
    stages: &'a [&'a Stage],
    issuers: &'a [Issuer],
    function: &'a str,
    /// The function's, or that it was not seen.
    policy: &'a Result<Value, Finding>,
}

/// The two APIs of API Gateway name the same things in two ways.
#[derive(Clone, Copy)]
struct Kind {
    path: &'static str,
    items: &'static str,
    id: &'static str,
    default_ttl_seconds: u64,
}

/// REST APIs. Where the TTL is not set, it is 300 s.
const REST: Kind = Kind { path: "restapis", items: "item", id: "id", default_ttl_seconds: 300 };
/// HTTP and WebSocket APIs. Without identity sources there is no caching, and where the TTL is not set, none is documented.
const HTTP: Kind = Kind { path: "v2/apis", items: "items", id: "authorizerId", default_ttl_seconds: 0 };

impl Api<'_> {
    /// The error is a finding too: nothing more can be said of the API.
    async fn examine(&self, api: &AwsApi) -> Result<Vec<Finding>, Finding> {
        let id = self.id;
        let (kind, settings) = self.kind(api).await?;
        let base = format!("{}/{id}", kind.path);
        let path = format!("{base}/authorizers");
        let mut findings = match api.get("authorizer-caching", Service::ApiGateway, &path).await {
            Ok(found) => {
                let found = found.unwrap_or_default();
                let ours = self.own(kind, &found);
                let of_api = bindings::Api {
                    id,
                    is_rest: kind.path == REST.path,
                    settings: &settings,
                    authorizers: &ours,
                };
                let bindings = of_api.examine(self.issuers, self.stages, api).await;
                self.authorizers(kind, &ours).into_iter().chain(bindings).collect()
            }
            Err(unseen) => vec![unseen],
        };
        for stage in self.stages {
            let stage = stage.name.as_str();
            let path = format!("{base}/stages/{}", escaped(stage));
            match api.get("stage", Service::ApiGateway, &path).await {
                Ok(Some(found)) => {
                    findings.extend([data_trace(id, stage, &found), access_log(id, stage, &found)]);
                }
                Ok(None) => findings.push(Finding::wrong(
                    "stage",
                    format!("API `{id}` has no stage `{stage}`"),
                    "fix the name in `stages`, or deploy the stage",
                )),
                Err(unseen) => findings.push(unseen),
            }
        }
        Ok(findings)
    }

    /// With the API's own settings.
    async fn kind(&self, api: &AwsApi) -> Result<(Kind, Value), Finding> {
        let check = "authorizer-api";
        for kind in [REST, HTTP] {
            let path = format!("{}/{}", kind.path, self.id);
            if let Some(settings) = api.get(check, Service::ApiGateway, &path).await? {
                return Ok((kind, settings));
            }
        }
        let found = format!("there is no API `{}` in this region and account", self.id);
        Err(Finding::wrong(check, found, "fix `api_ids`, or set `--region` to the API's own"))
    }

    /// The authorizers that call this function.
    fn own<'a>(&self, kind: Kind, found: &'a Value) -> Vec<&'a Value> {
        let all = items(found, kind.items).iter();
        all.filter(|authorizer| calls(text(authorizer, "authorizerUri"), self.function)).collect()
    }

    fn authorizers(&self, kind: Kind, own: &[&Value]) -> Vec<Finding> {
        let findings: Vec<Finding> = own
            .iter()
            .flat_map(|authorizer| [caching(self.id, kind, authorizer), self.permission(kind, authorizer)])
            .collect();
        if findings.is_empty() {
            let found = format!("no authorizer of API `{}` calls {}", self.id, self.function);
            let remedy = "attach the function, or fix `--function`";
            return vec![Finding::wrong("authorizer-api", found, remedy)];
        }
        findings
    }

    /// A role of the authorizer's, or a statement of the function's policy (API Gateway developer guide, "Configure a Lambda
    /// authorizer": the source is `…:<api>/authorizers/<authorizer>`).
    fn permission(&self, kind: Kind, authorizer: &Value) -> Finding {
        let (check, api, function) = ("authorizer-permission", self.id, self.function);
        let role =
            ["authorizerCredentials", "authorizerCredentialsArn"].map(|name| text(authorizer, name)).concat();
        if !role.is_empty() {
            let reason = format!(
                "API `{api}` invokes the function with the role {role}, whose policies are not checked: it needs lambda:InvokeFunction"
            );
            return Finding::unseen(check, reason);
        }
        let policy = match self.policy {
            Ok(policy) => policy,
            Err(unseen) => return unseen.clone(),
        };
        if text(authorizer, "authorizerUri").contains(&format!("{function}:")) {
            let reason = format!(
                "API `{api}` calls a version or an alias of the function, whose own policy is not checked"
            );
            return Finding::unseen(check, reason);
        }
        let arn = source_arn(function, &format!("{api}/authorizers/{}", text(authorizer, kind.id)));
        let statements = items(policy, "Statement");
        let verdicts: Vec<Option<bool>> =
            statements.iter().map(|statement| lets_invoke(statement, &arn)).collect();
        let denies = statements.iter().any(|statement| text(statement, "Effect") == "Deny");
        if verdicts.contains(&Some(true)) && !denies {
            return Finding::good(check, format!("API `{api}` may invoke the function"));
        }
        if verdicts.contains(&None) {
            let reason = "the function's policy denies something, or has lists, or conditions other than one `aws:SourceArn`: check yourself whether it lets this API in";
            return Finding::unseen(check, reason);
        }
        let found = format!("API `{api}` may not invoke the function: every call would fail with a 500");
        let remedy = format!(
            "aws lambda add-permission --function-name {function} --statement-id {api}-authorizer --action lambda:InvokeFunction --principal apigateway.amazonaws.com --source-arn {arn}"
        );
        Finding::wrong(check, found, remedy)
    }
}

/// Whether a statement of the function's policy lets `source` invoke it; `None` where it is not of the form that
/// `aws lambda add-permission` writes, or denies something.
fn lets_invoke(statement: &Value, source: &str) -> Option<bool> {
    let principal = statement.pointer("/Principal/Service").or_else(|| statement.get("Principal"))?;
    let (effect, action) = (statement.get("Effect")?.as_str()?, statement.get("Action")?.as_str()?);
    if effect != "Allow" {
        return None;
    }
    // Another account or role, which is not API Gateway.
    let Some(principal) = principal.as_str() else {
        return principal.get("AWS").map(|_| false);
    };
    if !["apigateway.amazonaws.com", "*"].contains(&principal)
        || !["lambda:InvokeFunction", "lambda:*", "*"].contains(&action)
    {
        return Some(false);
    }
    let mut conditions = members(statement, "Condition")
        .flat_map(|(operator, keys)| keys.as_object().into_iter().flatten().map(move |key| (operator, key)));
    let Some((operator, (key, value))) = conditions.next() else { return Some(true) };
    if !key.eq_ignore_ascii_case("aws:SourceArn") {
        return None;
    }
    let pattern = value.as_str()?.to_owned();
    // IAM user guide, "Condition operators": both of ARNs take wildcards, and of texts only the one that says so.
    let pattern = match operator {
        "ArnLike" | "ArnEquals" | "StringLike" => Pattern::Glob(pattern),
        "StringEquals" => Pattern::Exactly(pattern.into()),
        _ => return None,
    };
    // Whatever another condition says, this one must hold as well.
    let covers = pattern.matches_text(source);
    if covers && conditions.next().is_some() { None } else { Some(covers) }
}

/// Whether an authorizer's URI, `…:path/2015-03-31/functions/<arn>/invocations`, names this function, or one of its versions.
fn calls(uri: &str, function: &str) -> bool {
    let named = uri.split_once("/functions/").map(|(_, named)| named);
    let behind = named.and_then(|named| named.strip_prefix(function));
    behind.is_some_and(|behind| behind.starts_with('/') || behind.starts_with(':'))
}

/// What API Gateway says it is when it invokes this function for `resource` of an API of the same account and region.
fn source_arn(function: &str, resource: &str) -> String {
    let mut parts = function.split(':');
    let [_arn, partition, _lambda, region, account] =
        std::array::from_fn(|_| parts.next().unwrap_or_default());
    format!("arn:{partition}:execute-api:{region}:{account}:{resource}")
}

fn caching(api: &str, kind: Kind, authorizer: &Value) -> Finding {
    let check = "authorizer-caching";
    let name = text(authorizer, "name");
    let ttl = authorizer.get("authorizerResultTtlInSeconds").and_then(Value::as_u64);
    match ttl.unwrap_or(kind.default_ttl_seconds) {
        0 => Finding::good(check, format!("authorizer `{name}` of API `{api}` caches no answer")),
        ttl => {
            let found = format!(
                "authorizer `{name}` of API `{api}` caches answers for {ttl} s: a second call gets a wrapping token that is already used"
            );
            Finding::wrong(check, found, "set `authorizerResultTtlInSeconds` to 0, and deploy the API")
        }
    }
}

fn timeout(function: &Value) -> Finding {
    let check = "function-timeout";
    match function.get("Timeout").and_then(Value::as_u64) {
        Some(seconds) if seconds < TIMEOUT_LIMIT_SECONDS => Finding::good(check, format!("{seconds} s")),
        Some(seconds) => Finding::wrong(
            check,
            format!("{seconds} s: API Gateway gives up before the function answers, and nobody sees why"),
            "set the function's timeout below 10 s; 8 s leaves time for the answer",
        ),
        None => Finding::unseen(check, "AWS does not report it"),
    }
}

fn environment(function: &Value) -> Finding {
    let check = "function-environment";
    let environment = function.get("Environment").unwrap_or(&Value::Null);
    if let Some(error) = environment.get("Error") {
        let message = text(error, "Message");
        return Finding::unseen(check, format!("Lambda does not show the variables: {message}"));
    }
    let bytes = |(name, value): (&str, &Value)| name.len() + value.as_str().map_or(0, str::len);
    let bytes: usize = members(environment, "Variables").map(bytes).sum();
    if bytes <= ENVIRONMENT_LIMIT_BYTES * 9 / 10 {
        return Finding::good(check, format!("{bytes} of {ENVIRONMENT_LIMIT_BYTES} bytes"));
    }
    let found = format!(
        "{bytes} of the {ENVIRONMENT_LIMIT_BYTES} bytes that Lambda allows: the next change may not fit"
    );
    let remedy =
        "store the configuration as `base64gzip:…`, or in the file `authorizer.yaml` next to the binary";
    Finding::wrong(check, found, remedy)
}

const CONCURRENCY: &str = "function-concurrency";

/// How many instances there may be decides what one caller can have: each counts by itself.
struct Instances {
    /// Where AWS says how many.
    place: &'static str,
    none: &'static str,
    allowed: &'static str,
}

const RESERVED: Instances = Instances {
    place: "/ReservedConcurrentExecutions",
    none: "none is reserved, so only the account's own concurrency limits what callers can ask of Vault, and that is not checked",
    allowed: "reserved",
};

/// Lambda Managed Instances reserve nothing.
const ENVIRONMENTS: Instances = Instances {
    place: "/AppliedFunctionScalingConfig/MaxExecutionEnvironments",
    none: "`MaxExecutionEnvironments` is not set, so only the capacity provider limits what callers can ask of Vault, and that is not checked",
    allowed: "allowed by `MaxExecutionEnvironments`",
};

impl Instances {
    fn judge(&self, found: &Value, limits: Limits, stages: &Stages) -> Finding {
        let Self { place, none, allowed } = self;
        let Some(instances) = found.pointer(place).and_then(Value::as_u64) else {
            return Finding::unseen(CONCURRENCY, *none);
        };
        if instances == 0 {
            let found = format!("0 {allowed}: every call fails");
            return Finding::wrong(CONCURRENCY, found, "allow as many as callers need");
        }
        match one_caller_over_a_grant(limits, stages, u32::try_from(instances).unwrap_or(u32::MAX)) {
            Some((risk, instead)) => {
                let found = format!("with {instances} instances {allowed}, {risk}");
                Finding::wrong(CONCURRENCY, found, instead)
            }
            None => Finding::good(CONCURRENCY, format!("{instances} {allowed}, which fits `limits`")),
        }
    }
}

/// An execution log with data trace has the authorizer's whole answer in clear.
fn data_trace(api: &str, stage: &str, found: &Value) -> Finding {
    let check = "stage-data-trace";
    let defaults = found.get("defaultRouteSettings").map(|settings| ("$default", settings));
    let all = members(found, "methodSettings").chain(members(found, "routeSettings")).chain(defaults);
    let traced = all.filter(|(_, settings)| settings.get("dataTraceEnabled") == Some(&Value::Bool(true)));
    let traced: Vec<&str> = traced.map(|(name, _)| name).collect();
    if traced.is_empty() {
        return Finding::good(check, format!("stage `{stage}` of API `{api}` has data trace off"));
    }
    let found = format!(
        "stage `{stage}` of API `{api}` logs whole requests and answers, tokens included, for {}",
        traced.join(", ")
    );
    Finding::wrong(check, found, "turn data trace off (`dataTraceEnabled: false`), and delete that log group")
}

fn access_log(api: &str, stage: &str, found: &Value) -> Finding {
    let check = "stage-access-log";
    let format = found.pointer("/accessLogSettings/format").and_then(Value::as_str).unwrap_or_default();
    let secret = vault_context::context::WRAPPING_TOKEN.key;
    if !format.contains(secret) {
        let found = format!("stage `{stage}` of API `{api}` does not log the wrapping token");
        return Finding::good(check, found);
    }
    let found = format!(
        "the access log of stage `{stage}` of API `{api}` prints `{secret}`: the first to read it gets the token"
    );
    let remedy = "remove it from the format; `$context.authorizer.vaultWrappedAccessor` finds the same token in Vault's audit log";
    Finding::wrong(check, found, remedy)
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn members<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let members = value.get(name).and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

/// `$default` is a stage's name.
fn escaped(stage: &str) -> String {
    stage.replace('$', "%24")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use serde_json::json;

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:orders-authorizer";
    const SOURCE: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/authorizers/abc123";

    /// What is not good.
    fn told(findings: &[Finding]) -> String {
        let of = |finding: &Finding| {
            let verdict = if finding.is_wrong() { "wrong" } else { "unseen" };
            (finding.is_wrong() || finding.is_unseen()).then(|| format!("{} {verdict}", finding.check))
        };
        findings.iter().filter_map(of).collect::<Vec<_>>().join(", ")
    }

    fn found(policy: Value, kind: Kind, authorizer: Value) -> String {
        let policy = Ok(policy);
        let api = Api { id: "a1b2c3d4e5", stages: &[], issuers: &[], function: FUNCTION, policy: &policy };
        let found = json!({ kind.items: [authorizer] });
        told(&api.authorizers(kind, &api.own(kind, &found)))
    }

    fn uri() -> String {
        format!("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations")
    }

    /// An authorizer of a REST API, which is good, with one member changed.
    fn rest(name: &str, value: Value) -> Value {
        let mut rest = json!({"id": "abc123", "name": "vault", "authorizerUri": uri(), "authorizerResultTtlInSeconds": 0});
        rest[name] = value;
        rest
    }

    /// A policy that lets the API in, with one member of its statement changed.
    fn policy(name: &str, value: Value) -> Value {
        let mut statement = json!({"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"},
            "Action": "lambda:InvokeFunction", "Resource": FUNCTION, "Condition": {"ArnLike": {"AWS:SourceArn": SOURCE}}});
        statement[name] = value;
        json!({"Statement": [statement]})
    }

    fn good() -> (Value, Value) {
        (policy("Effect", json!("Allow")), rest("id", json!("abc123")))
    }

    #[test]
    fn an_authorizer_that_keeps_answers_is_wrong() {
        let http = |ttl: Value| json!({"authorizerId": "abc123", "authorizerUri": uri(), "authorizerResultTtlInSeconds": ttl});
        let rest = |ttl| rest("authorizerResultTtlInSeconds", ttl);
        for (kind, authorizer, expected) in [
            (REST, rest(json!(0)), ""),
            (REST, rest(json!(1)), "authorizer-caching wrong"),
            (REST, rest(json!(300)), "authorizer-caching wrong"),
            (REST, rest(json!(null)), "authorizer-caching wrong"),
            (HTTP, http(json!(null)), ""),
            (HTTP, http(json!(60)), "authorizer-caching wrong"),
        ] {
            assert_eq!(found(good().0, kind, authorizer.clone()), expected, "{authorizer}");
        }
    }

    #[test]
    fn an_api_that_may_not_invoke_the_function_is_wrong() {
        let found = |policy: Value| found(policy, REST, good().1);
        let source =
            |operator: &str, source: &str| policy("Condition", json!({operator: {"AWS:SourceArn": source}}));
        for (region_account_and_what, expected) in [
            ("*:123456789012:a1b2c3d4e5/authorizers/abc123", ""),
            ("eu-west-1:123456789012:a1b2c3d4e5/authorizers/*", ""),
            ("eu-west-1:123456789012:a1b2c3d4e5/*", ""),
            ("eu-west-1:123456789012:*", ""),
            ("eu-west-1:123456789012:a1b2c3d4e5/authorizers/other", "authorizer-permission wrong"),
            ("eu-west-1:123456789012:zzzzzzzzzz/authorizers/abc123", "authorizer-permission wrong"),
            ("eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders", "authorizer-permission wrong"),
            ("us-east-1:123456789012:a1b2c3d4e5/authorizers/abc123", "authorizer-permission wrong"),
            ("eu-west-1:999999999999:a1b2c3d4e5/authorizers/abc123", "authorizer-permission wrong"),
        ] {
            let arn = format!("arn:aws:execute-api:{region_account_and_what}");
            assert_eq!(found(source("ArnLike", &arn)), expected, "{arn}");
        }
        assert_eq!(found(Value::Null), "authorizer-permission wrong");
        let literal = source("StringEquals", &SOURCE.replace("abc123", "*"));
        assert_eq!(found(literal), "authorizer-permission wrong", "StringEquals knows no wildcard");
    }

    #[test]
    fn a_permission_that_was_not_understood_is_not_called_good() {
        let unseen = "authorizer-permission unseen";
        let by_role = rest("authorizerCredentials", json!("arn:aws:iam::123456789012:role/invoker"));
        assert_eq!(found(Value::Null, REST, by_role), unseen);
        for (name, value) in [
            (
                "Condition",
                json!({"ArnLike": {"AWS:SourceArn": [SOURCE, "arn:aws:execute-api:eu-west-1:1:b/*"]}}),
            ),
            ("Condition", json!({"StringEquals": {"aws:SourceAccount": "123456789012"}})),
            (
                "Condition",
                json!({"ArnLike": {"AWS:SourceArn": SOURCE}, "StringEquals": {"aws:SourceAccount": "999999999999"}}),
            ),
            ("Effect", json!("Deny")),
            ("Action", json!(["lambda:InvokeFunction"])),
            ("Principal", json!({"Service": ["apigateway.amazonaws.com"]})),
        ] {
            assert_eq!(found(policy(name, value.clone()), REST, good().1), unseen, "{name} {value}");
        }
        assert_eq!(found(policy("Condition", Value::Null), REST, good().1), "", "without a condition");
    }

    #[test]
    fn an_api_without_this_authorizer_is_wrong() {
        for (uri, expected) in [
            ("arn:aws:…:function:another/invocations".to_owned(), "authorizer-api wrong"),
            (uri().replace("orders-authorizer", "orders-authorizer-v2"), "authorizer-api wrong"),
            (uri().replace("orders-authorizer/", "orders-authorizer:live/"), "authorizer-permission unseen"),
        ] {
            assert_eq!(found(Value::Null, REST, rest("authorizerUri", json!(uri))), expected, "{uri}");
        }
    }

    #[test]
    fn a_function_that_is_too_slow_or_nearly_full_is_wrong() {
        let variables = |bytes: usize| json!({"Environment": {"Variables": {"A": "x".repeat(bytes - 1)}}});
        let denied = json!({"Environment": {"Error": {"ErrorCode": "AccessDeniedException", "Message": "no kms:Decrypt"}}});
        for (check, function, expected) in [
            (timeout as fn(&Value) -> Finding, json!({"Timeout": 3}), ""),
            (timeout, json!({"Timeout": 9}), ""),
            (timeout, json!({"Timeout": 10}), "function-timeout wrong"),
            (timeout, json!({"Timeout": 900}), "function-timeout wrong"),
            (timeout, json!({}), "function-timeout unseen"),
            (environment, json!({}), ""),
            (environment, variables(3686), ""),
            (environment, variables(3687), "function-environment wrong"),
            // 0 of 4096 bytes is what was not seen.
            (environment, denied, "function-environment unseen"),
        ] {
            assert_eq!(told(&[check(&function)]), expected, "{function:.100}");
        }
    }

    #[test]
    fn a_function_without_a_limit_of_instances_is_not_good() {
        let five = NonZeroU32::new(5).unwrap();
        let limits = Limits { caller_mints_per_second: five, grant_mints_per_second: five };
        let scaling =
            |most: Value| json!({"AppliedFunctionScalingConfig": {"MaxExecutionEnvironments": most}});
        for (instances, found, expected) in [
            (RESERVED, json!({"ReservedConcurrentExecutions": 20}), ""),
            (RESERVED, json!({"ReservedConcurrentExecutions": 0}), "function-concurrency wrong"),
            (RESERVED, json!({}), "function-concurrency unseen"),
            (ENVIRONMENTS, scaling(json!(4)), ""),
            (ENVIRONMENTS, scaling(json!(0)), "function-concurrency wrong"),
            (ENVIRONMENTS, scaling(Value::Null), "function-concurrency unseen"),
            (ENVIRONMENTS, json!({"ReservedConcurrentExecutions": 20}), "function-concurrency unseen"),
        ] {
            assert_eq!(told(&[instances.judge(&found, limits, &Stages::new())]), expected, "{found}");
        }
    }

    #[test]
    fn a_stage_that_logs_whole_answers_or_tokens_is_wrong() {
        let format = |format: &str| json!({"accessLogSettings": {"format": format}});
        for (stage, expected) in [
            (json!({}), ""),
            (json!({"methodSettings": {"*/*": {"dataTraceEnabled": false}}}), ""),
            (
                json!({"methodSettings": {"*/*": {"dataTraceEnabled": true, "loggingLevel": "INFO"}}}),
                "stage-data-trace wrong",
            ),
            (json!({"routeSettings": {"$connect": {"dataTraceEnabled": true}}}), "stage-data-trace wrong"),
            (json!({"defaultRouteSettings": {"dataTraceEnabled": true}}), "stage-data-trace wrong"),
            (format("$context.requestId $context.authorizer.vaultWrappingToken"), "stage-access-log wrong"),
            (format("$context.requestId $context.authorizer.vaultWrappedAccessor"), ""),
        ] {
            let found = [data_trace("a", "prod", &stage), access_log("a", "prod", &stage)];
            assert_eq!(told(&found), expected, "{stage}");
        }
    }
}
