//! The CloudFormation quickstart: what the template promises, and that it deploys and answers.
//!
//! What the emulator cannot show is asserted on the template itself; `docs/not-verified-on-aws.md` lists it.

use std::collections::BTreeSet;
use std::path::PathBuf;

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

#[test]
fn the_authorizer_sees_every_call_and_no_answer_of_it_is_kept() {
    let template = cloudformation::template("quickstart.yaml");
    let authorizers = of_type(&template, "AWS::ApiGateway::Authorizer");
    assert_eq!(authorizers.len(), 1);
    let authorizer = &authorizers[0].1["Properties"];
    assert_eq!(authorizer["AuthorizerResultTtlInSeconds"], json!(0), "left out, it is 300 seconds");
    assert_eq!(authorizer["Type"], "REQUEST", "a TOKEN event has no route");
    assert_eq!(authorizer["IdentitySource"], Value::Null, "a call without it would not reach the authorizer");

    for (name, method) in of_type(&template, "AWS::ApiGateway::Method") {
        let method = &method["Properties"];
        if method["HttpMethod"] == "OPTIONS" {
            assert_eq!(
                method["Integration"]["Type"], "MOCK",
                "{name}: without an authorizer, nothing is behind it"
            );
        } else {
            assert_eq!(method["AuthorizationType"], "CUSTOM", "{name}");
            assert_eq!(method["AuthorizerId"], json!({"Ref": "Authorizer"}), "{name}");
        }
    }
}

