//! Tokens that are minted ahead: who gets them and when, and what happens to the others.

use authorizer_steps::{
    clock::{Clock, UnixTime},
    mint::{MintError, ahead::Fate},
    telemetry::wasted_line,
};
use serde_json::{Value, json};
use vault_api::{VaultAnswer, VaultErrorKind};

use crate::support::*;

/// Of the usual document's first grant: a token is good for a third of `wrap_ttl`, which is 30 s.
const LONGEST_AGE: u64 = 10;

fn mints_ahead() -> Document {
    document().at("/stages/prod/grants/0/mint_ahead", "true")
}

/// With a token of its own for each of so many mints.
fn bed_with(document: Document) -> Bed {
    Bed::of(document.with("limits: {caller_mints_per_second: 1000}"))
        .vault_gives((0..100).map(|nth| Ok(nth_token(nth, 30))))
}

fn bed() -> Bed {
    bed_with(mints_ahead())
}

fn nth_token(nth: usize, wrap_ttl: u64) -> VaultAnswer {
    let mut wrap_info = wrap_info("auth/token/create/orders-prod-reader", wrap_ttl);
    wrap_info["token"] = json!(format!("s.WrappingToken{nth}"));
    wrap_info["wrapped_accessor"] = json!(format!("accessor-{nth}"));
    answer(json!({"wrap_info": wrap_info}))
}

/// A request, and the accessor and whether its token was minted ahead; then what runs after its answer.
fn served(bed: &Bed, token: &str) -> (String, bool) {
    let line = bed.line(&event(token));
    assert_eq!(line["Code"], "allowed", "{line}");
    after_answer(bed);
    (line["wrapped_accessor"].as_str().unwrap().to_owned(), line["minted_ahead"] == true)
}

/// What was wasted, by its accessor.
fn after_answer(bed: &Bed) -> Vec<(String, Fate)> {
    let wasted = bed.renew().into_iter();
    wasted.map(|wasted| (wasted.wrapped_accessor, wasted.fate)).collect()
}

/// Busy enough for a token to be kept: of the third mint, after two requests.
fn warm(bed: &Bed) {
    assert_eq!([served(bed, &good_token()).1, served(bed, &good_token()).1], [false, false]);
    bed.orders();
}

#[test]
fn a_busy_grant_has_its_next_token_before_it_is_asked_for() {
    let bed = bed();
    warm(&bed);
    for nth in 2..6 {
        let line = bed.line(&event(&good_token()));
        assert_eq!(bed.orders().len(), 0, "no call to Vault in the way of a request");
        assert_eq!(line["wrapped_accessor"], format!("accessor-{nth}"));
        assert_eq!(
            json!([line["minted_ahead"], line["MintedAhead"], line["ttl_seconds"]]),
            json!([true, 1, 120])
        );
        assert!(line["mint_micros"].is_u64());
        after_answer(&bed);
        assert_eq!(bed.orders().len(), 1, "one mint for each");
    }
}

#[test]
fn it_is_ordered_as_a_request_would_but_for_whom_nobody_knows_yet() {
    let bed = bed();
    warm(&bed);
    served(&bed, &good_token());
    let orders = bed.orders();
    let meta = json!({"grant": "orders-reader", "stage": "prod", "minted_ahead": "true"});
    assert_eq!(orders[0].body(), json!({"ttl": "120s", "num_uses": 5, "meta": meta}));
    assert_eq!(
        (orders[0].creation_path.as_str(), orders[0].ttls.wrap_seconds),
        ("auth/token/create/orders-prod-reader", 30)
    );
    assert_eq!(orders[0].deadline, UnixTime::from_seconds(NOW + 2), "a deadline of its own");
}

#[test]
fn a_grant_that_does_not_ask_for_it_never_has_one() {
    let bed = bed_with(document());
    for _ in 0..3 {
        let line = bed.line(&event(&good_token()));
        assert_eq!(json!([line["minted_ahead"], line["MintedAhead"]]), json!([null, null]));
        assert!(after_answer(&bed).is_empty());
    }
    assert_eq!(bed.orders().len(), 3);
    assert!(bed.authorizer.ahead.is_empty());
}

#[test]
fn a_grant_that_is_asked_for_seldom_wastes_no_token() {
    let bed = bed();
    for _ in 0..5 {
        assert!(!served(&bed, &good_token()).1);
        assert_eq!(bed.orders().len(), 1);
        bed.clock.forward_seconds(LONGEST_AGE + 1);
    }
}

