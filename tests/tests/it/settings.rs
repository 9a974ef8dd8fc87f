//! `infra/README.md`: every setting of its table does the same in CloudFormation, Terraform and CDK.
//!
//! The table is read from the page. A row without a case in `tests/golden/deployments/settings.json` fails, and so
//! does a name that a deployment does not have.

mod numbers;
mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};
use test_bed::alarms::alarms;
use test_bed::configuration::with;
use test_bed::synthesis::refused_by_rules;
use test_bed::{Configuration, Emulator, Grant, Made, Package, Scratch, Terraform, cloudformation, parts};

use crate::dashboard::dashboards;

/// A row of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    setting: String,
    /// The parameters of CloudFormation, and what else they need. `document` is that of [`configuration`], with its CA bundles.
    template: Value,
    #[serde(default)]
    template_needs: Value,
    /// The variables of Terraform.
    #[serde(default)]
    terraform: Value,
    #[serde(default)]
    terraform_needs: Value,
    /// CDK's props, whose values are in `tests/golden/deployments/every-setting.ts`.
    cdk: Vec<String>,
    #[serde(default)]
    in_template: Found,
    #[serde(default)]
    in_plan: Found,
}

/// Where values are found: a resource's type, a place in its properties, and the value there.
type Found = BTreeMap<String, BTreeMap<String, Value>>;

const FUNCTION: (&str, &str) = ("AWS::Lambda::Function", "aws_lambda_function");
const LOG: (&str, &str) = ("AWS::Logs::LogGroup", "aws_cloudwatch_log_group");

fn cases() -> Vec<Case> {
    let document = configuration();
    let mut cases: Vec<Case> =
        serde_json::from_value(parts::json("tests/golden/deployments/settings.json")).unwrap();
    for case in &mut cases {
        for (_, value) in
            case.template.as_object_mut().unwrap().iter_mut().filter(|(_, value)| *value == "document")
        {
            *value = json!(document.to_string());
        }
        for (name, value) in
            case.terraform.as_object_mut().unwrap().iter_mut().filter(|(_, value)| *value == "document")
        {
            *value = document[name].clone();
        }
    }
    cases
}

/// The document of the API that all three deployments are given.
pub(crate) fn configuration() -> Value {
    let login = json!({"method": "aws", "role": "api-authorizer", "server_id": "vault.example.com"});
    let configuration = Configuration::new("https://vault.example.com:8200").login(login);
    let configuration = configuration
        .issuer("corp", "https://login.example.com/")
        .grant(Grant::new("orders-reader", "GET /orders"));
    configuration
        .set("vault.ca_file", "/opt/vault-ca.pem")
        .set("issuers.corp.ca_file", "/opt/corp-ca.pem")
        .value()
        .clone()
}

/// `authorizer.yaml`, and what it requires with more parameters.
pub(crate) fn by_template(more: Value) -> (Value, Value) {
    let required = json!({
        "CodeBucket": "code", "CodeKey": "authorizer-1.zip", "ApiType": "REST", "ApiId": "a1b2c3d4e5",
        "ApiName": "orders", "Stage": "prod", "Configuration": "{}",
    });
    (cloudformation::template("authorizer.yaml"), with(&required, more))
}

/// A template has texts for flags.
fn given(parameters: &Value) -> Value {
    let text = |value: &Value| match value.as_bool() {
        Some(flag) => json!(if flag { "yes" } else { "no" }),
        None => value.clone(),
    };
    let all = parameters.as_object().unwrap().iter();
    all.map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The rows of the page's table of that heading: each cell's text.
pub(crate) fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = parts::text("infra/README.md");
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading");
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.map(cells).collect()
}

/// What stands in backticks.
pub(crate) fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What the module requires, with more variables.
pub(crate) fn module(more: Value) -> Value {
    let document = configuration();
    let mut stages = document["stages"].clone();
    stages["prod"].as_object_mut().unwrap().remove("api_ids");
    let required = json!({
        "source": "../terraform", "name": "orders-authorizer", "package": {"file": "authorizer.zip"},
        "api": {"type": "REST", "id": "a1b2c3d4e5", "name": "orders"},
        "vault": document["vault"], "issuers": document["issuers"], "stages": stages,
    });
    with(&required, more)
}

