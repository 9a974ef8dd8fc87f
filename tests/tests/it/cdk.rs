//! The CDK package: its own checks, and its examples deployed, called and deleted.

use std::fs;

use serde_json::{Value, json};
use test_bed::aws_auth::{AwsAuthConfig, VaultWithAwsAuth};
use test_bed::cdk::{Neighbours, Package, lint};
use test_bed::cloudformation::{self, BUCKET, Code};
use test_bed::command::Command;
use test_bed::deployed_stack::DeployedStack;
use test_bed::emulator::{ACCOUNT, Emulator, REGION};
use test_bed::issuer::{Issuer, TokenSpec};
use test_bed::process::Scratch;
use test_bed::{http, parts, vault_setup};

/// `A dependency is already enforced by a GetAtt`: CDK writes both, and it does no harm.
const OF_CDK: [&str; 1] = ["W3005"];

#[test]
fn the_package_passes_its_own_checks() {
    let scratch = Scratch::new("cdk-package");
    let package = Package::new(&scratch);
    package.compile(&[]);
    package.is_formatted();
    let printed = package.test();
    let count = |what: &str| -> usize {
        let line = printed.lines().find_map(|line| line.strip_prefix(&format!("# {what} ")));
        line.unwrap_or_else(|| panic!("no count of {what}:\n{printed}")).parse().unwrap()
    };
    assert!(count("pass") >= 134, "{printed}");
    assert_eq!(
        (count("fail"), count("skipped"), count("todo"), count("cancelled")),
        (0, 0, 0, 0),
        "{printed}"
    );

    package.compile(&["--project", "tsconfig.build.json"]);
    assert_eq!(package.evaluate("console.log(typeof require('./dist').VaultAuthorizer)").trim(), "function");
}

#[test]
fn cfn_lint_has_nothing_to_say_of_our_templates() {
    let mut count = 0;
    for entry in fs::read_dir(parts::repository().join("infra/cloudformation")).unwrap().flatten() {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|one| extension == *one))
        {
            count += 1;
            assert_eq!(lint(&path, &[]), "");
        }
    }
    assert!(count > 0, "no template was looked at");

    let scratch = Scratch::new("cdk-lint");
    let context = json!({
        "bucket": "code", "authorizerKey": "authorizer.zip", "restApiId": "a1b2c3d4e5",
        "restApiName": "orders", "rootResourceId": "f6g7h8i9j0", "functionName": "orders", "issuer": "https://login.example.com/",
        "audience": "orders-api", "vaultAddress": "https://vault.example.com", "serverId": "vault.example.com",
    });
    let existing = Package::new(&scratch).synthesise("existing-api", "existing-example", &context);
    assert_eq!(lint(&existing, &OF_CDK), "");
    // It does look: what it is to find here is found.
    let broken = scratch.folder("broken").join("broken.template.json");
    fs::write(&broken, fs::read_to_string(existing).unwrap().replace("\"RoleName\"", "\"RollName\""))
        .unwrap();
    assert!(lint(&broken, &OF_CDK).contains("RollName"));
}

#[tokio::test]
async fn a_rest_api_is_deployed_answers_and_leaves_nothing_behind() {
    let stack = Stack::new("rest-api", "rest-example").await;
    let good = stack.issuer.token(&TokenSpec::new().claim("scope", "orders:read").expires_in(3600));

    let (status, answer) = stack.get("prod", Some(&good)).await;
    assert_eq!(status, 200, "{answer}");
    assert_orders_of_alice(&answer);
    let (status, staging) = stack.get("staging", Some(&good)).await;
    assert_eq!(status, 200, "one function, and each stage its own grants: {staging}");
    assert_eq!(staging["grant"], "orders-staging-reader");
    assert_eq!(staging["vault"]["policies"], json!(["orders-staging-read", "vault-authorizer-self"]));
    assert_eq!(staging["vault"]["lease_duration_seconds"], json!(600));
    assert_eq!(stack.get("prod", Some(&stack.forged())).await.0, 401);
    assert_eq!(stack.get("prod", None).await.0, 401);
    assert_eq!(stack.get("prod", Some(&stack.issuer.token(&TokenSpec::new()))).await.0, 403);
    let codes = ["allowed", "allowed", "signature_invalid", "credential_missing", "no_grant"];
    assert_eq!(stack.codes().await, codes, "each call reached the authorizer");

    let made = stack.deployment.describe().await;
    assert_eq!(made["authorizers"][0]["authorizerResultTtlInSeconds"], json!(0));
    let answers: Vec<&String> = made["gateway_responses"].as_object().unwrap().keys().collect();
    let six = [
        "ACCESS_DENIED",
        "AUTHORIZER_CONFIGURATION_ERROR",
        "AUTHORIZER_FAILURE",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
        "UNAUTHORIZED",
    ];
    assert_eq!(answers, six);
    for stage in ["prod", "staging"] {
        let settings = &made["stages"][stage]["methodSettings"]["*/*"];
        assert_eq!(
            (&settings["dataTraceEnabled"], &settings["loggingLevel"]),
            (&json!(false), &json!("OFF"))
        );
    }
    stack.assert_configuration(&["prod", "staging"]).await;
    stack.delete().await;
}

