//! Single-use proofs: what uses one up, and what does not.

use authorizer_steps::mint::MintError;
use vault_api::VaultErrorKind;

use super::*;

#[test]
fn rejects_a_replayed_proof_where_each_is_good_once() {
    let bed = single_use();
    assert_eq!(bed.code(&proof()), "allowed");
    assert_eq!(bed.code(&proof()), "proof_replayed");
    // The same signature in another order of its parameters.
    let reordered = proof_with(|url| {
        let (base, query) = url.split_once('?').unwrap();
        let mut parameters: Vec<_> = query.split('&').collect();
        parameters.reverse();
        format!("{base}?{}", parameters.join("&"))
    });
    assert_eq!(bed.code(&reordered), "proof_replayed");
    assert_eq!(bed.code(&proof_at(NOW - 1)), "allowed");
    assert_eq!(bed.sts.asked().len(), 2);
}

#[test]
fn rejects_a_proof_replayed_while_sts_is_still_asked_about_it() {
    let bed = single_use();
    let mut codes = bed.codes_at_once(&[proof(), proof(), proof()]);
    codes.sort();
    assert_eq!(codes, ["allowed", "proof_replayed", "proof_replayed"]);
    assert_eq!(bed.sts.asked().len(), 1, "the others waited for what became of the first");
}

/// A client that gave up waiting and retries, while its first call is still under way.
#[test]
fn a_retry_is_no_replay_where_sts_then_fails_the_first_call() {
    let bed = single_use();
    bed.sts.answer(no_answer());
    assert_eq!(bed.codes_at_once(&[proof(), proof()]), ["sts_unavailable", "allowed"]);
}

#[test]
fn a_retry_is_no_replay_where_vault_then_fails_the_first_call() {
    let bed = single_use().vault_fails(2, || MintError::Vault(VaultErrorKind::Sealed.at("p")));
    assert_eq!(bed.code(&proof()), "vault_sealed");
    let codes = bed.codes_at_once(&[proof(), proof(), proof()]);
    assert_eq!(codes, ["vault_sealed", "allowed", "proof_replayed"]);
    assert_eq!(bed.sts.asked().len(), 1);
}

/// A denial is an answer, too.
#[test]
fn rejects_a_proof_that_was_denied_for_its_callers_limit_and_is_sent_again() {
    let bed = Bed::of(once().with("limits: {caller_mints_per_second: 1}"));
    let used = [NOW - 1, NOW - 2].map(|at| bed.code(&proof_at(at)));
    assert_eq!(used, ["allowed", "allowed"]);
    assert_eq!([bed.code(&proof()), bed.code(&proof())], ["rate_limited", "proof_replayed"]);
}

#[tokio::test]
async fn a_retry_waits_for_a_call_that_hangs_no_longer_than_its_own_deadline() {
    let bed = single_use();
    bed.vault_hangs(true);
    let (first, retry) = (proof(), proof());
    let both = futures_util::future::join(bed.code_within(&first, 2), bed.code_within(&retry, 1));
    assert_eq!(both.await, ("deadline_exceeded".to_owned(), "deadline_exceeded".to_owned()));
    bed.vault_hangs(false);
    assert_eq!(bed.code_of(&proof()).await, "allowed");
}

#[test]
fn a_proof_sent_many_times_at_once_is_good_each_time_and_one_question() {
    let bed = Bed::of(document_with(STAGES).with("limits: {caller_mints_per_second: 100}"));
    let proofs: Vec<_> = (0..64).map(|_| proof()).collect();
    assert_eq!(bed.codes_at_once(&proofs), ["allowed"; 64]);
    assert_eq!((bed.sts.asked().len(), bed.code(&proof())), (1, "allowed".to_owned()));
    assert!(bed.sts.asked().is_empty(), "and remembered");
}

/// One call's failure is no answer to the others.
#[test]
fn a_call_that_waits_for_anothers_question_asks_for_itself_where_that_came_to_nothing() {
    let bed = bed();
    bed.sts.answer(no_answer());
    assert_eq!(bed.codes_at_once(&[proof(), proof(), proof()]), ["sts_unavailable", "allowed", "allowed"]);
    assert_eq!(bed.sts.asked().len(), 2);
}

/// The caller does what 503 and `Retry-After` say, and must not be told that somebody stole the proof.
#[tokio::test]
async fn a_proof_is_not_used_up_by_a_call_that_came_to_no_answer() {
    let bed = single_use().vault_fails(2, || MintError::Vault(VaultErrorKind::Sealed.at("p")));
    for _ in 0..2 {
        assert_eq!(bed.code_of(&proof()).await, "vault_sealed");
    }
    assert_eq!(bed.code_of(&proof()).await, "allowed");
    assert_eq!(bed.sts.asked().len(), 1, "STS has judged it");
    assert_eq!(bed.code_of(&proof()).await, "proof_replayed");

    bed.sts.hang(true);
    let second = proof_at(NOW - 1);
    assert_eq!(bed.code_within(&second, 1).await, "deadline_exceeded");
    bed.sts.hang(false);
    bed.sts.answer(no_answer());
    assert_eq!(bed.code_of(&second).await, "sts_unavailable");
    assert_eq!(bed.code_of(&second).await, "allowed");
}

#[test]
fn rejects_a_proof_replayed_after_a_denial() {
    let bed = single_use();
    let elsewhere = proof().to_string().replace("/orders", "/nowhere");
    assert_eq!(bed.code(&serde_json::from_str(&elsewhere).unwrap()), "no_grant");
    assert_eq!(bed.code(&proof()), "proof_replayed", "a call that was denied is an answer");
}

/// Anybody with an AWS account can make good proofs: they must not take the place of those that may call.
#[test]
fn rejects_a_strangers_proofs_without_remembering_them() {
    let bed = single_use();
    for _ in 0..2 {
        bed.sts.answer(Ok(caller_answer("arn:aws:iam::999999999999:user/eve", "AIDAEXAMPLEEVE")));
        assert_eq!(bed.code(&proof()), "account_refused");
    }
    assert_eq!(bed.sts.asked().len(), 2);
}
