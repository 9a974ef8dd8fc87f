//! The table of cases, `authorizer/tests/cases.json`, called over the wire. There is one API of each kind in the
//! emulator, and the authorizer's release binary behind all of them, with a real OpenBao and a real STS.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use test_bed::cases::{Case, ExpectedOutcome, Shape, Table};
use test_bed::iam_callers::{SERVER_ID_HEADER, proof_of, with_flipped_digit};
use test_bed::raw_http::Answer;
use test_bed::{
    Apis, Configuration, Emulator, Grant, IamCaller, Issuer, LocalBed, Signing, TokenSpec, parts,
};

const SERVER_ID: &str = "orders.example.com";

struct Bed {
    // Dropped in this order: clients before servers, the folder last.
    apis: Apis,
    emulator: Emulator,
    aws_issuer: Issuer,
    callers: Callers,
    proofs: AtomicU64,
    local: LocalBed,
}

/// Who has an AWS identity.
struct Callers {
    user: IamCaller,
    role: IamCaller,
    unlisted: IamCaller,
    stranger: IamCaller,
    root: IamCaller,
}

impl Bed {
    async fn new(table: &Table) -> Self {
        let roles = ["orders-prod-batch", "orders-prod-machines", "orders-default-reader"];
        let grant = |all: Configuration, role| all.grant(Grant::new(role, "GET /batch"));
        let local = LocalBed::with("shapes", |all| roles.into_iter().fold(all, grant)).await;
        let emulator = Emulator::start(&local.scratch).await;
        let aws_issuer = Issuer::start_as_aws_account();
        let aws = emulator.aws();
        let callers = Callers {
            user: aws.iam_user("people/alice").await,
            role: aws.assumed_role("jobs/batch", "nightly").await,
            unlisted: aws.iam_user("people/bob").await,
            stranger: aws.iam_user_of_another_account("people/alice").await,
            root: aws.root_user(),
        };
        let apis = Apis::create(&emulator).await;
        let values = [
            ("vault", local.openbao.address().to_owned()),
            ("vault_token", local.token.clone()),
            ("issuer", local.issuer.url()),
            ("aws_issuer", aws_issuer.url()),
            ("sts", emulator.sts_url()),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value)).into();
        let configuration = |shape| table.configuration(shape, &values, &apis.ids());
        apis.deploy(&parts::binary("release", "bootstrap"), configuration).await;
        Self { apis, emulator, aws_issuer, callers, proofs: AtomicU64::new(0), local }
    }

    /// Fresh credentials: a proof is good once.
    fn credentials(&self) -> BTreeMap<String, String> {
        let spec = TokenSpec::reader;
        let jwt = |spec: TokenSpec| self.local.issuer.token(&spec);
        let now = SystemTime::now();
        // Signed in the same second, two proofs of one caller would be one.
        let lifetime = Duration::from_secs(60 + self.proofs.fetch_add(1, Ordering::Relaxed));
        let sign = |caller: &IamCaller, server_id: &str, time| {
            let headers = [(SERVER_ID_HEADER, server_id)];
            caller.presigned_with(&self.emulator.sts_url(), &headers, time, lifetime)
        };
        let proof = |caller: &IamCaller| proof_of(&sign(caller, SERVER_ID, now));
        let tampered = with_flipped_digit(&sign(&self.callers.user, SERVER_ID, now), 63);
        let aws_spec = || TokenSpec::aws_iam("arn:aws:iam::123456789012:role/jobs/batch");
        let aws_jwt = |spec: TokenSpec| self.aws_issuer.token(&spec);
        let about = |tags: Value| json!({"aws_account": "123456789012", "request_tags": tags});
        let credentials = [
            ("jwt", jwt(spec())),
            ("jwt_without_scope", jwt(TokenSpec::new())),
            ("jwt_expired", jwt(spec().expires_in(-5))),
            ("jwt_forged", self.local.issuer.forged(&spec())),
            ("jwt_other_audience", jwt(spec().claim("aud", "other-api"))),
            ("jwt_other_issuer", jwt(spec().claim("iss", "https://login.example.com/"))),
            ("user", proof(&self.callers.user)),
            ("role", proof(&self.callers.role)),
            ("user_unlisted", proof(&self.callers.unlisted)),
            ("user_other_account", proof(&self.callers.stranger)),
            ("user_tampered", proof_of(&tampered)),
            ("user_other_server", proof_of(&sign(&self.callers.user, "other.example.com", now))),
            ("user_old", proof_of(&sign(&self.callers.user, SERVER_ID, now - Duration::from_secs(3600)))),
            ("root", proof(&self.callers.root)),
            ("aws_jwt", aws_jwt(aws_spec())),
            ("aws_jwt_rs256", aws_jwt(aws_spec().signing(Signing::Rs256))),
            ("aws_jwt_unlisted", aws_jwt(TokenSpec::aws_iam("arn:aws:iam::123456789012:role/other/batch"))),
            (
                "aws_jwt_two_accounts",
                aws_jwt(aws_spec().claim("sub", "arn:aws:iam::210987654321:role/jobs/batch")),
            ),
            (
                "aws_jwt_request_tag",
                aws_jwt(aws_spec().claim("https://sts.amazonaws.com/", about(json!({"team": "orders"})))),
            ),
            ("aws_jwt_forged", self.aws_issuer.forged(&aws_spec())),
        ];
        credentials.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Makes the calls of a shape one after the other. Answers what went otherwise than the table says.
    async fn run(&self, table: &Table, shape: Shape) -> Vec<String> {
        let mark = self.apis.decisions(shape).await.len();
        let (mut wrong, mut expected_codes) = (Vec::new(), Vec::new());
        let mut note = |case: &Case, what: String| wrong.push(format!("{shape:?}, {}: {what}", case.name));
        for (case, expected) in table.cases(shape) {
            let request = case.request(&self.apis.base(shape, &case.stage), &self.credentials());
            if case.again {
                self.apis.call(shape, &request).await;
                expected_codes.push((case, "allowed".to_owned()));
            }
            let outcome = self.apis.call(shape, &request).await;
            if outcome.status != expected.status {
                note(case, format!("{}, not {}: {}", outcome.status, expected.status, outcome.body));
            }
            if let Err(what) = self.delivered(&expected, &outcome).await {
                note(case, what);
            }
            expected_codes.extend(expected.code.map(|code| (case, code)));
        }
        let decisions = self.apis.decisions(shape).await.split_off(mark);
        let codes: Vec<_> = decisions.iter().map(|line| line["Code"].as_str().unwrap_or("none")).collect();
        for ((case, expected), code) in expected_codes.iter().zip(&codes) {
            if expected != code {
                note(case, format!("{code}, not {expected}"));
            }
        }
        if expected_codes.len() != codes.len() {
            wrong.push(format!("{shape:?}: {} decisions, not {}", codes.len(), expected_codes.len()));
        }
        wrong
    }

    /// What the integration was given: of a grant with a token, a wrapping token that opens once.
    async fn delivered(&self, expected: &ExpectedOutcome, outcome: &Answer) -> Result<(), String> {
        let context = outcome.context();
        if expected.code.as_deref() != Some("allowed") {
            let text = outcome.body.to_string();
            let has_token = text.contains("vaultWrappingToken");
            return if has_token { Err(format!("a token: {text}")) } else { Ok(()) };
        }
        if context["contextVersion"] != "1" || !context["callerId"].is_string() {
            return Err(format!("no context: {}", outcome.body));
        }
        let grant = context["vaultGrant"].as_str().unwrap_or_default();
        let Some(wrapping_token) = context["vaultWrappingToken"].as_str() else {
            return if grant == "passage" { Ok(()) } else { Err(format!("`{grant}` gave no token")) };
        };
        let unwrap = async || self.local.openbao.unwrap(wrapping_token).await;
        let (status, unwrapped) = unwrap().await;
        if status != 200 || unwrapped["auth"]["accessor"] != context["vaultWrappedAccessor"] {
            return Err(format!("the token does not open: {status} {unwrapped}"));
        }
        if unwrap().await.0 == 200 { Err("the token opens twice".to_owned()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn each_shape_decides_as_the_table_says() {
    let table = Table::read();
    let bed = Bed::new(&table).await;
    let given: Vec<_> = bed.credentials().into_keys().collect();
    assert_eq!(given, table.credentials().collect::<Vec<_>>(), "the table's, and those made here");
    let mut wrong = Vec::new();
    for shape in Shape::ALL {
        wrong.extend(bed.run(&table, shape).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
