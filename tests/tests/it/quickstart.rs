//! The CloudFormation quickstart: what the template promises, and that it deploys and answers.
//!
//! What the emulator cannot show is asserted on the template itself. `docs/not-verified-on-aws.md` lists it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ::http::{HeaderMap, Method};
use serde_json::{Value, json};
use test_bed::{DeployedStack, Emulator, Made, QuickstartParameters, Scratch, cloudformation, http, parts};

/// The parameters that the template requires.
pub(crate) fn parameters() -> Value {
    json!({
        "CodeBucket": "code", "AuthorizerCodeKey": "a.zip", "OrdersCodeKey": "o.zip", "Audience": "orders-api",
        "VaultAddress": "https://vault.example.com:8200", "VaultServerId": "vault.example.com",
        "Issuer": "https://login.example.com/", "ApiGatewayLogRole": "existing",
    })
}

/// What the template makes as it is by default.
fn made() -> Made {
    Made::of_template(&cloudformation::template("quickstart.yaml"), "orders", &parameters())
}

/// What the template promises, compared with `tests/golden/deployments/quickstart.json`. `UPDATE_GOLDEN=1` writes that file anew. Whoever
/// changes it changes a promise:
///
/// - `authorizer`: API Gateway keeps no answer (left out, it keeps each for 300 seconds). The event has the route, which a TOKEN event
///   has not. There is no identity source: a call without it would not reach the authorizer.
/// - `methods`: each has the authorizer. A preflight is answered by a mock, with nothing behind it.
/// - `access_log`: every variable. A name appears there only after somebody has thought about what it can hold: a variable of the
///   authorizer's context would print a wrapping token.
/// - `stages`: no other setting is more specific; `OFF` is in quotes, else YAML reads `false`.
/// - `functions`: an HTTP API's authorizer has 10 seconds, so the timeout is below that.
/// - `roles`: each function may write its own log and nothing else. Vault knows the authorizer's role, so no other function has it.
#[test]
fn the_template_keeps_its_promises() {
    let template = cloudformation::template("quickstart.yaml");
    let of = |kind: &str| of_type(&template, kind).into_iter().map(|(_, resource)| &resource["Properties"]);
    let pick = |value: &Value, names: &[&str]| -> Value {
        names.iter().map(|name| ((*name).to_owned(), value[name].clone())).collect()
    };
    let authorizer = of("AWS::ApiGateway::Authorizer")
        .map(|one| pick(one, &["AuthorizerResultTtlInSeconds", "Type", "IdentitySource"]));
    let methods = of("AWS::ApiGateway::Method").map(|method| {
        let mock = method["HttpMethod"] == "OPTIONS";
        let behind = if mock { &method["Integration"]["Type"] } else { &method["AuthorizerId"] };
        json!([method["HttpMethod"], method["AuthorizationType"], behind])
    });
    let permissions = of("AWS::Lambda::Permission")
        .map(|one| pick(one, &["FunctionName", "Principal", "Action", "SourceArn"]));
    let stages = of("AWS::ApiGateway::Stage").map(|stage| {
        let names = ["ResourcePath", "HttpMethod", "DataTraceEnabled", "LoggingLevel"];
        let settings = stage["MethodSettings"].as_array().unwrap();
        let settings: Value = settings.iter().map(|settings| pick(settings, &names)).collect();
        json!([stage["StageName"], stage["DeploymentId"], settings])
    });
    let access_log = of("AWS::ApiGateway::Stage").map(|stage| {
        let format = stage["AccessLogSetting"]["Format"].as_str().unwrap();
        assert!(!format.contains('\n'), "one line for each call");
        let line: Value = serde_json::from_str(format).expect("the access log's lines are JSON");
        line.as_object().unwrap().values().cloned().collect::<Value>()
    });
    let answers = of("AWS::ApiGateway::GatewayResponse").map(|response| {
        let body = &response["ResponseTemplates"]["application/json"];
        json!([response["ResponseType"], response["StatusCode"], response["ResponseParameters"], body])
    });
    let made = made();
    let functions = made.all("AWS::Lambda::Function").map(|function| {
        let mut picked =
            pick(function, &["FunctionName", "Runtime", "Architectures", "Handler", "Timeout", "Role"]);
        picked["ReservedConcurrentExecutions"] = function["ReservedConcurrentExecutions"].clone();
        picked["Log"] = function["LoggingConfig"]["LogGroup"].clone();
        picked
    });
    let variables = ["AuthorizerFunction", "OrdersFunction"].map(|function| {
        let variables = &template["Resources"][function]["Properties"]["Environment"]["Variables"];
        variables.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>()
    });
    let roles = made
        .all("AWS::IAM::Role")
        .map(|role| pick(role, &["ManagedPolicyArns", "AssumeRolePolicyDocument", "Policies"]));
    let logs = made.all("AWS::Logs::LogGroup").map(|log| pick(log, &["LogGroupName", "RetentionInDays"]));
    let access_logs =
        made.all("AWS::ApiGateway::Stage").map(|stage| stage["AccessLogSetting"]["DestinationArn"].clone());
    let promises = json!({
        "authorizer": authorizer.collect::<Value>(),
        "methods": methods.collect::<Value>(),
        "permissions": permissions.collect::<Value>(),
        "stages": stages.collect::<Value>(),
        "access_log": access_log.collect::<Value>(),
        "access_logs": access_logs.collect::<Value>(),
        "answers": answers.collect::<Value>(),
        "functions": functions.collect::<Value>(),
        "variables": variables,
        "roles": roles.collect::<Value>(),
        "logs": logs.collect::<Value>(),
    });
    parts::assert_golden("deployments/quickstart.json", &promises);
}

