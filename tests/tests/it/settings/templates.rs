//! The templates alone: their rules, and that the quickstart has the same settings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use test_bed::configuration::with;
use test_bed::synthesis::refused_by_rules;
use test_bed::{Made, cloudformation, parts};

use super::{FUNCTION, LOG, TRACING, by_template, cases, given, names, tracing_of};
use crate::quickstart;

#[test]
fn traces_are_sent_where_that_is_chosen_and_minus_one_reserves_no_concurrency() {
    let made = |parameters: Value| {
        let (template, parameters) = by_template(parameters);
        Made::of_template(&template, "orders-authorizer", &parameters)
    };
    for (value, expected) in ["Disabled", "PassThrough", "Active"].into_iter().zip(TRACING) {
        assert_eq!(tracing_of(&made(json!({"Tracing": value}))), expected);
    }
    for file in ["authorizer.yaml", "quickstart.yaml"] {
        assert_eq!(cloudformation::template(file)["Parameters"]["Tracing"]["Default"], "Disabled");
    }
    for value in [-1, 20] {
        let made = made(json!({"ReservedConcurrentExecutions": value}));
        let reserved = made.only(FUNCTION.0).get("ReservedConcurrentExecutions");
        assert_eq!(reserved, Some(&json!(value)).filter(|_| value >= 0));
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

/// The quickstart has the same names, and they do the same to both of its functions.
#[test]
fn the_quickstart_has_all_settings_but_those_that_the_page_says_it_has_not() {
    let template = cloudformation::template("quickstart.yaml");
    let page = parts::text("infra/README.md");
    let without = page.split_once("`quickstart.yaml` has the same names, without").unwrap().1;
    let without = names(without.split_once("and the alarms").unwrap().0);
    let required = quickstart::parameters();
    let mut seen = BTreeSet::new();
    for case in cases() {
        let has = |name: &str| template["Parameters"][name].is_object();
        let lacking: BTreeSet<String> =
            case.template.as_object().unwrap().keys().filter(|name| !has(name)).cloned().collect();
        let of_alarms = case.in_template.contains_key("AWS::CloudWatch::Alarm")
            || ["alarms", "missing data", "provisioned concurrency"].contains(&case.setting.as_str());
        if of_alarms {
            continue;
        }
        seen.extend(lacking.iter().cloned());
        if !lacking.is_empty() {
            continue;
        }
        let needs =
            if case.template_needs["Configuration"].is_null() { case.template_needs } else { json!({}) };
        let parameters = with(&with(&required, given(&case.template)), needs);
        assert_eq!(refused_by_rules(&template, &parameters), Vec::<String>::new(), "{}", case.setting);
        let made = Made::of_template(&template, "orders", &parameters);
        // Of the functions, the authorizer alone has a bound, and a role that Vault knows.
        let both =
            !["reserved concurrency; -1 reserves none", "an existing role"].contains(&case.setting.as_str());
        let functions: Vec<_> = made.all(FUNCTION.0).collect();
        assert_eq!(functions.len(), 2);
        for (kind, places) in &case.in_template {
            let all = made.all(kind).filter(|one| both || one["FunctionName"] == "orders-authorizer");
            for ((place, value), one) in all.flat_map(|one| places.iter().map(move |place| (place, one))) {
                assert_eq!(one.pointer(place), Some(value), "{}: {kind}{place}", case.setting);
            }
        }
        for log in made.all(LOG.0) {
            let kept = case.setting == "a log that outlives the stack";
            assert_eq!(log["DeletionPolicy"], if kept { "RetainExceptOnCreate" } else { "Delete" });
        }
    }
    assert_eq!(seen, without);

    let more =
        json!({"VaultCaFile": "/opt/vault-ca.pem", "IssuerCaFile": "/opt/corp-ca.pem", "RustLog": "warn"});
    let parameters = with(&required, more);
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
        let required =
            if file == "authorizer.yaml" { by_template(json!({})).1 } else { quickstart::parameters() };
        let outputs = |role: &str, path: &str| {
            let parameters = with(&required, json!({"Role": role, "RolePath": path}));
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
fn what_means_nothing_is_refused_by_the_templates_rules() {
    for (parameters, reason) in [
        (json!({"SubnetIds": "subnet-0a"}), "SecurityGroupIds is missing"),
        (json!({"SecurityGroupIds": "sg-0a"}), "SubnetIds is missing"),
        (json!({"Ipv6AllowedForDualStack": "yes"}), "SubnetIds is missing"),
        (json!({"SimpleResponses": "yes"}), "SimpleResponses=no"),
        (json!({"AuthorizerConfigFile": "/opt/a.yaml"}), "both given"),
        (json!({"ReservedConcurrentExecutions": 0}), "would reject every call"),
        (
            json!({"Role": "shared", "PermissionsBoundary": "arn:aws:iam::123456789012:policy/boundary"}),
            "PermissionsBoundary",
        ),
    ] {
        let (template, parameters) = by_template(parameters);
        let refused = refused_by_rules(&template, &parameters);
        assert!(refused.len() == 1 && refused[0].contains(reason), "{reason}: {refused:?}");
    }
}
