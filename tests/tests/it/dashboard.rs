//! The dashboard: each way to deploy creates the one of `infra/dashboard.json`, which asks only for metrics and log
//! fields that exist.
//!
//! CloudWatch shows an empty graph for a metric that nobody emits. So each query is read here and compared with what
//! the release binary writes, and for AWS's own with what its guides list.

use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::{Value, json};
use test_bed::alarms::CloudWatch;
use test_bed::synthesis::refused_by_rules;
use test_bed::{Made, REGION, cloudformation, parts};

use crate::alarms::{FUNCTION, Lines, Settings, every_deployment};
use crate::settings::by_template;

/// The body for a function in the bed's region.
pub(crate) fn body(function: &str) -> Value {
    let text = parts::text("infra/dashboard.json");
    let text = text.replace("${region}", REGION).replace("${function}", function);
    serde_json::from_str(&text).unwrap()
}

/// The names and bodies of the dashboards that a deployment creates.
pub(crate) fn dashboards(made: &Made) -> Vec<(String, Value)> {
    let of_template =
        made.all("AWS::CloudWatch::Dashboard").map(|one| (one, "DashboardName", "DashboardBody"));
    let of_plan = made.all("aws_cloudwatch_dashboard").map(|one| (one, "dashboard_name", "dashboard_body"));
    let text =
        |one: &Value, property: &str| one[property].as_str().unwrap_or_else(|| panic!("{one}")).to_owned();
    let all = of_template.chain(of_plan);
    all.map(|(one, name, body)| (text(one, name), serde_json::from_str(&text(one, body)).unwrap())).collect()
}

#[tokio::test]
async fn every_way_to_deploy_creates_the_same_dashboard() {
    let wanted = Settings {
        template: json!({"Dashboard": "yes"}),
        terraform: json!({"dashboard": true}),
        cdk: json!(["dashboard"]),
    };
    for deployment in every_deployment(&wanted).await {
        let expected = (format!("{FUNCTION}-{REGION}"), body(FUNCTION));
        assert_eq!(dashboards(&deployment.made), [expected], "{} {}", deployment.name, deployment.api);
    }
    // `settings` asserts that the other deployments have none by default.
    let beside = cloudformation::template("alarms.yaml");
    let mut parameters = json!({"ApiType": "REST", "Api": "orders", "Stage": "prod"});
    assert_eq!(dashboards(&Made::of_template(&beside, FUNCTION, &parameters)), []);
    parameters["Dashboard"] = json!("yes");
    assert_eq!(refused_by_rules(&beside, &parameters), ["FunctionName is missing, which Dashboard needs"]);
}

#[tokio::test]
async fn the_dashboard_asks_only_for_what_is_emitted() {
    let emitted = Emitted::by_the_function().await;
    let (mut metrics, mut queries) = (0, 0);
    for widget in body(FUNCTION)["widgets"].as_array().unwrap() {
        let properties = &widget["properties"];
        if widget["type"] == "text" {
            continue;
        }
        assert_eq!(properties["region"], REGION, "{widget}");
        if widget["type"] == "log" {
            emitted.assert_query(properties["query"].as_str().unwrap());
            queries += 1;
            continue;
        }
        assert_eq!(widget["type"], "metric", "{widget}");
        for metric in properties["metrics"].as_array().unwrap() {
            match metric[0]["expression"].as_str() {
                Some(search) => emitted.assert_search(search),
                None => assert_is_of_lambda(metric),
            }
            metrics += 1;
        }
    }
    assert!(metrics > 0 && queries > 0, "{metrics} {queries}");
}

/// AWS Lambda developer guide, "Types of metrics for Lambda functions": some that it has by the function's name, and the
/// statistic to view each with.
const OF_LAMBDA: [(&str, &str); 4] =
    [("Invocations", "Sum"), ("Errors", "Sum"), ("Throttles", "Sum"), ("ConcurrentExecutions", "Maximum")];

fn assert_is_of_lambda(metric: &Value) {
    let known = OF_LAMBDA
        .map(|(name, statistic)| json!(["AWS/Lambda", name, "FunctionName", FUNCTION, {"stat": statistic}]));
    assert!(known.contains(metric), "{metric}");
}

/// What can be asked for.
struct Emitted {
    /// Namespace, name and names of the dimensions.
    metrics: BTreeSet<(String, String, BTreeSet<String>)>,
    /// One for each kind of decision.
    lines: Vec<Value>,
    log_group: String,
}

