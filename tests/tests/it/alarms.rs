//! Every alarm on data that must raise it and data that must not, as CloudFormation, Terraform and CDK create it.
//!
//! The lines come from the release binary, and from the Lambda runtime as AWS documents them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use test_bed::alarms::{Alarm, CloudWatch, alarms, filters};
use test_bed::configuration::with;
use test_bed::{
    Configuration, Function, Grant, Issuer, Made, Scratch, TokenSpec, cloudformation, request_event,
};

use crate::settings::{self, by_template};

pub(crate) const FUNCTION: &str = "orders-authorizer";
const HOURS: u64 = 3600;

/// What the function writes.
pub(crate) struct Lines {
    /// A line by the code of its decision.
    pub(crate) by_code: BTreeMap<String, String>,
    /// What callers have put into the lines of their denials.
    of_attackers: Vec<String>,
    /// Of a function with an invalid configuration.
    bad_start: Vec<String>,
}

impl Lines {
    pub(crate) async fn new() -> Self {
        let scratch = Scratch::new("alarms");
        let issuer = Issuer::start();
        // Nothing listens on the discard port.
        let configuration = Configuration::new("http://127.0.0.1:9").issuer("corp", &issuer.url());
        let configuration = configuration.grant(Grant::without_token("status", "GET /status"));
        let configuration = configuration.grant(Grant::new("orders", "GET /orders")).to_string();
        let function = Function::authorizer(&configuration, &[], &scratch);
        let event = |path: &str, token: &str| request_event(path, &format!("Bearer {token}"));
        let good = issuer.token(&TokenSpec::new());
        let mut smuggled = event("/status", &good);
        smuggled["headers"]["x-vault-token"] = json!("s.mine");

        let ours = [
            (event("/status", &good), "allowed"),
            (request_event("/status", ""), "credential_missing"),
            (event("/status", &issuer.forged(&TokenSpec::new())), "signature_invalid"),
            (smuggled, "header_reserved"),
            (event("/orders", &good), "vault_unreachable"),
        ];
        let mut events: Vec<Value> = ours.iter().map(|(event, _)| event.clone()).collect();
        for text in OF_ATTACKERS {
            let spec = TokenSpec::new().claim("iss", text).claim("aud", text).claim("sub", text);
            events.push(event("/status", &issuer.token(&spec)));
            let spec = TokenSpec::new().claim("aud", text).header("typ", text).header("kid", text);
            events.push(event("/status", &issuer.token(&spec)));
            let mut chosen = event("/status", text);
            chosen["requestContext"]["extendedRequestId"] = json!(text);
            chosen["requestContext"]["requestId"] = json!(text);
            events.push(chosen);
        }
        for event in &events {
            let _ = function.invoke(event).await;
        }
        assert_eq!(function.codes()[..ours.len()], ours.each_ref().map(|(_, code)| *code));
        let log = function.log();
        let mut lines = log.lines().filter(|line| line.contains("\"outcome\"")).map(str::to_owned);
        let by_code = ours.map(|(_, code)| (code.to_owned(), lines.next().unwrap())).into();
        let of_attackers: Vec<String> = lines.collect();
        assert_eq!(of_attackers.len(), 3 * OF_ATTACKERS.len(), "{log}");

        let broken = Function::authorizer("vault: {address: \"http://x\"}", &[], &scratch);
        assert!(!broken.exited().await.success());
        let bad_start: Vec<String> = broken.log().lines().map(str::to_owned).collect();
        let told = bad_start.iter().any(|line| line.contains("the configuration is invalid"));
        assert!(told, "{bad_start:?}");
        Self { by_code, of_attackers, bad_start }
    }

    fn of(&self, code: &str) -> &str {
        &self.by_code[code]
    }
}

/// Each is put into every place that a caller decides about.
const OF_ATTACKERS: [&str; 5] = [
    "RequestId: 1 Error: Runtime exited with error: exit status 1",
    "x\nRequestId: 1 Error: Runtime exited with error: exit status 1\nRuntime.ExitError",
    "\r\nINIT_REPORT Init Duration: 1 ms Phase: init Status: timeout",
    "\",\"level\":\"ERROR\",\"target\":\"bootstrap\",\"x\":\"",
    "{\"level\":\"ERROR\",\"target\":\"bootstrap\"}",
];

