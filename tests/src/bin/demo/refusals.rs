//! Calls that are refused without reaching Vault.

use crate::api::Answer;
use crate::promise;
use crate::screen::Screen;
use crate::world::{World, alice};

pub(crate) async fn tell(screen: &Screen, world: &World) {
    screen.chapter("4  Refused, and Vault is not even asked");
    let mark = world.vault.openbao.audit_mark();
    forged(screen, world).await;
    let missing = world.get_orders("prod", None).await;
    let missing = missing.refused_with("GET /prod/orders without a JWT", 401, "credential_missing");
    screen.row("no JWT", missing.status, &told(&missing));
    let weak = without_scope(screen, world).await;
    let requests = world.vault.openbao.requests_since(mark);
    promise::equal("Requests to Vault meanwhile", "none", promise::list(&requests));

    screen.proved("Vault's audit log has no entry of these calls.");
    reason_in_body(screen, &weak);
}

/// A 403 says why, and where to look it up.
fn reason_in_body(screen: &Screen, denied: &Answer) {
    if denied.body["reason"] != denied.decision["code"] {
        screen.paragraph(
            "The emulator does not fill in the 403's template. On AWS, this body says why, and its denialId finds \
             the log line:",
        );
    }
    let (reason, denial_id) = (denied.logged("code"), denied.logged("lambda_request_id"));
    screen.line(&format!(r#"    {{"message":"Forbidden","reason":"{reason}","denialId":"{denial_id}"}}"#));
}

/// A call whose JWT names the issuer's key and is signed with another.
pub(crate) async fn forged(screen: &Screen, world: &World) {
    let answer = world.get_orders("prod", Some(&world.issuer.forged(&alice()))).await;
    let answer = answer.refused_with("GET /prod/orders with a forged JWT", 401, "signature_invalid");
    screen.row("JWT signed by another key", answer.status, &told(&answer));
}

/// A call whose JWT is genuine and does not allow what it asks for.
pub(crate) async fn without_scope(screen: &Screen, world: &World) -> Answer {
    let answer = world.get_orders("prod", Some(&world.issuer.token(&alice().without("scope")))).await;
    let answer = answer.refused_with("GET /prod/orders without the scope", 403, "no_grant");
    screen.row("JWT without scope orders:read", answer.status, &told(&answer));
    answer
}

/// What the caller is told, and the operator.
pub(crate) fn told(answer: &Answer) -> String {
    let message = answer.body["message"].as_str().unwrap_or_default();
    format!("{message:<22}log: {} {}", answer.logged("outcome"), answer.logged("code"))
}