impl Emitted {
    async fn by_the_function() -> Self {
        let lines: Vec<String> = Lines::new().await.by_code.into_values().collect();
        let mut cloudwatch = CloudWatch::default();
        for line in &lines {
            cloudwatch.log(0, "", line);
        }
        let (template, parameters) = by_template(json!({}));
        let made = Made::of_template(&template, FUNCTION, &parameters);
        Self {
            metrics: cloudwatch.metrics(),
            lines: lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect(),
            log_group: made.only("AWS::Logs::LogGroup")["LogGroupName"].as_str().unwrap().to_owned(),
        }
    }

    /// Amazon CloudWatch user guide, "CloudWatch search expression syntax": the schema has exactly a metric's dimensions, and
    /// a quoted value must match exactly.
    fn assert_search(&self, expression: &str) {
        let form = r#"^SEARCH\('\{(\w+),([\w,]+)\} MetricName="(\w+)"(?: Code=\((.+)\))?', '(\w+)'\)$"#;
        let parts = Regex::new(form).unwrap().captures(expression).unwrap_or_else(|| panic!("{expression}"));
        let dimensions: BTreeSet<String> = parts[2].split(',').map(str::to_owned).collect();
        let by_code = dimensions.contains("Code");
        let metric = (parts[1].to_owned(), parts[3].to_owned(), dimensions);
        assert!(self.metrics.contains(&metric), "{expression}: only {:?}", self.metrics);
        assert!(["Sum", "SampleCount", "p50", "p99"].contains(&&parts[5]), "{expression}");
        if let Some(codes) = parts.get(4) {
            assert!(by_code, "{expression}");
            let codes: BTreeSet<String> = codes.as_str().split(" OR ").map(str::to_owned).collect();
            let all = codes_of_vault().into_iter().map(|code| format!("\"{code}\"")).collect();
            assert_eq!(codes, all, "{expression}");
        }
    }

    /// A query of CloudWatch Logs Insights.
    fn assert_query(&self, query: &str) {
        let mut commands = query.split(" | ");
        assert_eq!(commands.next().unwrap(), format!("SOURCE '{}'", self.log_group));
        let mut results = BTreeSet::new();
        for command in commands {
            let (name, arguments) = command.split_once(' ').unwrap();
            match name {
                "filter" => self.assert_condition(arguments),
                "stats" => results = self.results(arguments),
                "sort" => assert!(results.contains(arguments.trim_end_matches(" desc")), "{query}"),
                _ => panic!("{query}"),
            }
        }
        assert!(!results.is_empty(), "{query}");
    }

    fn assert_condition(&self, condition: &str) {
        if let Some((field, value)) = condition.split_once(" = ") {
            let value = json!(value.trim_matches('"'));
            assert!(self.lines.iter().any(|line| line[field] == value), "no line has {condition}");
            return;
        }
        let field = condition.strip_prefix("ispresent(").and_then(|rest| rest.strip_suffix(')'));
        self.assert_field(field.unwrap_or_else(|| panic!("{condition}")));
    }

    /// What `stats` answers with: the names of its values, and what they are grouped by.
    fn results(&self, arguments: &str) -> BTreeSet<String> {
        let (values, groups) = arguments.split_once(" by ").unwrap_or_else(|| panic!("{arguments}"));
        let form = Regex::new(r"(?:count\(\*\)|latest\((\S+)\)|pct\((\S+), \d+\)) as (\w+)(?:, )?").unwrap();
        let mut results = BTreeSet::new();
        for value in form.captures_iter(values) {
            for field in [value.get(1), value.get(2)].into_iter().flatten() {
                self.assert_field(field.as_str());
            }
            results.insert(value[3].to_owned());
        }
        assert_eq!(form.replace_all(values, ""), "", "{arguments}");
        for group in groups.split(", ").filter(|group| *group != "bin(5m)") {
            self.assert_field(group);
            assert!(results.insert(group.to_owned()), "{arguments}");
        }
        results
    }

    /// A field of the decision's line, or of Lambda's own lines as the Amazon CloudWatch Logs user guide lists it, "Supported
    /// logs and discovered fields".
    fn assert_field(&self, field: &str) {
        let is_ours = self.lines.iter().any(|line| line.get(field).is_some());
        assert!(is_ours || field == "@initDuration", "no line has {field}");
    }
}

/// The page has every code: `authorizer/tests/it/documents.rs`.
fn codes_of_vault() -> BTreeSet<String> {
    let page = parts::text("docs/operations.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    // A row of the runbook may name several.
    let names = rows.map(|(name, _)| name.to_owned()).filter(|name| !name.contains('`'));
    names.filter(|name| name.strip_prefix("vault_").is_some_and(|rest| rest != "…")).collect()
}
