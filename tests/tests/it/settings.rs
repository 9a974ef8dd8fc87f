//! `infra/README.md`: every setting of its table does the same in CloudFormation, Terraform and CDK.
//!
//! The table is read from the page. A row without a case here fails, and so does a name that a deployment does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};
use test_bed::alarms::alarms;
use test_bed::cdk::Package;
use test_bed::emulator::Emulator;
use test_bed::process::Scratch;
use test_bed::synthesis::{Made, refused_by_rules};
use test_bed::terraform::Terraform;
use test_bed::{cloudformation, parts};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-0123456789ab";
const LOG_KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/9f8e7d6c-0000-4000-8000-0123456789ab";
const SIGNING: &str = "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0";
const LAYER: &str = "arn:aws:lambda:us-east-1:123456789012:layer:private-ca:3";
const ROLE: &str = "arn:aws:iam::123456789012:role/platform/apis/shared";
const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/boundary";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alarms";
const OK_TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:over";

/// Where a value is found: a resource's type, a place in its properties, and the value there.
type Found = (&'static str, &'static str, Value);

/// A row of the table.
struct Case {
    setting: &'static str,
    /// The parameters of CloudFormation, and what else they need.
    template: Value,
    template_needs: Value,
    /// The variables of Terraform.
    terraform: Value,
    terraform_needs: Value,
    /// CDK's props, whose values are in `tests/golden/deployments/every-setting.ts`.
    cdk: Vec<&'static str>,
    in_template: Vec<Found>,
    in_plan: Vec<Found>,
}

