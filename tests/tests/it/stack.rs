//! The deployed quickstart: a request with a real JWT through the emulated API Gateway, the authorizer with its IAM
//! role, a real OpenBao, and the integrations that unwrap the result.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use test_bed::process::finished;
use test_bed::{AwsBed, DeployedStack, QuickstartParameters, TokenSpec, http, parts, proxied_event};

use crate::conformance::{LANGUAGES, Process, Runner as _};

const CREATION_PATH: &str = "auth/token/create/orders-prod-reader";

/// Everything, deployed and warm.
pub(crate) struct Stack {
    // Dropped in this order: clients before servers.
    pub(crate) deployed: DeployedStack,
    pub(crate) bed: AwsBed,
}

impl Stack {
    pub(crate) async fn new(name: &str) -> Self {
        let bed = AwsBed::new(name, "quickstart-authorizer").await;
        let parameters = QuickstartParameters::new(&bed.vault.address(), &bed.issuer.url());
        let deployed = DeployedStack::quickstart(&bed.emulator, &parameters).await;
        Self { deployed, bed }
    }

    async fn get(&self, stage: &str, token: &str) -> (u16, Value) {
        self.bed.get(&self.orders(stage), Some(token)).await
    }

    fn orders(&self, stage: &str) -> String {
        format!("{}/orders", self.deployed.url(stage))
    }

    /// The context that the deployed authorizer makes for a call, which no integration has seen.
    async fn context(&self, token: &str) -> Value {
        self.deployed.authorize(token).await["context"].take()
    }
}

#[tokio::test]
async fn the_main_job() {
    let stack = Stack::new("main-job").await;
    stack.bed.assert_served(&stack.orders("prod"), [401, 401]).await;
    stack.bed.assert_served_on_staging(&stack.orders("staging")).await;
    for refused in [&stack.bed.issuer.token(&TokenSpec::reader().expires_in(-5)), "x"] {
        assert_eq!(stack.get("prod", refused).await.0, 401);
    }
    let codes = stack.bed.codes(stack.deployed.output("AuthorizerLogGroup")).await;
    let more = ["allowed", "token_expired", "credential_malformed"];
    assert_eq!(codes, [&AwsBed::DECISIONS[..], &more].concat());
    assert_eq!(stack.bed.vault.aws_auth.login_count(), 1);
}

/// What the deployed authorizer makes is what each package opens; their cases are in `conformance`.
#[tokio::test]
async fn integrations_in_every_language_unwrap_once() {
    let stack = Stack::new("integrations").await;
    let token = stack.bed.good_token();
    let address = stack.bed.vault.address();

    // Rust is the deployed sample.
    assert_eq!(stack.get("prod", &token).await.0, 200);

    for language in LANGUAGES {
        let mut runner = Process::start(parts::integration(language), &stack.bed.scratch);
        let context = stack.context(&token).await;
        let request = json!({
            "integration": {"address": address, "creation_paths": [CREATION_PATH]},
            "event": {"requestContext": {"authorizer": context}}, "use": [{"kv": ["secret", "prod/orders"]}],
        });
        let answer = runner.answer(&request).await;
        assert_eq!(answer["values"][0]["username"], "orders-prod", "{language}: {answer}");
        assert_eq!(answer["token"]["accessor"], context["vaultWrappedAccessor"], "{language}");
        assert_eq!(runner.answer(&request).await["error"], "TokenSpent", "{language}");
    }

    let context = stack.context(&token).await;
    assert!(context["vaultWrappingToken"].is_string(), "{context}");
    let (good, printed) = run(&mut spring(), &address, &context);
    assert!(good, "{printed}");
    let opened: Value = serde_json::from_str(printed.trim()).unwrap_or_else(|_| panic!("{printed}"));
    assert_eq!(opened["username"], "orders-prod");
    assert_eq!(opened["accessor"], context["vaultWrappedAccessor"]);
    assert!(!printed.contains(context["vaultWrappingToken"].as_str().unwrap()));
    // The token is revoked and the wrapping token spent: a second unwrap is refused.
    let (good, printed) = run(&mut spring(), &address, &context);
    assert!(!good && printed.contains("no node knows the wrapping token"), "{printed}");
    // A context for another path is refused before anything is sent.
    let mut tampered = stack.context(&token).await;
    tampered["vaultCreationPath"] = json!("auth/token/create/admin");
    let (good, printed) = run(&mut spring(), &address, &tampered);
    assert!(!good && printed.contains("creation path"), "{printed}");
}

/// The integration in Java, with Spring Vault.
pub(crate) fn spring() -> Command {
    let mut java = Command::new("java");
    java.args(["-XX:TieredStopAtLevel=1", "-cp"]).arg(parts::java()).arg(parts::client("java/Unwrap.java"));
    java
}

