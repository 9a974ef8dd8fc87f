//! The part of CloudWatch that our alarms need: lines become metrics, and metrics raise alarms.
//!
//! Alarms and metric filters are read from what a deployment creates, so a changed threshold, window or pattern is
//! judged as on AWS. The rules come from CloudWatch's guides: "Filter pattern syntax", "Embedded metric format" and
//! "Alarm evaluation". An alarm is evaluated each minute, on the periods that end then. Anything that the guides
//! leave open is refused.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde_json::{Value, json};

use crate::Made;

const MINUTE: u64 = 60;

pub type Dimensions = BTreeMap<String, String>;

/// An alarm on the sum of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    pub name: String,
    /// What it says to whoever is woken.
    pub description: String,
    /// The metric's namespace, name and dimensions.
    pub metric: (String, String, Dimensions),
    /// In seconds.
    pub period: u64,
    /// How many periods are looked at.
    pub evaluation_periods: u64,
    /// How many of them must be above the threshold.
    pub datapoints_to_alarm: u64,
    /// A sum above this is too much.
    pub threshold: f64,
    /// `breaching`, `notBreaching`, `ignore` or `missing`.
    pub treat_missing_data: String,
    /// Who hears that it is raised.
    pub actions: Vec<String>,
    /// Who hears that it is over.
    pub ok_actions: Vec<String>,
}

/// Makes a metric of the lines of a log group that match.
#[derive(Debug, Clone)]
pub struct Filter {
    group: String,
    pattern: Pattern,
    namespace: String,
    metric: String,
    value: f64,
}

#[derive(Debug, Clone)]
enum Pattern {
    Regex(Regex),
    /// All these members of a JSON object have these values.
    Members(Vec<(String, String)>),
}

/// What one account and region has measured.
#[derive(Debug, Default)]
pub struct CloudWatch {
    filters: Vec<Filter>,
    points: Vec<(u64, (String, String, Dimensions), f64)>,
}

pub fn alarms(made: &Made) -> Vec<Alarm> {
    made.all("AWS::CloudWatch::Alarm").chain(made.all("aws_cloudwatch_metric_alarm")).map(alarm).collect()
}

fn alarm(made: &Value) -> Alarm {
    let of = |name: &str| either(made, [name, &snake_case(name)]);
    let number = |name: &str| text(of(name)).parse::<u64>().unwrap_or_else(|_| panic!("{name}: {made}"));
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    assert_eq!(*of("Statistic"), "Sum", "{made}");
    assert_eq!(*of("ComparisonOperator"), "GreaterThanThreshold", "{made}");
    let missing = text(of("TreatMissingData"));
    assert!(["breaching", "notBreaching", "ignore", "missing"].contains(&missing.as_str()), "{made}");
    let (period, periods) = (number("Period"), number("EvaluationPeriods"));
    let is_taken = period > 0 && period.is_multiple_of(MINUTE) && period * periods <= 86_400;
    assert!(is_taken, "CloudWatch refuses {made}");
    let all_periods = of("DatapointsToAlarm").is_null();
    let of_template = made["Dimensions"].as_array().into_iter().flatten();
    let of_template = of_template.map(|one| (text(&one["Name"]), text(&one["Value"])));
    let of_plan = made["dimensions"].as_object().into_iter().flatten();
    let dimensions = of_template.chain(of_plan.map(|(name, value)| (name.clone(), text(value)))).collect();
    Alarm {
        name: text(of("AlarmName")),
        description: text(of("AlarmDescription")),
        metric: (text(of("Namespace")), text(of("MetricName")), dimensions),
        period,
        evaluation_periods: periods,
        datapoints_to_alarm: if all_periods { periods } else { number("DatapointsToAlarm") },
        threshold: text(of("Threshold")).parse().expect("a number"),
        treat_missing_data: missing,
        actions: list(of("AlarmActions")),
        ok_actions: list(either(made, ["OKActions", "ok_actions"])),
    }
}

/// What has CloudFormation's name, or Terraform's.
fn either<'v>(resource: &'v Value, names: [&str; 2]) -> &'v Value {
    names.map(|name| &resource[name]).into_iter().find(|value| !value.is_null()).unwrap_or(&Value::Null)
}

pub fn filters(made: &Made) -> Vec<Filter> {
    let all = made.all("AWS::Logs::MetricFilter").chain(made.all("aws_cloudwatch_log_metric_filter"));
    let filters = all.map(|filter| {
        let to = &either(filter, ["MetricTransformations", "metric_transformation"])[0];
        Filter {
            group: text(either(filter, ["LogGroupName", "log_group_name"])),
            pattern: Pattern::parse(&text(either(filter, ["FilterPattern", "pattern"]))),
            namespace: text(either(to, ["MetricNamespace", "namespace"])),
            metric: text(either(to, ["MetricName", "name"])),
            value: text(either(to, ["MetricValue", "value"])).parse().expect("a number"),
        }
    });
    let filters: Vec<Filter> = filters.collect();
    let expressions = filters.iter().filter(|filter| matches!(filter.pattern, Pattern::Regex(_))).count();
    assert!(expressions <= 5, "a log group takes five filters with regular expressions");
    filters
}

