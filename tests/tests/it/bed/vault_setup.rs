//! What operators run and what it leaves behind: the quickstart script, the authorizer's least privilege.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::{Issuer, OpenBao, Scratch, Setup, TokenRole, TokenSpec, parts, vault_setup};

/// The script and the Rust set-up leave the same Vault behind, however often the script runs.
#[tokio::test]
async fn quickstart_sh_sets_up_what_the_tests_assume_and_can_be_run_again() {
    let scratch = Scratch::new("quickstart");
    let by_script = OpenBao::start_in_memory(&scratch).await;
    vault_setup::quickstart(&by_script).await;
    let first = configuration(&by_script).await;

    by_script.as_root("POST", "secret/data/prod/orders", json!({"data": {"username": "changed"}})).await;
    vault_setup::quickstart(&by_script).await;
    let kept = by_script.as_root("GET", "secret/data/prod/orders", Value::Null).await;
    assert_eq!(kept["data"]["data"], json!({"username": "changed"}), "a secret that exists is left alone");

    let by_code = OpenBao::start_in_memory(&scratch).await;
    vault_setup::configure(&by_code, &Setup::quickstart()).await;
    let by_code = configuration(&by_code).await;
    for (path, expected) in &by_code {
        assert_eq!(first.iter().find(|(each, _)| each == path), Some(&(path.clone(), expected.clone())));
    }
    let again = configuration(&by_script).await;
    assert_eq!(again[1..], by_code[1..], "all but the first, which is the changed secret");
}

/// Secrets, policies and token roles as Vault reads them back.
async fn configuration(openbao: &OpenBao) -> Vec<(String, Value)> {
    let paths = [
        "secret/data/prod/orders",
        "secret/data/staging/orders",
        "auth/token/roles/orders-prod-reader",
        "auth/token/roles/orders-staging-reader",
        "sys/policies/acl/orders-prod-read",
        "sys/policies/acl/orders-staging-read",
        "sys/policies/acl/vault-authorizer-self",
        "sys/policies/acl/vault-authorizer",
    ];
    let mut configuration = Vec::new();
    for path in paths {
        let mut data = openbao.as_root("GET", path, Value::Null).await["data"].take();
        if path.starts_with("secret/") {
            data = data["data"].take();
        }
        if let Some(policy) = data["policy"].as_str() {
            let without_comments =
                policy.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
            data = json!(without_comments.trim());
        }
        for written in ["modified", "version"] {
            data.as_object_mut().map(|data| data.remove(written));
        }
        configuration.push((path.to_owned(), data));
    }
    configuration
}

