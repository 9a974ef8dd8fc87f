//! A wrapping token opens once. The authorizer is invoked as API Gateway does it, so that the token stays here and the
//! sample function does not open it.

use serde_json::Value;

use crate::api::shown;
use crate::promise::{self, Broken};
use crate::screen::Screen;
use crate::world::World;

/// Tells it, and answers the secrets that were handled: no log may hold one.
pub(crate) async fn tell(screen: &Screen, world: &World) -> Result<Vec<String>, Broken> {
    screen.chapter("5  What the authorizer hands over opens once");
    screen.paragraph(
        "Now the authorizer alone is invoked, with the event that API Gateway would send, so that its answer stays \
         here. There is no Vault token in it, only a wrapping token. Plain Vault API opens that, once:",
    );
    let context = authorizer_context(world).await?;
    let wrapping_token = context["vaultWrappingToken"].as_str().unwrap_or_default();

    let (status, opened) = unwrap(world, wrapping_token).await;
    promise::equal("Unwrapping", 200, status)?;
    promise::equal(
        "The unwrapped token's accessor",
        &context["vaultWrappedAccessor"],
        &opened["auth"]["accessor"],
    )?;
    screen.row("unwrap", status, "a token, with the accessor that the context announced");
    let token = opened["auth"]["client_token"].as_str().unwrap_or_default();
    let in_clear = context.to_string().contains(token);
    promise::equal("The context has the Vault token in clear", false, in_clear)?;
    read(screen, world, token, "prod", 200, "its stage's secret").await?;
    read(screen, world, token, "staging", 403, "not another stage's").await?;

    let (status, refusal) = unwrap(world, wrapping_token).await;
    promise::equal("Unwrapping again", 400, status)?;
    let reason = shown(&refusal["errors"]);
    promise::equal("Unwrapping again", "wrapping token is not valid or does not exist", &reason)?;
    screen.row("unwrap again", status, &reason);

    let (status, _) = vault(world, "POST", "auth/token/revoke-self", token).await;
    promise::equal("Revoking", 204, status)?;
    screen.row("revoke", status, "");
    screen.proved(
        "Had somebody unwrapped it on the way, the function would have been refused, and would know.",
    );
    Ok(vec![wrapping_token.to_owned(), token.to_owned()])
}

/// The context of the authorizer's answer to an event of API Gateway.
async fn authorizer_context(world: &World) -> Result<Value, Broken> {
    let event = world.event(&world.jwt);
    let answer = world.emulator.aws().invoke(world.deployment.output("AuthorizerFunctionName"), &event).await;
    let effect = &answer["policyDocument"]["Statement"][0]["Effect"];
    promise::equal("The authorizer's answer", "Allow", shown(effect))?;
    Ok(answer["context"].clone())
}

async fn read(
    screen: &Screen,
    world: &World,
    token: &str,
    stage: &str,
    promised: u16,
    meaning: &str,
) -> Result<(), Broken> {
    let what = format!("read secret/{stage}/orders");
    let (status, _) = vault(world, "GET", &format!("secret/data/{stage}/orders"), token).await;
    promise::equal(&what, promised, status)?;
    screen.row(&what, status, meaning);
    Ok(())
}

async fn unwrap(world: &World, wrapping_token: &str) -> (u16, Value) {
    vault(world, "POST", "sys/wrapping/unwrap", wrapping_token).await
}

async fn vault(world: &World, method: &str, path: &str, token: &str) -> (u16, Value) {
    world.vault.openbao.api(method, path, Some(token), Value::Null).await
}
