//! The authorizer's own login by each method that a real OpenBao serves: what logs in, what is taken up when it changes
//! under the running function, and that a login that fails is a fault and never a denial. The method `aws` runs on OpenBao's
//! plugin where `VAULT_AUTH_AWS_PLUGIN` names it, else on a [stand-in](test_bed::aws_auth).

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use serde_json::{Value, json};
use test_bed::aws_auth::{AwsAuth, AwsAuthConfig, Vault};
use test_bed::command::{Command, Ran};
use test_bed::emulator::Emulator;
use test_bed::http::Server;
use test_bed::issuer::{Issuer, TokenSpec};
use test_bed::openbao::OpenBao;
use test_bed::parts;
use test_bed::process::Scratch;
use test_bed::runtime_api::{Function, Invocation, request_event};
use test_bed::vault_setup::{self, AUTHORIZER_ROLE, AppRole, Setup};
use test_bed::web_identity::{REGION, ROLE_ARN, SESSION_TOKEN, WebIdentitySts};

const AUDIENCE: &str = "vault.example.com";
const MINT: &str = "update auth/token/create/orders-prod-reader";

/// An OpenBao with the quickstart's roles and no login yet, and the callers' issuer.
struct Bed {
    openbao: OpenBao,
    /// What the authorizer takes for Vault.
    address: String,
    callers: Issuer,
    scratch: Scratch,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let openbao = OpenBao::start_in_memory(&scratch).await;
        let address = openbao.address().to_owned();
        Self::of(openbao, address, scratch).await
    }

    /// With the AWS auth method, and the AWS that it asks.
    async fn with_aws(name: &str, principal: &str) -> (Self, AwsAuth, Emulator) {
        let scratch = Scratch::new(name);
        let emulator = Emulator::start(&scratch).await;
        let login = AwsAuthConfig::quickstart(principal, AUDIENCE);
        let Vault { aws_auth, openbao } = Vault::start_in_memory(&scratch, &emulator.sts_url(), login).await;
        (Self::of(openbao, aws_auth.address(), scratch).await, aws_auth, emulator)
    }

    async fn of(openbao: OpenBao, address: String, scratch: Scratch) -> Self {
        vault_setup::configure(&openbao, &Setup::quickstart()).await;
        Self { openbao, address, callers: Issuer::start(), scratch }
    }

    fn function(&self, login: &str) -> Function {
        self.function_with(login, &[])
    }

    fn function_with(&self, login: &str, env: &[(&str, &str)]) -> Function {
        let config = self.config(login);
        let env = [&[("AUTHORIZER_CONFIG", config.as_str())], env].concat();
        Function::start(&parts::binary("release", "bootstrap"), env, &self.scratch)
    }

    fn config(&self, login: &str) -> String {
        format!(
            r#"
vault:
  address: {}
  login: {{{login}}}
issuers:
  corp: {{kind: jwt, issuer: "{}", audiences: [orders-api], algorithms: [RS256], jwks: discovery}}
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - name: orders-prod-reader
        routes: ["GET /orders"]
        caller: {{issuer: corp, any: true}}
        token: {{role: orders-prod-reader, policies: [orders-prod-read], ttl: 2m, wrap_ttl: 30s}}
"#,
            self.address,
            self.callers.url()
        )
    }

    /// `vault plan` or `vault apply` by an operator.
    fn vault(&self, login: &str, options: &[&str]) -> Ran {
        let command = ["vault", options[0], "--config", "-", "--trust-config-address"];
        let command = Command::new(&[&command, &options[1..]].concat()).stdin(&self.config(login));
        command.env("VAULT_TOKEN", self.openbao.root_token()).run()
    }

    async fn call(&self, function: &Function) -> Invocation {
        function.invoke(&event(&self.callers.token(&TokenSpec::new()))).await
    }

    async fn allowed(&self, function: &Function) {
        let answer = self.call(function).await.response();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Allow", "{answer}");
    }

    /// What the log says of a call that fails for want of a login. A credential that is refused is refused all the same.
    async fn login_refused(&self, function: &Function) -> String {
        self.login_fails(function, "vault_login_refused").await
    }

    async fn login_fails(&self, function: &Function, code: &str) -> String {
        let forged = function.invoke(&event(&self.callers.forged(&TokenSpec::new()))).await;
        assert_eq!(error(forged), "Unauthorized");
        assert_eq!(error(self.call(function).await), code);
        let record = function.log_lines().into_iter().rfind(|line| line["outcome"] == "fault").unwrap();
        assert_eq!(record["code"], code);
        record["message"].as_str().unwrap().to_owned()
    }

    /// Ends every token that a login at `mount` gave.
    async fn revoke_logins(&self, mount: &str) {
        self.revoke_tokens_of(&format!("auth/{mount}/login")).await;
    }

    async fn revoke_tokens_of(&self, path: &str) {
        let accessors = self.openbao.as_root("LIST", "auth/token/accessors", Value::Null).await;
        let mut revoked = 0;
        for accessor in accessors["data"]["keys"].as_array().unwrap() {
            let accessor = json!({"accessor": accessor});
            let about = self.openbao.as_root("POST", "auth/token/lookup-accessor", accessor.clone()).await;
            if about["data"]["path"] == path {
                self.openbao.as_root("POST", "auth/token/revoke-accessor", accessor).await;
                revoked += 1;
            }
        }
        assert!(revoked > 0, "no token is of {path}");
    }

    async fn new_secret_id(&self) -> String {
        let path = format!("auth/approle/role/{AUTHORIZER_ROLE}/secret-id");
        let made = self.openbao.as_root("POST", &path, json!({})).await;
        made["data"]["secret_id"].as_str().unwrap().to_owned()
    }

    async fn destroy(&self, secret_id: &str) {
        let path = format!("auth/approle/role/{AUTHORIZER_ROLE}/secret-id/destroy");
        self.openbao.as_root("POST", &path, json!({"secret_id": secret_id})).await;
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.scratch.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

fn event(token: &str) -> Value {
    request_event("/orders", &format!("Bearer {token}"))
}

fn error(invocation: Invocation) -> String {
    let Invocation::Error { message, .. } = invocation else { panic!("not an error: {invocation:?}") };
    message
}

/// A token as the function's platform would write it.
fn workload_token(issuer: &Issuer, audience: &str) -> String {
    issuer.token(&TokenSpec::new().claim("sub", "api-authorizer").claim("aud", audience))
}

/// The part of a JWT that makes it one, and that no log may hold.
fn signature(jwt: &str) -> &str {
    jwt.rsplit('.').next().unwrap()
}

#[tokio::test]
async fn an_approle_logs_in_once() {
    let bed = Bed::new("approle").await;
    let AppRole { role_id, secret_id } = vault_setup::approle_login(&bed.openbao).await;
    let mark = bed.openbao.audit_mark();
    let function = bed.function(&format!("method: approle, role_id: {role_id}, secret_id: {secret_id}"));
    bed.allowed(&function).await;
    bed.allowed(&function).await;
    assert_eq!(bed.openbao.requests_since(mark), ["update auth/approle/login", MINT, MINT]);
    for secret in [&role_id, &secret_id] {
        assert!(!function.log().contains(secret.as_str()));
    }
}

#[tokio::test]
async fn a_secret_id_that_is_replaced_in_its_file_is_taken_up_by_the_running_function() {
    let bed = Bed::new("secret-id-file").await;
    let AppRole { role_id, secret_id } = vault_setup::approle_login(&bed.openbao).await;
    let file = bed.file("secret-id", &format!("{secret_id}\n"));
    let login = format!("method: approle, role_id: {role_id}, secret_id_file: {}", file.display());
    let function = bed.function(&login);
    bed.allowed(&function).await;

    // Destroyed, the old one opens nothing: neither for the running function nor for anybody else.
    bed.destroy(&secret_id).await;
    bed.revoke_logins("approle").await;
    let message = bed.login_refused(&function).await;
    assert!(message.contains("auth/approle/login"), "{message}");

    let fresh = bed.new_secret_id().await;
    fs::write(&file, &fresh).unwrap();
    bed.allowed(&function).await;
    for secret in [&role_id, &secret_id, &fresh] {
        assert!(!function.log().contains(secret.as_str()));
    }
}

#[tokio::test]
async fn a_jwt_is_read_anew_at_each_login_and_need_not_be_there_at_start() {
    let bed = Bed::new("jwt-file").await;
    let platform = Issuer::start();
    vault_setup::jwt_login(&bed.openbao, &platform, AUDIENCE).await;
    let function = bed.function(&format!("method: jwt, role: {AUTHORIZER_ROLE}, jwt_file: vault.jwt"));
    let message = bed.login_refused(&function).await;
    let file = function.task_root().join("vault.jwt");
    assert!(message.contains(&format!("{} cannot be read", file.display())), "{message}");

    let first = workload_token(&platform, AUDIENCE);
    fs::write(&file, format!("{first}\n")).unwrap();
    let mark = bed.openbao.audit_mark();
    bed.allowed(&function).await;
    assert_eq!(bed.openbao.requests_since(mark), ["update auth/jwt/login", MINT]);

    // The platform's keys and the file change; OpenBao forgets the function's token.
    let expired = platform.token(&TokenSpec::new().claim("aud", AUDIENCE).expires_in(-600));
    fs::write(&file, &expired).unwrap();
    bed.revoke_logins("jwt").await;
    let message = bed.login_refused(&function).await;
    assert!(message.contains("auth/jwt/login") && message.contains("expired"), "{message}");
    let second = workload_token(&platform, AUDIENCE);
    fs::write(&file, &second).unwrap();
    bed.allowed(&function).await;
    for jwt in [&first, &expired, &second] {
        assert!(!function.log().contains(signature(jwt)));
    }
}

/// The credentials of a role that this makes, as Lambda gives them to a function.
async fn role(emulator: &Emulator, name: &str) -> [(&'static str, String); 3] {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let role = json!({"RoleName": name, "Path": "/service/", "AssumeRolePolicyDocument": trust.to_string()});
    let made = emulator.aws().request("iam", "create_role", &role).await;
    let session = json!({"RoleArn": made["Role"]["Arn"], "RoleSessionName": "orders-authorizer"});
    let assumed = emulator.aws().request("sts", "assume_role", &session).await;
    [
        ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
        ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
        ("AWS_SESSION_TOKEN", "SessionToken"),
    ]
    .map(|(variable, name)| (variable, assumed["Credentials"][name].as_str().unwrap().to_owned()))
}

#[tokio::test]
async fn an_iam_role_logs_in_without_a_stored_secret() {
    let principal = "arn:aws:iam::123456789012:role/api-authorizer";
    let (bed, aws_auth, emulator) = Bed::with_aws("aws", principal).await;
    let (own, others) = (role(&emulator, "api-authorizer").await, role(&emulator, "another").await);
    let env = |credentials: &[(&'static str, String); 3]| {
        credentials.clone().map(|(name, value)| (name, Box::leak(value.into_boxed_str()) as &str))
    };
    let login = format!(
        "method: aws, role: {AUTHORIZER_ROLE}, server_id: {AUDIENCE}, sts_endpoint: \"{}\"",
        emulator.sts_url()
    );
    let function = bed.function_with(&login, &env(&own));
    bed.allowed(&function).await;
    bed.allowed(&function).await;
    assert_eq!(aws_auth.login_count(), 1);
    // The stand-in creates what the plugin grants.
    let granted_by = if aws_auth.is_plugin() { "auth/aws/login" } else { "auth/token/create" };
    bed.revoke_tokens_of(granted_by).await;
    bed.allowed(&function).await;
    assert_eq!(aws_auth.login_count(), 2);

    let other_server = login.replace(AUDIENCE, "other.example.com");
    let unknown_role = login.replace(AUTHORIZER_ROLE, "nobody");
    let other_region = format!("{login}, sts_region: eu-west-1");
    let forged = [own[0].clone(), ("AWS_SECRET_ACCESS_KEY", "wrong".to_owned()), own[2].clone()];
    for (login, credentials, reason) in [
        (&login, &others, "assumed-role/another/orders-authorizer\\\" does not belong to the role"),
        (&other_server, &own, "X-Vault-AWS-IAM-Server-ID"),
        (&unknown_role, &own, "entry for role nobody not found"),
        (&other_region, &own, "Credential should be scoped to a valid region"),
        (&login, &forged, "received error code 403 from STS"),
    ] {
        let function = bed.function_with(login, &env(credentials));
        let message = bed.login_refused(&function).await;
        assert!(message.contains("`auth/aws/login`"), "{message}");
        assert!(message.contains(&reason.replace('\\', "")), "{reason}: {message}");
        for (_, secret) in credentials.iter().skip(1) {
            assert!(!function.log().contains(secret.as_str()), "{reason}");
        }
    }
    assert!(aws_auth.login_count() == 2 && aws_auth.refused_login_count() >= 5);

    // The stand-in has nothing to configure. The plugin keeps what both ways of setting it up write, and they agree.
    if aws_auth.is_plugin() {
        let apply = ["apply", "--adopt", "--aws-principal", principal];
        let plan = ["plan", "--detailed-exitcode", "--aws-principal", principal];
        let role = format!("auth/aws/role/{AUTHORIZER_ROLE}");
        bed.openbao.as_root("DELETE", &role, Value::Null).await;
        let mut quickstart = vault_setup::quickstart_script(&bed.openbao);
        quickstart.args(["--aws-principal", principal, "--server-id", AUDIENCE]);
        let ran = quickstart.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let written = bed.openbao.as_root("GET", &role, Value::Null).await["data"].take();
        bed.allowed(&bed.function_with(&login, &env(&own))).await;

        bed.openbao.as_root("DELETE", &role, Value::Null).await;
        let applied = bed.vault(&login, &apply);
        assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
        let planned = bed.vault(&login, &plan);
        assert_eq!(planned.code, 0, "{}{}", planned.stdout, planned.stderr);
        let applied = bed.openbao.as_root("GET", &role, Value::Null).await["data"].take();
        let compared = |role: &Value| {
            let mut role = role.clone();
            role.as_object_mut().unwrap().remove("role_id");
            role
        };
        assert_eq!(compared(&applied), compared(&written));
        bed.allowed(&bed.function_with(&login, &env(&own))).await;
    }
}

/// What answers at a container endpoint, and whom it answers.
fn container_endpoint(answer: impl Fn() -> (StatusCode, String) + Clone + Send + Sync + 'static) -> Server {
    let handler = move |headers: HeaderMap| async move {
        let is_own = headers.get("authorization").is_some_and(|token| token == CONTAINER_TOKEN);
        if is_own { answer() } else { (StatusCode::UNAUTHORIZED, String::new()) }
    };
    Server::start(0, Router::new().route("/role", get(handler)))
}

const CONTAINER_TOKEN: &str = "token-of-the-container-endpoint";

fn container_env<'a>(uri: &'a str, token: &'a str) -> [(&'static str, &'a str); 2] {
    [("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)]
}

/// Where a runtime has SnapStart, the environment holds no credentials: they would be in every snapshot.
#[tokio::test]
async fn an_iam_role_logs_in_with_credentials_of_the_container_endpoint() {
    let principal = "arn:aws:iam::123456789012:role/api-authorizer";
    let (bed, aws_auth, emulator) = Bed::with_aws("container-credentials", principal).await;
    let [id, secret, token] = role(&emulator, "api-authorizer").await.map(|(_, value)| value);
    let login = format!(
        "method: aws, role: {AUTHORIZER_ROLE}, server_id: {AUDIENCE}, sts_endpoint: \"{}\"",
        emulator.sts_url()
    );
    let given = json!({"AccessKeyId": id, "SecretAccessKey": secret, "Token": token, "Expiration": "2099-01-01T00:00:00Z"});
    let good = given.to_string();
    let endpoint = container_endpoint(move || (StatusCode::OK, good.clone()));
    let uri = format!("{}/role", endpoint.url());
    let function = bed.function_with(&login, &container_env(&uri, CONTAINER_TOKEN));
    bed.allowed(&function).await;
    bed.allowed(&function).await;
    assert_eq!(aws_auth.login_count(), 1);

    let cut = container_endpoint(move || (StatusCode::OK, "{\"AccessKeyId\": \"ASIAEXAMPLE".to_owned()));
    let endless = container_endpoint(move || (StatusCode::OK, " ".repeat(1 << 20)));
    let down = container_endpoint(move || (StatusCode::INTERNAL_SERVER_ERROR, given.to_string()));
    let uris = [&cut, &endless, &down].map(|server| format!("{}/role", server.url()));
    let [cut, endless, down] = uris.each_ref().map(String::as_str);
    for (uri, sent) in [
        (uri.as_str(), "a-stranger's"),
        (cut, CONTAINER_TOKEN),
        (endless, CONTAINER_TOKEN),
        (down, CONTAINER_TOKEN),
        ("http://127.0.0.1:9/role", CONTAINER_TOKEN),
        // Whoever is there would get the token, in clear.
        ("http://192.0.2.1/role", CONTAINER_TOKEN),
    ] {
        let function = bed.function_with(&login, &container_env(uri, sent));
        let message = bed.login_refused(&function).await;
        assert!(message.contains("no credentials to log in to Vault with"), "{uri}: {message}");
        for hidden in [secret.as_str(), token.as_str(), "ASIAEXAMPLE", CONTAINER_TOKEN] {
            assert!(!function.log().contains(hidden), "{uri}: {}", function.log());
        }
    }
    assert_eq!(aws_auth.login_count(), 1);
}

/// No secret is stored anywhere: AWS says who the function is, and OpenBao's JWT auth method believes AWS's signature.
#[tokio::test]
async fn a_web_identity_of_aws_logs_in_without_a_stored_secret() {
    let bed = Bed::new("web-identity").await;
    let account = Arc::new(Issuer::start_as_aws_account());
    vault_setup::jwt_login(&bed.openbao, &account, AUDIENCE).await;
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": ROLE_ARN});
    bed.openbao.as_root("POST", &format!("auth/jwt/role/{AUTHORIZER_ROLE}"), role).await;
    let sts = WebIdentitySts::start(Arc::clone(&account), AUDIENCE);
    let login = |role: &str, audience: &str| {
        let from = format!("sts_region: {REGION}, sts_endpoint: \"{}\"", sts.url());
        format!("method: jwt, role: {role}, web_identity_audience: {audience}, {from}")
    };
    let environment = WebIdentitySts::environment();

    let mark = bed.openbao.audit_mark();
    let function = bed.function_with(&login(AUTHORIZER_ROLE, AUDIENCE), &environment);
    bed.allowed(&function).await;
    bed.allowed(&function).await;
    assert_eq!(bed.openbao.requests_since(mark), ["update auth/jwt/login", MINT, MINT]);
    assert_eq!(sts.issued(), 1, "STS is asked by a login, and by no request of a caller");

    // AWS withdraws the permission, and the token ends.
    sts.refuse(Some("OutboundWebIdentityFederationDisabledException"));
    bed.revoke_logins("jwt").await;
    let message = bed.login_refused(&function).await;
    assert!(message.contains("`OutboundWebIdentityFederationDisabledException`"), "{message}");
    sts.refuse(None);
    bed.allowed(&function).await;
    assert_eq!(sts.issued(), 2);
    sts.refuse(Some("Throttling"));
    bed.revoke_logins("jwt").await;
    let message = bed.login_fails(&function, "sts_unavailable").await;
    assert!(message.contains("`Throttling`"), "{message}");
    sts.refuse(None);
    assert!(!function.log().contains(SESSION_TOKEN) && !function.log().contains("eyJ"));

    let other = bed.function_with(&login(AUTHORIZER_ROLE, "another.example.com"), &environment);
    let message = bed.login_refused(&other).await;
    assert!(message.contains("STS refused to give a web identity token: `AccessDenied`"), "{message}");
    let wrong = [environment[0], ("AWS_SECRET_ACCESS_KEY", "wrong"), environment[2]];
    let forger = bed.function_with(&login(AUTHORIZER_ROLE, AUDIENCE), &wrong);
    let message = bed.login_refused(&forger).await;
    assert!(message.contains("`SignatureDoesNotMatch`"), "{message}");
    assert!(!forger.log().contains(SESSION_TOKEN), "STS's message quotes it; the log must not");
    let none = bed.function(&login(AUTHORIZER_ROLE, AUDIENCE));
    let message = bed.login_refused(&none).await;
    assert!(message.contains("AWS_ACCESS_KEY_ID"), "{message}");
    assert_eq!(sts.issued(), 2);
}

#[tokio::test]
async fn an_sts_that_is_away_is_a_fault_that_says_so() {
    let bed = Bed::new("web-identity-away").await;
    let login = format!(
        "method: jwt, role: {AUTHORIZER_ROLE}, web_identity_audience: {AUDIENCE}, sts_endpoint: \"http://127.0.0.1:9\""
    );
    let function = bed.function_with(&login, &WebIdentitySts::environment());
    let message = bed.login_fails(&function, "sts_unavailable").await;
    assert!(message.contains("STS could not be asked for the JWT"), "{message}");
}

#[tokio::test]
async fn rejects_a_login_that_is_not_the_roles_as_a_fault_that_names_the_path() {
    let bed = Bed::new("login-refused").await;
    let (platform, stranger) = (Issuer::start(), Issuer::start());
    let AppRole { role_id, secret_id } = vault_setup::approle_login(&bed.openbao).await;
    vault_setup::jwt_login(&bed.openbao, &platform, AUDIENCE).await;
    let good = workload_token(&platform, AUDIENCE);
    let jwt = |name: &str, content: &str| format!("jwt_file: {}", bed.file(name, content).display());
    let role = format!("role: {AUTHORIZER_ROLE}");
    let other_audience = workload_token(&platform, "another.example.com");
    let forged = platform.forged(&TokenSpec::new().claim("aud", AUDIENCE));
    let other_issuer = workload_token(&stranger, AUDIENCE);
    let cases = [
        (
            format!("method: jwt, role: nobody, {}", jwt("good", &good)),
            "auth/jwt/login",
            "could not be found",
        ),
        (format!("method: jwt, {role}, {}", jwt("audience", &other_audience)), "auth/jwt/login", "audience"),
        (format!("method: jwt, {role}, {}", jwt("forged", &forged)), "auth/jwt/login", "signature"),
        (format!("method: jwt, {role}, {}", jwt("issuer", &other_issuer)), "auth/jwt/login", "status 400"),
        (
            format!("method: jwt, {role}, mount: elsewhere, {}", jwt("mount", &good)),
            "auth/elsewhere/login",
            "403",
        ),
        (
            format!("method: approle, role_id: nobody, secret_id: {secret_id}"),
            "auth/approle/login",
            "status 400",
        ),
        (
            format!("method: approle, role_id: {role_id}, secret_id: no-such-id"),
            "auth/approle/login",
            "status 400",
        ),
    ];
    for (login, path, reason) in cases {
        let function = bed.function(&login);
        let message = bed.login_refused(&function).await;
        assert!(message.contains(&format!("`{path}`")) && message.contains(reason), "{login}: {message}");
        let secrets =
            [signature(&good), signature(&other_audience), signature(&forged), signature(&other_issuer)];
        for secret in secrets.into_iter().chain([secret_id.as_str(), role_id.as_str(), "no-such-id"]) {
            assert!(!function.log().contains(secret), "{login}");
        }
    }
}
