//! `vault-authorizer fake-context` on a real OpenBao. An integration opens what it prints, once. The tests also show
//! what is refused, and how.

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_lambda_events::apigw::{
    ApiGatewayProxyRequest, ApiGatewayV2httpRequest, ApiGatewayWebsocketProxyRequest,
};
use serde_json::{Value, from_value, json};
use test_bed::{Command, Configuration, Grant, LocalBed, Ran, parts};
use vault_context::unwrap::{CreationPath, Integration, UnwrapError, Unwrapped};
use vault_context::vault::{Vault, VaultAddress, VaultOptions};

const READER: &str = "orders-prod-reader";
/// The configuration's own Vault, which must not be asked.
const REAL_VAULT: &str = "https://vault.example.com:8200";

struct World {
    bed: LocalBed,
}

impl World {
    async fn new(name: &str) -> Self {
        Self { bed: LocalBed::new(name).await }
    }

    fn configuration() -> Configuration {
        Configuration::new(REAL_VAULT)
            .issuer("corp", "https://login.example.com/")
            .grant(Grant::reader().set("routes", json!(["GET /orders/{id}"])).set("token.num_uses", 3))
            .grant(Grant::without_token("status", "GET /status"))
            .grant(Grant::new("never-made", "GET /never"))
            .grant(
                Grant::new("tenants", "GET /tenants").set("token.entity_alias", json!({"claim": "tenant"})),
            )
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let file = self.bed.file("authorizer.yaml", &Self::configuration().to_string());
        let command = Command::new(&[&["fake-context", "--config", &file][..], arguments].concat());
        command
            .env("VAULT_ADDR", self.bed.openbao.address())
            .env("VAULT_TOKEN", self.bed.openbao.root_token())
    }

    /// The event of one more token.
    fn event(&self, arguments: &[&str]) -> Value {
        let ran = self.command(&[&["--grant", READER][..], arguments].concat()).run();
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(ran.stderr.starts_with(&format!("a token of grant `{READER}` at ")), "{}", ran.stderr);
        serde_json::from_str(&ran.stdout).expect("nothing but the event is on standard output")
    }

    /// The integration that a developer runs beside it.
    fn integration(&self) -> Integration {
        let address = VaultAddress::parse(self.bed.openbao.address()).unwrap();
        let path = CreationPath::parse(&format!("auth/token/create/{READER}")).unwrap();
        Integration::new(Vault::new(VaultOptions::new(address)).unwrap(), path)
    }

    async fn open(&self, event: &Value) -> Result<Unwrapped, UnwrapError> {
        self.integration().open(event, SystemTime::now()).await
    }

    fn refused(&self, code: i32, arguments: &[&str]) -> String {
        refused(self.command(arguments).run(), code)
    }
}

#[track_caller]
fn refused(ran: Ran, code: i32) -> String {
    assert_eq!(ran.stdout, "", "nothing that a pipe could take for an event");
    ran.complained(code)
}

async fn reads_and_gives_back(token: Unwrapped) {
    let secret = token.kv("secret").get("prod/orders").await.unwrap();
    assert_eq!(secret["username"], "orders-prod");
    token.revoke().await.unwrap();
}

#[tokio::test]
async fn every_form_of_event_is_opened_by_an_integration_once() {
    let world = World::new("fake-context-events").await;
    let forms =
        [&[][..], &["--as", "rest"], &["--as", "http-1.0"], &["--as", "http-2.0"], &["--as", "websocket"]];
    for form in forms {
        let event = world.event(form);
        let token = world.open(&event).await.unwrap();
        assert_eq!((token.grant(), token.caller().id.as_str()), (READER, "corp:alice"), "{form:?}");
        assert_eq!(token.lease_duration_seconds(), 120);
        reads_and_gives_back(token).await;
        let again = world.open(&event).await.unwrap_err();
        assert_eq!(again.code(), "wrapping_token_not_known", "{form:?}");
    }
}

