//! `entity_alias`: one grant and one templated policy, and each tenant reads what is theirs alone.

use serde_json::{Value, json};
use test_bed::issuer::{Issuer, TokenSpec};
use test_bed::openbao::OpenBao;
use test_bed::parts;
use test_bed::process::Scratch;
use test_bed::runtime_api::{Function, request_event};
use test_bed::vault_setup::{self, Setup, TokenRole};

/// The secrets, each below its alias.
const TENANTS: [&str; 3] = ["blue@corp", "green@corp", "blue@partner"];

struct World {
    openbao: OpenBao,
    function: Function,
    corp: Issuer,
    partner: Issuer,
    authorizer_token: String,
    _scratch: Scratch,
}

impl World {
    async fn new() -> Self {
        let scratch = Scratch::new("tenants");
        let openbao = OpenBao::start_in_memory(&scratch).await;
        let mounts = openbao.as_root("GET", "sys/auth", Value::Null).await;
        let accessor =
            mounts["data"]["token/"]["accessor"].as_str().expect("the token mount's accessor").to_owned();
        let own_path = format!(
            "path \"secret/data/tenants/{{{{identity.entity.aliases.{accessor}.name}}}}/*\" {{ capabilities = [\"read\"] }}"
        );
        let role = |name: &str, glob: &str| TokenRole::new(name, "tenant-read", 120, 30).entity_alias(glob);
        let mut setup = Setup::default()
            .policy("vault-authorizer-self", &vault_setup::policy_file("vault-authorizer-self"))
            .policy("tenant-read", &own_path)
            .role(role("corp-tenants", "*@corp"))
            .role(role("partner-tenants", "*@partner"));
        for tenant in TENANTS {
            setup = setup.secret(&format!("tenants/{tenant}/db"), json!({"of": tenant}));
        }
        vault_setup::configure(&openbao, &setup).await;
        let authorizer_token = vault_setup::authorizer_token(&openbao).await;
        let (corp, partner) = (Issuer::start(), Issuer::start());
        let config = config(openbao.address(), &authorizer_token, &corp.url(), &partner.url());
        let binary = parts::binary("release", "bootstrap");
        let function = Function::start(&binary, [("AUTHORIZER_CONFIG", config)], &scratch);
        Self { openbao, function, corp, partner, authorizer_token, _scratch: scratch }
    }

    /// A tenant's token, opened; or the code of the denial.
    async fn token(&self, issuer: &Issuer, tenant: Option<&str>) -> Result<String, String> {
        let spec = tenant.map_or_else(TokenSpec::new, |tenant| TokenSpec::new().claim("tenant", tenant));
        let answer = self.function.invoke(&event(&issuer.token(&spec))).await.response();
        let Some(wrapping_token) = answer["context"]["vaultWrappingToken"].as_str() else {
            return Err(answer["context"]["reason"].as_str().expect("a reason").to_owned());
        };
        let (_, unwrapped) =
            self.openbao.api("POST", "sys/wrapping/unwrap", Some(wrapping_token), Value::Null).await;
        assert_eq!(
            unwrapped["auth"]["identity_policies"],
            Value::Null,
            "the entity has no policies of its own"
        );
        Ok(unwrapped["auth"]["client_token"].as_str().expect("a token").to_owned())
    }

    /// The tenants whose secret a token reads.
    async fn reads(&self, token: &str) -> Vec<&'static str> {
        let mut read = Vec::new();
        for tenant in TENANTS {
            let path = format!("secret/data/tenants/{tenant}/db");
            let (status, body) = self.openbao.api("GET", &path, Some(token), Value::Null).await;
            match status {
                200 => {
                    assert_eq!(body["data"]["data"]["of"], tenant);
                    read.push(tenant);
                }
                status => assert_eq!(status, 403, "{tenant}"),
            }
        }
        read
    }
}

fn config(vault: &str, token: &str, corp: &str, partner: &str) -> String {
    let issuer = |name: &str, url: &str| {
        format!(
            "  {name}: {{kind: jwt, issuer: \"{url}\", audiences: [orders-api], algorithms: [RS256], jwks: discovery}}\n"
        )
    };
    let grant = |issuer: &str| {
        format!(
            "      - name: {issuer}-tenants\n        routes: [\"GET /orders\"]\n        caller: {{issuer: {issuer}, any: true}}\n        \
             token: {{role: {issuer}-tenants, policies: [tenant-read], ttl: 2m, wrap_ttl: 30s, entity_alias: {{claim: tenant}}}}\n"
        )
    };
    format!(
        "vault: {{address: \"{vault}\", login: {{method: token, token: {token}}}}}\nissuers:\n{}{}stages:\n  prod:\n    \
         api_ids: [a1b2c3d4e5]\n    grants:\n{}{}",
        issuer("corp", corp),
        issuer("partner", partner),
        grant("corp"),
        grant("partner")
    )
}

fn event(token: &str) -> Value {
    request_event("/orders", &format!("Bearer {token}"))
}

#[tokio::test]
async fn no_tenant_reads_anothers_path_nor_one_of_the_same_name_at_another_issuer() {
    let world = World::new().await;
    for (issuer, tenant, own) in [
        (&world.corp, "blue", "blue@corp"),
        (&world.corp, "green", "green@corp"),
        (&world.partner, "blue", "blue@partner"),
        // Again: the entity is there by now.
        (&world.corp, "blue", "blue@corp"),
    ] {
        let token = world.token(issuer, Some(tenant)).await.unwrap();
        assert_eq!(world.reads(&token).await, [own]);
    }
}

#[tokio::test]
async fn rejects_a_tenant_that_could_be_read_as_another() {
    let world = World::new().await;
    for tenant in [None, Some("Blue"), Some("blue@partner"), Some("blue/../green"), Some("*"), Some("")] {
        let refused = world.token(&world.corp, tenant).await.unwrap_err();
        assert_eq!(refused, "identity_value_refused", "{tenant:?}");
    }
}

#[tokio::test]
async fn rejects_a_tenant_that_vault_has_disabled_and_no_other() {
    let world = World::new().await;
    world.token(&world.corp, Some("blue")).await.unwrap();
    let mounts = world.openbao.as_root("GET", "sys/auth", Value::Null).await;
    let alias =
        json!({"alias_name": "blue@corp", "alias_mount_accessor": mounts["data"]["token/"]["accessor"]});
    let entity = world.openbao.as_root("POST", "identity/lookup/entity", alias).await;
    let entity = format!("identity/entity/id/{}", entity["data"]["id"].as_str().expect("an id"));
    for (disabled, blue) in [(true, Err("identity_value_refused".to_owned())), (false, Ok(()))] {
        world.openbao.as_root("POST", &entity, json!({"disabled": disabled})).await;
        assert_eq!(world.token(&world.corp, Some("blue")).await.map(|_| ()), blue);
        assert!(world.token(&world.corp, Some("green")).await.is_ok());
    }
}

/// Should the authorizer ever send another issuer's alias, Vault does not take it.
#[tokio::test]
async fn vault_refuses_an_alias_of_another_issuer() {
    let world = World::new().await;
    for (alias, expected) in
        [("blue@corp", 200), ("blue@partner", 403), ("blue", 403), ("x@corp@partner", 403)]
    {
        let body = json!({"ttl": "120s", "entity_alias": alias, "meta": {}});
        let headers = [("X-Vault-Wrap-TTL", "30s")];
        let token = Some(world.authorizer_token.as_str());
        let (status, _) =
            world.openbao.api_with("POST", "auth/token/create/corp-tenants", token, &headers, body).await;
        assert_eq!(status, expected, "{alias}");
    }
}
