use super::*;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const DAY_SECONDS: u64 = 24 * 3600;

fn later(seconds: u64) -> UnixTime {
    NOW.plus_seconds(seconds)
}

fn millis_later(millis: u64) -> UnixTime {
    UnixTime::from_millis(NOW.millis() + millis)
}

fn published(fresh_seconds: u64) -> Result<Update, String> {
    let document = br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let keys = KeySet::parse(document).unwrap();
    Ok(Update::Changed(Published { keys, validator: None, fresh_seconds }))
}

fn away() -> Result<Update, String> {
    Err("status 503".to_owned())
}

fn begins(kept: &mut KeyCache, wanted: Wanted, now: UnixTime) -> bool {
    kept.begin_attempt(wanted, now) == Begin::Own
}

fn end(kept: &mut KeyCache, outcome: Result<Update, String>, begun: UnixTime, ended: UnixTime, chance: u8) {
    kept.end_attempt(outcome, begun, ended, chance);
    kept.land();
}

/// An attempt that begins and ends then.
fn attempt(kept: &mut KeyCache, wanted: Wanted, at: UnixTime, outcome: Result<Update, String>) {
    assert!(begins(kept, wanted, at));
    end(kept, outcome, at, at, 255);
}

fn unchanged(fresh_seconds: Option<u64>) -> Result<Update, String> {
    Ok(Update::Unchanged { fresh_seconds })
}

/// Keys fetched now, fresh for an hour.
fn kept() -> KeyCache {
    let mut kept = KeyCache::default();
    attempt(&mut kept, Wanted::Any, NOW, published(3600));
    kept
}

/// The first time, in milliseconds from `from`, at which an attempt may begin; the attempt is made there and fails.
fn next_failure_millis(kept: &mut KeyCache, wanted: Wanted, from: u64, chance: u8) -> u64 {
    let due = (from..).step_by(10).find(|millis| begins(kept, wanted, millis_later(*millis))).unwrap();
    end(kept, away(), millis_later(due), millis_later(due), chance);
    due - from
}

#[test]
fn keys_are_fresh_as_long_as_the_provider_says_and_usable_for_a_day() {
    let kept = kept();
    assert!(kept.fresh(NOW).is_some() && kept.fresh(later(3600)).is_some());
    assert!(kept.fresh(later(3601)).is_none());
    assert!(kept.usable(later(DAY_SECONDS)).is_some());
    assert!(kept.usable(later(DAY_SECONDS + 1)).is_none());
}

#[test]
fn an_unchanged_set_is_as_fresh_as_a_new_one_or_as_it_was_where_no_age_is_said() {
    for (fresh_seconds, said, expected) in [(3600, Some(600), 600), (300, None, 300)] {
        let (mut kept, again) = (KeyCache::default(), fresh_seconds + 1);
        attempt(&mut kept, Wanted::Any, NOW, published(fresh_seconds));
        attempt(&mut kept, Wanted::Any, later(again), unchanged(said));
        assert!(kept.fresh(later(again + expected)).is_some(), "{said:?}");
        assert!(kept.fresh(later(again + expected + 1)).is_none(), "{said:?}");
        assert!(kept.usable(later(again + DAY_SECONDS)).is_some(), "{said:?}");
    }
}

#[test]
fn nothing_is_no_unchanged_set() {
    let mut kept = KeyCache::default();
    attempt(&mut kept, Wanted::Any, NOW, unchanged(Some(600)));
    assert!(kept.fresh(NOW).is_none() && kept.usable(NOW).is_none());
}

#[test]
fn pauses_double_from_two_seconds_to_sixty_and_half_of_each_is_chance() {
    for (chance, expected) in [(0, [1, 2, 4, 8, 16, 30, 30]), (255, [2, 4, 8, 16, 32, 60, 60])] {
        let mut kept = kept();
        assert_eq!(next_failure_millis(&mut kept, Wanted::Any, 4_000_000, chance), 0);
        let mut at = 4_000_000;
        for seconds in expected {
            let pause = next_failure_millis(&mut kept, Wanted::Any, at, chance);
            assert_eq!(pause, seconds * 1000, "chance {chance}");
            at += pause;
        }
    }
}

