//! What goes wrong around the authorizer, short: three scenarios of `cargo xtask chaos`, whose bar but for the share of
//! faults does not depend on the machine's speed.

use test_bed::chaos::{self, Pace};
use test_bed::process::Scratch;

async fn holds(name: &str) {
    let scratch = Scratch::new(name);
    let scenario = chaos::scenario(name).unwrap();
    let figures = chaos::run(scenario, Pace::SHORT, &scratch).await;
    assert!(figures.missed.is_empty(), "{name}: {figures:#?}");
}

#[tokio::test]
async fn a_leader_killed_is_a_fault_at_most_and_the_next_one_serves() {
    holds("leader-killed").await;
}

#[tokio::test]
async fn a_revoked_token_of_the_authorizers_own_is_replaced() {
    holds("token-revoked").await;
}

#[tokio::test]
async fn a_function_stopped_for_longer_than_its_token_lives_goes_on() {
    holds("function-stopped").await;
}
