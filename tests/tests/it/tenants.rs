//! `entity_alias`: one grant and one templated policy, and each tenant can read only its own data.

use serde_json::{Value, json};
use test_bed::{Configuration, Function, Grant, Issuer, LocalBed, TokenSpec};

/// The secrets, each below its alias.
const TENANTS: [&str; 3] = ["blue@corp", "green@corp", "blue@partner"];

struct World {
    function: Function,
    partner: Issuer,
    bed: LocalBed,
}

impl World {
    async fn new() -> Self {
        let grant = |issuer: &str| {
            let grant = Grant::new(&format!("{issuer}-tenants"), "GET /orders");
            let grant = grant.set("caller.issuer", issuer).set("token.policies", json!(["tenant-read"]));
            grant.set("token.entity_alias", json!({"claim": "tenant"}))
        };
        let both = |all: Configuration| all.grant(grant("corp")).grant(grant("partner"));
        let with = |all: Configuration| both(all.issuer("partner", "https://login.example.org/"));
        let bed = LocalBed::with("tenants", with).await;
        for tenant in TENANTS {
            let secret = json!({"data": {"of": tenant}});
            bed.openbao.write(&format!("secret/data/tenants/{tenant}/db"), secret).await;
        }
        let mounts = bed.openbao.read("sys/auth").await;
        let accessor = mounts["token/"]["accessor"].as_str().expect("the token mount's accessor");
        let own_path = format!("secret/data/tenants/{{{{identity.entity.aliases.{accessor}.name}}}}/*");
        bed.openbao
            .policy("tenant-read", &format!("path \"{own_path}\" {{ capabilities = [\"read\"] }}"))
            .await;
        let partner = Issuer::start();
        let function = bed.function(&both(bed.configuration().issuer("partner", &partner.url())));
        Self { function, partner, bed }
    }

    /// A tenant's token, opened; or the code of the denial.
    async fn token(&self, issuer: &Issuer, tenant: Option<&str>) -> Result<String, String> {
        let spec = tenant.map_or_else(TokenSpec::new, |tenant| TokenSpec::new().claim("tenant", tenant));
        let answer = self.function.get("/orders", &issuer.token(&spec)).await.response();
        let Some(wrapping_token) = answer["context"]["vaultWrappingToken"].as_str() else {
            return Err(answer["context"]["reason"].as_str().expect("a reason").to_owned());
        };
        let (_, unwrapped) = self.bed.openbao.unwrap(wrapping_token).await;
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
            let (status, body) = self.bed.openbao.api("GET", &path, Some(token), Value::Null).await;
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

#[tokio::test]
async fn no_tenant_reads_anothers_path_nor_one_of_the_same_name_at_another_issuer() {
    let world = World::new().await;
    for (issuer, tenant, own) in [
        (&world.bed.issuer, "blue", "blue@corp"),
        (&world.bed.issuer, "green", "green@corp"),
        (&world.partner, "blue", "blue@partner"),
        // Again: the entity is there by now.
        (&world.bed.issuer, "blue", "blue@corp"),
    ] {
        let token = world.token(issuer, Some(tenant)).await.unwrap();
        assert_eq!(world.reads(&token).await, [own]);
    }
}

#[tokio::test]
async fn rejects_a_tenant_that_could_be_read_as_another() {
    let world = World::new().await;
    for tenant in [None, Some("Blue"), Some("blue@partner"), Some("blue/../green"), Some("*"), Some("")] {
        let refused = world.token(&world.bed.issuer, tenant).await.unwrap_err();
        assert_eq!(refused, "identity_value_refused", "{tenant:?}");
    }
}

#[tokio::test]
async fn rejects_a_tenant_that_vault_has_disabled_and_no_other() {
    let world = World::new().await;
    world.token(&world.bed.issuer, Some("blue")).await.unwrap();
    let mounts = world.bed.openbao.read("sys/auth").await;
    let alias = json!({"alias_name": "blue@corp", "alias_mount_accessor": mounts["token/"]["accessor"]});
    let entity = world.bed.openbao.write("identity/lookup/entity", alias).await;
    let entity = format!("identity/entity/id/{}", entity["data"]["id"].as_str().expect("an id"));
    for (disabled, blue) in [(true, Err("identity_value_refused".to_owned())), (false, Ok(()))] {
        world.bed.openbao.write(&entity, json!({"disabled": disabled})).await;
        assert_eq!(world.token(&world.bed.issuer, Some("blue")).await.map(|_| ()), blue);
        assert!(world.token(&world.bed.issuer, Some("green")).await.is_ok());
    }
}