/// Gives a client the context on standard input; answers whether it ended well, and what it printed.
pub(crate) fn run(command: &mut Command, address: &str, context: &Value) -> (bool, String) {
    give(start(command, address), context)
}

/// A client that waits for its context.
pub(crate) fn start(command: &mut Command, address: &str) -> Child {
    command
        .env("VAULT_ADDR", address)
        .env("CREATION_PATH", CREATION_PATH)
        .env("SECRET_PATH", "secret/data/prod/orders")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// See [`run`].
pub(crate) fn give(child: Child, context: &Value) -> (bool, String) {
    let output = finished(child, context.to_string().as_bytes());
    let printed = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(printed).unwrap())
}

/// Every process under `RUST_LOG=trace`, every outcome, and then a search of everything that any of them has printed.
#[tokio::test]
async fn no_secret_reaches_any_output_of_any_process() {
    let stack = Stack::new("redaction").await;
    let mut secrets = vec![stack.bed.vault.openbao.root_token().to_owned()];
    secrets.extend(["sample-prod-password", "sample-staging-password"].map(str::to_owned));

    let trace = stack.with_trace().await;
    let tokens = [
        stack.bed.good_token(),
        stack.bed.issuer.forged(&TokenSpec::new()),
        stack.bed.issuer.token(&TokenSpec::new()),
        stack.bed.issuer.token(&TokenSpec::new().expires_in(-5)),
        format!("{}.tampered", stack.bed.good_token()),
    ];
    for token in &tokens {
        stack.get("prod", token).await;
        stack.get("staging", token).await;
        secrets.push(token.clone());
        secrets.extend(token.split('.').nth(2).filter(|part| part.len() > 20).map(str::to_owned));
    }
    // A context of our own, unwrapped by the sample directly: first as it is, then a second time, which fails.
    let context = stack.context(&tokens[0]).await;
    secrets.push(context["vaultWrappingToken"].as_str().unwrap().to_owned());
    assert_eq!(stack.invoke_orders(&context).await, 200);
    assert_ne!(stack.invoke_orders(&context).await, 200);
    let smuggled = [("authorization", "Bearer x"), ("x-vault-token", "s.SmuggledVaultToken")];
    http::call("GET", &stack.orders("prod"), &smuggled).await;
    secrets.push("s.SmuggledVaultToken".to_owned());
    stack.bed.vault.openbao.seal().await;
    assert!(stack.get("prod", &tokens[0]).await.0 >= 500);
    stack.bed.vault.openbao.unseal().await;

    let printed = stack.printed().await;
    assert!(
        printed.iter().any(|(name, text)| name == "authorizer" && text.contains("\"outcome\":\"allowed\""))
    );
    assert!(printed.iter().any(|(name, text)| name == "authorizer" && text.contains("vault_sealed")));
    assert!(printed.iter().any(|(name, text)| name == "orders" && text.contains("\"level\"")));
    assert!(trace, "both functions ran under RUST_LOG=trace");
    for (name, text) in &printed {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{name} printed a secret that begins {secret:.6}…");
        }
        // Tokens this test never saw: the authorizer's own, and the callers' in clear. OpenBao's tokens begin so.
        let issued = text.match_indices("s.").find(|(at, _)| looks_like_a_token(&text[*at + 2..]));
        assert!(issued.is_none(), "{name} printed what looks like a Vault token");
        for marker in ["Signature=", "X-Amz-Security-Token", "iam_request_headers", "eyJ"] {
            assert!(!text.contains(marker), "{name} printed {marker}");
        }
    }
}

fn looks_like_a_token(rest: &str) -> bool {
    rest.len() >= 24 && rest.bytes().take(24).all(|b| b.is_ascii_alphanumeric())
}

impl Stack {
    /// Deploys again with `RUST_LOG=trace` in both functions.
    async fn with_trace(&self) -> bool {
        let mut traced = true;
        for name in ["AuthorizerFunctionName", "OrdersFunctionName"] {
            let function = self.deployed.output(name);
            let changed =
                self.bed.emulator.client_script("set_variable.py", &[function, "RUST_LOG", "trace"]).await;
            traced &= changed.trim() == "trace";
        }
        traced
    }

    async fn invoke_orders(&self, context: &Value) -> Value {
        let function = self.deployed.output("OrdersFunctionName");
        self.bed.emulator.aws().invoke(function, &proxied_event(context)).await["statusCode"].take()
    }

    /// What each process has printed: both functions, and every child of this bed.
    async fn printed(&self) -> Vec<(String, String)> {
        let mut printed = vec![
            ("authorizer".to_owned(), self.deployed.authorizer_log().await),
            ("orders".to_owned(), self.deployed.orders_log().await),
        ];
        let children = self.bed.scratch.logs();
        printed.extend(children.into_iter().map(|(path, text)| (path.display().to_string(), text)));
        printed
    }
}
