//! The authorizer's own login by each method that a real OpenBao serves: what logs in, what is taken up when it changes
//! under the running function, and that a login that fails is a fault and never a denial.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
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
    callers: Issuer,
    scratch: Scratch,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let openbao = OpenBao::start_in_memory(&scratch).await;
        vault_setup::configure(&openbao, &Setup::quickstart()).await;
        Self { openbao, callers: Issuer::start(), scratch }
    }

    fn function(&self, login: &str) -> Function {
        self.function_with(login, &[])
    }

    fn function_with(&self, login: &str, env: &[(&str, &str)]) -> Function {
        let config = format!(
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
            self.openbao.address(),
            self.callers.url()
        );
        let env = [&[("AUTHORIZER_CONFIG", config.as_str())], env].concat();
        Function::start(&parts::binary("release", "bootstrap"), env, &self.scratch)
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
        let accessors = self.openbao.as_root("LIST", "auth/token/accessors", Value::Null).await;
        let mut revoked = 0;
        for accessor in accessors["data"]["keys"].as_array().unwrap() {
            let accessor = json!({"accessor": accessor});
            let about = self.openbao.as_root("POST", "auth/token/lookup-accessor", accessor.clone()).await;
            if about["data"]["path"] == format!("auth/{mount}/login") {
                self.openbao.as_root("POST", "auth/token/revoke-accessor", accessor).await;
                revoked += 1;
            }
        }
        assert!(revoked > 0, "nobody is logged in at {mount}");
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

/// No secret is stored anywhere: AWS says who the function is, and OpenBao, which has no AWS auth method, believes AWS's
/// signature.
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
