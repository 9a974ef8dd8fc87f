//! Whole plans against servers that are written down here. The end-to-end tests show what a real server makes of
//! them.

use std::path::Path;

use insta::assert_snapshot;
use vault_authorizer::config::Config;

use super::*;
use crate::vault::{
    desired::{Choices, MARK, desired},
    login::Trusted,
    text,
};

const ARN: &str = "arn:aws:iam::123456789012:role/service/api-authorizer";

fn configuration(grants: &str) -> Config {
    let document = format!(
        r#"
vault: {{address: "https://vault.example.com:8200", login: {{method: aws, role: api-authorizer, server_id: vault.example.com}}}}
issuers: {{corp: {{kind: jwt, issuer: "https://login.example.com/", audiences: [a], algorithms: [RS256], jwks: discovery}}}}
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
{grants}"#
    );
    Config::parse(&document, Path::new(".")).unwrap()
}

const READER: &str = "      - {name: orders-reader, routes: [\"GET /orders\"], caller: {issuer: corp, any: true}, \
    token: {role: orders-prod-reader, policies: [orders-read], ttl: 2m, wrap_ttl: 30s}}\n";
const TENANTS: &str = "      - {name: tenants, routes: [\"GET /tenants\"], caller: {issuer: corp, any: true}, \
    token: {role: tenant, policies: [tenant-read, orders-read], ttl: 45s, wrap_ttl: 20s, entity_alias: {claim: tenant}}}\n";

fn choices(namespace: Option<&str>, principal: Option<&str>) -> Choices {
    Choices {
        policy: "vault-authorizer".parse().unwrap(),
        trusted: principal.map(|arns| {
            let arns = arns.split(' ').map(|arn| sts_identity::PrincipalArn::parse(arn).unwrap());
            Trusted::AwsPrincipals(arns.collect())
        }),
        namespace: namespace.map(|name| vault_api::Namespace::parse(name).unwrap()),
        quotas: true,
    }
}

fn wanted(grants: &str, namespace: Option<&str>, principal: Option<&str>) -> Desired {
    desired(&configuration(grants), &choices(namespace, principal)).unwrap()
}

fn both() -> Desired {
    wanted(&format!("{READER}{TENANTS}"), None, None)
}

/// A server after the steps of a plan, as Vault merges them.
fn after(mut found: Found, steps: &[Step]) -> Found {
    for step in steps {
        match step {
            Step::Write { place, body, .. } => {
                if let Place::Policy(name) = place {
                    found.policies.insert(name.clone());
                }
                let seconds =
                    |value: &Value| Some(value.as_str()?.strip_suffix('s')?.parse::<u64>().ok()?.into());
                let data = found.objects.entry(place.clone()).or_insert_with(|| json!({}));
                for (name, value) in body.as_object().unwrap() {
                    data[name] = seconds(value).unwrap_or_else(|| value.clone());
                }
            }
            Step::Remove(place) => drop(found.objects.remove(place)),
        }
    }
    found
}

fn applied(desired: &Desired) -> Found {
    after(Found::default(), &plan(desired, &Found::default(), Allowed::default()).steps)
}

fn role(name: &str) -> Place {
    Place::TokenRole(name.to_owned())
}

fn words(plan: &Plan) -> String {
    let text = text::of(plan, "https://vault.example.com:8200", Some("platform"), "~/.vault-token");
    anstream::adapter::strip_str(&text).to_string()
}

#[test]
fn a_plan_for_a_server_that_has_some_of_it() {
    let mut found = applied(&both());
    found.objects.get_mut(&role("orders-prod-reader")).unwrap()["token_explicit_max_ttl"] = json!(900);
    found.objects.get_mut(&role("orders-prod-reader")).unwrap()["path_suffix"] = json!("v07");
    found.policies.insert("orders-read".to_owned());
    let theirs =
        json!({"policy": "path \"auth/token/revoke-self\" {\n  capabilities = [\"update\", \"sudo\"]\n}\n"});
    found.objects.insert(Place::Policy(SELF_POLICY.to_owned()), theirs);
    let desired = wanted(READER, None, None);
    assert_snapshot!(words(&plan(&desired, &found, Allowed::default())));
    assert_snapshot!(words(&plan(
        &desired,
        &found,
        Allowed { adopt: true, prune: true, remove_principals: true }
    )));
}

