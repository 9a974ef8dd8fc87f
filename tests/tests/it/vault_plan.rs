//! `vault-authorizer vault plan` and `vault apply` on a real OpenBao: what they make, what they leave, what they say.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use test_bed::http::Server;
use test_bed::issuer::{Issuer, TokenSpec};
use test_bed::openbao::{AuditMark, OpenBao};
use test_bed::parts;
use test_bed::process::Scratch;
use test_bed::vault_setup;
use vault_context::VaultToken;
use vault_context::vault::{Call, Vault, VaultAddress, VaultError, VaultOptions};

const READER: &str = "auth/token/roles/orders-prod-reader";
const TENANT: &str = "auth/token/roles/tenant";

/// Two grants on `prod`, one of them with an entity alias, and one grant without a token.
const TWO_GRANTS: &str = r#"
      - name: orders-reader
        routes: ["GET /orders"]
        caller: {issuer: corp, bound_claims: {scope: ["orders:read"]}}
        token: {role: orders-prod-reader, policies: [orders-prod-read], ttl: 2m, wrap_ttl: 30s}
      - name: tenants
        routes: ["GET /tenants"]
        caller: {issuer: corp, any: true}
        token: {role: tenant, policies: [tenant-read], ttl: 45s, wrap_ttl: 20s, entity_alias: {claim: tenant}}
      - {name: status, mode: none, routes: ["GET /status"], caller: {issuer: corp, any: true}}
"#;

const ONE_GRANT: &str = r#"
      - name: orders-reader
        routes: ["GET /orders"]
        caller: {issuer: corp, bound_claims: {scope: ["orders:read"]}}
        token: {role: orders-prod-reader, policies: [orders-prod-read], ttl: 2m, wrap_ttl: 30s}
"#;

const TOKEN_LOGIN: &str = "{method: token, token: s.AuthorizerTokenOfTheTest}";

fn configuration(openbao: &OpenBao, grants: &str, per_second: u32) -> String {
    with_login(openbao.address(), TOKEN_LOGIN, grants, per_second)
}

fn with_login(address: &str, login: &str, grants: &str, per_second: u32) -> String {
    format!(
        r#"
vault: {{address: "{address}", login: {login}}}
issuers: {{corp: {{kind: jwt, issuer: "https://login.example.com/", audiences: [a], algorithms: [RS256], jwks: discovery}}}}
limits: {{grant_mints_per_second: {per_second}}}
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:{grants}"#
    )
}

/// What a run of the command came to.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    #[track_caller]
    fn printed(self, code: i32) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (code, ""), "{}", self.stdout);
        assert!(!self.stdout.contains('\u{1b}'), "no colour in a pipe: {}", self.stdout);
        self.stdout
    }

    #[track_caller]
    fn complained(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        self.stderr
    }
}