#[tokio::test]
async fn an_http_api_is_deployed_answers_and_leaves_nothing_behind() {
    let stack = Stack::new("http-api", "http-example").await;
    let good = stack.issuer.token(&TokenSpec::new().claim("scope", "orders:read").expires_in(3600));

    let (status, answer) = stack.get("$default", Some(&good)).await;
    assert_eq!(status, 200, "{answer}");
    assert_orders_of_alice(&answer);
    assert_eq!(stack.get("$default", Some(&stack.forged())).await.0, 403, "an HTTP API has no other refusal");
    assert_eq!(stack.get("$default", None).await.0, 401, "API Gateway's own: the identity source is absent");
    assert_eq!(stack.get("$default", Some(&stack.issuer.token(&TokenSpec::new()))).await.0, 403);
    let codes = ["allowed", "signature_invalid", "no_grant"];
    assert_eq!(stack.codes().await, codes, "what has no credential never reaches the authorizer");

    let api = json!({"ApiId": stack.deployment.output("ApiId")});
    let authorizers = stack.emulator.aws().request("apigatewayv2", "get_authorizers", &api).await;
    let authorizer = &authorizers["Items"][0];
    assert_eq!(authorizer["AuthorizerResultTtlInSeconds"], json!(0));
    assert_eq!(authorizer["EnableSimpleResponses"], json!(true));
    assert_eq!(authorizer["IdentitySource"], json!(["$request.header.Authorization"]));
    stack.assert_configuration(&["$default"]).await;
    stack.delete().await;
}

