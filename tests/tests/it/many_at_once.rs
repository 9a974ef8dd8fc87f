//! The authorizer's release binary where Lambda sends 64 events at once (Lambda Managed Instances). Each gets its own
//! verdict and its own line, and all of them share one login and one set of keys.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use test_bed::vault_setup::{self, AppRole};
use test_bed::{Function, Invocation, Issuer, LocalBed, TokenSpec, request_event};

const AT_ONCE: usize = 64;
const REQUESTS: usize = 100_000;
const CALLERS: usize = 50;
const LOGIN: &str = "update auth/approle/login";

/// What the nth request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Minted,
    WithoutToken,
    Forged,
    Expired,
    Missing,
    NoGrant,
    UnknownApi,
    Reserved,
    NoEvent,
}

impl Kind {
    /// Of 50, two are minted, 18 need no token, and the rest are refused.
    fn of(n: usize) -> Self {
        const REFUSED: [Kind; 7] = [
            Kind::Forged,
            Kind::Expired,
            Kind::Missing,
            Kind::NoGrant,
            Kind::UnknownApi,
            Kind::Reserved,
            Kind::NoEvent,
        ];
        match n % 50 {
            0 | 7 => Self::Minted,
            1..=19 => Self::WithoutToken,
            kind => REFUSED[kind % REFUSED.len()],
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Minted | Self::WithoutToken => "allowed",
            Self::Forged => "signature_invalid",
            Self::Expired => "token_expired",
            Self::Missing => "credential_missing",
            Self::NoGrant => "no_grant",
            Self::UnknownApi => "api_unknown",
            Self::Reserved => "header_reserved",
            Self::NoEvent => "event_unsupported",
        }
    }

    /// Whether the line names the caller.
    fn is_known(self) -> bool {
        matches!(self, Self::Minted | Self::WithoutToken | Self::NoGrant)
    }
}

/// One caller's events, one of each kind, whose request id is to be filled in.
struct Caller(HashMap<Kind, String>);

const REQUEST_ID: &str = "id of the request";

impl Caller {
    fn new(issuer: &Issuer, number: usize) -> Self {
        let spec = TokenSpec::reader().expires_in(3600).claim("sub", format!("caller-{number}"));
        let bearer = |token: String| format!("Bearer {token}");
        let good = bearer(issuer.token(&spec));
        let forged = bearer(issuer.forged(&spec));
        let expired = bearer(issuer.token(&spec.expires_in(-60)));
        let orders = |authorization: &str| request_event("/orders", authorization);
        let (mut unknown, mut reserved) = (orders(&good), orders(&good));
        unknown = serde_json::from_str(&unknown.to_string().replace("a1b2c3d4e5", "zzzzzzzzzz")).unwrap();
        reserved["headers"]["x-vault-context-version"] = json!("1");
        let events = [
            (Kind::Minted, orders(&good)),
            (Kind::WithoutToken, request_event("/status", &good)),
            (Kind::Forged, orders(&forged)),
            (Kind::Expired, orders(&expired)),
            (Kind::Missing, orders("")),
            (Kind::NoGrant, request_event("/elsewhere", &good)),
            (Kind::UnknownApi, unknown),
            (Kind::Reserved, reserved),
            (Kind::NoEvent, json!({"type": "REQUEST"})),
        ];
        let with_id = |(kind, mut event): (Kind, Value)| {
            event["requestContext"]["requestId"] = json!(REQUEST_ID);
            (kind, event.to_string())
        };
        Self(events.map(with_id).into())
    }

    fn event(&self, n: usize) -> Vec<u8> {
        self.0[&Kind::of(n)].replace(REQUEST_ID, &request_id(n)).into_bytes()
    }
}

fn request_id(n: usize) -> String {
    format!("request-{n}")
}

/// The wrapped accessor of what was minted, or the id of the denial, where the answer has one.
fn joins(n: usize, invocation: Invocation) -> Option<String> {
    let context = |answer: &mut Value, effect: &str| {
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], effect, "{n}");
        answer["context"].take()
    };
    match Kind::of(n) {
        Kind::Minted | Kind::WithoutToken => {
            let mut context = context(&mut invocation.response(), "Allow");
            assert_eq!(context["callerId"], caller_id(n));
            context["vaultWrappedAccessor"].take().as_str().map(str::to_owned)
        }
        Kind::NoGrant | Kind::UnknownApi | Kind::Reserved => {
            let mut context = context(&mut invocation.response(), "Deny");
            assert_eq!(context["reason"], Kind::of(n).code());
            context["denialId"].take().as_str().map(str::to_owned)
        }
        Kind::Forged | Kind::Expired | Kind::Missing => {
            assert_eq!(invocation.error(), "Unauthorized", "{n}");
            None
        }
        Kind::NoEvent => {
            assert_eq!(invocation.error(), "event_unsupported", "{n}");
            None
        }
    }
}

fn caller_of(n: usize) -> usize {
    n / 50 % CALLERS
}

fn caller_id(n: usize) -> String {
    format!("corp:caller-{}", caller_of(n))
}

/// What is compared of a line.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "Code")]
    code: String,
    lambda_request_id: String,
    trace_id: String,
    cold_start: bool,
    request_id: Option<String>,
    caller_id: Option<String>,
    wrapped_accessor: Option<String>,
}