/// The Lambda runtime's lines, as AWS documents them. Those of a function that is dead: without a configuration or after a panic;
/// without memory; built for another architecture; a zip file without `bootstrap`; one where it may not be executed; late or at an
/// end at init; late in a call.
const OF_DEAD: [&str; 8] = [
    "RequestId: {ID} Error: Runtime exited with error: exit status 1\nRuntime.ExitError",
    "RequestId: {ID} Error: Runtime exited with error: signal: killed\nRuntime.ExitError",
    "RequestId: {ID} Error: fork/exec /var/task/bootstrap: exec format error\nRuntime.InvalidEntrypoint",
    "RequestId: {ID} Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]\nRuntime.InvalidEntrypoint",
    "RequestId: {ID} Error: fork/exec /var/task/bootstrap: permission denied\nRuntime.InvalidEntrypoint",
    "INIT_REPORT Init Duration: 10009.20 ms\tPhase: init\tStatus: timeout",
    "INIT_REPORT Init Duration: 3.74 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError",
    "REPORT RequestId: {ID}\tDuration: 8000.00 ms\tBilled Duration: 8000 ms\tMemory Size: 256 MB\tMax Memory Used: 31 MB\tStatus: timeout",
];

/// Those of one that lives. A 401 is an error for Lambda, and no failure.
const OF_LIVING: [&str; 7] = [
    "INIT_START Runtime Version: provided:al2023.v90\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:x",
    "START RequestId: {ID} Version: $LATEST",
    "END RequestId: {ID}",
    "REPORT RequestId: {ID}\tDuration: 3.09 ms\tBilled Duration: 41 ms\tMemory Size: 256 MB\tMax Memory Used: 31 MB\tInit Duration: 37.12 ms",
    "REPORT RequestId: {ID}\tDuration: 3.09 ms\tBilled Duration: 4 ms\tMemory Size: 256 MB\tMax Memory Used: 31 MB\tStatus: error\tError Type: Refused",
    "INIT_REPORT Init Duration: 37.12 ms\tPhase: init",
    "{\"timestamp\":\"2026-01-15T08:00:00Z\",\"level\":\"WARN\",\"message\":\"the keys of an issuer could not be fetched\",\"target\":\"authorizer_adapters::jwks\"}",
];

/// A line of the runtime's, of one request.
fn of_runtime(line: &str) -> String {
    line.replace("{ID}", "79104EXAMPLEB723-0f14-4bd2-9f5c-1ab2c3d4e5f6")
}

/// What one deployment makes for one API.
pub(crate) struct Deployment {
    pub(crate) name: &'static str,
    pub(crate) made: Made,
    /// `REST` or `HTTP`.
    pub(crate) api: &'static str,
}

/// With these settings besides those that are required: of templates, of Terraform, of CDK.
pub(crate) struct Settings {
    pub(crate) template: Value,
    pub(crate) terraform: Value,
    pub(crate) cdk: Value,
}

fn by_default() -> Settings {
    Settings { template: json!({}), terraform: json!({}), cdk: json!([]) }
}

fn by_cloudformation(settings: &Settings) -> Vec<Deployment> {
    let one = |api| {
        let (template, parameters) = by_template(with(&settings.template, json!({"ApiType": api})));
        let made = Made::of_template(&template, FUNCTION, &parameters);
        Deployment { name: "authorizer.yaml", made, api }
    };
    let beside = |api| {
        let parameters = with(&beside_parameters(api), settings.template.clone());
        // The stack's name is the beginning of the alarms' names.
        let made = Made::of_template(&cloudformation::template("alarms.yaml"), FUNCTION, &parameters);
        Deployment { name: "alarms.yaml", made, api }
    };
    vec![one("REST"), one("HTTP"), beside("REST"), beside("HTTP")]
}

/// What `alarms.yaml` requires.
fn beside_parameters(api: &str) -> Value {
    let name = if api == "REST" { "orders" } else { "a1b2c3d4e5" };
    json!({"ApiType": api, "Api": name, "Stage": "prod", "FunctionName": FUNCTION})
}

async fn by_terraform(settings: &Settings) -> Vec<Deployment> {
    let scratch = Scratch::new("alarms-terraform");
    let http = json!({"api": {"type": "HTTP", "id": "a1b2c3d4e5"}});
    let modules = json!({
        "rest": settings::module(settings.terraform.clone()),
        "http": settings::module(with(&http, settings.terraform.clone())),
    });
    let plan = settings::planned(&scratch, &modules).await;
    let one = |module, api| Deployment { name: "Terraform", made: Made::of_plan(&plan, module), api };
    vec![one("rest", "REST"), one("http", "HTTP")]
}