#[test]
fn functions_hold_no_secret_and_may_write_their_own_log_only() {
    let template = cloudformation::template("quickstart.yaml");
    for (name, parameter) in template["Parameters"].as_object().unwrap() {
        assert_eq!(parameter["NoEcho"], Value::Null, "{name}: no parameter is a secret");
        assert!(parameter["Description"].is_string(), "{name}");
    }
    let names = |function: &str| {
        let variables = &resource(&template, function)["Environment"]["Variables"];
        variables.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(
        names("AuthorizerFunction"),
        BTreeSet::from(["AUTHORIZER_CONFIG", "RUST_LOG"].map(str::to_owned))
    );
    let orders =
        ["ALLOW_ORIGIN", "ORDERS_STAGES", "RUST_LOG", "VAULT_ADDR", "VAULT_CACERT", "VAULT_NAMESPACE"];
    assert_eq!(names("OrdersFunction"), BTreeSet::from(orders.map(str::to_owned)));

    let made = made();
    let roles: Vec<_> = made.all("AWS::IAM::Role").collect();
    assert_eq!(roles.len(), 2);
    for (role, log) in roles.into_iter().zip(["orders-authorizer", "orders-orders"]) {
        assert_eq!(role["ManagedPolicyArns"], Value::Null);
        let statements = |document: &Value| document["Statement"].as_array().unwrap().clone();
        let lambda = json!({"Service": "lambda.amazonaws.com"});
        let trust = json!({"Effect": "Allow", "Principal": lambda, "Action": "sts:AssumeRole"});
        assert_eq!(statements(&role["AssumeRolePolicyDocument"]), [trust]);
        let policies = role["Policies"].as_array().unwrap();
        assert_eq!(policies.len(), 1);
        let own_log = json!({
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": format!("arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/{log}:*"),
        });
        assert_eq!(statements(&policies[0]["PolicyDocument"]), [own_log]);
    }
    let users_of_the_role = made.all("AWS::Lambda::Function").map(|function| function["Role"].clone());
    let roles: Vec<Value> = users_of_the_role.collect();
    let arn = |name: &str| json!(format!("arn:aws:iam::123456789012:role/{name}"));
    assert_eq!(
        roles,
        [arn("orders-authorizer-us-east-1"), arn("OrdersRole")],
        "Vault knows the authorizer's role: nothing else may have it"
    );
}

#[test]
fn functions_are_bounded() {
    let made = made();
    let functions: Vec<_> = made.all("AWS::Lambda::Function").collect();
    assert_eq!(functions.len(), 2);
    let authorizer = functions[0];
    assert_eq!(authorizer["FunctionName"], "orders-authorizer");
    assert!(authorizer["Timeout"].as_u64().unwrap() < 10, "an HTTP API's authorizer has 10 seconds");
    assert_eq!(authorizer["ReservedConcurrentExecutions"], json!(20));
    for function in functions {
        assert_eq!(function["Runtime"], "provided.al2023", "{function}");
        assert_eq!(function["Architectures"], json!(["x86_64"]), "{function}");
        assert_eq!(function["Handler"], "bootstrap", "{function}");
    }
}

#[test]
fn each_function_can_be_invoked_by_one_part_of_one_api() {
    let template = cloudformation::template("quickstart.yaml");
    let mut permissions = Vec::new();
    for (name, permission) in of_type(&template, "AWS::Lambda::Permission") {
        let permission = &permission["Properties"];
        assert_eq!(permission["Principal"], "apigateway.amazonaws.com", "{name}");
        assert_eq!(permission["Action"], "lambda:InvokeFunction", "{name}");
        let source = permission["SourceArn"]["Fn::Sub"].as_str().unwrap();
        let api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/";
        let source = source.strip_prefix(api).unwrap_or_else(|| panic!("{name}: {source}"));
        permissions.push((permission["FunctionName"]["Ref"].as_str().unwrap(), source));
    }
    permissions.sort_unstable();
    let expected = [
        ("AuthorizerFunction", "authorizers/${Authorizer}"),
        ("OrdersFunction", "prod/GET/orders"),
        ("OrdersFunction", "staging/GET/orders"),
    ];
    assert_eq!(permissions, expected);
}

#[test]
fn every_log_ends_some_day_and_exists_before_its_first_line() {
    let made = made();
    assert_eq!(made.all("AWS::Logs::LogGroup").count(), 3);
    for group in made.all("AWS::Logs::LogGroup") {
        assert_eq!(group["RetentionInDays"], json!(90), "{group}");
    }
    for (function, log) in made.all("AWS::Lambda::Function").zip(["orders-authorizer", "orders-orders"]) {
        assert_eq!(function["LoggingConfig"]["LogGroup"], json!(format!("/aws/lambda/{log}")));
    }
}

/// The access log's variables, all of them. One of these names appears here only after somebody has thought about what
/// it can hold: a variable of the authorizer's context would print a wrapping token.
const LOGGED: [&str; 14] = [
    "$context.authorizer.error",
    "$context.authorizer.latency",
    "$context.authorizer.requestId",
    "$context.authorizer.status",
    "$context.error.responseType",
    "$context.extendedRequestId",
    "$context.httpMethod",
    "$context.integration.status",
    "$context.requestId",
    "$context.requestTime",
    "$context.resourcePath",
    "$context.responseLatency",
    "$context.stage",
    "$context.status",
];

#[test]
fn no_log_of_the_gateway_can_hold_a_token() {
    let template = cloudformation::template("quickstart.yaml");
    let stages = of_type(&template, "AWS::ApiGateway::Stage");
    let names: Vec<&Value> = stages.iter().map(|(_, stage)| &stage["Properties"]["StageName"]).collect();
    assert_eq!(names, ["prod", "staging"]);
    for stage in made().all("AWS::ApiGateway::Stage") {
        let group = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/apigateway/orders-access";
        assert_eq!(stage["AccessLogSetting"]["DestinationArn"], group);
    }
    for (name, stage) in stages {
        let stage = &stage["Properties"];
        assert_eq!(stage["DeploymentId"], json!({"Ref": "Deployment"}), "{name}: both serve one deployment");
        let settings = stage["MethodSettings"].as_array().unwrap();
        assert_eq!(settings.len(), 1, "{name}: no other setting may be more specific");
        assert_eq!((&settings[0]["ResourcePath"], &settings[0]["HttpMethod"]), (&json!("/*"), &json!("*")));
        assert_eq!(settings[0]["DataTraceEnabled"], json!(false), "{name}");
        assert_eq!(settings[0]["LoggingLevel"], json!("OFF"), "{name}: in quotes, else YAML reads `false`");

        let log = &stage["AccessLogSetting"];
        let format = log["Format"].as_str().unwrap();
        assert!(!format.contains('\n'), "{name}: one line for each call");
        let line: Value = serde_json::from_str(format).expect("the access log's lines are JSON");
        let variables: BTreeSet<&str> =
            line.as_object().unwrap().values().map(|value| value.as_str().unwrap()).collect();
        assert_eq!(variables, BTreeSet::from(LOGGED), "{name}");
    }
}

#[test]
fn the_gateway_says_what_happened_and_lets_browsers_read_it() {
    let template = cloudformation::template("quickstart.yaml");
    let origin = json!({"Fn::Sub": "'${AllowOrigin}'"});
    let mut answers = Vec::new();
    for (name, response) in of_type(&template, "AWS::ApiGateway::GatewayResponse") {
        let response = &response["Properties"];
        let header =
            |header: &str| response["ResponseParameters"][format!("gatewayresponse.header.{header}")].clone();
        assert_eq!(header("Access-Control-Allow-Origin"), origin, "{name}");
        let body = response["ResponseTemplates"]["application/json"].as_str().unwrap_or_default();
        let kind = response["ResponseType"].as_str().unwrap();
        let status = response["StatusCode"].as_str().unwrap_or_default();
        let hint = if status == "401" { header("WWW-Authenticate") } else { header("Retry-After") };
        answers.push((kind, status, hint, body));
    }
    answers.sort_unstable_by_key(|(kind, ..)| *kind);
    let denied = r#"{"message":"Forbidden","reason":"$context.authorizer.reason","denialId":"$context.authorizer.denialId"}"#;
    let broken = r#"{"message":"Service Unavailable"}"#;
    let expected = [
        ("ACCESS_DENIED", "403", Value::Null, denied),
        ("AUTHORIZER_CONFIGURATION_ERROR", "503", json!("'5'"), broken),
        ("AUTHORIZER_FAILURE", "503", json!("'5'"), broken),
        ("DEFAULT_4XX", "", Value::Null, ""),
        ("DEFAULT_5XX", "", Value::Null, ""),
        ("UNAUTHORIZED", "401", json!("'Bearer'"), r#"{"message":"Unauthorized"}"#),
    ];
    assert_eq!(answers, expected);
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
    assert_eq!(made["authorizers"][0]["authorizerResultTtlInSeconds"], json!(0));
    for stage in ["prod", "staging"] {
        let settings = &made["stages"][stage]["methodSettings"]["*/*"];
        assert_eq!(
            (&settings["dataTraceEnabled"], &settings["loggingLevel"]),
            (&json!(false), &json!("OFF"))
        );
    }
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

    let preflight =
        http::client().request(http_method("OPTIONS"), deployment.url("prod") + "/orders").send().await;
    let preflight = preflight.unwrap();
    assert_eq!(
        (preflight.status().as_u16(), &preflight.headers()["access-control-allow-headers"]),
        (204, &"Authorization".parse().unwrap())
    );
    assert_eq!(deployment.authorizer_lines().await.len(), 10, "a preflight does not reach it");

    // New code and a new configuration, on the API that is there.
    parameters.authorizer_binary = self::stub(&scratch, "two");
    parameters.others = vec![("VaultNamespace".to_owned(), "platform".to_owned())];
    let updated = DeployedStack::quickstart(&emulator, &parameters).await;
    assert_eq!(updated.outputs(), deployment.outputs());
    assert_eq!(get(&updated, "prod", "allow").await.0, 200);
    let line = updated.authorizer_lines().await.pop().unwrap();
    assert_eq!(line["version"], "two");
    assert!(line["config"].as_str().unwrap().contains("\n  namespace: \"platform\"\n"));
    emulator.stop().await;
}

async fn get(deployment: &DeployedStack, stage: &str, answer: &str) -> (u16, ::http::HeaderMap, Value) {
    let request = http::client().get(deployment.url(stage) + "/orders").header("x-answer", answer);
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.json().await.unwrap())
}

fn http_method(name: &str) -> ::http::Method {
    name.parse().unwrap()
}

/// A function that is authorizer and integration in one, and answers as the call's header `x-answer` says.
fn stub(scratch: &Scratch, version: &str) -> PathBuf {
    parts::executable_as(scratch, "stub_function.py", |text| text.replace("VERSION", version))
}

/// A resource's properties.
fn resource<'t>(template: &'t Value, name: &str) -> &'t Value {
    let properties = &template["Resources"][name]["Properties"];
    assert!(properties.is_object(), "the template has no {name}");
    properties
}

/// The resources of a type, by name.
fn of_type<'t>(template: &'t Value, kind: &str) -> Vec<(&'t str, &'t Value)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let resources = resources.filter(|(_, resource)| resource["Type"] == kind);
    let resources: Vec<_> = resources.map(|(name, resource)| (name.as_str(), resource)).collect();
    assert!(!resources.is_empty(), "the template has no {kind}");
    resources
}
