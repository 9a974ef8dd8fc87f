//! The authorizer's own login by each method that a real OpenBao serves: what logs in, which changes a running
//! function notices, and that a failed login is a fault and never a denial. The method `aws` runs on OpenBao's plugin
//! where `VAULT_AUTH_AWS_PLUGIN` names it, and otherwise on a [stand-in](test_bed::aws_auth).

use std::fs;
use std::ops::Deref;
use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use serde_json::{Value, json};
use test_bed::beds::SERVER_ID as AUDIENCE;
use test_bed::configuration::with;
use test_bed::web_identity::{ROLE_ARN, SESSION_TOKEN, STS_REGION};
use test_bed::{
    AUTHORIZER_ROLE, AppRole, AwsAuth, AwsAuthConfig, Command, Configuration, Emulator, Function, Grant,
    Issuer, LocalBed, Ran, Server, TokenSpec, WebIdentitySts, vault_setup,
};

const MINT: &str = "update auth/token/create/orders-prod-reader";

/// A bed whose configuration has the login that a test names.
struct Bed {
    local: LocalBed,
    /// What the authorizer takes for Vault.
    address: String,
}

impl Deref for Bed {
    type Target = LocalBed;

    fn deref(&self) -> &LocalBed {
        &self.local
    }
}

impl Bed {
    async fn new(name: &str) -> Self {
        let local = LocalBed::new(name).await;
        Self { address: local.openbao.address().to_owned(), local }
    }

    /// With the AWS auth method, and the AWS that it asks.
    async fn with_aws(name: &str, principal: &str) -> (Self, AwsAuth, Emulator) {
        let local = LocalBed::new(name).await;
        let emulator = Emulator::start(&local.scratch).await;
        let config = AwsAuthConfig::quickstart(principal, AUDIENCE);
        let aws_auth = AwsAuth::over(&local.openbao, &emulator.sts_url(), config).await;
        (Self { address: aws_auth.address(), local }, aws_auth, emulator)
    }

    fn function(&self, login: &Value) -> Function {
        self.function_with(login, &[])
    }

    fn function_with(&self, login: &Value, env: &[(&str, &str)]) -> Function {
        Function::authorizer(&self.document(login), env, &self.scratch)
    }

    fn document(&self, login: &Value) -> String {
        let configuration =
            Configuration::new(&self.address).login(login.clone()).issuer("corp", &self.issuer.url());
        configuration.grant(Grant::new("orders-prod-reader", "GET /orders")).to_string()
    }

    /// `vault plan` or `vault apply` by an operator.
    fn vault(&self, login: &Value, options: &[&str]) -> Ran {
        let command = ["vault", options[0], "--config", "-", "--trust-config-address"];
        let command = Command::new(&[&command, &options[1..]].concat()).stdin(&self.document(login));
        command.env("VAULT_TOKEN", self.openbao.root_token()).run()
    }

    async fn allowed(&self, function: &Function) {
        let answer = function.get("/orders", &self.issuer.token(&TokenSpec::new())).await;
        assert_eq!(answer.effect(), "Allow", "{}", function.log());
    }

    /// What the log says of a call that fails for want of a login. A credential that is refused is refused all the same.
    async fn login_refused(&self, function: &Function) -> String {
        self.login_fails(function, "vault_login_refused").await
    }

    async fn login_fails(&self, function: &Function, code: &str) -> String {
        let forged = function.get("/orders", &self.issuer.forged(&TokenSpec::new())).await;
        assert_eq!(forged.error(), "Unauthorized");
        let good = function.get("/orders", &self.issuer.token(&TokenSpec::new())).await;
        assert_eq!(good.error(), code);
        let record = function.decisions().pop().unwrap();
        assert_eq!((&record["outcome"], &record["code"]), (&json!("fault"), &json!(code)));
        record["message"].as_str().unwrap().to_owned()
    }

    /// Ends every token that a login at `mount` gave.
    async fn revoke_logins(&self, mount: &str) {
        self.revoke_tokens_of(&format!("auth/{mount}/login")).await;
    }

    async fn revoke_tokens_of(&self, path: &str) {
        let mut revoked = 0;
        for token in self.openbao.tokens().await.into_iter().filter(|token| token["path"] == path) {
            self.openbao.write("auth/token/revoke-accessor", json!({"accessor": token["accessor"]})).await;
            revoked += 1;
        }
        assert!(revoked > 0, "no token is of {path}");
    }
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
    let login = json!({"method": "approle", "role_id": role_id, "secret_id": secret_id});
    let function = bed.function(&login);
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
    let login = json!({"method": "approle", "role_id": role_id, "secret_id_file": file});
    let function = bed.function(&login);
    bed.allowed(&function).await;

    // Destroyed, the old one opens nothing: neither for the running function nor for anybody else.
    let secret_ids = format!("auth/approle/role/{AUTHORIZER_ROLE}/secret-id");
    bed.openbao.write(&format!("{secret_ids}/destroy"), json!({"secret_id": secret_id})).await;
    bed.revoke_logins("approle").await;
    let message = bed.login_refused(&function).await;
    assert!(message.contains("auth/approle/login"), "{message}");