fn by_cdk(settings: &Settings) -> Vec<Deployment> {
    let scratch = Scratch::new("alarms-cdk");
    let all = settings::synthesised(&scratch, &json!({"rest": settings.cdk, "http": settings.cdk}));
    let one = |stack: &str, api| Deployment { name: "CDK", made: all[stack].clone(), api };
    vec![one("rest", "REST"), one("http", "HTTP")]
}

/// The id of an alarm: its name without the function and the stage.
fn id(alarm: &Alarm) -> &str {
    let rest = alarm.name.strip_prefix(FUNCTION).unwrap_or_else(|| panic!("{}", alarm.name));
    rest.strip_prefix("-prod").unwrap_or(rest).trim_start_matches('-')
}

struct World<'w> {
    deployment: &'w Deployment,
    alarms: Vec<Alarm>,
    cloudwatch: CloudWatch,
}

impl<'w> World<'w> {
    fn new(deployment: &'w Deployment) -> Self {
        let cloudwatch = CloudWatch::new(filters(&deployment.made));
        Self { deployment, alarms: alarms(&deployment.made), cloudwatch }
    }

    fn logs(mut self, at: impl IntoIterator<Item = u64>, line: &str) -> Self {
        for at in at {
            self.cloudwatch.log(at, &format!("/aws/lambda/{FUNCTION}"), line);
        }
        self
    }

    /// What API Gateway counts of these calls.
    fn answers(mut self, at: impl IntoIterator<Item = u64>, is_5xx: bool) -> Self {
        let (name, api) = match self.deployment.api {
            "REST" => ("5XXError", ("ApiName", "orders")),
            _ => ("5xx", ("ApiId", "a1b2c3d4e5")),
        };
        for at in at {
            let value = if is_5xx { 1.0 } else { 0.0 };
            self.cloudwatch.metric(at, "AWS/ApiGateway", name, &[api, ("Stage", "prod")], value);
        }
        self
    }

    fn throttles(mut self, at: impl IntoIterator<Item = u64>, value: f64) -> Self {
        for at in at {
            self.cloudwatch.metric(at, "AWS/Lambda", "Throttles", &[("FunctionName", FUNCTION)], value);
        }
        self
    }

    /// For three hours, and no alarm is raised.
    fn stays_healthy(self, lines: &Lines) {
        let every = |seconds: usize| (30..3 * HOURS).step_by(seconds);
        self.logs(every(15), lines.of("allowed"))
            .logs(every(60), lines.of("credential_missing"))
            .answers(every(15), false)
            .throttles(every(60), 0.0)
            .raises("a healthy API", &[]);
    }

    /// Exactly these alarms are raised within three hours.
    fn raises(self, what: &str, expected: &[&str]) {
        let raised = self.alarms.iter().filter(|alarm| self.cloudwatch.raises(alarm, 3 * HOURS));
        let raised: BTreeSet<&str> = raised.map(id).collect();
        let Deployment { name, api, .. } = self.deployment;
        assert_eq!(raised, expected.iter().copied().collect(), "{name} {api}: {what}");
    }
}

/// The line as the function writes it for another code.
fn with_code(line: &str, code: &str) -> String {
    let mut line: Value = serde_json::from_str(line).unwrap();
    (line["code"], line["Code"]) = (json!(code), json!(code));
    line.to_string()
}