impl Pattern {
    fn parse(pattern: &str) -> Self {
        assert!(pattern.len() <= 1024, "CloudWatch takes 1024 characters");
        if let Some(expression) = pattern.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')) {
            // Parentheses, `!` and others are refused; `:` is in the guide's newer editions alone.
            let refused = |character: char| {
                !character.is_ascii_alphanumeric() && !"_#=@/;,-^$?[]{}|\\*+.".contains(character)
            };
            assert!(!expression.contains(refused), "CloudWatch refuses {pattern}");
            return Self::Regex(Regex::new(expression).expect("a regular expression"));
        }
        let conditions = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let conditions = conditions.unwrap_or_else(|| panic!("neither %…% nor {{…}}: {pattern}"));
        let conditions = conditions.split("&&").map(|condition| {
            let (member, value) = condition.split_once('=').expect("an equation");
            let member = member.trim().strip_prefix("$.").expect("a member");
            let value =
                value.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("in quotes");
            assert!(!value.contains('*'), "a wildcard");
            (member.to_owned(), value.to_owned())
        });
        Self::Members(conditions.collect())
    }

    fn matches(&self, line: &str) -> bool {
        match self {
            Self::Regex(expression) => expression.is_match(line),
            Self::Members(members) => {
                let object = serde_json::from_str::<Value>(line).unwrap_or_default();
                members.iter().all(|(member, value)| object[member] == json!(value))
            }
        }
    }
}

impl CloudWatch {
    /// One with these filters.
    pub fn new(filters: Vec<Filter>) -> Self {
        Self { filters, points: Vec::new() }
    }

    /// A line of a log group, at a second: its embedded metrics, and what the filters make of it.
    pub fn log(&mut self, at: u64, group: &str, line: &str) {
        for filter in self.filters.iter().filter(|one| one.group == group && one.pattern.matches(line)) {
            let metric = (filter.namespace.clone(), filter.metric.clone(), Dimensions::new());
            self.points.push((at, metric, filter.value));
        }
        let object = serde_json::from_str::<Value>(line).unwrap_or_default();
        for directive in object["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            for names in directive["Dimensions"].as_array().into_iter().flatten() {
                let names: BTreeSet<String> = names.as_array().into_iter().flatten().map(text).collect();
                let dimensions: Dimensions =
                    names.into_iter().map(|name| (name.clone(), text(&object[&name]))).collect();
                for metric in directive["Metrics"].as_array().into_iter().flatten() {
                    let name = text(&metric["Name"]);
                    if let Some(value) = object[&name].as_f64() {
                        let metric = (text(&directive["Namespace"]), name, dimensions.clone());
                        self.points.push((at, metric, value));
                    }
                }
            }
        }
    }

    /// A metric of AWS's own.
    pub fn metric(&mut self, at: u64, namespace: &str, name: &str, dimensions: &[(&str, &str)], value: f64) {
        let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.points.push((at, (namespace.to_owned(), name.to_owned(), dimensions.collect()), value));
    }

    /// The metrics that have data: namespace, name and names of the dimensions.
    pub fn metrics(&self) -> BTreeSet<(String, String, BTreeSet<String>)> {
        let metrics = self.points.iter().map(|(_, (namespace, name, dimensions), _)| {
            (namespace.clone(), name.clone(), dimensions.keys().cloned().collect())
        });
        metrics.collect()
    }

    /// Whether an alarm is raised at any minute up to that second.
    pub fn raises(&self, alarm: &Alarm, until: u64) -> bool {
        let points: Vec<(u64, f64)> = self
            .points
            .iter()
            .filter(|(_, metric, _)| *metric == alarm.metric)
            .map(|(at, _, value)| (*at, *value))
            .collect();
        let minutes = (1..=until / MINUTE).map(|minute| minute * MINUTE);
        let mut raised = false;
        minutes.into_iter().any(|now| {
            raised = alarm.state(&points, now, raised);
            raised
        })
    }
}

impl Alarm {
    /// Whether it is raised at a minute. `before` is whether it was a minute ago.
    fn state(&self, points: &[(u64, f64)], now: u64, before: bool) -> bool {
        let sums: Vec<Option<f64>> = (0..self.evaluation_periods)
            .filter_map(|back| now.checked_sub(back * self.period))
            .map(|end| sum(points, end.saturating_sub(self.period), end))
            .collect();
        let missing = sums.iter().filter(|sum| sum.is_none()).count();
        if missing == sums.len() && self.treat_missing_data == "ignore" {
            return before;
        }
        let above = sums.iter().flatten().filter(|sum| **sum > self.threshold).count();
        let counted = if self.treat_missing_data == "breaching" { above + missing } else { above };
        counted as u64 >= self.datapoints_to_alarm
    }
}

/// `None` where there is no data.
fn sum(points: &[(u64, f64)], from: u64, to: u64) -> Option<f64> {
    let mut inside =
        points.iter().filter(|(at, _)| from <= *at && *at < to).map(|(_, value)| *value).peekable();
    inside.peek().is_some().then(|| inside.sum())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `DatapointsToAlarm` or `datapointsToAlarm` as Terraform writes it.
pub fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
