//! Dynamic credentials of PostgreSQL: each sample answers a tenant's rows with a user that Vault made for the
//! request. The user is gone when the token is.

use std::cell::RefCell;

use serde_json::{Value, json};
use test_bed::{
    Configuration, Function, LocalBed, OrdersDatabase, TENANTS, TokenSpec, configuration, parts,
    proxied_event,
};

/// What `examples/orders/database.sql` has in the table.
fn rows(tenant: &str) -> Value {
    match tenant {
        "acme" => {
            json!([{"id": 1001, "item": "tea", "quantity": 3}, {"id": 1002, "item": "cups", "quantity": 6}])
        }
        _ => json!([{"id": 2001, "item": "ink", "quantity": 12}]),
    }
}

struct World {
    authorizer: Function,
    database: OrdersDatabase,
    bed: LocalBed,
    /// What no log may hold.
    secrets: RefCell<Vec<String>>,
}

impl World {
    async fn new(name: &str) -> Self {
        let tenants =
            |all: Configuration| OrdersDatabase::grants().into_iter().fold(all, Configuration::grant);
        let bed = LocalBed::with(name, tenants).await;
        let database = OrdersDatabase::start(&bed.scratch).await;
        database.set_up(&bed.openbao).await;
        let authorizer = bed.function(&tenants(bed.configuration()));
        Self { authorizer, database, bed, secrets: RefCell::default() }
    }

    /// What API Gateway gives the integration for a caller of this tenant.
    async fn event(&self, tenant: &str) -> Value {
        let jwt = self.bed.issuer.token(&TokenSpec::new().claim("tenant", tenant));
        let answer = self.authorizer.get("/orders", &jwt).await.response();
        assert_eq!(answer["context"]["vaultGrant"], format!("orders-{tenant}"), "{answer}");
        let wrapping_token = answer["context"]["vaultWrappingToken"].as_str().expect("a token").to_owned();
        self.secrets.borrow_mut().extend([jwt, wrapping_token]);
        proxied_event(&answer["context"])
    }

    /// Each sample with these stages, and its name.
    fn samples(&self, stages: &str) -> Vec<(&'static str, Function)> {
        let variables = [("VAULT_ADDR", self.bed.openbao.address()), ("ORDERS_STAGES", stages)];
        let scratch = &self.bed.scratch;
        let rust = Function::start(&parts::binary("release", "orders"), &variables, scratch);

        let [sample, package] = ["examples/orders-python", "integrations/python/src"];
        let path = [sample, package].map(|folder| parts::repository().join(folder).display().to_string());
        let path = path.join(":");
        // Nothing is written beside the sources.
        let of_python = [("PYTHONPATH", path.as_str()), ("PYTHONDONTWRITEBYTECODE", "1")];
        let runtime = parts::executable(scratch, "lambda_runtime.py");
        let python = Function::start(&runtime, &[&variables[..], &of_python].concat(), scratch);

        let module = parts::orders_typescript().expect("`cargo xtask parts` builds it").display().to_string();
        let node = parts::on_path("node").expect("Node.js is on the machine");
        let runtime = format!("#!{}\n{}", node.display(), parts::text("tests/clients/lambda_runtime.cjs"));
        let runtime = parts::script(&scratch.folder("program"), "bootstrap", &runtime);
        let of_node = [("SAMPLE", module.as_str())];
        let typescript = Function::start(&runtime, &[&variables[..], &of_node].concat(), scratch);
        vec![("Rust", rust), ("Python", python), ("TypeScript", typescript)]
    }

    /// The same with another member in the place of one of acme's.
    fn samples_with(&self, path: &str, value: impl Into<Value>) -> Vec<(&'static str, Function)> {
        let mut stages: Value = serde_json::from_str(&self.database.stages()).expect("JSON");
        *configuration::at(&mut stages, &format!("prod.0.{path}")) = value.into();
        self.samples(&stages.to_string())
    }

    /// Acme's call is answered with this status and code, and leaves no user behind.
    async fn assert_fails(&self, (sample, function): &(&str, Function), status: u16, code: &str) {
        let answer = function.invoke(&self.event("acme").await).await.response();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body, json!({"error": code}), "{sample}: {}", function.log());
        assert_eq!(answer["statusCode"], status, "{sample}");
        let retry_after = if status == 503 { json!("1") } else { Value::Null };
        assert_eq!(answer["headers"]["retry-after"], retry_after, "{sample}");
        self.database.no_users_left().await;
    }
}