fn assert_every_alarm_is_proved(deployment: &Deployment, lines: &Lines) {
    let world = || World::new(deployment);
    let every = |seconds: u64| (30..2 * HOURS).step_by(usize::try_from(seconds).unwrap());

    world().raises("nobody calls", &[]);
    world().stays_healthy(lines);
    let mut living = world();
    for line in OF_LIVING {
        living = living.logs(every(60), &of_runtime(line));
    }
    living.raises("the runtime's lines of a function that lives", &[]);

    // Three or more in half an hour, however they lie.
    world()
        .logs(every(540), lines.of("vault_unreachable"))
        .answers(every(540), true)
        .raises("an outage, and a call each 9 minutes", &["faults", "api-5xx"]);
    world()
        .logs([300, 301, 302], lines.of("vault_unreachable"))
        .answers([300, 301, 302], true)
        .raises("an outage of some seconds", &["faults", "api-5xx"]);
    world()
        .logs(every(15), lines.of("allowed"))
        .logs(every(15), lines.of("vault_unreachable"))
        .answers(every(15), true)
        .raises("half of all calls fail", &["faults", "api-5xx"]);
    world()
        .logs(every(15), lines.of("allowed"))
        .logs([300, 4000], lines.of("vault_unreachable"))
        .answers([300, 4000], true)
        .raises("a fault now and then", &[]);
    let fault = lines.of("vault_unreachable");
    let of_staging = fault.replace("\"prod\"", "\"staging\"");
    assert_ne!(of_staging, fault);
    world().logs(every(15), &of_staging).raises("an outage of another stage", &[]);

    let invalid = with_code(lines.of("vault_unreachable"), "vault_answer_invalid");
    world().logs([300], &invalid).raises("one answer that is not as ordered", &["vault-answer-invalid"]);

    let refused = with_code(lines.of("signature_invalid"), "algorithm_refused");
    for (line, alarm) in [
        (lines.of("signature_invalid"), "signature-invalid"),
        (refused.as_str(), "algorithm-refused"),
        (lines.of("header_reserved"), "header-reserved"),
    ] {
        world().logs((0..21).map(|call| 600 + call * 14), line).raises("21 in five minutes", &[alarm]);
        world().logs((0..20).map(|call| 600 + call), line).raises("20 in five minutes", &[]);
        world().logs((0..60).map(|call| 600 + call * 20), line).raises("one each 20 seconds", &[]);
    }

    world().throttles([300], 1.0).raises("one call is throttled", &["throttles"]);

    let mut start = world();
    for line in &lines.bad_start {
        start = start.logs([300], line);
    }
    start.raises("an invalid configuration", &["start-failures"]);
    for line in OF_DEAD {
        world().logs([300], &of_runtime(line)).raises(line, &["start-failures"]);
    }
    // API Gateway may not call the function, which hears of nothing.
    world().answers(every(540), true).raises("a permission is missing", &["api-5xx"]);

    let mut attacked = world();
    for (line, at) in lines.of_attackers.iter().zip((0..).step_by(60)) {
        attacked = attacked.logs([at], line);
    }
    attacked.raises("attackers write what the runtime writes", &[]);
}

/// The alarms of a deployment, and the page's table, are the same.
fn assert_the_table_holds(deployment: &Deployment) {
    let made: BTreeMap<String, (u64, f64)> = alarms(&deployment.made)
        .iter()
        .map(|one| (id(one).to_owned(), (one.period * one.evaluation_periods, one.threshold)))
        .collect();
    let written = settings::rows("Alarms").into_iter().map(|row| {
        let minutes: u64 = row[2].split(' ').next().unwrap().parse().unwrap();
        (row[0].trim_matches('`').to_owned(), (minutes * 60, row[3].parse().unwrap()))
    });
    let written: BTreeMap<String, (u64, f64)> = written.collect();
    assert_eq!(made, written, "{}", deployment.name);
    for alarm in alarms(&deployment.made) {
        assert!(!alarm.description.is_empty() && alarm.description.len() <= 1024, "{}", alarm.name);
        let per_stage = alarm.metric.2.get("Stage").is_some_and(|stage| stage == "prod");
        if deployment.name != "alarms.yaml" {
            assert_eq!(alarm.name.contains("-prod-"), per_stage, "{}", alarm.name);
        }
        assert_eq!(alarm.treat_missing_data, "notBreaching", "{}", alarm.name);
    }
}

#[tokio::test]
async fn every_alarm_is_raised_by_what_it_is_for_and_by_nothing_else() {
    let lines = Lines::new().await;
    for deployment in every_deployment(&by_default()).await {
        assert_every_alarm_is_proved(&deployment, &lines);
        assert_the_table_holds(&deployment);
    }
}

pub(crate) async fn every_deployment(settings: &Settings) -> Vec<Deployment> {
    let mut all = by_cloudformation(settings);
    all.extend(by_terraform(settings).await);
    all.extend(by_cdk(settings));
    all
}

