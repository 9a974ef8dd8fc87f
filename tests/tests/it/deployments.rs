//! One configuration, three ways to deploy: each of them gives the function the same document.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use test_bed::cloudformation::{self, BUCKET};
use test_bed::configuration::at;
use test_bed::process::with_input;
use test_bed::{Code, Emulator, Package, REGION, Scratch, Terraform, parts};

use crate::dashboard;

/// Of the emulator's API, which must exist; an id of AWS's own form, so that sizes are what they are there.
const ROOT: &str = "deployments";
/// What Lambda takes in its variables, less their names.
const LIMIT_BYTES: usize = 4000;

struct Bed {
    // Dropped in this order: clients before servers, the folder last.
    emulator: Emulator,
    terraform: Terraform,
    cdk: Package,
    code: Code,
    api: String,
    scratch: Scratch,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let emulator = Emulator::start(&scratch).await;
        let aws = emulator.aws();
        let api = json!({"Name": "orders", "ProtocolType": "HTTP"});
        let api = aws.request("apigatewayv2", "create_api", &api).await["ApiId"].as_str().unwrap().to_owned();
        let golden = parts::repository().join("tests/golden").join(ROOT);
        let terraform = Terraform::on(&scratch, aws);
        fs::create_dir(terraform.folder(ROOT)).unwrap();
        fs::copy(golden.join("main.tf"), terraform.folder(ROOT).join("main.tf")).unwrap();
        let cdk = Package::new(&scratch);
        cdk.add_example(ROOT, &golden.join("app.ts"));
        // None of these functions is called.
        let code = Code::of("authorizer", &parts::binary("release", "orders"), aws);
        Self { terraform, cdk, code, api, emulator, scratch }
    }

    fn write(&self, fixture: &Value) -> PathBuf {
        let file = self.scratch.path().join("fixture.json");
        fs::write(&file, fixture.to_string()).unwrap();
        file
    }

    /// The whole document that the parts of a fixture are of.
    fn document(&self, fixture: &Value) -> Value {
        let mut document = fixture.clone();
        for stage in document["stages"].as_object_mut().unwrap().values_mut() {
            stage["api_ids"] = json!([self.api]);
        }
        document
    }

    async fn by_cloudformation(&self, fixture: &Value) -> Result<(), String> {
        let text = self.document(fixture).to_string();
        // What the README has its readers do.
        let text = if text.len() > LIMIT_BYTES {
            format!("base64gzip:{}", STANDARD.encode(gzip("-cn9", text.as_bytes())))
        } else {
            text
        };
        let parameters = json!({
            "CodeBucket": BUCKET, "CodeKey": self.code.key(), "ApiType": "HTTP", "ApiId": self.api,
            "Stage": "$default", "Configuration": text, "Dashboard": "yes",
        });
        let template = cloudformation::file("authorizer.yaml");
        let code = std::slice::from_ref(&self.code);
        cloudformation::deploy(self.emulator.aws(), "by-cloudformation", &template, &parameters, code)
            .await
            .map(|_| ())
    }

    async fn by_terraform(&self, fixture: &Value) -> Result<(), String> {
        let variables = json!({"fixture": self.write(fixture), "api": self.api, "zip": self.code.file()});
        let file = self.terraform.folder(ROOT).join("test.auto.tfvars.json");
        fs::write(file, variables.to_string()).unwrap();
        self.terraform.init(ROOT, &[]).await;
        let planned = self.terraform.run(ROOT, &["plan", "-input=false", "-out=plan"]).await;
        if planned.code != 0 {
            return Err(planned.all());
        }
        self.terraform.succeeds(ROOT, &["apply", "plan"]).await;
        Ok(())
    }

    async fn by_cdk(&self, fixture: &Value) -> Result<(), String> {
        let context = json!({"fixture": self.write(fixture), "api": self.api, "bucket": BUCKET, "key": self.code.key()});
        let template = self.cdk.try_synthesise(ROOT, "by-cdk", &context)?;
        let code = std::slice::from_ref(&self.code);
        let made = cloudformation::deploy(self.emulator.aws(), "by-cdk", &template, &json!({}), code).await;
        made.map(|_| ())
    }

    /// A function's variable as it is, and the document in it.
    async fn given(&self, function: &str) -> (String, Value) {
        let variables = self.emulator.aws().variables(function).await;
        let variables = variables.as_object().unwrap();
        assert_eq!(variables.keys().collect::<Vec<_>>(), ["AUTHORIZER_CONFIG"], "{function}");
        let value = variables["AUTHORIZER_CONFIG"].as_str().unwrap().to_owned();
        assert!(value.len() <= LIMIT_BYTES, "{function}: {}", value.len());
        let text = match value.strip_prefix("base64gzip:") {
            Some(compressed) => {
                String::from_utf8(gzip("-cd", &STANDARD.decode(compressed).unwrap())).unwrap()
            }
            None => value.clone(),
        };
        (value, serde_json::from_str(&text).unwrap())
    }

    async fn dashboard(&self, function: &str) -> Value {
        let name = json!({"DashboardName": format!("{function}-{REGION}")});
        let dashboard = self.emulator.aws().request("cloudwatch", "get_dashboard", &name).await;
        serde_json::from_str(dashboard["DashboardBody"].as_str().unwrap()).unwrap()
    }
}

fn fixture() -> Value {
    parts::json("infra/terraform/modules/configuration/tests/every_key.json")
}