/// Runs `vault-authorizer vault …` with these variables and no others, and the configuration on standard input, which is trusted.
fn run(arguments: &[&str], configuration: &str, env: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(parts::binary("dev", "vault-authorizer"));
    let trusted = ["--config", "-", "--trust-config-address"];
    command.arg("vault").args(arguments).args(trusted).env_clear().envs(env.iter().copied());
    let output = with_input(command, configuration);
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn with_input(mut command: impl std::borrow::BorrowMut<Command>, input: &str) -> std::process::Output {
    use std::io::Write as _;
    use std::process::Stdio;
    let command = command.borrow_mut().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that complains about its options does not read it.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The same with the root token.
fn as_root(openbao: &OpenBao, arguments: &[&str], configuration: &str) -> Ran {
    run(arguments, configuration, &[("VAULT_TOKEN", openbao.root_token())])
}

#[track_caller]
fn nothing_to_do(openbao: &OpenBao, configuration: &str) {
    let plan = as_root(openbao, &["plan", "--detailed-exitcode"], configuration).printed(0);
    assert!(plan.contains("\nnothing to do: "), "{plan}");
}

async fn read(openbao: &OpenBao, path: &str) -> Value {
    openbao.as_root("GET", path, Value::Null).await["data"].take()
}

async fn status(openbao: &OpenBao, path: &str) -> u16 {
    openbao.api("GET", path, Some(openbao.root_token()), Value::Null).await.0
}

fn writes_since(openbao: &OpenBao, mark: AuditMark) -> Vec<String> {
    let is_read = |request: &String| request.starts_with("read ") || request.starts_with("list ");
    openbao.requests_since(mark).into_iter().filter(|request| !is_read(request)).collect()
}

async fn mint(openbao: &OpenBao, token: &str, role: &str, wrap_ttl: Option<&str>, body: Value) -> u16 {
    let headers: Vec<_> = wrap_ttl.map(|wrap_ttl| ("X-Vault-Wrap-TTL", wrap_ttl)).into_iter().collect();
    let path = format!("auth/token/create/{role}");
    openbao.api_with("POST", &path, Some(token), &headers, body).await.0
}

#[tokio::test]
async fn an_empty_server_gets_everything_once() {
    let scratch = Scratch::new("plan-empty");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let configuration = configuration(&openbao, TWO_GRANTS, 200);

    let plan = as_root(&openbao, &["plan", "--detailed-exitcode"], &configuration).printed(5);
    assert!(plan.ends_with("\nplan: 6 to create, 2 missing\n"), "{plan}");
    assert!(
        plan.contains("missing: policy `tenant-read` of grant `tenants`: yours to write"),
        "a policy that a grant names is reported: {plan}"
    );
    assert_eq!(as_root(&openbao, &["plan"], &configuration).printed(0), plan, "and a plan changes nothing");

    let mark = openbao.audit_mark();
    let applied = as_root(&openbao, &["apply"], &configuration).printed(0);
    let verdict = "\napplied: 6 created; 2 policies are still missing: orders-prod-read, tenant-read\n";
    assert!(applied.ends_with(verdict), "{applied}");
    assert_eq!(
        writes_since(&openbao, mark),
        [
            "update sys/policies/acl/vault-authorizer-self",
            "update sys/policies/acl/vault-authorizer",
            "create auth/token/roles/orders-prod-reader",
            "create auth/token/roles/tenant",
            "update sys/quotas/rate-limit/vault-authorizer-orders-prod-reader",
            "update sys/quotas/rate-limit/vault-authorizer-tenant",
        ]
    );
    assert_eq!(status(&openbao, "sys/policies/acl/tenant-read").await, 404, "and never invented");

    let mark = openbao.audit_mark();
    let again = as_root(&openbao, &["apply", "--adopt", "--prune"], &configuration).printed(0);
    assert!(again.ends_with("\nnothing to do: 6 unchanged, 2 missing\n"), "{again}");
    assert_eq!(writes_since(&openbao, mark), <[String; 0]>::default());

    for policy in ["orders-prod-read", "tenant-read"] {
        let empty = json!({"policy": "path \"none\" { capabilities = [\"read\"] }"});
        openbao.as_root("PUT", &format!("sys/policies/acl/{policy}"), empty).await;
    }
    let plan = as_root(&openbao, &["plan"], &configuration).printed(0);
    assert_eq!(
        plan,
        format!("Vault {}, token from VAULT_TOKEN\nnothing to do: 6 unchanged\n", openbao.address())
    );
}

/// What [`vault_setup`] proves of the policy by hand, of the one that is made.
#[tokio::test]
async fn the_authorizers_policy_that_is_made_allows_its_mints_and_nothing_else() {
    let scratch = Scratch::new("plan-least-privilege");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    as_root(&openbao, &["apply"], &configuration(&openbao, TWO_GRANTS, 200)).printed(0);
    let own = vault_setup::authorizer_token(&openbao).await;
    let other = vault_setup::TokenRole::new("other", "orders-prod-read", 120, 30);
    openbao.as_root("POST", "auth/token/roles/other", other.definition()).await;

    let all = |ttl| json!({"ttl": ttl, "num_uses": 5, "meta": {"caller": "corp:alice"}});
    let alias = |ttl, alias| json!({"ttl": ttl, "entity_alias": alias});
    for (role, wrap_ttl, body) in [
        ("orders-prod-reader", "15s", all("15s")),
        ("orders-prod-reader", "30s", all("30s")),
        ("orders-prod-reader", "30s", all("60s")),
        ("orders-prod-reader", "30s", all("120s")),
        ("tenant", "20s", all("30s")),
        ("tenant", "20s", alias("45s", "blue@corp")),
    ] {
        assert_eq!(mint(&openbao, &own, role, Some(wrap_ttl), body.clone()).await, 200, "{role} {body}");
    }
    for (what, role, wrap_ttl, body) in [
        ("in clear", "orders-prod-reader", None, all("60s")),
        ("in clear, by a wrap of zero", "orders-prod-reader", Some("0"), all("60s")),
        ("wrapped too shortly", "orders-prod-reader", Some("14s"), all("60s")),
        ("wrapped for too long", "orders-prod-reader", Some("31s"), all("60s")),
        ("wrapped as another grant allows", "tenant", Some("30s"), all("30s")),
        ("longer than the grant", "orders-prod-reader", Some("30s"), all("300s")),
        ("as long as another grant allows", "tenant", Some("20s"), all("60s")),
        ("a ttl between the steps", "orders-prod-reader", Some("30s"), all("61s")),
        ("no ttl", "orders-prod-reader", Some("30s"), json!({})),
        ("a batch token", "orders-prod-reader", Some("30s"), json!({"ttl": "60s", "type": "batch"})),
        ("policies", "orders-prod-reader", Some("30s"), json!({"ttl": "60s", "policies": ["root"]})),
        ("a period", "orders-prod-reader", Some("30s"), json!({"ttl": "60s", "period": "24h"})),
        ("an alias where there is none", "orders-prod-reader", Some("30s"), alias("60s", "blue@corp")),
        ("an alias of another issuer", "tenant", Some("20s"), alias("45s", "blue@partner")),
        ("another role", "other", Some("30s"), all("60s")),
    ] {
        assert_eq!(mint(&openbao, &own, role, wrap_ttl, body).await, 403, "{what}");
    }
    for (method, path, expected) in [
        ("GET", "auth/token/lookup-self", 200),
        ("POST", "auth/token/renew-self", 200),
        ("POST", "auth/token/create", 403),
        ("POST", READER, 403),
        ("GET", "sys/policies/acl/vault-authorizer", 403),
        ("POST", "auth/token/revoke-self", 204),
    ] {
        assert_eq!(openbao.api(method, path, Some(&own), Value::Null).await.0, expected, "{path}");
    }

    // The role's own part, past the policy: another issuer's alias, and a token that ends itself.
    let root = openbao.root_token();
    assert_eq!(mint(&openbao, root, "tenant", None, alias("45s", "blue@partner")).await, 400);
    assert_eq!(mint(&openbao, root, "orders-prod-reader", None, alias("45s", "blue@corp")).await, 400);
    let minted =
        openbao.as_root("POST", "auth/token/create/tenant", json!({"ttl": "1h", "type": "batch"})).await;
    let auth = &minted["auth"];
    assert_eq!(auth["policies"], json!(["tenant-read", "vault-authorizer-self"]));
    assert_eq!(
        (&auth["lease_duration"], &auth["renewable"], &auth["orphan"], &auth["token_type"]),
        (&json!(45), &json!(false), &json!(true), &json!("service"))
    );
    let token = auth["client_token"].as_str();
    assert_eq!(openbao.api("POST", "auth/token/revoke-self", token, Value::Null).await.0, 204);
}

#[tokio::test]
async fn drift_in_each_field_is_told_and_repaired() {
    let scratch = Scratch::new("plan-drift");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let configuration = configuration(&openbao, TWO_GRANTS, 200);
    as_root(&openbao, &["apply"], &configuration).printed(0);

    let quota = "sys/quotas/rate-limit/vault-authorizer-tenant";
    let drifts = [
        (
            TENANT,
            json!({"allowed_policies": ["tenant-read", "vault-authorizer-self", "extra"]}),
            "allowed_policies: extra, tenant-read, vault-authorizer-self -> tenant-read, vault-authorizer-self",
        ),
        (TENANT, json!({"allowed_policies_glob": ["*"]}), "allowed_policies_glob: * -> (none)"),
        (TENANT, json!({"allowed_entity_aliases": ["*"]}), "allowed_entity_aliases: * -> *@corp"),
        (READER, json!({"allowed_entity_aliases": ["*"]}), "allowed_entity_aliases: * -> (none)"),
        (TENANT, json!({"orphan": false}), "orphan: false -> true"),
        (TENANT, json!({"renewable": true}), "renewable: true -> false"),
        (TENANT, json!({"token_type": "default-service"}), "token_type: default-service -> service"),
        (TENANT, json!({"token_no_default_policy": false}), "token_no_default_policy: false -> true"),
        (TENANT, json!({"token_explicit_max_ttl": "1h"}), "token_explicit_max_ttl: 3600s -> 45s"),
        (
            TENANT,
            json!({"explicit_max_ttl": 0, "token_explicit_max_ttl": 0}),
            "token_explicit_max_ttl: 0s -> 45s",
        ),
        (TENANT, json!({"period": "1h"}), "token_period: 3600s -> 0s"),
        (TENANT, json!({"token_num_uses": 1}), "token_num_uses: 1 -> 0"),
        (TENANT, json!({"path_suffix": ""}), "path_suffix: (none) -> v01"),
        (quota, json!({"path": "auth/token/create/tenant", "rate": 0.5}), "rate: 0.5 -> 200"),
        (
            quota,
            json!({"path": "auth/token/create/tenant", "rate": 200, "interval": "1m"}),
            "interval: 60s -> 1s",
        ),
        (
            quota,
            json!({"path": "auth/token/create/tenant", "rate": 200, "block_interval": "5m"}),
            "block_interval: 300s -> 0s",
        ),
    ];
    for (path, drift, told) in drifts {
        let before = read(&openbao, path).await;
        openbao.as_root("POST", path, drift.clone()).await;
        let plan = as_root(&openbao, &["plan", "--detailed-exitcode"], &configuration).printed(5);
        assert!(plan.contains(&format!("`\n  {told}\n")), "{drift}: {plan}");
        assert!(plan.contains("\nplan: 1 to change, 5 unchanged, 2 missing\n"), "{drift}: {plan}");
        let mark = openbao.audit_mark();
        as_root(&openbao, &["apply"], &configuration).printed(0);
        assert_eq!(writes_since(&openbao, mark), [format!("update {path}")]);
        let mut after = read(&openbao, path).await;
        // OpenBao writes an empty list and no list alike, and tells them apart.
        for list in ["allowed_entity_aliases"] {
            if after[list] == json!([]) {
                after[list] = before[list].clone();
            }
        }
        assert_eq!(after, before, "{drift}");
    }

    for (policy, told) in
        [("vault-authorizer", "\n  - # by hand\n"), ("vault-authorizer-self", "\n  - # by hand\n")]
    {
        let path = format!("sys/policies/acl/{policy}");
        let text = read(&openbao, &path).await["policy"].as_str().unwrap().to_owned();
        openbao.as_root("PUT", &path, json!({"policy": format!("{text}# by hand\n")})).await;
        let plan = as_root(&openbao, &["plan"], &configuration).printed(0);
        assert!(plan.contains(&format!("change: policy `{policy}`{told}")), "{plan}");
        as_root(&openbao, &["apply"], &configuration).printed(0);
        assert_eq!(read(&openbao, &path).await["policy"], text);
    }
    nothing_to_do(&openbao, &configuration);
}

/// An emergency stop is followed by a new generation. The next apply must not bring the old one back, nor undo what only
/// narrows a token.
#[tokio::test]
async fn a_rotated_generation_and_a_narrower_role_stay() {
    let scratch = Scratch::new("plan-generation");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let before = configuration(&openbao, TWO_GRANTS, 200);
    as_root(&openbao, &["apply"], &before).printed(0);
    let rotated = json!({"path_suffix": "v02", "token_bound_cidrs": ["10.0.0.0/8"]});
    openbao.as_root("POST", READER, rotated).await;
    nothing_to_do(&openbao, &before);

    let longer = before.replace("ttl: 2m", "ttl: 5m");
    as_root(&openbao, &["apply"], &longer).printed(0);
    let role = read(&openbao, READER).await;
    assert_eq!(
        (&role["path_suffix"], &role["token_bound_cidrs"], &role["token_explicit_max_ttl"]),
        (&json!("v02"), &json!(["10.0.0.0/8"]), &json!(300))
    );
    nothing_to_do(&openbao, &longer);
}

#[tokio::test]
async fn what_another_made_is_left_as_it_is_until_it_is_adopted() {
    let scratch = Scratch::new("plan-foreign");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let configuration = configuration(&openbao, TWO_GRANTS, 200);
    let foreign = [
        ("sys/policies/acl/vault-authorizer", json!({"policy": "path \"a\" { capabilities = [\"read\"] }"})),
        (
            "sys/policies/acl/vault-authorizer-self",
            json!({"policy": "path \"b\" { capabilities = [\"read\"] }"}),
        ),
        (TENANT, json!({"allowed_policies": ["theirs"], "path_suffix": "theirs"})),
        ("sys/quotas/rate-limit/vault-authorizer-tenant", json!({"path": "auth/token", "rate": 70_000})),
    ];
    for (path, body) in &foreign {
        openbao.as_root("POST", path, body.clone()).await;
    }
    let mut before = Vec::new();
    for (path, _) in &foreign {
        before.push(read(&openbao, path).await);
    }

    let plan = as_root(&openbao, &["plan", "--detailed-exitcode", "--prune"], &configuration).printed(5);
    assert!(plan.ends_with("\nplan: 2 to create, 4 in conflict, 2 missing\n"), "{plan}");
    assert!(plan.contains("conflict: token role `tenant`: it was not made for this configuration"), "{plan}");
    assert!(plan.contains("\n  - path \"a\" { capabilities = [\"read\"] }\n"), "{plan}");
    let mark = openbao.audit_mark();
    let refused = as_root(&openbao, &["apply", "--prune"], &configuration).complained(1);
    assert_eq!(refused, "error: nothing was changed: 4 in conflict, as said above\n");
    assert_eq!(writes_since(&openbao, mark), <[String; 0]>::default(), "not even what is in no conflict");
    for ((path, _), before) in foreign.iter().zip(&before) {
        assert_eq!(&read(&openbao, path).await, before, "{path}");
    }

    let adopted = as_root(&openbao, &["apply", "--adopt"], &configuration).printed(0);
    assert!(adopted.contains("\nplan: 2 to create, 4 to take over, 2 missing\n"), "{adopted}");
    let role = read(&openbao, TENANT).await;
    assert_eq!(role["allowed_policies"], json!(["tenant-read", "vault-authorizer-self"]));
    nothing_to_do(&openbao, &configuration);
}

#[tokio::test]
async fn only_what_it_made_and_no_grant_needs_is_removed_and_only_on_request() {
    let scratch = Scratch::new("plan-prune");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let (two, one) = (configuration(&openbao, TWO_GRANTS, 200), configuration(&openbao, ONE_GRANT, 200));
    as_root(&openbao, &["apply"], &two).printed(0);
    let foreign = [
        ("auth/token/roles/theirs", json!({"allowed_policies": ["theirs"]})),
        (
            "sys/quotas/rate-limit/vault-authorizer-theirs",
            json!({"path": "auth/token/create/theirs", "rate": 7}),
        ),
        ("sys/policies/acl/theirs", json!({"policy": "path \"a\" { capabilities = [\"read\"] }"})),
    ];
    for (path, body) in &foreign {
        openbao.as_root("POST", path, body.clone()).await;
    }
    let quota = "sys/quotas/rate-limit/vault-authorizer-tenant";

    let kept = as_root(&openbao, &["apply"], &one).printed(0);
    assert!(
        kept.contains("not needed: token role `tenant`: no grant needs it any more; `--prune` removes it\n")
    );
    assert_eq!((status(&openbao, TENANT).await, status(&openbao, quota).await), (200, 200));
    nothing_to_do(&openbao, &one);

    let mark = openbao.audit_mark();
    let pruned = as_root(&openbao, &["apply", "--prune"], &one).printed(0);
    assert!(pruned.contains("\nremove: token role `tenant`: no grant needs it any more\n"), "{pruned}");
    assert_eq!(
        writes_since(&openbao, mark),
        [
            format!("delete {quota}"),
            format!("delete {TENANT}"),
            "update sys/policies/acl/vault-authorizer".to_owned()
        ],
        "what is removed leaves the list last"
    );
    assert_eq!((status(&openbao, TENANT).await, status(&openbao, quota).await), (404, 404));
    for (path, _) in &foreign {
        assert_eq!(status(&openbao, path).await, 200, "{path}");
    }
    nothing_to_do(&openbao, &one);

    // It comes and goes: nothing of an earlier time is in the way.
    as_root(&openbao, &["apply"], &two).printed(0);
    nothing_to_do(&openbao, &two);
}

/// A list that somebody else has extended is no licence to remove theirs.
#[tokio::test]
async fn rejects_a_manifest_that_lists_what_is_never_made() {
    let scratch = Scratch::new("plan-manifest");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let configuration = configuration(&openbao, ONE_GRANT, 200);
    as_root(&openbao, &["apply"], &configuration).printed(0);
    let global = json!({"path": "", "rate": 100_000});
    openbao.as_root("POST", "sys/quotas/rate-limit/global", global).await;
    let path = "sys/policies/acl/vault-authorizer";
    let text = read(&openbao, path).await["policy"].as_str().unwrap().to_owned();
    let more = text.replace(
        "# made: auth/",
        "# made: sys/quotas/rate-limit/global\n# made: sys/policies/acl/default\n# made: auth/",
    );
    openbao.as_root("PUT", path, json!({"policy": more})).await;
    as_root(&openbao, &["apply", "--prune"], &configuration).printed(0);
    assert_eq!(status(&openbao, "sys/quotas/rate-limit/global").await, 200);
    assert_eq!(status(&openbao, "sys/policies/acl/default").await, 200);
    assert_eq!(read(&openbao, path).await["policy"], text);
}

#[tokio::test]
async fn the_printed_commands_do_the_same_through_the_real_command_line() {
    let scratch = Scratch::new("plan-hcl");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let configuration = configuration(&openbao, TWO_GRANTS, 200);
    // Without a token, and whether a server is there or not.
    let script = run(&["plan", "--format", "shell"], &configuration, &[]).printed(0);
    let run_script = || {
        let mut shell = Command::new("sh");
        shell.arg("-s").env("VAULT_CLI", parts::openbao());
        shell.env("VAULT_ADDR", openbao.address()).env("VAULT_TOKEN", openbao.root_token());
        let output = with_input(shell, &script);
        assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
    };
    run_script();
    nothing_to_do(&openbao, &configuration);
    run_script();
    nothing_to_do(&openbao, &configuration);
}

/// The quickstart's grants, of which each has its token role in the script.
const QUICKSTART: &str = r#"
      - name: orders-prod-reader
        routes: ["GET /orders"]
        caller: {issuer: corp, bound_claims: {scope: ["orders:read"]}}
        token: {role: orders-prod-reader, policies: [orders-prod-read], ttl: 2m, wrap_ttl: 30s}
  staging:
    api_ids: [a1b2c3d4e5]
    grants:
      - name: orders-staging-reader
        routes: ["GET /orders"]
        caller: {issuer: corp, bound_claims: {scope: ["orders:read"]}}
        token: {role: orders-staging-reader, policies: [orders-staging-read], ttl: 10m, wrap_ttl: 60s}
"#;

/// Whoever began with the script goes on with `vault apply`, and the script does not undo what that made.
#[tokio::test]
async fn the_quickstarts_vault_grows_by_apply_and_the_script_takes_nothing_away() {
    let scratch = Scratch::new("plan-quickstart");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    vault_setup::quickstart(&openbao).await;
    let quickstart = configuration(&openbao, QUICKSTART, 200);
    nothing_to_do(&openbao, &quickstart);
    vault_setup::quickstart(&openbao).await;
    nothing_to_do(&openbao, &quickstart);

    let tenants = TWO_GRANTS.split_once("      - name: tenants").unwrap().1;
    let (prod, staging) = QUICKSTART.split_once("  staging:").unwrap();
    let grown = format!("{prod}      - name: tenants{tenants}  staging:{staging}");
    let grown = configuration(&openbao, &grown, 200);
    as_root(&openbao, &["apply"], &grown).printed(0);
    let policy = read(&openbao, "sys/policies/acl/vault-authorizer").await;
    let ran = vault_setup::quickstart_script(&openbao).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let complaint = String::from_utf8(ran.stderr).unwrap();
    assert!(complaint.contains("the policy vault-authorizer is another configuration's"), "{complaint}");
    assert_eq!(read(&openbao, "sys/policies/acl/vault-authorizer").await, policy);
    nothing_to_do(&openbao, &grown);

    // The same two grants, and another life of one's tokens.
    let longer = configuration(&openbao, &QUICKSTART.replace("ttl: 2m", "ttl: 5m"), 200);
    as_root(&openbao, &["apply", "--prune"], &longer).printed(0);
    assert_eq!(vault_setup::quickstart_script(&openbao).output().unwrap().status.code(), Some(1));
    nothing_to_do(&openbao, &longer);
    // A token that may not read the policy cannot tell whose it is.
    let token = json!({"policies": ["default"], "ttl": "60s"});
    let token = openbao.as_root("POST", "auth/token/create", token).await["auth"]["client_token"].take();
    let mut blind = vault_setup::quickstart_script(&openbao);
    assert!(!blind.env("VAULT_TOKEN", token.as_str().unwrap()).output().unwrap().status.success());
    nothing_to_do(&openbao, &longer);

    let shrunk = configuration(&openbao, prod, 200);
    as_root(&openbao, &["apply", "--prune"], &shrunk).printed(0);
    assert_eq!(status(&openbao, "auth/token/roles/orders-staging-reader").await, 404);
}

#[tokio::test]
async fn the_quickstarts_script_in_a_namespace_claims_no_quota_outside_of_it() {
    let scratch = Scratch::new("plan-quickstart-namespace");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    openbao.as_root("POST", "sys/namespaces/platform", json!({})).await;
    vault_setup::quickstart(&openbao).await;
    let ran = vault_setup::quickstart_script(&openbao).env("VAULT_NAMESPACE", "platform").output().unwrap();
    let complaint = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success() && complaint.contains("no rate limit quotas were made"), "{complaint}");
    let quickstart = configuration(&openbao, QUICKSTART, 200);
    let env = [("VAULT_TOKEN", openbao.root_token()), ("VAULT_NAMESPACE", "platform")];
    let alone = run(&["plan", "--no-quotas", "--detailed-exitcode"], &quickstart, &env).printed(0);
    assert!(alone.contains("\nnothing to do: "), "{alone}");
    // What the root namespace has by nearly the same names is its own.
    run(&["apply", "--prune"], &quickstart, &env).printed(0);
    nothing_to_do(&openbao, &quickstart);
}

#[tokio::test]
async fn the_quota_throttles_a_grant_and_no_other() {
    let scratch = Scratch::new("plan-quota");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    as_root(&openbao, &["apply"], &configuration(&openbao, TWO_GRANTS, 3)).printed(0);
    let own = VaultToken::parse(vault_setup::authorizer_token(&openbao).await).unwrap();
    let address = VaultAddress::parse(openbao.address()).unwrap();
    let vault = Vault::new(VaultOptions::new(address)).unwrap();
    let mint = async |role: &str| {
        let call = Call::post(format!("auth/token/create/{role}")).token(&own).wrap_ttl_seconds(15);
        vault.send(call.body(&json!({"ttl": "15s"})).unwrap()).await
    };
    let mut refused = 0;
    for _ in 0..20 {
        match mint("orders-prod-reader").await {
            Ok(answer) => assert!(answer.wrap_info.is_some()),
            // What the authorizer reports as `vault_throttled`.
            Err(VaultError::Throttled { path, .. }) => {
                assert_eq!(path, "auth/token/create/orders-prod-reader");
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused >= 10, "{refused} of 20 were refused");
    assert!(mint("tenant").await.is_ok(), "another grant has a quota of its own");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(mint("orders-prod-reader").await.is_ok(), "and a second later it is over");
}

/// Quotas lie in the root namespace, whatever namespace the rest is in.
#[tokio::test]
async fn a_namespace_has_its_roles_and_its_quotas() {
    let scratch = Scratch::new("plan-namespace");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    openbao.as_root("POST", "sys/namespaces/platform", json!({})).await;
    let configuration = configuration(&openbao, ONE_GRANT, 3);
    let env = [("VAULT_TOKEN", openbao.root_token()), ("VAULT_NAMESPACE", "platform")];
    let applied = run(&["apply"], &configuration, &env).printed(0);
    assert!(
        applied.starts_with(&format!(
            "Vault {}, namespace platform, token from VAULT_TOKEN\n",
            openbao.address()
        )),
        "{applied}"
    );
    let plan = run(&["plan", "--detailed-exitcode"], &configuration, &env).printed(0);
    assert!(plan.contains("\nnothing to do: 4 unchanged, 1 missing\n"), "{plan}");
    assert_eq!(status(&openbao, READER).await, 404, "nothing in the root namespace");
    let quota = read(&openbao, "sys/quotas/rate-limit/vault-authorizer-platform-orders-prod-reader").await;
    assert_eq!(quota["path"], "platform/auth/token/create/orders-prod-reader");

    let in_namespace = [("X-Vault-Namespace", "platform")];
    let mut statuses = Vec::new();
    for _ in 0..10 {
        let path = "auth/token/create/orders-prod-reader";
        let root = Some(openbao.root_token());
        statuses.push(openbao.api_with("POST", path, root, &in_namespace, json!({"ttl": "15s"})).await.0);
    }
    assert!(statuses.contains(&429) && statuses.contains(&200), "{statuses:?}");

    // Who has power in the namespace alone is told so, and has a way on.
    let policy =
        json!({"policy": "path \"*\" { capabilities = [\"create\", \"read\", \"update\", \"list\"] }"});
    openbao.api_with("PUT", "sys/policies/acl/operator", env_token(&openbao), &in_namespace, policy).await;
    let body = json!({"policies": ["operator"]});
    let (_, made) =
        openbao.api_with("POST", "auth/token/create", env_token(&openbao), &in_namespace, body).await;
    let operator = made["auth"]["client_token"].as_str().unwrap();
    let env = [("VAULT_TOKEN", operator), ("VAULT_NAMESPACE", "platform")];
    let told = run(&["plan"], &configuration, &env).complained(1);
    assert!(
        told.contains("Vault keeps quotas in the root namespace")
            && told.contains("`--quota-namespace`")
            && told.contains("`--no-quotas`"),
        "{told}"
    );
    let plan =
        run(&["plan", "--no-quotas", "--detailed-exitcode", "--prune"], &configuration, &env).printed(0);
    assert!(plan.contains("\nnothing to do: 3 unchanged, 1 missing\n"), "{plan}");
}

fn env_token(openbao: &OpenBao) -> Option<&str> {
    Some(openbao.root_token())
}

#[tokio::test]
async fn what_the_token_lacks_is_said_and_the_documented_policy_is_enough() {
    let scratch = Scratch::new("plan-power");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let configuration = configuration(&openbao, TWO_GRANTS, 200);
    let token_of = async |policy: &str| {
        openbao.as_root("PUT", "sys/policies/acl/operator", json!({"policy": policy})).await;
        let token = json!({"policies": ["operator"], "no_default_policy": true});
        let answer = openbao.as_root("POST", "auth/token/create", token).await;
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    };
    let told = |token: &str, command: &str| {
        let ran = run(&[command], &configuration, &[("VAULT_TOKEN", token)]);
        assert!(!ran.stdout.contains(token) && !ran.stderr.contains(token));
        ran.complained(1)
    };

    let none = token_of("path \"none\" { capabilities = [\"read\"] }").await;
    let needs = |doing: &str, capabilities: &str, path: &str| {
        let at = openbao.address();
        format!(
            "could not {doing}: your token from VAULT_TOKEN may not do this at `{at}`: its policies need {capabilities} on `{path}`\n"
        )
    };
    let lists = needs("list the policies' names", "`list`", "sys/policies/acl");
    assert_eq!(told(&none, "plan"), format!("error: {lists}"));
    let list = token_of("path \"sys/policies/acl\" { capabilities = [\"list\"] }").await;
    let reads = needs("read policy `vault-authorizer`", "`read`", "sys/policies/acl/vault-authorizer");
    assert_eq!(told(&list, "plan"), format!("error: {reads}"));
    let unknown = told("s.nobodysToken0123456789", "apply");
    assert!(unknown.contains("does not know your token, or not any more"), "{unknown}");
    let absent = run(&["plan"], &configuration, &[]).complained(1);
    assert_eq!(
        absent,
        "error: there is no token for Vault: set VAULT_TOKEN, or `vault login`, which writes ~/.vault-token\n"
    );

    // Half way: everything but the quotas may be written.
    let reference = parts::text("docs/cli.md");
    let (_, documented) = reference.split_once("```hcl\n# for `vault apply`").unwrap();
    let (documented, _) = documented.split_once("```").unwrap();
    let documented = format!("# {documented}");
    let (before, quotas) = documented.split_once("path \"sys/quotas/").unwrap();
    let read_only = quotas.replacen("\"create\", \"read\", \"update\", \"delete\"", "\"read\"", 1);
    assert_ne!(read_only, quotas);
    let half = token_of(&format!("{before}path \"sys/quotas/{read_only}")).await;
    let writes = needs(
        "write rate limit quota `vault-authorizer-orders-prod-reader`",
        "`create` and `update`",
        "sys/quotas/rate-limit/vault-authorizer-orders-prod-reader",
    );
    let undone = "create rate limit quota `vault-authorizer-orders-prod-reader`; create rate limit quota `vault-authorizer-tenant`";
    assert_eq!(
        told(&half, "apply"),
        format!("error: 4 done, and then this failed; run it again to go on. Not done: {undone}: {writes}")
    );
    let whole = token_of(&documented).await;
    let env = [("VAULT_TOKEN", whole.as_str())];
    let finished = run(&["apply"], &configuration, &env).printed(0);
    assert!(finished.contains("\nplan: 2 to create, 4 unchanged, 2 missing\n"), "{finished}");
    let pruned = run(&["apply", "--prune"], &self::configuration(&openbao, ONE_GRANT, 200), &env).printed(0);
    assert!(pruned.contains("\ndone: remove token role `tenant`\n"), "{pruned}");
}

/// Vault takes one quota for a path: another's is no reason to guess, and not ours to remove.
#[tokio::test]
async fn a_quota_by_another_name_is_said() {
    let scratch = Scratch::new("plan-quota-taken");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let configuration = configuration(&openbao, ONE_GRANT, 200);
    let theirs = json!({"path": "auth/token/create/orders-prod-reader", "rate": 50});
    openbao.as_root("POST", "sys/quotas/rate-limit/theirs", theirs).await;
    let told = as_root(&openbao, &["apply"], &configuration).complained(1);
    assert!(
        told.starts_with(
            "error: 3 done, and then this failed; run it again to go on. Not done: create rate limit quota"
        ),
        "{told}"
    );
    assert!(
        told.contains("there is one for this path by another name") && told.contains("`--no-quotas`"),
        "{told}"
    );
    assert!(told.contains("exists under the name"), "{told}");
    as_root(&openbao, &["apply", "--no-quotas"], &configuration).printed(0);
    assert_eq!(read(&openbao, "sys/quotas/rate-limit/theirs").await["rate"], 50);
}

#[tokio::test]
async fn a_token_is_found_where_vaults_own_command_line_leaves_it() {
    let scratch = Scratch::new("plan-token");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let configuration = with_login("http://127.0.0.1:1", TOKEN_LOGIN, ONE_GRANT, 200);
    let home = scratch.folder("home");
    std::fs::write(home.join(".vault-token"), format!("{}\n", openbao.root_token())).unwrap();
    let env = [("HOME", home.to_str().unwrap()), ("VAULT_ADDR", openbao.address())];
    let plan = run(&["plan"], &configuration, &env).printed(0);
    let first = format!("Vault {}, token from ~/.vault-token\n", openbao.address());
    assert!(plan.starts_with(&first), "the environment's address: {plan}");
    let nowhere = run(&["plan"], &configuration, &env[..1]).complained(1);
    assert!(
        nowhere.starts_with(
            "error: could not list the policies' names: `http://127.0.0.1:1`: Vault could not be reached"
        ),
        "{nowhere}"
    );
}

#[tokio::test]
async fn rejects_names_that_would_give_callers_or_others_the_authorizers_power() {
    let scratch = Scratch::new("plan-names");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let escalates =
        configuration(&openbao, &ONE_GRANT.replace("[orders-prod-read]", "[vault-authorizer]"), 200);
    let told = as_root(&openbao, &["apply"], &escalates).complained(1);
    assert!(
        told.starts_with(
            "error: grant `orders-reader` gives `vault-authorizer`, the authorizer's own policy"
        ),
        "{told}"
    );
    as_root(&openbao, &["plan", "--policy", "orders-authorizer"], &escalates).printed(0);
    let good = configuration(&openbao, ONE_GRANT, 200);
    for taken in ["default", "root", "vault-authorizer-self"] {
        as_root(&openbao, &["apply", "--adopt", "--policy", taken], &good).complained(2);
    }
}

/// `docs/cli.md` shows what the command really prints.
#[tokio::test]
async fn the_reference_shows_a_real_plan() {
    let scratch = Scratch::new("plan-reference");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let read_orders = json!({"policy": vault_setup::policy_file("orders-prod-read")});
    openbao.as_root("PUT", "sys/policies/acl/orders-prod-read", read_orders).await;
    as_root(&openbao, &["apply"], &configuration(&openbao, ONE_GRANT, 200)).printed(0);
    let drift = json!({"token_type": "default-service", "allowed_policies": ["admin", "orders-prod-read"]});
    openbao.as_root("POST", READER, drift).await;
    let plan = as_root(&openbao, &["plan"], &configuration(&openbao, TWO_GRANTS, 100)).printed(0);
    let plan = plan.replace(openbao.address(), "https://vault.example.com:8200");
    let reference = parts::text("docs/cli.md");
    let shown = format!("```\n$ vault-authorizer vault plan --config authorizer.yaml\n{plan}```\n");
    assert!(reference.contains(&shown), "docs/cli.md should show:\n{shown}");
}

/// What a server behind another says.
async fn forwarded(
    upstream: &str,
    method: Method,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let mut request = test_bed::http::client().request(method, format!("{upstream}{path}")).body(body);
    for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("x-vault")) {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// HCP Vault: nobody has power in the root namespace, and quotas are kept by `admin`, under their full paths.
fn with_administrative_namespace(openbao: &OpenBao) -> Server {
    let upstream = openbao.address().to_owned();
    let serve = move |method: Method, uri: Uri, mut headers: HeaderMap, body: Bytes| {
        let upstream = upstream.clone();
        async move {
            let namespace = headers.get("x-vault-namespace").and_then(|value| value.to_str().ok());
            let namespace = namespace.unwrap_or_default().trim_matches('/').to_owned();
            if namespace.is_empty() {
                return (StatusCode::FORBIDDEN, json!({"errors": ["permission denied"]}).to_string());
            }
            if uri.path().starts_with("/v1/sys/quotas/") {
                if namespace != "admin" {
                    return (StatusCode::NOT_FOUND, json!({"errors": ["unsupported path"]}).to_string());
                }
                headers.remove("x-vault-namespace");
            }
            // What `vault kv` and `vault write` ask of a server beside the call.
            let path = uri.path_and_query().map_or(uri.path(), |path| path.as_str());
            forwarded(&upstream, method, path, &headers, body).await
        }
    };
    Server::start(0, Router::new().fallback(serve))
}

#[tokio::test]
async fn the_quotas_of_an_administrative_namespace_are_made_there() {
    let scratch = Scratch::new("plan-quota-namespace");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    openbao.as_root("POST", "sys/namespaces/admin", json!({})).await;
    openbao
        .api_with(
            "POST",
            "sys/namespaces/team",
            env_token(&openbao),
            &[("X-Vault-Namespace", "admin")],
            json!({}),
        )
        .await;
    let hcp = with_administrative_namespace(&openbao);
    let configuration = with_login(&hcp.url(), TOKEN_LOGIN, ONE_GRANT, 200);
    for namespace in ["admin", "admin/team"] {
        let env = [("VAULT_TOKEN", openbao.root_token()), ("VAULT_NAMESPACE", namespace)];
        let told = run(&["apply"], &configuration, &env).complained(1);
        assert!(told.contains("HCP Vault in `admin`, which `--quota-namespace` names"), "{told}");
        let there = ["--quota-namespace", "admin"];
        run(&[&["apply"], &there[..]].concat(), &configuration, &env).printed(0);
        let plan =
            run(&[&["plan", "--detailed-exitcode"], &there[..]].concat(), &configuration, &env).printed(0);
        assert!(plan.contains("\nnothing to do: "), "{plan}");
        let name = namespace.replace('/', "-");
        let quota = format!("sys/quotas/rate-limit/vault-authorizer-{name}-orders-prod-reader");
        assert_eq!(
            read(&openbao, &quota).await["path"],
            format!("{namespace}/auth/token/create/orders-prod-reader")
        );
    }
    let wrong = [("VAULT_TOKEN", openbao.root_token()), ("VAULT_NAMESPACE", "admin/team")];
    let told = run(&["apply", "--quota-namespace", "admin/team"], &configuration, &wrong).complained(1);
    assert!(told.contains("`--quota-namespace`"), "{told}");

    let script = run(
        &["plan", "--format", "shell", "--quota-namespace", "admin"],
        &configuration,
        &[("VAULT_NAMESPACE", "admin/team")],
    );
    let script = script.printed(0);
    assert!(
        script.contains(
            "\nVAULT_NAMESPACE='admin' \"$cli\" write sys/quotas/rate-limit/vault-authorizer-admin-team-"
        ),
        "{script}"
    );
    let mut shell = Command::new("sh");
    shell.arg("-s").env("VAULT_CLI", parts::openbao()).env("VAULT_ADDR", hcp.url());
    assert!(with_input(shell.env("VAULT_TOKEN", openbao.root_token()), &script).status.success());
}

#[tokio::test]
async fn the_quickstarts_script_makes_its_quotas_in_an_administrative_namespace() {
    let scratch = Scratch::new("plan-quickstart-admin");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    openbao.as_root("POST", "sys/namespaces/admin", json!({})).await;
    let hcp = with_administrative_namespace(&openbao);
    // First without the option, which the script then recommends; once it is given, leaving it out takes nothing away.
    for options in [&[][..], &["--quota-namespace", "admin"], &["--quota-namespace", "admin"], &[]] {
        let mut script = vault_setup::quickstart_script(&openbao);
        script.args(options).env("VAULT_ADDR", hcp.url()).env("VAULT_NAMESPACE", "admin/");
        let ran = script.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    let configuration = with_login(&hcp.url(), TOKEN_LOGIN, QUICKSTART, 200);
    let env = [("VAULT_TOKEN", openbao.root_token()), ("VAULT_NAMESPACE", "admin")];
    let plan = ["plan", "--detailed-exitcode", "--quota-namespace", "admin"];
    let plan = run(&plan, &configuration, &env).printed(0);
    assert!(plan.contains("\nnothing to do: "), "{plan}");
}

/// Somebody who works with OpenBao has its variables in the shell, of another server than the one that is meant.
#[tokio::test]
async fn rejects_variables_that_lead_the_scripts_to_another_server() {
    let scratch = Scratch::new("plan-two-servers");
    let (meant, other) = (OpenBao::start_in_memory(&scratch).await, OpenBao::start_in_memory(&scratch).await);
    other.as_root("POST", "sys/namespaces/team", json!({})).await;
    let configuration = configuration(&meant, QUICKSTART, 200);
    let hcl = run(&["plan", "--format", "shell"], &configuration, &[]).printed(0);
    let quickstart = parts::text("infra/vault/quickstart.sh");
    let (agent, token) = (other.address().to_owned(), other.root_token().to_owned());
    let misleading = [
        vec![("BAO_ADDR", agent.as_str()), ("BAO_TOKEN", &token), ("BAO_NAMESPACE", "team")],
        vec![("BAO_ADDR", ""), ("BAO_TOKEN", ""), ("VAULT_AGENT_ADDR", &agent), ("VAULT_WRAP_TTL", "60s")],
        vec![
            ("BAO_AGENT_ADDR", &agent),
            ("VAULT_AGENT_ADDR", &agent),
            ("BAO_FORMAT", "json"),
            ("VAULT_FORMAT", "json"),
        ],
    ];
    let before = other.audit_mark();
    for variables in misleading {
        for script in [&hcl, &quickstart] {
            let mut shell = Command::new("sh");
            // So that `$(dirname "$0")/policies` is found.
            shell.args([
                "-c",
                script,
                &parts::repository().join("infra/vault/quickstart.sh").display().to_string(),
            ]);
            shell
                .env("VAULT_CLI", parts::openbao())
                .env("VAULT_ADDR", meant.address())
                .env("VAULT_NAMESPACE", "");
            shell.env("VAULT_TOKEN", meant.root_token()).envs(variables.iter().copied());
            let mark = meant.audit_mark();
            let ran = shell.output().unwrap();
            assert!(ran.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&ran.stderr));
            assert!(!writes_since(&meant, mark).is_empty(), "{variables:?}");
            assert_eq!(other.requests_since(before), <[String; 0]>::default(), "{variables:?}");
        }
    }
    // What nobody said in the scripts' own variables, they do not guess.
    for (variable, lacks) in
        [("BAO_ADDR", "VAULT_ADDR"), ("BAO_TOKEN", "VAULT_TOKEN"), ("BAO_NAMESPACE", "VAULT_NAMESPACE")]
    {
        let value = if variable == "BAO_ADDR" { agent.as_str() } else { "team" };
        let mut script = vault_setup::quickstart_script(&meant);
        let ran = script.env_remove(lacks).env(variable, value).output().unwrap();
        let complaint = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && complaint.contains(&format!("set {lacks}")), "{complaint}");
    }
    assert_eq!(other.requests_since(before), <[String; 0]>::default());
    // A format for people who read JSON must not hide another configuration's policy from the script.
    as_root(
        &meant,
        &["apply", "--prune", "--adopt"],
        &configuration.replace("orders-prod-reader", "another"),
    )
    .printed(0);
    let policy = read(&meant, "sys/policies/acl/vault-authorizer").await;
    let ran = vault_setup::quickstart_script(&meant).env("VAULT_FORMAT", "json").output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(read(&meant, "sys/policies/acl/vault-authorizer").await, policy);
}

/// The lines of `infra/terraform/README.md` that follow the module's deployment, as they stand there.
fn terraforms_lines() -> String {
    let readme = parts::text("infra/terraform/README.md");
    let (_, block) = readme.split_once("**Then Vault,**").expect("the part on Vault");
    let (_, block) = block.split_once("```sh\n").expect("its commands");
    block.split_once("```").expect("their end").0.to_owned()
}

/// Several stages, and functions in two regions with one role, on one Vault: whoever follows the module's README takes nothing
/// away from whoever did so before.
#[tokio::test]
async fn several_stages_and_regions_share_a_vault_by_terraforms_readme() {
    let scratch = Scratch::new("plan-shared");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let stored = Stored::default();
    let server = with_aws_auth(&openbao, &stored);
    let programs = scratch.folder("bin");
    std::os::unix::fs::symlink(parts::binary("dev", "vault-authorizer"), programs.join("vault-authorizer"))
        .unwrap();
    std::fs::write(programs.join("terraform"), "#!/bin/sh\n[ \"$1 $2\" = 'output -raw' ] && cat \"$3\"\n")
        .unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(programs.join("terraform"), executable).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let follow = |stage: &str, region: &str, lines: &str| {
        let root = scratch.folder(&format!("{stage}-{region}"));
        let login = format!(
            "{{method: aws, role: orders-{stage}, server_id: vault.example.com, sts_region: {region}}}"
        );
        let document = with_login(&server.url(), &login, ONE_GRANT, 200).replace("prod", stage);
        for (output, value) in [
            ("configuration", document),
            ("vault_login_role", format!("orders-{stage}")),
            ("role_arn", arn(&format!("orders-{stage}-{region}"))),
        ] {
            std::fs::write(root.join(output), value).unwrap();
        }
        let mut shell = Command::new("sh");
        shell.args(["-euc", lines]).current_dir(root).env_clear().env("PATH", &path);
        let output =
            shell.env("VAULT_ADDR", server.url()).env("VAULT_TOKEN", openbao.root_token()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    };
    let lines = terraforms_lines();
    for stage in ["prod", "staging", "prod"] {
        follow(stage, "eu-west-1", &lines).printed(0);
    }
    for (stage, other) in [("prod", "staging"), ("staging", "prod")] {
        let role = stored.lock().unwrap()[&format!("/v1/auth/aws/role/orders-{stage}")].clone();
        assert_eq!(role["token_policies"], json!([format!("orders-{stage}")]));
        let token = json!({"policies": role["token_policies"], "no_default_policy": true});
        let token = openbao.as_root("POST", "auth/token/create-orphan", token).await;
        let token = token["auth"]["client_token"].as_str().unwrap().to_owned();
        let mut minted = Vec::new();
        for role in [stage, other] {
            let role = format!("orders-{role}-reader");
            minted.push(mint(&openbao, &token, &role, Some("30s"), json!({"ttl": "60s"})).await);
        }
        assert_eq!(minted, [200, 403], "{stage} mints for itself alone");
    }

    // The same stage in another region, with the same role at Vault: the first one's function must go on logging in.
    let bound = || stored.lock().unwrap()["/v1/auth/aws/role/orders-prod"]["bound_iam_principal_arn"].clone();
    let second = follow("prod", "us-east-1", &lines);
    assert!(
        second
            .stdout
            .contains("in use: login role `orders-prod` of `auth/aws`: a function that you did not name"),
        "{}",
        second.stdout
    );
    assert_eq!(second.complained(1), "error: nothing was changed: 1 in conflict, as said above\n");
    assert_eq!(bound(), json!([arn("orders-prod-eu-west-1")]));
    let both = format!("{} --aws-principal {}\n", lines.trim_end(), arn("orders-prod-eu-west-1"));
    follow("prod", "us-east-1", &both).printed(0);
    assert_eq!(bound(), json!([arn("orders-prod-eu-west-1"), arn("orders-prod-us-east-1")]));

    // Whoever leaves `--policy` out on a Vault that has a configuration with that policy takes nothing away either.
    let bare = lines.replace("--policy \"$(terraform output -raw vault_login_role)\"", "");
    assert_ne!(bare, lines, "the README gives each stage a policy of its own");
    let taken = follow(
        "prod",
        "eu-west-1",
        &format!("{} --aws-principal {}", bare.trim_end(), arn("orders-prod-us-east-1")),
    );
    assert!(
        taken.stdout.contains(
            "another's: login role `orders-prod` of `auth/aws`: it logs in another configuration's authorizer"
        ),
        "{}",
        taken.stdout
    );
    taken.complained(1);
}

type Stored = Arc<Mutex<BTreeMap<String, Value>>>;

/// OpenBao has the AWS auth method only as a plugin: its two places are kept here, merged field by field as Vault does; all else
/// is OpenBao's. What the plugin makes of them, `logins` shows.
fn with_aws_auth(openbao: &OpenBao, stored: &Stored) -> Server {
    let (upstream, stored) = (openbao.address().to_owned(), Arc::clone(stored));
    let serve = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let (upstream, stored) = (upstream.clone(), Arc::clone(&stored));
        async move {
            let path = uri.path().to_owned();
            if !path.starts_with("/v1/auth/aws/") {
                return forwarded(&upstream, method, &path, &headers, body).await;
            }
            let mut stored = stored.lock().unwrap();
            match method {
                Method::GET => match stored.get(&path) {
                    Some(data) => (StatusCode::OK, json!({"data": data}).to_string()),
                    None => (StatusCode::NOT_FOUND, json!({"errors": []}).to_string()),
                },
                Method::DELETE => {
                    stored.remove(&path);
                    (StatusCode::NO_CONTENT, String::new())
                }
                _ => {
                    let written: Value = serde_json::from_slice(&body).unwrap();
                    let data = stored.entry(path).or_insert_with(|| json!({"bound_account_id": []}));
                    for (name, value) in written.as_object().unwrap() {
                        let seconds =
                            value.as_str().and_then(|text| text.strip_suffix('s')?.parse::<u64>().ok());
                        data[name] = seconds.map_or_else(|| value.clone(), Value::from);
                    }
                    (StatusCode::NO_CONTENT, String::new())
                }
            }
        }
    };
    Server::start(0, Router::new().fallback(serve))
}

#[tokio::test]
async fn the_aws_login_is_set_up_on_request_and_a_shared_server_id_never_changed() {
    let scratch = Scratch::new("plan-aws");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let aws = "{method: aws, role: api-authorizer, server_id: vault.example.com}";
    let principal = ["--aws-principal", "arn:aws:iam::123456789012:role/service/api-authorizer"];
    let (role, client) = ("/v1/auth/aws/role/api-authorizer", "/v1/auth/aws/config/client");

    // Not enabled: said, and in the way of nothing else.
    let bare = with_login(openbao.address(), aws, ONE_GRANT, 200);
    let plan = as_root(&openbao, &[&["plan"], &principal[..]].concat(), &bare).printed(0);
    assert!(plan.contains("missing: auth method at `auth/aws`: `vault auth enable -path=aws aws`"), "{plan}");
    assert!(plan.ends_with("\nplan: 4 to create, 2 missing\n"), "{plan}");
    let applied = as_root(&openbao, &[&["apply"], &principal[..]].concat(), &bare).complained(1);
    assert_eq!(
        applied,
        "error: the authorizer cannot log in yet: an auth method is missing, as said above\n"
    );
    as_root(&openbao, &[&["plan", "--detailed-exitcode"], &principal[..]].concat(), &bare).printed(5);

    let stored = Stored::default();
    let server = with_aws_auth(&openbao, &stored);
    let configuration = with_login(&server.url(), aws, ONE_GRANT, 200);
    let with_principal =
        |command: &[&str]| as_root(&openbao, &[command, &principal[..]].concat(), &configuration);

    let alone = as_root(&openbao, &["apply"], &configuration).printed(0);
    assert!(
        alone.contains("left alone: login role `api-authorizer` of `auth/aws`: `--aws-principal`"),
        "{alone}"
    );
    assert_eq!(stored.lock().unwrap().len(), 0);

    with_principal(&["apply"]).printed(0);
    let expected = json!({
        "bound_account_id": [], "auth_type": "iam", "resolve_aws_unique_ids": false,
        "bound_iam_principal_arn": ["arn:aws:iam::123456789012:role/api-authorizer"],
        "token_policies": ["vault-authorizer"], "token_no_default_policy": true, "token_type": "service",
        "token_num_uses": 0, "token_period": 0, "token_ttl": 3600, "token_max_ttl": 86400,
    });
    assert_eq!(stored.lock().unwrap()[role], expected);
    assert_eq!(stored.lock().unwrap()[client]["iam_server_id_header_value"], "vault.example.com");
    with_principal(&["plan", "--detailed-exitcode"]).printed(0);

    // Without the principal, and with --prune, the login that is in use is not removed.
    let pruned = as_root(&openbao, &["apply", "--prune"], &configuration).printed(0);
    assert!(pruned.contains("\nnothing to do: "), "{pruned}");
    assert_eq!(stored.lock().unwrap()[role], expected);

    stored.lock().unwrap().get_mut(role).unwrap()["bound_iam_principal_arn"] =
        json!(["arn:aws:iam::123456789012:role/*"]);
    let drift = with_principal(&["apply"]).printed(0);
    assert!(drift.contains("bound_iam_principal_arn: arn:aws:iam::123456789012:role/* -> arn:aws:iam::123456789012:role/api-authorizer"), "{drift}");

    stored.lock().unwrap().get_mut(client).unwrap()["iam_server_id_header_value"] =
        json!("others.example.com");
    let shared = with_principal(&["apply", "--adopt"]);
    assert!(
        shared.stdout.contains("in use: server id of `auth/aws`: whoever logs in there relies on it"),
        "{}",
        shared.stdout
    );
    assert!(shared.stdout.contains("iam_server_id_header_value: others.example.com -> vault.example.com"));
    assert_eq!(shared.complained(1), "error: nothing was changed: 1 in conflict, as said above\n");
    assert_eq!(stored.lock().unwrap()[client]["iam_server_id_header_value"], "others.example.com");

    // Set up by others without one: theirs to decide, or adopted.
    stored.lock().unwrap().get_mut(client).unwrap()["iam_server_id_header_value"] = json!("");
    with_principal(&["apply"]).complained(1);
    with_principal(&["apply", "--adopt"]).printed(0);
    assert_eq!(stored.lock().unwrap()[client]["iam_server_id_header_value"], "vault.example.com");

    // Another role: the old one is no longer needed.
    let renamed = configuration.replace("role: api-authorizer", "role: other-authorizer");
    as_root(&openbao, &[&["apply", "--prune"], &principal[..]].concat(), &renamed).printed(0);
    assert!(!stored.lock().unwrap().contains_key(role));
    assert!(stored.lock().unwrap().contains_key(client), "and what is shared stays");
}

/// What a login answered, with the policies of its token.
async fn logged_in(openbao: &OpenBao, path: &str, body: Value) -> (u16, Value) {
    let (status, mut answer) = openbao.api("POST", path, None, body).await;
    (status, answer["auth"]["token_policies"].take())
}

#[tokio::test]
async fn a_jwt_role_lets_in_whom_the_operator_named_and_nobody_else() {
    let scratch = Scratch::new("plan-jwt");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let issuer = Issuer::start();
    let login = "{method: jwt, role: api-authorizer, jwt_file: /tmp/vault.jwt}";
    let configuration = with_login(openbao.address(), login, ONE_GRANT, 200);
    let trusted = ["--jwt-subject", "api-authorizer", "--jwt-audience", "vault.example.com"];
    let with_trusted =
        |command: &[&str]| as_root(&openbao, &[command, &trusted[..]].concat(), &configuration);

    let plan = with_trusted(&["plan"]).printed(0);
    assert!(plan.contains("missing: auth method at `auth/jwt`: `vault auth enable -path=jwt jwt`"), "{plan}");
    vault_setup::jwt_method(&openbao, &issuer).await;
    with_trusted(&["apply"]).printed(0);
    with_trusted(&["plan", "--detailed-exitcode"]).printed(0);

    let token = |subject: &str, audience: &str| {
        let jwt = issuer.token(&TokenSpec::new().claim("sub", subject).claim("aud", audience));
        json!({"role": "api-authorizer", "jwt": jwt})
    };
    let path = "auth/jwt/login";
    let good = logged_in(&openbao, path, token("api-authorizer", "vault.example.com")).await;
    assert_eq!(good, (200, json!(["vault-authorizer"])));
    for other in [token("mallory", "vault.example.com"), token("api-authorizer", "orders-api")] {
        assert_eq!(logged_in(&openbao, path, other).await, (400, Value::Null));
    }

    // A role that somebody widened is narrowed again.
    let wide = json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": "", "bound_audiences": ["vault.example.com"], "groups_claim": "groups", "token_period": "1h"});
    openbao.as_root("POST", "auth/jwt/role/api-authorizer", wide).await;
    let drift = with_trusted(&["apply"]).printed(0);
    for line in [
        "bound_subject: (none) -> api-authorizer",
        "groups_claim: groups -> (none)",
        "token_period: 3600s -> 0s",
    ] {
        assert!(drift.contains(line), "{drift}");
    }
    assert_eq!(logged_in(&openbao, path, token("mallory", "vault.example.com")).await, (400, Value::Null));

    // A second function with the same role: both log in, neither is forgotten by leaving it out.
    let logs_in = async |subject| logged_in(&openbao, path, token(subject, "vault.example.com")).await.0;
    let apply = |subjects: &[&str], options: &[&str]| {
        let subjects = subjects.iter().flat_map(|subject| ["--jwt-subject", subject]);
        let options: Vec<&str> = ["apply"]
            .into_iter()
            .chain(trusted[2..].iter().copied())
            .chain(subjects)
            .chain(options.iter().copied())
            .collect();
        as_root(&openbao, &options, &configuration)
    };
    apply(&["api-authorizer", "second"], &[]).printed(0);
    assert!(apply(&["second", "api-authorizer"], &[]).printed(0).contains("nothing to do"));
    assert_eq!(
        [logs_in("api-authorizer").await, logs_in("second").await, logs_in("mallory").await],
        [200, 200, 400]
    );
    let forgotten = apply(&["second"], &[]);
    assert!(
        forgotten.stdout.contains("in use: login role `api-authorizer` of `auth/jwt`"),
        "{}",
        forgotten.stdout
    );
    forgotten.complained(1);
    assert_eq!(logs_in("api-authorizer").await, 200);
    apply(&["second"], &["--remove-principals"]).printed(0);
    let script = |subject: &str| {
        let options =
            ["plan", "--format", "shell", "--jwt-subject", subject, "--jwt-audience", "vault.example.com"];
        let script = as_root(&openbao, &options, &configuration).printed(0);
        let mut shell = Command::new("sh");
        shell.arg("-s").env("VAULT_CLI", parts::openbao()).env("VAULT_ADDR", openbao.address());
        with_input(shell.env("VAULT_TOKEN", openbao.root_token()), &script)
    };
    let stopped = script("api-authorizer");
    let told = String::from_utf8(stopped.stderr).unwrap();
    assert!(told.contains("second may log in with auth/jwt/role/api-authorizer as well"), "{told}");
    assert!(!stopped.status.success() && logs_in("second").await == 200);
    assert!(script("second").status.success());
    // What is another's stays: its claims, whom it lets in by them, and its policies.
    let role = "auth/jwt/role/api-authorizer";
    for (mut theirs, told) in [
        (json!({"bound_claims": {"org": "acme"}}), "has bound_claims map[org:acme]"),
        (
            json!({"bound_subject": "", "bound_claims": {"sub": ["second", "third"]}}),
            "map[sub:[second third]]",
        ),
        (
            json!({"token_policies": ["vault-authorizer", "theirs"]}),
            "gives [vault-authorizer theirs]: it logs in another",
        ),
    ] {
        let ours = read(&openbao, role).await;
        // OpenBao takes a role for `oidc` where this is left out.
        theirs["role_type"] = json!("jwt");
        openbao.as_root("POST", role, theirs).await;
        let before = read(&openbao, role).await;
        let stopped = script("second");
        let complaint = String::from_utf8(stopped.stderr).unwrap();
        assert!(!stopped.status.success() && complaint.contains(told), "{complaint}");
        assert_eq!(read(&openbao, role).await, before);
        let restored = json!({"role_type": "jwt", "bound_subject": ours["bound_subject"], "bound_claims": {}, "token_policies": ours["token_policies"]});
        openbao.as_root("POST", role, restored).await;
    }
    assert_eq!([logs_in("api-authorizer").await, logs_in("second").await], [400, 200]);
    apply(&["api-authorizer"], &["--remove-principals"]).printed(0);

    let pruned = as_root(&openbao, &["apply", "--prune"], &configuration).printed(0);
    assert!(
        pruned.contains("left alone: login role `api-authorizer` of `auth/jwt`: `--jwt-subject`"),
        "{pruned}"
    );
    assert_eq!(status(&openbao, "auth/jwt/role/api-authorizer").await, 200);
    let unsuited = as_root(&openbao, &["apply", "--approle", "gateway"], &configuration).complained(2);
    assert_eq!(
        unsuited,
        "error: `--approle` is not for this login: by `vault.login`, `--jwt-subject` says who may log in\n"
    );
}

#[tokio::test]
async fn an_approle_is_written_without_its_ids_and_never_pruned_unasked() {
    let scratch = Scratch::new("plan-approle");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let login = "{method: approle, role_id: read-below, secret_id_file: /tmp/secret-id}";
    let configuration = with_login(openbao.address(), login, ONE_GRANT, 200);
    let apply =
        |options: &[&str]| as_root(&openbao, &[&["apply"], options].concat(), &configuration).printed(0);
    openbao.as_root("POST", "sys/auth/approle", json!({"type": "approle"})).await;
    apply(&["--approle", "gateway"]);
    as_root(&openbao, &["plan", "--detailed-exitcode", "--approle", "gateway"], &configuration).printed(0);

    let role = "auth/approle/role/gateway";
    let role_id = read(&openbao, &format!("{role}/role-id")).await["role_id"].take();
    let secret_id = openbao.as_root("POST", &format!("{role}/secret-id"), json!({})).await;
    let ids = json!({"role_id": role_id, "secret_id": secret_id["data"]["secret_id"]});
    let good = logged_in(&openbao, "auth/approle/login", ids.clone()).await;
    assert_eq!(good, (200, json!(["vault-authorizer"])));

    // The configuration does not name the role, so without the option nothing says that it is needed.
    let pruned = apply(&["--prune"]);
    assert!(
        pruned.contains("left alone: login role of `auth/approle`: `--approle` says who may log in"),
        "{pruned}"
    );
    assert_eq!(logged_in(&openbao, "auth/approle/login", ids.clone()).await.0, 200);

    // Another role instead: said, and removed where that is asked for.
    let renamed = apply(&["--approle", "edge"]);
    assert!(renamed.contains("not needed: login role `gateway` of `auth/approle`"), "{renamed}");
    assert_eq!(logged_in(&openbao, "auth/approle/login", ids.clone()).await.0, 200);
    apply(&["--approle", "edge", "--prune"]);
    assert_ne!(logged_in(&openbao, "auth/approle/login", ids).await.0, 200);
}