#[tokio::test]
async fn one_route_of_a_rest_api_that_is_there_takes_the_authorizer_and_the_rest_of_it_stays() {
    let scratch = Scratch::new("existing-example");
    let emulator = Emulator::start(&scratch).await;
    let aws = emulator.aws();
    let role = format!("arn:aws:iam::{ACCOUNT}:role/existing-example-authorizer-{REGION}");
    let login = AwsAuthConfig::quickstart(&role, "vault.example.com");
    let vault = VaultWithAwsAuth::start_in_memory(&scratch, &emulator.sts_url(), login).await;
    vault_setup::quickstart(&vault.openbao).await;
    let issuer = Issuer::start();
    let orders = parts::binary("release", "orders");
    let api = cloudformation::existing_api(aws, "REST", "status", &orders, &vault.address()).await;
    let resources = aws.request("apigateway", "get_resources", &json!({"restApiId": api})).await;
    let root = resources["items"].as_array().unwrap().iter().find(|item| item["path"] == "/").unwrap();

    let get = async |path: &str, token: Option<&str>| {
        let mut request =
            http::client().get(format!("{}/_aws/execute-api/{api}/prod/{path}", emulator.url()));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    // The sample says by itself that it was called around an authorizer.
    let open = get("status", None).await;
    assert_eq!(open.1["error"], "no_context", "{open:?}");

    let code = Code::of("authorizer", &parts::binary("release", "bootstrap"), aws);
    let context = json!({
        "bucket": BUCKET, "authorizerKey": code.key(), "restApiId": api, "restApiName": "existing", "rootResourceId": root["id"],
        "functionName": "existing-orders", "issuer": issuer.url(), "audience": "orders-api",
        "vaultAddress": vault.address(), "serverId": "vault.example.com", "stsRegion": REGION,
        "stsEndpoint": emulator.sts_url(),
    });
    let template = Package::new(&scratch).synthesise("existing-api", "existing-example", &context);
    let outputs = cloudformation::deploy(aws, "existing-example", &template, &json!({}), &[code]).await;
    assert_eq!(outputs.unwrap()["VaultPrincipal"], role);

    let good = issuer.token(&TokenSpec::new().claim("scope", "orders:read"));
    let (status, answer) = get("orders", Some(&good)).await;
    assert_eq!(status, 200, "{answer}");
    assert_orders_of_alice(&answer);
    let forged = issuer.forged(&TokenSpec::new().claim("scope", "orders:read"));
    assert_eq!(get("orders", Some(&forged)).await.0, 401);
    assert_eq!(get("orders", None).await.0, 401);
    assert_eq!(get("status", None).await, open, "the open route is as it was");

    cloudformation::delete(aws, "existing-example").await;
    let left = aws.request("lambda", "list_functions", &json!({})).await;
    assert_eq!(left["Functions"].as_array().unwrap().len(), 1, "the API's own function");
    assert_eq!(get("status", None).await, open, "the API is served as before");
}

fn assert_orders_of_alice(answer: &Value) {
    assert_eq!(answer["caller"], "corp:alice");
    assert_eq!(answer["grant"], "orders-prod-reader");
    assert_eq!(answer["vault"]["policies"], json!(["orders-prod-read", "vault-authorizer-self"]));
    assert_eq!(answer["vault"]["lease_duration_seconds"], json!(120));
}

/// An example with all that it needs.
struct Stack {
    // Dropped in this order: clients before servers, the folder last.
    deployment: DeployedStack,
    emulator: Emulator,
    vault: VaultWithAwsAuth,
    issuer: Issuer,
    scratch: Scratch,
}

impl Stack {
    async fn new(example: &str, name: &str) -> Self {
        let scratch = Scratch::new(name);
        let emulator = Emulator::start(&scratch).await;
        // Known before the stack exists.
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{name}-authorizer-{REGION}");
        let login = AwsAuthConfig::quickstart(&role, "vault.example.com");
        let vault = VaultWithAwsAuth::start_in_memory(&scratch, &emulator.sts_url(), login).await;
        vault_setup::quickstart(&vault.openbao).await;
        let issuer = Issuer::start();
        let neighbours = Neighbours {
            authorizer_binary: parts::binary("release", "bootstrap"),
            orders_binary: parts::binary("release", "orders"),
            vault_address: &vault.address(),
            server_id: "vault.example.com",
            issuer: &issuer.url(),
        };
        let package = Package::new(&scratch);
        let (template, deployment) = package.deploy(&emulator, example, name, &neighbours).await;
        assert_eq!(lint(&template, &OF_CDK), "");
        assert_eq!(deployment.output("VaultPrincipal"), role);
        Self { deployment, emulator, vault, issuer, scratch }
    }

    async fn get(&self, stage: &str, token: Option<&str>) -> (u16, Value) {
        let mut request = http::client().get(format!("{}/orders", self.deployment.url(stage)));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    fn forged(&self) -> String {
        self.issuer.forged(&TokenSpec::new().claim("scope", "orders:read"))
    }

    async fn codes(&self) -> Vec<String> {
        let lines = self.deployment.authorizer_lines().await;
        let codes = lines.iter().filter(|line| line["outcome"].is_string()).map(|line| line["Code"].as_str());
        codes.map(|code| code.unwrap().to_owned()).collect()
    }

    /// What the function is given is what the construct says, and `vault-authorizer check` takes it.
    async fn assert_configuration(&self, stages: &[&str]) {
        let function = json!({"FunctionName": self.deployment.output("AuthorizerFunctionName")});
        let function = self.emulator.aws().request("lambda", "get_function_configuration", &function).await;
        let variables = function["Environment"]["Variables"].as_object().unwrap();
        assert_eq!(variables.keys().collect::<Vec<_>>(), ["AUTHORIZER_CONFIG"]);
        let document = variables["AUTHORIZER_CONFIG"].as_str().unwrap();
        assert_eq!(document, self.deployment.output("Configuration"));
        let parsed: Value = serde_json::from_str(document).unwrap();
        assert_eq!(parsed["vault"]["address"], json!(self.vault.address()));
        let api_ids = json!([self.deployment.output("ApiId")]);
        let made = parsed["stages"].as_object().unwrap();
        assert_eq!(made.keys().collect::<Vec<_>>(), stages);
        assert!(made.values().all(|stage| stage["api_ids"] == api_ids), "{document}");

        let file = self.scratch.path().join("authorizer.json");
        fs::write(&file, document).unwrap();
        let ran = Command::new(&["check", "--config", file.to_str().unwrap()]).run();
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    }

    /// Deletes the stack, and looks for what it has left.
    async fn delete(&self) {
        self.deployment.delete().await;
        assert_eq!(self.emulator.aws().left().await, [].into());
    }
}
