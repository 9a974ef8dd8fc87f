//! `infra/cloudformation/authorizer.yaml` beside an existing API, and `container.yaml` in front of a container.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use test_bed::cloudformation::{self, BUCKET};
use test_bed::configuration::with;
use test_bed::process::with_input;
use test_bed::{
    ACCOUNT, AwsBed, Code, Configuration, Emulator, Grant, REGION, SERVER_ID, Scratch, http, parts,
};
use vault_context::context::FIELDS;

const STACK: &str = "orders-prod";

/// An API with one open route, and the authorizer's stack beside it.
struct Bed {
    aws: AwsBed,
    kind: &'static str,
    api: String,
    code: Code,
}

impl Bed {
    async fn new(kind: &'static str) -> Self {
        let aws = AwsBed::new(&format!("cloudformation-{kind}"), STACK).await;
        let code = Code::of("authorizer", &parts::binary("release", "bootstrap"), aws.emulator.aws());
        let (orders, address) = (parts::binary("release", "orders"), aws.vault.address());
        let api = cloudformation::existing_api(aws.emulator.aws(), kind, "orders", &orders, &address).await;
        Self { aws, kind, api, code }
    }

    fn configuration(&self) -> Configuration {
        let login = json!({"method": "aws", "role": "api-authorizer", "server_id": SERVER_ID, "sts_region": REGION,
            "sts_endpoint": self.aws.emulator.sts_url()});
        let configuration = Configuration::new(&self.aws.vault.address()).login(login);
        let configuration = configuration.issuer("corp", &self.aws.issuer.url()).grant(Grant::reader());
        configuration.set("stages.prod.api_ids", json!([self.api]))
    }

    fn parameters(&self, configuration: &str) -> Value {
        json!({
            "CodeBucket": BUCKET, "CodeKey": self.code.key(), "ApiType": self.kind, "ApiId": self.api,
            "Stage": "prod", "Configuration": configuration,
        })
    }

    async fn deploy(&self, parameters: &Value) -> Result<std::collections::BTreeMap<String, String>, String> {
        let template = cloudformation::file("authorizer.yaml");
        let code = std::slice::from_ref(&self.code);
        cloudformation::deploy(self.aws.emulator.aws(), STACK, &template, parameters, code).await
    }

    async fn protect(&self, authorizer: &str) {
        let order = ["protect", self.kind, &self.api, authorizer];
        self.aws.emulator.client_script("existing_api.py", &order).await;
    }

    async fn assert_served(&self, statuses: [u16; 2]) {
        self.aws.assert_served(&self.aws.orders(&self.api, "prod"), statuses).await;
    }
}

#[tokio::test]
async fn a_rest_api_that_is_there_takes_the_authorizer() {
    let bed = Bed::new("REST").await;
    let challenge = "Bearer, DPoP algs=\"ES256 EdDSA RS256 PS256\"";
    let parameters = bed.parameters(&bed.configuration().to_string());
    let parameters = with(&parameters, json!({"WwwAuthenticate": challenge}));
    let outputs = bed.deploy(&parameters).await.unwrap();
    for output in ["AuthorizerRoleArn", "VaultPrincipal"] {
        assert_eq!(outputs[output], format!("arn:aws:iam::{ACCOUNT}:role/{STACK}-{REGION}"));
    }
    bed.protect(&outputs["AuthorizerId"]).await;
    bed.assert_served([401, 401]).await;
    let refused = http::client().get(bed.aws.orders(&bed.api, "prod")).send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], challenge);

    let aws = bed.aws.emulator.aws();
    let authorizer = json!({"restApiId": bed.api, "authorizerId": outputs["AuthorizerId"]});
    let authorizer = aws.request("apigateway", "get_authorizer", &authorizer).await;
    assert_eq!(authorizer["authorizerResultTtlInSeconds"], 0);
    let policy = aws.request("lambda", "get_policy", &json!({"FunctionName": STACK})).await;
    let source =
        format!("execute-api:{REGION}:{ACCOUNT}:{}/authorizers/{}", bed.api, outputs["AuthorizerId"]);
    assert!(policy["Policy"].as_str().unwrap().contains(&source), "{policy}");

    cloudformation::delete(aws, STACK).await;
    assert_eq!(aws.left().await["list_functions"], ["existing-orders"], "the API and its integration stay");
}

