//! `doctor` on a Vault, issuers and an AWS that each have one thing wrong with them. It must name that thing.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
};

use authorizer_steps::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::support::{Ran, Server, file, has, run};

fn now() -> u64 {
    SystemClock.now().seconds()
}

fn health(changes: &Value) -> Value {
    let mut health =
        json!({"initialized": true, "sealed": false, "server_time_utc": now(), "version": "2.7.2"});
    for (name, value) in changes.as_object().unwrap() {
        health[name] = value.clone();
    }
    health
}

fn granted(seconds: u64) -> Value {
    json!({"auth": {"client_token": "s.doctor", "accessor": "a", "policies": ["vault-authorizer"],
        "token_type": "service", "num_uses": 0, "lease_duration": seconds, "renewable": true}})
}

fn vault(changes: Value) -> Server {
    Server::start(move |path| match path {
        "/v1/auth/token/lookup-self" => (
            200,
            json!({"data": {"type": "service", "policies": ["vault-authorizer"], "num_uses": 0, "ttl": 3600}}),
        ),
        "/v1/auth/approle/login" => (400, json!({"errors": ["invalid secret id"]})),
        "/v1/auth/spare/login" => (200, granted(60)),
        "/v1/auth/token/revoke-self" => (204, Value::Null),
        _ => {
            assert!(path.starts_with("/v1/sys/health?"), "{path}");
            (200, health(&changes))
        }
    })
}

/// With the options for a login that stores nothing.
fn with_approle(config: &str, mount: &str) -> String {
    let login =
        format!("{{method: approle, mount: {mount}, role_id: r, secret_id: the-secret-id-of-the-test}}");
    config.replace("{method: token, token: s.AuthorizerTokenOfTheTest}", &login)
}

#[test]
fn a_login_that_vault_refuses_is_named_and_a_good_one_is_ended() {
    let (vault, provider) = (vault(json!({})), provider());
    let doctor = |mount: &str, options: &[&str]| {
        let config = file("yaml", &with_approle(&config(&vault.url, &provider.url), mount));
        let command = ["doctor", "--trust-config-address", "--config", &config];
        run(&[&command[..], options].concat(), "", &[])
    };
    let refused = doctor("approle", &["--log-in"]).printed(1);
    has(&refused, &["wrong   vault-login: ", "do: the secret id is used up"]);
    assert!(!refused.contains("the-secret-id-of-the-test"));
    has(
        &doctor("spare", &["--log-in"]).printed(3),
        &[
            "good    vault-login: Vault grants a token for 60 s with the policy `vault-authorizer`; this one has been revoked",
        ],
    );
    assert!(vault.asked.lock().unwrap().last().unwrap().starts_with("POST /v1/auth/token/revoke-self"));
    assert!(doctor("spare", &[]).printed(3).contains("unseen  vault-login: not tried"));
}

/// Behind a load balancer, the node that is asked next may not know the token yet, or not be able to answer.
#[test]
fn a_standby_that_lags_behind_is_given_time() {
    let provider = provider();
    for lag in [
        (403, json!({"errors": ["permission denied"]})),
        (412, json!({"errors": ["required index state not present"]})),
        (429, json!({"errors": []})),
        (500, json!({"errors": ["local node not active but active cluster node not found"]})),
    ] {
        let behind = AtomicUsize::new(2);
        let answer = lag.clone();
        let vault = Server::start(move |path| match path {
            "/v1/auth/spare/login" => (200, granted(3600)),
            "/v1/auth/token/revoke-self" => {
                let lags =
                    behind.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                if lags.is_ok() { answer.clone() } else { (204, Value::Null) }
            }
            _ => (200, health(&json!({}))),
        });
        let config = file("yaml", &with_approle(&config(&vault.url, &provider.url), "spare"));
        let command = ["doctor", "--trust-config-address", "--config", &config, "--log-in"];
        let printed = run(&command, "", &[]).printed(3);
        assert!(printed.contains("; this one has been revoked\n"), "{lag:?}: {printed}");
        let asked = vault.asked.lock().unwrap();
        let revoked = asked.iter().filter(|request| request.starts_with("POST /v1/auth/token/revoke-self"));
        assert_eq!(revoked.count(), 3, "{lag:?}");
    }
}