impl Case {
    fn new(
        setting: &'static str,
        template: Value,
        terraform: Value,
        cdk: &[&'static str],
        in_template: Vec<Found>,
        in_plan: Vec<Found>,
    ) -> Self {
        let (template_needs, terraform_needs) = (json!({}), json!({}));
        Self {
            setting,
            template,
            template_needs,
            terraform,
            terraform_needs,
            cdk: cdk.to_vec(),
            in_template,
            in_plan,
        }
    }

    fn needs(mut self, template: Value, terraform: Value) -> Self {
        (self.template_needs, self.terraform_needs) = (template, terraform);
        self
    }
}

const FUNCTION: (&str, &str) = ("AWS::Lambda::Function", "aws_lambda_function");
const LOG: (&str, &str) = ("AWS::Logs::LogGroup", "aws_cloudwatch_log_group");
const MADE_ROLE: (&str, &str) = ("AWS::IAM::Role", "aws_iam_role");
const ALARM: (&str, &str) = ("AWS::CloudWatch::Alarm", "aws_cloudwatch_metric_alarm");

/// One setting with one name and one value in each way to deploy.
fn plain(
    setting: &'static str,
    names: [&'static str; 3],
    resource: (&'static str, &'static str),
    places: [&'static str; 2],
    value: Value,
) -> Case {
    let [template, terraform, cdk] = names;
    // A list is one text in a template.
    let list = value.as_array().map(|_| json!(texts(&value).join(",")));
    Case::new(
        setting,
        json!({template: list.unwrap_or_else(|| value.clone())}),
        json!({terraform: value}),
        &[cdk],
        vec![(resource.0, places[0], value.clone())],
        vec![(resource.1, places[1], value)],
    )
}

fn cases() -> Vec<Case> {
    let vpc = || json!({"SubnetIds": "subnet-0a,subnet-0b", "SecurityGroupIds": "sg-0a"});
    let vpc_of_terraform =
        || json!({"vpc_subnet_ids": ["subnet-0a", "subnet-0b"], "vpc_security_group_ids": ["sg-0a"]});
    let with_ca = configuration("/opt/vault-ca.pem", "/opt/corp-ca.pem");
    vec![
        Case::new(
            "architecture",
            json!({"Architecture": "arm64"}),
            json!({"architecture": "arm64"}),
            &["architecture"],
            vec![(FUNCTION.0, "/Architectures", json!(["arm64"]))],
            vec![(FUNCTION.1, "/architectures", json!(["arm64"]))],
        ),
        plain(
            "memory",
            ["MemorySize", "memory_size", "memorySize"],
            FUNCTION,
            ["/MemorySize", "/memory_size"],
            json!(512),
        ),
        plain("timeout", ["Timeout", "timeout", "timeout"], FUNCTION, ["/Timeout", "/timeout"], json!(5)),
        plain(
            "reserved concurrency; -1 reserves none",
            [
                "ReservedConcurrentExecutions",
                "reserved_concurrent_executions",
                "reservedConcurrentExecutions",
            ],
            FUNCTION,
            ["/ReservedConcurrentExecutions", "/reserved_concurrent_executions"],
            json!(7),
        ),
        Case::new(
            "provisioned concurrency",
            // No template publishes a version with every change.
            json!({}),
            json!({"provisioned_concurrent_executions": 2}),
            &["provisionedConcurrentExecutions"],
            vec![
                ("AWS::Lambda::Alias", "/Name", json!("live")),
                (
                    "AWS::Lambda::Alias",
                    "/ProvisionedConcurrencyConfig/ProvisionedConcurrentExecutions",
                    json!(2),
                ),
            ],
            vec![
                ("aws_lambda_alias", "/name", json!("live")),
                ("aws_lambda_provisioned_concurrency_config", "/provisioned_concurrent_executions", json!(2)),
                ("aws_lambda_function", "/publish", json!(true)),
            ],
        ),
        plain("layers", ["Layers", "layers", "layers"], FUNCTION, ["/Layers", "/layers"], json!([LAYER])),
        plain(
            "code signing",
            ["CodeSigningConfigArn", "code_signing_config_arn", "codeSigningConfig"],
            FUNCTION,
            ["/CodeSigningConfigArn", "/code_signing_config_arn"],
            json!(SIGNING),
        ),
        Case::new(
            "environment variables",
            json!({"RustLog": "warn", "AuthorizerConfigFile": "/opt/authorizer.yaml"}),
            json!({"environment_variables":
                {"RUST_LOG": "warn", "AUTHORIZER_CONFIG_FILE": "/opt/authorizer.yaml"}}),
            &["environment"],
            vec![(
                FUNCTION.0,
                "/Environment/Variables",
                json!({"RUST_LOG": "warn", "AUTHORIZER_CONFIG_FILE": "/opt/authorizer.yaml"}),
            )],
            vec![(
                FUNCTION.1,
                "/environment/0/variables",
                json!({"RUST_LOG": "warn", "AUTHORIZER_CONFIG_FILE": "/opt/authorizer.yaml"}),
            )],
        )
        .needs(json!({"Configuration": ""}), json!({"configuration_in_package": true})),
        plain(
            "KMS key of the environment",
            ["KmsKeyArn", "kms_key_arn", "environmentEncryption"],
            FUNCTION,
            ["/KmsKeyArn", "/kms_key_arn"],
            json!(KEY),
        ),
        plain(
            "tracing",
            ["Tracing", "tracing_mode", "tracing"],
            FUNCTION,
            ["/TracingConfig/Mode", "/tracing_config/0/mode"],
            json!("Active"),
        ),
        Case::new(
            "tags",
            json!({}),
            json!({"tags": {"team": "platform"}}),
            &["Tags.of"],
            vec![],
            vec![(FUNCTION.1, "/tags/team", json!("platform")), (LOG.1, "/tags/team", json!("platform"))],
        ),
        Case::new(
            "an existing role",
            json!({"Role": "shared"}),
            json!({"lambda_role": ROLE}),
            &["role"],
            vec![(FUNCTION.0, "/Role", json!(ROLE))],
            vec![(FUNCTION.1, "/role", json!(ROLE))],
        )
        .needs(json!({"RolePath": "/platform/apis/"}), json!({})),
        plain(
            "path of the role",
            ["RolePath", "role_path", "rolePath"],
            MADE_ROLE,
            ["/Path", "/path"],
            json!("/platform/apis/"),
        ),
        plain(
            "permissions boundary",
            ["PermissionsBoundary", "role_permissions_boundary", "permissionsBoundary"],
            MADE_ROLE,
            ["/PermissionsBoundary", "/permissions_boundary"],
            json!(BOUNDARY),
        ),
        Case::new(
            "VPC",
            vpc(),
            vpc_of_terraform(),
            &["vpc", "vpcSubnets", "securityGroups"],
            vec![
                (FUNCTION.0, "/VpcConfig/SubnetIds", json!(["subnet-0a", "subnet-0b"])),
                (FUNCTION.0, "/VpcConfig/SecurityGroupIds", json!(["sg-0a"])),
            ],
            vec![
                (FUNCTION.1, "/vpc_config/0/subnet_ids", json!(["subnet-0a", "subnet-0b"])),
                (FUNCTION.1, "/vpc_config/0/security_group_ids", json!(["sg-0a"])),
            ],
        ),
        plain(
            "IPv6 in the VPC",
            ["Ipv6AllowedForDualStack", "ipv6_allowed_for_dual_stack", "ipv6AllowedForDualStack"],
            FUNCTION,
            ["/VpcConfig/Ipv6AllowedForDualStack", "/vpc_config/0/ipv6_allowed_for_dual_stack"],
            json!(true),
        )
        .needs(vpc(), vpc_of_terraform()),
        plain(
            "retention of the log",
            ["LogRetentionDays", "cloudwatch_logs_retention_in_days", "logRetention"],
            LOG,
            ["/RetentionInDays", "/retention_in_days"],
            json!(365),
        ),
        plain(
            "KMS key of the log",
            ["LogKmsKeyId", "cloudwatch_logs_kms_key_id", "logEncryptionKey"],
            LOG,
            ["/KmsKeyId", "/kms_key_id"],
            json!(LOG_KEY),
        ),
        Case::new(
            "a log that outlives the stack",
            json!({"KeepLog": "yes"}),
            json!({"cloudwatch_logs_skip_destroy": true}),
            &["logRemovalPolicy"],
            vec![],
            vec![(LOG.1, "/skip_destroy", json!(true))],
        ),
        Case::new(
            "CA bundle of Vault",
            json!({"Configuration": with_ca.to_string()}),
            json!({"vault": with_ca["vault"]}),
            &["vault"],
            vec![],
            vec![],
        ),
        Case::new(
            "CA bundle of an issuer",
            json!({"Configuration": with_ca.to_string()}),
            json!({"issuers": with_ca["issuers"]}),
            &["issuers"],
            vec![],
            vec![],
        ),
        Case::new("alarms", json!({"Alarms": "no"}), json!({"alarms": false}), &["alarms"], vec![], vec![]),
        plain(
            "who hears of an alarm",
            ["AlarmActions", "alarm_actions", "alarms.actions"],
            ALARM,
            ["/AlarmActions", "/alarm_actions"],
            json!([TOPIC]),
        ),
        plain(
            "who hears that it is over",
            ["OkActions", "ok_actions", "alarms.okActions"],
            ALARM,
            ["/OKActions", "/ok_actions"],
            json!([OK_TOPIC]),
        ),
        // It reaches some of the alarms: `alarms.rs` proves which.
        Case::new(
            "missing data",
            json!({"TreatMissingData": "breaching"}),
            json!({"treat_missing_data": "breaching"}),
            &["alarms.treatMissingData"],
            vec![],
            vec![],
        ),
        Case::new(
            "thresholds",
            json!({}),
            json!({"alarm_thresholds": {"faults": 71}}),
            &["alarms.thresholds"],
            vec![],
            vec![],
        ),
    ]
}

/// The document of the API that all three deployments are given.
pub(crate) fn configuration(vault_ca: &str, issuer_ca: &str) -> Value {
    json!({
        "vault": {
            "address": "https://vault.example.com:8200",
            "ca_file": vault_ca,
            "login": {"method": "aws", "role": "api-authorizer", "server_id": "vault.example.com"},
        },
        "issuers": {"corp": {
            "kind": "jwt", "issuer": "https://login.example.com/", "audiences": ["orders-api"],
            "algorithms": ["RS256"], "jwks": "discovery", "ca_file": issuer_ca,
        }},
        "stages": {"prod": {"api_ids": ["a1b2c3d4e5"], "grants": [{
            "name": "orders-reader", "routes": ["GET /orders"], "caller": {"issuer": "corp", "any": true},
            "token": {"role": "orders-reader", "policies": ["orders-read"], "ttl": "2m", "wrap_ttl": "30s"},
        }]}},
    })
}

/// `authorizer.yaml` with these parameters besides those that it requires.
pub(crate) fn by_template(parameters: &[&Value]) -> (Value, Value) {
    let mut all = json!({
        "CodeBucket": "code", "CodeKey": "authorizer-1.zip", "ApiType": "REST", "ApiId": "a1b2c3d4e5",
        "ApiName": "orders", "Stage": "prod", "Configuration": "{}",
    });
    merge(&mut all, parameters);
    (cloudformation::template("authorizer.yaml"), all)
}

fn merge(all: &mut Value, more: &[&Value]) {
    for (name, value) in more.iter().flat_map(|more| more.as_object().unwrap()) {
        all[name] = value.clone();
    }
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

/// The module's variables, besides those of a case.
pub(crate) fn module(variables: &[&Value]) -> Value {
    let document = configuration("/opt/vault-ca.pem", "/opt/corp-ca.pem");
    let mut stages = document["stages"].clone();
    stages["prod"].as_object_mut().unwrap().remove("api_ids");
    let mut all = json!({
        "source": "../terraform", "name": "orders-authorizer", "package": {"file": "authorizer.zip"},
        "api": {"type": "REST", "id": "a1b2c3d4e5", "name": "orders"},
        "vault": document["vault"], "issuers": document["issuers"], "stages": stages,
    });
    merge(&mut all, variables);
    all
}

/// What Terraform plans for a root of these modules.
pub(crate) async fn planned(scratch: &Scratch, modules: &Value) -> Value {
    // The provider asks who it is. Nothing is made.
    let emulator = Emulator::start(scratch).await;
    let terraform = Terraform::on(scratch, emulator.aws());
    let root = "settings";
    let folder = terraform.folder(root);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("authorizer.zip"), "").unwrap();
    let main = json!({"provider": {"aws": {}}, "module": modules});
    fs::write(folder.join("main.tf.json"), main.to_string()).unwrap();
    terraform.init(root, &[]).await;
    terraform.succeeds(root, &["plan", "-input=false", "-out=plan"]).await;
    let plan = terraform.succeeds(root, &["show", "-json", "plan"]).await;
    emulator.stop().await;
    serde_json::from_str(&plan).unwrap()
}

#[tokio::test]
async fn every_setting_is_found_in_what_terraform_plans() {
    let scratch = Scratch::new("settings-terraform");
    // Those that change nothing but the place where they are found share one instance: a plan of thirty takes minutes.
    let alone = ["environment variables", "tracing", "an existing role", "VPC", "IPv6 in the VPC", "alarms"];
    let cases = cases();
    let mut modules = json!({
        "minus_one": module(&[&json!({"reserved_concurrent_executions": -1})]),
        "pass_through": module(&[&json!({"tracing_mode": "PassThrough"})]),
    });
    let mut together = json!({});
    let name = |number: usize, case: &Case| {
        if alone.contains(&case.setting) { format!("case_{number}") } else { "together".to_owned() }
    };
    for (number, case) in cases.iter().enumerate() {
        if alone.contains(&case.setting) {
            modules[name(number, case)] = module(&[&case.terraform, &case.terraform_needs]);
        } else {
            merge(&mut together, &[&case.terraform, &case.terraform_needs]);
        }
    }
    modules["together"] = module(&[&together]);
    let plan = planned(&scratch, &modules).await;
    for (number, case) in cases.iter().enumerate() {
        let made = Made::of_plan(&plan, &name(number, case));
        assert_found(case.setting, &made, &case.in_plan);
        assert_rest(case.setting, &made);
        if case.setting == "VPC" {
            assert_interfaces(&made, "orders-authorizer");
        }
        let given = &made.only(FUNCTION.1)["environment"][0]["variables"]["AUTHORIZER_CONFIG"];
        if case.setting != "environment variables" {
            let document: Value = serde_json::from_str(given.as_str().unwrap()).unwrap();
            assert_eq!(document["vault"]["ca_file"], "/opt/vault-ca.pem", "{}", case.setting);
            assert_eq!(document["issuers"]["corp"]["ca_file"], "/opt/corp-ca.pem", "{}", case.setting);
        }
    }
    let made = Made::of_plan(&plan, "minus_one");
    assert_eq!(made.only(FUNCTION.1)["reserved_concurrent_executions"], json!(-1));
    assert_eq!(tracing_of(&made), TRACING[0]);
    assert_eq!(tracing_of(&Made::of_plan(&plan, "pass_through")), TRACING[1]);
}

/// What CDK makes of `tests/golden/deployments/every-setting.ts`: a stack for each of these, with the props that it names.
pub(crate) fn synthesised(scratch: &Scratch, cases: &Value) -> BTreeMap<String, Made> {
    let package = Package::new(scratch);
    package
        .add_example("every-setting", &parts::repository().join("tests/golden/deployments/every-setting.ts"));
    let mut document = configuration("/opt/vault-ca.pem", "/opt/corp-ca.pem");
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
        assert_found(case.setting, made, &case.in_template);
        assert_rest(case.setting, made);
        let kept = case.setting == "a log that outlives the stack";
        assert_eq!(made.only(LOG.0)["DeletionPolicy"], if kept { "Retain" } else { "Delete" });
        match case.setting {
            "VPC" => assert_interfaces(made, "orders-authorizer"),
            "tags" => {
                let team = json!([{"Key": "team", "Value": "platform"}]);
                assert_eq!(made.only(FUNCTION.0)["Tags"], team);
                assert_eq!(made.only(LOG.0)["Tags"], team);
            }
            _ => {}
        }
        if case.setting != "environment variables" {
            let given = &made.only(FUNCTION.0)["Environment"]["Variables"]["AUTHORIZER_CONFIG"];
            let document: Value = serde_json::from_str(given.as_str().unwrap()).unwrap();
            assert_eq!(document["vault"]["ca_file"], "/opt/vault-ca.pem", "{}", case.setting);
            assert_eq!(document["issuers"]["corp"]["ca_file"], "/opt/corp-ca.pem", "{}", case.setting);
        }
    }
    assert_eq!(all["minus-one"].only(FUNCTION.0).get("ReservedConcurrentExecutions"), None);
    assert_eq!(tracing_of(&all["minus-one"]), TRACING[0]);
    assert_eq!(tracing_of(&all["pass-through"]), TRACING[1]);
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

#[test]
fn a_role_may_send_traces_only_where_tracing_is_chosen() {
    for (value, expected) in [Some("Disabled"), Some("PassThrough"), Some("Active")].into_iter().zip(TRACING)
    {
        let (template, parameters) = by_template(&[&json!({"Tracing": value})]);
        assert_eq!(tracing_of(&Made::of_template(&template, "orders-authorizer", &parameters)), expected);
    }
    for file in ["authorizer.yaml", "quickstart.yaml"] {
        assert_eq!(cloudformation::template(file)["Parameters"]["Tracing"]["Default"], "Disabled");
    }
}

/// A number that each way to deploy bounds in the same way.
struct Range {
    template: Option<&'static str>,
    terraform: &'static str,
    cdk: &'static str,
    /// What is taken: the first and the last of them, and -1 for some.
    taken: &'static [i64],
    refused: &'static [i64],
}

/// The start waits up to 2 s, and may fall into the first call: a timeout of 2 would end before it. API Gateway waits 10 s.
const RANGES: [Range; 5] = [
    Range {
        template: Some("ReservedConcurrentExecutions"),
        terraform: "reserved_concurrent_executions",
        cdk: "reservedConcurrentExecutions",
        taken: &[-1, 1, 1000],
        refused: &[-2, 0, 1001],
    },
    Range {
        template: None,
        terraform: "provisioned_concurrent_executions",
        cdk: "provisionedConcurrentExecutions",
        taken: &[1, 20],
        refused: &[-2, 0, 1001],
    },
    Range {
        template: Some("Timeout"),
        terraform: "timeout",
        cdk: "timeout",
        taken: &[3, 9],
        refused: &[-1, 2, 10],
    },
    Range {
        template: Some("MemorySize"),
        terraform: "memory_size",
        cdk: "memorySize",
        taken: &[128, 10240],
        refused: &[127, 10241],
    },
    Range {
        template: Some("FaultsThreshold"),
        terraform: "alarm_thresholds",
        cdk: "faults",
        taken: &[0, 1000],
        refused: &[-1],
    },
];

impl Range {
    fn values(&self) -> impl Iterator<Item = (i64, bool)> {
        let taken = self.taken.iter().map(|value| (*value, true));
        taken.chain(self.refused.iter().map(|value| (*value, false)))
    }

    fn for_terraform(&self, value: i64) -> Value {
        let value =
            if self.terraform == "alarm_thresholds" { json!({"faults": value}) } else { json!(value) };
        json!({self.terraform: value})
    }
}

#[test]
fn a_template_takes_the_same_numbers() {
    for range in &RANGES {
        let Some(name) = range.template else { continue };
        for (value, taken) in range.values() {
            let (template, parameters) = by_template(&[&json!({name: value})]);
            let bound = |bound: &str| template["Parameters"][name][bound].as_i64();
            let within = bound("MinValue").is_some_and(|least| value >= least)
                && bound("MaxValue").is_none_or(|most| value <= most);
            let refused = !within || !refused_by_rules(&template, &parameters).is_empty();
            assert_eq!(refused, !taken, "{name}={value}");
        }
    }
}

#[tokio::test]
async fn terraform_takes_the_same_numbers() {
    let scratch = Scratch::new("ranges-terraform");
    let emulator = Emulator::start(&scratch).await;
    let terraform = Terraform::on(&scratch, emulator.aws());
    let folder = terraform.folder("ranges");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("authorizer.zip"), "").unwrap();
    let (mut modules, mut wrong) = (json!({}), BTreeSet::new());
    for range in &RANGES {
        for (value, taken) in range.values() {
            let name = format!("{}_{value}", range.terraform);
            modules[&name] = module(&[&range.for_terraform(value)]);
            if !taken {
                wrong.insert(name);
            }
        }
    }
    let main = json!({"provider": {"aws": {}}, "module": modules});
    fs::write(folder.join("main.tf.json"), main.to_string()).unwrap();
    terraform.init("ranges", &[]).await;
    let ran = terraform.run("ranges", &["plan", "-input=false", "-no-color", "-json"]).await;
    assert!(!ran.success);
    let refused =
        ran.printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|line| {
            line["@level"] == "error" && line["diagnostic"]["summary"] == "Invalid value for variable"
        });
    let refused: BTreeSet<String> = refused
        .map(|line| {
            // `on main.tf.json line 1, in module.timeout_2:` and the line's column where the value stands.
            let context = line["diagnostic"]["snippet"]["context"].as_str().unwrap_or_default().to_owned();
            context.trim_start_matches("module.").to_owned()
        })
        .collect();
    assert_eq!(refused, wrong, "{}", ran.printed);
    emulator.stop().await;
}

#[test]
fn cdk_takes_the_same_numbers() {
    let scratch = Scratch::new("ranges-cdk");
    let (mut cases, mut expected) = (json!({}), BTreeMap::new());
    for range in &RANGES {
        for (value, taken) in range.values() {
            let name = format!("{}{}", range.cdk, value).replace('-', "-minus-");
            cases[&name] = json!([format!("{}={value}", range.cdk)]);
            expected.insert(name, (range.cdk, !taken));
        }
    }
    let all = synthesised(&scratch, &cases);
    for (name, (prop, refused)) in expected {
        let reason = all[&name].outputs.get("Refused").map(|reason| reason.as_str().unwrap());
        assert_eq!(reason.is_some(), refused, "{name}: {reason:?}");
        assert!(reason.is_none_or(|reason| reason.contains(&format!("{prop}: must"))), "{name}: {reason:?}");
    }
}

/// The role's name is `<name>-<region>` and has at most 64 characters, in every region.
#[test]
fn the_longest_name_leaves_room_for_the_longest_region() {
    let longest = 64 - "-us-isof-south-1".len();
    let page = parts::text("infra/README.md");
    for (file, rest) in [("authorizer.yaml", ""), ("quickstart.yaml", "-authorizer")] {
        let most = longest - rest.len();
        let description = cloudformation::template(file)["Description"].as_str().unwrap().to_owned();
        assert!(
            description.contains(&format!("The stack's name can have {most} characters")),
            "{description}"
        );
        assert!(page.contains(&format!("{most} with `{file}`")), "{file}: {most}");
    }
}

#[test]
fn every_row_of_the_table_has_a_case_with_its_names() {
    let rows = rows("Settings");
    let settings: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let cases = cases();
    assert_eq!(settings, cases.iter().map(|case| case.setting).collect::<Vec<_>>());
    for (row, case) in rows.iter().zip(&cases) {
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let gap = case.setting == "provisioned concurrency";
        assert_eq!(row[1] == "-", gap, "{}: `-` where the template has no such setting", case.setting);
        assert_eq!(names(&row[1]), keys(&case.template), "{}", case.setting);
        assert_eq!(names(&row[2]), keys(&case.terraform), "{}", case.setting);
        let cdk: BTreeSet<String> = case.cdk.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(names(&row[3]), cdk, "{}", case.setting);
    }
}

/// The statements of the policies of the role that a deployment makes.
pub(crate) fn statements(made: &Made) -> Vec<Value> {
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

fn assert_found(setting: &str, made: &Made, expected: &[Found]) {
    for (kind, place, value) in expected {
        let all: Vec<_> = made.all(kind).collect();
        assert!(!all.is_empty(), "{setting}: no {kind}");
        for one in all {
            let found = one.pointer(place).cloned().unwrap_or_default();
            let found = if let (Value::Array(list), Value::Array(_)) = (&found, value) {
                // Terraform's sets and CDK's subnets have no order of their own.
                let mut list = list.clone();
                list.sort_by_key(ToString::to_string);
                json!(list)
            } else {
                found
            };
            assert_eq!(found, *value, "{setting}: {kind}{place}");
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
}

#[test]
fn every_setting_is_found_in_what_the_template_makes() {
    for case in cases().into_iter().filter(|case| case.setting != "provisioned concurrency") {
        let (template, parameters) = by_template(&[&given(&case.template), &case.template_needs]);
        let refused = refused_by_rules(&template, &parameters);
        assert!(refused.is_empty(), "{}: {refused:?}", case.setting);
        let made = Made::of_template(&template, "orders-authorizer", &parameters);
        assert_found(case.setting, &made, &case.in_template);
        assert_rest(case.setting, &made);
        let policies = made.only(LOG.0);
        let kept = case.setting == "a log that outlives the stack";
        assert_eq!(policies["DeletionPolicy"], if kept { "RetainExceptOnCreate" } else { "Delete" });
        let given = &made.only(FUNCTION.0)["Environment"]["Variables"]["AUTHORIZER_CONFIG"];
        if case.setting.starts_with("CA bundle") {
            assert!(given.as_str().unwrap().contains("/opt/corp-ca.pem"), "{given}");
        }
    }
}

/// The quickstart has the same names, and they do the same to both of its functions.
#[test]
fn the_quickstart_has_all_settings_but_those_that_the_page_says_it_has_not() {
    let template = cloudformation::template("quickstart.yaml");
    let page = parts::text("infra/README.md");
    let without = page.split_once("`quickstart.yaml` has the same names, without").unwrap().1;
    let without = names(without.split_once("and the alarms").unwrap().0);
    let required = json!({
        "CodeBucket": "code", "AuthorizerCodeKey": "a.zip", "OrdersCodeKey": "o.zip", "Audience": "orders-api",
        "VaultAddress": "https://vault.example.com", "VaultServerId": "vault.example.com",
        "Issuer": "https://login.example.com/", "ApiGatewayLogRole": "existing",
    });
    let mut seen = BTreeSet::new();
    for case in cases() {
        let has = |name: &str| template["Parameters"][name].is_object();
        let lacking: BTreeSet<String> =
            case.template.as_object().unwrap().keys().filter(|name| !has(name)).cloned().collect();
        let of_alarms = case.in_template.iter().any(|(kind, ..)| *kind == ALARM.0)
            || ["alarms", "missing data", "provisioned concurrency"].contains(&case.setting);
        if of_alarms {
            continue;
        }
        seen.extend(lacking.iter().cloned());
        if !lacking.is_empty() {
            continue;
        }
        let mut parameters = required.clone();
        let needs =
            if case.template_needs["Configuration"].is_null() { case.template_needs } else { json!({}) };
        merge(&mut parameters, &[&given(&case.template), &needs]);
        assert_eq!(refused_by_rules(&template, &parameters), Vec::<String>::new(), "{}", case.setting);
        let made = Made::of_template(&template, "orders", &parameters);
        // Of the functions, the authorizer alone has a bound, and a role that Vault knows.
        let both = !["reserved concurrency; -1 reserves none", "an existing role"].contains(&case.setting);
        let functions: Vec<_> = made.all(FUNCTION.0).collect();
        assert_eq!(functions.len(), 2);
        for (kind, place, value) in &case.in_template {
            let all = made.all(kind).filter(|one| both || one["FunctionName"] == "orders-authorizer");
            for one in all {
                assert_eq!(one.pointer(place), Some(value), "{}: {kind}{place}", case.setting);
            }
        }
        for log in made.all(LOG.0) {
            let kept = case.setting == "a log that outlives the stack";
            assert_eq!(log["DeletionPolicy"], if kept { "RetainExceptOnCreate" } else { "Delete" });
        }
    }
    assert_eq!(seen, without);

    let mut parameters = required;
    parameters["VaultCaFile"] = json!("/opt/vault-ca.pem");
    parameters["IssuerCaFile"] = json!("/opt/corp-ca.pem");
    parameters["RustLog"] = json!("warn");
    let made = Made::of_template(&template, "orders", &parameters);
    let variables: BTreeMap<&str, &Value> = made
        .all(FUNCTION.0)
        .map(|function| (function["FunctionName"].as_str().unwrap(), &function["Environment"]["Variables"]))
        .collect();
    let document = variables["orders-authorizer"]["AUTHORIZER_CONFIG"].as_str().unwrap();
    assert!(document.contains("\n  ca_file: \"/opt/vault-ca.pem\"\n  login:"), "{document}");
    assert!(
        document.contains("\n    jwks: discovery\n    ca_file: \"/opt/corp-ca.pem\"\nstages:"),
        "{document}"
    );
    assert_eq!(variables["orders-orders"]["VAULT_CACERT"], "/opt/vault-ca.pem");
    for one in variables.values() {
        assert_eq!(one["RUST_LOG"], "warn");
    }
}

/// `GetCallerIdentity` leaves a role's path out, and so does what Vault is bound to.
#[test]
fn what_vault_is_bound_to_never_has_the_roles_path() {
    for (file, stack) in [("authorizer.yaml", "orders-authorizer"), ("quickstart.yaml", "orders")] {
        let template = cloudformation::template(file);
        let required = if file == "authorizer.yaml" {
            by_template(&[]).1
        } else {
            json!({
                "CodeBucket": "code", "AuthorizerCodeKey": "a.zip", "OrdersCodeKey": "o.zip", "Audience": "a",
                "VaultAddress": "https://vault.example.com", "VaultServerId": "v", "ApiGatewayLogRole": "existing",
                "Issuer": "https://login.example.com/",
            })
        };
        let outputs = |role: &str, path: &str| {
            let mut parameters = required.clone();
            (parameters["Role"], parameters["RolePath"]) = (json!(role), json!(path));
            let outputs = Made::of_template(&template, stack, &parameters).outputs;
            ["AuthorizerRoleArn", "VaultPrincipal"].map(|name| outputs[name].as_str().unwrap().to_owned())
        };
        let arn = |rest: &str| format!("arn:aws:iam::123456789012:role/{rest}");
        for (role, name) in [("", "orders-authorizer-us-east-1"), ("shared", "shared")] {
            assert_eq!(outputs(role, "/"), [arn(name), arn(name)]);
            assert_eq!(outputs(role, "/a/b/"), [arn(&format!("a/b/{name}")), arn(name)]);
        }
    }
}

#[test]
fn minus_one_reserves_no_concurrency() {
    for value in [-1, 20] {
        let (template, parameters) = by_template(&[&json!({"ReservedConcurrentExecutions": value})]);
        let made = Made::of_template(&template, "orders-authorizer", &parameters);
        let reserved = made.only(FUNCTION.0).get("ReservedConcurrentExecutions");
        assert_eq!(reserved, Some(&json!(value)).filter(|_| value >= 0));
    }
}

#[test]
fn what_means_nothing_is_refused_by_the_templates_rules() {
    for (parameters, reason) in [
        (json!({"SubnetIds": "subnet-0a"}), "SecurityGroupIds is missing"),
        (json!({"SecurityGroupIds": "sg-0a"}), "SubnetIds is missing"),
        (json!({"Ipv6AllowedForDualStack": "yes"}), "SubnetIds is missing"),
        (json!({"SimpleResponses": "yes"}), "SimpleResponses=no"),
        (json!({"AuthorizerConfigFile": "/opt/a.yaml"}), "both given"),
        (json!({"ReservedConcurrentExecutions": 0}), "would reject every call"),
        (json!({"Role": "shared", "PermissionsBoundary": BOUNDARY}), "PermissionsBoundary"),
    ] {
        let (template, parameters) = by_template(&[&parameters]);
        let refused = refused_by_rules(&template, &parameters);
        assert!(refused.len() == 1 && refused[0].contains(reason), "{reason}: {refused:?}");
    }
}

#[test]
fn network_interfaces_are_made_where_the_function_is_placed_and_not_by_its_code() {
    let (template, parameters) =
        by_template(&[&json!({"SubnetIds": "subnet-0a,subnet-0b", "SecurityGroupIds": "sg-0a"})]);
    let made = Made::of_template(&template, "orders-authorizer", &parameters);
    assert_interfaces(&made, "orders-authorizer");
}

/// For each way to deploy.
pub(crate) fn assert_interfaces(made: &Made, function: &str) {
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
    assert_eq!(*source, json!(format!("arn:aws:lambda:us-east-1:123456789012:function:{function}")));
}
