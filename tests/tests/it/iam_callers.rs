//! Proofs of an AWS identity. The emulator's STS judges them and checks signatures as AWS does. The proofs come from
//! the clients that the documents show, and include every way to tamper with one.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::json;
use sts_identity::{
    CallerIdentity, Expected, Region, ServerId, SigningRequest, StsAnswer, StsEndpoint, StsHosts, StsRequest,
    presign_get_caller_identity,
};
use test_bed::iam_callers::{
    OTHER_ACCOUNT, SERVER_ID_HEADER, changed, presigned_in, proof_of, with_flipped_digit,
};
use test_bed::{
    ACCOUNT, Aws, Emulator, Grant, IamCaller, LocalBed, REGION, Scratch, Signer, http, request_event,
};
use url::Url;

const SERVER_ID: &str = "orders.example.com";

/// What STS answers to a presigned URL, with the server id that the verifier expects in its header.
async fn sts(url: &Url, server_id: &str) -> (u16, String) {
    let answer = http::client().get(url.clone()).header(SERVER_ID_HEADER, server_id).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn callers(aws: &Aws) -> [IamCaller; 2] {
    [aws.iam_user("people/alice").await, aws.assumed_role("jobs/batch", "nightly").await]
}

#[tokio::test]
async fn rejects_every_way_to_tamper_with_a_proof() {
    let scratch = Scratch::new("iam-tampered");
    let emulator = Emulator::start(&scratch).await;
    let [user, role] = callers(emulator.aws()).await;
    let now = SystemTime::now();
    let stranger = emulator.aws().iam_user_of_another_account("people/alice").await;
    let other_session = emulator.aws().assumed_role("jobs/other", "nightly").await;
    let sign = |caller: &IamCaller| caller.presigned(&emulator.sts_url(), SERVER_ID, now);

    for caller in [&user, &role] {
        let good = sign(caller);
        assert_eq!(sts(&good, SERVER_ID).await.0, 200);
        let key = caller.credentials.access_key_id();
        let at = |time| caller.presigned(&emulator.sts_url(), SERVER_ID, time);
        let scope =
            |from: &str, to: &str| changed(&good, "X-Amz-Credential", |scope| Some(scope.replace(from, to)));
        let set = |name: &str, value: &str| changed(&good, name, |_| Some(value.to_owned()));
        let mut with_tag = good.clone();
        with_tag.query_pairs_mut().append_pair("Tag", "1");
        let mut impostor = caller.clone();
        let stolen = stranger.credentials.secret_access_key();
        let token = caller.credentials.session_token().map(str::to_owned);
        impostor.credentials = aws_credential_types::Credentials::new(key, stolen, token, None, "impostor");
        let sixteen_minutes = Duration::from_secs(960);
        let mut tampered = vec![
            ("another server id is signed", caller.presigned(&emulator.sts_url(), "other.example.com", now)),
            ("a longer life", set("X-Amz-Expires", "900")),
            ("a later time", changed(&good, "X-Amz-Date", |date| Some(later(date)))),
            ("another call", set("Action", "GetSessionToken")),
            ("the server id is not signed", set("X-Amz-SignedHeaders", "host")),
            ("another region", scope("us-east-1", "eu-west-1")),
            ("another service", scope("/sts/", "/s3/")),
            ("another user's key id", scope(key, stranger.credentials.access_key_id())),
            ("an unknown key id", scope(key, "AKIAIOSFODNN7EXAMPLE")),
            ("a parameter more", with_tag),
            ("signed with another secret", sign(&impostor)),
            ("sixteen minutes old", at(now - sixteen_minutes)),
            ("sixteen minutes early", at(now + sixteen_minutes)),
        ];
        if caller.credentials.session_token().is_some() {
            let token = other_session.credentials.session_token().unwrap();
            tampered.push(("another session's token", set("X-Amz-Security-Token", token)));
            tampered.push(("no session token", changed(&good, "X-Amz-Security-Token", |_| None)));
        }
        for position in 0..64 {
            tampered.push(("a digit of the signature", with_flipped_digit(&good, position)));
        }
        for (what, url) in tampered {
            let (status, answer) = sts(&url, SERVER_ID).await;
            assert_eq!(status, 403, "{what}: {answer}");
            assert!(!answer.contains("<Arn>"), "{what}: {answer}");
        }
        assert_eq!(sts(&changed(&good, "X-Amz-Signature", |_| None), SERVER_ID).await.0, 400, "no signature");
    }
}

/// Our own signer and our own reader of answers, each against the other side's real one.
#[tokio::test]
async fn sts_accepts_what_we_presign_and_we_read_what_sts_answers() {
    let scratch = Scratch::new("iam-presign");
    let emulator = Emulator::start(&scratch).await;
    let region = REGION.parse::<Region>().unwrap();
    let endpoint = StsEndpoint::loopback(&emulator.sts_url(), &region).unwrap();
    let server_id = SERVER_ID.parse::<ServerId>().unwrap();
    let hosts = StsHosts::loopback(endpoint.clone());
    let now = SystemTime::now();
    for caller in callers(emulator.aws()).await {
        let signing = SigningRequest {
            credentials: &caller.credentials,
            endpoint: &endpoint,
            server_id: Some(&server_id),
            now,
        };
        let presigned = presign_get_caller_identity(signing, Duration::from_secs(60)).unwrap();
        let url = Url::parse(presigned.expose()).unwrap();
        assert_eq!(sts(&url, "other.example.com").await.0, 403);

        let expected =
            Expected { hosts: &hosts, server_id: &server_id, max_age: Duration::from_secs(60), now };
        let request = StsRequest::parse(presigned.expose(), &expected).unwrap();
        let method = request.method().parse().unwrap();
        let mut sent = http::client().request(method, request.url());
        for (name, value) in request.headers() {
            sent = sent.header(name, value);
        }
        let answer = sent.send().await.unwrap();
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        let answer = StsAnswer {
            status: answer.status().as_u16(),
            content_type: content_type.map(str::to_owned),
            body: answer.bytes().await.unwrap().to_vec(),
        };
        let identity = CallerIdentity::verify(&answer, &request).unwrap();
        assert_eq!(identity.arn().as_str(), caller.arn);
        assert_eq!(identity.account(), ACCOUNT);
    }
}

/// STS, and the authorizer's release binary, as Lambda runs it, with that STS and a real OpenBao.
#[tokio::test]
async fn sts_and_the_authorizer_accept_what_each_documented_client_signs_and_nothing_tampered() {
    let bed = LocalBed::new("iam-authorizer").await;
    let emulator = Emulator::start(&bed.scratch).await;
    let [user, role] = callers(emulator.aws()).await;
    assert_eq!(user.arn, "arn:aws:iam::123456789012:user/people/alice");
    assert_eq!(role.arn, "arn:aws:sts::123456789012:assumed-role/batch/nightly", "a role's path is lost");
    let canonical = ["arn:aws:iam::123456789012:user/people/alice", "arn:aws:iam::123456789012:role/batch"];
    let identity =
        json!({"server_id": SERVER_ID, "accounts": ["123456789012"], "sts_endpoint": emulator.sts_url()});
    let caller = json!({"aws_identity": true, "bound_iam_principal_arns": canonical});
    let configuration = bed.configuration().set("aws_identity", identity);
    let function = bed
        .function(&configuration.grant(Grant::new("orders-prod-reader", "GET /batch").set("caller", caller)));
    for (caller, canonical) in [&user, &role].into_iter().zip(canonical) {
        for signer in Signer::ALL {
            let proof = caller.proof(signer, emulator.aws(), SERVER_ID).await;
            let url = presigned_in(&proof);
            let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
            assert_eq!(query["X-Amz-SignedHeaders"], "host;x-vault-aws-iam-server-id", "{signer:?}");
            assert_eq!(query["X-Amz-Expires"], "60", "{signer:?}");
            let (status, identity) = sts(&url, SERVER_ID).await;
            assert_eq!(status, 200, "{signer:?}: {identity}");
            assert!(identity.contains(&format!("<Arn>{}</Arn>", caller.arn)), "{signer:?}: {identity}");
            assert_eq!(sts(&url, "other.example.com").await.0, 403, "{signer:?}");

            let answer = function.invoke(&request_event("/batch", &proof)).await.response();
            assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Allow", "{signer:?}: {answer}");
            assert_eq!(answer["principalId"], canonical, "{signer:?}");
            assert_eq!(answer["context"]["callerKind"], "aws_identity", "{signer:?}");

            // A proof that was accepted once is remembered, so a change of it must not pass for it.
            for position in [0, 31, 63] {
                let tampered = with_flipped_digit(&url, position);
                let header = format!("AWS-Identity {}", proof_of(&tampered));
                assert_eq!(function.invoke(&request_event("/batch", &header)).await.error(), "Unauthorized");
            }
            let elsewhere = caller.proof(signer, emulator.aws(), "other.example.com").await;
            assert_eq!(function.invoke(&request_event("/batch", &elsewhere)).await.error(), "Unauthorized");
        }
    }
    let of_one = ["allowed", "proof_refused", "proof_refused", "proof_refused", "proof_refused"];
    assert_eq!(function.codes(), of_one.repeat(2 * Signer::ALL.len()));
}

/// What STS leaves to whoever verifies a proof. If one of these changes, a check of ours would be needless, or wrong.
#[tokio::test]
async fn sts_accepts_what_only_the_verifier_can_refuse() {
    let scratch = Scratch::new("iam-accepted");
    let emulator = Emulator::start(&scratch).await;
    let [user, _] = callers(emulator.aws()).await;
    let now = SystemTime::now();
    let old = user.presigned(&emulator.sts_url(), SERVER_ID, now - Duration::from_secs(840));
    assert_eq!(
        sts(&old, SERVER_ID).await.0,
        200,
        "14 minutes old, presigned for one: X-Amz-Expires is not looked at"
    );
    let good = user.presigned(&emulator.sts_url(), SERVER_ID, now);
    for _ in 0..2 {
        assert_eq!(sts(&good, SERVER_ID).await.0, 200, "a proof can be played again");
    }
    let unbound = user.presigned_with(&emulator.sts_url(), &[], now, Duration::from_secs(60));
    assert_eq!(sts(&unbound, SERVER_ID).await.0, 200, "a server id that is not signed is not looked at");

    let stranger = emulator.aws().iam_user_of_another_account("people/alice").await;
    let (status, identity) = sts(&stranger.presigned(&emulator.sts_url(), SERVER_ID, now), SERVER_ID).await;
    assert_eq!(status, 200, "{identity}");
    assert!(identity.contains(&format!("<Account>{OTHER_ACCOUNT}</Account>")), "any account's: {identity}");
}

/// `20260101T000000Z`, one second on or back.
fn later(date: &str) -> String {
    let (rest, second) = date[..15].split_at(14);
    format!(
        "{rest}{}Z",
        if second == "9" { "8".to_owned() } else { (second.parse::<u8>().unwrap() + 1).to_string() }
    )
}