fn provider() -> Server {
    Server::start(|_| {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        (200, json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]}))
    })
}

fn config(vault: &str, jwks: &str) -> String {
    config_with("", vault, jwks)
}

/// With this as the issuer's `binding`.
fn config_with(binding: &str, vault: &str, jwks: &str) -> String {
    let binding = if binding.is_empty() { String::new() } else { format!(", binding: {{{binding}}}") };
    format!(
        "vault: {{address: \"{vault}\", login: {{method: token, token: s.AuthorizerTokenOfTheTest}}}}\n\
         issuers: {{corp: {{kind: jwt, issuer: \"https://login.example.com/\", audiences: [a], algorithms: [EdDSA], jwks: {{uri: \"{jwks}/keys\"}}{binding}}}}}\n\
         stages: {{prod: {{api_ids: [a1b2c3d4e5], grants: [{{name: n, mode: none, routes: [\"GET /\"], caller: {{issuer: corp, any: true}}}}]}}}}\n"
    )
}

fn doctor(vault: &str, jwks: &str, options: &[&str]) -> Ran {
    doctor_of(&config(vault, jwks), options)
}

fn doctor_of(document: &str, options: &[&str]) -> Ran {
    let config = file("yaml", document);
    let env =
        [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")];
    let mut ran = run(&[&["doctor", "--config", &config], options].concat(), "", &env);
    ran.stdout = ran.stdout.replace(&config, "authorizer.yaml");
    ran
}

/// The checks that found something wrong.
fn wrong(vault: &str, jwks: &str, options: &[&str]) -> Vec<String> {
    wrong_of(&config(vault, jwks), options)
}

fn wrong_of(document: &str, options: &[&str]) -> Vec<String> {
    let ran = doctor_of(document, &[&["--json"], options].concat());
    let code = ran.code;
    let findings = ran.json(code);
    let wrong = findings.as_array().unwrap().iter().filter(|finding| finding["verdict"] == "wrong");
    let wrong: Vec<String> = wrong.map(|finding| finding["check"].as_str().unwrap().to_owned()).collect();
    // Without an operator's token, what Vault must hold is not looked at.
    assert_eq!(code, if wrong.is_empty() { 3 } else { 1 }, "{findings}");
    wrong
}

#[test]
fn where_nothing_is_wrong_it_says_what_it_saw() {
    let (vault, provider) = (vault(json!({})), provider());
    let printed = doctor(&vault.url, &provider.url, &[]).printed(3).replace(&vault.url, "http://vault");
    assert!(
        printed.contains("0 s between Vault's clock and this one") || printed.contains("1 s between"),
        "{printed}"
    );
    let printed = printed.replace("1 s between", "0 s between");
    insta::assert_snapshot!(printed);
}

#[test]
fn a_vault_that_is_away_sealed_new_or_late_is_named() {
    let provider = provider();
    assert_eq!(wrong("http://127.0.0.1:9", &provider.url, &[]), ["vault-reachable"]);
    for (changes, found) in [
        (json!({"sealed": true}), &["vault-sealed"][..]),
        (json!({"initialized": false, "sealed": true}), &["vault-sealed"]),
        (json!({"replication_dr_mode": "secondary"}), &["vault-sealed"]),
        (json!({"replication_dr_mode": "primary"}), &[]),
    ] {
        assert_eq!(wrong(&vault(changes.clone()).url, &provider.url, &[]), found, "{changes}");
    }
    for (off_seconds, found) in [(-60, &["vault-clock"][..]), (300, &["vault-clock"]), (-20, &[])] {
        let off = vault(json!({"server_time_utc": now().saturating_add_signed(off_seconds)}));
        assert_eq!(wrong(&off.url, &provider.url, &[]), found, "{off_seconds}");
    }
    let other = Server::start(|_| (404, json!({"hello": "I am a load balancer"})));
    assert_eq!(wrong(&other.url, &provider.url, &[]), ["vault-reachable", "vault-login"]);
}

/// Reads what comes, and answers a bad request in plain http, whatever it was.
fn answers_badly(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map(Result::unwrap) {
            let _begun = connection.read(&mut [0; 4096]).unwrap();
            let length = text.len();
            let _gone =
                write!(connection, "HTTP/1.0 400 Bad Request\r\ncontent-length: {length}\r\n\r\n{text}");
        }
    });
    address
}

