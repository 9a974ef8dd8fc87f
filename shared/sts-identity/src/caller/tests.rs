//! Answers that prove an identity, answers that refuse one, and all other answers, which count as an outage.

use super::*;
use crate::{Expected, MAX_ANSWER_BYTES, StsHosts, fixture};
use proptest::prelude::*;
use std::time::Duration;

const ROLE: Identity = Identity {
    arn: "arn:aws:sts::123456789012:assumed-role/batch/nightly",
    user_id: "AROACLKWSDQRAOEXAMPLE:nightly",
    account: "123456789012",
};
const USER: Identity = Identity {
    arn: "arn:aws:iam::123456789012:user/division/ann",
    user_id: "AIDACKCEVSQ6C2EXAMPLE",
    account: "123456789012",
};

#[test]
fn reads_a_session_of_a_role_and_a_user() {
    for (identity, canonical, unique_id) in [
        (ROLE, "arn:aws:iam::123456789012:role/batch", "AROACLKWSDQRAOEXAMPLE"),
        (USER, USER.arn, USER.user_id),
    ] {
        let caller = verify(&answer(&identity.document())).unwrap();
        assert_eq!((caller.arn().as_str(), caller.arn().canonical()), (identity.arn, canonical));
        assert_eq!((caller.account(), caller.unique_id()), ("123456789012", unique_id));
        assert_eq!(caller.user_id(), identity.user_id);
    }
}

/// As an emulator answers: with an XML declaration, on one line, with a name for a unique id.
#[test]
fn reads_an_emulators_answer() {
    let emulated = Identity { user_id: "batch:nightly", ..ROLE };
    let document = emulated.document().replace("\n", "").replace("  ", "");
    for declaration in ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<?xml version=\"1.0\"?>\n", ""] {
        let caller = verify(&answer(&format!("{declaration}{document}"))).unwrap();
        assert_eq!(caller.unique_id(), "batch");
    }
}

#[test]
fn reads_an_answer_whose_type_says_its_charset() {
    for content_type in [
        "text/xml",
        "Text/XML",
        "text/xml;charset=UTF-8",
        "text/xml; charset=utf-8",
        "text/xml ; charset=UTF-8",
    ] {
        assert!(verify(&typed(Some(content_type), answer(&USER.document()))).is_ok(), "{content_type}");
    }
    let shown = r#"StsAnswer { status: 200, content_type: Some("text/xml"), .. }"#;
    assert_eq!(format!("{:?}", answer("body")), shown, "`Debug` leaves the body out");
}

