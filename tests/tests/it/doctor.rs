//! `vault-authorizer doctor` on the deployed quickstart. Each fault is made where an operator would make it.

use serde_json::{Value, json};
use test_bed::configuration::with;
use test_bed::{
    AUTHORIZER_POLICY, AUTHORIZER_ROLE, AppRole, Command, Grant, LocalBed, REGION, Ran, SERVER_ID, TokenSpec,
    vault_setup,
};

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
        let aws = stack.bed.emulator.aws();
        let config = stack.deployed.configuration().await;
        // The emulator's CloudFormation leaves it out.
        let reserved = reserving(stack.deployed.output("AuthorizerFunctionName"), 20);
        aws.request("lambda", "put_function_concurrency", &reserved).await;
        let role = credentials(&stack, stack.deployed.output("AuthorizerRoleArn")).await;
        Self { stack, config, role }
    }

    /// Runs the command with the configuration on standard input, as root at Vault.
    fn doctor(&self, config: &str, options: &[&str], aws: &[(&'static str, String)]) -> Ran {
        let command =
            command(options).stdin(config).env("VAULT_TOKEN", self.stack.bed.vault.openbao.root_token());
        aws.iter().fold(command, |command, (name, value)| command.env(name, value)).run()
    }

    /// What is wrong with the function and its APIs, each as `check: found`; all else must be good.
    fn wrong_at_aws(&self) -> Vec<String> {
        self.wrong_with(&self.config, self.stack.deployed.output("AuthorizerFunctionName"))
    }

    /// One thing is.
    #[track_caller]
    fn assert_only(&self, finding: &str) {
        let wrong = self.wrong_at_aws();
        assert!(matches!(&wrong[..], [only] if only.starts_with(finding)), "{finding}: {wrong:?}");
    }

    /// The same of any configuration, and of any function.
    fn wrong_with(&self, config: &str, function: &str) -> Vec<String> {
        let aws = self.stack.bed.emulator.aws();
        let options = ["--function", function, "--region", REGION, "--aws-endpoint", aws.url()];
        wrong(&self.doctor(config, &options, &aws.client_env()), &["vault-login"])
    }

    /// What is wrong with a login by this configuration and these credentials; the rest must be good.
    fn wrong_login(&self, config: &str, aws: &[(&'static str, String)]) -> String {
        let [wrong] = wrong(&self.doctor(config, &["--log-in"], aws), &[]).try_into().unwrap();
        wrong
    }
}

fn command(options: &[&str]) -> Command {
    Command::new(&[&["doctor", "--json", "--config", "-", "--trust-config-address"], options].concat())
}

/// So much concurrency for the function.
fn reserving(function: &str, instances: u64) -> Value {
    json!({"FunctionName": function, "ReservedConcurrentExecutions": instances})
}

/// A role's, in variables.
async fn credentials(stack: &Stack, arn: &str) -> Vec<(&'static str, String)> {
    let role = json!({"RoleArn": arn, "RoleSessionName": "doctor"});
    let assumed = stack.bed.emulator.aws().request("sts", "assume_role", &role).await;
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
    let code = if wrong.is_empty() { if unseen.is_empty() { 0 } else { 3 } } else { 1 };
    assert_eq!(ran.code, code, "{}", ran.stdout);
    wrong
}

#[tokio::test]
async fn a_fresh_deployment_is_well_and_each_fault_at_aws_is_named() {
    let patient = Patient::new("doctor-aws").await;
    assert_eq!(patient.wrong_at_aws(), [""; 0], "as the quickstart's script and template leave it");

    let Stack { deployed, bed } = &patient.stack;
    let (function, api) = (deployed.output("AuthorizerFunctionName"), deployed.output("ApiId"));
    let stage = json!({"restApiId": api, "stageName": "prod"});
    let patched = |what: &Value, path: &str, value: &str| {
        with(what, json!({"patchOperations": [{"op": "replace", "path": path, "value": value}]}))
    };
    let timeout = |seconds: u64| json!({"FunctionName": function, "Timeout": seconds});
    let of_function = |operation, fault, cure| ("lambda", operation, fault, cure);
    let of_stage = |path: &str, fault: &str, cure: &str| {
        ("apigateway", "update_stage", patched(&stage, path, fault), patched(&stage, path, cure))
    };
    let (reserved, operation) = (|instances| reserving(function, instances), "put_function_concurrency");
    let of_token = "$context.requestId $context.authorizer.vaultWrappingToken";
    let many =
        "function-concurrency: with 100 instances reserved, one caller can have 500 tokens minted per second";
    for ((service, operation, fault, cure), finding) in [
        (of_function("update_function_configuration", timeout(30), timeout(8)), "function-timeout: 30 s"),
        (of_function(operation, reserved(100), reserved(20)), many),
        (of_stage("/*/*/logging/dataTrace", "true", "false"), "stage-data-trace: stage `prod` of API"),
        (
            of_stage("/accessLogSettings/format", of_token, "$context.requestId"),
            "stage-access-log: the access log of stage `prod` of API",
        ),
    ] {
        bed.emulator.aws().request(service, operation, &fault).await;
        patient.assert_only(finding);
        bed.emulator.aws().request(service, operation, &cure).await;
        assert_eq!(patient.wrong_at_aws(), [""; 0], "{finding}");
    }

    let filler = "x".repeat(3000);
    bed.emulator.client_script("set_variable.py", &[function, "FILLER", &filler]).await;
    patient.assert_only("function-environment: ");
    bed.emulator.client_script("set_variable.py", &[function, "FILLER", ""]).await;

    let named = json!({"FunctionName": function});
    let policy = bed.emulator.aws().request("lambda", "get_policy", &named).await;
    let policy: Value = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    for statement in policy["Statement"].as_array().unwrap() {
        let gone = with(&named, json!({"StatementId": statement["Sid"]}));
        bed.emulator.aws().request("lambda", "remove_permission", &gone).await;
    }
    patient.assert_only("authorizer-permission: ");

    // The emulator takes this one and cannot take it back.
    let keep = json!({"restApiId": api, "authorizerId": deployed.output("AuthorizerId")});
    let keep = patched(&keep, "/authorizerResultTtlInSeconds", "300");
    bed.emulator.aws().request("apigateway", "update_authorizer", &keep).await;
    let wrong = patient.wrong_at_aws();
    let caching = "authorizer-caching: authorizer `vault-authorizer` of API";
    assert!(matches!(&wrong[..], [first, _] if first.starts_with(caching)), "{wrong:?}");
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let mut patient = Patient::new("doctor-absent").await;
    let function = patient.stack.deployed.output("AuthorizerFunctionName").to_owned();
    let look = |config: &str, function: &str| patient.wrong_with(config, function).join("\n");
    assert_eq!(look(&patient.config, &function), "");
    assert!(look(&patient.config, "nobodys").starts_with("function: there is no function `nobodys`"));
    let stage = look(&patient.config.replacen("  staging:", "  staging2:", 1), &function);
    assert!(stage.starts_with("stage: API `") && stage.contains("has no stage `staging2`"), "{stage}");
    let api = patient.stack.deployed.output("ApiId");
    let api = look(&patient.config.replace(api, "zzzzzzzzzz"), &function);
    assert!(api.starts_with("authorizer-api: there is no API `zzzzzzzzzz`"), "{api}");

    let openbao = &patient.stack.bed.vault.openbao;
    openbao.delete("sys/quotas/rate-limit/vault-authorizer-orders-prod-reader").await;
    let narrow = json!({"allowed_policies": ["admin"]});
    openbao.write("auth/token/roles/orders-staging-reader", narrow).await;
    openbao.delete("sys/policies/acl/orders-prod-read").await;
    let objects = look(&patient.config, &function);
    let (ours, yours) = objects.split_once('\n').unwrap();
    let expected = "vault-objects: missing or different: auth/token/roles/orders-staging-reader, \
                    sys/quotas/rate-limit/vault-authorizer-orders-prod-reader ";
    assert!(ours.starts_with(expected) && ours.ends_with("`vault apply` fixes it"), "{objects}");
    let expected = "vault-objects: policies that grants name are missing: orders-prod-read ";
    assert!(yours.starts_with(expected) && yours.contains(": write them yourself"), "{objects}");
    // The token is the environment's Vault's then, and no other's to see.
    let mut elsewhere = Command::new(&["doctor", "--json", "--config", "-"]).stdin(&patient.config);
    elsewhere = elsewhere.env("VAULT_TOKEN", openbao.root_token()).env("VAULT_ADDR", openbao.address());
    let ran = elsewhere.run();
    assert_eq!(wrong(&ran, &["vault-objects", "vault-login"]), [""; 0]);
    assert!(ran.stdout.contains("names a different Vault"), "{}", ran.stdout);

    let own = patient.config.replacen("policies: [orders-prod-read]", "policies: [vault-authorizer]", 1);
    let own = look(&own, &function);
    assert!(own.starts_with("vault-objects: grant `orders-prod-reader` gives `vault-authorizer`"), "{own}");

    patient.stack.bed.issuer.stop();
    let found = wrong(&patient.doctor(&patient.config, &[], &[]), &["vault-login"]);
    assert!(found.iter().any(|each| each.starts_with("issuer-keys: `corp`: ")), "{found:?}");
    patient.stack.bed.vault.openbao.seal().await;
    let found = wrong(&patient.doctor(&patient.config, &[], &[]), &["vault-objects", "vault-login"]);
    assert!(found.iter().any(|each| each.starts_with("vault-sealed: it is sealed: ")), "{found:?}");
    patient.stack.bed.vault.stop().await;
    let unseen = ["vault-sealed", "vault-clock", "vault-objects", "vault-login"];
    let found = wrong(&patient.doctor(&patient.config, &[], &[]), &unseen);
    assert!(found.iter().any(|each| each.starts_with("vault-reachable: ")), "{found:?}");
}

#[tokio::test]
async fn a_login_of_another_role_server_or_mount_is_named() {
    let patient = Patient::new("doctor-login").await;
    let (config, role) = (patient.config.as_str(), patient.role.as_slice());
    let vault = &patient.stack.bed.vault;
    assert_eq!(wrong(&patient.doctor(config, &["--log-in"], role), &[]), [""; 0]);
    let logins = vault.aws_auth.login_count();
    assert_eq!(vault.openbao.tokens().await.len(), 1, "the root token: its login is ended");
    assert_eq!(logins, 1);

    let orders = json!({"FunctionName": patient.stack.deployed.output("OrdersFunctionName")});
    let about =
        patient.stack.bed.emulator.aws().request("lambda", "get_function_configuration", &orders).await;
    let others = credentials(&patient.stack, about["Role"].as_str().unwrap()).await;
    let wrong = patient.wrong_login(config, &others);
    for words in ["does not belong to the role", "`bound_iam_principal_arn` must name the role"] {
        assert!(wrong.starts_with("vault-login: ") && wrong.contains(words), "{wrong}");
    }
    let mounts_own = "iam_server_id_header_value";
    let same_region = "must be the region of the STS that the mount asks";
    for (good, fault, finding, remedy) in [
        ("\"vault.example.com\"", "other.example.com", "X-Vault-AWS-IAM-Server-ID", mounts_own),
        ("role: \"api-authorizer\"", "role: nobody", "nobody", "must name a role of the mount"),
        ("sts_region: \"us-east-1\"", "sts_region: eu-west-1", "valid region", same_region),
        ("method: aws", "method: aws\n    mount: elsewhere", "auth/elsewhere/login", "vault.login.mount"),
    ] {
        assert!(config.contains(good), "{config}");
        let wrong = patient.wrong_login(&config.replacen(good, fault, 1), role);
        for words in ["vault-login: ", finding, remedy] {
            assert!(wrong.contains(words), "{wrong}");
        }
    }
}

const MINT: &str = "auth/token/create/orders-prod-reader";
const ROLE: &str = "auth/approle/role/api-authorizer";

/// What `doctor --log-in` says of the login alone.
fn login_finding(bed: &LocalBed, login: &Value, options: &[&str]) -> Value {
    let configuration = bed.configuration().login(login.clone()).grant(Grant::reader()).to_string();
    let ran = command(&[&["--log-in"], options].concat()).stdin(&configuration).run();
    let findings: Vec<Value> =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{} {}", ran.stdout, ran.stderr));
    findings.into_iter().find(|finding| finding["check"] == "vault-login").unwrap()
}

/// That the login is good, or what is wrong with it and how to mend it, in these words.
#[track_caller]
fn assert_login(bed: &LocalBed, login: &Value, wrong: Option<(&str, &str)>) {
    let finding = login_finding(bed, login, &[]);
    assert_eq!(finding["verdict"], if wrong.is_some() { "wrong" } else { "good" }, "{wrong:?}: {finding}");
    if let Some((found, remedy)) = wrong {
        assert!(finding["found"].as_str().unwrap().contains(found), "{found}: {finding}");
        assert!(finding["remedy"].as_str().unwrap().contains(remedy), "{remedy}: {finding}");
    }
}

async fn with_approle(name: &str) -> (LocalBed, Value) {
    let bed = LocalBed::new(name).await;
    let AppRole { role_id, secret_id } = vault_setup::approle_login(&bed.openbao).await;
    (bed, json!({"method": "approle", "role_id": role_id, "secret_id": secret_id}))
}

fn proof(login: &Value) -> Value {
    json!({"role_id": login["role_id"], "secret_id": login["secret_id"]})
}

/// Each fault of the login's role, what `doctor` says, and the cure that it names. OpenBao is asked whether the token mints.
#[tokio::test]
async fn rejects_a_login_whose_token_can_mint_nothing() {
    let (bed, login) = with_approle("doctor-powers").await;
    let openbao = &bed.openbao;
    let mints = async || {
        let (_, answer) = openbao.api("POST", "auth/approle/login", None, proof(&login)).await;
        let token = answer["auth"]["client_token"].as_str().unwrap();
        let wrapped = [("X-Vault-Wrap-TTL", "30s")];
        openbao.api_with("POST", MINT, Some(token), &wrapped, json!({"ttl": "60s"})).await.0 == 200
    };
    let before = openbao.tokens().await.len();
    let good = login_finding(&bed, &login, &[]);
    let expected =
        "Vault grants a token for 3600 s with the policy `vault-authorizer`; this one has been revoked";
    assert_eq!([&good["verdict"], &good["found"]], ["good", expected], "{good}");
    assert_eq!(openbao.tokens().await.len(), before);
    assert!(mints().await);

    let lacks = "with the policy `other`, but it does not have the policy `vault-authorizer`";
    let no_policy = "with no policy, but it does not have";
    let elsewhere = "does not accept it from this address";
    let short = "after 30 s the function has to log in again";
    let own = json!([AUTHORIZER_POLICY]);
    for (field, fault, cure, minting, found, remedy) in [
        ("token_num_uses", json!(3), json!(0), false, "limited to 3 uses", "`token_num_uses=0`"),
        ("token_policies", json!(["other"]), own.clone(), false, lacks, "`token_policies`"),
        ("token_policies", json!([]), own, false, no_policy, "`token_policies`"),
        ("token_type", json!("batch"), json!("service"), false, "a batch token", "`token_type=service`"),
        ("token_bound_cidrs", json!(["10.0.0.0/8"]), json!([]), false, elsewhere, "`token_bound_cidrs`"),
        ("token_ttl", json!("30s"), json!("1h"), true, short, "`token_ttl=1h`"),
    ] {
        openbao.write(ROLE, json!({field: fault})).await;
        assert_login(&bed, &login, Some((found, remedy)));
        assert_eq!(mints().await, minting, "{field}: {fault}");
        openbao.write(ROLE, json!({field: cure})).await;
        assert_login(&bed, &login, None);
        assert!(mints().await, "{field}: {cure}");
    }

    // Under another name, which the operator gives.
    let own_policy = vault_setup::policy_file(AUTHORIZER_POLICY);
    openbao.policy("no-revoke", &own_policy.replace("auth/token/revoke-self", "auth/token/nothing")).await;
    openbao.write(ROLE, json!({"token_policies": ["no-revoke"]})).await;
    let wrong = login_finding(&bed, &login, &["--policy", "no-revoke"]);
    let (found, remedy) = (wrong["found"].as_str().unwrap(), wrong["remedy"].as_str().unwrap());
    assert!(found.ends_with("but it may not revoke itself"), "{wrong}");
    let (_, accessor) = remedy.rsplit_once("`vault token revoke -accessor ").unwrap();
    openbao.write("auth/token/revoke-accessor", json!({"accessor": accessor.trim_end_matches('`')})).await;
}

/// What gives the power is of no account.
#[tokio::test]
async fn a_login_that_has_the_authorizers_policy_by_its_entity_is_good() {
    let (bed, login) = with_approle("doctor-entity").await;
    bed.openbao.write(ROLE, json!({"token_policies": ["other"]})).await;
    let entity = bed.openbao.write("auth/approle/login", proof(&login)).await["auth"]["entity_id"].take();
    let path = format!("identity/entity/id/{}", entity.as_str().unwrap());
    bed.openbao.write(&path, json!({"policies": [AUTHORIZER_POLICY]})).await;
    let good = login_finding(&bed, &login, &[]);
    assert_eq!(good["verdict"], "good", "{good}");
    assert!(good["found"].as_str().unwrap().contains("`other`, `vault-authorizer`"), "{good}");
}

/// The token of the configuration is judged alike.
#[tokio::test]
async fn rejects_a_token_of_the_configuration_that_can_mint_nothing() {
    let bed = LocalBed::new("doctor-token").await;
    bed.openbao.policy("lookup", r#"path "auth/token/lookup-self" { capabilities = ["read"] }"#).await;
    for (mut token, found) in [
        (json!({"policies": [AUTHORIZER_POLICY]}), None),
        (json!({"policies": ["lookup"]}), Some("it does not have the policy `vault-authorizer`")),
        (json!({"policies": [AUTHORIZER_POLICY], "num_uses": 5}), Some("it is limited to 4 uses")),
        (json!({"policies": [AUTHORIZER_POLICY], "type": "batch"}), Some("it is a batch token")),
        (json!({"policies": [AUTHORIZER_POLICY], "ttl": "20s"}), Some("s the function has to log in again")),
    ] {
        token["no_default_policy"] = json!(true);
        let made = bed.openbao.token(token.clone()).await;
        let finding = login_finding(&bed, &json!({"method": "token", "token": made}), &[]);
        assert_eq!(finding["verdict"], if found.is_some() { "wrong" } else { "good" }, "{token}: {finding}");
        let words = finding["found"].as_str().unwrap();
        assert!(words.contains(found.unwrap_or("Vault accepts the configured token")), "{token}: {finding}");
    }
}

/// OpenBao's own words for each, and the remedy that they lead to.
#[tokio::test]
async fn a_login_that_openbao_refuses_has_the_remedy_that_helps() {
    let (bed, approle) = with_approle("doctor-refused").await;
    vault_setup::jwt_login(&bed.openbao, &bed.issuer, SERVER_ID).await;
    let good = TokenSpec::new().claim("aud", SERVER_ID);
    let jwt = |name: &str, token: &str| json!({"method": "jwt", "role": AUTHORIZER_ROLE, "jwt_file": bed.file(name, token)});
    let is_good = |login: &Value| assert_login(&bed, login, None);
    let is_told = |login: &Value, found: &str, remedy: &str| assert_login(&bed, login, Some((found, remedy)));
    let by_jwt = jwt("good", &bed.issuer.token(&good));
    is_good(&approle);
    is_good(&by_jwt);

    bed.openbao.write(ROLE, json!({"secret_id_bound_cidrs": ["10.0.0.0/8"]})).await;
    is_told(&approle, "unauthorized by CIDR restrictions", "`secret_id_bound_cidrs`");
    bed.openbao.write(ROLE, json!({"secret_id_bound_cidrs": []})).await;
    is_good(&approle);
    is_told(&with(&approle, json!({"role_id": "nobody"})), "invalid role", "`vault.login.role_id`");
    is_told(&with(&approle, json!({"secret_id": "nothing"})), "invalid role or secret ID", "issue another");

    let change = async |changed: Value| {
        let changed = with(&changed, json!({"role_type": "jwt"}));
        bed.openbao.write(&format!("auth/jwt/role/{AUTHORIZER_ROLE}"), changed).await;
    };
    // A bare 403 is all that OpenBao says of an address, and of a mount that is not there.
    change(json!({"token_bound_cidrs": ["10.0.0.0/8"]})).await;
    is_told(&by_jwt, "permission denied", "`token_bound_cidrs`");
    change(json!({"token_bound_cidrs": []})).await;
    is_good(&by_jwt);
    is_told(&with(&by_jwt, json!({"mount": "nowhere"})), "permission denied", "`vault.login.mount`");
    change(json!({"bound_claims": {"team": "orders"}})).await;
    is_told(&by_jwt, "claim", "`bound_claims`");
    change(json!({"bound_claims": {}, "bound_subject": "another"})).await;
    is_told(&by_jwt, "subject", "`bound_subject`");
    change(json!({"bound_subject": ""})).await;
    is_good(&by_jwt);

    let expired = bed.issuer.token(&good.clone().expires_in(-600));
    let audience = bed.issuer.token(&TokenSpec::new().claim("aud", "elsewhere"));
    is_told(&jwt("expired", &expired), "expired", "has expired");
    is_told(&jwt("audience", &audience), "audience", "`bound_audiences`");
    is_told(&jwt("forged", &bed.issuer.forged(&good)), "signature", "`oidc_discovery_url`");
    is_told(&with(&by_jwt, json!({"role": "nobody"})), "could not be found", "must name a role");
}
