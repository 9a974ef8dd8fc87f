//! The sample's database: PostgreSQL as `examples/orders/database.sql` creates it, and a Vault that gives each
//! tenant's callers their own user there.

use serde_json::json;

use crate::issuer::random_id;
use crate::postgres::DATABASE;
use crate::{Grant, OpenBao, Postgres, Scratch};

/// The tenants of the table.
pub const TENANTS: [&str; 2] = ["acme", "globex"];

/// The users that Vault has made and not dropped yet.
const USERS: &str = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%' ORDER BY 1";

/// The same, of those whose query waits.
const WAITING: &str =
    "SELECT usename FROM pg_stat_activity WHERE usename LIKE 'v-%' AND wait_event_type = 'Lock' ORDER BY 1";

/// The server with its table.
#[derive(Debug)]
pub struct OrdersDatabase {
    pub postgres: Postgres,
}

impl OrdersDatabase {
    pub async fn start(scratch: &Scratch) -> Self {
        Self { postgres: Postgres::start(scratch).await }
    }

    /// Makes the table, and what Vault needs to give its users: the database secrets engine, and for each tenant one of its roles
    /// and the policy to read its credentials.
    pub async fn set_up(&self, openbao: &OpenBao) {
        let password = random_id();
        self.postgres.script("examples/orders/database.sql", &[("vault_password", &password)]).await;
        openbao.write("sys/mounts/database", json!({"type": "database"})).await;
        let port = self.postgres.port();
        let connection = json!({
            "plugin_name": "postgresql-database-plugin",
            "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"),
            "allowed_roles": TENANTS.map(|tenant| format!("orders-{tenant}")),
            "username": "vault",
            "password": password,
        });
        openbao.write("database/config/orders", connection).await;
        openbao.write("database/rotate-root/orders", json!({})).await;
        for tenant in TENANTS {
            let creation = format!(
                r#"CREATE ROLE "{{{{name}}}}" WITH LOGIN PASSWORD '{{{{password}}}}' VALID UNTIL '{{{{expiration}}}}' IN ROLE {tenant};"#
            );
            let role = json!({
                "db_name": "orders",
                "creation_statements": [creation],
                "revocation_statements": [r#"DROP ROLE IF EXISTS "{{name}}";"#],
                "default_ttl": "60s",
                "max_ttl": "15m",
            });
            openbao.write(&format!("database/roles/orders-{tenant}"), role).await;
            let path = format!("database/creds/orders-{tenant}");
            openbao
                .policy(
                    &format!("orders-{tenant}"),
                    &format!("path \"{path}\" {{ capabilities = [\"read\"] }}"),
                )
                .await;
        }
    }

    /// One for each tenant, whose callers have the tenant's name in their JWT: a token that may read that tenant's credentials.
    pub fn grants() -> [Grant; 2] {
        TENANTS.map(|tenant| {
            let caller = json!({"issuer": "corp", "bound_claims": {"tenant": tenant}});
            let grant = Grant::new(&format!("orders-{tenant}"), "GET /orders").set("caller", caller);
            grant.set("token.policies", json!([format!("orders-{tenant}")]))
        })
    }

    /// What the sample has in `ORDERS_STAGES`, on stage `prod`.
    pub fn stages(&self) -> String {
        let port = self.postgres.port();
        let sources = TENANTS.map(|tenant| {
            let role = format!("orders-{tenant}");
            let database =
                json!({"mount": "database", "role": role, "host": "127.0.0.1", "port": port, "name": DATABASE});
            json!({"creation_path": format!("auth/token/create/{role}"), "database": database})
        });
        json!({"prod": sources}).to_string()
    }

    /// The users in `pg_roles` that Vault has made.
    pub async fn users(&self) -> Vec<String> {
        self.postgres.query(USERS).await
    }

    /// Waits until a query of so many of them waits for the table, which somebody holds. Answers the users.
    pub async fn waiting_users(&self, count: usize) -> Vec<String> {
        self.postgres.query_until(WAITING, |users| users.len() == count).await
    }

    /// Waits until none is left: Vault queues revocations, so its answer comes before the user is gone.
    pub async fn no_users_left(&self) {
        self.postgres.query_until(USERS, <[String]>::is_empty).await;
    }
}