/// What Terraform plans for a root of these modules.
pub(crate) async fn planned(scratch: &Scratch, modules: &Value) -> Value {
    // The provider asks who it is. Nothing is made.
    let emulator = Emulator::start(scratch).await;
    let terraform = root(scratch, &emulator, modules).await;
    terraform.succeeds(ROOT, &["plan", "-input=false", "-out=plan"]).await;
    let plan = terraform.succeeds(ROOT, &["show", "-json", "plan"]).await;
    emulator.stop().await;
    serde_json::from_str(&plan).unwrap()
}

const ROOT: &str = "settings";

/// A root of these modules, initialised.
async fn root(scratch: &Scratch, emulator: &Emulator, modules: &Value) -> Terraform {
    let terraform = Terraform::on(scratch, emulator.aws());
    let folder = terraform.folder(ROOT);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("authorizer.zip"), "").unwrap();
    let main = json!({"provider": {"aws": {}}, "module": modules});
    fs::write(folder.join("main.tf.json"), main.to_string()).unwrap();
    terraform.init(ROOT, &[]).await;
    terraform
}

/// What CDK makes of `tests/golden/deployments/every-setting.ts`: a stack for each of these, with the props that it names.
pub(crate) fn synthesised(scratch: &Scratch, cases: &Value) -> BTreeMap<String, Made> {
    let package = Package::new(scratch);
    package
        .add_example("every-setting", &parts::repository().join("tests/golden/deployments/every-setting.ts"));
    let mut document = configuration();
    document["stages"]["prod"].as_object_mut().unwrap().remove("api_ids");
    let fixture = scratch.path().join("cases.json");
    fs::write(&fixture, json!({"cases": cases, "document": document}).to_string()).unwrap();
    let first = package.synthesise("every-setting", "settings", &json!({"fixture": fixture}));
    let made = cases.as_object().unwrap().keys().map(|name| {
        let template = fs::read(first.with_file_name(format!("{name}.template.json"))).unwrap();
        let template: Value = serde_json::from_slice(&template).unwrap();
        (name.clone(), Made::of_template(&template, name, &json!({})))
    });
    made.collect()
}

#[tokio::test]
async fn every_setting_is_found_in_what_terraform_plans() {
    let scratch = Scratch::new("settings-terraform");
    // Those that change nothing but the place where they are found share one instance: a plan of thirty takes minutes.
    let alone = [
        "environment variables",
        "tracing",
        "an existing role",
        "VPC",
        "IPv6 in the VPC",
        "alarms",
        "dashboard",
    ];
    let cases = cases();
    let mut modules = json!({
        "minus_one": module(json!({"reserved_concurrent_executions": -1})),
        "pass_through": module(json!({"tracing_mode": "PassThrough"})),
    });
    let name = |number: usize, case: &Case| {
        if alone.contains(&case.setting.as_str()) { format!("case_{number}") } else { "together".to_owned() }
    };
    let mut variables: BTreeMap<String, Value> = BTreeMap::new();
    for (number, case) in cases.iter().enumerate() {
        let own = variables.entry(name(number, case)).or_insert(json!({}));
        *own = with(&with(own, case.terraform.clone()), case.terraform_needs.clone());
    }
    for (name, variables) in variables {
        modules[name] = module(variables);
    }
    let plan = planned(&scratch, &modules).await;
    for (number, case) in cases.iter().enumerate() {
        let made = Made::of_plan(&plan, &name(number, case));
        assert_made(case, &made, &case.in_plan, &made.only(FUNCTION.1)["environment"][0]["variables"]);
    }
    let made = Made::of_plan(&plan, "minus_one");
    assert_eq!(made.only(FUNCTION.1)["reserved_concurrent_executions"], json!(-1));
    assert_eq!(tracing_of(&made), TRACING[0]);
    assert_eq!(tracing_of(&Made::of_plan(&plan, "pass_through")), TRACING[1]);
}

