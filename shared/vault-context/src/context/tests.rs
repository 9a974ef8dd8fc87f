//! The envelope there and back, in every form in which it travels.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn context() -> VaultContext {
    VaultContext {
        grant: "orders-reader".into(),
        caller: Caller {
            kind: CallerKind::Jwt,
            issuer: Some("corp".into()),
            id: "corp:alice".into(),
            binding: CallerBinding::Dpop,
        },
        wrapped: Some(Wrapped {
            token: WrappingToken::parse("hvs.wrapping").unwrap(),
            wrapped_accessor: "BJ2J7fl2ksKbSCQaYIgIx3cU".into(),
            creation_path: "auth/token/create/orders-prod-reader".into(),
            address: "https://vault.example.com:8200".into(),
            namespace: Some("platform".into()),
            expires_at: 1_800_000_000,
        }),
    }
}

fn flat(context: &VaultContext) -> Map<String, Value> {
    context.to_context().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// The flat context with one key set, or taken away.
fn with(key: &str, value: Option<Value>) -> Result<VaultContext, ContextError> {
    let mut map = flat(&context());
    match value {
        Some(value) => map.insert(key.into(), value),
        None => map.remove(key),
    };
    VaultContext::from_context(&map)
}

#[test]
fn the_flat_context_is_exactly_the_contract() {
    let expected = json!({
        "vaultWrappingToken": "hvs.wrapping", "vaultWrappedAccessor": "BJ2J7fl2ksKbSCQaYIgIx3cU",
        "vaultCreationPath": "auth/token/create/orders-prod-reader", "vaultAddress": "https://vault.example.com:8200",
        "vaultNamespace": "platform", "vaultWrapExpiresAt": "1800000000", "vaultGrant": "orders-reader",
        "callerKind": "jwt", "callerIssuer": "corp", "callerId": "corp:alice", "callerBinding": "dpop", "contextVersion": "1",
    });
    assert_eq!(Value::Object(flat(&context())), expected);
}

#[test]
fn a_grant_without_a_token_sends_the_caller_alone() {
    let context = VaultContext {
        caller: Caller {
            kind: CallerKind::AwsIdentity,
            issuer: None,
            id: "arn:aws:iam::123456789012:role/batch".into(),
            binding: CallerBinding::None,
        },
        wrapped: None,
        ..context()
    };
    let keys: Vec<_> = context.to_context().into_keys().collect();
    assert_eq!(keys, ["callerBinding", "callerId", "callerKind", "contextVersion", "vaultGrant"]);
    assert!(VaultContext::from_context(&flat(&context)).unwrap().wrapped.is_none());
}

#[test]
fn every_field_has_its_header() {
    for field in FIELDS {
        assert!(is_reserved_header(field.header), "{}", field.header);
        assert_eq!(context().to_context().get(field.key), context().to_headers().get(field.header));
    }
}

#[test]
fn reads_the_event_of_every_api_type() {
    let flat = Value::Object(flat(&context()));
    for authorizer in [flat.clone(), json!({ "lambda": flat })] {
        let event = json!({"requestContext": {"stage": "prod", "authorizer": authorizer}});
        assert_eq!(VaultContext::from_event(&event).unwrap().caller.id, "corp:alice");
    }
}

#[test]
fn an_event_without_our_context_is_missing_it() {
    let jwt = json!({"jwt": {"claims": {"sub": "alice"}}});
    // Payload 2.0 is not read beside its `lambda` object.
    let mut beside = flat(&context());
    beside.insert("lambda".into(), json!({}));
    let authorizers =
        json!([null, "x", {"principalId": "user"}, jwt, {"lambda": {}}, {"lambda": null}, beside]);
    let events = authorizers.as_array().unwrap().iter();
    let events = events.map(|authorizer| json!({"requestContext": {"authorizer": authorizer}}));
    for event in events.chain([json!(null), json!({}), json!({"requestContext": {}})]) {
        assert_eq!(VaultContext::from_event(&event).unwrap_err(), ContextError::Missing, "{event}");
    }
    let headers = [("host", "orders"), ("x-vault-context-other", "x")];
    assert_eq!(VaultContext::from_headers(headers).unwrap_err(), ContextError::Missing);
}

#[test]
fn each_required_key_is_missed_by_name() {
    let optional = [NAMESPACE, CALLER_ISSUER, CALLER_BINDING];
    for field in FIELDS.into_iter().filter(|field| !optional.contains(field)) {
        for absent in [None, Some(json!("")), Some(json!(null))] {
            assert_eq!(with(field.key, absent).unwrap_err(), ContextError::Incomplete { key: field.key });
        }
    }
    for field in optional {
        assert!(with(field.key, None).is_ok() && with(field.key, Some(json!(""))).is_ok());
    }
}

#[test]
fn a_namespace_alone_is_half_a_token() {
    let mut map = flat(&VaultContext { wrapped: None, ..context() });
    map.insert(NAMESPACE.key.into(), json!("platform"));
    let error = VaultContext::from_context(&map).unwrap_err();
    assert_eq!(error, ContextError::Incomplete { key: WRAPPING_TOKEN.key });
}

#[test]
fn takes_numbers_and_booleans_as_api_gateway_writes_them() {
    let context = with(WRAP_EXPIRES_AT.key, Some(json!(1_800_000_001))).unwrap();
    assert_eq!(context.wrapped.unwrap().expires_at, 1_800_000_001);
    assert!(with(VERSION.key, Some(json!(1))).is_ok());
    assert_eq!(with(GRANT.key, Some(json!(true))).unwrap().grant, "true");
}

#[test]
fn rejects_values_the_authorizer_would_never_write() {
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    let cases = [
        (GRANT, json!(["a"])),
        (GRANT, json!({"a": 1})),
        (GRANT, json!("a\r\nb")),
        (CALLER_ID, json!(long)),
        (CALLER_KIND, json!("JWT")),
        (WRAPPING_TOKEN, json!("s.secret value")),
        (WRAP_EXPIRES_AT, json!("soon")),
        (WRAP_EXPIRES_AT, json!("+1800000000")),
        (WRAP_EXPIRES_AT, json!(-1)),
        (WRAP_EXPIRES_AT, json!(1.5)),
        (WRAP_EXPIRES_AT, json!("99999999999999999999")),
    ];
    for (field, value) in cases {
        let error = with(field.key, Some(value.clone())).unwrap_err();
        assert!(matches!(error, ContextError::Invalid { key, .. } if key == field.key), "{value}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    for version in [json!("2"), json!("01"), json!(true)] {
        assert_eq!(with(VERSION.key, Some(version)).unwrap_err(), ContextError::UnsupportedVersion);
    }
}

#[test]
fn reads_headers_in_any_case_and_leaves_others_alone() {
    let headers = context().to_headers();
    let headers = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()));
    let headers: Vec<_> =
        headers.chain([("host".to_owned(), "orders"), ("x-vault-request".to_owned(), "true")]).collect();
    let context =
        VaultContext::from_headers(headers.iter().map(|(name, value)| (name.as_str(), *value))).unwrap();
    assert_eq!(context.wrapped.unwrap().token.expose(), "hvs.wrapping");
}

