//! `vault-authorizer doctor` on the deployed quickstart: each fault is made where an operator would make it.

use serde_json::{Value, json};
use test_bed::command::{Command, Ran};
use test_bed::emulator::REGION;

use crate::stack::Stack;

/// A deployment, and how its operator looks at it.
struct Patient {
    stack: Stack,
    /// What the function has in `AUTHORIZER_CONFIG`.
    config: String,
    /// Credentials of the function's role.
    role: Vec<(&'static str, String)>,
}

impl Patient {
    async fn new(name: &str) -> Self {
        let stack = Stack::new(name).await;
        let aws = stack.emulator.aws();
        let function = json!({"FunctionName": stack.deployment.output("AuthorizerFunctionName")});
        let about = aws.request("lambda", "get_function_configuration", &function).await;
        let config = about["Environment"]["Variables"]["AUTHORIZER_CONFIG"].as_str().unwrap().to_owned();
        let role = credentials(&stack, stack.deployment.output("AuthorizerRoleArn")).await;
        Self { stack, config, role }
    }

    /// Runs the command with the configuration on standard input, as root at Vault.
    fn doctor(&self, config: &str, options: &[&str], aws: &[(&'static str, String)]) -> Ran {
        let mut command = Command::new(
            &[&["doctor", "--json", "--config", "-", "--trust-config-address"], options].concat(),
        );
        command = command.stdin(config).env("VAULT_TOKEN", self.stack.vault.openbao.root_token());
        for (name, value) in aws {
            command = command.env(name, value);
        }
        command.run()
    }

    /// What is wrong with the function and its APIs, each as `check: found`; all else must be good.
    fn wrong_at_aws(&self) -> Vec<String> {
        let aws = self.stack.emulator.aws();
        let function = self.stack.deployment.output("AuthorizerFunctionName");
        let options = ["--function", function, "--region", REGION, "--aws-endpoint", aws.url()];
        wrong(&self.doctor(&self.config, &options, &aws.client_env()), &["vault-login"])
    }

    /// What is wrong with a login by this configuration and these credentials; the rest must be good.
    fn wrong_login(&self, config: &str, aws: &[(&'static str, String)]) -> String {
        let [wrong] = wrong(&self.doctor(config, &["--log-in"], aws), &[]).try_into().unwrap();
        wrong
    }
}

/// A role's, in variables.
async fn credentials(stack: &Stack, arn: &str) -> Vec<(&'static str, String)> {
    let role = json!({"RoleArn": arn, "RoleSessionName": "doctor"});
    let assumed = stack.emulator.aws().request("sts", "assume_role", &role).await;
    let names = ["AccessKeyId", "SecretAccessKey", "SessionToken"];
    let values = names.map(|name| assumed["Credentials"][name].as_str().unwrap().to_owned());
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].into_iter().zip(values).collect()
}

/// Each finding that is wrong as `check: found: remedy`. What could not be seen must be expected.
#[track_caller]
fn wrong(ran: &Ran, unseen: &[&str]) -> Vec<String> {
    let findings: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr));
    let findings = findings.as_array().unwrap();
    let with = |verdict: &'static str| findings.iter().filter(move |finding| finding["verdict"] == verdict);
    let word = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let checks: Vec<String> = with("unseen").map(|finding| word(finding, "check")).collect();
    assert_eq!(checks, unseen, "{}", ran.stdout);
    let words = |finding| ["check", "found", "remedy"].map(|name| word(finding, name)).join(": ");
    let wrong: Vec<String> = with("wrong").map(words).collect();
    let code = if !wrong.is_empty() {
        1
    } else if !unseen.is_empty() {
        3
    } else {
        0
    };
    assert_eq!(ran.code, code, "{}", ran.stdout);
    wrong
}

#[tokio::test]
async fn a_fresh_deployment_is_well_and_each_fault_at_aws_is_named() {
    let patient = Patient::new("doctor-aws").await;
    assert_eq!(
        patient.wrong_at_aws(),
        Vec::<String>::new(),
        "as the quickstart's script and template leave it"
    );

    let Stack { deployment, emulator, .. } = &patient.stack;
    let (function, api) = (deployment.output("AuthorizerFunctionName"), deployment.output("ApiId"));
    let stage = json!({"restApiId": api, "stageName": "prod"});
    let patched = |what: &Value, path: &str, value: &str| {
        let mut request = what.clone();
        request["patchOperations"] = json!([{"op": "replace", "path": path, "value": value}]);
        request
    };
    let timeout = |seconds: u64| json!({"FunctionName": function, "Timeout": seconds});
    let log_format = "$context.requestId $context.authorizer.vaultWrappingToken";
    for (service, operation, fault, cure, finding) in [
        ("lambda", "update_function_configuration", timeout(30), timeout(8), "function-timeout: 30 s"),
        (
            "apigateway",
            "update_stage",
            patched(&stage, "/*/*/logging/dataTrace", "true"),
            patched(&stage, "/*/*/logging/dataTrace", "false"),
            "stage-data-trace: stage `prod` of API",
        ),
        (
            "apigateway",
            "update_stage",
            patched(&stage, "/accessLogSettings/format", log_format),
            patched(&stage, "/accessLogSettings/format", "$context.requestId"),
            "stage-access-log: the access log of stage `prod` of API",
        ),
    ] {
        emulator.aws().request(service, operation, &fault).await;
        let wrong = patient.wrong_at_aws();
        assert!(matches!(&wrong[..], [only] if only.starts_with(finding)), "{finding}: {wrong:?}");
        emulator.aws().request(service, operation, &cure).await;
        assert_eq!(patient.wrong_at_aws(), Vec::<String>::new(), "{finding}");
    }

    let filler = "x".repeat(3000);
    emulator.client_script("set_variable.py", &[function, "FILLER", &filler]).await;
    let wrong = patient.wrong_at_aws();
    assert!(matches!(&wrong[..], [only] if only.starts_with("function-environment: ")), "{wrong:?}");
    emulator.client_script("set_variable.py", &[function, "FILLER", ""]).await;

    let named = json!({"FunctionName": function});
    let policy = emulator.aws().request("lambda", "get_policy", &named).await;
    let policy: Value = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    for statement in policy["Statement"].as_array().unwrap() {
        let mut gone = named.clone();
        gone["StatementId"] = statement["Sid"].clone();
        emulator.aws().request("lambda", "remove_permission", &gone).await;
    }
    let wrong = patient.wrong_at_aws();
    assert!(matches!(&wrong[..], [only] if only.starts_with("authorizer-permission: ")), "{wrong:?}");

    // The emulator takes this one and cannot take it back.
    let mut keep = json!({"restApiId": api, "authorizerId": deployment.output("AuthorizerId")});
    keep["patchOperations"] =
        json!([{"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "300"}]);
    emulator.aws().request("apigateway", "update_authorizer", &keep).await;
    let wrong = patient.wrong_at_aws();
    let caching = "authorizer-caching: authorizer `vault-authorizer` of API";
    assert!(matches!(&wrong[..], [first, _] if first.starts_with(caching)), "{wrong:?}");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let mut patient = Patient::new("doctor-absent").await;
    let aws = patient.stack.emulator.aws().clone();
    let function = patient.stack.deployment.output("AuthorizerFunctionName").to_owned();
    let look = |config: &str, function: &str| {
        let options = ["--function", function, "--region", REGION, "--aws-endpoint", aws.url()];
        wrong(&patient.doctor(config, &options, &aws.client_env()), &["vault-login"]).join("\n")
    };
    assert_eq!(look(&patient.config, &function), "");
    assert!(look(&patient.config, "nobodys").starts_with("function: there is no function `nobodys`"));
    let stage = look(&patient.config.replacen("  staging:", "  staging2:", 1), &function);
    assert!(stage.starts_with("stage: API `") && stage.contains("has no stage `staging2`"), "{stage}");
    let api = patient.stack.deployment.output("ApiId");
    let api = look(&patient.config.replace(api, "zzzzzzzzzz"), &function);
    assert!(api.starts_with("authorizer-api: there is no API `zzzzzzzzzz`"), "{api}");

    let openbao = &patient.stack.vault.openbao;
    openbao.as_root("DELETE", "sys/quotas/rate-limit/vault-authorizer-orders-prod-reader", Value::Null).await;
    let narrow = json!({"allowed_policies": ["admin"]});
    openbao.as_root("POST", "auth/token/roles/orders-staging-reader", narrow).await;
    openbao.as_root("DELETE", "sys/policies/acl/orders-prod-read", Value::Null).await;
    let objects = look(&patient.config, &function);
    let expected = "vault-objects: not there, or not as they must be: auth/token/roles/orders-staging-reader, \
                    sys/quotas/rate-limit/vault-authorizer-orders-prod-reader, policy orders-prod-read: ";
    assert!(objects.starts_with(expected), "{objects}");
    // The token is the environment's Vault's then, and no other's to see.
    let mut elsewhere = Command::new(&["doctor", "--json", "--config", "-"]).stdin(&patient.config);
    elsewhere = elsewhere.env("VAULT_TOKEN", openbao.root_token()).env("VAULT_ADDR", openbao.address());
    let ran = elsewhere.run();
    assert_eq!(wrong(&ran, &["vault-objects", "vault-login"]), Vec::<String>::new());
    assert!(ran.stdout.contains("names another Vault"), "{}", ran.stdout);

    let own = patient.config.replacen("policies: [orders-prod-read]", "policies: [vault-authorizer]", 1);
    let own = look(&own, &function);
    assert!(own.starts_with("vault-objects: grant `orders-prod-reader` gives `vault-authorizer`"), "{own}");

    patient.stack.issuer.stop();
    let found = wrong(&patient.doctor(&patient.config, &[], &[]), &["vault-login"]);
    assert!(found.iter().any(|each| each.starts_with("issuer-keys: `corp`: ")), "{found:?}");
    patient.stack.vault.openbao.seal().await;
    let found = wrong(&patient.doctor(&patient.config, &[], &[]), &["vault-objects", "vault-login"]);
    assert!(found.iter().any(|each| each.starts_with("vault-sealed: it is sealed: ")), "{found:?}");
    patient.stack.vault.stop().await;
    let unseen = ["vault-sealed", "vault-clock", "vault-objects", "vault-login"];
    let found = wrong(&patient.doctor(&patient.config, &[], &[]), &unseen);
    assert!(found.iter().any(|each| each.starts_with("vault-reachable: ")), "{found:?}");
}

#[tokio::test]
async fn a_login_of_another_role_server_or_mount_is_named() {
    let patient = Patient::new("doctor-login").await;
    let (config, role) = (patient.config.as_str(), patient.role.as_slice());
    let vault = &patient.stack.vault;
    assert_eq!(wrong(&patient.doctor(config, &["--log-in"], role), &[]), Vec::<String>::new());
    let logins = vault.aws_auth.login_count();
    let accessors = vault.openbao.as_root("LIST", "auth/token/accessors", Value::Null).await;
    assert_eq!(accessors["data"]["keys"].as_array().unwrap().len(), 1, "the root token: its login is ended");
    assert_eq!(logins, 1);

    let orders = json!({"FunctionName": patient.stack.deployment.output("OrdersFunctionName")});
    let about = patient.stack.emulator.aws().request("lambda", "get_function_configuration", &orders).await;
    let others = credentials(&patient.stack, about["Role"].as_str().unwrap()).await;
    let wrong = patient.wrong_login(config, &others);
    for words in ["does not belong to the role", "`bound_iam_principal_arn` must name the role"] {
        assert!(wrong.starts_with("vault-login: ") && wrong.contains(words), "{wrong}");
    }
    for (good, fault, finding, remedy) in [
        (
            "server_id: \"vault.example.com\"",
            "server_id: other.example.com",
            "X-Vault-AWS-IAM-Server-ID",
            "iam_server_id_header_value",
        ),
        ("role: \"api-authorizer\"", "role: nobody", "nobody", "must name a role of the mount"),
        (
            "sts_region: \"us-east-1\"",
            "sts_region: eu-west-1",
            "valid region",
            "must be the region of the STS that the mount asks",
        ),
        ("method: aws", "method: aws\n    mount: elsewhere", "auth/elsewhere/login", "vault.login.mount"),
    ] {
        assert!(config.contains(good), "{config}");
        let wrong = patient.wrong_login(&config.replacen(good, fault, 1), role);
        assert!(
            wrong.starts_with("vault-login: ") && wrong.contains(finding) && wrong.contains(remedy),
            "{wrong}"
        );
    }
}
