//! Vault stops and comes back. Callers who may call are told to try again, and the other callers are still told that
//! they may not.

use crate::promise;
use crate::refusals::{self, told};
use crate::screen::Screen;
use crate::world::World;

pub(crate) async fn tell(screen: &Screen, world: &mut World) {
    screen.chapter("6  Vault stops, and comes back");
    screen.doing("Vault stops", "", world.vault.stop()).await;
    let what = "GET /prod/orders while Vault is down";
    let fault = world.get_orders("prod", Some(&world.jwt)).await.refused_with(what, 503, "vault_unreachable");
    let retry_after = fault.headers.get("retry-after").and_then(|value| value.to_str().ok());
    promise::equal(&format!("{what}: Retry-After"), "5", retry_after.unwrap_or("none"));
    screen.row("Alice's JWT", fault.status, &told(&fault));
    refusals::forged(screen, world).await;
    refusals::without_scope(screen, world).await;

    screen.doing("Vault starts again", "", world.vault.start_again()).await;
    let back = world.get_orders("prod", Some(&world.jwt)).await;
    back.came_with("GET /prod/orders after the outage", 200);
    screen.row("Alice's JWT", back.status, "");
    screen.proved("An outage is a 503 with Retry-After, never a 401 or 403. A refusal never needs Vault.");
}
