//! A presigned GetCallerIdentity URL. Whatever is sent to STS goes to a host that the operator listed, and asks who
//! signed it.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use sts_identity::{CLOCK_SKEW, Expected, ServerId, StsHosts, StsRequest};
use url::Url;

fuzz_target!(
    init: assert!(SEEDS.into_iter().all(check), "a target that accepts nothing checks nothing"),
    |input: &str| {
        check(input);
    }
);

/// Whether it is a proof.
fn check(input: &str) -> bool {
    let Ok(request) = StsRequest::parse(input, &expected()) else { return false };
    check_address(&request);
    check_parameters(&request);
    check_origin(&request, input);
    check_life(&request);
    check_headers(&request);

    let again = StsRequest::parse(request.url(), &expected()).expect("what was rebuilt is a proof");
    assert_eq!(again.url(), request.url(), "one proof, one spelling");
    assert_eq!(again.ends_at(), request.ends_at());
    assert_eq!(again.region(), request.region());
    true
}

/// By the parser that the HTTP client uses, which knows nothing of ours.
fn check_address(request: &StsRequest) {
    let url = Url::parse(request.url()).expect("a URL");
    assert_eq!(url.as_str(), request.url(), "the HTTP client would send another one");
    assert_eq!((url.scheme(), url.path(), url.fragment()), ("https", "/", None));
    assert_eq!((url.username(), url.password(), url.port()), ("", None, None));
    let host = url.host_str().expect("a host");
    let endpoint = HOSTS.iter().find(|endpoint| endpoint.host() == host).expect("a configured host");
    assert_eq!(endpoint.region(), request.region());
    assert_eq!(
        format!("{request:?}"),
        format!("StsRequest {{ host: {host:?}, .. }}"),
        "`Debug` shows a secret"
    );
}

fn check_parameters(request: &StsRequest) {
    let url = Url::parse(request.url()).expect("a URL");
    let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let raw = url.query().expect("a query");
    assert_eq!(parameters.len(), raw.split('&').count());
    assert!(parameters.is_sorted_by(|one, next| one.0 < next.0), "each is there once");
    let mut names = parameters.iter().map(|(name, _)| name.as_str());
    assert!(names.all(|name| REQUIRED.contains(&name) || name == "X-Amz-Security-Token"));

    let value = |name: &str| parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    assert!(REQUIRED.iter().all(|name| value(name).is_some()));
    assert_eq!(value("Action"), Some("GetCallerIdentity"));
    assert_eq!(value("Version"), Some("2011-06-15"));
    assert_eq!(value("X-Amz-SignedHeaders"), Some("host;x-vault-aws-iam-server-id"));
    let scope: Vec<&str> = value("X-Amz-Credential").unwrap_or_default().split('/').skip(1).collect();
    let day = value("X-Amz-Date").unwrap_or_default().split('T').next().unwrap_or_default();
    assert_eq!(scope, [day, request.region().as_str(), "sts", "aws4_request"]);
}

/// Whoever reads the caller's own URL sees the same proof: nothing was dropped, and nothing has a second reading.
fn check_origin(request: &StsRequest, input: &str) {
    let read = |url: &str| {
        let url = Url::parse(url).expect("a URL");
        let mut parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        parameters.sort();
        (url.origin(), parameters)
    };
    assert_eq!(read(request.url()), read(input));
}

fn check_life(request: &StsRequest) {
    assert!(request.ends_at() >= now(), "it has ended");
    assert!(request.ends_at() <= now() + CLOCK_SKEW + MAX_AGE);
}

fn check_headers(request: &StsRequest) {
    let ours = [("Accept", "text/xml"), (ServerId::HEADER, SERVER_ID.as_str())];
    assert!(request.headers().eq(ours));
    assert_eq!(request.method(), "GET");
}

fn expected() -> Expected<'static> {
    Expected { hosts: &HOSTS, server_id: &SERVER_ID, max_age: MAX_AGE, now: now() }
}

/// 2027-01-15T08:00:00Z, when the seeds were signed.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

const MAX_AGE: Duration = Duration::from_secs(300);
static SERVER_ID: LazyLock<ServerId> = LazyLock::new(|| "orders.example.com".parse().expect("a server id"));
static HOSTS: LazyLock<StsHosts> = LazyLock::new(|| {
    let regions = ["eu-west-1", "us-east-1", "cn-north-1"];
    StsHosts::regional(&regions.map(|region| region.parse().expect("a region")))
});
const SEEDS: [&str; 3] = [
    include_str!("../seeds/presigned_url/china.txt"),
    include_str!("../seeds/presigned_url/role.txt"),
    include_str!("../seeds/presigned_url/user.txt"),
];
const REQUIRED: [&str; 8] = [
    "Action",
    "Version",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];