/// It had no `lookup-self`, and was written by this command: no conflict, and no `--adopt` is needed.
#[test]
fn the_self_policy_of_an_earlier_version_is_changed() {
    let mut found = applied(&both());
    let earlier = json!({"policy": "# Managed by vault-authorizer: `vault apply` overwrites what is written here by hand.\n\
        # Every token role carries it: without the default policy, a token could not revoke itself.\n\
        path \"auth/token/revoke-self\" {\n  capabilities = [\"update\"]\n}\n"});
    found.objects.insert(Place::Policy(SELF_POLICY.to_owned()), earlier);
    let changed = words(&plan(&both(), &found, Allowed::default()));
    let of_policy = changed.split_once("change: policy `vault-authorizer-self`\n").unwrap().1;
    let of_policy: Vec<_> = of_policy.lines().take_while(|line| line.starts_with("  ")).collect();
    assert_eq!(
        of_policy,
        [
            "  - # Every token role carries it: without the default policy, a token could not revoke itself.",
            "  + # Every token role carries it: without the default policy, a token could neither revoke itself nor look itself up.",
            "  + path \"auth/token/lookup-self\" {",
            "  +   capabilities = [\"read\"]",
            "  + }",
            "  +",
        ]
    );
    assert!(changed.contains("\nplan: 1 to change"), "{changed}");
}

#[test]
fn the_authorizers_policy_of_a_namespace() {
    let desired = wanted(TENANTS, Some("platform/team1"), Some(ARN));
    let places: BTreeSet<Place> = desired.objects.iter().map(|object| object.place.clone()).collect();
    let listed = places.into_iter().filter(Place::is_listed).collect();
    assert_snapshot!(desired.authorizer_policy.text(&listed));
}

#[test]
fn what_was_applied_is_done_for_each_kind_of_login() {
    for desired in [both(), wanted(READER, Some("platform"), Some(ARN)), wanted(TENANTS, None, Some(ARN))] {
        let again =
            plan(&desired, &applied(&desired), Allowed { adopt: true, prune: true, remove_principals: true });
        assert!(again.is_done(), "{:?}", again.steps);
    }
}

/// However an apply ends half way, the next one finishes it, and forgets nothing that was made.
#[test]
fn an_end_half_way_is_made_good_by_the_next_time() {
    let one = wanted(READER, None, Some(ARN));
    let target = applied(&one);
    let others = applied(&wanted(TENANTS, None, Some(ARN)));
    for (start, adopt) in [(Found::default(), false), (applied(&both()), false), (others, true)] {
        let allowed = Allowed { prune: true, adopt, ..Allowed::default() };
        let start_plan = plan(&one, &start, allowed);
        for done in 0..=start_plan.steps.len() {
            let start = Found {
                objects: start.objects.clone(),
                policies: start.policies.clone(),
                ..Found::default()
            };
            let half = after(start, &start_plan.steps[..done]);
            let rest = plan(&one, &half, allowed);
            assert_eq!(rest.obstacles(), 0, "after {done} steps");
            let whole = after(half, &rest.steps);
            assert_eq!(whole.objects, target.objects, "after {done} steps");
        }
    }
}

#[test]
fn rejects_changing_what_another_made() {
    let desired = both();
    let mut found = applied(&desired);
    let own = desired.authorizer_policy.place();
    // Somebody has written the policy anew: nothing says any more that the role is ours.
    found.objects.insert(own.clone(), json!({"policy": "path \"a\" { capabilities = [\"read\"] }"}));
    found.objects.get_mut(&role("tenant")).unwrap()["orphan"] = json!(false);
    let careful = plan(&desired, &found, Allowed::default());
    assert_eq!((careful.count(Fate::Conflict), careful.obstacles(), careful.is_done()), (2, 2, false));
    let adopting = plan(&desired, &found, Allowed { adopt: true, ..Allowed::default() });
    assert_eq!((adopting.obstacles(), adopting.count(Fate::TakeOver)), (0, 5));
    let adopted = after(found, &adopting.steps);
    assert!(plan(&desired, &adopted, Allowed::default()).is_done());
    let text = adopted.objects[&own]["policy"].as_str().unwrap().to_owned();
    assert!(text.starts_with(MARK));
    assert_eq!(manifest(&text).len(), 4);
}

