//! Proofs that cost their sender nothing, and who still gets a place in the queue for STS.

use super::*;

/// As a caller without any AWS account could write it, in the name of any access key.
fn made_up(n: usize, access_key_id: &str) -> Value {
    proof_with(|url| {
        let url = url.replace("ASIAEXAMPLE0EXAMPLE0", access_key_id);
        let (before, after) = url.split_once("X-Amz-Signature=").unwrap();
        format!("{before}X-Amz-Signature={n:064x}{}", &after[64..])
    })
}

/// How often each code came of a thousand made-up proofs at once.
fn flood(bed: &Bed, access_key_id: &str) -> Vec<(String, usize)> {
    let mut codes = std::collections::BTreeMap::<String, usize>::new();
    for n in 0..1000 {
        bed.sts.answer(Ok(error_answer(403, "SignatureDoesNotMatch")));
        *codes.entry(bed.code(&made_up(n, access_key_id))).or_default() += 1;
    }
    bed.sts.forget_answers();
    codes.into_iter().collect()
}

#[test]
fn a_flood_of_made_up_proofs_is_no_flood_of_calls_to_sts() {
    let bed = bed();
    // Nobody has judged the others, and an honest caller's may be among them: a fault.
    let expected = [("proof_refused".to_owned(), 20), ("sts_unavailable".to_owned(), 980)];
    assert_eq!(flood(&bed, "AKIAMADEUP0000000000"), expected);
    assert_eq!(bed.sts.asked().len(), 20);
    assert_eq!(bed.code(&proof()), "sts_unavailable", "a newcomer in between has no place");
    bed.clock.forward_millis(100);
    assert_eq!(bed.code(&proof()), "allowed", "and a moment later one");
}

#[test]
fn a_flood_of_made_up_proofs_leaves_callers_that_sts_has_confirmed_their_place() {
    let bed = bed();
    assert_eq!(bed.code(&proof()), "allowed");
    flood(&bed, "AKIAMADEUP0000000000");
    assert_eq!(bed.code(&proof()), "allowed", "what is known passes without STS");
    for n in 1..=8 {
        assert_eq!(bed.code(&proof_at(NOW - n)), "allowed", "{n}");
    }
}

#[test]
fn a_stranger_never_gets_an_allowance_by_the_access_key_alone() {
    let bed = bed();
    assert_eq!(bed.code(&proof()), "allowed");
    // In the name of a confirmed key: still refused, every one that STS is asked about.
    let codes = flood(&bed, "ASIAEXAMPLE0EXAMPLE0");
    assert_eq!(codes, [("proof_refused".to_owned(), 29), ("sts_unavailable".to_owned(), 971)]);
    // And of another account's: what STS says is what counts.
    bed.clock.forward_seconds(10);
    for n in 1..=25 {
        bed.sts.answer(Ok(caller_answer("arn:aws:iam::999999999999:user/eve", "AIDAEXAMPLEEVE")));
        let code = bed.code(&made_up(n, "AKIAEVE0000000000000"));
        assert_eq!(code, if n <= 20 { "account_refused" } else { "sts_unavailable" }, "{n}");
    }
}

/// Each honest new proof costs a question, and none is answered.
#[test]
fn honest_callers_are_never_told_that_they_may_not_while_sts_is_away() {
    let bed = bed();
    for _ in 0..100 {
        bed.sts.answer(no_answer());
        assert_eq!(bed.code(&proof()), "sts_unavailable");
    }
}