/// CVE-2020-16250: STS, asked for JSON, echoed text of the caller's choice, and Vault's XML reader found an identity in it.
#[test]
fn rejects_an_identity_inside_json() {
    let embedded = USER.document().replace('"', "\\\"");
    let json =
        format!(r#"{{"AssumeRoleWithWebIdentityResponse":{{"SubjectFromWebIdentityToken":"{embedded}"}}}}"#);
    for content_type in ["application/json", "application/x-amz-json-1.1", "text/xml"] {
        unavailable(&typed(Some(content_type), answer(&json)));
    }
}

/// The other half of CVE-2020-16250: the reader took what stood before and after the identity for nothing.
#[test]
fn rejects_bytes_before_or_after_the_document() {
    let document = USER.document();
    for before in ["x", "{", " ", "\n", "\u{feff}", "<a/>", "HTTP/1.1 200 OK\n\n", "\0"] {
        unavailable(&answer(&format!("{before}{document}")));
    }
    for after in ["x", "}", "<a/>", "&amp;", "\0", document.as_str(), "<!-- -->", "<?x?>"] {
        unavailable(&answer(&format!("{document}{after}")));
    }
    for around in ["<html>", "<soap:Envelope xmlns:soap=\"urn:s\">"] {
        let name = around.trim_matches(['<', '>']).split(' ').next().unwrap();
        unavailable(&answer(&format!("{around}{document}</{name}>")));
    }
}

#[test]
fn rejects_two_of_anything() {
    let other = Identity { arn: "arn:aws:iam::123456789012:user/admin", ..USER };
    let arn = format!("<Arn>{}</Arn>", other.arn);
    let result = other.result();
    let inserted = [
        ("<Arn>", arn.as_str()),
        ("<UserId>", "<UserId>AIDAADMIN</UserId>"),
        ("<Account>", "<Account>123456789012</Account>"),
        ("<GetCallerIdentityResult>", result.as_str()),
        ("<ResponseMetadata>", "<ResponseMetadata><RequestId>2</RequestId></ResponseMetadata>"),
        ("<RequestId>", "<RequestId>2</RequestId>"),
    ];
    for (before, second) in inserted {
        unavailable(&answer(&changed(&USER.document(), before, &format!("{second}{before}"))));
        let after = before.replace('<', "</");
        unavailable(&answer(&changed(&USER.document(), &after, &format!("{after}{second}"))));
    }
}

/// A part of the file: what is changed in a good answer, each of which makes it none.
fn changes(test: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut parts = include_str!("../../golden/unusable-answers.txt").split("\n\n");
    let part = parts.find_map(|part| part.strip_prefix(&format!("{test}\n"))).unwrap();
    let change = |line: &'static str| line.split_once(" | ").unwrap();
    part.lines().map(change).map(|(from, to)| (from, if to == "(nothing)" { "" } else { to }))
}

#[test]
fn rejects_a_document_that_is_not_exactly_get_caller_identitys() {
    for (from, to) in changes("rejects_a_document_that_is_not_exactly_get_caller_identitys") {
        unavailable(&answer(&changed(&USER.document(), from, to)));
    }
}

/// Ways to make one reader see what another does not.
#[test]
fn rejects_comments_instructions_sections_entities_and_a_dtd() {
    for (from, to) in changes("rejects_comments_instructions_sections_entities_and_a_dtd") {
        unavailable(&answer(&changed(&USER.document(), from, to)));
    }
}

/// IAM's paths may hold what XML escapes.
#[test]
fn a_path_that_xml_escapes_is_read() {
    let escaped = changed(&USER.document(), "user/division/ann", "user/a&amp;b&lt;c/ann");
    assert_eq!(verify(&answer(&escaped)).unwrap().arn().as_str(), "arn:aws:iam::123456789012:user/a&b<c/ann");
    // Not where nothing needs it.
    unavailable(&answer(&changed(&USER.document(), "AIDACKCEVSQ6C2EXAMPLE", "AIDA&amp;")));
}

#[test]
fn rejects_another_type_size_or_encoding() {
    for content_type in [
        None,
        Some(""),
        Some("text/html"),
        Some("application/xml"),
        Some("text/xml, application/json"),
        Some("text/xml; charset=utf-7"),
        Some("text/xml; charset=utf-8; boundary=x"),
        Some("text/xmlx"),
    ] {
        unavailable(&typed(content_type, answer(&USER.document())));
    }
    let padded = |length: usize| format!("{}{}", USER.document(), " ".repeat(length - USER.document().len()));
    assert!(verify(&answer(&padded(MAX_ANSWER_BYTES))).is_ok());
    unavailable(&answer(&padded(MAX_ANSWER_BYTES + 1)));
    unavailable(&StsAnswer { body: changed(&USER.document(), "ann", "\u{e9}").into_bytes(), ..answer("") });
    unavailable(&StsAnswer { body: b"<\xff".to_vec(), ..answer("") });
    unavailable(&answer(""));
    unavailable(&answer(&"<a>".repeat(5000)));
}

#[test]
fn rejects_an_answer_that_contradicts_itself() {
    let session = "arn:aws:sts::123456789012:assumed-role/batch/nightly";
    let role = |arn, user_id| Identity { arn, user_id, ..ROLE };
    for identity in [
        Identity { account: "210987654321", ..ROLE },
        Identity { account: "", ..ROLE },
        Identity { account: " 123456789012", ..ROLE },
        role(session, "AROACLKWSDQRAOEXAMPLE:other"),
        role(session, "AROACLKWSDQRAOEXAMPLE:nightly:nightly"),
        role(session, "AROACLKWSDQRAOEXAMPLE"),
        role(session, ":nightly"),
        role(session, "AROACLKWSDQRAOEXAMPLEnightly"),
        role("arn:aws:iam::123456789012:role/batch", ROLE.user_id),
        role("arn:aws:iam::123456789012:role/batch", "AROACLKWSDQRAOEXAMPLE"),
        role("arn:aws:sts::123456789012:assumed-role/batch/nightly ", ROLE.user_id),
        role("arn:aws:sts::123456789012:assumed-role/*/nightly", ROLE.user_id),
        role("", ROLE.user_id),
        role("arn:aws-cn:sts::123456789012:assumed-role/batch/nightly", ROLE.user_id),
        role("arn:aws-us-gov:sts::123456789012:assumed-role/batch/nightly", ROLE.user_id),
        Identity { user_id: "AIDACKCEVSQ6C2EXAMPLE:ann", ..USER },
        Identity { user_id: "AIDA CKCEVSQ6C2EXAMPLE", ..USER },
    ] {
        unavailable(&answer(&identity.document()));
    }
    let long = "A".repeat(129);
    unavailable(&answer(&changed(&USER.document(), "AIDACKCEVSQ6C2EXAMPLE", &long)));
}

#[test]
fn rejects_an_identity_of_another_partition_than_its_sts() {
    let china = Identity { arn: "arn:aws-cn:iam::123456789012:user/ann", ..USER };
    let request = request(fixture::CHINA.trim_end(), &fixture::hosts(&["cn-north-1"]));
    assert!(CallerIdentity::verify(&answer(&china.document()), &request).is_ok());
    let refused = CallerIdentity::verify(&answer(&USER.document()), &request).unwrap_err();
    assert!(matches!(refused, AnswerError::Unavailable { .. }), "{refused:?}");
}

#[test]
fn rejects_root_federated_users_and_machines_as_what_they_are() {
    use PrincipalArnError::{FederatedUser, Machine, Root};
    const MACHINE: &str = "arn:aws:sts::123456789012:assumed-role/aws:ec2-instance/i-0123456789abcdef0";
    for (arn, user_id, error) in [
        ("arn:aws:iam::123456789012:root", "123456789012", Root),
        ("arn:aws:sts::123456789012:federated-user/ann", "123456789012:ann", FederatedUser),
        (MACHINE, "123456789012:aws:ec2-instance:i-0123456789abcdef0", Machine),
    ] {
        let refused = verify(&answer(&Identity { arn, user_id, ..USER }.document())).unwrap_err();
        assert_eq!(refused, AnswerError::Principal(error));
    }
}

#[test]
fn a_refused_credential_is_told_by_its_code() {
    let codes = "SignatureDoesNotMatch InvalidClientTokenId UnrecognizedClientException ExpiredToken \
                 ExpiredTokenException RequestExpired IncompleteSignature";
    for status in [400, 401, 403] {
        for code in codes.split(' ') {
            let refused = verify(&failure(status, &error(code))).unwrap_err();
            assert_eq!(refused, AnswerError::Refused { code });
            assert_eq!(refused.to_string(), format!("STS refused the caller's credential: `{code}`"));
        }
    }
}

#[test]
fn an_outage_is_never_a_denial() {
    let refusal = error("SignatureDoesNotMatch");
    for status in [0, 100, 199, 201, 204, 301, 302, 307, 399, 429, 500, 502, 503, 504, 599, 65535] {
        unavailable(&failure(status, &refusal));
        unavailable(&failure(status, &USER.document()));
    }
    let codes = "Throttling ThrottlingException RequestLimitExceeded AccessDenied AccessDeniedException \
                 RegionDisabledException InternalFailure ServiceUnavailable MissingAuthenticationToken InvalidAction \
                 OptInRequired signaturedoesnotmatch";
    for code in codes.split(' ').chain(["SignatureDoesNotMatch ", ""]) {
        unavailable(&failure(400, &error(code)));
        unavailable(&failure(403, &error(code)));
    }
}

#[test]
fn only_an_error_document_of_sts_refuses_a_credential() {
    let refusal = error("SignatureDoesNotMatch");
    for (from, to) in changes("only_an_error_document_of_sts_refuses_a_credential") {
        unavailable(&failure(403, &changed(&refusal, from, to)));
    }
    for content_type in [None, Some("application/json"), Some("text/html")] {
        unavailable(&typed(content_type, failure(403, &refusal)));
    }
    let bodies = [
        "",
        "<html><body>403 Forbidden</body></html>",
        r#"{"Error":{"Code":"SignatureDoesNotMatch","Type":"Sender"}}"#,
        "SignatureDoesNotMatch",
    ];
    for body in bodies {
        unavailable(&failure(403, body));
    }
    unavailable(&failure(403, &USER.document()));
    unavailable(&answer(&refusal));
    unavailable(&failure(403, &format!("{refusal}{}", " ".repeat(MAX_ANSWER_BYTES))));
}

/// STS escapes what it quotes in its message, and breaks it into lines.
#[test]
fn reads_an_error_whose_message_has_escapes() {
    let message = "Signature expired: &quot;20270115T080000Z&quot; is\n\nearlier &lt; &#x27;now&#x27;";
    let document = error("SignatureDoesNotMatch").replace("A message", message);
    let refused = verify(&failure(403, &document)).unwrap_err();
    assert_eq!(refused, AnswerError::Refused { code: "SignatureDoesNotMatch" });
}

#[test]
fn a_code_that_could_break_a_log_line_is_not_repeated() {
    for code in ["a\nb", "a b", "`", &"a".repeat(65)] {
        let error = verify(&failure(400, &error(code))).unwrap_err();
        let reason = "status 400, and no error document of STS".to_owned();
        assert_eq!(error, AnswerError::Unavailable { reason });
    }
    let error = verify(&failure(403, &error("AccessDenied"))).unwrap_err();
    assert_eq!(error.to_string(), "STS gave no usable answer: status 403, error `AccessDenied`");
}

proptest! {
    #[test]
    fn reads_any_answer_without_a_panic(
        status in any::<u16>(),
        content_type in proptest::option::of(any::<String>()),
        body in any::<Vec<u8>>(),
    ) {
        let answer = StsAnswer { status, content_type, body };
        prop_assert!(verify(&answer).is_err());
    }

    /// Whatever one byte does to an answer, it is never another account's, and never a denial.
    #[test]
    fn a_damaged_answer_is_no_other_account(at in any::<usize>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = ROLE.document().into_bytes();
        let at = at % body.len();
        if cut { body.remove(at); } else { body[at] = byte; }
        match verify(&StsAnswer { body, ..answer("") }) {
            Ok(caller) => prop_assert_eq!(caller.account(), ROLE.account),
            Err(error) => prop_assert!(matches!(error, AnswerError::Unavailable { .. }), "{:?}", error),
        }
    }
}

/// What an answer says.
#[derive(Clone, Copy)]
struct Identity {
    arn: &'static str,
    user_id: &'static str,
    account: &'static str,
}

impl Identity {
    /// As STS writes it, line by line.
    fn document(&self) -> String {
        format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  {}\n  \
             <ResponseMetadata>\n    <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>\n  \
             </ResponseMetadata>\n</GetCallerIdentityResponse>\n",
            self.result()
        )
    }

    fn result(&self) -> String {
        let Self { arn, user_id, account } = self;
        format!(
            "<GetCallerIdentityResult>\n    <Arn>{arn}</Arn>\n    <UserId>{user_id}</UserId>\n    \
             <Account>{account}</Account>\n  </GetCallerIdentityResult>"
        )
    }
}