#[test]
fn rejects_handing_out_one_token_twice_also_to_many_at_once() {
    let bed = bed();
    warm(&bed);
    let accessors = block_on(futures_util::future::join_all((0..8).map(|_| async {
        let (_, record) = bed.decide_within(&event(&good_token()), 8).await;
        let line = parsed(&record.line(bed.clock.now()));
        (line["wrapped_accessor"].as_str().unwrap().to_owned(), line["minted_ahead"] == true)
    })));
    assert_eq!(accessors.iter().filter(|(_, ahead)| *ahead).count(), 1);
    let different: std::collections::BTreeSet<_> = accessors.iter().map(|(accessor, _)| accessor).collect();
    assert_eq!(different.len(), 8);
}

#[test]
fn many_answers_at_once_order_one_token_for_a_grant() {
    let bed = bed();
    warm(&bed);
    bed.line(&event(&good_token()));
    block_on(futures_util::future::join_all((0..8).map(|_| bed.renew_within(8))));
    assert_eq!(bed.orders().len(), 1);
}

#[test]
fn rejects_handing_it_to_a_credential_that_ends_sooner() {
    let ends = |left: u64| token_with(json!({"exp": NOW + left}));
    let bed = bed();
    warm(&bed);
    for left in [60, 119, 120] {
        let (accessor, ahead) = served(&bed, &ends(left));
        assert!(!ahead && accessor != "accessor-2", "{left}");
    }
    assert_eq!(served(&bed, &ends(121)), ("accessor-2".to_owned(), true));
}

#[test]
fn rejects_a_token_whose_slow_mint_makes_it_outlive_the_credential() {
    let bed = bed();
    warm(&bed);
    // The clock is as it was when the token was ordered: Vault began to count its life a second later.
    let bed = bed.vault_takes_millis(1_500);
    served(&bed, &good_token());
    bed.clock.back_seconds(1);
    let ends = token_with(json!({"exp": bed.clock.now().seconds() + 121}));
    assert!(!served(&bed, &ends).1);
}

#[test]
fn rejects_it_after_a_third_of_its_wrap_ttl() {
    let bed = bed();
    warm(&bed);
    bed.clock.forward_seconds(LONGEST_AGE);
    assert!(served(&bed, &good_token()).1);
    bed.clock.forward_millis(LONGEST_AGE * 1000 + 1);
    assert!(!served(&bed, &good_token()).1);
}

#[test]
fn rejects_it_where_vault_gave_its_wrapping_less_time() {
    let bed = bed().vault_gives([30, 30, 19, 30, 30].map(|ttl| Ok(nth_token(ttl as usize, ttl))));
    warm(&bed);
    assert!(!served(&bed, &good_token()).1);
}

#[test]
fn rejects_it_after_the_clock_was_set_back() {
    let bed = bed();
    warm(&bed);
    bed.clock.back_seconds(5);
    let fresh = token_with(json!({"iat": NOW - 60, "exp": NOW + 3_000}));
    assert!(!served(&bed, &fresh).1);
}

#[test]
fn rejects_it_after_the_clock_was_set_back_during_its_mint() {
    let bed = bed();
    assert_eq!(
        [served(&bed, &good_token()).1, bed.line(&event(&good_token()))["minted_ahead"] == true],
        [false, false]
    );
    bed.mints_set_the_clock_back(60);
    after_answer(&bed);
    bed.mints_set_the_clock_back(0);
    let fresh = token_with(json!({"iat": NOW - 120, "nbf": NOW - 120, "exp": NOW + 3_000}));
    bed.clock.forward_seconds(LONGEST_AGE + 1);
    assert!(
        !served(&bed, &fresh).1,
        "its wrapping token seems to have 79 s left, but never had more than 30"
    );
}

#[test]
fn rejects_it_after_a_freeze_and_leaves_what_nobody_can_read() {
    let bed = bed();
    warm(&bed);
    bed.clock.forward_seconds(600);
    let line = bed.line(&event(&token_with(json!({"iat": NOW + 590, "exp": NOW + 3_000}))));
    assert_eq!(json!([line["Code"], line["minted_ahead"], line["MintedAhead"]]), json!(["allowed", null, 0]));
    assert_eq!(after_answer(&bed), [("accessor-2".to_owned(), Fate::Left)]);
    assert!(bed.undone().is_empty());
    assert!(after_answer(&bed).is_empty(), "counted once");
}

#[test]
fn what_is_too_old_is_revoked_while_its_wrapping_token_lives() {
    let bed = bed();
    warm(&bed);
    bed.clock.forward_seconds(LONGEST_AGE + 1);
    assert_eq!(bed.code(&event_on(&good_token(), "prod", "GET", "/status")), "allowed");
    assert_eq!(after_answer(&bed), [("accessor-2".to_owned(), Fate::Undone)]);
    assert_eq!(bed.undone(), ["unwrap and revoke s.WrappingToken2"]);
    assert!(bed.orders().is_empty(), "no new one for whom nobody asks");
}