#[tokio::test]
async fn an_http_api_that_is_there_takes_the_authorizer() {
    let bed = Bed::new("HTTP").await;
    let outputs = bed.deploy(&bed.parameters(&bed.configuration().to_string())).await.unwrap();
    bed.protect(&outputs["AuthorizerId"]).await;
    bed.assert_served([403, 401]).await;
    assert_eq!(bed.aws.codes(&outputs["AuthorizerLogGroup"]).await, AwsBed::HTTP_DECISIONS);
}

#[tokio::test]
async fn a_configuration_above_4_kb_goes_in_compressed_and_in_no_other_way() {
    let bed = Bed::new("REST").await;
    let more = (0..60).map(|number| {
        let name = format!("orders-more-{number}");
        Grant::reader().set("token.role", name.as_str()).set("name", name)
    });
    let configuration = more.fold(bed.configuration(), Configuration::grant).to_string();
    // CloudFormation's own limit is 4096, the template's below it: a variable's name takes its share of Lambda's 4 KB.
    let (longest, refused) = (format!("{{{}}}", " ".repeat(3998)), format!("{{{}}}", " ".repeat(3999)));
    assert!(bed.deploy(&bed.parameters(&longest)).await.is_ok());
    for refused in [refused, configuration.clone()] {
        let reason = bed.deploy(&bed.parameters(&refused)).await.unwrap_err();
        assert!(
            reason.contains("Configuration") || reason.contains("less than or equal to 4096"),
            "{reason}"
        );
    }

    let compressed = format!("base64gzip:{}", STANDARD.encode(gzip(&configuration)));
    let outputs = bed.deploy(&bed.parameters(&compressed)).await.unwrap();
    assert_eq!(bed.aws.emulator.aws().variables(STACK).await["AUTHORIZER_CONFIG"], json!(compressed));
    bed.protect(&outputs["AuthorizerId"]).await;
    bed.assert_served([401, 401]).await;
}

/// As README's command line does it.
fn gzip(text: &str) -> Vec<u8> {
    with_input(std::process::Command::new("gzip").arg("-c"), text.as_bytes()).stdout
}

#[tokio::test]
async fn what_would_fail_later_is_refused_by_the_template() {
    let bed = Bed::new("REST").await;
    for (parameter, value) in [
        ("ReservedConcurrentExecutions", "-2"),
        ("ReservedConcurrentExecutions", "1001"),
        ("Timeout", "2"),
        ("RolePath", "apis/"),
        ("Role", "arn:aws:iam::123456789012:role/shared"),
        ("PermissionsBoundary", "boundary"),
        ("Tracing", "Passive"),
        ("TreatMissingData", "good"),
        ("FaultsThreshold", "-1"),
        ("KmsKeyArn", "alias/mine"),
        ("Timeout", "10"),
        ("ApiType", "WEBSOCKET"),
        ("ApiId", "*"),
        ("Stage", "prod/../x"),
        ("IdentitySource", "$request.body.x"),
        // It stands in the single quotes of a mapping.
        ("WwwAuthenticate", "Bearer'"),
        ("WwwAuthenticate", "DPoP algs=\"ES256'\""),
        ("WwwAuthenticate", "DPoP algs=\"ES256\", Basic"),
        // Four bytes and two characters: what is counted is not what Lambda counts.
        ("Configuration", "{\"é\": 1}"),
    ] {
        let parameters = with(&bed.parameters("{}"), json!({ parameter: value }));
        let refused = bed.deploy(&parameters).await.unwrap_err();
        assert!(refused.contains(parameter), "{parameter}={value}: {refused}");
    }
}

