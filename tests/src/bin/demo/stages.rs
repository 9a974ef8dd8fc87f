//! One caller with one JWT: what a call is worth in Vault depends on the stage.

use serde_json::Value;

use crate::api::{Answer, shown};
use crate::promise::{self, Broken};
use crate::screen::Screen;
use crate::world::{JWT_MINUTES, World, alice};

/// What the quickstart promises of a stage.
struct Promised {
    stage: &'static str,
    policy: &'static str,
    lifetime_seconds: u64,
    creation_path: &'static str,
    secret: &'static str,
}

const PROD: Promised = Promised {
    stage: "prod",
    policy: "orders-prod-read",
    lifetime_seconds: 120,
    creation_path: "auth/token/create/orders-prod-reader",
    secret: "secret/data/prod/orders",
};

const STAGING: Promised = Promised {
    stage: "staging",
    policy: "orders-staging-read",
    lifetime_seconds: 600,
    creation_path: "auth/token/create/orders-staging-reader",
    secret: "secret/data/staging/orders",
};

/// Tells it, and answers the call on prod.
pub(crate) async fn tell(screen: &Screen, world: &World) -> Result<Answer, Broken> {
    screen.chapter("3  One caller, one JWT, two stages");
    screen.paragraph(&format!(
        "Alice's JWT has scope orders:read and ends in {JWT_MINUTES} minutes. The function behind the API has no \
         credential for Vault: it reads one secret with the token that her call brings, and revokes the token."
    ));
    screen.line("");
    let prod = allowed(world, &PROD).await?;
    let staging = allowed(world, &STAGING).await?;
    side_by_side(screen, &prod, &staging);
    screen.pair("secret read", PROD.secret, STAGING.secret);
    screen.line("");
    let short = jwt_that_ends_soon(world).await?;
    promise::equal("Logins of the authorizer at Vault", 1, world.vault.aws_auth.login_count())?;
    screen.proved("What a call may do in Vault, and for how long, follows from caller, route and stage.");
    screen.proved(
        "The authorizer was given no secret: it logged in to Vault with its IAM role, once for all these calls.",
    );
    screen.proved(&format!(
        "A token never outlives the JWT: on staging, a JWT that ends in 100 s gets a token of {} s.",
        shown(&short.body["vault"]["lease_duration_seconds"])
    ));
    Ok(prod)
}

async fn allowed(world: &World, promised: &Promised) -> Result<Answer, Broken> {
    let what = format!("GET /{}/orders", promised.stage);
    let mark = world.vault.openbao.audit_mark();
    let answer = world.get_orders(promised.stage, Some(&world.jwt)).await?;
    answer.came_with(&what, 200)?;
    let vault = &answer.body["vault"];
    let requests = world.vault.openbao.requests_since(mark);
    let reads: Vec<_> = requests.iter().filter_map(|request| request.strip_prefix("read ")).collect();
    for (name, promised, came) in [
        (
            "Vault policies",
            promise::list(&[promised.policy, "vault-authorizer-self"]),
            shown(&vault["policies"]),
        ),
        ("lifetime", promised.lifetime_seconds.to_string(), shown(&vault["lease_duration_seconds"])),
        ("creation path", promised.creation_path.to_owned(), shown(&vault["creation_path"])),
        ("caller", "corp:alice".to_owned(), shown(&answer.body["caller"])),
        ("secrets read, by Vault's audit log", promised.secret.to_owned(), promise::list(&reads)),
    ] {
        promise::equal(&format!("{what}: {name}"), promised, came)?;
    }
    Ok(answer)
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
}

async fn jwt_that_ends_soon(world: &World) -> Result<Answer, Broken> {
    let jwt = world.issuer.token(&alice().expires_in(100));
    let answer = world.get_orders("staging", Some(&jwt)).await?;
    let what = "GET /staging/orders with a JWT that ends in 100 s";
    answer.came_with(what, 200)?;
    let lifetime = shown(&answer.body["vault"]["lease_duration_seconds"]);
    promise::equal(&format!("{what}: lifetime"), 60, lifetime)?;
    Ok(answer)
}