#[test]
fn rejects_a_header_sent_twice_in_any_spelling() {
    for second in ["X-Vault-Context-Grant", "x-vault-context-grant", "X_Vault_Context_Grant"] {
        for value in ["orders-reader", "admin", ""] {
            let headers = context().to_headers();
            let ours = || headers.iter().map(|(name, value)| (*name, value.as_str()));
            let before = VaultContext::from_headers([(second, value)].into_iter().chain(ours()));
            let after = VaultContext::from_headers(ours().chain([(second, value)]));
            for error in [before.unwrap_err(), after.unwrap_err()] {
                let twice = matches!(error, ContextError::Invalid { key: "vaultGrant", .. });
                assert!(twice, "{second}: {error:?}");
            }
        }
    }
}

#[test]
fn reserved_headers_are_known_in_every_spelling() {
    for name in ["x-vault-token", "X-Vault-Context-Grant", "X_VAULT_Context-Grant", "x-vault-"] {
        assert!(is_reserved_header(name), "{name}");
    }
    for name in ["x-vault", "x-vaulted", "vault-x-vault-a", " x-vault-a", "authorization"] {
        assert!(!is_reserved_header(name), "{name}");
    }
}

#[test]
fn debug_shows_the_handle_and_not_the_token() {
    let text = format!("{:?}", context());
    assert!(text.contains("BJ2J7fl2ksKbSCQaYIgIx3cU") && !text.contains("hvs.wrapping"), "{text}");
}

fn any_context() -> impl Strategy<Value = VaultContext> {
    let text = || "[!-~][ -~é]{0,40}";
    let kind = prop::sample::select(CallerKind::ALL.to_vec());
    let binding = prop::sample::select(CallerBinding::ALL.to_vec());
    let caller = (kind, prop::option::of(text()), text(), binding)
        .prop_map(|(kind, issuer, id, binding)| Caller { kind, issuer, id, binding });
    let wrapped = ("[!-~]{1,200}", text(), text(), text(), prop::option::of(text()), any::<u64>()).prop_map(
        |(token, wrapped_accessor, creation_path, address, namespace, expires_at)| Wrapped {
            token: WrappingToken::parse(token).unwrap(),
            wrapped_accessor,
            creation_path,
            address,
            namespace,
            expires_at,
        },
    );
    (text(), caller, prop::option::of(wrapped)).prop_map(|(grant, caller, wrapped)| VaultContext {
        grant,
        caller,
        wrapped,
    })
}

proptest! {
    #[test]
    fn the_flat_context_round_trips(context in any_context()) {
        let again = VaultContext::from_context(&flat(&context)).unwrap();
        prop_assert_eq!(again.to_context(), context.to_context());
    }

    #[test]
    fn the_headers_round_trip(context in any_context()) {
        let headers = context.to_headers();
        let again = VaultContext::from_headers(headers.iter().map(|(name, value)| (*name, value.as_str()))).unwrap();
        prop_assert_eq!(again.to_headers(), headers);
    }

    #[test]
    fn no_flat_context_panics(map in prop::collection::btree_map(prop::sample::select(FIELDS.map(|field| field.key).to_vec()), ".*", 0..12)) {
        let map = map.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let _either = VaultContext::from_context(&map);
    }
}
