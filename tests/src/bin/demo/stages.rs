//! One caller with one JWT: the stage decides what a call may do in Vault.

use serde_json::Value;

use crate::api::{Answer, shown};
use crate::promise;
use crate::screen::Screen;
use crate::world::{JWT_MINUTES, World, alice};

/// Tells it, and answers the call on prod.
pub(crate) async fn tell(screen: &Screen, world: &World) -> Answer {
    screen.chapter("3  One caller, one JWT, two stages");
    screen.paragraph(&format!(
        "Alice's JWT has scope orders:read and expires in {JWT_MINUTES} minutes. The function behind the API has no \
         credential for Vault: it reads one secret with the token that comes with her call, and revokes the token."
    ));
    screen.line("");
    let prod = allowed(world, "prod", 120).await;
    let staging = allowed(world, "staging", 600).await;
    side_by_side(screen, &prod, &staging);
    screen.line("");
    let jwt = world.issuer.token(&alice().expires_in(100));
    let short = world.get_orders("staging", Some(&jwt)).await;
    let what = "GET /staging/orders with a JWT that expires in 100 s";
    short.came_with(what, 200);
    let lifetime = shown(&short.body["vault"]["lease_duration_seconds"]);
    promise::equal(&format!("{what}: lifetime"), 60, &lifetime);
    promise::equal("Logins of the authorizer at Vault", 1, world.vault.aws_auth.login_count());
    screen.proved("Caller, route and stage decide what a call may do in Vault, and for how long.");
    screen.proved(
        "The authorizer was given no secret: it logged in to Vault with its IAM role, once for all these calls.",
    );
    screen.proved(&format!(
        "A token never outlives the JWT: on staging, a JWT that expires in 100 s gets a token of {lifetime} s. \
         (TTLs come in steps, such as 60 and 120 s.)"
    ));
    prod
}

/// Where a stage's secret lies.
fn secret(stage: &str) -> String {
    format!("secret/data/{stage}/orders")
}

/// A call, compared with what the quickstart promises of its stage.
async fn allowed(world: &World, stage: &str, lifetime_seconds: u64) -> Answer {
    let what = format!("GET /{stage}/orders");
    let mark = world.vault.openbao.audit_mark();
    let answer = world.get_orders(stage, Some(&world.jwt)).await;
    answer.came_with(&what, 200);
    let vault = &answer.body["vault"];
    let requests = world.vault.openbao.requests_since(mark);
    let reads: Vec<_> = requests.iter().filter_map(|request| request.strip_prefix("read ")).collect();
    let policies = format!("orders-{stage}-read, vault-authorizer-self");
    let creation_path = format!("auth/token/create/orders-{stage}-reader");
    for (name, promised, came) in [
        ("Vault policies", policies, shown(&vault["policies"])),
        ("lifetime", lifetime_seconds.to_string(), shown(&vault["lease_duration_seconds"])),
        ("creation path", creation_path, shown(&vault["creation_path"])),
        ("caller", "corp:alice".to_owned(), shown(&answer.body["caller"])),
        ("secrets read, by Vault's audit log", secret(stage), promise::list(&reads)),
    ] {
        promise::equal(&format!("{what}: {name}"), promised, came);
    }
    answer
}

fn side_by_side(screen: &Screen, prod: &Answer, staging: &Answer) {
    let both = |name: &str, show: &dyn Fn(&Answer) -> String| screen.pair(name, &show(prod), &show(staging));
    let vault = |answer: &Answer, field: &str| answer.body["vault"][field].clone();
    let seconds = |value: &Value| format!("{} s", shown(value));
    screen.pair("GET", "/prod/orders", "/staging/orders");
    both("status", &|answer| answer.status.to_string());
    both("caller", &|answer| shown(&answer.body["caller"]));
    both("Vault policies", &|answer| shown(&vault(answer, "policies")));
    both("token lives", &|answer| seconds(&vault(answer, "lease_duration_seconds")));
    both("wrapped for", &|answer| seconds(&answer.decision["wrap_ttl_seconds"]));
    both("creation path", &|answer| shown(&vault(answer, "creation_path")));
    screen.pair("secret read", &secret("prod"), &secret("staging"));
}