#[test]
fn without_usable_keys_no_pause_is_longer_than_a_second() {
    for (chance, expected) in [(0, 500), (255, 1000)] {
        let mut never = KeyCache::default();
        let mut outlived = kept();
        let (mut at, mut at_outlived) = (0, (DAY_SECONDS + 1) * 1000);
        next_failure_millis(&mut never, Wanted::Any, at, chance);
        next_failure_millis(&mut outlived, Wanted::Any, at_outlived, chance);
        for _ in 0..20 {
            assert_eq!(next_failure_millis(&mut never, Wanted::Any, at, chance), expected);
            assert_eq!(next_failure_millis(&mut outlived, Wanted::Any, at_outlived, chance), expected);
            (at, at_outlived) = (at + expected, at_outlived + expected);
        }
    }
}

#[test]
fn a_success_ends_the_pauses() {
    let mut kept = kept();
    next_failure_millis(&mut kept, Wanted::Any, 4_000_000, 255);
    next_failure_millis(&mut kept, Wanted::Any, 4_000_000, 255);
    assert_eq!(kept.failure_reason(), Some("status 503"));
    attempt(&mut kept, Wanted::Newer, later(4010), published(3600));
    assert_eq!(kept.failure_reason(), None);
    attempt(&mut kept, Wanted::Newer, later(4010), away());
    assert_eq!(next_failure_millis(&mut kept, Wanted::Newer, 4_010_000, 255), 2000, "as after the first");
}

/// A frozen function can find an answer that has waited for it.
#[test]
fn keys_are_as_old_as_the_question_for_them() {
    let mut kept = KeyCache::default();
    assert!(begins(&mut kept, Wanted::Any, NOW));
    end(&mut kept, published(3600), NOW, later(3000), 0);
    assert!(kept.fresh(later(3600)).is_some() && kept.fresh(later(3601)).is_none());
    assert!(begins(&mut kept, Wanted::Any, later(3601)));
    end(&mut kept, unchanged(None), later(3601), later(DAY_SECONDS), 0);
    assert!(kept.fresh(later(7201)).is_some() && kept.fresh(later(7202)).is_none());
}

#[test]
fn unknown_keys_cost_four_attempts_at_once_and_then_one_every_one_and_a_half_seconds() {
    let mut kept = kept();
    let mut begun = Vec::new();
    for millis in 0..10_000 {
        if begins(&mut kept, Wanted::Newer, millis_later(millis)) {
            end(&mut kept, published(3600), millis_later(millis), millis_later(millis), 0);
            begun.push(millis);
        }
    }
    assert_eq!(begun, [0, 1, 2, 3, 1500, 3000, 4500, 6000, 7500, 9000]);
    let mut rested = 0;
    while begins(&mut kept, Wanted::Newer, later(3600)) {
        kept.land();
        rested += 1;
    }
    assert_eq!(rested, 4, "the budget is bounded");
    assert_eq!(kept.begin_attempt(Wanted::Newer, later(3600)), Begin::Spent);
}

#[test]
fn a_clock_set_back_makes_keys_stale_and_ends_every_pause() {
    let mut kept = kept();
    next_failure_millis(&mut kept, Wanted::Any, 4_000_000, 255);
    let past = UnixTime::from_seconds(1_700_000_000);
    assert!(kept.fresh(past).is_none(), "else they would be fresh for years");
    assert!(kept.usable(past).is_some());
    attempt(&mut kept, Wanted::Any, past, published(3600));
    assert!(kept.fresh(past).is_some() && kept.fresh(past.plus_seconds(3601)).is_none());

    let mut asked_for = self::kept();
    for _ in 0..4 {
        attempt(&mut asked_for, Wanted::Newer, NOW, published(3600));
    }
    assert!(!begins(&mut asked_for, Wanted::Newer, past), "it makes no attempts for unknown keys");
    assert!(begins(&mut asked_for, Wanted::Newer, past.plus_seconds(2)), "nor does it stop them");
}

#[test]
fn one_attempt_is_under_way_at_a_time_and_costs_no_other_caller_anything() {
    let mut kept = kept();
    assert_eq!(kept.begin_attempt(Wanted::Newer, NOW), Begin::Own);
    for wanted in [Wanted::Any, Wanted::Newer, Wanted::Newer, Wanted::Newer, Wanted::Newer] {
        assert_eq!(kept.begin_attempt(wanted, later(7)), Begin::Anothers { begun_at: NOW });
    }
    // It was dropped, so nothing came of it.
    kept.land();
    assert_eq!(kept.begin_attempt(Wanted::Newer, NOW), Begin::Own, "three of the budget are left");
    end(&mut kept, away(), NOW, NOW, 255);
    assert_eq!(kept.begin_attempt(Wanted::Any, later(1)), Begin::Pausing);
}
