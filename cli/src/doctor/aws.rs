//! The function and its APIs: what in AWS would break a promise, or an answer.
//!
//! Receives the JSON of AWS's own APIs; produces findings. Each check is a function of the JSON alone. What is right comes
//! from the API Gateway developer guide ("Use API Gateway Lambda authorizers", quotas) and the Lambda developer guide.

use authorizer_steps::grant::{Apis, Pattern, Stages};
use serde_json::Value;
use vault_authorizer::config::Limits;

use super::{
    aws_api::{AwsApi, Service},
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
    pub(super) limits: Limits,
    /// APIs that the configuration does not name.
    pub(super) also: &'a [String],
}

impl Deployment<'_> {
    pub(super) async fn examine(&self, api: &AwsApi) -> Vec<Finding> {
        let path = format!("2015-03-31/functions/{}", self.function);
        let function = match api.get(Service::Lambda, &format!("{path}/configuration")).await {
            Ok(Some(function)) => function,
            Ok(None) => {
                let found = format!("there is no function `{}` in this region and account", self.function);
                return vec![Finding::wrong(
                    "function",
                    found,
                    "mend `--function`, `--region` or the credentials",
                )];
            }
            Err(reason) => return vec![Finding::unseen("function", reason)],
        };
        let reserved = format!("2019-09-30/functions/{}/concurrency", self.function);
        let concurrency = match api.get(Service::Lambda, &reserved).await {
            Ok(reserved) => concurrency(&reserved.unwrap_or_default(), self.limits, self.stages),
            Err(reason) => Finding::unseen("function-concurrency", reason),
        };
        let mut findings = vec![timeout(&function), environment(&function), concurrency];
        let arn = text(&function, "FunctionArn").to_owned();
        let policy = api.get(Service::Lambda, &format!("{path}/policy")).await;
        let policy = policy.map(|policy| {
            let document =
                policy.as_ref().map(|policy| text(policy, "Policy").to_owned()).unwrap_or_default();
            serde_json::from_str::<Value>(&document).unwrap_or_default()
        });
        for (id, stages) in self.apis() {
            findings
                .extend(Api { id: &id, stages: &stages, function: &arn, policy: &policy }.examine(api).await);
        }
        if findings.iter().all(|finding| !finding.check.starts_with("authorizer")) {
            findings.push(Finding::unseen(
                "authorizer-caching",
                "the configuration names no API: give one with `--api`",
            ));
        }
        findings
    }

    /// Each API with the stages that the configuration has for it.
    fn apis(&self) -> Vec<(String, Vec<String>)> {
        let mut apis: Vec<(String, Vec<String>)> =
            self.also.iter().map(|id| (id.clone(), Vec::new())).collect();
        for stage in self.stages.values() {
            let ids: Vec<String> = match &stage.apis {
                Apis::Any => self.also.to_vec(),
                Apis::Listed(ids) => ids.iter().map(ToString::to_string).collect(),
            };
            for id in ids {
                let name = stage.name.to_string();
                match apis.iter_mut().find(|(own, _)| *own == id) {
                    Some((_, stages)) => stages.push(name),
                    None => apis.push((id, vec![name])),
                }
            }
        }
        apis
    }
}

/// One API, of whichever kind.
struct Api<'a> {
    id: &'a str,
    stages: &'a [String],
    function: &'a str,
    policy: &'a Result<Value, String>,
}

/// The two APIs of API Gateway name the same things in two ways.
#[derive(Clone, Copy)]
struct Kind {
    path: &'static str,
    authorizers: &'static str,
    stages: &'static str,
    items: &'static str,
    id: &'static str,
    default_ttl_seconds: u64,
}

/// REST APIs. Where the TTL is not set, it is 300 s.
const REST: Kind = Kind {
    path: "restapis",
    authorizers: "authorizers",
    stages: "stages",
    items: "item",
    id: "id",
    default_ttl_seconds: 300,
};
/// HTTP and WebSocket APIs. Without identity sources there is no caching, and where the TTL is not set, none is documented.
const HTTP: Kind = Kind {
    path: "v2/apis",
    authorizers: "authorizers",
    stages: "stages",
    items: "items",
    id: "authorizerId",
    default_ttl_seconds: 0,
};

