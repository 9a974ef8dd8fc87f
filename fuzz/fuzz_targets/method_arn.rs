//! A method ARN, and the route of a grant. No caller may turn "exactly this call" into a pattern.
//!
//! The input has two lines: a `methodArn` as API Gateway writes it, and a route.
#![no_main]

use authorizer_steps::event::{MethodArn, Resource, Route};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: assert!(SEEDS.into_iter().all(check), "a target that accepts nothing checks nothing"),
    |input: &str| {
        check(input);
    }
);

/// Whether both lines were accepted.
fn check(input: &str) -> bool {
    let (arn, route) = input.split_once('\n').unwrap_or((input, "* /*"));
    let arn = MethodArn::parse(arn).ok().inspect(|parsed| check_arn(parsed, arn));
    if let Some(arn) = &arn {
        check_own_route(arn);
    }
    let parsed = route.parse::<Route>().inspect(|parsed| check_route(parsed, route, arn.as_ref()));
    arn.is_some() && parsed.is_ok()
}

fn check_arn(arn: &MethodArn, text: &str) {
    assert_eq!(arn.as_str(), text);
    assert_eq!(MethodArn::parse(arn.as_str()).as_ref(), Ok(arn), "one text, one ARN");
    assert!(text.len() <= 512, "a policy could not name it");
    // It is copied into the policy, so all of it must be literal, and not the path alone.
    assert!(!text.contains(['*', '?']) && !text.contains("${"), "a policy would read a pattern");
    assert!(!text.contains(char::is_control));
    let path = arn.path().unwrap_or_default();
    let end = format!(":{}:{}/{}/{}{path}", arn.account(), arn.api_id(), arn.stage(), arn.method());
    assert!(text.starts_with("arn:") && text.ends_with(&end), "no part is lost or moved");
    match arn.path() {
        Some(path) => assert!(path.starts_with('/') && METHODS.contains(&arn.method())),
        None => assert_eq!(arn.method(), "$connect"),
    }
}

/// The route that spells out the very call covers it, and nothing beside or below it.
fn check_own_route(arn: &MethodArn) {
    let Some(path) = arn.path() else {
        let connect: Route = "$connect".parse().expect("a route");
        assert!(connect.covers(arn.method(), &Resource::Connect));
        return;
    };
    let Ok(route) = format!("{} {path}", arn.method()).parse::<Route>() else { return };
    // What looks like a parameter is never matched by a path.
    assert_eq!(route.covers(arn.method(), &Resource::Path(path.to_owned())), !path.contains('{'));
    for other in [format!("{path}x"), format!("{path}/x"), format!("/x{path}"), path.to_uppercase()] {
        assert_eq!(route.covers(arn.method(), &Resource::Template(other.clone())), other == path);
    }
    for other in METHODS.iter().filter(|method| **method != arn.method()) {
        assert!(!route.covers(other, &Resource::Path(path.to_owned())));
    }
}

fn check_route(route: &Route, text: &str, arn: Option<&MethodArn>) {
    assert_eq!(route.to_string(), text, "one route, one text");
    assert_eq!(route.to_string().parse().as_ref(), Ok(route));
    // `* /*` is not it, and neither is anything else but its own name.
    for method in METHODS.iter().chain(&["$connect"]) {
        assert_eq!(route.covers(method, &Resource::Connect), text == "$connect");
    }
    let Some((arn, path)) = arn.and_then(|arn| Some((arn, arn.path()?))) else { return };
    let (template, path) = (Resource::Template(path.to_owned()), Resource::Path(path.to_owned()));
    assert_eq!(route.covers(arn.method(), &template), covers(text, arn.method(), &template));
    assert_eq!(route.covers(arn.method(), &path), covers(text, arn.method(), &path));
}

/// The same decision once more, on the route's text.
fn covers(route: &str, method: &str, resource: &Resource) -> bool {
    let Some((own_method, own)) = route.split_once(' ') else { return false };
    let method_covered = if own_method == "*" { method != "OPTIONS" } else { own_method == method };
    let covered = |text: &str| match own.strip_suffix('*') {
        Some(folder) => format!("{text}/").starts_with(folder),
        None => own == text,
    };
    method_covered
        && match resource {
            Resource::Template(template) => covered(template),
            Resource::Path(path) => covered(path) && !own.contains('{'),
            Resource::Connect => false,
        }
}

const SEEDS: [&str; 2] =
    [include_str!("../seeds/method_arn/rest.txt"), include_str!("../seeds/method_arn/connect.txt")];
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
