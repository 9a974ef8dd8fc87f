//! The second API: the sample in three languages behind one authorizer, with a grant for each tenant. `template.yaml`
//! deploys it.

use std::path::Path;

use serde_json::json;
use test_bed::{
    ACCOUNT, Aws, AwsAuthConfig, Code, Command, DeployedStack, Emulator, Issuer, OpenBao, OrdersDatabase,
    REGION, SERVER_ID, cloudformation, parts,
};

use crate::promise;

/// The stack's name, with which the names of its functions and its role begin.
const STACK: &str = "tenants";

/// The authorizer's role of Vault's AWS auth method, and its policy: the quickstart has its own.
const ROLE: &str = "orders-database";

/// Who may log in besides the quickstart's authorizer.
pub(crate) fn login(config: AwsAuthConfig) -> AwsAuthConfig {
    config.role(ROLE, &format!("arn:aws:iam::{ACCOUNT}:role/{STACK}-authorizer-{REGION}"), ROLE)
}

/// The deployed API.
pub(crate) struct Tenants {
    pub(crate) deployment: DeployedStack,
    /// The languages of the samples: each is the path of its route.
    pub(crate) languages: Vec<&'static str>,
    aws: Aws,
}

impl Tenants {
    pub(crate) async fn deploy(
        emulator: &Emulator,
        vault: &str,
        issuer: &Issuer,
        database: &OrdersDatabase,
    ) -> Self {
        let aws = emulator.aws();
        let mut languages = vec!["rust", "python"];
        let mut code = vec![
            Code::of("tenants-authorizer", &parts::binary("release", "bootstrap"), aws),
            Code::of("tenants-rust", &parts::binary("release", "orders"), aws),
            python(aws),
        ];
        if let Some(bundle) = parts::orders_typescript() {
            languages.push("typescript");
            let bundle = std::fs::read(bundle).expect("the sample in TypeScript can be read");
            code.push(Code::of_files("tenants-typescript", &[("orders.js".to_owned(), bundle)], aws));
        }
        let key = |place: usize| code.get(place).map_or("", Code::key);
        let parameters = json!({
            "CodeBucket": cloudformation::BUCKET,
            "AuthorizerCodeKey": key(0), "RustCodeKey": key(1), "PythonCodeKey": key(2), "TypescriptCodeKey": key(3),
            "VaultAddress": vault, "VaultServerId": SERVER_ID, "StsEndpoint": emulator.sts_url(),
            "Issuer": issuer.url(), "OrdersStages": database.stages(),
        });
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/demo/database/template.yaml");
        let deployment = DeployedStack::create(aws, STACK, &template, &parameters, &code).await;
        Self { deployment, languages, aws: aws.clone() }
    }

    /// Has `vault apply` make what the authorizer's configuration needs.
    pub(crate) async fn configure(&self, openbao: &OpenBao) {
        let apply = Command::new(&["vault", "apply", "--config", "-", "--policy", ROLE]);
        let apply = apply.stdin(&self.deployment.configuration().await).env("VAULT_ADDR", openbao.address());
        let applied = apply.env("VAULT_TOKEN", openbao.root_token()).run();
        promise::equal(&format!("vault apply\n{}", applied.all()), 0, applied.code);
    }

    /// What each function has printed, by its name.
    pub(crate) async fn logs(&self) -> Vec<(&'static str, String)> {
        let mut logs = Vec::new();
        for name in ["authorizer"].iter().chain(&self.languages) {
            logs.push((*name, self.aws.log_group(&format!("/aws/lambda/{STACK}-{name}")).await.join("\n")));
        }
        logs
    }
}

/// The sample in Python with the packages that it imports: all of them are Python alone. Some look for their own metadata.
fn python(aws: &Aws) -> Code {
    let mut files = parts::files(&parts::repository().join("examples/orders-python"));
    let context = parts::repository().join("integrations/python/src/vault_context");
    let packages = ["asn1crypto", "dateutil", "pg8000", "scramp", "urllib3"];
    let mut folders: Vec<_> = packages.map(|name| (name.to_owned(), parts::site_packages(name))).into();
    folders.extend(["pg8000", "scramp"].map(parts::metadata));
    folders.push(("vault_context".to_owned(), context));
    for (name, folder) in folders {
        let below = |(place, text)| (format!("{name}/{place}"), text);
        files.extend(parts::files(&folder).into_iter().map(below));
    }
    let six = std::fs::read(parts::site_packages("six.py")).expect("six can be read");
    files.push(("six.py".to_owned(), six));
    Code::of_files("tenants-python", &files, aws)
}
