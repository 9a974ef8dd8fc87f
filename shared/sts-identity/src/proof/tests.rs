//! One test for each trick that a proof could play, and the proofs that are accepted.

use super::*;
use crate::fixture;
use crate::{SigningRequest, presign_get_caller_identity};
use proptest::prelude::*;

const MAX_AGE: Duration = Duration::from_secs(60);
const REGIONS: &str = "us-east-1 eu-west-1 us-west-2 us-gov-west-1 cn-north-1 eusc-de-east-1 us-iso-east-1 us-isob-east-1 \
                       eu-isoe-west-1 us-isof-south-1 mx-central-1";

fn every_region() -> StsHosts {
    fixture::hosts(&REGIONS.split(' ').collect::<Vec<_>>())
}

#[test]
fn accepts_what_botocore_presigns() {
    let regional = fixture::hosts(&["us-east-1", "eu-west-1", "cn-north-1"]);
    let loopback = StsHosts::loopback(fixture::emulator());
    let cases = [
        (fixture::USER, &regional, "us-east-1", "aws"),
        (fixture::ROLE, &regional, "eu-west-1", "aws"),
        (fixture::CHINA, &regional, "cn-north-1", "aws-cn"),
        (fixture::EMULATOR, &loopback, "eu-west-1", "aws"),
    ];
    for (golden, hosts, region, partition) in cases {
        let request = parse_for(golden.trim_end(), hosts).unwrap();
        assert_eq!(request.url(), fixture::sorted(golden));
        assert_eq!((request.region().as_str(), request.partition()), (region, partition));
        assert_eq!(request.ends_at(), fixture::now() + MAX_AGE);
    }
}

#[test]
fn accepts_our_own_presign_for_every_host_of_every_partition() {
    let regional = every_region();
    let loopback = StsHosts::loopback(fixture::emulator());
    for (hosts, count) in [(&regional, 28), (&loopback, 1)] {
        assert_eq!(hosts.iter().count(), count);
        for endpoint in hosts.iter() {
            for credentials in [fixture::user(), fixture::session()] {
                let url = fixture::presigned(&credentials, endpoint);
                let request = parse_for(&url, hosts).unwrap();
                assert_eq!(request.url(), url);
                assert_eq!(request.unverified_access_key_id(), credentials.access_key_id());
                assert_eq!(request.region(), endpoint.region());
                assert_eq!(request.partition(), endpoint.partition());
            }
        }
    }
}

#[test]
fn sends_our_server_id_and_our_accept_and_nothing_of_the_callers() {
    let request = parse(&role()).unwrap();
    let headers: Vec<(&str, &str)> = request.headers().collect();
    assert_eq!(headers, [("Accept", "text/xml"), ("X-Vault-AWS-IAM-Server-ID", "orders.example.com")]);
    assert_eq!(request.method(), "GET");
}

#[test]
fn debug_and_errors_show_nothing_secret() {
    let request = parse(&role()).unwrap();
    assert_eq!(format!("{request:?}"), r#"StsRequest { host: "sts.eu-west-1.amazonaws.com", .. }"#);
    let broken = [
        role().replace("X-Amz-Signature=", "X-Amz-Signature=0"),
        role().replace("%3D%3D", "%3D%3D%00"),
        role().replace("Action=", "action="),
        format!("{}#", role()),
    ];
    for url in broken {
        let error = parse(&url).unwrap_err();
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("IQoJ") && !shown.contains("bbdd677e") && !shown.contains("ASIA"), "{shown}");
    }
}

/// Each test is a part of the file: what is changed in a good proof, and what is then wrong with it.
const TABLE: &str = include_str!("../../golden/refused-proofs.txt");

fn refused_each(test: &str) {
    let part = TABLE.split("\n\n").find_map(|part| part.strip_prefix(&format!("{test}\n")));
    for line in part.unwrap_or_else(|| panic!("no part {test}")).lines() {
        let [from, to, defect] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        let url = role().replace(from, to);
        assert_ne!(url, role(), "nothing was changed: {line}");
        assert_eq!(format!("{:?}", parse(&url).unwrap_err()), format!("Refused({defect})"), "{line}");
    }
}

