//! Each number has the same bounds in CloudFormation, Terraform and CDK.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use test_bed::synthesis::refused_by_rules;
use test_bed::{Emulator, Scratch};

use super::{ROOT, by_template, module, root, synthesised};

/// A number that each way to deploy bounds in the same way.
struct Range {
    /// In a template, where it has it; in Terraform; in CDK.
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
    let terraform = root(&scratch, &emulator, &modules).await;
    let ran = terraform.run(ROOT, &["plan", "-input=false", "-no-color", "-json"]).await;
    assert_ne!(ran.code, 0);
    let refused =
        ran.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|line| {
            line["@level"] == "error" && line["diagnostic"]["summary"] == "Invalid value for variable"
        });
    let refused: BTreeSet<String> = refused
        .map(|line| {
            // `on main.tf.json line 1, in module.timeout_2:` and the line's column where the value stands.
            let context = line["diagnostic"]["snippet"]["context"].as_str().unwrap_or_default().to_owned();
            context.trim_start_matches("module.").to_owned()
        })
        .collect();
    assert_eq!(refused, wrong, "{}", ran.all());
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