/// A handler in Rust, and in other languages, reads more of an event than the context.
#[tokio::test]
async fn every_form_of_event_is_one_of_api_gateways() {
    let world = World::new("fake-context-types").await;
    let (integration, now) = (world.integration(), SystemTime::now());
    for form in ["rest", "http-1.0"] {
        let request: ApiGatewayProxyRequest = from_value(world.event(&["--as", form])).unwrap();
        assert_eq!((request.http_method.as_str(), request.path_parameters["id"].as_str()), ("GET", "id"));
        reads_and_gives_back(integration.open_request(&request, now).await.unwrap()).await;
    }
    let request: ApiGatewayV2httpRequest = from_value(world.event(&["--as", "http-2.0"])).unwrap();
    assert_eq!(request.request_context.http.method.as_str(), "GET");
    reads_and_gives_back(integration.open_request(&request, now).await.unwrap()).await;
    let request: ApiGatewayWebsocketProxyRequest = from_value(world.event(&["--as", "websocket"])).unwrap();
    assert_eq!(request.request_context.event_type.as_deref(), Some("CONNECT"));
    reads_and_gives_back(integration.open_request(&request, now).await.unwrap()).await;
}

#[tokio::test]
async fn the_header_lines_are_opened_and_have_the_namespace_that_was_asked() {
    let world = World::new("fake-context-headers").await;
    let ran = world.command(&["--grant", READER, "--as", "headers", "--caller", "corp:Bob Example"]).run();
    assert_eq!(ran.code, 0, "{}", ran.all());
    let headers: BTreeMap<&str, &str> =
        ran.stdout.lines().map(|line| line.split_once(": ").expect("a header")).collect();
    let token = world.integration().open_headers(headers.clone(), SystemTime::now()).await.unwrap();
    assert_eq!(token.caller().id, "corp:Bob Example");
    reads_and_gives_back(token).await;
    assert!(!headers.contains_key("X-Vault-Context-Namespace"), "{headers:?}");

    world.bed.openbao.write("sys/namespaces/team1", json!({})).await;
    let missing = world.command(&["--grant", READER]).env("VAULT_NAMESPACE", "team1").run();
    let complaint = refused(missing, 1);
    assert!(complaint.contains("namespace `team1` has no token role"), "{complaint}");
}

#[tokio::test]
async fn the_mint_is_the_functions_own() {
    let world = World::new("fake-context-mint").await;
    let mark = world.bed.openbao.audit_mark();
    let token = world.open(&world.event(&["--caller", "corp:bob"])).await.unwrap();
    let requests = world.bed.openbao.requests_since(mark);
    assert_eq!(requests[0], format!("update auth/token/create/{READER}"));
    let about = json!({"accessor": token.accessor()});
    let about = world.bed.openbao.write("auth/token/lookup-accessor", about).await["data"].take();
    let meta =
        json!({"grant": READER, "stage": "prod", "request_id": "fake-context", "caller_id": "corp:bob"});
    assert_eq!(about["meta"], meta);
    assert_eq!((&about["num_uses"], &about["orphan"]), (&json!(3), &json!(true)));
    token.revoke().await.unwrap();
}

#[tokio::test]
async fn the_events_call_is_the_grants_or_the_given_one() {
    let world = World::new("fake-context-call").await;
    let of =
        |event: &Value| (event["httpMethod"].clone(), event["path"].clone(), event["pathParameters"].clone());
    let event = world.event(&[]);
    assert_eq!(of(&event), (json!("GET"), json!("/orders/id"), json!({"id": "id"})));
    assert_eq!(event["requestContext"]["stage"], "prod");
    let event = world.event(&["--method", "POST", "--path", "/orders/42"]);
    assert_eq!(of(&event), (json!("POST"), json!("/orders/42"), json!({"id": "42"})));
    assert_eq!(event["resource"], "/orders/{id}");
    let event = world.event(&["--as", "http-2.0", "--path", "/orders/42"]);
    assert_eq!(
        (&event["routeKey"], &event["rawPath"]),
        (&json!("GET /orders/{id}"), &json!("/prod/orders/42"))
    );
    for form in ["headers", "websocket"] {
        let told = world.refused(2, &["--grant", READER, "--as", form, "--path", "/a"]);
        assert!(told.contains(&format!("`--as {form}`")), "{told}");
    }
}

#[tokio::test]
async fn a_grant_without_a_token_needs_no_vault_and_its_context_has_none() {
    let world = World::new("fake-context-none").await;
    let file = world.bed.file("authorizer.yaml", &World::configuration().to_string());
    let ran = Command::new(&["fake-context", &file, "--grant", "status"]).run();
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stderr.contains("`mode: none`"), "{}", ran.stderr);
    let event = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(world.open(&event).await.unwrap_err().code(), "no_token");
}