#[tokio::test]
async fn each_sample_answers_its_tenants_rows_alone_with_a_user_that_the_revoke_removes() {
    let world = World::new("database").await;
    for (sample, function) in world.samples(&world.database.stages()) {
        for tenant in TENANTS {
            let event = world.event(tenant).await;
            let held = world.database.postgres.hold("orders").await;
            let looking = async {
                let users = world.database.waiting_users(1).await;
                assert_eq!(world.database.users().await, users, "{sample}: the only one that is there");
                held.release().await;
                users.into_iter().next()
            };
            let (answer, user) = tokio::join!(function.invoke(&event), looking);
            let user = user.unwrap();
            // The engine cuts the role's name to eight letters.
            assert!(user.starts_with(&format!("v-token-orders-{}-", &tenant[..1])), "{sample}: {user}");

            let answer = answer.response();
            assert_eq!(answer["statusCode"], 200, "{sample}: {answer} {}", function.log());
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            let expected = json!({
                "stage": "prod",
                "caller": "corp:alice",
                "grant": format!("orders-{tenant}"),
                "orders": rows(tenant),
                "database": {"role": format!("orders-{tenant}"), "lease_duration_seconds": 60},
                "vault": {
                    "policies": [format!("orders-{tenant}"), "vault-authorizer-self"],
                    "lease_duration_seconds": 120,
                    "creation_path": format!("auth/token/create/orders-{tenant}"),
                },
            });
            assert_eq!(body, expected, "{sample}");
            world.database.no_users_left().await;
        }
    }
}

/// The application asks for globex's role with acme's token: Vault's policy says no.
#[tokio::test]
async fn rejects_a_tenants_token_that_asks_for_anothers_credentials() {
    let world = World::new("other-tenant").await;
    for sample in world.samples_with("database.role", "orders-globex") {
        world.assert_fails(&sample, 500, "vault_forbidden").await;
    }
    let context = world.event("acme").await["requestContext"]["authorizer"].take();
    let (_, opened) = world.bed.openbao.unwrap(context["vaultWrappingToken"].as_str().unwrap()).await;
    let token = opened["auth"]["client_token"].as_str();
    for (tenant, status) in [("acme", 200), ("globex", 403)] {
        let path = format!("database/creds/orders-{tenant}");
        assert_eq!(world.bed.openbao.api("GET", &path, token, Value::Null).await.0, status, "{tenant}");
    }
}

/// The application is broken into, and its user tries what SQL has for that.
#[tokio::test]
async fn rejects_a_tenants_user_that_goes_for_anothers_rows() {
    let world = World::new("other-rows").await;
    let made = world.bed.openbao.read("database/creds/orders-acme").await;
    let [user, password] = ["username", "password"].map(|name| made[name].as_str().unwrap());
    let run = |sql: &'static str| world.database.postgres.run_as(user, password, sql);
    assert_eq!(run("SELECT DISTINCT tenant FROM orders").await.unwrap(), "acme\n");
    assert_eq!(run("SET row_security = off; SELECT 1").await.unwrap(), "1\n");
    for (sql, complaint) in [
        ("SET row_security = off; SELECT * FROM orders", "would be affected by row-level security policy"),
        ("SET ROLE globex", "permission denied to set role"),
        ("SET ROLE vault", "permission denied to set role"),
        ("SET SESSION AUTHORIZATION postgres", "permission denied to set session authorization"),
        ("GRANT globex TO acme", "permission denied to grant role"),
        ("ALTER TABLE orders DISABLE ROW LEVEL SECURITY", "must be owner of table"),
        ("UPDATE orders SET tenant = 'acme'", "permission denied for table orders"),
        ("CREATE ROLE more LOGIN", "permission denied to create role"),
    ] {
        let complained = run(sql).await.unwrap_err();
        assert!(complained.contains(complaint), "{sql}: {complained}");
    }
}

#[tokio::test]
async fn a_request_that_fails_leaves_no_user_behind_and_no_secret_in_a_log() {
    let world = World::new("failing").await;
    let charset = "kqKQ";
    let policy = format!("length = 40\nrule \"charset\" {{ charset = \"{charset}\" }}");
    world.bed.openbao.write("sys/policies/password/telling", json!({"policy": policy})).await;
    let telling = json!({"plugin_name": "postgresql-database-plugin", "password_policy": "telling"});
    world.bed.openbao.write("database/config/orders", telling).await;

    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for sample in world.samples_with("database.port", unused) {
        world.assert_fails(&sample, 503, "database_unreachable").await;
    }
    for sample in world.samples_with("database.name", "elsewhere") {
        world.assert_fails(&sample, 500, "database_refused").await;
    }
    world.database.postgres.query("REVOKE SELECT ON orders FROM acme").await;
    for sample in world.samples(&world.database.stages()) {
        world.assert_fails(&sample, 500, "database_refused").await;
    }

    let made = world.bed.openbao.read("database/creds/orders-globex").await;
    let is_password = |text: &str| text.len() == 40 && text.chars().all(|each| charset.contains(each));
    assert!(is_password(made["password"].as_str().unwrap()), "what is looked for is what Vault makes");
    for (path, log) in world.bed.scratch.logs() {
        let mut words = log.split(|each: char| !each.is_ascii_alphanumeric());
        assert!(!words.any(is_password), "{}", path.display());
        let held = world.secrets.borrow().iter().filter(|secret| log.contains(*secret)).count();
        assert_eq!(held, 0, "{}", path.display());
        assert!(!path.ends_with("function.log") || !log.contains("v-token-"), "{}", path.display());
    }
}
