//! A wrapping token opens once. The demo invokes the authorizer as API Gateway does, so that it gets the token itself
//! and the sample function does not open it.

use serde_json::Value;

use crate::api::shown;
use crate::promise;
use crate::screen::Screen;
use crate::world::World;

/// Tells it, and answers the secrets that were handled: no log may hold one.
pub(crate) async fn tell(screen: &Screen, world: &World) -> Vec<String> {
    screen.chapter("5  What the authorizer hands over opens once");
    screen.paragraph(
        "Now only the authorizer is invoked, with the event that API Gateway would send, so that its answer stays \
         here. It contains no Vault token, only a wrapping token. The plain Vault API opens that, once:",
    );
    let answer = world.deployment.authorize(&world.jwt).await;
    let effect = &answer["policyDocument"]["Statement"][0]["Effect"];
    promise::equal("The authorizer's answer", "Allow", shown(effect));
    let context = &answer["context"];
    let wrapping_token = shown(&context["vaultWrappingToken"]);

    let openbao = &world.vault.openbao;
    let (status, opened) = openbao.unwrap(&wrapping_token).await;
    promise::equal("Unwrapping", 200, status);
    let [announced, accessor] = [&context["vaultWrappedAccessor"], &opened["auth"]["accessor"]];
    promise::equal("The unwrapped token's accessor", announced, accessor);
    screen.row("unwrap", status, "a token, with the accessor that the context announced");
    let token = shown(&opened["auth"]["client_token"]);
    promise::equal("The context has the Vault token in clear", false, context.to_string().contains(&token));
    for (stage, promised, meaning) in
        [("prod", 200, "its stage's secret"), ("staging", 403, "not another stage's")]
    {
        let what = format!("read secret/{stage}/orders");
        let path = format!("secret/data/{stage}/orders");
        let (status, _) = openbao.api("GET", &path, Some(&token), Value::Null).await;
        promise::equal(&what, promised, status);
        screen.row(&what, status, meaning);
    }

    let (status, refusal) = openbao.unwrap(&wrapping_token).await;
    promise::equal("Unwrapping again", 400, status);
    let reason = shown(&refusal["errors"]);
    promise::equal("Unwrapping again", "wrapping token is not valid or does not exist", &reason);
    screen.row("unwrap again", status, &reason);

    let (status, _) = openbao.api("POST", "auth/token/revoke-self", Some(&token), Value::Null).await;
    promise::equal("Revoking", 204, status);
    screen.row("revoke", status, "");
    screen.proved(
        "If somebody had unwrapped it on the way, the function would have been refused, and would know.",
    );
    vec![wrapping_token, token]
}
