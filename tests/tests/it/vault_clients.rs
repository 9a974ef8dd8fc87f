//! What `docs/vault-clients.md` says of Java, which has no package of its own, and of Vault's command line.
//!
//! A client talks to a real OpenBao through a [tap](LoadBalancer::tap), which sees what it sends and can lose an
//! answer. `stack` tests that the sample in Java does the whole job, and `chaos` that it waits for a standby that
//! lags behind.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use serde_json::{Value, json};
use test_bed::{LoadBalancer, LocalBed, Minted, OpenBao, http, parts};

use crate::stack;

const PATH: &str = "auth/token/create/orders-prod-reader";
const UNWRAP: &str = "/v1/sys/wrapping/unwrap";
const SPENT: &str = "wrapping token is not valid or does not exist";
const OTHER_TOKEN: &str = "s.TokenOfTheEnvironment";
const OTHER_NAMESPACE: &str = "namespace-of-the-environment";

struct Bed {
    // Dropped in this order: the proxy before the server.
    tap: LoadBalancer,
    local: LocalBed,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let local = LocalBed::new(name).await;
        Self { tap: LoadBalancer::tap(http::port(local.openbao.address())), local }
    }

    fn openbao(&self) -> &OpenBao {
        &self.local.openbao
    }

    /// The context of a call whose token nobody has opened yet.
    async fn context(&self) -> Value {
        self.openbao().context(&self.tap.address()).await
    }

    /// Whether the token inside lives.
    async fn lives(&self, context: &Value) -> bool {
        self.openbao().lives(&Minted::of_context(context).accessor).await
    }

    fn run(&self, command: &mut Command, context: &Value) -> (bool, String) {
        stack::run(command, &self.tap.address(), context)
    }

    fn unwraps(&self) -> usize {
        self.tap.take_requests().iter().filter(|request| request.contains(UNWRAP)).count()
    }
}

fn token(context: &Value) -> &str {
    context["vaultWrappingToken"].as_str().unwrap()
}

/// A command that has none of the variables that whoever runs the tests may have for a Vault of theirs.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let is_vaults =
        |name: &OsString| ["VAULT_", "BAO_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_vaults(name)) {
        command.env_remove(name);
    }
    command
}

#[tokio::test]
async fn a_lost_answer_is_not_followed_by_a_second_unwrap() {
    let bed = Bed::new("clients-lost").await;
    let context = bed.context().await;
    bed.tap.lose_answer(UNWRAP);
    let (good, printed) = bed.run(&mut stack::spring(), &context);
    assert!(!good && printed.contains("ResourceAccessException"), "{printed}");
    assert_eq!(bed.unwraps(), 1, "{printed}");
    for misleading in ["not valid", "ALARM", "no node knows", token(&context)] {
        assert!(!printed.contains(misleading), "{printed}");
    }
    assert!(bed.lives(&context).await, "nobody can give back what was lost");
}

/// It is told apart from a lost answer.
#[tokio::test]
async fn a_refusal_is_the_librarys_own_error() {
    let bed = Bed::new("clients-refused").await;
    let context = bed.context().await;
    bed.openbao().seal().await;
    let (good, printed) = bed.run(&mut stack::spring(), &context);
    assert!(!good && printed.contains("VaultException: Status 503"), "{printed}");
}

#[tokio::test]
async fn nothing_is_taken_from_the_environment() {
    let bed = Bed::new("clients-environment").await;
    let mut command = stack::spring();
    for prefix in ["VAULT", "BAO"] {
        let variable = |name: &str| format!("{prefix}_{name}");
        command.env(variable("TOKEN"), OTHER_TOKEN).env(variable("NAMESPACE"), OTHER_NAMESPACE);
    }
    let (good, printed) = bed.run(&mut command, &bed.context().await);
    assert!(good && printed.contains("orders-prod"), "{printed}");
    for request in bed.tap.take_requests() {
        for foreign in [OTHER_TOKEN, OTHER_NAMESPACE] {
            assert!(!request.contains(foreign), "it sends {foreign}: {request}");
        }
    }
}

#[tokio::test]
async fn the_namespace_that_is_set_is_sent_with_each_call() {
    let bed = Bed::new("clients-namespace").await;
    let root = Some(bed.openbao().root_token());
    let made = bed.openbao().api("POST", "sys/namespaces/team", root, json!({})).await;
    assert_eq!(made.0, 200, "{}", made.1);
    let mut context = bed.context().await;
    context["vaultNamespace"] = json!("team");
    // The token is not of this namespace, so the job is not done; what matters is where the client asks.
    bed.run(stack::spring().env("NAMESPACE", "team"), &context);
    let requests = bed.tap.take_requests();
    let with_namespace =
        |request: &String| request.to_lowercase().contains("\r\nx-vault-namespace: team\r\n");
    assert!(!requests.is_empty() && requests.iter().all(with_namespace), "{requests:?}");
}

