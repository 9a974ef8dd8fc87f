//! The Terraform modules: their form, their own tests, and what they say of a configuration. Their examples are
//! applied to an emulator, called, and destroyed.
//!
//! What the emulator cannot show is asserted on plans in `infra/terraform/tests`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use test_bed::configuration::with;
use test_bed::{AwsBed, Code, Emulator, Scratch, Terraform, TokenSpec, cloudformation, http, parts};
use vault_context::context;

const CONFIGURATION: &str = "terraform/modules/configuration";
const CONTAINER: &str = "terraform/modules/container";
const EXAMPLES: [&str; 4] = [
    "terraform/examples/rest-api",
    "terraform/examples/http-api",
    "terraform/examples/existing-api",
    "terraform/examples/mutual-tls", // applied in `mutual_tls`
];

// --- Their form, and their own tests ------------------------------------------------------------------------------------

#[tokio::test]
async fn every_root_is_formatted_and_valid() {
    let scratch = Scratch::new("terraform-valid");
    let terraform = Terraform::new(&scratch);
    terraform.succeeds("terraform", &["fmt", "-check", "-recursive", "-diff"]).await;
    let modules = ["terraform", CONFIGURATION, CONTAINER, "terraform/examples/orders"];
    for root in modules.into_iter().chain(EXAMPLES) {
        terraform.init(root, &[]).await;
        terraform.succeeds(root, &["validate"]).await;
    }
}

#[tokio::test]
async fn the_modules_own_tests_pass() {
    let scratch = Scratch::new("terraform-own-tests");
    let terraform = Terraform::new(&scratch);
    for module in ["terraform", CONFIGURATION, CONTAINER] {
        terraform.init(module, &[]).await;
        passed(&terraform.succeeds(module, &["test"]).await);
    }
}

#[tokio::test]
async fn the_provider_itself_takes_two_stages_of_one_api_and_containers() {
    let scratch = Scratch::new("terraform-apis");
    let emulator = Emulator::start(&scratch).await;
    let terraform = Terraform::on(&scratch, emulator.aws());
    let code = Code::of("orders", &parts::binary("release", "orders"), emulator.aws());
    let code = format!("-var=zip={}", code.file().display());
    terraform.init("terraform", &["-test-directory=tests/emulator"]).await;
    passed(&terraform.succeeds("terraform", &["test", "-test-directory=tests/emulator", &code]).await);
    assert!(emulator.aws().left().await.is_empty(), "{:?}", emulator.aws().left().await);
}

/// Terraform also ends well where it finds no test.
fn passed(printed: &str) {
    let result = printed.lines().rev().find(|line| line.starts_with("Success!")).unwrap_or_default();
    let count = result.split_whitespace().nth(1).and_then(|count| count.parse::<u32>().ok());
    assert!(count.is_some_and(|count| count > 0) && result.ends_with(" 0 failed."), "{printed}");
}

// --- A configuration ----------------------------------------------------------------------------------------------------

fn fixture(name: &str) -> Value {
    parts::json(&format!("infra/{CONFIGURATION}/tests/{name}"))
}

/// The parts of whole configurations: the one with every key, and it with what one document cannot have beside that.
fn configurations() -> Vec<Value> {
    let parts = fixture("every_key.json");
    let mut all = vec![parts.clone()];
    for variant in fixture("variants.json").as_array().unwrap() {
        all.push(with(&parts, variant.clone()));
    }
    all
}

