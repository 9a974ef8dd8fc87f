//! The form of a token: three canonical parts, no repeated member, and nothing that two parsers read differently.

use proptest::prelude::*;

use super::*;

#[test]
fn rejects_a_token_that_is_not_three_canonical_parts() {
    let token = good_token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    for malformed in ["a", "a.b", "..", "a.b.c", "a.b.c.d", message] {
        refused(malformed, "credential_malformed");
    }
    for malformed in [format!("{token}."), format!(".{token}"), format!("{message}.{signature}AAA")] {
        refused(&malformed, "credential_malformed");
    }
    // The last letter of 64 bytes carries two bits that must be zero: another spelling of the same signature.
    let last = signature.chars().last().unwrap();
    let other = if last == 'A' { 'B' } else { char::from(u8::try_from(u32::from(last)).unwrap() + 1) };
    let respelled = format!("{message}.{}{other}", &signature[..signature.len() - 1]);
    refused(&respelled, "credential_malformed");
    // Padding, white space, and letters of the other alphabet, in each part. A header value has no white space at its
    // ends, so nothing is left to refuse there.
    let parts: Vec<&str> = token.split('.').collect();
    for (index, part) in parts.iter().enumerate() {
        for (before, after) in
            [("", "="), ("", "=="), ("", " "), ("", "\n"), ("\t", ""), ("", "+"), ("", "/AA"), ("", "%")]
        {
            let spelled = format!("{before}{part}{after}");
            let mut parts = parts.clone();
            parts[index] = &spelled;
            let token = parts.join(".");
            if token.trim() == token {
                assert_eq!(code(&token), "credential_malformed", "part {index}: {spelled:?}");
            }
        }
        let mut parts = parts.clone();
        parts[index] = "";
        let expected = if index == 2 { "signature_invalid" } else { "credential_malformed" };
        assert_eq!(code(&parts.join(".")), expected, "no part {index}");
    }
}

#[test]
fn rejects_duplicate_members_in_header_and_claims() {
    let (claims, header) = (claims().to_string(), r#"{"alg":"EdDSA","kid":"ed"}"#);
    accepted(&token_of_text(&claims));
    for (header, claims) in [
        (header, claims.replacen('{', r#"{"sub":"root","#, 1).as_str()),
        (r#"{"alg":"none","kid":"ed","alg":"EdDSA"}"#, &claims),
        (header, "[]"),
        ("\"EdDSA\"", &claims),
    ] {
        refused(&keys().ed25519_raw(header, claims), "credential_malformed");
    }
}

/// RFC 7519, section 2: a NumericDate is a JSON number. None of these is read as another time than every other reader has.
#[test]
fn rejects_a_time_that_two_readers_take_for_different_ones() {
    for (claim, time, expected) in [
        ("exp", "18446744073709551615", "allowed"),
        ("exp", "18446744073709551616", "claim_missing"),
        ("exp", "1e30", "claim_missing"),
        ("exp", "1e999", "credential_malformed"),
        ("exp", "0x6B49D200", "credential_malformed"),
        ("exp", "1800000600.9", "allowed"),
        ("exp", "1.8000006e9", "allowed"),
        ("exp", "1800000000.9", "token_expired"),
        ("exp", "-0", "token_expired"),
        ("exp", "-1800000600", "claim_missing"),
        ("nbf", "18446744073709551615", "token_not_yet_valid"),
        ("nbf", "18446744073709551616", "claim_missing"),
        ("iat", "18446744073709551615", "token_not_yet_valid"),
        ("iat", "18446744073709551616", "claim_missing"),
    ] {
        assert_eq!(code(&token_with_text(claims(), claim, time)), expected, "{claim} {time}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_token_of_any_text_is_refused_with_a_code(text in "[ -~]{0,200}") {
        let code = code_of_all(&text);
        prop_assert!(REFUSALS.contains(&code.as_str()), "{code}: {text}");
    }

    #[test]
    fn a_token_of_any_three_parts_is_refused_with_a_code(
        header in "\\{(\"(alg|kid|typ|crit|x)\":(\"(EdDSA|ed|JWT|none)\"|null|7|\\[\\]),?){0,4}\\}",
        claims in "\\{?(\"(iss|sub|exp)\":(\"https://login.example.com/\"|9e999|null|-0|\\{\\}),?){0,3}\\}?",
        signature in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let token = format!("{}.{}.{}", b64(header.as_bytes()), b64(claims.as_bytes()), b64(&signature));
        let code = code_of_all(&token);
        prop_assert!(REFUSALS.contains(&code.as_str()), "{code}: {header} {claims}");
    }
}

/// What a credential that was tampered with may be refused with: always the credential, never a fault.
pub const REFUSALS: [&str; 10] = [
    "credential_missing",
    "credential_duplicate",
    "credential_malformed",
    "scheme_unsupported",
    "issuer_unknown",
    "algorithm_refused",
    "type_refused",
    "key_unknown",
    "signature_invalid",
    "claim_missing",
];
