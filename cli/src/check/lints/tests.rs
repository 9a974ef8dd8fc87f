//! Each lint on a document where it fires, and on the nearest document where it is silent.

use std::path::Path;

use authorizer_adapters::jwks::JwksSource;
use authorizer_steps::identity::jwt::KeySet;
use insta::assert_snapshot;
use vault_authorizer::config::Config;

use super::{
    finding::{Finding, Weight},
    lint,
};

/// Nothing to say about.
const GOOD: &str = include_str!("good.yaml");

fn config(document: &str) -> Config {
    Config::parse(document, Path::new("/nowhere")).unwrap_or_else(|error| panic!("{error}\n{document}"))
}

fn shown(Finding { lint, weight, place, risk, instead }: &Finding) -> String {
    format!("  {weight:?}[{lint}] {place}\n    {risk}\n    instead: {instead}\n")
}

/// What the lints say of [`GOOD`] with these changes, each of them for the first place or for every place.
fn told(changes: &[(bool, String)], parts: &str, not_shown: &[&str]) -> String {
    let (first, second) = parts.split_once(" | ").unwrap_or((parts, ""));
    let document = changes.iter().fold(GOOD.to_owned(), |document, (everywhere, change)| {
        let (old, new) = change.split_once("=>").unwrap();
        let old = old.strip_suffix(' ').unwrap().replace("\\n", "\n");
        let new = new.strip_prefix(' ').unwrap_or_default().replace("\\n", "\n");
        assert!(document.contains(&old), "{old}");
        let new = new.replace("$2", second).replace("$1", first);
        if *everywhere { document.replace(&old, &new) } else { document.replacen(&old, &new, 1) }
    });
    let mut found = lint(&config(&document), 20);
    found.retain(|finding| !not_shown.contains(&finding.lint));
    assert!(!format!("{found:?}").contains("OfTheTest"), "{found:?}");
    if found.is_empty() { "  silent\n".to_owned() } else { found.iter().map(shown).collect() }
}

/// The format of the cases stands in their file.
#[test]
fn each_lint_fires_where_its_matter_shows_and_nowhere_else() {
    let mut text = String::new();
    for group in include_str!("cases.txt").split("\n## ").skip(1) {
        let (heading, lines) = group.split_once('\n').unwrap();
        let (mut changes, mut not_shown) = (Vec::new(), Vec::new());
        text += &format!("## {heading}\n");
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let (kind, rest) = line.split_once(' ').unwrap();
            match kind {
                ":" | "::" => changes.push((kind == "::", rest.to_owned())),
                "%" => not_shown.push(rest),
                "-" => {
                    let takes_parts = changes.iter().any(|(_, change)| change.contains("$1"));
                    let own = (!takes_parts).then(|| (false, rest.to_owned()));
                    let changes: Vec<_> = changes.iter().cloned().chain(own).collect();
                    text += &format!("- {rest}\n{}", told(&changes, rest, &not_shown));
                }
                _ => panic!("{line}"),
            }
        }
        text += "\n";
    }
    assert_snapshot!(text);
}

#[test]
fn a_good_document_has_no_finding() {
    assert_eq!(lint(&config(GOOD), 20), []);
}

/// And a name that looks like a path is quoted.
#[test]
fn keys_in_a_file_do_not_rotate() {
    // RFC 8037, appendix A.2.
    let keys = br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    for (name, place) in [("partner", "issuers.partner.jwks"), ("part.ner", "issuers.\"part.ner\".jwks")] {
        let mut config = config(&GOOD.replace("  partner:", &format!("  {name}:")));
        config.issuers[1].1 = JwksSource::File(KeySet::parse(keys).unwrap());
        let found = lint(&config, 20);
        let finding = (found[0].lint, found[0].weight, found[0].place.as_str());
        assert_eq!((found.len(), finding), (1, ("keys-in-file", Weight::Warning, place)));
    }
}

#[test]
fn one_caller_has_at_most_half_of_what_a_grant_has() {
    let found = |limits: &str, instances| {
        let document = GOOD.replacen("stages:", &format!("limits: {{{limits}}}\nstages:"), 1);
        lint(&config(&document), instances)
    };
    assert_eq!(found("", 20), [], "the defaults hold together");
    let one = &found("", 21)[0];
    assert_eq!((one.lint, one.place.as_str()), ("caller-over-grant", "limits.caller_mints_per_second"));
    assert!(
        one.risk.contains("21 instances") && one.risk.contains("105 tokens minted per second"),
        "{}",
        one.risk
    );
    assert!(one.instead.starts_with("`caller_mints_per_second: 4` or less"), "{}", one.instead);

    let all = &found("caller_mints_per_second: 50", 20)[0];
    assert!(all.risk.contains("1000 tokens") && all.risk.contains("leaves nothing"), "{}", all.risk);
    assert_eq!(found("caller_mints_per_second: 50, grant_mints_per_second: 2000", 20), []);
    assert_eq!(found("caller_mints_per_second: 50", 2), []);
    // No limit of a caller's fits, however low.
    assert!(found("caller_mints_per_second: 1", 1000)[0].instead.starts_with("a higher `grant_"));
}

#[test]
fn where_nothing_is_minted_no_limit_is_too_high() {
    let unminted = |line: &str| match line.split_once("token: {") {
        Some((indent, _)) => format!("{indent}mode: none\n"),
        None => format!("{line}\n"),
    };
    let document: String = GOOD.lines().map(unminted).collect();
    assert_eq!(lint(&config(&document), 1000), []);
}
