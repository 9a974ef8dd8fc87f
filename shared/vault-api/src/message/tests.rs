//! What remains of a text and, above all, what does not.

use proptest::prelude::*;

use super::*;

#[test]
fn keeps_what_tells() {
    const QUOTA: &str = "request path \"auth/token/create/x\": rate limit quota exceeded";
    const AUDIENCE: &str = "error validating token: invalid audience (aud) claim: audience is not allowed";
    let kept = [
        ("unknown role orders-prod-reader", "unknown role orders-prod-reader"),
        ("1 error occurred:\n\t* permission denied\n\n", "permission denied"),
        ("invalid 'entity_alias' value", "invalid 'entity_alias' value"),
        (QUOTA, QUOTA),
        (AUDIENCE, AUDIENCE),
        ("\n\nfirst\nsecond", "first"),
        ("", ""),
    ];
    for (text, expected) in kept {
        assert_eq!(sanitised(text, None), expected);
    }
}

#[test]
fn removes_what_looks_like_a_secret() {
    let secrets = "s.KGXDu8CLc1DnGKEU4KBqXzzW s.KGXDu8CLc1DnGKEU4KBqXzzW.nsid1 hvs.CAESIJ1hx3xCabcdefghijkl
        b.AAAAAQIdGhpcyBpcyBhIGJhdGNoIHRva2Vu eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln
        FwoGZXIvYXdzEBYaDKJb/3Qx+longSessionToken9==
        IQoJb3JpZ2luX2VjEJr%2F%2F%2F%2F%2F%2F%2F%2F%2F%2FwEaCXVzLWVhc3QtMSJHMEUCIQDx
        5d672d79a15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7 0cc175b9-c0f1-b6a8-31c3-99e269772661
        abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnop";
    for secret in secrets.split_whitespace() {
        for text in [secret.to_owned(), format!("bad \"{secret}\", sorry"), format!("token:{secret};x")] {
            let message = sanitised(&text, None);
            assert!(message.contains(REMOVED) && !message.contains(secret), "{text}: {message}");
        }
    }
}

/// Names as CloudFormation makes them, and the longest that IAM allows: which principal it was, and what is wrong with it.
#[test]
fn keeps_an_iam_principal_whole_and_the_words_behind_it() {
    let longest = |letter: &str| letter.repeat(64);
    for principal in [
        "arn:aws:sts::123456789012:assumed-role/orders-AuthorizerRole-1A2B3C4D5E6F/orders-Authorizer-a1B2c3D4e5F6".to_owned(),
        format!("arn:aws-us-gov:sts::123456789012:assumed-role/{}/{}", longest("R"), longest("s")),
        "arn:aws:iam::123456789012:user/team/somebody@example.com".to_owned(),
    ] {
        let text = format!("IAM Principal \"{principal}\" does not belong to the role \"api-authorizer\"");
        assert_eq!(sanitised(&text, None), text);
    }
}

#[test]
fn rejects_a_secret_that_pretends_to_be_an_iam_principal() {
    for secret in [
        "s.KGXDu8CLc1DnGKEU4KBqXzzW".to_owned(),
        "hvs.CAESIJ1hx3xCabcdefghijkl".to_owned(),
        "eyJhbGciOiJSUzI1NiJ9".to_owned(),
        "IQoJb3JpZ2luX2VjEJr9ABCDEFGHIJKLMNOP".repeat(2),
    ] {
        for principal in [
            format!("arn:aws:sts::123456789012:assumed-role/{secret}/session"),
            format!("arn:aws:sts::123456789012:assumed-role/role/{secret}"),
            format!("arn:aws:sts::{secret}:assumed-role/role/session"),
            secret.clone(),
        ] {
            let message =
                sanitised(&format!("IAM Principal \"{principal}\" does not belong to the role \"x\""), None);
            assert!(!message.contains(&secret), "{message}");
            assert!(message.ends_with("does not belong to the role \"x\""), "{message}");
        }
    }
}

#[test]
fn removes_the_very_token_that_was_sent_whatever_it_looks_like() {
    assert_eq!(sanitised("bad token root!", Some("root")), "bad token …!");
}

#[test]
fn cuts_a_quoted_request_with_its_session_token() {
    let text = "error making upstream request: received error code 403 from STS: <ErrorResponse>POST\n/\n\nx-amz-security-token:FwoGZXIvYXdzEBYaDKJb";
    assert_eq!(sanitised(text, None), "error making upstream request: received error code 403 from STS: ");
}

#[test]
fn keeps_of_an_error_of_sts_what_tells_and_nothing_else() {
    let from_sts =
        |rest: &str| format!("error making upstream request: received error code 403 from STS: {rest}");
    let error = |code: &str, message: &str| {
        let document = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>Sender</Type>\n    \
             <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n</ErrorResponse>"
        );
        sanitised(&from_sts(&document), None)
    };
    let region =
        error("SignatureDoesNotMatch", "Credential should be scoped to a valid region, not 'eu-west-1'. ");
    let kept = "SignatureDoesNotMatch, Credential should be scoped to a valid region";
    assert_eq!(region, from_sts(kept));
    assert_eq!(error("ExpiredToken", "FwoGZXIvYXdzEBYaDKJb"), from_sts("ExpiredToken"));
    for secret in
        ["x-amz-security-token:FwoG", "FwoGZXIvYXdzEBYaDKJb3QxlongSessionToken9FwoGZXIvYXdzEBYaDKJb3QxlongSe"]
    {
        assert_eq!(error(secret, "x"), from_sts(""));
    }
}

#[test]
fn is_bounded_and_holds_no_control_character() {
    let text = "é \u{1b}[31m\u{7f}word ".repeat(100);
    let message = sanitised(&text, None);
    assert_eq!(message.chars().count(), MAX_CHARS);
    assert!(!message.contains(char::is_control));
}

proptest! {
    #[test]
    fn a_vault_token_never_survives(before in "[ -~]{0,20}", token in "(hvs|hvb|s|b)\\.[A-Za-z0-9_-]{24,100}", after in "[ -~]{0,20}") {
        let message = sanitised(&format!("{before}{token}{after}"), None);
        prop_assert!(!message.contains(&token));
    }

    #[test]
    fn any_text_is_bounded(text in "(?s).{0,400}") {
        prop_assert!(sanitised(&text, None).chars().count() <= MAX_CHARS);
    }
}