#[test]
fn every_setting_is_found_in_what_cdk_synthesises() {
    let scratch = Scratch::new("settings-cdk");
    let cases = cases();
    let name = |number: usize| format!("case-{number}");
    let mut named = json!({"minus-one": ["minusOne"], "pass-through": ["passThrough"]});
    for (number, case) in cases.iter().enumerate() {
        named[name(number)] = json!(case.cdk);
    }
    let all = synthesised(&scratch, &named);
    for (number, case) in cases.iter().enumerate() {
        let made = &all[&name(number)];
        assert_made(case, made, &case.in_template, &made.only(FUNCTION.0)["Environment"]["Variables"]);
        let kept = case.setting == "a log that outlives the stack";
        assert_eq!(made.only(LOG.0)["DeletionPolicy"], if kept { "Retain" } else { "Delete" });
        if case.setting == "tags" {
            let team = json!([{"Key": "team", "Value": "platform"}]);
            assert_eq!([&made.only(FUNCTION.0)["Tags"], &made.only(LOG.0)["Tags"]], [&team, &team]);
        }
    }
    assert_eq!(all["minus-one"].only(FUNCTION.0).get("ReservedConcurrentExecutions"), None);
    assert_eq!(tracing_of(&all["minus-one"]), TRACING[0]);
    assert_eq!(tracing_of(&all["pass-through"]), TRACING[1]);
}

#[test]
fn every_setting_is_found_in_what_the_template_makes() {
    for case in cases().into_iter().filter(|case| case.setting != "provisioned concurrency") {
        let (template, parameters) = by_template(with(&given(&case.template), case.template_needs.clone()));
        let refused = refused_by_rules(&template, &parameters);
        assert!(refused.is_empty(), "{}: {refused:?}", case.setting);
        let made = Made::of_template(&template, "orders-authorizer", &parameters);
        assert_settings(&case, &made, &case.in_template);
        let kept = case.setting == "a log that outlives the stack";
        assert_eq!(made.only(LOG.0)["DeletionPolicy"], if kept { "RetainExceptOnCreate" } else { "Delete" });
        let given = &made.only(FUNCTION.0)["Environment"]["Variables"]["AUTHORIZER_CONFIG"];
        if case.setting.starts_with("CA bundle") {
            assert!(given.as_str().unwrap().contains("/opt/corp-ca.pem"), "{given}");
        }
    }
}

/// RFC 9449, section 7.1. A template cannot read its document, and takes the text.
#[tokio::test]
async fn a_401_asks_for_what_the_issuers_demand_in_the_same_words_by_all_three() {
    #[derive(Deserialize)]
    struct Challenge {
        bindings: BTreeMap<String, Value>,
        challenge: String,
    }
    let scratch = Scratch::new("settings-challenge");
    let challenges = parts::json("tests/golden/deployments/challenges.json");
    let challenges: Vec<Challenge> = serde_json::from_value(challenges).unwrap();
    let (mut modules, mut stacks) = (json!({}), json!({}));
    for (number, Challenge { bindings, .. }) in challenges.iter().enumerate() {
        let mut issuers = json!({});
        for (name, binding) in bindings {
            issuers[name] = configuration()["issuers"]["corp"].clone();
            issuers[name]["audiences"] = json!([name]);
            if !binding.is_null() {
                issuers[name]["binding"] = binding.clone();
            }
        }
        modules[format!("case_{number}")] = module(json!({"issuers": issuers}));
        stacks[format!("case-{number}")] = json!({"issuers": issuers});
    }
    let synthesised = synthesised(&scratch, &stacks);
    let plan = planned(&scratch, &modules).await;
    let default = parts::json("infra/authorizer.schema.json");
    let default = texts(&default["$defs"]["Binding"]["properties"]["dpop_algorithms"]["default"]).join(" ");
    assert!(challenges.iter().any(|one| one.challenge == format!("DPoP algs=\"{default}\"")), "{default}");
    for (number, Challenge { challenge, .. }) in challenges.iter().enumerate() {
        let (template, parameters) = by_template(json!({"WwwAuthenticate": challenge}));
        let header = "gatewayresponse.header.WWW-Authenticate";
        let told: Vec<Vec<Value>> = [
            (
                Made::of_template(&template, "orders-authorizer", &parameters),
                "AWS::ApiGateway::GatewayResponse",
            ),
            (synthesised[&format!("case-{number}")].clone(), "AWS::ApiGateway::GatewayResponse"),
            (Made::of_plan(&plan, &format!("case_{number}")), "aws_api_gateway_gateway_response"),
        ]
        .iter()
        .map(|(made, kind)| {
            let parameters =
                made.all(kind).flat_map(|one| [&one["ResponseParameters"], &one["response_parameters"]]);
            parameters.filter_map(|all| all.get(header)).cloned().collect()
        })
        .collect();
        assert_eq!(told, vec![vec![json!(format!("'{challenge}'"))]; 3]);
    }
    assert_eq!(by_template(json!({})).0["Parameters"]["WwwAuthenticate"]["Default"], "Bearer");
}