#[test]
fn the_wrong_half_of_http_and_https_is_named() {
    let vault = answers_badly("Client sent an HTTP request to an HTTPS server.\n");
    let provider = provider();
    let found = |url: &str| run(&["doctor", &file("yaml", &config(url, &provider.url))], "", &[]).stdout;
    let https = found(&format!("https://{vault}"));
    let words = "does not answer: the address starts with https://, but the server there does not speak TLS: check the port";
    assert!(https.contains(&format!("wrong   vault-reachable: https://{vault} {words}")), "{https}");
    has(
        &found(&format!("http://{vault}")),
        &["the address starts with http://, but the server there speaks TLS: write https://"],
    );
}

#[test]
fn an_issuer_whose_keys_cannot_be_had_is_named() {
    let vault = vault(json!({}));
    assert_eq!(wrong(&vault.url, "http://127.0.0.1:9", &[]), ["issuer-keys"]);
    let empty = Server::start(|_| (200, json!({"keys": []})));
    assert_eq!(wrong(&vault.url, &empty.url, &[]), ["issuer-keys"]);
}

/// A realm that signs with RS256, beside its key for encryption.
#[test]
fn keys_are_counted_by_the_configured_algorithms_and_those_not_used_are_shown() {
    let n = "38lPdTZVp-u06mPfy8sWkKRE-950k0blHhSgvbhJKM2Yku3Li1Q5hPTafT76lwZwzxXspaxTKgtkHV0CzHaekT440JlfxbTfXlXREwW-rknXAcSeyS7IYuiMqJenpv0LFqKwGB8UONyDwopoqJuFua2X1sBlbJ-Y6YRC2Jy5HpZgwvDq7wWma6yxTT1QdQKaYNalzU2NddV81Q8oHWDN-AqrUW6c4nMklptW2Lo06yZL0ZEpZ6oOu9OluPZyuXdQk_NAyFHNCnHDma37_VOUYMKH5KZ-Z8Wkz5xcFtXOoFLulQdgPWi09LR4_0ByUm_v69NBFW1-tv9WxFIjFjL_CQ";
    let rsa = |changes: Value| {
        let mut jwk =
            json!({"kty": "RSA", "kid": "rsa-1", "use": "sig", "alg": "RS256", "n": n, "e": "AQAB"});
        jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        jwk
    };
    let vault = vault(json!({}));
    let printed = |keys: Vec<Value>, algorithms: &str, code| {
        let provider = Server::start(move |_| (200, json!({"keys": keys})));
        let config = config(&vault.url, &provider.url).replace("[EdDSA]", algorithms);
        let ran = run(&["doctor", "--config", &file("yaml", &config)], "", &[]).printed(code);
        let lines = ran.lines().skip_while(|line| !line.contains("issuer-keys")).take(2);
        lines.collect::<Vec<_>>().join("\n")
    };
    let encryption = rsa(json!({"kid": "enc\u{1b}[2J", "use": "enc", "alg": "RSA-OAEP"}));
    let realm = vec![rsa(json!({})), rsa(json!({})), encryption];
    let two = vec![rsa(json!({})), rsa(json!({"e": "AQAD"}))];
    let found = [
        printed(realm.clone(), "[ES256]", 1),
        printed(realm, "[RS256, ES256]", 3),
        printed(two, "[RS256]", 1),
    ];
    insta::assert_snapshot!(found.join("\n"));
}

/// An account in which this one thing is as given.
fn aws(change: &'static str, value: Value) -> Server {
    aws_with(if change.is_empty() { vec![] } else { vec![(change, value)] })
}

