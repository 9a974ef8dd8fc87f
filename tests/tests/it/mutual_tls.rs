//! The example of mutual TLS in each front: `examples/mutual-tls` of Terraform and CDK, and `mutual-tls.yaml`.
//!
//! The emulator serves the custom domain, but neither asks for a certificate nor disables an endpoint. So the tests
//! inspect what is requested of it, and the calls show what the authorizer answers when API Gateway has verified no
//! certificate.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use test_bed::cloudformation::BUCKET;
use test_bed::{
    Code, Emulator, Issuer, Package, SERVER_ID, Scratch, Terraform, TokenSpec, cdk, cloudformation, http,
    parts,
};

const DOMAIN: &str = "api.example.com";
const CERTIFICATE: &str =
    "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-0123456789ab";
const TRUSTSTORE: [&str; 2] = ["s3://trust/clients/ca.pem", "3"];
const BACKEND: &str = "https://orders.example.com/orders";
/// Nobody listens there: a denial needs no Vault.
const VAULT: &str = "http://127.0.0.1:9";

struct Bed {
    // Dropped in this order: clients before servers, the folder last.
    emulator: Emulator,
    issuer: Issuer,
    code: Code,
    scratch: Scratch,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let emulator = Emulator::start(&scratch).await;
        let code = Code::of("authorizer", &parts::binary("release", "bootstrap"), emulator.aws());
        Self { code, issuer: Issuer::start(), emulator, scratch }
    }

    async fn assert_takes_no_token_without_a_certificate(&self, api: &Value, log_group: &Value) {
        let aws = self.emulator.aws();
        let domain = aws.request("apigateway", "get_domain_name", &json!({"domainName": DOMAIN})).await;
        let truststore = &domain["mutualTlsAuthentication"];
        assert_eq!([&truststore["truststoreUri"], &truststore["truststoreVersion"]], TRUSTSTORE);
        assert_eq!(
            (&domain["securityPolicy"], &domain["regionalCertificateArn"]),
            (&json!("TLS_1_2"), &json!(CERTIFICATE))
        );
        assert_eq!(domain["endpointConfiguration"]["types"], json!(["REGIONAL"]));
        let mappings =
            aws.request("apigateway", "get_base_path_mappings", &json!({"domainName": DOMAIN})).await;
        assert_eq!(
            (&mappings["items"][0]["restApiId"], &mappings["items"][0]["stage"]),
            (api, &json!("prod"))
        );

        let plain = self.issuer.token(&TokenSpec::reader());
        let bound = TokenSpec::reader()
            .claim("cnf", json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}));
        let orders = format!("{}/orders", self.emulator.url());
        for token in [plain, self.issuer.token(&bound)] {
            let bearer = format!("Bearer {token}");
            // What a proxy of another kind would say of a certificate.
            let headers = [
                ("host", DOMAIN),
                ("authorization", &bearer),
                ("x-amzn-mtls-clientcert", "-----BEGIN CERTIFICATE-----"),
            ];
            assert_eq!(http::call("GET", &orders, &headers).await, (401, json!({"message": "Unauthorized"})));
        }
        let lines = aws.log_group(log_group.as_str().unwrap()).await;
        let refused = lines.iter().filter(|line| line.contains(r#""code":"binding_missing""#));
        assert_eq!(refused.count(), 2, "{lines:?}");
    }
}

#[tokio::test]
async fn terraforms_example_takes_no_token_without_a_certificate() {
    let bed = Bed::new("mutual-tls-terraform").await;
    let example = "terraform/examples/mutual-tls";
    let terraform = Terraform::on(&bed.scratch, bed.emulator.aws());
    let variables = json!({
        "authorizer_zip": bed.code.file(), "vault_address": VAULT, "vault_server_id": SERVER_ID, "issuer": bed.issuer.url(),
        "backend_url": BACKEND, "domain_name": DOMAIN, "certificate_arn": CERTIFICATE, "truststore_uri": TRUSTSTORE[0],
        "truststore_version": TRUSTSTORE[1],
    });
    let file = terraform.folder(example).join("main.tf");
    let text = fs::read_to_string(&file).unwrap();
    // The emulator does not find an empty path again.
    let mapping = "resource \"aws_api_gateway_base_path_mapping\" \"this\" {";
    fs::write(&file, text.replace(mapping, &format!("{mapping}\nbase_path = \"(none)\""))).unwrap();
    let outputs = terraform.apply(example, &variables).await;
    let about = json!({"restApiId": outputs["api_id"]});
    let api = bed.emulator.aws().request("apigateway", "get_rest_api", &about).await;
    assert_eq!(api["disableExecuteApiEndpoint"], json!(true));
    bed.assert_takes_no_token_without_a_certificate(&outputs["api_id"], &outputs["log_group_name"]).await;
    terraform.destroy(example).await;
    assert_eq!(bed.emulator.aws().left().await, [].into());
}