/// Every mapping in a value, with its path as the messages write it.
fn mappings(value: &Value, path: &str) -> Vec<(String, Map<String, Value>)> {
    match value {
        Value::Object(map) => {
            let dot = if path.is_empty() { "" } else { "." };
            let below = map.iter().flat_map(|(key, value)| mappings(value, &format!("{path}{dot}{key}")));
            std::iter::once((path.to_owned(), map.clone())).chain(below).collect()
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, item)| mappings(item, &format!("{path}[{index}]"))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The keys of each table of the schema; `api_ids` is the module's to write.
fn tables(value: &Value) -> Vec<BTreeSet<String>> {
    let below = match value {
        Value::Object(map) => map.values().flat_map(tables).collect(),
        Value::Array(items) => items.iter().flat_map(tables).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let own = value
        .get("properties")
        .and_then(Value::as_object)
        .filter(|_| value.get("type") == Some(&json!("object")));
    let own = own.map(|keys| keys.keys().filter(|key| *key != "api_ids").cloned().collect());
    own.into_iter().chain(below).collect()
}

#[test]
fn the_fixtures_have_every_key_of_the_schema() {
    let mut written = BTreeSet::new();
    let configurations = configurations();
    let mappings: Vec<_> = configurations.iter().flat_map(|parts| mappings(parts, "")).collect();
    for table in tables(&parts::json("infra/authorizer.schema.json")) {
        let of_table = mappings
            .iter()
            .map(|(_, map)| map)
            .filter(|map| !map.is_empty() && map.keys().all(|key| table.contains(key)));
        let found: BTreeSet<String> = of_table.flat_map(|map| map.keys().cloned()).collect();
        let missing: Vec<_> = table.difference(&found).collect();
        assert!(missing.is_empty(), "no fixture has {missing:?} of {table:?}");
        written.extend(table);
    }
    assert!(written.len() > 40, "{written:?}");
}

/// Terraform itself would drop it, and a grant without its bound is open to everybody.
#[tokio::test]
async fn an_unknown_key_is_refused_wherever_it_stands() {
    let (mut cases, mut expected) = (Map::new(), BTreeMap::new());
    for (number, parts) in configurations().iter().enumerate() {
        let (mut strange, mut paths) = (parts.clone(), BTreeSet::new());
        for (path, _) in mappings(parts, "") {
            // Names of the user's own: of issuers, of stages, and of claims.
            if path == "issuers" || path == "stages" || path.ends_with(".bound_claims") {
                continue;
            }
            let pointer = format!("/{path}").replace(['.', '['], "/").replace(']', "");
            let table = strange.pointer_mut(pointer.trim_end_matches('/')).and_then(Value::as_object_mut);
            table.unwrap_or_else(|| panic!("{pointer}")).insert("no_such_key".to_owned(), json!("x"));
            let dot = if path.is_empty() { "" } else { "." };
            paths.insert(format!("{path}{dot}no_such_key"));
        }
        cases.insert(number.to_string(), strange);
        expected.insert(number.to_string(), paths);
    }
    assert!(expected.values().map(BTreeSet::len).sum::<usize>() > 100, "{expected:?}");
    let unknown = checked("terraform-unknown-keys", &cases).await;
    for (case, paths) in expected {
        let messages = unknown[&case]["unknown_keys"].as_array().unwrap();
        let told = |message: &Value| {
            let path = message.as_str()?.split_once(": unknown key; expected one of ")?.0;
            Some(path.to_owned())
        };
        let found: Option<BTreeSet<String>> = messages.iter().map(told).collect();
        assert_eq!(found, Some(paths), "{case}: {messages:?}");
    }
}

/// What the module `check` says of each of these.
async fn checked(name: &str, cases: &Map<String, Value>) -> Value {
    let scratch = Scratch::new(name);
    let terraform = Terraform::new(&scratch);
    let root = format!("{CONFIGURATION}/tests/strange");
    let folder = terraform.folder(&root);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("cases.json"), json!(cases).to_string()).unwrap();
    let module = r#"
        module "check" {
          source   = "../../check"
          for_each = jsondecode(file("cases.json"))
          parts    = each.value
        }
        output "checked" {
          value = module.check
        }
    "#;
    fs::write(folder.join("cases.tf"), module).unwrap();
    terraform.apply(&root, &json!({})).await["checked"].take()
}

#[tokio::test]
async fn a_misspelt_bound_stops_the_plan_of_a_whole_api() {
    let scratch = Scratch::new("terraform-misspelt");
    let emulator = Emulator::start(&scratch).await;
    let terraform = Terraform::on(&scratch, emulator.aws());
    let [example, ..] = EXAMPLES;
    let file = terraform.folder(example).join("main.tf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("bound_claims", "bound_claim")).unwrap();
    let code = Code::of("orders", &parts::binary("release", "orders"), emulator.aws());
    let code = code.file();
    let variables = variables(code, code, "https://vault.example.com", "https://login.example.com", None);
    fs::write(terraform.folder(example).join("test.auto.tfvars.json"), variables.to_string()).unwrap();
    terraform.init(example, &[]).await;
    let ran = terraform.run(example, &["plan", "-input=false"]).await;
    let told = "stages.prod.grants[0].caller.bound_claim: unknown key; expected one of any,";
    assert!(ran.code != 0 && ran.all().contains(told), "{}", ran.all());
}

// --- What other files say -----------------------------------------------------------------------------------------------

#[test]
fn containers_get_every_key_of_the_context() {
    let text = parts::text("infra/terraform/modules/container/main.tf");
    let mapped = text.lines().filter_map(|line| {
        let (header, key) = line.trim().strip_prefix("X-Vault-Context-")?.split_once('=')?;
        Some((format!("X-Vault-Context-{}", header.trim()), key.trim().trim_matches('"').to_owned()))
    });
    let fields = context::FIELDS.iter().map(|field| (field.header.to_owned(), field.key.to_owned()));
    assert_eq!(mapped.collect::<BTreeSet<_>>(), fields.collect());
}

/// The quickstart's access log was thought about variable by variable.
#[tokio::test]
async fn a_rest_api_logs_what_the_quickstart_logs() {
    let text = parts::text("infra/terraform/outputs.tf");
    let variables = |text: &str| -> BTreeSet<String> {
        let of = text.split("$context.").skip(1);
        of.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').next().unwrap().to_owned())
            .collect()
    };
    let locals = text.split_once("\nlocals {").unwrap().1;
    let rest = locals.split("http_access_log").next().unwrap();
    let template = cloudformation::template("quickstart.yaml");
    let format = &template["Resources"]["ProdStage"]["Properties"]["AccessLogSetting"]["Format"];
    assert_eq!(variables(rest), variables(format.as_str().unwrap()));
}

#[tokio::test]
async fn the_readmes_additions_are_short_and_valid() {
    let scratch = Scratch::new("terraform-readme");
    let terraform = Terraform::new(&scratch);
    let text = parts::text("infra/terraform/README.md");
    let blocks: Vec<&str> =
        text.split("```hcl\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [rest, http, renamed, container, moved] = blocks.as_slice() else { panic!("{}", blocks.len()) };
    for block in [rest, http] {
        assert!(block.lines().count() < 20, "{block}");
    }
    let api = r#"
        resource "aws_api_gateway_rest_api" "orders" { name = "orders" }
        resource "aws_api_gateway_method" "get_orders" {
          rest_api_id   = aws_api_gateway_rest_api.orders.id
          resource_id   = aws_api_gateway_rest_api.orders.root_resource_id
          http_method   = "GET"
          authorization = "CUSTOM"
          authorizer_id = module.authorizer.authorizer_id
        }
    "#;
    let of_http = [rest, "\n", &http.replacen("\"authorizer\"", "\"of_http\"", 1)].concat();
    let renamed = renamed.replace("module.new", "module.authorizer");
    let root = [api, &of_http, &renamed, container, moved].concat();
    let published = concat!("git::", env!("CARGO_PKG_REPOSITORY"), "//infra/terraform");
    let root = root.replace(published, "../..").replace(concat!("?ref=v", env!("CARGO_PKG_VERSION")), "");
    let folder = "terraform/examples/readme";
    fs::create_dir(terraform.folder(folder)).unwrap();
    fs::write(terraform.folder(folder).join("main.tf"), root).unwrap();
    fs::write(terraform.folder(folder).join("authorizer.zip"), "").unwrap();
    terraform.init(folder, &[]).await;
    terraform.succeeds(folder, &["validate"]).await;
}

// --- The examples -------------------------------------------------------------------------------------------------------

/// An example, applied, with all that it needs.
struct Applied {
    // Dropped in this order: clients before servers.
    terraform: Terraform,
    outputs: Value,
    bed: AwsBed,
}

fn variables(authorizer: &Path, orders: &Path, vault: &str, issuer: &str, sts: Option<&str>) -> Value {
    json!({
        "name": "shop",
        "authorizer_zip": authorizer,
        "orders_zip": orders,
        "vault_address": vault,
        "vault_server_id": "vault.example.com",
        "issuer": issuer,
        "sts_endpoint": sts,
    })
}

impl Applied {
    async fn new(example: &str, more: impl AsyncFnOnce(&Emulator) -> Value) -> Self {
        let bed = AwsBed::new(&example.replace('/', "-"), "shop-authorizer").await;
        let code = |name: &str| Code::of(name, &parts::binary("release", name), bed.emulator.aws());
        let (authorizer, orders) = (code("bootstrap"), code("orders"));
        let (vault, issuer, sts) = (bed.vault.address(), bed.issuer.url(), bed.emulator.sts_url());
        let variables = variables(authorizer.file(), orders.file(), &vault, &issuer, Some(&sts));
        let variables = with(&variables, more(&bed.emulator).await);
        let terraform = Terraform::on(&bed.scratch, bed.emulator.aws());
        let outputs = terraform.apply(example, &variables).await;
        assert_eq!(outputs["vault_principal"], bed.role);
        Self { terraform, outputs, bed }
    }

    fn api(&self) -> &str {
        self.outputs["api_id"].as_str().unwrap()
    }

    fn orders(&self, stage: &str) -> String {
        self.bed.orders(self.api(), stage)
    }

    /// The caller of the quickstart's `prod`, and those who are refused.
    async fn serves_and_refuses(&self, stage: &str, statuses: [u16; 2]) {
        self.bed.assert_served(&self.orders(stage), statuses).await;
        let expired = self.bed.issuer.token(&TokenSpec::reader().expires_in(-5));
        assert_eq!(self.bed.get(&self.orders(stage), Some(&expired)).await.0, statuses[0]);
        let orders = json!({"FunctionName": "shop-orders"});
        let allowed =
            self.bed.emulator.aws().request("lambda", "get_policy", &orders).await["Policy"].to_string();
        assert!(allowed.contains(&format!("{}/{stage}/GET/orders", self.api())), "{allowed}");
        assert!(!allowed.contains('*'), "another route may call the integration: {allowed}");
    }

    /// What the authorizer has decided, oldest first.
    async fn codes(&self) -> Vec<String> {
        self.bed.codes(self.outputs["authorizer"]["log_group"].as_str().unwrap()).await
    }
}

#[tokio::test]
async fn the_rest_api_is_made_serves_refuses_and_goes() {
    let [example, ..] = EXAMPLES;
    let applied = Applied::new(example, async |_| json!({"allow_origin": "https://shop.example.com"})).await;
    applied.serves_and_refuses("prod", [401, 401]).await;
    let preflight = http::call("OPTIONS", &applied.orders("prod"), &[]).await;
    assert_eq!(preflight.0, 204, "a preflight carries no credential");
    assert_eq!(applied.codes().await, [&AwsBed::DECISIONS[..], &["token_expired"]].concat());

    // The other stage, of the same function: its own grant, and its own secret.
    applied.bed.assert_served_on_staging(&applied.orders("staging")).await;

    let (api, aws) = (applied.api(), applied.bed.emulator.aws());
    let stage = async |name: &str| {
        aws.request("apigateway", "get_stage", &json!({"restApiId": api, "stageName": name})).await
    };
    for name in ["prod", "staging"] {
        let stage = stage(name).await;
        assert_eq!(stage["methodSettings"]["*/*"]["dataTraceEnabled"], false, "{name}");
        assert_eq!(stage["methodSettings"]["*/*"]["loggingLevel"], "OFF", "{name}");
        let format = stage["accessLogSettings"]["format"].as_str().unwrap();
        assert!(
            !format.contains("authorizer.vault") && format.contains("$context.authorizer.requestId"),
            "{format}"
        );
    }
    let authorizers = async || {
        aws.request("apigateway", "get_authorizers", &json!({"restApiId": api})).await["items"][0].take()
    };
    let authorizer = authorizers().await;
    assert_eq!(authorizer["authorizerResultTtlInSeconds"], 0);
    // A function of another name: the authorizer keeps its id, and a stage with the old snapshot would call what is gone.
    let file = applied.terraform.folder(example).join("main.tf");
    let text = fs::read_to_string(&file).unwrap();
    let renamed = text.replace("${var.name}-authorizer", "${var.name}-renamed");
    assert_ne!(renamed, text);
    fs::write(&file, renamed).unwrap();
    let before = stage("prod").await["deploymentId"].take();
    applied.terraform.succeeds(example, &["apply", "-input=false", "-auto-approve"]).await;
    assert_eq!(authorizers().await["id"], authorizer["id"]);
    assert!(authorizers().await["authorizerUri"].as_str().unwrap().contains(":function:shop-renamed/"));
    for name in ["prod", "staging"] {
        assert_ne!(stage(name).await["deploymentId"], before, "{name} has the snapshot of before");
    }

    applied.terraform.destroy(example).await;
    assert_eq!(aws.left().await, [].into());
}

#[tokio::test]
async fn the_http_api_is_made_serves_refuses_and_goes() {
    let [_, example, ..] = EXAMPLES;
    let applied = Applied::new(example, async |_| json!({})).await;
    applied.serves_and_refuses("$default", [403, 401]).await;
    // What has no credential did not reach the function.
    assert_eq!(applied.codes().await, [&AwsBed::HTTP_DECISIONS[..], &["token_expired"]].concat());

    applied.terraform.destroy(example).await;
    assert_eq!(applied.bed.emulator.aws().left().await, [].into());
}

#[tokio::test]
async fn an_api_that_is_there_gets_one_route_and_keeps_all_else() {
    let [_, _, example, _] = EXAMPLES;
    let applied = Applied::new(example, async |emulator| {
        let api = json!({"Name": "there-before", "ProtocolType": "HTTP"});
        let api = emulator.aws().request("apigatewayv2", "create_api", &api).await["ApiId"].take();
        let stage = json!({"ApiId": api, "StageName": "prod", "AutoDeploy": true});
        emulator.aws().request("apigatewayv2", "create_stage", &stage).await;
        json!({"api_id": api})
    });
    let applied = applied.await;
    applied.serves_and_refuses("prod", [403, 401]).await;

    applied.terraform.destroy(example).await;
    let aws = applied.bed.emulator.aws();
    assert_eq!(aws.left().await, [("get_apis", vec!["there-before".to_owned()])].into());
    let api = json!({"ApiId": applied.outputs["api_id"]});
    for operation in ["get_routes", "get_authorizers", "get_integrations"] {
        assert_eq!(aws.request("apigatewayv2", operation, &api).await["Items"], json!([]), "{operation}");
    }
}
