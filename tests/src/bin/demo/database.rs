//! Database credentials that live as long as a request: two tenants, one table, and the sample in each language.
//!
//! Each query waits on a locked table until the demo has looked at `pg_roles`, so that it sees the user that Vault
//! made for the query.

pub(crate) mod tenants;

use serde_json::{Value, json};
use test_bed::TENANTS;

use crate::api::shown;
use crate::promise;
use crate::screen::Screen;
use crate::world::{World, alice};

pub(crate) async fn tell(screen: &Screen, world: &World) {
    screen.chapter("8  The database");
    screen.paragraph(
        "One PostgreSQL table has the orders of two tenants. A second API has a grant for each: the JWT names the tenant, \
         the tenant's token may read the credentials of one database role, and row-level security shows that role its own \
         rows. Every sample sends the same query. Below each: the user that Vault created for it, as seen in pg_roles.",
    );
    screen.line("");
    let mut users = Vec::new();
    for language in &world.tenants.languages {
        for tenant in TENANTS {
            users.push(called(screen, world, language, tenant).await);
        }
    }
    if !world.tenants.languages.contains(&"typescript") {
        screen.paragraph(
            "The sample in TypeScript was not run: it is built only if the machine has Node.js and npm.",
        );
    }
    let token = json!({"policies": ["orders-acme"], "no_default_policy": true, "ttl": "1m"});
    let token = world.vault.openbao.token(token).await;
    let of_another = "database/creds/orders-globex";
    let (status, _) = world.vault.openbao.api("GET", of_another, Some(&token), Value::Null).await;
    promise::equal("acme's policy reads globex's credentials", 403, status);
    screen.row("read globex's credentials", status, "with acme's token");
    for (name, log) in world.tenants.logs().await {
        let held = users.iter().filter(|user| log.contains(*user)).count();
        promise::equal(&format!("The log of {name}: database users in it"), 0, held);
    }
    screen.proved(
        "Vault decides whose credentials a token gets, PostgreSQL which rows they show, and the code decides neither.",
    );
    screen.proved(
        "Revoking the token also removed the user. Vault queues that: pg_roles lost it within moments of the answer.",
    );
}

/// Calls a sample as a caller of a tenant, and answers the user that its query ran as.
async fn called(screen: &Screen, world: &World, language: &str, tenant: &str) -> String {
    let what = format!("GET /{language} as {tenant}");
    let jwt = world.issuer.token(&alice().claim("tenant", tenant));
    let url = format!("{}/{language}", world.tenants.deployment.url("prod"));
    let held = world.database.postgres.hold("orders").await;
    let looking = async {
        let waiting = world.database.waiting_users(1).await;
        let there = world.database.users().await;
        held.release().await;
        promise::equal(&format!("{what}: users in pg_roles"), promise::list(&waiting), promise::list(&there));
        promise::list(&there)
    };
    let request = world.http.get(url).bearer_auth(&jwt).send();
    let call = async {
        let response = request.await.expect("the API answers");
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    };
    tokio::pin!(call);
    // A call that fails has no query to wait for.
    let (user, (status, body)) = tokio::select! {
        user = looking => (user, call.await),
        (status, body) = &mut call => panic!("{what}: {status} {body}, before there was a query"),
    };
    promise::equal(&format!("{what}: {body}\nstatus"), 200, status);
    let expected = match tenant {
        "acme" => "3 tea, 6 cups",
        _ => "12 ink",
    };
    let orders = body["orders"].as_array().cloned().unwrap_or_default();
    let order = |order: &Value| format!("{} {}", shown(&order["quantity"]), shown(&order["item"]));
    let rows = promise::list(&orders.iter().map(order).collect::<Vec<_>>());
    promise::equal(&format!("{what}: rows"), expected, &rows);
    world.database.no_users_left().await;
    let lease = shown(&body["database"]["lease_duration_seconds"]);
    promise::equal(&format!("{what}: lease"), 60, &lease);
    screen.row(&what, status, &rows);
    screen.line(&format!("      {user}, lease {lease} s; after the revoke: gone"));
    user
}