macro_rules! parts_of_the_table {
    ($($(#[$doc:meta])* fn $test:ident();)*) => {
        $($(#[$doc])* #[test] fn $test() { refused_each(stringify!($test)); })*

        #[test]
        fn each_part_of_the_table_is_a_test() {
            let parts = TABLE.split("\n\n").map(|part| part.split('\n').next().unwrap());
            assert_eq!(parts.collect::<Vec<_>>(), [$(stringify!($test)),*]);
        }
    };
}

parts_of_the_table! {
    fn rejects_every_other_host();
    fn rejects_another_scheme_or_path();
    /// An STS call that answers with text of the caller's choice was one half of CVE-2020-16250.
    fn rejects_another_action();
    fn rejects_a_proof_whose_signature_does_not_cover_the_server_id_alone();
    fn rejects_a_value_of_another_form();
    fn rejects_a_scope_of_another_region_or_another_day();
    fn rejects_a_value_that_is_not_percent_encoded();
    /// Escapes are undone once: what is still escaped then is not what it could become.
    fn rejects_a_value_that_is_encoded_twice();
}

#[test]
fn rejects_an_address_without_a_proof_and_a_session_token_without_an_end() {
    for url in ["https://sts.eu-west-1.amazonaws.com/", ""] {
        refused(url, ProofDefect::Endpoint);
    }
    let long = role().replace(SESSION_TOKEN_ENCODED, &"t".repeat(5121));
    refused(&long, ProofDefect::Value(query::SECURITY_TOKEN));
}

#[test]
fn rejects_characters_that_url_readers_disagree_about() {
    let characters =
        [" ", "\t", "\n", "\r", "\0", "\u{7f}", "\\", "#", "\u{ff0e}", "\u{3002}", "\u{e9}", "\u{200b}"];
    for character in characters {
        refused(&format!("{character}{}", role()), ProofDefect::Characters);
        refused(&format!("{}{character}", role()), ProofDefect::Characters);
        refused(
            &role().replace("amazonaws.com/", &format!("amazonaws.com{character}/")),
            ProofDefect::Characters,
        );
        refused(&role().replace("Action=Get", &format!("Action={character}Get")), ProofDefect::Characters);
    }
    // The same letters to the eye: full width, and a Cyrillic es.
    for host in ["\u{ff53}ts.eu-west-1.amazonaws.com", "\u{455}ts.eu-west-1.amazonaws.com"] {
        refused(&role().replace("sts.eu-west-1.amazonaws.com", host), ProofDefect::Characters);
    }
    refused(&role().replace(".com/", ".com\\@evil.example/"), ProofDefect::Characters);
}

/// The development endpoint is one address: scheme, host and port.
#[test]
fn rejects_what_is_not_the_loopback_endpoint() {
    let hosts = StsHosts::loopback(fixture::emulator());
    for other in [
        "https://127.0.0.1:4566/",
        "http://127.0.0.1:4567/",
        "http://127.0.0.1/",
        "http://127.0.0.2:4566/",
        "http://localhost:4566/",
        "http://2130706433:4566/",
        "http://0177.0.0.1:4566/",
        "https://sts.eu-west-1.amazonaws.com/",
    ] {
        let url = fixture::EMULATOR.trim_end().replace("http://127.0.0.1:4566/", other);
        assert_eq!(parse_for(&url, &hosts).unwrap_err(), ProofError::Refused(ProofDefect::Endpoint), "{url}");
    }
    refused(fixture::EMULATOR.trim_end(), ProofDefect::Endpoint);
    let none = parse_for(&role(), &fixture::hosts(&[])).unwrap_err();
    assert_eq!(none, ProofError::Refused(ProofDefect::Endpoint));
}

/// CVE-2022-2385: aws-iam-authenticator folded the case of parameter names, STS does not, and so the two read
/// different requests.
#[test]
fn rejects_a_second_spelling_of_every_parameter() {
    for parameter in parameters() {
        let (name, value) = parameter.split_once('=').unwrap();
        let escaped = format!("%{:02X}{}", name.as_bytes()[0], name.get(1..).unwrap());
        for spelling in
            [name.to_lowercase(), name.to_uppercase(), swap_case(name), escaped, format!("{name}%00")]
        {
            refused_as_unknown(&format!("{}&{spelling}={value}", role()), &spelling);
            refused_as_unknown(&role().replace("?", &format!("?{spelling}={value}&")), &spelling);
            refused_as_unknown(&role().replace(&format!("{name}="), &format!("{spelling}=")), &spelling);
        }
    }
}

#[test]
fn rejects_a_proof_with_one_of_its_parameters_twice_or_without_it() {
    for parameter in parameters() {
        let (name, _) = parameter.split_once('=').unwrap();
        let name = query::name(name).unwrap();
        for second in [parameter.clone(), format!("{name}="), format!("{name}=other")] {
            refused(&format!("{}&{second}", role()), ProofDefect::DuplicateParameter(name));
            refused(&role().replace('?', &format!("?{second}&")), ProofDefect::DuplicateParameter(name));
        }
        let without = role().replace(&parameter, "").replace("&&", "&").replace("?&", "?");
        let without = without.trim_end_matches('&');
        if name == query::SECURITY_TOKEN {
            assert!(parse(without).is_ok(), "a user has no session token");
        } else {
            refused(without, ProofDefect::MissingParameter(name));
        }
    }
}

#[test]
fn rejects_a_parameter_that_get_caller_identity_does_not_need() {
    let parameters = "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD WebIdentityToken=eyJ RoleSessionName=x
        RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fadmin ProviderId=evil.example DurationSeconds=3600
        x-id=GetCallerIdentity X-Vault-AWS-IAM-Server-ID=orders.example.com X-Amz-Region-Set=%2A
        Accept=application%2Fjson AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE Action[]=AssumeRole Action = %00= ;Action=AssumeRole";
    for parameter in parameters.split_whitespace().chain([""]) {
        let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
        refused_as_unknown(&format!("{}&{parameter}", role()), name);
        refused_as_unknown(&role().replace('?', &format!("?{parameter}&")), name);
    }
}

/// Named, so that its sender can leave it out; but for what may be a part of a secret.
#[track_caller]
fn refused_as_unknown(url: &str, name: &str) {
    let error = parse(url).unwrap_err();
    let shown = error.to_string();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let named = if is_name && (1..=32).contains(&name.len()) {
        format!("the query parameter `{name}`,")
    } else {
        "the query parameter of a name that is not 1 to 32 letters, digits and `-`,".to_owned()
    };
    assert!(matches!(error, ProofError::Refused(ProofDefect::UnknownParameter(_))), "{shown}");
    assert!(shown.contains(&named), "{shown}");
}

#[test]
fn rejects_a_part_of_a_secret_in_the_message_about_an_unknown_parameter() {
    for secret in ["wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY", &"0a".repeat(32), "IQoJb3JpZ2luX2VjEXAMPLE%2F"]
    {
        let shown = parse(&format!("{}&{secret}=", role())).unwrap_err().to_string();
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn one_proof_has_one_spelling() {
    let spellings = [
        role(),
        fixture::sorted(&role()),
        role().replace("%2F", "%2f"),
        role().replace("Action=GetCaller", "Action=%47et%43aller"),
        role().replace("X-Amz-Date=2027", "X-Amz-Date=%32027"),
    ];
    for spelling in spellings {
        assert_eq!(parse(&spelling).unwrap().url(), fixture::sorted(fixture::ROLE), "{spelling}");
    }
}

#[test]
fn rejects_an_oversized_proof_and_accepts_a_long_session_token() {
    let with_token = |length| role().replace(SESSION_TOKEN_ENCODED, &"t".repeat(length));
    assert!(parse(&with_token(5120)).is_ok());
    refused(&with_token(MAX_URL_BYTES), ProofDefect::TooLong);
    refused(&format!("{}&a={}", role(), "%41".repeat(MAX_URL_BYTES / 3)), ProofDefect::TooLong);
    // 4 KiB of base64 whose every 20th character needs an escape, which is more than real ones have.
    let token = format!("{}%2F", "A".repeat(19)).repeat(4096 / 20);
    assert!(parse(&role().replace(SESSION_TOKEN_ENCODED, &token)).is_ok());
}

#[test]
fn takes_a_proof_from_thirty_seconds_before_its_date_to_its_last_instant() {
    let nanosecond = Duration::from_nanos(1);
    let date = fixture::now();
    let (first, last) = (date - CLOCK_SKEW, date + MAX_AGE);
    for now in [first, date - nanosecond, date, date + Duration::from_millis(59_999), last] {
        let request = parse_at(&role(), now, MAX_AGE).unwrap();
        assert_eq!(request.ends_at(), last);
    }
    let cases = [
        (last + nanosecond, ProofError::Expired { seconds_ago: 1 }),
        (last + Duration::from_secs(1), ProofError::Expired { seconds_ago: 1 }),
        (last + Duration::from_millis(1_001), ProofError::Expired { seconds_ago: 2 }),
        (date + Duration::from_secs(900), ProofError::Expired { seconds_ago: 840 }),
        (first - nanosecond, ProofError::NotYetValid { seconds_ahead: 31 }),
        (first - Duration::from_secs(1), ProofError::NotYetValid { seconds_ahead: 31 }),
        (SystemTime::UNIX_EPOCH, ProofError::NotYetValid { seconds_ahead: 1_800_000_000 }),
    ];
    for (now, error) in cases {
        assert_eq!(parse_at(&role(), now, MAX_AGE).unwrap_err(), error, "{now:?}");
    }
}

/// At any fraction of a second: the same instant ends the proof each time it is read.
#[test]
fn rejects_a_replay_across_the_second_that_ends_it() {
    let last = fixture::now() + MAX_AGE;
    for nanos in [1, 2, 500_000_000, 999_999_999, 1_000_000_000] {
        let step = Duration::from_nanos(nanos);
        assert_eq!(parse_at(&role(), last - step, MAX_AGE).unwrap().ends_at(), last);
        let over = parse_at(&role(), last + step, MAX_AGE).unwrap_err();
        assert_eq!(over, ProofError::Expired { seconds_ago: 1 });
    }
}

#[test]
fn the_signers_lifetime_and_ours_both_end_a_proof() {
    let with_expires = |seconds: u64| role().replace("Expires=60", &format!("Expires={seconds}"));
    let seconds = Duration::from_secs;
    for (expires, max_age, life) in
        [(10, 60, 10), (60, 10, 10), (604_800, 60, 60), (1, 900, 1), (604_800, 604_801, 604_800), (60, 0, 0)]
    {
        let end = fixture::now() + seconds(life);
        let url = with_expires(expires);
        assert_eq!(parse_at(&url, end, seconds(max_age)).unwrap().ends_at(), end, "{expires} {max_age}");
        let over = parse_at(&url, end + seconds(1), seconds(max_age)).unwrap_err();
        assert_eq!(over, ProofError::Expired { seconds_ago: 1 }, "{expires} {max_age}");
    }
    assert!(parse_at(&role(), fixture::now(), Duration::MAX).is_ok());
}

/// What is wrong with the proof itself is said first: it does not get better with time.
#[test]
fn a_refusal_comes_before_an_expiry() {
    let late = fixture::now() + Duration::from_secs(10_000);
    let url = role().replace("Version=2011-06-15", "Version=1");
    let error = parse_at(&url, late, MAX_AGE).unwrap_err();
    assert_eq!(error, ProofError::Refused(ProofDefect::Value(query::VERSION)));
}

proptest! {
    #[test]
    fn reads_any_text_without_a_panic(text in any::<String>(), tail in "[ -~]{0,200}") {
        // Neither has a chance to be a proof; what is asserted is that both come back.
        prop_assert!(parse(&text).is_err());
        let url = format!("https://sts.eu-west-1.amazonaws.com/?{tail}");
        prop_assert!(parse(&url).is_err());
    }

    #[test]
    fn what_is_read_is_rebuilt_to_itself(at in 0..1000_usize, byte in 0x21..0x7f_u8, cut in any::<bool>()) {
        let mut bytes = role().into_bytes();
        let at = at % bytes.len();
        if cut { bytes.remove(at); } else { bytes[at] = byte; }
        let url = String::from_utf8(bytes).unwrap();
        if let Ok(request) = parse(&url) {
            let again = parse(request.url()).unwrap();
            prop_assert_eq!(again.url(), request.url());
            prop_assert_eq!(again.ends_at(), request.ends_at());
        }
    }

    #[test]
    fn every_spelling_of_a_proof_is_rebuilt_to_one(escapes in any::<u64>(), swap in 0..8_usize) {
        let mut parameters = parameters();
        parameters.swap(0, swap);
        let mut at = 0_u32;
        let mut respell = |character: char| {
            at += 1;
            let escape = character.is_ascii_alphanumeric() && escapes.rotate_left(at) & 1 == 1;
            if escape { format!("%{:02x}", character as u32) } else { character.to_string() }
        };
        let respelt: Vec<String> = parameters
            .iter()
            .map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap();
                // An escape stays as it is: it would be escaped twice.
                let value: String = if value.contains('%') { value.to_owned() } else { value.chars().map(&mut respell).collect() };
                format!("{name}={value}")
            })
            .collect();
        let url = format!("https://sts.eu-west-1.amazonaws.com/?{}", respelt.join("&"));
        let request = parse(&url).unwrap();
        prop_assert_eq!(request.url(), fixture::sorted(fixture::ROLE));
    }

    #[test]
    fn what_we_presign_we_accept(
        seconds in 0..253_402_300_800_u64,
        expires in 1..=604_800_u64,
        id in "[A-Za-z0-9_]{16,128}",
        token in proptest::option::of("[A-Za-z0-9+/=_-]{1,2000}"),
        host in 0..28_usize,
    ) {
        let hosts = every_region();
        let endpoint = hosts.iter().nth(host).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let credentials =
            aws_credential_types::Credentials::new(id, fixture::SECRET_ACCESS_KEY, token, None, "test");
        let server_id = fixture::server_id();
        let request = SigningRequest { credentials: &credentials, endpoint, server_id: Some(&server_id), now };
        let url = presign_get_caller_identity(request, Duration::from_secs(expires)).unwrap();
        let expected = Expected { hosts: &hosts, server_id: &server_id, max_age: Duration::MAX, now };
        let request = StsRequest::parse(url.expose(), &expected).unwrap();
        prop_assert_eq!(request.url(), url.expose());
        prop_assert_eq!(request.ends_at(), now + Duration::from_secs(expires));
    }
}

const SESSION_TOKEN_ENCODED: &str =
    "IQoJb3JpZ2luX2VjEXAMPLE%2F%2F%2F%2F%2F%2F%2F%2F%2F%2FwEaCWV1LXdlc3QtMSJ%2Bexample%3D%3D";

/// A good proof for Ireland, of a role.
fn role() -> String {
    fixture::ROLE.trim_end().to_owned()
}

fn parameters() -> Vec<String> {
    let url = role();
    let (_, query) = url.split_once('?').unwrap();
    query.split('&').map(str::to_owned).collect()
}

fn swap_case(name: &str) -> String {
    let swap = |c: char| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
    name.chars().map(swap).collect()
}

fn refused(url: &str, defect: ProofDefect) {
    assert_ne!(url, role(), "nothing was changed");
    assert_eq!(parse(url).unwrap_err(), ProofError::Refused(defect), "`{url}`");
}

fn parse(url: &str) -> Result<StsRequest, ProofError> {
    parse_at(url, fixture::now(), MAX_AGE)
}

fn parse_for(url: &str, hosts: &StsHosts) -> Result<StsRequest, ProofError> {
    let server_id = fixture::server_id();
    StsRequest::parse(url, &Expected { hosts, server_id: &server_id, max_age: MAX_AGE, now: fixture::now() })
}

fn parse_at(url: &str, now: SystemTime, max_age: Duration) -> Result<StsRequest, ProofError> {
    let (hosts, server_id) = (fixture::hosts(&["eu-west-1"]), fixture::server_id());
    StsRequest::parse(url, &Expected { hosts: &hosts, server_id: &server_id, max_age, now })
}
