//! A plan in words.
//!
//! Receives a [`Plan`]; produces its text: what is made, changed, removed and in the way, each with its differences, and
//! last the sum of it.

use super::{
    compare::{Difference, Entry, Fate, Missing, Plan, Step},
    place::Place,
};
use crate::output::{BAD, CAUTION, GOOD, HEADING, plain, styled};

/// All of it, for the Vault that it is about.
pub(crate) fn of(plan: &Plan, address: &str, namespace: Option<&str>) -> String {
    let namespace = namespace.map_or_else(String::new, |namespace| format!(", namespace {namespace}"));
    let mut text = format!("{} {address}{namespace}\n", styled(HEADING, "Vault"));
    text.extend(plan.entries.iter().map(entry));
    text.extend(plan.missing.iter().map(missing));
    text.extend(plan.login_left_alone.iter().map(|login| {
        format!("{} {login}: `{}` says who may log in\n", styled(HEADING, "left alone:"), login.option)
    }));
    text + &summary(plan)
}

/// One step that was done.
pub(crate) fn done(step: &Step) -> String {
    format!("{} {}\n", styled(GOOD, "done:"), named(step))
}

/// A step by its name: `create token role …`.
pub(crate) fn named(step: &Step) -> String {
    match step {
        Step::Write { place, fate, .. } => format!("{} {place}", word(*fate)),
        Step::Remove(place) => format!("{} {place}", word(Fate::Remove)),
    }
}

fn entry(entry: &Entry) -> String {
    let Entry { place, fate, differences } = entry;
    let (style, note) = match fate {
        Fate::Keep => return String::new(),
        Fate::Create => (GOOD, ""),
        Fate::Change => (CAUTION, ""),
        Fate::TakeOver => (CAUTION, ", which vault-authorizer did not make"),
        Fate::Conflict => {
            (BAD, ": vault-authorizer did not make it, and leaves it as it is; `--adopt` changes it so:")
        }
        Fate::Shared => (
            BAD,
            ": whoever logs in there relies on it; have `vault.login.server_id` say the same, or use another mount",
        ),
        Fate::Others => (
            BAD,
            ": it was made for another configuration, none of whose token roles is in this one, and whose callers would get no tokens any more; name this one's with `--policy`, or take it over with `--adopt`",
        ),
        Fate::Unneeded if matches!(place, Place::LoginRole { .. }) => (
            CAUTION,
            ": the configuration logs in another way; `--prune` removes it, once no function uses it any more",
        ),
        Fate::Unneeded => (CAUTION, ": no grant needs it any more; `--prune` removes it"),
        Fate::Remove if matches!(place, Place::LoginRole { .. }) => {
            (BAD, ": the configuration logs in another way")
        }
        Fate::Remove => (BAD, ": no grant needs it any more"),
    };
    let lines: String = differences.iter().map(difference).collect();
    format!("{} {place}{note}\n{lines}", styled(style, format_args!("{}:", word(*fate))))
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Create => "create",
        Fate::Change => "change",
        Fate::TakeOver => "take over",
        Fate::Keep => "keep",
        Fate::Conflict => "conflict",
        Fate::Shared => "in use",
        Fate::Others => "another's",
        Fate::Unneeded => "not needed",
        Fate::Remove => "remove",
    }
}

fn difference(difference: &Difference) -> String {
    match difference {
        Difference::Field { name, found: Some(found), wanted } => format!("  {name}: {found} -> {wanted}\n"),
        Difference::Field { name, found: None, wanted } => format!("  {name}: {wanted}\n"),
        Difference::LineGone(line) => {
            format!("  {}\n", styled(BAD, format_args!("- {line}").to_string().trim_end()))
        }
        Difference::LineNew(line) => {
            format!("  {}\n", styled(GOOD, format_args!("+ {line}").to_string().trim_end()))
        }
    }
}

fn missing(missing: &Missing) -> String {
    let head = styled(CAUTION, "missing:");
    match missing {
        Missing::Policy { name, grants } => {
            let grants: Vec<String> = grants.iter().map(|grant| format!("`{grant}`")).collect();
            let (word, grants) = (if grants.len() == 1 { "grant" } else { "grants" }, grants.join(", "));
            format!(
                "{head} policy `{name}` of {word} {grants}: yours to write; until then it allows nothing\n"
            )
        }
        Missing::Mount { mount, method } => {
            let otherwise = match *method {
                "aws" => " (OpenBao needs a plugin for it: see docs/openbao-aws-auth.md)",
                _ => "",
            };
            format!(
                "{head} auth method at `auth/{0}`: `vault auth enable -path={0} {method}`, and then again{otherwise}\n",
                plain(mount)
            )
        }
    }
}

fn summary(plan: &Plan) -> String {
    let parts: Vec<String> = [
        (plan.count(Fate::Create), "to create"),
        (plan.count(Fate::Change), "to change"),
        (plan.count(Fate::TakeOver), "to take over"),
        (plan.count(Fate::Remove), "to remove"),
        (plan.obstacles(), "in conflict"),
        (plan.count(Fate::Unneeded), "not needed any more"),
        (plan.count(Fate::Keep), "unchanged"),
        (plan.missing.len(), "missing"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let (style, word) = if plan.obstacles() > 0 {
        (BAD, "plan")
    } else if plan.is_done() {
        (GOOD, "nothing to do")
    } else {
        (CAUTION, "plan")
    };
    format!("{}: {}\n", styled(style, word), parts.join(", "))
}
