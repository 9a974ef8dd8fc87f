//! Each number has the same bounds in CloudFormation, Terraform and CDK.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use test_bed::alarms::snake_case;
use test_bed::synthesis::refused_by_rules;
use test_bed::{Emulator, Scratch};

use super::{ROOT, by_template, module, root, synthesised};

/// A number by its name in CDK: what is taken, the first and the last of them, and -1 for some; and what is refused.
type Range = (&'static str, &'static [i64], &'static [i64]);

/// The start waits up to 2 s, and may fall into the first call: a timeout of 2 would end before it. API Gateway waits 10 s.
const RANGES: [Range; 5] = [
    ("reservedConcurrentExecutions", &[-1, 1, 1000], &[-2, 0, 1001]),
    // The template has no such setting.
    (PROVISIONED, &[1, 20], &[-2, 0, 1001]),
    ("timeout", &[3, 9], &[-1, 2, 10]),
    ("memorySize", &[128, 10240], &[127, 10241]),
    // A threshold of an alarm's: the template calls it by its alarm, and Terraform has all of them in one map.
    (FAULTS, &[0, 1000], &[-1]),
];

const PROVISIONED: &str = "provisionedConcurrentExecutions";
const FAULTS: &str = "faults";

/// Every number with its name, and whether it is taken.
fn numbers() -> impl Iterator<Item = (&'static str, i64, bool)> {
    RANGES.into_iter().flat_map(|(name, taken, refused)| {
        let taken = taken.iter().map(move |value| (name, *value, true));
        taken.chain(refused.iter().map(move |value| (name, *value, false)))
    })
}

#[test]
fn a_template_takes_the_same_numbers() {
    for (name, value, taken) in numbers().filter(|(name, ..)| *name != PROVISIONED) {
        let name = if name == FAULTS { "FaultsThreshold".to_owned() } else { pascal_case(name) };
        let (template, parameters) = by_template(json!({ &name: value }));
        let bound = |bound: &str| template["Parameters"][&name][bound].as_i64();
        let within = bound("MinValue").is_some_and(|least| value >= least)
            && bound("MaxValue").is_none_or(|most| value <= most);
        let refused = !within || !refused_by_rules(&template, &parameters).is_empty();
        assert_eq!(refused, !taken, "{name}={value}");
    }
}

fn pascal_case(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}

#[tokio::test]
async fn terraform_takes_the_same_numbers() {
    let scratch = Scratch::new("ranges-terraform");
    let emulator = Emulator::start(&scratch).await;
    let (mut modules, mut wrong) = (json!({}), BTreeSet::new());
    for (name, value, taken) in numbers() {
        let (variable, given) = match name {
            FAULTS => ("alarm_thresholds".to_owned(), json!({ name: value })),
            name => (snake_case(name), json!(value)),
        };
        let name = format!("{variable}_{value}");
        modules[&name] = module(json!({ variable: given }));
        if !taken {
            wrong.insert(name);
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
    for (prop, value, taken) in numbers() {
        let name = format!("{prop}{value}").replace('-', "-minus-");
        cases[&name] = json!([format!("{prop}={value}")]);
        expected.insert(name, (prop, !taken));
    }
    let all = synthesised(&scratch, &cases);
    for (name, (prop, refused)) in expected {
        let reason = all[&name].outputs.get("Refused").map(|reason| reason.as_str().unwrap());
        assert_eq!(reason.is_some(), refused, "{name}: {reason:?}");
        assert!(reason.is_none_or(|reason| reason.contains(&format!("{prop}: must"))), "{name}: {reason:?}");
    }
}