#[test]
fn rejects_it_across_grants_and_stages() {
    let second = r#"{name: orders-writer, routes: ["POST /orders"], caller: {issuer: corp, any: true}, mint_ahead: true,
        token: {role: orders-prod-writer, policies: [orders-write], ttl: 2m, wrap_ttl: 30s, num_uses: 5}}"#;
    let staging = r#"{api_ids: ["*"], grants: [{name: staging-reader, routes: ["GET /orders"], caller: {issuer: corp, any: true},
        mint_ahead: true, token: {role: orders-staging-reader, policies: [orders-read], ttl: 2m, wrap_ttl: 30s, num_uses: 5}}]}"#;
    let bed = Bed::of(mints_ahead().at("/stages/prod/grants/1", second).at("/stages/staging", staging));
    warm(&bed);
    for (stage, method, role) in
        [("prod", "POST", "orders-prod-writer"), ("staging", "GET", "orders-staging-reader")]
    {
        let line = bed.line(&event_on(&good_token(), stage, method, "/orders"));
        assert_eq!(json!([line["token_role"], line["minted_ahead"]]), json!([role, null]));
        assert_eq!(line["creation_path"], format!("auth/token/create/{role}"));
    }
    assert!(served(&bed, &good_token()).1, "it waits for its own grant");
}

#[test]
fn an_odd_answer_is_undone_and_the_request_mints_for_itself() {
    let odd = wrap_info("auth/token/create/another-role", 30);
    let answers = [nth_token(0, 30), nth_token(1, 30), answer(json!({"wrap_info": odd})), nth_token(3, 30)];
    let bed = bed().vault_gives(answers.map(Ok));
    warm(&bed);
    assert_eq!(bed.undone(), [format!("unwrap and revoke {WRAPPING_TOKEN}")]);
    assert_eq!(served(&bed, &good_token()), ("accessor-3".to_owned(), false));
}

#[test]
fn a_failing_vault_is_left_alone_for_longer_each_time_and_is_no_callers_fault() {
    let sealed = || MintError::Vault(VaultErrorKind::Sealed.at("auth/token/create/orders-prod-reader"));
    let log = Log::default();
    let _capture = log.capture();
    let bed = bed().vault_gives([Ok(nth_token(0, 30)), Ok(nth_token(1, 30)), Err(sealed())]);
    warm(&bed);
    let orders = |wait_millis: u64| {
        bed.clock.forward_millis(wait_millis);
        assert!(!served(&bed, &good_token()).1);
        bed.orders().len()
    };
    assert_eq!(orders(0), 1, "the request's own alone");
    *bed.authorizer.minter.answers.lock().unwrap() = [Ok(nth_token(7, 30)), Err(sealed())].into();
    assert_eq!(orders(1_001), 2);
    assert_eq!([orders(1_001), orders(1_001)], [1, 2]);
    assert_eq!(log.text().matches("could not be minted ahead").count(), 2);
    assert!(served(&bed, &good_token()).1);
}

#[test]
fn a_hanging_vault_is_given_up_and_another_mint_may_follow() {
    let bed = bed();
    bed.line(&event(&good_token()));
    bed.line(&event(&good_token()));
    bed.vault_hangs(true);
    block_on(async { tokio::time::timeout(std::time::Duration::from_millis(20), bed.renew_within(8)).await })
        .unwrap_err();
    bed.vault_hangs(false);
    bed.line(&event(&good_token()));
    bed.orders();
    bed.renew();
    assert_eq!(bed.orders().len(), 1, "a flight that is dropped is over");
}

#[test]
fn a_slow_vault_holds_the_instance_up_for_two_seconds_however_much_is_given_back() {
    let bed = Bed::of(many_grants(5));
    keep_one_each(&bed, 5);
    let bed = bed.vault_takes_millis(1_500);
    bed.clock.forward_seconds(LONGEST_AGE + 1);
    let wasted = after_answer(&bed);
    assert_eq!((wasted.len(), bed.undone().len()), (5, 2));
    let left = Fate::NotUndone { reason: "no time was left".to_owned() };
    assert!(wasted.iter().skip(2).all(|(_, fate)| *fate == left), "{wasted:?}");
}

#[test]
fn nothing_is_begun_where_lambda_ends_the_call_before_vault_could_answer() {
    let bed = bed();
    warm(&bed);
    bed.clock.forward_seconds(LONGEST_AGE + 1);
    assert!(bed.line(&event(&good_token()))["minted_ahead"].is_null());
    bed.orders();
    assert!(block_on(bed.renew_within(0)).is_empty());
    assert!(bed.undone().is_empty() && bed.orders().is_empty());
    assert_eq!(after_answer(&bed), [("accessor-2".to_owned(), Fate::Undone)], "it is done the next time");
}

