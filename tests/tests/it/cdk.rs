//! The CDK package: its own checks, and its examples deployed, called and deleted.

use std::fs;

use serde_json::{Value, json};
use test_bed::cdk::lint;
use test_bed::configuration::with;
use test_bed::{AwsBed, Code, Command, DeployedStack, Package, Scratch, cloudformation, parts};

/// `A dependency is already enforced by a GetAtt`: CDK writes both, and it does no harm.
const OF_CDK: [&str; 1] = ["W3005"];

#[test]
fn the_package_passes_its_own_checks() {
    let scratch = Scratch::new("cdk-package");
    let package = Package::new(&scratch);
    let compiler = "node_modules/typescript/bin/tsc";
    package.node(&[compiler]);
    package.node(&["node_modules/prettier/bin/prettier.cjs", "--check", "."]);
    let printed = package.test();
    let count = |what: &str| -> usize {
        let line = printed.lines().find_map(|line| line.strip_prefix(&format!("# {what} ")));
        line.unwrap_or_else(|| panic!("no count of {what}:\n{printed}")).parse().unwrap()
    };
    assert!(count("pass") >= 144, "{printed}");
    assert_eq!(
        (count("fail"), count("skipped"), count("todo"), count("cancelled")),
        (0, 0, 0, 0),
        "{printed}"
    );

    package.node(&[compiler, "--project", "tsconfig.build.json"]);
    let exported = package.node(&["--eval", "console.log(typeof require('./dist').VaultAuthorizer)"]);
    assert_eq!(exported.trim(), "function");
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
            // `aws cloudformation deploy` takes a larger one from a bucket only.
            assert!(entry.metadata().unwrap().len() <= 51_200, "{}", path.display());
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
    let stack = Example::new("rest-api", "rest-example").await;
    stack.bed.assert_served(&stack.orders("prod"), [401, 401]).await;
    stack.bed.assert_served_on_staging(&stack.orders("staging")).await;
    let expected = [&AwsBed::DECISIONS[..], &["allowed"]].concat();
    assert_eq!(stack.codes().await, expected, "each call reached the authorizer");

    let made = stack.deployed.describe().await;
    let answers: Vec<&String> = made["gateway_responses"].as_object().unwrap().keys().collect();
    let [denied, broken] = ["ACCESS_DENIED", "AUTHORIZER_CONFIGURATION_ERROR"];
    assert_eq!(answers, [denied, broken, "AUTHORIZER_FAILURE", "DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED"]);
    stack.assert_configuration(&["prod", "staging"]).await;
    stack.delete().await;
}

#[tokio::test]
async fn an_http_api_is_deployed_answers_and_leaves_nothing_behind() {
    let stack = Example::new("http-api", "http-example").await;
    // An HTTP API has no other refusal than 403. A 401 is API Gateway's own: the identity source is absent.
    stack.bed.assert_served(&stack.orders("$default"), [403, 401]).await;
    assert_eq!(stack.codes().await, AwsBed::HTTP_DECISIONS);

    let api = json!({"ApiId": stack.deployed.output("ApiId")});
    let authorizers = stack.bed.emulator.aws().request("apigatewayv2", "get_authorizers", &api).await;
    let authorizer = &authorizers["Items"][0];
    assert_eq!(authorizer["AuthorizerResultTtlInSeconds"], json!(0));
    assert_eq!(authorizer["EnableSimpleResponses"], json!(true));
    assert_eq!(authorizer["IdentitySource"], json!(["$request.header.Authorization"]));
    stack.assert_configuration(&["$default"]).await;
    stack.delete().await;
}

#[tokio::test]
async fn one_route_of_a_rest_api_that_is_there_takes_the_authorizer_and_the_rest_of_it_stays() {
    let bed = AwsBed::new("existing-example", "existing-example-authorizer").await;
    let aws = bed.emulator.aws();
    let orders = parts::binary("release", "orders");
    let api = cloudformation::existing_api(aws, "REST", "status", &orders, &bed.vault.address()).await;
    let resources = aws.request("apigateway", "get_resources", &json!({"restApiId": api})).await;
    let root = resources["items"].as_array().unwrap().iter().find(|item| item["path"] == "/").unwrap();
    let orders = bed.orders(&api, "prod");
    let status = orders.replace("/orders", "/status");
    // The sample says by itself that it was called around an authorizer.
    let open = bed.get(&status, None).await;
    assert_eq!(open.1["error"], "no_context", "{open:?}");

    let code = Code::of("authorizer", &parts::binary("release", "bootstrap"), aws);
    let existing = json!({
        "restApiId": api, "restApiName": "existing", "rootResourceId": root["id"], "functionName": "existing-orders",
    });
    let context = with(&Package::context(&bed, &code), existing);
    let template = Package::new(&bed.scratch).synthesise("existing-api", "existing-example", &context);
    let outputs = cloudformation::deploy(aws, "existing-example", &template, &json!({}), &[code]).await;
    assert_eq!(outputs.unwrap()["VaultPrincipal"], bed.role);
    bed.assert_served(&orders, [401, 401]).await;
    assert_eq!(bed.get(&status, None).await, open, "the open route is as it was");

    cloudformation::delete(aws, "existing-example").await;
    assert_eq!(aws.left().await["list_functions"], ["existing-orders"], "the API's own function");
    assert_eq!(bed.get(&status, None).await, open, "the API is served as before");
}

/// An example with all that it needs.
struct Example {
    // Dropped in this order: clients before servers.
    deployed: DeployedStack,
    bed: AwsBed,
}

impl Example {
    async fn new(example: &str, name: &str) -> Self {
        let bed = AwsBed::new(name, &format!("{name}-authorizer")).await;
        let (template, deployed) = Package::new(&bed.scratch).deploy(&bed, example, name).await;
        assert_eq!(lint(&template, &OF_CDK), "");
        assert_eq!(deployed.output("VaultPrincipal"), bed.role);
        Self { deployed, bed }
    }

    fn orders(&self, stage: &str) -> String {
        format!("{}/orders", self.deployed.url(stage))
    }

    async fn codes(&self) -> Vec<String> {
        self.bed.codes(self.deployed.output("AuthorizerLogGroup")).await
    }

    /// What the function is given is what the construct says, and `vault-authorizer check` takes it.
    async fn assert_configuration(&self, stages: &[&str]) {
        let variables =
            self.bed.emulator.aws().variables(self.deployed.output("AuthorizerFunctionName")).await;
        let variables = variables.as_object().unwrap();
        assert_eq!(variables.keys().collect::<Vec<_>>(), ["AUTHORIZER_CONFIG"]);
        let document = variables["AUTHORIZER_CONFIG"].as_str().unwrap();
        assert_eq!(document, self.deployed.output("Configuration"));
        let parsed: Value = serde_json::from_str(document).unwrap();
        assert_eq!(parsed["vault"]["address"], json!(self.bed.vault.address()));
        let api_ids = json!([self.deployed.output("ApiId")]);
        let made = parsed["stages"].as_object().unwrap();
        assert_eq!(made.keys().collect::<Vec<_>>(), stages);
        assert!(made.values().all(|stage| stage["api_ids"] == api_ids), "{document}");
        let ran = Command::new(&["check", "--config", "-"]).stdin(document).run();
        assert_eq!(ran.code, 0, "{}", ran.all());
    }

    /// Deletes the stack, and looks for what it has left.
    async fn delete(&self) {
        self.deployed.delete().await;
        assert_eq!(self.bed.emulator.aws().left().await, [].into());
    }
}