/// The fixture with so many grants more, each with a text of its own in it.
fn with_grants(count: usize, text: impl Fn(usize) -> String) -> Value {
    let mut fixture = fixture();
    let grants = fixture["stages"]["$default"]["grants"].as_array_mut().unwrap();
    for number in 0..count {
        let mut grant = grants[0].clone();
        grant["name"] = json!(format!("more-{number}"));
        grant["token"]["role"] = grant["name"].clone();
        grant["caller"]["bound_subject"] = json!(text(number));
        grants.push(grant);
    }
    fixture
}

fn gzip(options: &str, input: &[u8]) -> Vec<u8> {
    let output = with_input(Command::new("gzip").arg(options), input);
    assert!(output.status.success());
    output.stdout
}

#[tokio::test]
async fn a_document_is_the_same_by_all_three_and_compressed_above_4_kb_and_so_is_a_dashboard() {
    let bed = Bed::new("deployments-same").await;
    // The one with every key, and one that is too long as it is.
    for (fixture, begins) in
        [(fixture(), "{"), (with_grants(60, |number| format!("subject-{number}")), "base64gzip:")]
    {
        let document = bed.document(&fixture);
        assert_eq!(document.to_string().len() > 4096, begins != "{");
        bed.by_cloudformation(&fixture).await.unwrap();
        bed.by_terraform(&fixture).await.unwrap();
        bed.by_cdk(&fixture).await.unwrap();
        for function in ["by-cloudformation", "by-terraform", "by-cdk"] {
            let (value, given) = bed.given(function).await;
            assert!(value.starts_with(begins), "{function}: {value:.20}");
            assert_eq!(given, document, "{function}");
            assert_eq!(bed.dashboard(function).await, dashboard::body(function));
        }
    }
}

/// No function is made of it: plan, synthesis and change set each fail before anything is.
#[tokio::test]
async fn a_document_that_is_too_long_even_compressed_is_refused_by_all_three_before_anything_is_made() {
    let bed = Bed::new("deployments-too-long").await;
    // What does not compress: digits of a product that never repeats.
    let noise = |number: usize| {
        let digits =
            |seed: u64| format!("{:016x}", (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23));
        (0..4).map(|part| digits((number * 4 + part) as u64 * 7919)).collect::<String>()
    };
    let fixture = with_grants(110, noise);
    let text = bed.document(&fixture).to_string();
    assert!(
        STANDARD.encode(gzip("-cn9", text.as_bytes())).len() > 4096,
        "it compresses too well for this test"
    );
    let refused = bed.by_cloudformation(&fixture).await.unwrap_err();
    assert!(refused.contains("4096") || refused.contains("4000"), "{refused}");
    for refused in [bed.by_terraform(&fixture).await.unwrap_err(), bed.by_cdk(&fixture).await.unwrap_err()] {
        assert!(
            refused.contains("4000") && refused.contains("authorizer.yaml"),
            "says what to do: {refused}"
        );
    }
    let made = bed.emulator.aws().request("lambda", "list_functions", &json!({})).await;
    assert_eq!(made["Functions"], json!([]));
}

/// Each would open a grant, send secrets in clear, or stop the function at its start: a change, the place that is named, and
/// that place's name in the document.
#[tokio::test]
async fn what_the_function_refuses_is_refused_at_plan_and_at_synthesis_with_its_place() {
    // The place, and the value that is wrong there.
    let cases = [
        ("stages.$default.grants[0].caller.bound_subjct", json!("alice")),
        ("stages.$default.grants[1].caller", json!({"aws_identity": true})),
        ("stages.$default.grants[0].token.wrap_ttl", json!("3m")),
        ("stages.$default.grants[1].token.role", json!("orders-reader")),
        ("stages.$default.grants[1].name", json!("orders-reader")),
        ("stages.$default.grants[0].routes[0]", json!("ANY orders")),
        ("vault.address", json!("http://vault.example.com:8200")),
        ("issuers.corp.algorithms", json!(["none"])),
    ];
    let bed = Bed::new("deployments-refused").await;
    let root = "deployments-configuration";
    fs::create_dir(bed.terraform.folder(root)).unwrap();
    let main = parts::repository().join("tests/golden/deployments/configuration/main.tf");
    fs::copy(main, bed.terraform.folder(root).join("main.tf")).unwrap();
    bed.terraform.init(root, &[]).await;
    let good = fixture();
    for (place, value) in [("", Value::Null)].into_iter().chain(cases) {
        let mut fixture = good.clone();
        if !place.is_empty() {
            *at(&mut fixture, &place.replace('[', ".").replace(']', "")) = value;
        }
        let file = bed.write(&fixture);
        let variable = format!("-var=fixture={}", file.display());
        let planned = bed.terraform.run(root, &["plan", "-input=false", &variable]).await;
        let synthesised = bed.by_cdk(&fixture).await;
        let mut document = bed.document(&fixture);
        // Of the files that the fixture names, none is there.
        for key in ["ca_file", "client_cert_file", "client_key_file"] {
            document["vault"].as_object_mut().unwrap().remove(key);
        }
        document["issuers"]["corp"].as_object_mut().unwrap().remove("ca_file");
        document["issuers"]["partner"]["jwks"] = json!("discovery");
        let document = document.to_string();
        let read = test_bed::command::Command::new(&["check", "--config", "-"]).stdin(&document).run();
        if place.is_empty() {
            assert_eq!(planned.code, 0, "{}", planned.all());
            synthesised.unwrap();
            read.printed(0);
            continue;
        }
        assert_eq!(read.code, 1, "{place}: {}", read.stdout);
        let told = read.stdout + &read.stderr;
        assert!(told.contains(place), "{place}: {told}");
        let of_cdk = synthesised.expect_err(place);
        assert!(of_cdk.contains(place), "{place}: {of_cdk}");
        assert!(planned.code != 0 && planned.all().contains(place), "{place}: {}", planned.all());
    }
}