/// Some metrics have data only when something is wrong.
#[tokio::test]
async fn where_missing_data_is_a_breach_a_healthy_api_raises_no_alarm_and_a_silent_one_does() {
    let lines = Lines::new().await;
    let breaching = Settings {
        template: json!({"TreatMissingData": "breaching"}),
        terraform: json!({"treat_missing_data": "breaching"}),
        cdk: json!(["alarms.treatMissingData"]),
    };
    for deployment in every_deployment(&breaching).await {
        World::new(&deployment).stays_healthy(&lines);
        World::new(&deployment).raises("nobody calls", &["faults", "api-5xx", "throttles"]);
    }
}

/// What is proved of the one holds for the other, whose alarms are named after its stack.
#[test]
fn alarms_yaml_has_the_alarms_of_authorizer_yaml() {
    let deployments = by_cloudformation(&by_default());
    let of = |name: &str, api: &str| {
        let deployment =
            deployments.iter().find(|deployment| deployment.name == name && deployment.api == api).unwrap();
        let mut all = alarms(&deployment.made);
        for alarm in &mut all {
            alarm.name = id(alarm).to_owned();
        }
        all
    };
    for api in ["REST", "HTTP"] {
        assert_eq!(of("alarms.yaml", api), of("authorizer.yaml", api));
    }
    let template = cloudformation::template("alarms.yaml");
    let parameters = json!({"ApiType": "REST", "Api": "orders", "Stage": "staging"});
    let further = Made::of_template(&template, "orders-staging", &parameters);
    let ids: BTreeSet<String> = alarms(&further).into_iter().map(|alarm| alarm.name).collect();
    let expected = ["faults", "vault-answer-invalid", "signature-invalid", "algorithm-refused", "api-5xx"];
    assert_eq!(ids, expected.map(|id| format!("orders-staging-{id}")).into());
    assert!(filters(&further).is_empty(), "a line would count twice");
}

#[tokio::test]
async fn every_threshold_can_be_set() {
    let rows = settings::rows("Alarms");
    let rest = beside_parameters("REST");
    for (file, required) in [("authorizer.yaml", by_template(json!({})).1), ("alarms.yaml", rest)] {
        let template = cloudformation::template(file);
        for row in &rows {
            let mut names = settings::names(&row[4]).into_iter();
            let parameter = names.find(|name| name.ends_with("Threshold")).unwrap();
            let made = Made::of_template(&template, FUNCTION, &with(&required, json!({ &parameter: 77 })));
            let alarms = alarms(&made);
            let changed = alarms.iter().filter(|alarm| (alarm.threshold - 77.0).abs() < f64::EPSILON).map(id);
            let changed: Vec<&str> = changed.collect();
            assert_eq!(changed, [row[0].trim_matches('`')], "{file}: {parameter}");
        }
    }
    // Terraform and CDK take all of them in one map.
    let scratch = Scratch::new("alarms-thresholds");
    let cases = json!({"thresholds": ["alarms.thresholds"]});
    let of_cdk = settings::synthesised(&scratch, &cases)["thresholds"].clone();
    let mut thresholds = json!({});
    for (row, value) in rows.iter().zip(71..) {
        let names = row[4].split(", ").map(|name| name.trim_matches('`'));
        thresholds[names.clone().nth(1).unwrap()] = json!(value);
    }
    let module = json!({"thresholds": settings::module(json!({"alarm_thresholds": thresholds}))});
    let of_terraform = Made::of_plan(&settings::planned(&scratch, &module).await, "thresholds");
    let read = |made: &Made| -> BTreeMap<String, f64> {
        alarms(made).iter().map(|alarm| (id(alarm).to_owned(), alarm.threshold)).collect()
    };
    let values = rows.iter().zip(71..);
    let expected =
        values.map(|(row, value)| (row[0].trim_matches('`').to_owned(), f64::from(value))).collect();
    assert_eq!(read(&of_terraform), expected);
    assert_eq!(read(&of_cdk), expected);
}

/// A REST API's alarm on 5xx needs its name; the others do not.
#[test]
fn without_the_apis_name_its_alarm_is_left_out_and_no_other() {
    let (template, parameters) = by_template(json!({"ApiName": "-"}));
    let made = Made::of_template(&template, FUNCTION, &parameters);
    let all = alarms(&made);
    assert_eq!(all.len(), 7);
    assert!(all.iter().all(|alarm| id(alarm) != "api-5xx"));
    assert!(template["Description"].as_str().unwrap().contains("Without ApiName"));
}