/// What a developer has in the shell may be the production Vault.
#[tokio::test]
async fn rejects_a_vault_that_is_not_this_machine_unless_told() {
    let world = World::new("fake-context-remote").await;
    let remote = |more: &[&str]| {
        let command = world.command(&[&["--grant", READER][..], more].concat());
        refused(command.env("VAULT_ADDR", "https://vault.invalid:8200").run(), 1)
    };
    let told = remote(&[]);
    assert!(told.contains("`https://vault.invalid:8200`, which is not this machine"), "{told}");
    assert!(told.contains("--allow-remote"), "{told}");
    let asked = remote(&["--allow-remote"]);
    assert!(asked.contains("Vault could not be reached"), "{asked}");
}

/// The configuration names the real Vault, and its author would decide who gets the developer's token.
#[tokio::test]
async fn rejects_taking_the_configurations_vault_for_the_developers() {
    let world = World::new("fake-context-address").await;
    let told = refused(world.command(&["--grant", READER]).env("VAULT_ADDR", "").run(), 1);
    assert!(told.contains("VAULT_ADDR is not set"), "{told}");
    let event = world.event(&[]);
    let address = &event["requestContext"]["authorizer"]["vaultAddress"];
    assert_eq!(address, world.bed.openbao.address(), "the one that made the token");
}

#[tokio::test]
async fn what_is_missing_is_said_with_what_to_run() {
    let world = World::new("fake-context-refused").await;
    let told = world.refused(1, &["--grant", "never-made"]);
    let words = format!("`{}` has no token role `never-made`", world.bed.openbao.address());
    assert!(told.contains(&words) && told.contains("`vault-authorizer vault apply`"), "{told}");

    let powerless = world.bed.openbao.token_with("path \"secret/*\" { capabilities = [\"read\"] }").await;
    let told = refused(world.command(&["--grant", READER]).env("VAULT_TOKEN", &powerless).run(), 1);
    let path = format!("`update` on `auth/token/create/{READER}`");
    assert!(told.contains("your token from VAULT_TOKEN may not") && told.contains(&path), "{told}");

    for (arguments, words) in [
        (
            &["--grant", "nobodys"][..],
            "the configuration has: orders-prod-reader, status, never-made, tenants",
        ),
        (&["--grant", READER, "--caller", "bob"], "must begin with `corp:`"),
        (&["--grant", READER, "--caller", "corp:a\u{e9}"], "printable ASCII"),
        (&["--grant", READER, "--entity-alias", "blue"], "has none"),
        (&["--grant", "tenants"], "the claim `tenant`: give its value with `--entity-alias`"),
        (&["--grant", "tenants", "--entity-alias", "../blue"], "begins with a letter or digit"),
    ] {
        let told = world.refused(2, arguments);
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test]
async fn a_tenants_token_has_the_alias_that_is_given() {
    let world = World::new("fake-context-tenant").await;
    let apply = Command::new(&["vault", "apply", "--config", "-", "--no-quotas", "--adopt"]);
    let apply = apply.env("VAULT_ADDR", world.bed.openbao.address());
    let apply = apply.env("VAULT_TOKEN", world.bed.openbao.root_token());
    apply.stdin(&World::configuration().to_string()).run().printed(0);
    let ran = world.command(&["--grant", "tenants", "--entity-alias", "blue"]).run();
    assert_eq!(ran.code, 0, "{}", ran.all());
    let event: Value = serde_json::from_str(&ran.stdout).unwrap();
    let accessor = &event["requestContext"]["authorizer"]["vaultWrappedAccessor"];
    let about = world.bed.openbao.write("auth/token/lookup-accessor", json!({"accessor": accessor})).await;
    let entity = about["data"]["entity_id"].as_str().unwrap();
    let entity = world.bed.openbao.read(&format!("identity/entity/id/{entity}")).await;
    assert_eq!(entity["aliases"][0]["name"], "blue@corp");
}

#[test]
fn the_reference_names_every_option() {
    let reference = parts::text("docs/cli.md");
    let help = Command::new(&["fake-context", "--help"]).run().printed(0);
    let section = reference.split("## fake-context").nth(1).expect("a section of its own");
    let section = section.split("\n## ").next().unwrap_or_default();
    let options = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2);
    for option in options.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphabetic() && c != '-')) {
        // What the examples show of other commands, and what every command has.
        if !["--help", "--header"].contains(&option) {
            assert!(section.contains(&format!("`{option}`")), "{option}");
        }
    }
}