#[test]
fn no_parameter_is_a_secret_and_each_is_explained() {
    let template = cloudformation::template("quickstart.yaml");
    for (name, parameter) in template["Parameters"].as_object().unwrap() {
        assert_eq!(parameter["NoEcho"], Value::Null, "{name}");
        assert!(parameter["Description"].is_string(), "{name}");
    }
}

#[test]
fn the_deployment_comes_after_all_that_it_is_a_snapshot_of() {
    let template = cloudformation::template("quickstart.yaml");
    let waits_for = template["Resources"]["Deployment"]["DependsOn"].as_array().unwrap();
    for kind in ["AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse"] {
        for (name, _) in of_type(&template, kind) {
            assert!(waits_for.contains(&json!(name)), "{name}");
        }
    }
}

/// On stub functions: the real ones are tested elsewhere.
#[tokio::test]
async fn deploys_answers_and_is_updated() {
    let scratch = Scratch::new("quickstart");
    let emulator = Emulator::start(&scratch).await;
    let stub = stub(&scratch, "one");
    let mut parameters = QuickstartParameters::new("http://127.0.0.1:8200", "http://127.0.0.1:9000");
    (parameters.authorizer_binary, parameters.orders_binary) = (stub.clone(), stub);
    let deployment = DeployedStack::quickstart(&emulator, &parameters).await;

    let made = deployment.describe().await;
    let environment = &made["authorizer_function"]["Environment"]["Variables"];
    assert!(environment.to_string().len() < 4096, "all of a function's environment: {environment}");
    let config = environment["AUTHORIZER_CONFIG"].as_str().unwrap();
    let expected = parts::text("tests/golden/deployments/quickstart.yaml");
    let expected = expected.replace("API_ID", deployment.output("ApiId"));
    assert_eq!(config, expected.replace("STS_ENDPOINT", &emulator.sts_url()));
    let role = QuickstartParameters::authorizer_role_arn("quickstart");
    for output in ["AuthorizerRoleArn", "VaultPrincipal"] {
        assert_eq!(deployment.output(output), role, "told before the stack was there");
    }
    assert_eq!(made["authorizer_function"]["Role"], role);
    assert_eq!(made["authorizer_function"]["Timeout"], json!(8));
    for log in ["AuthorizerLogGroup", "OrdersLogGroup", "AccessLogGroup"] {
        assert_eq!(made["log_groups"][deployment.output(log)]["retentionInDays"], json!(90));
    }

    for stage in ["prod", "staging"] {
        let (status, _, body) = get(&deployment, stage, "allow").await;
        assert_eq!((status, &body["principalId"]), (200, &json!("corp:stub")), "{stage}: {body}");
        let (status, headers, body) = get(&deployment, stage, "unauthorized").await;
        assert_eq!((status, body), (401, json!({"message": "Unauthorized"})));
        assert_eq!(headers["www-authenticate"], "Bearer");
        let (status, headers, body) = get(&deployment, stage, "deny").await;
        assert_eq!((status, &body["message"]), (403, &json!("Forbidden")));
        assert_eq!(headers["access-control-allow-origin"], "*");
        for fault in ["fault", "nonsense"] {
            let (status, headers, body) = get(&deployment, stage, fault).await;
            assert_eq!((status, body), (503, json!({"message": "Service Unavailable"})), "{fault}");
            assert_eq!(headers["retry-after"], "5");
        }
    }
    let lines = deployment.authorizer_lines().await;
    assert_eq!(lines.len(), 10, "one for each call, from one process: {lines:?}");
    assert!(lines.iter().all(|line| line["pid"] == lines[0]["pid"] && line["role_key"] == json!(true)));
    assert!(deployment.orders_log().await.contains("START RequestId"));

    let preflight = http::client().request(Method::OPTIONS, deployment.url("prod") + "/orders").send().await;
    let preflight = preflight.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-headers"], "Authorization,DPoP");
    assert_eq!(deployment.authorizer_lines().await.len(), 10, "a preflight does not reach it");

    // New code and a new configuration, on the API that is there.
    parameters.authorizer_binary = self::stub(&scratch, "two");
    parameters.values["VaultNamespace"] = json!("platform");
    let updated = DeployedStack::quickstart(&emulator, &parameters).await;
    assert_eq!(updated.outputs(), deployment.outputs());
    assert_eq!(get(&updated, "prod", "allow").await.0, 200);
    let line = updated.authorizer_lines().await.pop().unwrap();
    assert_eq!(line["version"], "two");
    assert!(line["config"].as_str().unwrap().contains("\n  namespace: \"platform\"\n"));
    emulator.stop().await;
}

async fn get(deployment: &DeployedStack, stage: &str, answer: &str) -> (u16, HeaderMap, Value) {
    let request = http::client().get(deployment.url(stage) + "/orders").header("x-answer", answer);
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.json().await.unwrap())
}

/// A function that is authorizer and integration in one, and answers as the call's header `x-answer` says.
fn stub(scratch: &Scratch, version: &str) -> PathBuf {
    parts::executable_as(scratch, "stub_function.py", |text| text.replace("VERSION", version))
}

/// The resources of a type, by name.
fn of_type<'t>(template: &'t Value, kind: &str) -> Vec<(&'t str, &'t Value)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let resources = resources.filter(|(_, resource)| resource["Type"] == kind);
    let resources: Vec<_> = resources.map(|(name, resource)| (name.as_str(), resource)).collect();
    assert!(!resources.is_empty(), "the template has no {kind}");
    resources
}
