//! What operators run, and the result: the quickstart script, and the authorizer's least privilege.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::{LocalBed, OpenBao, Ran, Scratch, parts, vault_setup};

/// What would be written is read from a command that prints it. `logins` runs the same on OpenBao's plugin, where that is there.
#[test]
fn quickstart_sh_configures_the_aws_login_on_request() {
    let scratch = Scratch::new("quickstart-aws");
    // It prints what it would do, and for a field what the server would have there: `FIELD=VALUE`, or nothing.
    let cli = parts::script(scratch.path(), "vault", &parts::text("tests/clients/printing_vault.sh"));
    let quickstart_where = |server_has: &str, options: &[&str]| {
        let mut command = Command::new("sh");
        command.arg(parts::repository().join("infra/vault/quickstart.sh")).args(options);
        command.env("VAULT_CLI", &cli).env("SERVER_HAS", server_has).env("VAULT_ADDR", "http://127.0.0.1:1");
        Ran::from(command.output().unwrap())
    };
    let quickstart = |options: &[&str]| quickstart_where("", options);

    let arn = "arn:aws:iam::123456789012:role/api-authorizer";
    let options = ["--aws-principal", arn, "--server-id", "vault.example.com"];
    let printed = quickstart(&options).stdout;
    let (_, login) = printed.split_once("auth enable aws\n").expect("the method is enabled");
    assert_eq!(
        login,
        "write auth/aws/config/client iam_server_id_header_value=vault.example.com\n\
         write auth/aws/role/api-authorizer auth_type=iam \
         bound_iam_principal_arn=arn:aws:iam::123456789012:role/api-authorizer resolve_aws_unique_ids=false \
         token_policies=vault-authorizer token_no_default_policy=true token_type=service token_ttl=1h \
         token_max_ttl=24h\n"
    );

    assert_eq!(quickstart_where("iam_server_id_header_value=vault.example.com", &options).code, 0);
    let taken = quickstart_where("iam_server_id_header_value=other.example.com", &options);
    assert_eq!(taken.code, 1, "others log in with that server id");
    assert!(!taken.stdout.contains("write auth/aws"));
    assert_eq!(quickstart(&["--server-id", "x"]).code, 2, "a server id configures nothing alone");

    // Another region's function, with the same role: both log in, and neither is forgotten by leaving it out.
    let second = "arn:aws:iam::123456789012:role/api-authorizer-us-east-1";
    let two = ["--aws-principal", arn, "--aws-principal", second, "--server-id", "vault.example.com"];
    let bound = format!("bound_iam_principal_arn=[{arn} {second}]");
    for server_has in
        ["", &bound, &format!("bound_iam_principal_arn=[{second}]"), "token_policies=[vault-authorizer]"]
    {
        let printed = quickstart_where(server_has, &two).stdout;
        let binds = format!(" bound_iam_principal_arn={arn},{second} ");
        assert!(printed.contains(&binds), "{server_has}: {printed}");
    }
    for (server_has, complaint) in [
        (bound.as_str(), format!("{second} logs in with the role api-authorizer as well")),
        ("token_policies=[orders-prod]", "it logs in another configuration's authorizer".to_owned()),
        ("denied", "permission denied".to_owned()),
    ] {
        let stopped = quickstart_where(server_has, &options);
        assert!(!stopped.stdout.contains("write auth/aws"), "{server_has}");
        assert!(stopped.code != 0 && stopped.stderr.contains(&complaint), "{server_has}: {}", stopped.stderr);
    }
    for list in [format!("{arn},{second}"), format!("{arn}, {second}")] {
        let told = quickstart(&["--aws-principal", &list, "--server-id", "vault.example.com"]).complained(2);
        assert!(told.ends_with(&format!(": --aws-principal {arn} --aws-principal {second}\n")), "{told}");
    }
    assert_eq!(quickstart(&["--aws-principal", arn]).code, 2, "a login without a server id is refused");
    assert!(!quickstart(&[]).stdout.contains("aws"));
}