#[tokio::test]
async fn a_vpc_and_a_login_with_a_jwt_of_sts_bring_their_permissions_and_only_then() {
    let bed = Bed::new("HTTP").await;
    let aws = bed.aws.emulator.aws();
    let required = bed.parameters(&bed.configuration().to_string());
    let role = json!({"RoleName": format!("{STACK}-{REGION}")});
    let vpc = json!({"SubnetIds": "subnet-0a,subnet-0b", "SecurityGroupIds": "sg-0a"});
    let mut policy = Value::Null;
    let audience = "https://vault.example.com";
    for (more, expected) in [
        (json!({}), &["write-own-log"][..]),
        (vpc, &["write-own-log", "attach-to-vpc"]),
        (json!({"WebIdentityAudience": audience}), &["write-own-log", "ask-for-own-jwt"]),
    ] {
        bed.deploy(&with(&required, more)).await.unwrap();
        let made = aws.request("iam", "list_role_policies", &role).await["PolicyNames"].take();
        assert_eq!(made, json!(expected));
        let about = with(&role, json!({"PolicyName": expected.last()}));
        policy = aws.request("iam", "get_role_policy", &about).await["PolicyDocument"].take();
        cloudformation::delete(aws, STACK).await;
    }
    let statements = policy["Statement"].as_array().unwrap();
    assert_eq!((statements.len(), &statements[0]["Action"]), (1, &json!("sts:GetWebIdentityToken")));
    let conditions = &statements[0]["Condition"];
    assert_eq!(conditions["ForAllValues:StringEquals"]["sts:IdentityTokenAudience"], audience);
    // `ForAllValues` is true of a request without any.
    assert_eq!(conditions["Null"]["sts:IdentityTokenAudience"], "false");
}

/// Not only a template that resolves: one that deploys with these settings, and a function that answers.
#[tokio::test]
async fn an_existing_role_and_a_kept_log_are_deployed_and_outlive_the_stack() {
    let bed = Bed::new("REST").await;
    let aws = bed.aws.emulator.aws();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    // Vault knows it by its name: the same role, with a path.
    let name = format!("{STACK}-{REGION}");
    let role =
        json!({"RoleName": name, "Path": "/platform/apis/", "AssumeRolePolicyDocument": trust.to_string()});
    let role = aws.request("iam", "create_role", &role).await["Role"]["Arn"].as_str().unwrap().to_owned();
    assert!(role.ends_with(&format!(":role/platform/apis/{name}")), "{role}");
    let more = json!({
        "Role": name, "RolePath": "/platform/apis/", "KeepLog": "yes", "Tracing": "Active", "RustLog": "info",
        "ReservedConcurrentExecutions": "-1", "ApiName": "existing",
    });
    let parameters = with(&bed.parameters(&bed.configuration().to_string()), more);
    let outputs = bed.deploy(&parameters).await.unwrap();
    assert_eq!(outputs["AuthorizerRoleArn"], role);
    assert_eq!(outputs["VaultPrincipal"], format!("arn:aws:iam::{ACCOUNT}:role/{name}"));
    bed.protect(&outputs["AuthorizerId"]).await;
    bed.assert_served([401, 401]).await;

    cloudformation::delete(aws, STACK).await;
    assert!(aws.left().await["describe_log_groups"].contains(&format!("/aws/lambda/{STACK}")));
    let about = json!({"RoleName": name});
    assert_eq!(aws.request("iam", "get_role", &about).await["Role"]["Arn"], json!(role));
}

#[test]
fn containers_get_every_field_of_the_contract_as_a_header_and_no_caller_can_add_one() {
    let template = cloudformation::template("container.yaml");
    let rest = &template["Resources"]["Method"]["Properties"]["Integration"]["RequestParameters"];
    let http = &template["Resources"]["Integration"]["Properties"]["RequestParameters"];
    for field in FIELDS {
        let context = format!("context.authorizer.{}", field.key);
        assert_eq!(rest[format!("integration.request.header.{}", field.header)], json!(context));
        assert_eq!(http[format!("overwrite:header.{}", field.header)], json!(format!("${context}")));
    }
    let headers = |mapped: &Value| {
        mapped
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| key.contains(":header.") || key.contains("request.header."))
            .count()
    };
    assert_eq!([headers(rest), headers(http)], [FIELDS.len(); 2]);
    assert!(
        http.as_object().unwrap().keys().all(|key| key.starts_with("overwrite:")),
        "never beside a caller's"
    );
    for (name, resource) in [("Method", "AuthorizationType"), ("Route", "AuthorizationType")] {
        assert_eq!(template["Resources"][name]["Properties"][resource], "CUSTOM", "{name}");
    }
}