#[tokio::test]
async fn cdks_example_takes_no_token_without_a_certificate() {
    let bed = Bed::new("mutual-tls-cdk").await;
    let context = json!({
        "bucket": BUCKET, "authorizerKey": bed.code.key(), "vaultAddress": VAULT, "serverId": SERVER_ID,
        "issuer": bed.issuer.url(), "audience": "orders-api", "backendUrl": BACKEND, "domainName": DOMAIN,
        "certificateArn": CERTIFICATE, "truststoreUri": TRUSTSTORE[0], "truststoreVersion": TRUSTSTORE[1],
    });
    let template = Package::new(&bed.scratch).synthesise("mutual-tls", "mutual-tls-example", &context);
    assert_eq!(cdk::lint(&template, &["W3005"]), "");
    let made = serde_json::from_slice(&fs::read(&template).unwrap()).unwrap();
    assert_disables_the_default_endpoint(&made);
    bed.deployed("mutual-tls-example", &template, &json!({})).await;
}

#[tokio::test]
async fn cloudformations_example_takes_no_token_without_a_certificate() {
    let bed = Bed::new("mutual-tls-cloudformation").await;
    assert_disables_the_default_endpoint(&cloudformation::template("mutual-tls.yaml"));
    let aws = bed.emulator.aws();
    aws.request("s3", "create_bucket", &json!({"Bucket": BUCKET})).await;
    let packaged = bed.scratch.path().join("packaged.yaml");
    let mut package = Command::new(parts::venv().join("bin/aws"));
    package.args(["cloudformation", "package", "--s3-bucket", BUCKET, "--template-file"]);
    package.arg(cloudformation::file("mutual-tls.yaml")).arg("--output-template-file").arg(&packaged);
    let output = package.env_clear().envs(aws.client_env()).env("HOME", bed.scratch.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let parameters = json!({
        "CodeBucket": BUCKET, "CodeKey": bed.code.key(), "VaultAddress": VAULT, "VaultServerId": SERVER_ID,
        "Issuer": bed.issuer.url(), "BackendUri": BACKEND, "DomainName": DOMAIN, "CertificateArn": CERTIFICATE,
        "TruststoreUri": TRUSTSTORE[0], "TruststoreVersion": TRUSTSTORE[1],
    });
    bed.deployed("mutual-tls", &packaged, &parameters).await;
}

#[test]
fn the_templates_login_is_signed_for_the_sts_that_vault_asks_and_not_for_the_stacks_region() {
    let [quickstart, template] = ["quickstart.yaml", "mutual-tls.yaml"].map(cloudformation::template);
    assert_eq!(template["Parameters"]["StsRegion"], quickstart["Parameters"]["StsRegion"]);
    let configuration = &template["Resources"]["Authorizer"]["Properties"]["Parameters"]["Configuration"];
    assert!(configuration["Fn::Sub"].as_str().unwrap().contains(r#"sts_region: "${StsRegion}""#));
}

/// The emulator leaves it out where a template makes an API.
fn assert_disables_the_default_endpoint(template: &Value) {
    let mut apis = template["Resources"].as_object().unwrap().values();
    let api = apis.find(|one| one["Type"] == "AWS::ApiGateway::RestApi").unwrap();
    assert_eq!(api["Properties"]["DisableExecuteApiEndpoint"], json!(true));
}

impl Bed {
    /// Deploys a template, calls what it has made, and deletes it.
    async fn deployed(&self, stack: &str, template: &Path, parameters: &Value) {
        let (aws, code) = (self.emulator.aws(), std::slice::from_ref(&self.code));
        let outputs = cloudformation::deploy(aws, stack, template, parameters, code).await.unwrap();
        let [api, log_group] = ["ApiId", "AuthorizerLogGroup"].map(|output| json!(outputs[output]));
        self.assert_takes_no_token_without_a_certificate(&api, &log_group).await;
        cloudformation::delete(aws, stack).await;
        assert_eq!(aws.left().await, [].into());
    }
}
