//! What goes wrong around the authorizer, short: three scenarios of `cargo xtask chaos`, whose bar but for the share of
//! faults does not depend on the machine's speed. Tokens after their TTL are counted where a leader was lost, which is when
//! Vault could forget one; the full run counts them everywhere.

use test_bed::chaos::{self, Pace};
use test_bed::process::Scratch;

const WITHOUT_TOKENS: Pace = Pace { removal: None, ..Pace::SHORT };

async fn holds(name: &str, pace: Pace) {
    let scratch = Scratch::new(name);
    let scenario = chaos::scenario(name).unwrap();
    let figures = chaos::run(scenario, pace, &scratch).await;
    assert!(figures.missed.is_empty(), "{name}: {figures:#?}");
}

#[tokio::test]
async fn a_leader_killed_is_a_fault_at_most_and_the_next_one_serves() {
    holds("leader-killed", Pace::SHORT).await;
}

#[tokio::test]
async fn a_revoked_token_of_the_authorizers_own_is_replaced() {
    holds("token-revoked", WITHOUT_TOKENS).await;
}

#[tokio::test]
async fn a_function_stopped_for_longer_than_its_token_lives_goes_on() {
    holds("function-stopped", WITHOUT_TOKENS).await;
}