impl Api<'_> {
    async fn examine(&self, api: &AwsApi) -> Vec<Finding> {
        let kind = match self.kind(api).await {
            Ok(Some(kind)) => kind,
            Ok(None) => {
                let found = format!("there is no API `{}` in this region and account", self.id);
                return vec![Finding::wrong(
                    "authorizer-api",
                    found,
                    "mend `api_ids`, or look in the API's own region",
                )];
            }
            Err(reason) => return vec![Finding::unseen("authorizer-api", reason)],
        };
        let base = format!("{}/{}", kind.path, self.id);
        let mut findings = Vec::new();
        match api.get(Service::ApiGateway, &format!("{base}/{}", kind.authorizers)).await {
            Ok(found) => findings.extend(self.authorizers(kind, &found.unwrap_or_default())),
            Err(reason) => findings.push(Finding::unseen("authorizer-caching", reason)),
        }
        for stage in self.stages {
            match api.get(Service::ApiGateway, &format!("{base}/{}/{}", kind.stages, escaped(stage))).await {
                Ok(Some(found)) => {
                    findings.extend([data_trace(self.id, stage, &found), access_log(self.id, stage, &found)]);
                }
                Ok(None) => findings.push(Finding::wrong(
                    "stage",
                    format!("API `{}` has no stage `{stage}`", self.id),
                    "mend the name in `stages`, or deploy the stage",
                )),
                Err(reason) => findings.push(Finding::unseen("stage", reason)),
            }
        }
        findings
    }

    async fn kind(&self, api: &AwsApi) -> Result<Option<Kind>, String> {
        for kind in [REST, HTTP] {
            if api.get(Service::ApiGateway, &format!("{}/{}", kind.path, self.id)).await?.is_some() {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }

    /// Those of the API that call this function.
    fn authorizers(&self, kind: Kind, found: &Value) -> Vec<Finding> {
        let all = found.get(kind.items).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let ours: Vec<&Value> =
            all.iter().filter(|authorizer| calls(text(authorizer, "authorizerUri"), self.function)).collect();
        if ours.is_empty() {
            let found = format!("no authorizer of API `{}` calls {}", self.id, self.function);
            return vec![Finding::wrong(
                "authorizer-api",
                found,
                "attach the function, or mend `--function`",
            )];
        }
        ours.into_iter()
            .flat_map(|authorizer| [caching(self.id, kind, authorizer), self.permission(kind, authorizer)])
            .collect()
    }

    /// A role of the authorizer's, or a statement of the function's policy (API Gateway developer guide, "Configure a Lambda
    /// authorizer": the source is `…:<api>/authorizers/<authorizer>`).
    fn permission(&self, kind: Kind, authorizer: &Value) -> Finding {
        let check = "authorizer-permission";
        let id = text(authorizer, kind.id);
        let role = [text(authorizer, "authorizerCredentials"), text(authorizer, "authorizerCredentialsArn")]
            .concat();
        if !role.is_empty() {
            let reason = format!(
                "API `{}` invokes the function by the role {role}, whose policies are not read: it needs lambda:InvokeFunction",
                self.id
            );
            return Finding::unseen(check, reason);
        }
        let policy = match self.policy {
            Ok(policy) => policy,
            Err(reason) => return Finding::unseen(check, reason.clone()),
        };
        if text(authorizer, "authorizerUri").contains(&format!("{}:", self.function)) {
            let reason = format!(
                "API `{}` calls a version or an alias of the function, whose own policy is not read",
                self.id
            );
            return Finding::unseen(check, reason);
        }
        let arn = source_arn(self.function, &format!("{}/authorizers/{id}", self.id));
        let statements =
            policy.get("Statement").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let verdicts: Vec<Option<bool>> =
            statements.iter().map(|statement| lets_invoke(statement, &arn)).collect();
        let denies = statements.iter().any(|statement| text(statement, "Effect") == "Deny");
        if verdicts.contains(&Some(true)) && !denies {
            return Finding::good(check, format!("API `{}` may invoke the function", self.id));
        }
        if verdicts.contains(&None) {
            let reason = "the function's policy denies something, or has lists or conditions beside one `aws:SourceArn`: see for yourself whether it lets this API in";
            return Finding::unseen(check, reason);
        }
        let found = format!("API `{}` may not invoke the function: every call would be a 500", self.id);
        let remedy = format!(
            "aws lambda add-permission --function-name {} --statement-id {}-authorizer --action lambda:InvokeFunction --principal apigateway.amazonaws.com --source-arn {arn}",
            self.function, self.id
        );
        Finding::wrong(check, found, remedy)
    }
}

/// Whether a statement of the function's policy lets `source` invoke it; `None` where it is not of the form that
/// `aws lambda add-permission` writes, or denies something.
fn lets_invoke(statement: &Value, source: &str) -> Option<bool> {
    let principal = statement.pointer("/Principal/Service").or_else(|| statement.get("Principal"));
    let word = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (effect, principal, action) =
        (word(statement.get("Effect"))?, principal?, word(statement.get("Action"))?);
    if effect != "Allow" {
        return None;
    }
    // Another account or role, which is not API Gateway.
    let Some(principal) = principal.as_str() else {
        return if principal.get("AWS").is_some() { Some(false) } else { None };
    };
    if !["apigateway.amazonaws.com", "*"].contains(&principal)
        || !["lambda:InvokeFunction", "lambda:*", "*"].contains(&action.as_str())
    {
        return Some(false);
    }
    let conditions = statement.get("Condition").and_then(Value::as_object);
    let mut values = conditions.into_iter().flatten().flat_map(|(operator, keys)| {
        keys.as_object()
            .into_iter()
            .flatten()
            .map(move |(key, value)| (operator.as_str(), key.as_str(), value))
    });
    let Some((operator, key, value)) = values.next() else { return Some(true) };
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
    if covers && values.next().is_some() { None } else { Some(covers) }
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
    let ttl = authorizer
        .get("authorizerResultTtlInSeconds")
        .and_then(Value::as_u64)
        .unwrap_or(kind.default_ttl_seconds);
    if ttl == 0 {
        return Finding::good(check, format!("authorizer `{name}` of API `{api}` keeps no answer"));
    }
    let found = format!(
        "authorizer `{name}` of API `{api}` keeps answers for {ttl} s: a second call gets a wrapping token that is spent"
    );
    Finding::wrong(check, found, "set `authorizerResultTtlInSeconds` to 0, and deploy the API")
}

fn timeout(function: &Value) -> Finding {
    let check = "function-timeout";
    match function.get("Timeout").and_then(Value::as_u64) {
        Some(seconds) if seconds < TIMEOUT_LIMIT_SECONDS => Finding::good(check, format!("{seconds} s")),
        Some(seconds) => Finding::wrong(
            check,
            format!("{seconds} s: API Gateway gives up before the function answers, and nobody learns why"),
            "set the function's timeout below 10 s; 8 s leaves time for the answer",
        ),
        None => Finding::unseen(check, "AWS does not say it"),
    }
}

fn environment(function: &Value) -> Finding {
    let check = "function-environment";
    if let Some(error) = function.pointer("/Environment/Error") {
        let message = text(error, "Message");
        return Finding::unseen(check, format!("Lambda does not show the variables: {message}"));
    }
    let variables = function.pointer("/Environment/Variables").and_then(Value::as_object);
    let bytes: usize = variables
        .into_iter()
        .flatten()
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if bytes <= ENVIRONMENT_LIMIT_BYTES * 9 / 10 {
        return Finding::good(check, format!("{bytes} of {ENVIRONMENT_LIMIT_BYTES} bytes"));
    }
    Finding::wrong(
        check,
        format!(
            "{bytes} of the {ENVIRONMENT_LIMIT_BYTES} bytes that Lambda allows: the next change may not fit"
        ),
        "put the configuration in as `base64gzip:…`, or as the file `authorizer.yaml` beside the binary",
    )
}

/// How many instances there may be decides what one caller can have: each counts by itself.
fn concurrency(found: &Value, limits: Limits, stages: &Stages) -> Finding {
    let check = "function-concurrency";
    let reserved = found.get("ReservedConcurrentExecutions").and_then(Value::as_u64);
    let Some(instances) = reserved.map(|reserved| u32::try_from(reserved).unwrap_or(u32::MAX)) else {
        let reason = "none is reserved, so only the account's own concurrency bounds what callers can ask of Vault, and that is not read";
        return Finding::unseen(check, reason);
    };
    if instances == 0 {
        return Finding::wrong(
            check,
            "0 is reserved: every call is a 503",
            "reserve as much as callers need",
        );
    }
    match one_caller_over_a_grant(limits, stages, instances) {
        Some((risk, instead)) => {
            Finding::wrong(check, format!("with the {instances} instances that are reserved {risk}"), instead)
        }
        None => Finding::good(check, format!("{instances} reserved, which fits `limits`")),
    }
}

/// An execution log with data trace has the authorizer's whole answer in clear.
fn data_trace(api: &str, stage: &str, found: &Value) -> Finding {
    let check = "stage-data-trace";
    let of_methods = found.get("methodSettings").and_then(Value::as_object).into_iter().flatten();
    let of_routes = found.get("routeSettings").and_then(Value::as_object).into_iter().flatten();
    let defaults = found.get("defaultRouteSettings").map(|settings| ("$default", settings));
    let traced: Vec<&str> = of_methods
        .chain(of_routes)
        .map(|(name, settings)| (name.as_str(), settings))
        .chain(defaults)
        .filter(|(_, settings)| settings.get("dataTraceEnabled") == Some(&Value::Bool(true)))
        .map(|(name, _)| name)
        .collect();
    if traced.is_empty() {
        return Finding::good(check, format!("stage `{stage}` of API `{api}` traces no data"));
    }
    Finding::wrong(
        check,
        format!(
            "stage `{stage}` of API `{api}` logs whole requests and answers, tokens included, for {}",
            traced.join(", ")
        ),
        "turn data trace off (`dataTraceEnabled: false`), and delete that log group",
    )
}

fn access_log(api: &str, stage: &str, found: &Value) -> Finding {
    let check = "stage-access-log";
    let format = found.pointer("/accessLogSettings/format").and_then(Value::as_str).unwrap_or_default();
    let secret = vault_context::context::WRAPPING_TOKEN.key;
    if !format.contains(secret) {
        return Finding::good(
            check,
            format!("stage `{stage}` of API `{api}` does not log the wrapping token"),
        );
    }
    Finding::wrong(
        check,
        format!(
            "the access log of stage `{stage}` of API `{api}` prints `{secret}`: whoever reads it first has the token"
        ),
        "take it out of the format; `$context.authorizer.vaultWrappedAccessor` finds the same token in Vault's audit log",
    )
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// `$default` is a stage's name.
fn escaped(stage: &str) -> String {
    stage.replace('$', "%24")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:orders-authorizer";

    fn findings(policy: Value, kind: Kind, authorizer: Value) -> Vec<Finding> {
        let policy = Ok(policy);
        let api = Api { id: "a1b2c3d4e5", stages: &[], function: FUNCTION, policy: &policy };
        api.authorizers(kind, &json!({ kind.items: [authorizer] }))
    }

    fn wrong(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().filter(|finding| finding.is_wrong()).map(|finding| finding.check).collect()
    }

    fn uri() -> String {
        format!("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations")
    }

    fn rest(ttl: Value) -> Value {
        json!({"id": "abc123", "name": "vault", "authorizerUri": uri(), "authorizerResultTtlInSeconds": ttl})
    }

    fn permission(source: &str) -> Value {
        json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"},
            "Action": "lambda:InvokeFunction", "Resource": FUNCTION, "Condition": {"ArnLike": {"AWS:SourceArn": source}}}]})
    }

    fn good_permission() -> Value {
        permission("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/authorizers/abc123")
    }

    #[test]
    fn an_authorizer_that_keeps_answers_is_wrong() {
        assert_eq!(wrong(&findings(good_permission(), REST, rest(json!(0)))), Vec::<&str>::new());
        for ttl in [json!(300), json!(1), json!(null)] {
            assert_eq!(
                wrong(&findings(good_permission(), REST, rest(ttl.clone()))),
                ["authorizer-caching"],
                "{ttl}"
            );
        }
        let http = |ttl: Value| json!({"authorizerId": "abc123", "authorizerUri": uri(), "authorizerResultTtlInSeconds": ttl});
        assert_eq!(wrong(&findings(good_permission(), HTTP, http(json!(null)))), Vec::<&str>::new());
        assert_eq!(wrong(&findings(good_permission(), HTTP, http(json!(60)))), ["authorizer-caching"]);
    }

    #[test]
    fn an_api_that_may_not_invoke_the_function_is_wrong() {
        let found = |policy: Value| wrong(&findings(policy, REST, rest(json!(0)))).join(",");
        for covers in [
            "arn:aws:execute-api:*:123456789012:a1b2c3d4e5/authorizers/abc123",
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/authorizers/*",
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/*",
            "arn:aws:execute-api:eu-west-1:123456789012:*",
        ] {
            assert_eq!(found(permission(covers)), "", "{covers}");
        }
        for other in [
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/authorizers/other",
            "arn:aws:execute-api:eu-west-1:123456789012:zzzzzzzzzz/authorizers/abc123",
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders",
            "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/authorizers/abc123",
            "arn:aws:execute-api:eu-west-1:999999999999:a1b2c3d4e5/authorizers/abc123",
        ] {
            assert_eq!(found(permission(other)), "authorizer-permission", "{other}");
        }
        assert_eq!(found(Value::Null), "authorizer-permission");
        let mut literal = permission("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/authorizers/*");
        literal["Statement"][0]["Condition"] = json!({"StringEquals": {"aws:SourceArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/authorizers/*"}});
        assert_eq!(found(literal), "authorizer-permission", "StringEquals knows no wildcard");
    }

    #[test]
    fn a_permission_that_was_not_understood_is_not_called_good() {
        let unseen = |policy: Value, authorizer: Value| {
            let [caching, permission] = findings(policy, REST, authorizer).try_into().unwrap();
            assert!(!caching.is_wrong() && !permission.is_wrong());
            permission.is_unseen()
        };
        let mut by_role = rest(json!(0));
        by_role["authorizerCredentials"] = json!("arn:aws:iam::123456789012:role/invoker");
        assert!(unseen(Value::Null, by_role));
        let source = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/authorizers/abc123";
        for condition in [
            json!({"ArnLike": {"AWS:SourceArn": [source, "arn:aws:execute-api:eu-west-1:1:b/*"]}}),
            json!({"StringEquals": {"aws:SourceAccount": "123456789012"}}),
            json!({"ArnLike": {"AWS:SourceArn": source}, "StringEquals": {"aws:SourceAccount": "999999999999"}}),
        ] {
            let mut policy = good_permission();
            policy["Statement"][0]["Condition"] = condition.clone();
            assert!(unseen(policy, rest(json!(0))), "{condition}");
        }
        for (name, value) in [
            ("Effect", json!("Deny")),
            ("Action", json!(["lambda:InvokeFunction"])),
            ("Principal", json!({"Service": ["apigateway.amazonaws.com"]})),
        ] {
            let mut policy = good_permission();
            policy["Statement"][0][name] = value;
            assert!(unseen(policy, rest(json!(0))), "{name}");
        }
        let mut open = good_permission();
        open["Statement"][0].as_object_mut().unwrap().remove("Condition");
        assert!(!unseen(open, rest(json!(0))));
    }

    #[test]
    fn an_api_without_this_authorizer_is_wrong() {
        let other = json!({"id": "x", "authorizerUri": "arn:aws:…:function:another/invocations"});
        assert_eq!(wrong(&findings(Value::Null, REST, other)), ["authorizer-api"]);
        let longer_name = uri().replace("orders-authorizer", "orders-authorizer-v2");
        let other = json!({"id": "x", "authorizerUri": longer_name});
        assert_eq!(wrong(&findings(Value::Null, REST, other)), ["authorizer-api"]);
        let alias = uri().replace("orders-authorizer/", "orders-authorizer:live/");
        let ours = json!({"id": "abc123", "authorizerUri": alias, "authorizerResultTtlInSeconds": 0});
        let of_alias = findings(Value::Null, REST, ours);
        assert!(wrong(&of_alias).is_empty() && of_alias.iter().any(Finding::is_unseen));
    }

    #[test]
    fn a_function_that_may_take_longer_than_api_gateway_is_wrong() {
        for (seconds, is_wrong) in [(3, false), (9, false), (10, true), (900, true)] {
            assert_eq!(timeout(&json!({"Timeout": seconds})).is_wrong(), is_wrong, "{seconds}");
        }
        assert!(timeout(&json!({})).is_unseen());
    }

    #[test]
    fn an_environment_that_is_nearly_full_is_wrong() {
        let of =
            |bytes: usize| environment(&json!({"Environment": {"Variables": {"A": "x".repeat(bytes - 1)}}}));
        assert!(!of(3686).is_wrong() && of(3687).is_wrong());
        assert!(!environment(&json!({})).is_wrong());
        let denied = json!({"Environment": {"Error": {"ErrorCode": "AccessDeniedException", "Message": "no kms:Decrypt"}}});
        assert!(environment(&denied).is_unseen(), "0 of 4096 bytes is what was not seen");
    }

    #[test]
    fn a_stage_that_logs_whole_answers_is_wrong() {
        for traced in [
            json!({"methodSettings": {"*/*": {"dataTraceEnabled": true, "loggingLevel": "INFO"}}}),
            json!({"routeSettings": {"$connect": {"dataTraceEnabled": true}}}),
            json!({"defaultRouteSettings": {"dataTraceEnabled": true}}),
        ] {
            assert!(data_trace("a", "prod", &traced).is_wrong(), "{traced}");
        }
        for quiet in [json!({}), json!({"methodSettings": {"*/*": {"dataTraceEnabled": false}}})] {
            assert!(!data_trace("a", "prod", &quiet).is_wrong(), "{quiet}");
        }
    }

    #[test]
    fn an_access_log_that_prints_the_token_is_wrong() {
        let format =
            |format: &str| access_log("a", "prod", &json!({"accessLogSettings": {"format": format}}));
        assert!(format("$context.requestId $context.authorizer.vaultWrappingToken").is_wrong());
        assert!(!format("$context.requestId $context.authorizer.vaultWrappedAccessor").is_wrong());
        assert!(!access_log("a", "prod", &json!({})).is_wrong());
    }
}