/// The emulator carries no header as AWS does: what it was told is read back.
#[tokio::test]
async fn a_route_to_a_container_has_the_authorizer_and_the_headers() {
    for kind in ["REST", "HTTP"] {
        let bed = Bed::new(kind).await;
        let aws = bed.aws.emulator.aws();
        let made = bed.deploy(&bed.parameters(&bed.configuration().to_string())).await.unwrap();
        let mut parameters = json!({
            "ApiType": kind, "ApiId": bed.api, "AuthorizerId": made["AuthorizerId"], "HttpMethod": "POST",
            "BackendUri": "https://orders.example.com/orders/{id}",
        });
        let about = json!({"restApiId": bed.api});
        let mut place = about.clone();
        if kind == "REST" {
            let resources = aws.request("apigateway", "get_resources", &about).await;
            let resources = resources["items"].as_array().unwrap();
            place["resourceId"] =
                resources.iter().find(|one| one["path"] == "/orders").unwrap()["id"].clone();
            place["httpMethod"] = json!("POST");
            parameters["ResourceId"] = place["resourceId"].clone();
            parameters["PathParameter"] = json!("id");
        } else {
            parameters["Path"] = json!("/orders/{id}");
        }
        let template = cloudformation::file("container.yaml");
        cloudformation::deploy(aws, "orders-route", &template, &parameters, &[]).await.unwrap();
        let (route, mapped) = if kind == "REST" {
            let method = aws.request("apigateway", "get_method", &place).await;
            let mapped = method["methodIntegration"]["requestParameters"].clone();
            let id = &mapped["integration.request.path.id"];
            assert_eq!(*id, json!("method.request.path.id"));
            assert_eq!(mapped["integration.request.path.proxy"], Value::Null, "none was asked for");
            (json!([method["authorizationType"], method["authorizerId"]]), mapped)
        } else {
            let about = json!({"ApiId": bed.api});
            let routes = aws.request("apigatewayv2", "get_routes", &about).await;
            let route =
                routes["Items"].as_array().unwrap().iter().find(|one| one["RouteKey"] == "POST /orders/{id}");
            let route = route.unwrap().clone();
            let target = route["Target"].as_str().unwrap().trim_start_matches("integrations/").to_owned();
            let about = json!({"ApiId": bed.api, "IntegrationId": target});
            let integration = aws.request("apigatewayv2", "get_integration", &about).await;
            (
                json!([route["AuthorizationType"], route["AuthorizerId"]]),
                integration["RequestParameters"].clone(),
            )
        };
        assert_eq!(route, json!(["CUSTOM", made["AuthorizerId"]]), "{kind}");
        for field in FIELDS {
            let found =
                mapped.as_object().unwrap().keys().filter(|key| key.ends_with(&format!(".{}", field.header)));
            assert_eq!(found.count(), 1, "{kind} {}: {mapped}", field.header);
        }
    }
}

#[tokio::test]
async fn no_key_to_vault_travels_in_plain_text_nor_behind_a_token_authorizer() {
    let scratch = Scratch::new("container");
    let emulator = Emulator::start(&scratch).await;
    let good = json!({
        "ApiType": "HTTP", "ApiId": "a1b2c3d4e5", "AuthorizerId": "x1y2z3", "HttpMethod": "GET",
        "Path": "/orders", "BackendUri": "https://orders.example.com/orders",
    });
    let template = cloudformation::file("container.yaml");
    for (parameter, value) in [
        ("BackendUri", "http://orders.example.com/orders"),
        ("BackendUri", "http://10.0.0.1/"),
        ("BackendUri", "HTTPS://orders.example.com"),
        ("ListenerArn", "http://orders.example.com"),
        ("AuthorizerType", "TOKEN"),
    ] {
        let parameters = with(&good, json!({ parameter: value }));
        let refused = cloudformation::deploy(emulator.aws(), "route", &template, &parameters, &[]).await;
        let refused = refused.unwrap_err();
        assert!(refused.contains(parameter), "{parameter}={value}: {refused}");
    }
    // A listener behind a VPC link speaks plain http where there is no name to check. The emulator leaves Rules out.
    let rule = &cloudformation::template("container.yaml")["Rules"]["PrivateListenersSpeakTls"];
    assert_eq!(
        rule["Assertions"][1]["Assert"],
        json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "TlsServerName"}, ""]}]})
    );
    let when = rule["RuleCondition"].to_string();
    assert!(when.contains("VpcLinkId") && when.contains("HTTP"), "{when}");
}