/// What would be written is read from a command that prints it. `logins` runs the same on OpenBao's plugin, where that is there.
#[test]
fn quickstart_sh_configures_the_aws_login_on_request() {
    let scratch = Scratch::new("quickstart-aws");
    let cli = scratch.path().join("vault");
    // It prints what it would do, and for a field what the server would have there: `FIELD=VALUE`, or nothing.
    let answers = "#!/bin/sh\n\
        case $2 in\n\
        -field=*)\n\
            [ \"$SERVER_HAS\" != denied ] || { echo '* permission denied' >&2; exit 2; }\n\
            case -field=$SERVER_HAS in $2=*) echo \"${SERVER_HAS#*=}\" ;; *) echo 'No value found at x' >&2; exit 2 ;; esac ;;\n\
        *) echo \"$@\" ;;\n\
        esac\n";
    fs::write(&cli, answers).unwrap();
    let quickstart_where = |server_has: &str, options: &[&str]| {
        let script = parts::repository().join("infra/vault/quickstart.sh");
        let mut command = Command::new("sh");
        command.arg(script).args(options).env("VAULT_CLI", &cli).env("SERVER_HAS", server_has);
        command.env("VAULT_ADDR", "http://127.0.0.1:1");
        command.output().unwrap()
    };
    let quickstart = |options: &[&str]| quickstart_where("", options);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&cli, executable).unwrap();

    let arn = "arn:aws:iam::123456789012:role/api-authorizer";
    let output = quickstart(&["--aws-principal", arn, "--server-id", "vault.example.com"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let (_, login) = printed.split_once("auth enable aws\n").expect("the method is enabled");
    assert_eq!(
        login,
        "write auth/aws/config/client iam_server_id_header_value=vault.example.com\n\
         write auth/aws/role/api-authorizer auth_type=iam \
         bound_iam_principal_arn=arn:aws:iam::123456789012:role/api-authorizer resolve_aws_unique_ids=false \
         token_policies=vault-authorizer token_no_default_policy=true token_type=service token_ttl=1h \
         token_max_ttl=24h\n"
    );

    let options = ["--aws-principal", arn, "--server-id", "vault.example.com"];
    assert!(quickstart_where("iam_server_id_header_value=vault.example.com", &options).status.success());
    let taken = quickstart_where("iam_server_id_header_value=other.example.com", &options);
    assert_eq!(taken.status.code(), Some(1), "others log in with that server id");
    assert!(!String::from_utf8(taken.stdout).unwrap().contains("write auth/aws"));
    assert_eq!(
        quickstart(&["--server-id", "x"]).status.code(),
        Some(2),
        "a server id configures nothing alone"
    );

    // Another region's function, with the same role: both log in, and neither is forgotten by leaving it out.
    let second = "arn:aws:iam::123456789012:role/api-authorizer-us-east-1";
    let two = ["--aws-principal", arn, "--aws-principal", second, "--server-id", "vault.example.com"];
    let bound = format!("bound_iam_principal_arn=[{arn} {second}]");
    for server_has in
        ["", &bound, &format!("bound_iam_principal_arn=[{second}]"), "token_policies=[vault-authorizer]"]
    {
        let both = quickstart_where(server_has, &two);
        let printed = String::from_utf8(both.stdout).unwrap();
        assert!(
            printed.contains(&format!(" bound_iam_principal_arn={arn},{second} ")),
            "{server_has}: {printed}"
        );
    }
    for (server_has, complaint) in [
        (bound.as_str(), format!("{second} logs in with the role api-authorizer as well")),
        ("token_policies=[orders-prod]", "it logs in another configuration's authorizer".to_owned()),
        ("denied", "permission denied".to_owned()),
    ] {
        let stopped = quickstart_where(server_has, &options);
        let told = String::from_utf8(stopped.stderr).unwrap();
        assert!(!stopped.status.success() && told.contains(&complaint), "{server_has}: {told}");
        assert!(!String::from_utf8(stopped.stdout).unwrap().contains("write auth/aws"), "{server_has}");
    }
    for list in [format!("{arn},{second}"), format!("{arn}, {second}")] {
        let refused = quickstart(&["--aws-principal", &list, "--server-id", "vault.example.com"]);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(told.ends_with(&format!(": --aws-principal {arn} --aws-principal {second}\n")), "{told}");
    }
    let without_server_id = quickstart(&["--aws-principal", arn]);
    assert_eq!(without_server_id.status.code(), Some(2), "a login without a server id is refused");
    assert!(!String::from_utf8(quickstart(&[]).stdout).unwrap().contains("aws"));
}

/// The proof, on the server, that the authorizer's own token mints for its grants and can do nothing else.
#[tokio::test]
async fn the_authorizers_policy_allows_its_mints_and_nothing_else() {
    let scratch = Scratch::new("least-privilege");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    vault_setup::quickstart(&openbao).await;
    let own = vault_setup::authorizer_token(&openbao).await;
    let own = Some(own.as_str());
    // A role that exists, and that no grant of the authorizer names.
    let other = TokenRole::new("other", "orders-prod-read", 120, 30);
    openbao.as_root("POST", "auth/token/roles/other", other.definition()).await;
    let victim = openbao.as_root("POST", "auth/token/create/other", json!({"ttl": "60s"})).await;
    let accessor = json!({"accessor": victim["auth"]["accessor"]});

    let prod = "auth/token/create/orders-prod-reader";
    let staging = "auth/token/create/orders-staging-reader";
    for (role, ttl, wrap_ttl) in
        [(prod, "15s", "15s"), (prod, "120s", "30s"), (staging, "600s", "60s"), (staging, "300s", "15s")]
    {
        let body = json!({"ttl": ttl, "num_uses": 5, "meta": {"caller": "corp:alice"}});
        let (status, answer) =
            openbao.api_with("POST", role, own, &[("X-Vault-Wrap-TTL", wrap_ttl)], body).await;
        assert_eq!((status, &answer["auth"]), (200, &Value::Null), "{role} {ttl} {wrap_ttl}: {answer}");
        assert_eq!(answer["wrap_info"]["creation_path"], role);
    }
    let allowed = [("GET", "lookup-self"), ("POST", "renew-self")];
    for (method, path) in allowed {
        assert_eq!(
            openbao.api(method, &format!("auth/token/{path}"), own, Value::Null).await.0,
            200,
            "{path}"
        );
    }

    let ttl = json!({"ttl": "60s"});
    let refused = [
        ("in clear", "POST", prod, None, ttl.clone()),
        ("in clear, by a wrap of zero", "POST", prod, Some("0"), ttl.clone()),
        ("wrapped too shortly", "POST", prod, Some("14s"), ttl.clone()),
        ("wrapped for too long", "POST", prod, Some("31s"), ttl.clone()),
        ("as long as another grant allows", "POST", prod, Some("30s"), json!({"ttl": "600s"})),
        ("a ttl between the steps", "POST", prod, Some("30s"), json!({"ttl": "61s"})),
        ("a ttl as a number", "POST", prod, Some("30s"), json!({"ttl": 60})),
        ("no ttl", "POST", prod, Some("30s"), json!({})),
        ("a batch token", "POST", prod, Some("30s"), json!({"ttl": "60s", "type": "batch"})),
        ("policies", "POST", prod, Some("30s"), json!({"ttl": "60s", "policies": ["orders-prod-read"]})),
        ("root", "POST", prod, Some("30s"), json!({"ttl": "60s", "policies": ["root"]})),
        ("an entity alias", "POST", prod, Some("30s"), json!({"ttl": "60s", "entity_alias": "acme@corp"})),
        ("a period", "POST", prod, Some("30s"), json!({"ttl": "60s", "period": "24h"})),
        ("an id", "POST", prod, Some("30s"), json!({"ttl": "60s", "id": "s.chosen"})),
        ("another role", "POST", "auth/token/create/other", Some("30s"), ttl.clone()),
        ("another role in the body", "POST", prod, Some("30s"), json!({"ttl": "60s", "role_name": "other"})),
        ("a role that is not there", "POST", "auth/token/create/none", Some("30s"), ttl.clone()),
        ("a child", "POST", "auth/token/create", Some("30s"), ttl.clone()),
        ("an orphan", "POST", "auth/token/create-orphan", Some("30s"), ttl.clone()),
        ("lookup by accessor", "POST", "auth/token/lookup-accessor", None, accessor.clone()),
        ("revoke by accessor", "POST", "auth/token/revoke-accessor", None, accessor.clone()),
        ("renew by accessor", "POST", "auth/token/renew-accessor", None, accessor),
        ("every accessor", "LIST", "auth/token/accessors", None, Value::Null),
        (
            "revoke by prefix",
            "POST",
            "sys/leases/revoke-prefix/auth/token/create/other/v01",
            None,
            Value::Null,
        ),
        (
            "change a role",
            "POST",
            "auth/token/roles/orders-prod-reader",
            None,
            json!({"allowed_policies": "root"}),
        ),
        ("change its own policy", "PUT", "sys/policies/acl/vault-authorizer", None, json!({"policy": ""})),
        ("read the secret itself", "GET", "secret/data/prod/orders", None, Value::Null),
    ];
    for (what, method, path, wrap_ttl, body) in refused {
        let wrap_ttl: Vec<_> = wrap_ttl.map(|wrap_ttl| ("X-Vault-Wrap-TTL", wrap_ttl)).into_iter().collect();
        let (status, answer) = openbao.api_with(method, path, own, &wrap_ttl, body).await;
        assert_eq!(status, 403, "{what}: {answer}");
    }
}

/// What a caller's token can do: its grant's policy, look itself up and end itself; as long as its role allows.
#[tokio::test]
async fn a_grants_token_reads_its_own_stage_and_revokes_itself() {
    let scratch = Scratch::new("grant-token");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    vault_setup::configure(&openbao, &Setup::quickstart()).await;

    let minted = openbao.as_root("POST", "auth/token/create/orders-prod-reader", json!({"ttl": "1h"})).await;
    let auth = &minted["auth"];
    assert_eq!(auth["policies"], json!(["orders-prod-read", "vault-authorizer-self"]));
    assert_eq!(
        (&auth["lease_duration"], &auth["renewable"], &auth["orphan"]),
        (&json!(120), &json!(false), &json!(true))
    );

    let token = auth["client_token"].as_str();
    assert_eq!(openbao.api("GET", "secret/data/prod/orders", token, Value::Null).await.0, 200);
    assert_eq!(openbao.api("GET", "auth/token/lookup-self", token, Value::Null).await.0, 200);
    for (method, path) in [
        ("GET", "secret/data/staging/orders"),
        ("POST", "auth/token/renew-self"),
        ("POST", "auth/token/create"),
    ] {
        assert_eq!(openbao.api(method, path, token, Value::Null).await.0, 403, "{path}");
    }
    assert_eq!(openbao.api("POST", "auth/token/revoke-self", token, Value::Null).await.0, 204);
    assert_eq!(openbao.api("GET", "secret/data/prod/orders", token, Value::Null).await.0, 403);
}

/// The emergency stop that `quickstart.sh` names: every living token of one grant, and of no other.
#[tokio::test]
async fn one_command_ends_the_tokens_of_a_role() {
    let scratch = Scratch::new("revoke-prefix");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    vault_setup::configure(&openbao, &Setup::quickstart()).await;
    let mut tokens = Vec::new();
    for stage in ["prod", "staging"] {
        let path = format!("auth/token/create/orders-{stage}-reader");
        let minted = openbao.as_root("POST", &path, json!({"ttl": "60s"})).await;
        tokens.push(minted["auth"]["client_token"].as_str().unwrap().to_owned());
    }

    let mut revoke = Command::new(parts::openbao());
    revoke.args(["lease", "revoke", "-prefix", "auth/token/create/orders-prod-reader/v01"]);
    revoke.env("VAULT_ADDR", openbao.address()).env("VAULT_TOKEN", openbao.root_token());
    assert!(revoke.output().unwrap().status.success());

    // The command queues the work; OpenBao does it a moment later.
    let prod = async || openbao.api("GET", "secret/data/prod/orders", Some(&tokens[0]), Value::Null).await.0;
    for _ in 0..100 {
        if prod().await == 403 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(prod().await, 403);
    assert_eq!(openbao.api("GET", "secret/data/staging/orders", Some(&tokens[1]), Value::Null).await.0, 200);
}

#[tokio::test]
async fn approle_and_jwt_log_the_authorizer_in() {
    let scratch = Scratch::new("logins");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    vault_setup::configure(&openbao, &Setup::quickstart()).await;
    let issuer = Issuer::start();

    let approle = vault_setup::approle_login(&openbao).await;
    vault_setup::jwt_login(&openbao, &issuer, "vault").await;
    let jwt = issuer.token(&TokenSpec::new().claim("aud", "vault"));
    let logins = [
        ("approle", json!({"role_id": approle.role_id, "secret_id": approle.secret_id})),
        ("jwt", json!({"role": vault_setup::AUTHORIZER_ROLE, "jwt": jwt})),
    ];
    for (method, body) in logins {
        let (status, answer) = openbao.api("POST", &format!("auth/{method}/login"), None, body).await;
        assert_eq!(
            (status, &answer["auth"]["policies"]),
            (200, &json!(["vault-authorizer"])),
            "{method}: {answer}"
        );
    }
}
