//! `infra/cloudformation/quickstart.yaml`, deployed into the emulator as a user does: code in S3, then a stack.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::cloudformation::{self, BUCKET};
use crate::configuration::with;
use crate::{ACCOUNT, Aws, Code, Emulator, REGION, SERVER_ID, parts, request_event};

/// What the template is given.
#[derive(Debug, Clone)]
pub struct QuickstartParameters {
    /// The stack's name, and the beginning of its functions', its roles' and its log groups' names.
    pub stack: String,
    /// The authorizer's `bootstrap`.
    pub authorizer_binary: PathBuf,
    /// The sample integration's binary; it is called `bootstrap` in its zip file.
    pub orders_binary: PathBuf,
    /// The template's own parameters, but for those of the code and of this emulator.
    pub values: Value,
}

impl QuickstartParameters {
    /// For a Vault and an issuer, with the release binaries; everything else as the template's documentation has it.
    pub fn new(vault_address: &str, issuer: &str) -> Self {
        Self {
            stack: "quickstart".to_owned(),
            authorizer_binary: parts::binary("release", "bootstrap"),
            orders_binary: parts::binary("release", "orders"),
            values: json!({
                "VaultAddress": vault_address,
                "VaultServerId": SERVER_ID,
                "Issuer": issuer,
                "Audience": "orders-api",
                "ApiGatewayLogRole": "create",
            }),
        }
    }

    /// The role that the authorizer logs in to Vault with. Known before the stack exists: Vault's address is one of the
    /// stack's parameters, so Vault's side comes first.
    pub fn authorizer_role_arn(stack: &str) -> String {
        format!("arn:aws:iam::{ACCOUNT}:role/{stack}-authorizer-{REGION}")
    }
}

/// A deployed quickstart.
#[derive(Debug)]
pub struct DeployedStack {
    aws: Aws,
    stack: String,
    outputs: BTreeMap<String, String>,
}

impl DeployedStack {
    /// Uploads both functions and creates the stack, or updates the one of that name; about a second. A function whose
    /// code or configuration an update changes starts anew with its next call.
    pub async fn quickstart(emulator: &Emulator, parameters: &QuickstartParameters) -> Self {
        let aws = emulator.aws();
        let authorizer = Code::of("authorizer", &parameters.authorizer_binary, aws);
        let orders = Code::of("orders", &parameters.orders_binary, aws);
        let own = json!({
            "CodeBucket": BUCKET, "AuthorizerCodeKey": authorizer.key(), "OrdersCodeKey": orders.key(),
            "StsRegion": REGION, "StsEndpoint": emulator.sts_url(),
        });
        let values = with(&parameters.values, own);
        let template = cloudformation::file("quickstart.yaml");
        let code = [authorizer, orders];
        Self::create(aws, &parameters.stack, &template, &values, &code).await
    }

    /// Creates the stack of any template, or updates it.
    pub async fn create(aws: &Aws, stack: &str, template: &Path, parameters: &Value, code: &[Code]) -> Self {
        let outputs = cloudformation::deploy(aws, stack, template, parameters, code).await;
        let outputs = outputs.unwrap_or_else(|reason| panic!("{stack}: {reason}"));
        Self { aws: aws.clone(), stack: stack.to_owned(), outputs }
    }

    /// Deletes the stack, and waits until it is gone.
    pub async fn delete(&self) {
        cloudformation::delete(&self.aws, &self.stack).await;
    }

    /// An output of the stack: `ApiId`, `AuthorizerRoleArn`, `AuthorizerFunctionName`, …
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("no output {name} in {:?}", self.outputs))
    }

    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// Where the emulator serves a stage, without a slash at the end: `url("prod") + "/orders"`.
    pub fn url(&self, stage: &str) -> String {
        format!("{}/_aws/execute-api/{}/{stage}", self.aws.url(), self.output("ApiId"))
    }

    /// All that the authorizer has printed, with Lambda's own START, END and REPORT lines.
    pub async fn authorizer_log(&self) -> String {
        self.aws.log_group(self.output("AuthorizerLogGroup")).await.join("\n")
    }

    pub async fn authorizer_lines(&self) -> Vec<Value> {
        json_objects(&self.aws.log_group(self.output("AuthorizerLogGroup")).await)
    }

    /// The authorizer's decisions, oldest first.
    pub async fn decisions(&self) -> Vec<Value> {
        let lines = self.authorizer_lines().await;
        lines.into_iter().filter(|line| line["outcome"].is_string()).collect()
    }

    /// What the authorizer has in `AUTHORIZER_CONFIG`.
    pub async fn configuration(&self) -> String {
        let variables = self.aws.variables(self.output("AuthorizerFunctionName")).await;
        variables["AUTHORIZER_CONFIG"].as_str().expect("a configuration").to_owned()
    }

    /// What API Gateway gives the authorizer for `GET /orders` on prod by the bearer of this JWT.
    pub fn event(&self, jwt: &str) -> Value {
        let api = self.output("ApiId");
        let mut event = request_event("/orders", &format!("Bearer {jwt}"));
        event["methodArn"] = json!(format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/prod/GET/orders"));
        event["requestContext"]["apiId"] = json!(api);
        event
    }

    /// What it answers to that. No integration has seen the context.
    pub async fn authorize(&self, jwt: &str) -> Value {
        self.aws.invoke(self.output("AuthorizerFunctionName"), &self.event(jwt)).await
    }

    /// All that the sample integration has printed, with Lambda's own lines.
    pub async fn orders_log(&self) -> String {
        self.aws.log_group(self.output("OrdersLogGroup")).await.join("\n")
    }

    /// What the stack of a REST API has made, as the services describe it; the keys are in `tests/clients/describe.py`. In each,
    /// API Gateway keeps no answer of the authorizer's, and logs no call with its data.
    pub async fn describe(&self) -> Value {
        let outputs = serde_json::to_string(&self.outputs).expect("outputs are JSON");
        let description = self.aws.client_script("describe.py", &[&outputs]).await;
        let made: Value = serde_json::from_str(&description).expect("the script prints JSON");
        assert_eq!(made["authorizers"][0]["authorizerResultTtlInSeconds"], 0);
        for stage in ["prod", "staging"] {
            let settings = &made["stages"][stage]["methodSettings"]["*/*"];
            assert_eq!(settings["dataTraceEnabled"], false, "{stage}");
            assert_eq!(settings["loggingLevel"], "OFF", "{stage}");
        }
        made
    }
}

/// The same bytes for the same code: no clock, no compression (which takes seconds for a debug binary).
pub(crate) fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name.as_str(), options).expect("a new file");
        zip.write_all(content).expect("memory takes all");
    }
    zip.finish().expect("a complete zip file").into_inner()
}

pub(crate) fn json_objects(messages: &[String]) -> Vec<Value> {
    let values = messages.iter().filter_map(|message| serde_json::from_str::<Value>(message).ok());
    values.filter(Value::is_object).collect()
}