fn error(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    \
         <Type>Sender</Type>\n    <Code>{code}</Code>\n    <Message>A message</Message>\n  </Error>\n  \
         <RequestId>4fc0d3ee</RequestId>\n</ErrorResponse>\n"
    )
}

fn changed(document: &str, from: &str, to: &str) -> String {
    assert!(document.contains(from), "{from}");
    document.replace(from, to)
}

fn typed(content_type: Option<&str>, answer: StsAnswer) -> StsAnswer {
    StsAnswer { content_type: content_type.map(str::to_owned), ..answer }
}

fn answer(body: &str) -> StsAnswer {
    failure(200, body)
}

fn failure(status: u16, body: &str) -> StsAnswer {
    StsAnswer { status, content_type: Some("text/xml".to_owned()), body: body.as_bytes().to_vec() }
}

fn unavailable(answer: &StsAnswer) {
    let error = verify(answer).unwrap_err();
    let body = String::from_utf8_lossy(&answer.body);
    assert!(matches!(error, AnswerError::Unavailable { .. }), "{error:?} {answer:?} {body}");
}

/// As the answer to a proof for STS in Ireland.
fn verify(answer: &StsAnswer) -> Result<CallerIdentity, AnswerError> {
    let hosts = fixture::hosts(&["eu-west-1"]);
    CallerIdentity::verify(answer, &request(fixture::ROLE.trim_end(), &hosts))
}

fn request(url: &str, hosts: &StsHosts) -> StsRequest {
    let server_id = fixture::server_id();
    let max_age = Duration::from_secs(60);
    let expected = Expected { hosts, server_id: &server_id, max_age, now: fixture::now() };
    StsRequest::parse(url, &expected).unwrap()
}
