//! What goes wrong around the authorizer, in short: four scenarios of `cargo xtask chaos`. Apart from the share of
//! faults, their bar does not depend on the machine's speed. Two of them also run with tokens minted ahead. Tokens
//! that outlive their TTL are counted where a leader was lost, because that is when Vault could forget one. The full
//! run counts them everywhere.

use std::time::{Duration, Instant};

use test_bed::chaos::{self, Election, MARGIN, Observed, Outcome, Pace, SCENARIOS, Sample, Tokens};
use test_bed::{Cluster, NODES, Scratch, parts, vault_setup};

use crate::stack;

const WITHOUT_TOKENS: Pace = Pace { removal: None, ..Pace::SHORT };

async fn holds(name: &str, pace: Pace) {
    holds_with(name, pace, Tokens::Asked).await;
}

async fn holds_with(name: &str, pace: Pace, tokens: Tokens) {
    let scratch = Scratch::new(name);
    let scenario = chaos::scenario(name).unwrap();
    let figures = chaos::run(scenario, pace, tokens, &scratch).await;
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

/// A token that was minted before the leader was lost, or before the freeze, is nobody's denial.
#[tokio::test]
async fn tokens_minted_ahead_change_nothing_where_a_leader_is_killed() {
    holds_with("leader-killed", Pace::SHORT, Tokens::Ahead).await;
}

#[tokio::test]
async fn tokens_minted_ahead_change_nothing_where_a_function_is_stopped() {
    holds_with("function-stopped", WITHOUT_TOKENS, Tokens::Ahead).await;
}

/// The standby does not know a token yet that the other nodes know: no call is refused, and none is an alarm.
#[tokio::test]
async fn a_standby_that_lags_behind_refuses_nobody() {
    holds("lag-20ms", WITHOUT_TOKENS).await;
}

/// The integration in Java, at the standby itself. It hears of the token about when it asks for the third time. The packages are
/// tried in `conformance`.
#[tokio::test]
async fn the_integration_in_java_waits_for_a_standby_that_lags_behind() {
    let scratch = Scratch::new("lagging-clients");
    let cluster = Cluster::start(&scratch).await;
    let leader = cluster.leader().await;
    let (active, standby) = (cluster.node(leader), (leader + 1) % NODES);
    vault_setup::quickstart(active).await;
    cluster.move_away(Some((standby, Duration::from_millis(300))));
    let address = cluster.node(standby).address();
    let waiting = stack::start(&mut stack::spring(), address);
    // Java takes a moment to compile its client, in which the standby would hear of a token.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let context = active.context(address).await;
    let (good, printed) = stack::give(waiting, &context);
    assert!(good && printed.contains("orders-prod"), "{printed}");
}

/// A hundred good requests, one in each of a hundred seconds, and nothing to complain of.
fn uneventful() -> Observed {
    let began = Instant::now();
    let sample = |second| Sample {
        function: 0,
        began: began + Duration::from_secs(second),
        took: Duration::from_millis(10),
        forged: false,
        outcome: Outcome::Allowed,
    };
    Observed {
        samples: (0..100).map(sample).collect(),
        leaders: Vec::new(),
        broken: began,
        mended: began,
        served_again: true,
        tokens_left: Some(0),
        exits: 0,
        panics: 0,
    }
}

#[test]
fn the_bar_tells_each_way_to_miss_it() {
    let judged = |change: &dyn Fn(&mut Observed)| {
        let mut observed = uneventful();
        change(&mut observed);
        observed.judged(chaos::scenario("leader-killed").unwrap(), Pace::FULL).missed
    };
    let fault = || Outcome::Fault("vault_unreachable".to_owned());
    let missed = |change: &dyn Fn(&mut Observed), words: &str| {
        let missed = judged(change);
        assert!(missed.len() == 1 && missed[0].contains(words), "{words}: {missed:?}");
    };
    missed(&|seen| seen.samples[7].outcome = Outcome::Denied, "1 good callers were denied");
    missed(&|seen| seen.samples[7].forged = true, "1 forged callers got something else");
    missed(&|seen| seen.samples[7].outcome = Outcome::Unanswered, "1 requests had no answer");
    missed(&|seen| seen.exits = 1, "1 functions ended");
    missed(&|seen| seen.panics = 1, "1 functions ended or panicked");
    missed(&|seen| seen.tokens_left = Some(2), "2 callers' tokens");
    missed(&|seen| seen.served_again = false, "served again");
    missed(&|seen| seen.samples.truncate(49), "too few");

    let two_faults = |seen: &mut Observed| {
        seen.samples[70].outcome = fault();
        seen.samples[71].outcome = fault();
    };
    missed(&two_faults, "2 faults in 100 requests");
    let elected = |seen: &mut Observed| {
        two_faults(seen);
        let ended = seen.samples[71].began - MARGIN;
        seen.leaders = vec![Election { began: ended - Duration::from_secs(2), ended }];
    };
    assert_eq!(judged(&elected), [""; 0]);
    assert_eq!(judged(&|seen| seen.samples[70].outcome = fault()), [""; 0], "one in a hundred");
    assert_eq!(judged(&|_| {}), [""; 0]);
}

#[test]
fn the_document_has_a_row_for_each_scenario() {
    let text = parts::text("docs/reliability.md");
    for scenario in SCENARIOS {
        let rows = text.lines().filter(|line| line.starts_with(&format!("| `{}` |", scenario.name)));
        assert_eq!(rows.count(), 2, "{}: cargo xtask chaos", scenario.name);
        assert!(text.contains(scenario.injected), "{}: cargo xtask chaos", scenario.name);
    }
}
