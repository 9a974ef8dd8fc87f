//! A plan in words.
//!
//! Receives a [`Plan`]; produces its text: what is created, changed, removed and in the way, each with its
//! differences, and last the totals.

use super::{
    compare::{Difference, Entry, Fate, Missing, Plan, Step},
    place::Place,
};
use crate::output::{BAD, CAUTION, GOOD, HEADING, plain, styled};

/// All of it, for the Vault that it is about, as the token from `token_place` sees it.
pub(crate) fn of(plan: &Plan, address: &str, namespace: Option<&str>, token_place: &str) -> String {
    let namespace = namespace.map_or_else(String::new, |namespace| format!(", namespace {namespace}"));
    let mut text = format!("{} {address}{namespace}, token from {token_place}\n", styled(HEADING, "Vault"));
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

/// What all steps came to, and which policies are still the user's to write.
pub(crate) fn applied(plan: &Plan) -> String {
    let of = |fate| plan.steps.iter().filter(|step| step.fate() == fate).count();
    let written = counted([
        (of(Fate::Create), "created"),
        (of(Fate::Change), "changed"),
        (of(Fate::TakeOver), "taken over"),
        (of(Fate::Replace), "replaced"),
        (of(Fate::Remove), "removed"),
    ]);
    let policies: Vec<&str> = plan.missing_policies().collect();
    let missing = match policies.as_slice() {
        [] => String::new(),
        [policy] => format!("; 1 policy is still missing: {policy}"),
        _ => format!("; {} policies are still missing: {}", policies.len(), policies.join(", ")),
    };
    format!("{}: {written}{missing}\n", styled(GOOD, "applied"))
}

/// What there is any of, with its number.
fn counted<const N: usize>(of: [(usize, &str); N]) -> String {
    let some = of.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

/// A step by its name: `create token role …`.
pub(crate) fn named(step: &Step) -> String {
    let (Step::Write { place, .. } | Step::Remove(place)) = step;
    format!("{} {place}", word(step.fate()))
}

fn entry(entry: &Entry) -> String {
    let Entry { place, fate, differences } = entry;
    if *fate == Fate::Keep {
        return String::new();
    }
    let lines: String = differences.iter().map(difference).collect();
    let style = match fate {
        Fate::Create => GOOD,
        Fate::Change | Fate::TakeOver | Fate::Replace | Fate::Unneeded | Fate::Keep => CAUTION,
        Fate::Conflict | Fate::Shared | Fate::Others | Fate::LetsIn | Fate::LetsInOthers | Fate::Remove => {
            BAD
        }
    };
    format!("{} {place}{}\n{lines}", styled(style, format_args!("{}:", word(*fate))), note(*fate, place))
}

/// Why it is so, and what to do about it.
fn note(fate: Fate, place: &Place) -> &'static str {
    let is_login = matches!(place, Place::LoginRole { .. });
    match fate {
        Fate::Create | Fate::Change | Fate::Keep => "",
        Fate::TakeOver => ", which was not made for this configuration",
        Fate::Replace => ", which belongs to another configuration: its callers get no more tokens",
        Fate::Conflict if matches!(place, Place::TokenRole(_) | Place::Quota(_)) => {
            ": it was not made for this configuration, so it is left as it is. If another configuration's grant uses it, give this grant its own `token.role`; if nothing does, `--adopt` makes these changes:"
        }
        Fate::Conflict => {
            ": it was not made for this configuration, so it is left as it is; `--adopt` makes these changes:"
        }
        Fate::Shared => {
            ": other logins there rely on it; set `vault.login.server_id` to the same value, or use another mount"
        }
        Fate::Others if is_login => {
            ": another configuration's authorizer logs in with it, and could no longer mint; give this configuration its own login role in `vault.login`. If this configuration replaces that one, `--adopt` makes these changes:"
        }
        Fate::Others => {
            ": it belongs to another configuration, which shares no token role with this one, and whose callers would get no more tokens; give this configuration its own policy with `--policy`. If this configuration replaces that one, `--adopt` makes these changes:"
        }
        Fate::LetsIn => {
            ": a function that you did not name could no longer log in; name all of them, each with its own option. If no function needs it any more, `--remove-principals` makes these changes:"
        }
        Fate::LetsInOthers => {
            ": it was not made for this configuration, and a function that you did not name could no longer log in; give this configuration its own login role in `vault.login`, or name all of them. If no function needs it any more, `--adopt --remove-principals` makes these changes:"
        }
        Fate::Unneeded if is_login => {
            ": the configuration uses another login; once no function uses this one, `--prune` removes it"
        }
        Fate::Unneeded => ": no grant needs it any more; `--prune` removes it",
        Fate::Remove if is_login => ": the configuration uses another login",
        Fate::Remove => ": no grant needs it any more",
    }
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Create => "create",
        Fate::Change => "change",
        Fate::TakeOver => "take over",
        Fate::Keep => "keep",
        Fate::Conflict => "conflict",
        Fate::Others => "another's",
        Fate::Replace => "replace",
        Fate::Shared | Fate::LetsIn | Fate::LetsInOthers => "in use",
        Fate::Unneeded => "not needed",
        Fate::Remove => "remove",
    }
}

fn difference(difference: &Difference) -> String {
    match difference {
        Difference::Field { name, found: Some(found), wanted } => format!("  {name}: {found} -> {wanted}\n"),
        Difference::Field { name, found: None, wanted } => format!("  {name}: {wanted}\n"),
        Difference::LineGone(line) => format!("  {}\n", styled(BAD, format!("- {line}").trim_end())),
        Difference::LineNew(line) => format!("  {}\n", styled(GOOD, format!("+ {line}").trim_end())),
    }
}

fn missing(missing: &Missing) -> String {
    let head = styled(CAUTION, "missing:");
    match missing {
        Missing::Policy { name, grants } => {
            let grants: Vec<String> = grants.iter().map(|grant| format!("`{grant}`")).collect();
            let (word, grants) = (if grants.len() == 1 { "grant" } else { "grants" }, grants.join(", "));
            format!(
                "{head} policy `{name}` of {word} {grants}: write it yourself; until then it allows nothing\n"
            )
        }
        Missing::Mount { mount, method } => {
            let is_plugin = *method == "aws";
            let otherwise =
                if is_plugin { " (OpenBao needs a plugin for it: see docs/openbao-aws-auth.md)" } else { "" };
            format!(
                "{head} auth method at `auth/{0}`: run `vault auth enable -path={0} {method}`, then run this again{otherwise}\n",
                plain(mount)
            )
        }
    }
}

fn summary(plan: &Plan) -> String {
    let sum = counted([
        (plan.count(Fate::Create), "to create"),
        (plan.count(Fate::Change), "to change"),
        (plan.count(Fate::TakeOver), "to take over"),
        (plan.count(Fate::Replace), "to replace"),
        (plan.count(Fate::Remove), "to remove"),
        (plan.obstacles(), "in conflict"),
        (plan.count(Fate::Unneeded), "not needed any more"),
        (plan.count(Fate::Keep), "unchanged"),
        (plan.missing.len(), "missing"),
    ]);
    let (style, word) = if plan.obstacles() > 0 {
        (BAD, "plan")
    } else if plan.is_done() {
        (GOOD, "nothing to do")
    } else {
        (CAUTION, "plan")
    };
    format!("{}: {sum}\n", styled(style, word))
}
