//! What `docs/vault-clients.md` says of the clients that people have: what each does by default, and that its settings help.
//!
//! A client talks to a real OpenBao through a [tap](LoadBalancer::tap), which sees what it sends and can lose an answer. That
//! each does the whole job is in `stack`, and that it waits for a standby that lags behind in `chaos`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use test_bed::{LoadBalancer, LocalBed, Minted, OpenBao, parts};

use crate::stack;

const PATH: &str = "auth/token/create/orders-prod-reader";
const UNWRAP: &str = "/v1/sys/wrapping/unwrap";
const SPENT: &str = "wrapping token is not valid or does not exist";
const OTHER_TOKEN: &str = "s.TokenOfTheEnvironment";
const OTHER_NAMESPACE: &str = "namespace-of-the-environment";
const GO: [&str; 2] = ["vault-api", "openbao-api"];

struct Bed {
    // Dropped in this order: the proxy before the server.
    tap: LoadBalancer,
    local: LocalBed,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let local = LocalBed::new(name).await;
        let port = local.openbao.address().rsplit_once(':').unwrap().1.parse().unwrap();
        Self { tap: LoadBalancer::tap(port), local }
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

    /// A folder as a home, in which `vault login` has left another token.
    fn home(&self) -> PathBuf {
        let home = self.local.scratch.folder("home");
        std::fs::write(home.join(".vault-token"), OTHER_TOKEN).unwrap();
        home
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

/// A Go client as its library makes it.
fn by_default(binary: &str) -> Command {
    let mut command = command(parts::go(binary));
    command.arg("defaults");
    command
}

fn spring(what: &str) -> Command {
    let [.., (_, mut command)] = stack::clients();
    command.arg(what);
    command
}

fn python(program: &str) -> Command {
    let mut command = command(parts::python());
    command.arg(parts::client(program));
    command
}

fn node(program: &str) -> Command {
    let mut command = command("node");
    command.arg(parts::client(program)).env("NODE_PATH", parts::node().join("node_modules"));
    command
}

#[tokio::test]
async fn a_lost_answer_is_not_followed_by_a_second_unwrap() {
    let bed = Bed::new("clients-lost").await;
    for (name, command) in &mut stack::clients() {
        let context = bed.context().await;
        bed.tap.lose_answer(UNWRAP);
        let (good, printed) = bed.run(command, &context);
        assert!(!good, "{name}: {printed}");
        assert_eq!(bed.unwraps(), 1, "{name}: {printed}");
        let of_transport = match *name {
            "hvac" => "requests.exceptions.ConnectionError",
            "Spring Vault" => "ResourceAccessException",
            _ => "",
        };
        assert!(printed.contains(of_transport), "{name}: {printed}");
        for misleading in ["not valid", "ALARM", "no node knows", token(&context)] {
            assert!(!printed.contains(misleading), "{name}: {printed}");
        }
        assert!(bed.lives(&context).await, "{name}: nobody can give back what was lost");
    }
}

/// What each client's error is where Vault answers and refuses: it is told apart from a lost answer.
#[tokio::test]
async fn a_refusal_is_the_librarys_own_error() {
    let bed = Bed::new("clients-refused").await;
    let context = bed.context().await;
    bed.openbao().seal().await;
    for (name, command) in &mut stack::clients() {
        let (good, printed) = bed.run(command, &context);
        let of_library = match *name {
            "hvac" => "hvac.exceptions.VaultDown: Vault is sealed",
            "node-vault" => "Vault is sealed",
            "Spring Vault" => "VaultException: Status 503",
            _ => "Code: 503. Errors:",
        };
        assert!(!good && printed.contains(of_library), "{name}: {printed}");
    }
}

#[tokio::test]
async fn by_default_go_clients_turn_a_lost_answer_into_a_token_that_is_not_valid() {
    let bed = Bed::new("clients-retried").await;
    for binary in GO {
        let context = bed.context().await;
        bed.tap.lose_answer(UNWRAP);
        let (good, printed) = bed.run(&mut by_default(binary), &context);
        assert!(!good && printed.contains(SPENT), "{binary}: {printed}");
        assert_eq!(bed.unwraps(), 2, "{binary}: the second one is refused");
    }
}

#[tokio::test]
async fn nothing_is_taken_from_the_environment() {
    let bed = Bed::new("clients-environment").await;
    let home = bed.home();
    for (name, command) in &mut stack::clients() {
        for prefix in ["VAULT", "BAO"] {
            let variable = |name: &str| format!("{prefix}_{name}");
            command.env(variable("TOKEN"), OTHER_TOKEN).env(variable("NAMESPACE"), OTHER_NAMESPACE);
            command.env(variable("AGENT_ADDR"), "http://127.0.0.1:9");
            command.env(variable("MAX_RETRIES"), "5");
        }
        let context = bed.context().await;
        let (good, printed) = bed.run(command.env("HOME", &home), &context);
        assert!(good && printed.contains("orders-prod"), "{name}: {printed}");
        for request in bed.tap.take_requests() {
            for foreign in [OTHER_TOKEN, OTHER_NAMESPACE] {
                assert!(!request.contains(foreign), "{name} sends {foreign}: {request}");
            }
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
    for (name, command) in &mut stack::clients() {
        // The token is not of this namespace, so the job is not done; what matters is where each client asks.
        bed.run(command.env("NAMESPACE", "team"), &context);
        let requests = bed.tap.take_requests();
        let with_namespace =
            |request: &String| request.to_lowercase().contains("\r\nx-vault-namespace: team\r\n");
        assert!(!requests.is_empty() && requests.iter().all(with_namespace), "{name}: {requests:?}");
    }
}

#[tokio::test]
async fn by_default_go_clients_take_the_environment() {
    let bed = Bed::new("clients-go-environment").await;
    for binary in GO {
        for (variable, value, told) in [
            ("TOKEN", OTHER_TOKEN, "permission denied"),
            // No word of a namespace: the client takes the 404 for an older Vault, and asks for the answer where that kept it.
            ("NAMESPACE", OTHER_NAMESPACE, "no value found at \"cubbyhole/response\""),
            ("AGENT_ADDR", "http://127.0.0.1:9", "127.0.0.1:9"),
        ] {
            let context = bed.context().await;
            let prefixes = if binary == "vault-api" { vec!["VAULT"] } else { vec!["VAULT", "BAO"] };
            for prefix in prefixes {
                let mut command = by_default(binary);
                command.env(format!("{prefix}_{variable}"), value).env("VAULT_MAX_RETRIES", "0");
                let (good, printed) = bed.run(&mut command, &context);
                assert!(!good && printed.contains(told), "{binary}, {prefix}_{variable}: {printed}");
            }
            assert!(bed.lives(&context).await, "{binary}, {variable}");
        }
    }
}

#[tokio::test]
async fn by_default_python_and_node_send_the_environments_token_with_a_lookup() {
    let bed = Bed::new("clients-lookup").await;
    let home = bed.home();
    let sent = |command: &mut Command, context: &Value| {
        let (good, printed) = bed.run(command, context);
        assert!(good, "{printed}");
        let [request] = bed.tap.take_requests().try_into().unwrap();
        request.to_lowercase()
    };
    let (of_token, of_namespace) =
        (OTHER_TOKEN.to_lowercase(), format!("x-vault-namespace: {OTHER_NAMESPACE}"));
    let context = bed.context().await;
    assert!(sent(python("lookup.py").env("HOME", &home), &context).contains(&of_token));
    let environment = [("VAULT_TOKEN", OTHER_TOKEN), ("VAULT_NAMESPACE", OTHER_NAMESPACE)];
    let by_hvac = sent(python("lookup.py").envs(environment), &context);
    assert!(by_hvac.contains(&of_token) && !by_hvac.contains(&of_namespace), "{by_hvac}");
    let by_node = sent(node("lookup.cjs").envs(environment), &context);
    assert!(by_node.contains(&of_token) && by_node.contains(&of_namespace), "{by_node}");
}

/// Nothing listens at the address, as during an outage: the token is not spent, and whoever reads it in a log can open it.
#[tokio::test]
async fn what_a_log_must_not_have_of_a_refused_connection() {
    let bed = Bed::new("clients-logs").await;
    let closed = "http://127.0.0.1:9";
    let context = bed.context().await;
    let printed = |command: &mut Command| {
        let (good, printed) = stack::run(command, closed, &context);
        assert!(!good && printed.contains("127.0.0.1"), "{printed}");
        printed
    };
    assert!(printed(node("show_error.cjs").arg("error")).contains(token(&context)));
    assert!(!printed(node("show_error.cjs").arg("message")).contains(token(&context)));
    assert!(printed(python("show_error.py").arg("headers")).contains(token(&context)));
    assert!(!printed(python("show_error.py").arg("error")).contains(token(&context)));
    for binary in GO {
        let shown = printed(by_default(binary).env("VAULT_MAX_RETRIES", "0"));
        assert!(!shown.contains(token(&context)), "{shown}");
        let (_, client) = stack::run(Command::new(parts::go(binary)).arg("print"), closed, &context);
        assert!(client.contains(token(&context)), "{client}");
    }
    assert!(!printed(&mut spring("login")).contains(token(&context)));
}

/// Each of these prints the body of the lookup, in which the wrapping token is.
#[tokio::test]
async fn what_the_debug_logs_of_clients_have() {
    let bed = Bed::new("clients-debug").await;
    let lines = "handlers = java.util.logging.ConsoleHandler\n\
        java.util.logging.ConsoleHandler.level = ALL\n\
        org.springframework.web.client.RestTemplate.level = FINE\n";
    let logging = bed.local.file("logging.properties", lines);
    let [_, (_, mut node_vault), .., (_, mut spring)] = stack::clients();
    node_vault.env("DEBUG", "node-vault");
    spring.env("JDK_JAVA_OPTIONS", format!("-Djava.util.logging.config.file={logging}"));
    for mut command in [node_vault, spring] {
        let mut context = bed.context().await;
        // Refused at the end, so that what was printed on the way is what `run` answers.
        context["vaultWrappedAccessor"] = json!("another");
        let (good, printed) = bed.run(&mut command, &context);
        assert!(!good && printed.contains("not the one the authorizer minted"), "{printed}");
        assert!(printed.contains(token(&context)), "{printed}");
    }
}

#[tokio::test]
async fn springs_own_login_needs_lookup_self_and_else_leaves_the_token_alive() {
    let bed = Bed::new("clients-spring").await;
    let context = bed.context().await;
    assert_eq!(bed.run(&mut spring("login"), &context), (true, "logged in\n".to_owned()));
    assert_eq!(bed.run(&mut spring("read"), &context), (true, "null\n".to_owned()), "a spent token");

    // As it was before the policy allowed it.
    let earlier = r#"path "auth/token/revoke-self" { capabilities = ["update"] }"#;
    bed.openbao().policy("vault-authorizer-self", earlier).await;
    let context = bed.context().await;
    let (good, printed) = bed.run(&mut spring("login"), &context);
    assert!(!good && printed.contains("Token self-lookup failed: 403"), "{printed}");
    assert!(bed.lives(&context).await);
    let context = bed.context().await;
    assert_eq!(bed.run(&mut spring("login-without-lookup"), &context), (true, "logged in\n".to_owned()));
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