#[test]
fn each_request_counts_for_its_caller_wherever_its_token_comes_from() {
    let bed = Bed::of(mints_ahead().with("limits: {caller_mints_per_second: 2}"));
    let code = || {
        let code = bed.code_for(&good_token());
        after_answer(&bed);
        code
    };
    let codes = [(); 5].map(|()| code());
    assert_eq!(codes, ["allowed", "allowed", "allowed", "allowed", "rate_limited"]);
}

fn many_grants(count: usize) -> Document {
    let grant = |nth: usize| {
        json!({"name": format!("grant-{nth}"), "routes": [format!("GET /{nth}")], "caller": {"issuer": "corp", "any": true},
            "mint_ahead": true, "token": {"role": format!("role-{nth}"), "policies": ["p"], "ttl": "2m", "wrap_ttl": "30s"}})
    };
    let grants = Value::from((0..count).map(grant).collect::<Vec<_>>());
    document().at("/stages/prod/grants", &grants.to_string()).with("limits: {caller_mints_per_second: 1000}")
}

/// Returns how many were ordered.
fn keep_one_each(bed: &Bed, grants: usize) -> usize {
    for nth in (0..grants).chain(0..grants) {
        assert_eq!(bed.code(&event_on(&good_token(), "prod", "GET", &format!("/{nth}"))), "allowed");
    }
    bed.orders();
    bed.renew();
    bed.orders().len()
}

#[test]
fn one_instance_keeps_a_bounded_number() {
    assert_eq!(keep_one_each(&Bed::of(many_grants(40)), 40), 32);
}

#[test]
fn the_line_of_a_wasted_token_holds_what_it_names_and_no_token() {
    let bed = bed();
    warm(&bed);
    bed.clock.forward_seconds(LONGEST_AGE + 1);
    let [wasted] = &bed.renew()[..] else { panic!() };
    let line = parsed(&wasted_line(wasted, bed.clock.now()));
    let shown = json!([line["wasted"], line["stage"], line["grant"], line["wrapped_accessor"]]);
    assert_eq!(shown, json!(["undone", "prod", "orders-reader", "accessor-2"]));
    assert_eq!(json!([line["AheadUndone"], line["AheadLeft"], line["Stage"]]), json!([1, 0, "prod"]));
    let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
    assert!(metrics.iter().all(|metric| line[metric["Name"].as_str().unwrap()].is_u64()), "{line}");
    let shown = format!("{line} {wasted:?} {:?}", bed.authorizer.ahead);
    assert!(!shown.contains("WrappingToken"), "{shown}");
}

#[test]
fn a_line_names_the_metric_of_tokens_minted_ahead_where_it_holds_it() {
    let names = |document: Document, event: &Value| {
        let line = bed_with(document).line(event);
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().clone();
        assert!(metrics.iter().all(|metric| line[metric["Name"].as_str().unwrap()].is_u64()), "{line}");
        metrics.iter().any(|metric| metric["Name"] == "MintedAhead")
    };
    let status = event_on(&good_token(), "prod", "GET", "/status");
    assert!(names(mints_ahead(), &event(&good_token())));
    assert!(!names(mints_ahead(), &status));
    assert!(!names(document(), &event(&good_token())));
}

/// Calls at random times, so many on average while a kept token is good: of each hundred, how many got a token that was minted
/// ahead, and how many tokens nobody got. docs/operations.md has these figures.
#[test]
fn what_it_saves_and_wastes_depends_on_the_rate_and_wastes_at_most_a_quarter() {
    let bed = Bed::of(mints_ahead().corp("max_age: null").with("limits: {caller_mints_per_second: 1000}"));
    let token = token_with(json!({"exp": NOW + 10_000_000}));
    let mut random = 1_u64;
    let mut measured = async |per_window: f64| {
        let (calls, mut ahead, mut wasted) = (1_000, 0, 0);
        for _ in 0..calls {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uniform = ((random >> 33) as f64 + 1.0) / (1_u64 << 31) as f64;
            let gap = -uniform.ln() * (LONGEST_AGE * 1000) as f64 / per_window;
            bed.clock.forward_millis(gap as u64);
            let (_, record) = bed.decide_within(&event(&token), 8).await;
            ahead += usize::from(parsed(&record.line(bed.clock.now()))["minted_ahead"] == true);
            wasted += bed.renew_within(8).await.len();
        }
        let share = |count: usize| (count as f64 * 100.0 / f64::from(calls)).round() as i64;
        [share(ahead), share(wasted)]
    };
    let figures = block_on(async {
        let mut figures = Vec::new();
        for per_window in [0.1, 0.5, 1.0, 2.0, 5.0, 20.0] {
            figures.push(measured(per_window).await);
        }
        figures
    });
    assert_eq!(figures, [[1, 9], [15, 24], [41, 23], [76, 11], [98, 1], [100, 0]]);
}