/// Two teams, one Vault, and the same policy's name: the second apply would end the first team's tokens.
#[test]
fn rejects_taking_the_policy_of_another_configuration() {
    let found = applied(&wanted(TENANTS, None, None));
    let desired = wanted(READER, None, None);
    let prune = Allowed { prune: true, ..Allowed::default() };
    let careful = plan(&desired, &found, prune);
    assert_eq!((careful.count(Fate::Others), careful.obstacles()), (1, 1));
    assert!(words(&careful).contains(
        "another's: policy `vault-authorizer`: it belongs to another configuration, which shares no token role"
    ));
    let adopting = plan(&desired, &found, Allowed { adopt: true, ..prune });
    assert_eq!(
        (adopting.obstacles(), adopting.count(Fate::Replace), adopting.count(Fate::Remove)),
        (0, 1, 2)
    );
    assert!(
        words(&adopting)
            .contains("replace: policy `vault-authorizer`, which belongs to another configuration")
    );
    // A configuration that has grown, or shrunk, is still the same.
    assert_eq!(plan(&both(), &found, prune).obstacles(), 0);
    assert_eq!(plan(&desired, &applied(&both()), prune).obstacles(), 0);
}

/// Two regions with one login role: who applies for the second alone would lock the first one's function out.
#[test]
fn rejects_forgetting_a_principal_that_logs_in() {
    let other = "arn:aws:iam::123456789012:role/api-authorizer-us-east-1";
    let both = wanted(READER, None, Some(&format!("{ARN} {other}")));
    let found = applied(&both);
    assert!(plan(&both, &found, Allowed::default()).is_done());
    let one = wanted(READER, None, Some(other));
    for adopt in [false, true] {
        let careful = plan(&one, &found, Allowed { adopt, prune: true, ..Allowed::default() });
        assert_eq!((careful.count(Fate::LetsIn), careful.obstacles()), (1, 1));
        assert!(
            words(&careful).contains(
                "in use: login role `api-authorizer` of `auth/aws`: a function that you did not name"
            )
        );
    }
    let alone = Allowed { remove_principals: true, ..Allowed::default() };
    let removing = plan(&one, &found, alone);
    assert_eq!(after(found, &removing.steps).objects, applied(&one).objects);
    // One that is not ours takes two options, which each of them alone says at once; so does another configuration's.
    let role = Place::LoginRole { mount: "aws".to_owned(), role: "api-authorizer".to_owned() };
    let mut by_hand = Found::default();
    by_hand.objects.insert(role.clone(), applied(&both).objects[&role].clone());
    let mut theirs = applied(&both);
    theirs.objects.get_mut(&role).unwrap()["token_policies"] = json!(["vault-authorizer", "theirs"]);
    for found in [by_hand, theirs] {
        let adopting = Allowed { adopt: true, ..Allowed::default() };
        for allowed in [Allowed::default(), alone, adopting] {
            let careful = plan(&one, &found, allowed);
            assert_eq!(careful.count(Fate::LetsInOthers), 1);
            assert!(words(&careful).contains("`--adopt --remove-principals` makes these changes:"));
        }
        assert_eq!(plan(&one, &found, Allowed { adopt: true, ..alone }).obstacles(), 0);
        assert_eq!(plan(&both, &found, alone).count(Fate::LetsInOthers), 0);
    }
    // One more, and a role that somebody opened to many, are changed as ever.
    assert_eq!(plan(&both, &applied(&one), Allowed::default()).obstacles(), 0);
    let mut open = applied(&one);
    open.objects.get_mut(&role).unwrap()["bound_iam_principal_arn"] =
        json!(["arn:aws:iam::123456789012:role/*"]);
    assert_eq!(plan(&one, &open, Allowed::default()).count(Fate::Change), 1);
}