#[test]
fn every_row_of_the_table_has_a_case_with_its_names() {
    let rows = rows("Settings");
    let settings: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let cases = cases();
    assert_eq!(settings, cases.iter().map(|case| case.setting.as_str()).collect::<Vec<_>>());
    for (row, case) in rows.iter().zip(&cases) {
        let keys = |value: &Value| {
            value.as_object().into_iter().flat_map(|map| map.keys().cloned()).collect::<BTreeSet<_>>()
        };
        let gap = case.setting == "provisioned concurrency";
        assert_eq!(row[1] == "-", gap, "{}: `-` where the template has no such setting", case.setting);
        assert_eq!(names(&row[1]), keys(&case.template), "{}", case.setting);
        assert_eq!(names(&row[2]), keys(&case.terraform), "{}", case.setting);
        assert_eq!(names(&row[3]), case.cdk.iter().cloned().collect(), "{}", case.setting);
    }
}

/// Without tracing, with `PassThrough` and with `Active`: what Lambda does, and whether the role may send traces.
const TRACING: [(&str, bool); 3] = [("PassThrough", false), ("PassThrough", true), ("Active", true)];

/// What a deployment makes of it. Lambda passes through where it says nothing.
fn tracing_of(made: &Made) -> (&str, bool) {
    let in_template = made.all(FUNCTION.0).map(|function| function.pointer("/TracingConfig/Mode"));
    let in_plan = made.all(FUNCTION.1).map(|function| function.pointer("/tracing_config/0/mode"));
    let mode =
        in_template.chain(in_plan).flatten().next().map_or("PassThrough", |mode| mode.as_str().unwrap());
    let sends = statements(made)
        .iter()
        .any(|one| texts(&one["Action"]).contains(&"xray:PutTraceSegments".to_owned()));
    (mode, sends)
}

/// The statements of the policies of the role that a deployment makes.
fn statements(made: &Made) -> Vec<Value> {
    let inline =
        made.all("AWS::IAM::Role").flat_map(|role| role["Policies"].as_array().into_iter().flatten());
    let documents = inline.chain(made.all("AWS::IAM::Policy")).map(|policy| policy["PolicyDocument"].clone());
    let planned = made.all("aws_iam_role_policy").filter_map(|policy| match policy["policy"].as_str() {
        Some(document) => Some(serde_json::from_str(document).unwrap()),
        // A plan does not know the log group's ARN yet. `terraform test` looks at this document.
        None if policy["name"] == "write-own-log" => None,
        None => panic!("{policy}"),
    });
    let all = documents.chain(planned);
    all.flat_map(|document: Value| document["Statement"].as_array().unwrap().clone()).collect()
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    all.iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
}

/// What Terraform and CDK make of a case, with the document in the function's variables.
fn assert_made(case: &Case, made: &Made, found: &Found, variables: &Value) {
    assert_settings(case, made, found);
    if case.setting != "environment variables" {
        let document: Value = serde_json::from_str(variables["AUTHORIZER_CONFIG"].as_str().unwrap()).unwrap();
        assert_eq!(document["vault"]["ca_file"], "/opt/vault-ca.pem", "{}", case.setting);
        assert_eq!(document["issuers"]["corp"]["ca_file"], "/opt/corp-ca.pem", "{}", case.setting);
    }
}

