//! An answer that claims to be from STS. An identity, and likewise a JWT, comes only from STS's own words, and an
//! outage never looks like a denial.
//!
//! The input is a line with the status and the content type, and then the body.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use sts_identity::{
    AnswerError, CallerIdentity, Expected, MAX_ANSWER_BYTES, StsAnswer, StsHosts, StsRequest,
    WebIdentityToken,
};

fuzz_target!(
    init: assert!(
        SEEDS.into_iter().all(check) && check_token(TOKEN_SEED),
        "a target that accepts nothing checks nothing"
    ),
    |input: &[u8]| {
        check(input);
        check_token(input);
    }
);

/// Whether somebody was identified.
fn check(input: &[u8]) -> bool {
    let Some(answer) = answer(input) else { return false };
    let verified = CallerIdentity::verify(&answer, &REQUEST);
    match &verified {
        Ok(caller) => check_identity(caller, &answer),
        Err(AnswerError::Refused { code }) => {
            let status = answer.status;
            assert!((400..=499).contains(&status) && status != 429, "an outage looks like a denial");
            assert!(says(&answer, code));
        }
        Err(AnswerError::Principal(_)) => assert_eq!(answer.status, 200),
        Err(AnswerError::Unavailable { .. }) => {}
    }
    verified.is_ok()
}

/// Whether there was a JWT. It is STS's, word for word, in an answer of nothing else: response, result and its two members,
/// metadata and its one.
fn check_token(input: &[u8]) -> bool {
    let Some(answer) = answer(input) else { return false };
    let Ok(token) = WebIdentityToken::read(answer.clone()) else { return false };
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() <= MAX_ANSWER_BYTES);
    assert!(says(&answer, token.expose()), "the answer does not say it");
    assert_eq!(tags(&answer), 12, "there is more in the answer than STS says");
    assert_eq!(token.expose().split('.').filter(|part| !part.is_empty()).count(), 3);
    true
}

fn answer(input: &[u8]) -> Option<StsAnswer> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let (line, body) = input.split_at_checked(end)?;
    let (status, content_type) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let content_type = Some(content_type.to_owned()).filter(|text| !text.is_empty());
    Some(StsAnswer { status: status.parse().ok()?, content_type, body: body.get(1..)?.to_vec() })
}

fn check_identity(caller: &CallerIdentity, answer: &StsAnswer) {
    assert_eq!(answer.status, 200);
    assert!(
        answer.content_type.as_deref().is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/xml"))
    );
    assert!(answer.body.len() <= MAX_ANSWER_BYTES);
    let (arn, account) = (caller.arn(), caller.account());
    for word in [arn.as_str(), account, caller.user_id()] {
        assert!(says(answer, word), "the answer does not say `{word}`");
    }
    // Response, result and its three members, metadata and its one: seven tags that open and seven that close.
    assert_eq!(tags(answer), 14, "there is more in the answer than STS says");
    assert!(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(arn.as_str().split(':').nth(4), Some(account), "the ARN is of another account");
    assert_eq!((arn.partition(), arn.as_str().split(':').nth(1)), (REQUEST.partition(), Some("aws")));
    assert!(arn.canonical().starts_with(&format!("arn:aws:iam::{account}:")));
    let expected = match arn.session_name() {
        Some(session) => format!("{}:{session}", caller.unique_id()),
        None => caller.unique_id().to_owned(),
    };
    assert_eq!(caller.user_id(), expected);
    assert!(!caller.unique_id().contains(':'));
}

/// How many tags there are. What an XML declaration holds is never read.
fn tags(answer: &StsAnswer) -> usize {
    let body = std::str::from_utf8(&answer.body).expect("text");
    let document =
        body.strip_prefix("<?xml ").and_then(|rest| rest.split_once("?>")).map_or(body, |(_, rest)| rest);
    document.matches('<').count()
}

/// Whether some element of the body holds this text and nothing else. No other place of XML can: comments, CDATA and all
/// references but those to XML's own entities are refused.
fn says(answer: &StsAnswer, word: &str) -> bool {
    let body = std::str::from_utf8(&answer.body).unwrap_or_default();
    let mut texts = body.split('<').filter_map(|tag| tag.split_once('>')).map(|(_, text)| text);
    texts.any(|text| unescaped(text) == word)
}

fn unescaped(text: &str) -> String {
    const OWN: [(&str, &str); 5] =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    OWN.into_iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

const SEEDS: [&[u8]; 3] = [
    include_bytes!("../seeds/sts_answer/session.txt"),
    include_bytes!("../seeds/sts_answer/user.txt"),
    include_bytes!("../seeds/sts_answer/user_with_escapes.txt"),
];

const TOKEN_SEED: &[u8] = include_bytes!("../seeds/sts_answer/web_identity.txt");

/// The proof that STS was asked about.
static REQUEST: LazyLock<StsRequest> = LazyLock::new(|| {
    let expected = Expected {
        hosts: &StsHosts::regional(&["eu-west-1".parse().expect("a region")]),
        server_id: &"orders.example.com".parse().expect("a server id"),
        max_age: Duration::from_secs(60),
        now: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    };
    StsRequest::parse(PROOF.trim_ascii_end(), &expected).expect("a proof")
});

/// Signed with credentials of AWS's documentation, by somebody else's implementation.
const PROOF: &str = include_str!("../../shared/sts-identity/golden/role.presigned");