    let fresh = bed.openbao.write(&secret_ids, json!({})).await["data"]["secret_id"].take();
    let fresh = fresh.as_str().unwrap().to_owned();
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
    let function = bed.function(&json!({"method": "jwt", "role": AUTHORIZER_ROLE, "jwt_file": "vault.jwt"}));
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

fn aws_login(emulator: &Emulator) -> Value {
    json!({"method": "aws", "role": AUTHORIZER_ROLE, "server_id": AUDIENCE, "sts_endpoint": emulator.sts_url()})
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
    let login = aws_login(&emulator);
    let function = bed.function_with(&login, &env(&own));
    bed.allowed(&function).await;
    bed.allowed(&function).await;
    assert_eq!(aws_auth.login_count(), 1);
    // The stand-in creates what the plugin grants.
    let granted_by = if aws_auth.is_plugin() { "auth/aws/login" } else { "auth/token/create" };
    bed.revoke_tokens_of(granted_by).await;
    bed.allowed(&function).await;
    assert_eq!(aws_auth.login_count(), 2);

    let other_server = with(&login, json!({"server_id": "other.example.com"}));
    let unknown_role = with(&login, json!({"role": "nobody"}));
    let other_region = with(&login, json!({"sts_region": "eu-west-1"}));
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
        bed.openbao.delete(&role).await;
        let mut quickstart = vault_setup::quickstart_script(&bed.openbao);
        quickstart.args(["--aws-principal", principal, "--server-id", AUDIENCE]);
        let ran = quickstart.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let written = bed.openbao.read(&role).await;
        bed.allowed(&bed.function_with(&login, &env(&own))).await;

        bed.openbao.delete(&role).await;
        bed.vault(&login, &apply).printed(0);
        bed.vault(&login, &plan).printed(0);
        let applied = bed.openbao.read(&role).await;
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
    let login = aws_login(&emulator);
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
    bed.openbao.write(&format!("auth/jwt/role/{AUTHORIZER_ROLE}"), role).await;
    let sts = WebIdentitySts::start(Arc::clone(&account), AUDIENCE);
    let login = |audience: &str| {
        json!({"method": "jwt", "role": AUTHORIZER_ROLE, "web_identity_audience": audience, "sts_region": STS_REGION,
            "sts_endpoint": sts.url()})
    };
    let environment = WebIdentitySts::environment();

    let mark = bed.openbao.audit_mark();
    let function = bed.function_with(&login(AUDIENCE), &environment);
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

    let other = bed.function_with(&login("another.example.com"), &environment);
    let message = bed.login_refused(&other).await;
    assert!(message.contains("STS refused to issue a web identity token: `AccessDenied`"), "{message}");
    let wrong = [environment[0], ("AWS_SECRET_ACCESS_KEY", "wrong"), environment[2]];
    let forger = bed.function_with(&login(AUDIENCE), &wrong);
    let message = bed.login_refused(&forger).await;
    assert!(message.contains("`SignatureDoesNotMatch`"), "{message}");
    assert!(!forger.log().contains(SESSION_TOKEN), "STS's message quotes it; the log must not");
    let none = bed.function(&login(AUDIENCE));
    let message = bed.login_refused(&none).await;
    assert!(message.contains("AWS_ACCESS_KEY_ID"), "{message}");
    assert_eq!(sts.issued(), 2);
}

#[tokio::test]
async fn an_sts_that_is_away_is_a_fault_that_says_so() {
    let bed = Bed::new("web-identity-away").await;
    let login = json!({"method": "jwt", "role": AUTHORIZER_ROLE, "web_identity_audience": AUDIENCE,
        "sts_endpoint": "http://127.0.0.1:9"});
    let function = bed.function_with(&login, &WebIdentitySts::environment());
    let message = bed.login_fails(&function, "sts_unavailable").await;
    assert!(message.contains("STS did not issue the JWT"), "{message}");
}

#[tokio::test]
async fn rejects_a_login_that_is_not_the_roles_as_a_fault_that_names_the_path() {
    let bed = Bed::new("login-refused").await;
    let (platform, stranger) = (Issuer::start(), Issuer::start());
    let AppRole { role_id, secret_id } = vault_setup::approle_login(&bed.openbao).await;
    vault_setup::jwt_login(&bed.openbao, &platform, AUDIENCE).await;
    let good = workload_token(&platform, AUDIENCE);
    let jwt = |name: &str, content: &str| json!({"method": "jwt", "role": AUTHORIZER_ROLE, "jwt_file": bed.file(name, content)});
    let approle = json!({"method": "approle", "role_id": role_id, "secret_id": secret_id});
    let other_audience = workload_token(&platform, "another.example.com");
    let forged = platform.forged(&TokenSpec::new().claim("aud", AUDIENCE));
    let other_issuer = workload_token(&stranger, AUDIENCE);
    let cases = [
        (with(&jwt("good", &good), json!({"role": "nobody"})), "auth/jwt/login", "could not be found"),
        (jwt("audience", &other_audience), "auth/jwt/login", "audience"),
        (jwt("forged", &forged), "auth/jwt/login", "signature"),
        (jwt("issuer", &other_issuer), "auth/jwt/login", "status 400"),
        (with(&jwt("mount", &good), json!({"mount": "elsewhere"})), "auth/elsewhere/login", "403"),
        (with(&approle, json!({"role_id": "nobody"})), "auth/approle/login", "status 400"),
        (with(&approle, json!({"secret_id": "no-such-id"})), "auth/approle/login", "status 400"),
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