struct Bed {
    // Dropped in this order: the function before what it asks.
    function: Function,
    local: LocalBed,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let local = LocalBed::new(name).await;
        let AppRole { role_id, secret_id } = vault_setup::approle_login(&local.openbao).await;
        let login = json!({"method": "approle", "role_id": role_id, "secret_id": secret_id});
        let configuration =
            local.readers().login(login).set("limits", json!({"caller_mints_per_second": 1000}));
        let env = [("AWS_LAMBDA_MAX_CONCURRENCY", "64")];
        let function = Function::authorizer(&configuration.to_string(), &env, &local.scratch);
        Self { function, local }
    }

    /// All of these at once are allowed.
    async fn all_are_allowed(&self, tokens: Vec<String>) {
        let at_once = tokens.len();
        let events = tokens.iter().map(|token| request_event("/orders", &format!("Bearer {token}")));
        let events = events.map(|event| event.to_string().into_bytes());
        let answers: Vec<_> = self.function.invoke_at_once(at_once, events).collect().await;
        for (_, invocation) in answers {
            assert_eq!(invocation.effect(), "Allow", "{}", self.function.log());
        }
    }

    fn tokens(&self) -> Vec<String> {
        (0..AT_ONCE).map(|_| self.local.good_token()).collect()
    }
}

#[tokio::test]
async fn each_of_many_requests_at_once_gets_its_own_verdict_and_its_own_line() {
    let bed = Bed::new("many-at-once").await;
    let mark = bed.local.openbao.audit_mark();
    let callers: Vec<_> = (0..CALLERS).map(|n| Caller::new(&bed.local.issuer, n)).collect();
    let events = (0..REQUESTS).map(|n| callers[caller_of(n)].event(n));
    let joins: HashMap<_, _> = bed
        .function
        .invoke_at_once(AT_ONCE, events)
        .map(|(n, invocation)| (request_id(n), (n, joins(n, invocation))))
        .collect()
        .await;
    assert_eq!(joins.len(), REQUESTS);

    let log = bed.function.log();
    let (mut told, mut cold_starts) = (0, 0);
    for text in log.lines() {
        let line: Line = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        told += 1;
        cold_starts += usize::from(line.cold_start);
        let (epoch, rest) = line.lambda_request_id.split_once('-').unwrap();
        let trace = format!("Root=1-{epoch}-{};Parent=0000000000000000;Sampled=0", rest.replace('-', ""));
        assert_eq!(line.trace_id, trace);
        let (n, joined) = &joins[line.request_id.as_ref().unwrap_or_else(|| panic!("{text}"))];
        let kind = Kind::of(*n);
        assert_eq!(line.code, kind.code(), "{text}");
        assert_eq!(line.caller_id, kind.is_known().then(|| caller_id(*n)), "{text}");
        match kind {
            Kind::NoGrant | Kind::UnknownApi | Kind::Reserved => {
                assert_eq!(Some(&line.lambda_request_id), joined.as_ref(), "{text}");
            }
            Kind::Minted
            | Kind::WithoutToken
            | Kind::Forged
            | Kind::Expired
            | Kind::Missing
            | Kind::NoEvent => {
                assert_eq!(&line.wrapped_accessor, joined, "{text}");
            }
        }
    }
    let count = |wanted| (0..REQUESTS).filter(|n| Kind::of(*n) == wanted).count();
    assert_eq!((told, cold_starts), (REQUESTS, 1));

    let asked = bed.local.openbao.requests_since(mark);
    let logins = asked.iter().filter(|request| *request == LOGIN).count();
    assert_eq!((logins, asked.len() - logins), (1, count(Kind::Minted)));
    assert_eq!((bed.local.issuer.discovery_fetches(), bed.local.issuer.jwks_fetches()), (1, 1));
}

#[tokio::test]
async fn many_that_find_a_token_revoked_or_a_key_unknown_get_one_login_and_one_set_of_keys() {
    let bed = Bed::new("many-that-find").await;
    bed.all_are_allowed(bed.tokens()).await;
    let mark = bed.local.openbao.audit_mark();

    for token in
        bed.local.openbao.tokens().await.into_iter().filter(|token| token["path"] == "auth/approle/login")
    {
        bed.local.openbao.write("auth/token/revoke-accessor", json!({"accessor": token["accessor"]})).await;
    }
    bed.all_are_allowed(bed.tokens()).await;
    let logins = bed.local.openbao.requests_since(mark);
    assert_eq!(logins.iter().filter(|request| *request == LOGIN).count(), 1);

    assert_eq!(bed.local.issuer.jwks_fetches(), 1);
    bed.local.issuer.rotate();
    bed.all_are_allowed(bed.tokens()).await;
    assert_eq!(bed.local.issuer.jwks_fetches(), 2);
}

#[tokio::test]
async fn a_vault_that_hangs_holds_up_nobody_who_does_not_need_it() {
    let bed = Bed::new("many-that-wait").await;
    let mut tokens = bed.tokens();
    bed.all_are_allowed(tokens.clone()).await;
    let status = request_event("/status", &format!("Bearer {}", tokens.pop().unwrap()));
    bed.local.openbao.pause();
    let others = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let served = tokio::time::timeout(Duration::from_secs(2), bed.function.invoke(&status)).await;
        bed.local.openbao.resume();
        assert_eq!(served.expect("one of 64 has nothing to wait for").effect(), "Allow");
    };
    tokio::join!(bed.all_are_allowed(tokens), others);
}