/// The same login role in two configurations with a policy each: the first one's authorizer would get the second one's policy.
#[test]
fn rejects_taking_the_login_role_of_another_configuration() {
    let found = applied(&wanted(TENANTS, None, Some(ARN)));
    let second = Choices { policy: "orders-prod".parse().unwrap(), ..choices(None, Some(ARN)) };
    let second = desired(&configuration(READER), &second).unwrap();
    let careful = plan(&second, &found, Allowed { prune: true, ..Allowed::default() });
    assert_eq!((careful.count(Fate::Others), careful.obstacles()), (1, 1));
    assert!(words(&careful).contains(
        "another's: login role `api-authorizer` of `auth/aws`: another configuration's authorizer logs in with it"
    ));
    let adopting = plan(&second, &found, Allowed { adopt: true, ..Allowed::default() });
    assert_eq!((adopting.obstacles(), adopting.count(Fate::Replace)), (0, 1));
    let adopted = after(found, &adopting.steps);
    assert!(plan(&second, &adopted, Allowed::default()).is_done());
    // The first one hears of it, too.
    assert_eq!(plan(&wanted(TENANTS, None, Some(ARN)), &adopted, Allowed::default()).count(Fate::Others), 1);
}

#[test]
fn rejects_touching_any_quota_where_quotas_are_left_alone() {
    let found = applied(&both());
    let choices = Choices { quotas: false, ..choices(None, None) };
    let desired = desired(&configuration(READER), &choices).unwrap();
    let own = found.objects.get(&desired.authorizer_policy.place());
    assert!(
        places(&desired, own).iter().all(|place| !matches!(place, Place::Quota(_))),
        "not even looked at"
    );
    let pruning = plan(&desired, &found, Allowed { prune: true, ..Allowed::default() });
    assert_eq!(pruning.count(Fate::Remove), 1, "the token role");
    let after = after(found, &pruning.steps);
    let quota = Place::quota(None, "tenant");
    assert!(after.objects.contains_key(&quota));
    let text = after.objects[&desired.authorizer_policy.place()]["policy"].as_str().unwrap();
    assert!(manifest(text).contains(&quota), "it is still known to be ours");
}

#[test]
fn a_login_that_cannot_be_written_is_not_done() {
    let desired = wanted(READER, None, Some(ARN));
    let mut found = applied(&desired);
    assert!(plan(&desired, &found, Allowed::default()).is_done());
    found.objects.retain(|place, _| place.mount().is_none());
    found.missing_mounts.insert("aws".to_owned());
    found.missing_mounts.insert("of-an-earlier-login".to_owned());
    let plan = plan(&desired, &found, Allowed::default());
    assert!(plan.lacks_mount() && !plan.is_done());
    let missing = plan.missing.iter().filter(|missing| matches!(missing, Missing::Mount { .. }));
    assert_eq!(missing.collect::<Vec<_>>(), [&Missing::Mount { mount: "aws".to_owned(), method: "aws" }]);
}

#[test]
fn rejects_another_server_id_even_when_adopting() {
    let desired = wanted(READER, None, Some(ARN));
    let mut found = applied(&desired);
    let client = Place::AwsClient { mount: "aws".to_owned() };
    found.objects.insert(client.clone(), json!({"iam_server_id_header_value": "others.example.com"}));
    let adopting = Allowed { adopt: true, ..Allowed::default() };
    assert_eq!(plan(&desired, &found, adopting).count(Fate::Shared), 1);
    found.objects.insert(client, json!({"iam_server_id_header_value": ""}));
    assert_eq!(plan(&desired, &found, Allowed::default()).count(Fate::Conflict), 1);
    assert_eq!(plan(&desired, &found, adopting).obstacles(), 0);
}

#[test]
fn lines_that_differ_are_told_in_order() {
    let told = |found: &str, wanted: &str| {
        let told = lines(found, wanted).into_iter().map(|difference| match difference {
            Difference::LineGone(line) => format!("-{line}"),
            Difference::LineNew(line) => format!("+{line}"),
            Difference::Field { found, wanted, .. } => format!("{found:?} {wanted}"),
        });
        told.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told("a\nb\nc", "a\nb\nc"), "");
    assert_eq!(told("", "a\nb"), "+a +b");
    assert_eq!(told("a\nb", ""), "-a -b");
    assert_eq!(told("a\nb\nc\nd", "a\nx\nc\ny\nd"), "-b +x +y");
    assert_eq!(told("x\na\nb", "a\nb\nx"), "-x +x");
    assert_eq!(told("a\u{1b}[2J", "a"), "-a\\u{1b}[2J +a", "a terminal obeys whoever wrote to it");
    assert_eq!(told(&"a\n".repeat(MAX_LINES + 1), "a"), "Some(\"4001 lines\") 1 lines");
}