/// Nothing listens at the address, as during an outage: the token is not spent, and whoever reads it in a log can open it.
#[tokio::test]
async fn the_error_of_a_refused_connection_does_not_have_the_token() {
    let bed = Bed::new("clients-logs").await;
    let context = bed.context().await;
    let (good, printed) = stack::run(stack::spring().arg("login"), "http://127.0.0.1:9", &context);
    assert!(!good && printed.contains("127.0.0.1") && !printed.contains(token(&context)), "{printed}");
}

/// It prints the body of the lookup, in which the wrapping token is.
#[tokio::test]
async fn the_debug_log_has_the_token() {
    let bed = Bed::new("clients-debug").await;
    let lines = "handlers = java.util.logging.ConsoleHandler\n\
        java.util.logging.ConsoleHandler.level = ALL\n\
        org.springframework.web.client.RestTemplate.level = FINE\n";
    let logging = bed.local.file("logging.properties", lines);
    let mut spring = stack::spring();
    spring.env("JDK_JAVA_OPTIONS", format!("-Djava.util.logging.config.file={logging}"));
    let mut context = bed.context().await;
    // Refused at the end, so that what was printed on the way is what `run` answers.
    context["vaultWrappedAccessor"] = json!("another");
    let (good, printed) = bed.run(&mut spring, &context);
    assert!(!good && printed.contains("not the one the authorizer minted"), "{printed}");
    assert!(printed.contains(token(&context)), "{printed}");
}

#[tokio::test]
async fn springs_own_login_needs_lookup_self_and_else_leaves_the_token_alive() {
    let bed = Bed::new("clients-spring").await;
    let context = bed.context().await;
    assert_eq!(bed.run(stack::spring().arg("login"), &context), (true, "logged in\n".to_owned()));
    assert_eq!(bed.run(stack::spring().arg("read"), &context), (true, "null\n".to_owned()), "a spent token");

    // As it was before the policy allowed it.
    let earlier = r#"path "auth/token/revoke-self" { capabilities = ["update"] }"#;
    bed.openbao().policy("vault-authorizer-self", earlier).await;
    let context = bed.context().await;
    let (good, printed) = bed.run(stack::spring().arg("login"), &context);
    assert!(!good && printed.contains("Token self-lookup failed: 403"), "{printed}");
    assert!(bed.lives(&context).await);
    let context = bed.context().await;
    assert_eq!(
        bed.run(stack::spring().arg("login-without-lookup"), &context),
        (true, "logged in\n".to_owned())
    );
}

/// A lookup is the one call that a wrapping token in the header survives.
#[tokio::test]
async fn a_lookup_with_the_wrapping_token_in_the_header_does_not_burn_it() {
    let bed = Bed::new("clients-header").await;
    let context = bed.context().await;
    let header = Some(token(&context));
    for _ in 0..3 {
        let (status, found) = bed.openbao().api("POST", "sys/wrapping/lookup", header, json!({})).await;
        assert_eq!((status, &found["data"]["creation_path"]), (200, &json!(PATH)), "{found}");
    }
    assert_eq!(bed.openbao().unwrap(token(&context)).await.0, 200);

    let context = bed.context().await;
    let header = Some(token(&context));
    assert_eq!(bed.openbao().api("GET", "auth/token/lookup-self", header, Value::Null).await.0, 403);
    assert_eq!(bed.openbao().unwrap(token(&context)).await.0, 400, "burnt");
}

#[tokio::test]
async fn the_command_line_retries_only_where_a_variable_says_so() {
    let bed = Bed::new("clients-command").await;
    let unwrap = |context: &Value, retries: Option<&str>| {
        let mut command = command(parts::openbao());
        command.args(["unwrap", "-field=token"]).env("BAO_TOKEN", token(context));
        command.envs(retries.map(|retries| ("BAO_MAX_RETRIES", retries)));
        bed.run(&mut command, context)
    };
    let context = bed.context().await;
    let (good, opened) = unwrap(&context, None);
    assert!(good && opened.starts_with("s."), "{opened}");
    bed.unwraps();
    for (retries, unwraps) in [(None, 1), (Some("0"), 1), (Some("2"), 2)] {
        let context = bed.context().await;
        bed.tap.lose_answer(UNWRAP);
        let (good, printed) = unwrap(&context, retries);
        assert!(!good, "{printed}");
        assert_eq!((bed.unwraps(), printed.contains(SPENT)), (unwraps, unwraps == 2), "{printed}");
    }
}