fn assert_settings(case: &Case, made: &Made, expected: &Found) {
    assert_rest(&case.setting, made);
    if case.setting == "VPC" {
        assert_interfaces(made);
    }
    for (kind, places) in expected {
        let all: Vec<_> = made.all(kind).collect();
        assert!(!all.is_empty(), "{}: no {kind}", case.setting);
        for ((place, value), one) in places.iter().flat_map(|place| all.iter().map(move |one| (place, one))) {
            let mut found = one.pointer(place).cloned().unwrap_or_default();
            if let Value::Array(list) = &mut found {
                // Terraform's sets and CDK's subnets have no order of their own.
                list.sort_by_key(ToString::to_string);
            }
            assert_eq!(found, *value, "{}: {kind}{place}", case.setting);
        }
    }
}

/// What one place does not say: the same for every way to deploy.
fn assert_rest(setting: &str, made: &Made) {
    let actions = |effect: &str| -> BTreeSet<String> {
        let all = statements(made).into_iter().filter(|statement| statement["Effect"] == effect);
        all.flat_map(|statement| texts(&statement["Action"])).collect()
    };
    let allowed = actions("Allow");
    let has = |prefix: &str| allowed.iter().any(|action| action.starts_with(prefix));
    assert_eq!(has("xray:"), setting == "tracing", "{setting}: {allowed:?}");
    assert_eq!(has("ec2:"), ["VPC", "IPv6 in the VPC"].contains(&setting), "{setting}: {allowed:?}");
    let of_plan = made.all("aws_iam_role_policy").any(|policy| policy["name"] == "write-own-log");
    assert_eq!(
        has("logs:") || of_plan,
        setting != "an existing role",
        "{setting}: nothing is attached to it"
    );
    let roles = made.all("AWS::IAM::Role").chain(made.all("aws_iam_role")).count();
    assert_eq!(roles, usize::from(setting != "an existing role"), "{setting}");
    let alarms = alarms(made);
    assert_eq!(alarms.len(), if setting == "alarms" { 0 } else { 8 }, "{setting}");
    assert_eq!(dashboards(made).len(), usize::from(setting == "dashboard"), "{setting}");
}

/// For each way to deploy.
fn assert_interfaces(made: &Made) {
    let ec2 = statements(made).into_iter().filter(|one| one.to_string().contains("ec2:"));
    let (allowed, denied): (Vec<Value>, Vec<Value>) = ec2.partition(|one| one["Effect"] == "Allow");
    for statement in &allowed {
        let actions = texts(&statement["Action"]);
        for resource in texts(&statement["Resource"]) {
            let wide = actions.iter().all(|action| action.starts_with("ec2:Describe"));
            // Subnets and security groups can be shared by another account. They are named, one by one.
            let shared = [":subnet/", ":security-group/"].iter().any(|kind| resource.contains(kind));
            let account = if shared { "*" } else { "123456789012" };
            let place = format!("arn:aws:ec2:us-east-1:{account}:");
            assert!(wide || resource.starts_with(&place), "{resource}: {statement}");
            if actions.contains(&"ec2:CreateNetworkInterface".to_owned()) {
                // By the ARN of each, or by a condition on all.
                let bound = |kind: &str, key: &str, ids: &[&str]| {
                    resource.contains(kind)
                        && (ids.iter().any(|id| resource.ends_with(&format!("{kind}{id}")))
                            || texts(&statement["Condition"]["StringEquals"][key]) == ids)
                };
                assert!(
                    resource.ends_with(":network-interface/*")
                        || bound("subnet/", "ec2:SubnetID", &["subnet-0a", "subnet-0b"])
                        || bound("security-group/", "ec2:SecurityGroupID", &["sg-0a"]),
                    "{statement}"
                );
            }
        }
    }
    let all: BTreeSet<String> = allowed.iter().flat_map(|one| texts(&one["Action"])).collect();
    assert_eq!(denied.len(), 1);
    let own: BTreeSet<String> = texts(&denied[0]["Action"]).into_iter().collect();
    assert_eq!(own, all, "the function's own code may do none of it");
    let source = &denied[0]["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"];
    assert_eq!(*source, json!("arn:aws:lambda:us-east-1:123456789012:function:orders-authorizer"));
}