/// An account in which these things are as given.
fn aws_with(changes: Vec<(&'static str, Value)>) -> Server {
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders-authorizer";
    let source = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/authorizers/abc123";
    let statement = json!({"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction",
        "Resource": arn, "Condition": {"ArnLike": {"AWS:SourceArn": source}}});
    let mut account = json!({
        "function": {"FunctionArn": arn, "Timeout": 8, "Environment": {"Variables": {"AUTHORIZER_CONFIG": "x"}}},
        "policy": {"Statement": [statement]},
        "concurrency": {"ReservedConcurrentExecutions": 20},
        "authorizer": {"id": "abc123", "name": "vault", "type": "REQUEST", "authorizerResultTtlInSeconds": 0,
            "authorizerUri": format!("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}/invocations")},
        "stage": {"methodSettings": {"*/*": {"dataTraceEnabled": false}}, "accessLogSettings": {"format": "$context.requestId"}},
        "rest": {"id": "a1b2c3d4e5", "disableExecuteApiEndpoint": false},
        "http": null,
        "domains": {"items": []},
        "mappings": {"items": [{"apiId": "another"}, {"apiId": "a1b2c3d4e5", "stage": "prod", "apiMappingKey": "v1"}]},
        "rules": {"routingRules": [{"actions": [{"invokeApi": {"apiId": "a1b2c3d4e5", "stage": "prod", "stripBasePath": true}}]}]},
    });
    for (change, value) in changes {
        *account.pointer_mut(change).unwrap() = value;
    }
    Server::start(move |path| match path.split('?').next().unwrap() {
        "/2015-03-31/functions/orders-authorizer/configuration" => (200, account["function"].clone()),
        "/2015-03-31/functions/orders-authorizer/policy" => {
            (200, json!({"Policy": account["policy"].to_string()}))
        }
        "/2019-09-30/functions/orders-authorizer/concurrency" => (200, account["concurrency"].clone()),
        "/restapis/a1b2c3d4e5" if account["http"].is_null() => (200, account["rest"].clone()),
        "/restapis/a1b2c3d4e5/authorizers" => (200, json!({"item": [account["authorizer"]]})),
        "/v2/apis/a1b2c3d4e5" if account["http"].is_object() => (200, account["http"].clone()),
        "/v2/apis/a1b2c3d4e5/authorizers" => {
            let mut authorizer = account["authorizer"].clone();
            authorizer["authorizerId"] = authorizer["id"].take();
            (200, json!({"items": [authorizer]}))
        }
        "/restapis/a1b2c3d4e5/stages/prod" | "/v2/apis/a1b2c3d4e5/stages/prod" => {
            (200, account["stage"].clone())
        }
        "/v2/domainnames" => (200, account["domains"].clone()),
        "/v2/domainnames/api.example.com/apimappings" => (200, account["mappings"].clone()),
        "/v2/domainnames/api.example.com/routingrules" => (200, account["rules"].clone()),
        _ => (404, json!({"message": "not found"})),
    })
}

fn at_aws(aws: &Server) -> [&str; 6] {
    ["--function", "orders-authorizer", "--region", "eu-west-1", "--aws-endpoint", &aws.url]
}

#[test]
fn a_deployment_that_breaks_a_promise_is_named() {
    let (vault, provider) = (vault(json!({})), provider());
    let found = |change, value| wrong(&vault.url, &provider.url, &at_aws(&aws(change, value)));
    assert_eq!(found("", Value::Null), Vec::<String>::new());
    for (change, value, check) in [
        ("/function/Timeout", json!(10), "function-timeout"),
        (
            "/function/Environment/Variables/AUTHORIZER_CONFIG",
            json!("x".repeat(4000)),
            "function-environment",
        ),
        ("/concurrency/ReservedConcurrentExecutions", json!(0), "function-concurrency"),
        ("/authorizer/authorizerResultTtlInSeconds", json!(300), "authorizer-caching"),
        ("/authorizer/authorizerUri", json!("another"), "authorizer-api"),
        ("/policy/Statement", json!([]), "authorizer-permission"),
        ("/stage/methodSettings/*~1*/dataTraceEnabled", json!(true), "stage-data-trace"),
        (
            "/stage/accessLogSettings/format",
            json!("$context.authorizer.vaultWrappingToken"),
            "stage-access-log",
        ),
    ] {
        assert_eq!(found(change, value), [check]);
    }
}

/// What is found of proofs, whether it is good, wrong or unseen.
fn of_bindings(binding: &str, changes: Vec<(&'static str, Value)>) -> String {
    let (vault, provider, aws) = (vault(json!({})), provider(), aws_with(changes));
    let document = config_with(binding, &vault.url, &provider.url);
    let ran = doctor_of(&document, &[&["--json"], &at_aws(&aws)[..]].concat());
    let code = ran.code;
    let findings = ran.json(code);
    let checks = ["binding-authorizer", "binding-endpoint", "binding-urls"];
    let of_bindings = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| checks.contains(&finding["check"].as_str().unwrap()));
    let told = of_bindings.map(|finding| {
        let word = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        format!(
            "{} {}: {}{} do: {}\n",
            word("verdict"),
            word("check"),
            word("found"),
            word("reason"),
            word("remedy")
        )
    });
    told.collect()
}

#[test]
fn an_api_on_which_no_proof_can_arrive_is_named() {
    let http = |protocol: &str| ("/http", json!({"apiId": "a1b2c3d4e5", "protocolType": protocol}));
    let domain =
        |mode: &str| ("/domains/items", json!([{"domainName": "api.example.com", "routingMode": mode}]));
    let (mappings, rules) = (domain("API_MAPPING_ONLY"), domain("ROUTING_RULE_ONLY"));
    let urls = r#"require: dpop, public_urls: ["https://api.example.com/v1"]"#;
    let token = ("/authorizer/type", json!("TOKEN"));
    let closed = ("/rest/disableExecuteApiEndpoint", json!(true));
    let truststore = json!({"truststoreUri": "s3://bucket/clients.pem"});
    let with_truststore =
        ("/domains/items", json!([{"domainName": "api.example.com", "mutualTlsAuthentication": truststore}]));
    let open = ("/rest/disableExecuteApiEndpoint", json!(false));
    let mut text = String::new();
    for (binding, changes) in [
        ("", vec![mappings.clone()]),
        ("require: none", vec![token.clone(), http("HTTP")]),
        ("require: dpop", vec![]),
        ("require: dpop", vec![token]),
        ("require: dpop", vec![mappings.clone()]),
        ("require: dpop", vec![rules.clone()]),
        (
            "require: dpop",
            vec![("/rules/routingRules/0/actions/0/invokeApi/stripBasePath", json!(false)), rules.clone()],
        ),
        ("require: dpop", vec![("/mappings/items/1/apiId", json!("other")), mappings.clone(), http("HTTP")]),
        ("require: any", vec![mappings.clone(), http("HTTP")]),
        (urls, vec![mappings.clone(), http("HTTP")]),
        ("require: dpop", vec![("/domains", json!({"items": [], "nextToken": "more"}))]),
        ("require: mtls", vec![open]),
        ("require: mtls", vec![closed.clone()]),
        ("require: mtls", vec![closed.clone(), mappings.clone()]),
        ("require: mtls", vec![closed, with_truststore]),
        ("require: mtls", vec![http("WEBSOCKET")]),
    ] {
        let changed: Vec<String> = changes.iter().map(|(name, value)| format!("{name} {value}")).collect();
        text += &format!("## {binding}, with {}\n{}\n", changed.join(", "), of_bindings(binding, changes));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_could_not_be_looked_at_is_not_called_good() {
    let (vault, provider) = (vault(json!({})), provider());
    let refusing = Server::start(|_| {
        (403, json!({"Message": "User is not authorized to perform: lambda:GetFunctionConfiguration"}))
    });
    let printed = doctor(&vault.url, &provider.url, &at_aws(&refusing)).printed(3);
    has(&printed, &["unseen  function: GET", "lambda:GetFunctionConfiguration"]);
    assert!(
        printed.contains("no problem found in what could be checked: 7 checks, 2 could not be made\nnext: "),
        "{printed}"
    );
    has(
        &refusing.asked.lock().unwrap().join("\n").to_lowercase(),
        &["authorization: aws4-hmac-sha256 credential=akiaiosfodnn7example/"],
    );
    assert!(!printed.contains("AKIAIOSFODNN7EXAMPLE") && !printed.contains("Signature"), "{printed}");
}