/// The proof, on the server, that the authorizer's own token mints for its grants and can do nothing else.
#[tokio::test]
async fn the_authorizers_policy_allows_its_mints_and_nothing_else() {
    let scratch = Scratch::new("least-privilege");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    vault_setup::quickstart(&openbao).await;
    let own = vault_setup::authorizer_token(&openbao).await;
    let staging = "auth/token/create/orders-staging-reader";
    for (ttl, wrap_ttl) in [("600s", "60s"), ("300s", "15s")] {
        let body = json!({"ttl": ttl, "num_uses": 5, "meta": {"caller": "corp:alice"}});
        let wrapped = [("X-Vault-Wrap-TTL", wrap_ttl)];
        let (status, answer) = openbao.api_with("POST", staging, Some(&own), &wrapped, body).await;
        assert_eq!(status, 200, "{ttl} {wrap_ttl}: {answer}");
    }
    assert_own_token(&openbao, &own).await;
}

/// What every policy of the authorizer's must do that has the grant `orders-prod-reader`, for 2 minutes, wrapped for 30 seconds; be
/// it written by `quickstart.sh` or by `vault apply`. It ends the token.
pub(crate) async fn assert_own_token(openbao: &OpenBao, own: &str) {
    // A role that exists, and that no grant of the authorizer names.
    let role = openbao.read("auth/token/roles/orders-prod-reader").await;
    let other = json!({"allowed_policies": role["allowed_policies"], "orphan": true, "renewable": false});
    openbao.write("auth/token/roles/other", other).await;
    let victim = openbao.write("auth/token/create/other", json!({"ttl": "60s"})).await;
    let accessor = json!({"accessor": victim["auth"]["accessor"]});
    let call = async |method: &str, path: &str, wrap_ttl: Option<&str>, body: Value| {
        let wrapped: Vec<_> = wrap_ttl.map(|wrap_ttl| ("X-Vault-Wrap-TTL", wrap_ttl)).into_iter().collect();
        openbao.api_with(method, path, Some(own), &wrapped, body).await
    };

    let create = "auth/token/create/orders-prod-reader";
    for (ttl, wrap_ttl) in [("15s", "15s"), ("30s", "30s"), ("60s", "30s"), ("120s", "30s")] {
        let body = json!({"ttl": ttl, "num_uses": 5, "meta": {"caller": "corp:alice"}});
        let (status, answer) = call("POST", create, Some(wrap_ttl), body).await;
        assert_eq!((status, &answer["auth"]), (200, &Value::Null), "{ttl} {wrap_ttl}: {answer}");
        assert_eq!(answer["wrap_info"]["creation_path"], create);
    }

    let ttl = json!({"ttl": "60s"});
    for (what, wrap_ttl, body) in [
        ("in clear", None, ttl.clone()),
        ("in clear, by a wrap of zero", Some("0"), ttl.clone()),
        ("wrapped too shortly", Some("14s"), ttl.clone()),
        ("wrapped for too long", Some("31s"), ttl.clone()),
        ("longer than the grant", Some("30s"), json!({"ttl": "300s"})),
        ("as long as another grant allows", Some("30s"), json!({"ttl": "600s"})),
        ("a ttl between the steps", Some("30s"), json!({"ttl": "61s"})),
        ("a ttl as a number", Some("30s"), json!({"ttl": 60})),
        ("no ttl", Some("30s"), json!({})),
        ("a batch token", Some("30s"), json!({"ttl": "60s", "type": "batch"})),
        ("policies", Some("30s"), json!({"ttl": "60s", "policies": ["orders-prod-read"]})),
        ("root", Some("30s"), json!({"ttl": "60s", "policies": ["root"]})),
        ("an entity alias", Some("30s"), json!({"ttl": "60s", "entity_alias": "blue@corp"})),
        ("a period", Some("30s"), json!({"ttl": "60s", "period": "24h"})),
        ("an id", Some("30s"), json!({"ttl": "60s", "id": "s.chosen"})),
        ("another role in the body", Some("30s"), json!({"ttl": "60s", "role_name": "other"})),
    ] {
        let (status, answer) = call("POST", create, wrap_ttl, body).await;
        assert_eq!(status, 403, "{what}: {answer}");
    }
    let wrapped = Some("30s");
    for (method, path, wrap_ttl, body) in [
        ("POST", "auth/token/create/other", wrapped, ttl.clone()),
        ("POST", "auth/token/create/none", wrapped, ttl.clone()),
        ("POST", "auth/token/create", wrapped, ttl.clone()),
        ("POST", "auth/token/create", None, Value::Null),
        ("POST", "auth/token/create-orphan", wrapped, ttl),
        ("POST", "auth/token/lookup-accessor", None, accessor.clone()),
        ("POST", "auth/token/revoke-accessor", None, accessor.clone()),
        ("POST", "auth/token/renew-accessor", None, accessor),
        ("LIST", "auth/token/accessors", None, Value::Null),
        ("POST", "sys/leases/revoke-prefix/auth/token/create/other/v01", None, Value::Null),
        ("POST", "auth/token/roles/orders-prod-reader", None, json!({"allowed_policies": "root"})),
        ("GET", "sys/policies/acl/vault-authorizer", None, Value::Null),
        ("PUT", "sys/policies/acl/vault-authorizer", None, json!({"policy": ""})),
        ("GET", "secret/data/prod/orders", None, Value::Null),
    ] {
        let (status, answer) = call(method, path, wrap_ttl, body).await;
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
    for (method, path, status) in [("GET", "lookup", 200), ("POST", "renew", 200), ("POST", "revoke", 204)] {
        let answer = call(method, &format!("auth/token/{path}-self"), None, Value::Null).await;
        assert_eq!(answer.0, status, "{path}");
    }
}

/// What a caller's token can do: its grant's policy, look itself up and end itself; as long as its role allows.
#[tokio::test]
async fn a_grants_token_reads_its_own_stage_and_revokes_itself() {
    let LocalBed { openbao, scratch: _scratch, .. } = LocalBed::new("grant-token").await;
    let minted = openbao.write("auth/token/create/orders-prod-reader", json!({"ttl": "1h"})).await;
    let auth = &minted["auth"];
    assert_eq!(auth["policies"], json!(["orders-prod-read", "vault-authorizer-self"]));
    let made = ["lease_duration", "renewable", "orphan"].map(|name| auth[name].clone());
    assert_eq!(json!(made), json!([120, false, true]));
    for (method, path, status) in [
        ("GET", "secret/data/prod/orders", 200),
        ("GET", "auth/token/lookup-self", 200),
        ("GET", "secret/data/staging/orders", 403),
        ("POST", "auth/token/renew-self", 403),
        ("POST", "auth/token/create", 403),
        ("POST", "auth/token/revoke-self", 204),
        ("GET", "secret/data/prod/orders", 403),
    ] {
        let token = auth["client_token"].as_str();
        assert_eq!(openbao.api(method, path, token, Value::Null).await.0, status, "{path}");
    }
}

/// The emergency stop that `quickstart.sh` names: every living token of one grant, and of no other.
#[tokio::test]
async fn one_command_ends_the_tokens_of_a_role() {
    let LocalBed { openbao, scratch: _scratch, token, .. } = LocalBed::new("revoke-prefix").await;
    let prod = openbao.mint(&token, "orders-prod-reader").await;
    let staging = openbao.mint(&token, "orders-staging-reader").await;
    let mut revoke = Command::new(parts::openbao());
    revoke.args(["lease", "revoke", "-prefix", "auth/token/create/orders-prod-reader/v01"]);
    revoke.env("VAULT_ADDR", openbao.address()).env("VAULT_TOKEN", openbao.root_token());
    assert!(revoke.output().unwrap().status.success());
    // The command queues the work; OpenBao does it a moment later.
    for _ in 0..100 {
        if !openbao.lives(&prod.accessor).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!openbao.lives(&prod.accessor).await && openbao.lives(&staging.accessor).await);
}
