//! Compares what a server has with what it must hold, decides who owns what is there, and puts the changes in order.
//!
//! Receives [`Desired`], what was [`Found`], and how much is [`Allowed`]; produces a [`Plan`]. Pure.
//!
//! INVARIANT (only what is ours): nothing is changed or removed that this command did not make, unless `--adopt` says so. A
//! policy of ours has a mark in its first line. The rest has no comments, so the authorizer's own policy lists it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    desired::{Desired, SELF_POLICY, is_marked, manifest},
    login::{LeftAlone, lets_in, logs_in_another},
    object::{Object, texts},
    place::Place,
    setting::Field,
};
use crate::output::plain;

/// What a server has.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The names of all its policies.
    pub(crate) policies: BTreeSet<String>,
    /// What was looked for and is there.
    pub(crate) objects: BTreeMap<Place, Value>,
    /// Auth methods that are not enabled.
    pub(crate) missing_mounts: BTreeSet<String>,
}

/// What may be done beyond changing what is ours.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Allowed {
    /// Take over what another made.
    pub(crate) adopt: bool,
    /// Remove what is ours and no longer needed.
    pub(crate) prune: bool,
    /// Lock out who may log in and was not named.
    pub(crate) remove_principals: bool,
}

/// What there is to do, and all that was looked at.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One for each thing that must be there, and for each that need not any more.
    pub(crate) entries: Vec<Entry>,
    /// What only the user can make.
    pub(crate) missing: Vec<Missing>,
    /// The login, where it is not looked at, since nobody said who may log in.
    pub(crate) login_left_alone: Option<LeftAlone>,
    /// The calls, in an order in which each finds what it needs, and an end half way leaves nothing forgotten.
    pub(crate) steps: Vec<Step>,
}

/// One thing, and what becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it is.
    pub(crate) place: Place,
    /// What becomes of it.
    pub(crate) fate: Fate,
    /// What is, or would be, other than it must be.
    pub(crate) differences: Vec<Difference>,
}

/// What becomes of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is not there.
    Create,
    /// It is ours, and differs.
    Change,
    /// It is another's, and `--adopt` makes it ours.
    TakeOver,
    /// It is as it must be.
    Keep,
    /// It is another's and differs.
    Conflict,
    /// It is shared with others, who rely on what it says. Nothing makes it ours.
    Shared,
    /// It serves another configuration, whose callers would get no tokens any more.
    Others,
    /// The same, with `--adopt`.
    Replace,
    /// It lets in somebody who was not named, and whose function could not log in any more.
    LetsIn,
    /// The same, and it is not ours.
    LetsInOthers,
    /// It is ours, and no grant needs it.
    Unneeded,
    /// The same, with `--prune`.
    Remove,
}

/// One difference.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Of a field.
    Field {
        /// Its name.
        name: &'static str,
        /// What the server has; nothing where the whole thing is not there.
        found: Option<String>,
        /// What it must say.
        wanted: String,
    },
    /// A line that a policy has and should not.
    LineGone(String),
    /// A line that it has not and should.
    LineNew(String),
}

/// What only the user can make.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A policy that grants name.
    Policy {
        /// Its name.
        name: String,
        /// The grants.
        grants: Vec<String>,
    },
    /// An auth method.
    Mount {
        /// Where it must be mounted.
        mount: String,
        /// Its type.
        method: &'static str,
    },
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Writes something that was not there, or differs.
    Write {
        /// What.
        place: Place,
        /// Its content.
        body: Value,
        /// What it is for people: `create`, `change`, `take over`.
        fate: Fate,
    },
    /// Removes something.
    Remove(Place),
}

impl Step {
    /// What it is for people.
    pub(crate) fn fate(&self) -> Fate {
        match self {
            Self::Write { fate, .. } => *fate,
            Self::Remove(_) => Fate::Remove,
        }
    }
}

impl Fate {
    /// Whether it becomes as it must be.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Change | Self::TakeOver | Self::Replace)
    }

    /// Whether it stands in the way of everything: what would be written beside it counts on it.
    pub(crate) fn stops(self) -> bool {
        matches!(self, Self::Conflict | Self::Shared | Self::Others | Self::LetsIn | Self::LetsInOthers)
    }
}

impl Plan {
    /// How many things have this fate.
    pub(crate) fn count(&self, fate: Fate) -> usize {
        self.entries.iter().filter(|entry| entry.fate == fate).count()
    }

    /// How many stand in the way.
    pub(crate) fn obstacles(&self) -> usize {
        self.entries.iter().filter(|entry| entry.fate.stops()).count()
    }

    /// Whether the server is as it must be, as far as this command may say.
    pub(crate) fn is_done(&self) -> bool {
        self.steps.is_empty() && self.obstacles() == 0 && !self.lacks_mount()
    }

    /// The policies that grants name and the server does not have.
    pub(crate) fn missing_policies(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().filter_map(|missing| match missing {
            Missing::Policy { name, .. } => Some(name.as_str()),
            Missing::Mount { .. } => None,
        })
    }

    /// Whether the login cannot be written, since its auth method is not enabled.
    pub(crate) fn lacks_mount(&self) -> bool {
        self.missing.iter().any(|missing| matches!(missing, Missing::Mount { .. }))
    }
}

/// Which places to look at, beside the policies' names: what must be there, and what a manifest lists.
pub(crate) fn places(desired: &Desired, authorizer_policy: Option<&Value>) -> BTreeSet<Place> {
    let wanted = desired.objects.iter().map(|object| object.place.clone());
    let listed = authorizer_policy.map(text).filter(|text| is_marked(text)).map(manifest).unwrap_or_default();
    wanted.chain(listed).filter(|place| !desired.leaves_alone(place)).collect()
}

/// Compares.
pub(crate) fn plan(desired: &Desired, found: &Found, allowed: Allowed) -> Plan {
    let own = &desired.authorizer_policy;
    let own_found = found.objects.get(&own.place()).map(text);
    let listed = own_found.filter(|text| is_marked(text)).map(manifest).unwrap_or_default();

    let there =
        |object: &&Object| object.place.mount().is_none_or(|mount| !found.missing_mounts.contains(mount));
    let compared = |object| (object, compared(object, found, &listed, allowed));
    let objects: Vec<(&Object, Entry)> = desired.objects.iter().filter(there).map(compared).collect();
    let unneeded = unneeded(desired, found, &listed, allowed);

    // The list is written before what it lists, and what is removed leaves it last: an end half way leaves nothing of ours
    // that is not on it.
    let made = made(&objects, &listed, &unneeded, desired);
    let remain = made.iter().filter(|place| !is_removed(place, &unneeded)).cloned().collect();
    let self_place = Place::Policy(SELF_POLICY.to_owned());
    let self_policy = policy(self_place, &desired.self_policy, found, allowed);
    let mut own_policy = policy(own.place(), &own.text(&remain), found, allowed);
    if own_policy.fate == Fate::Change && is_anothers(&listed, desired) {
        own_policy.fate = of_another(allowed);
    }

    let mut steps = Vec::new();
    steps.extend(written(&self_policy, json!({"policy": desired.self_policy})));
    let last = written(&own_policy, json!({"policy": own.text(&remain)}));
    let removes = made != remain;
    if removes && own_found != Some(own.text(&made).as_str()) {
        let body = json!({"policy": own.text(&made)});
        steps.push(Step::Write { place: own.place(), body, fate: Fate::Change });
    }
    let (before, behind) = if removes { (None, last) } else { (last, None) };
    steps.extend(before);
    for (object, entry) in &objects {
        steps.extend(written(entry, object.body(found.objects.get(&object.place))));
    }
    let removed = unneeded.iter().filter(|entry| entry.fate == Fate::Remove);
    // A quota without its role does no harm; a role without its quota is without a limit.
    steps.extend(removed.rev().map(|entry| Step::Remove(entry.place.clone())));
    steps.extend(behind);

    let mut entries = vec![self_policy, own_policy];
    entries.extend(objects.into_iter().map(|(_, entry)| entry));
    entries.extend(unneeded);
    let login_left_alone = desired.login_left_alone.clone();
    Plan { entries, missing: missing(desired, found), login_left_alone, steps }
}

fn text(data: &Value) -> &str {
    data.get("policy").and_then(Value::as_str).unwrap_or_default()
}

fn compared(object: &Object, found: &Found, listed: &BTreeSet<Place>, allowed: Allowed) -> Entry {
    let data = found.objects.get(&object.place);
    let difference = |field: &Field| {
        let (wanted, has) = (field.on(data), field.found(data));
        let found = data.is_some().then(|| has.to_string());
        let differs = found.is_none() || wanted != has;
        differs.then(|| Difference::Field { name: field.name, found, wanted: wanted.to_string() })
    };
    let differences: Vec<Difference> = object.fields.iter().filter_map(difference).collect();
    // INVARIANT (only what is ours): what is not on the list is changed where `--adopt` says so, and nowhere else.
    let ours = listed.contains(&object.place);
    let foreign = !ours || data.is_some_and(|data| is_anothers_login(object, data));
    let fate = match (data, differences.is_empty()) {
        (None, _) => Fate::Create,
        (Some(_), true) if ours || !allowed.adopt || !object.place.is_listed() => Fate::Keep,
        (Some(data), false) if is_shared(object, data) => Fate::Shared,
        // Both options at once: one by one, each would ask for the other.
        (Some(data), false)
            if lets_in_unnamed(object, data) && foreign && !(allowed.adopt && allowed.remove_principals) =>
        {
            Fate::LetsInOthers
        }
        (Some(data), false) if lets_in_unnamed(object, data) && !allowed.remove_principals => Fate::LetsIn,
        (Some(data), false) if is_anothers_login(object, data) => of_another(allowed),
        (Some(_), false) if ours => Fate::Change,
        (Some(_), _) if allowed.adopt => Fate::TakeOver,
        (Some(_), _) => Fate::Conflict,
    };
    Entry { place: object.place.clone(), fate, differences }
}

fn of_another(allowed: Allowed) -> Fate {
    if allowed.adopt { Fate::Replace } else { Fate::Others }
}

/// A server id that is set holds for the whole mount: with another one, whoever logs in with it no longer could.
fn is_shared(object: &Object, data: &Value) -> bool {
    matches!(object.place, Place::AwsClient { .. })
        && object.fields.iter().any(|field| field.found(Some(data)).to_string() != "(none)")
}

/// The login role of another configuration, whose authorizer would get this one's policy.
fn is_anothers_login(object: &Object, data: &Value) -> bool {
    let wanted = object.body(None);
    texts(&wanted, "token_policies").next().is_some_and(|policy| logs_in_another(data, policy))
}

/// Two regions share a login role, and only one of them was named.
fn lets_in_unnamed(object: &Object, data: &Value) -> bool {
    !lets_in(data).is_subset(&lets_in(&object.body(None)))
}

fn policy(place: Place, wanted: &str, found: &Found, allowed: Allowed) -> Entry {
    let has = found.objects.get(&place).map(text);
    // Vault's command line and its interface differ in what they make of the last line's end.
    let same = has.is_some_and(|has| has.trim_end() == wanted.trim_end());
    let differences = if same { Vec::new() } else { lines(has.unwrap_or_default(), wanted) };
    let fate = match has {
        None => Fate::Create,
        Some(_) if same => Fate::Keep,
        Some(has) if is_marked(has) => Fate::Change,
        Some(_) if allowed.adopt => Fate::TakeOver,
        Some(_) => Fate::Conflict,
    };
    Entry { place, fate, differences }
}

/// A list of token roles of which this configuration has not one: two configurations share a policy's name.
fn is_anothers(listed: &BTreeSet<Place>, desired: &Desired) -> bool {
    let is_role = |place: &&Place| matches!(place, Place::TokenRole(_));
    let wanted: BTreeSet<&Place> = desired.objects.iter().map(|object| &object.place).collect();
    let mut roles = listed.iter().filter(is_role).peekable();
    roles.peek().is_some() && roles.all(|role| !wanted.contains(role))
}

/// What is listed, is there, and is not wanted. Looked at and not guessed: what is gone needs no removal.
fn unneeded(desired: &Desired, found: &Found, listed: &BTreeSet<Place>, allowed: Allowed) -> Vec<Entry> {
    let wanted: BTreeSet<&Place> = desired.objects.iter().map(|object| &object.place).collect();
    let fate = if allowed.prune { Fate::Remove } else { Fate::Unneeded };
    listed
        .iter()
        .filter(|place| !wanted.contains(place) && !desired.leaves_alone(place))
        .filter(|place| found.objects.contains_key(place))
        .map(|place| Entry { place: place.clone(), fate, differences: Vec::new() })
        .collect()
}

/// What was made, is about to be, or is taken over: all that the manifest lists before anything is removed.
fn made(
    objects: &[(&Object, Entry)],
    listed: &BTreeSet<Place>,
    unneeded: &[Entry],
    desired: &Desired,
) -> BTreeSet<Place> {
    let ours = |entry: &&Entry| {
        (entry.fate.writes() && entry.place.is_listed())
            || (entry.fate == Fate::Keep && listed.contains(&entry.place))
    };
    let wanted = objects.iter().map(|(_, entry)| entry).filter(ours).map(|entry| &entry.place);
    let alone = listed.iter().filter(|place| desired.leaves_alone(place));
    wanted.chain(alone).chain(unneeded.iter().map(|entry| &entry.place)).cloned().collect()
}

fn is_removed(place: &Place, unneeded: &[Entry]) -> bool {
    unneeded.iter().any(|entry| entry.fate == Fate::Remove && &entry.place == place)
}

fn written(entry: &Entry, body: Value) -> Option<Step> {
    // Of what is taken over and does not differ, to be on the list is all.
    let writes = entry.fate.writes() && (entry.fate != Fate::TakeOver || !entry.differences.is_empty());
    writes.then(|| Step::Write { place: entry.place.clone(), body, fate: entry.fate })
}

fn missing(desired: &Desired, found: &Found) -> Vec<Missing> {
    let policies = desired
        .named_policies
        .iter()
        .filter(|(name, _)| !found.policies.contains(*name))
        .map(|(name, grants)| Missing::Policy { name: name.clone(), grants: grants.clone() });
    // That of an earlier login may be gone.
    let mount = desired.login_mount().filter(|(mount, _)| found.missing_mounts.contains(*mount));
    policies.chain(mount.map(|(mount, method)| Missing::Mount { mount: mount.to_owned(), method })).collect()
}

/// A policy longer than this was not written by hand, and not by this command: its lines are counted, and not compared.
const MAX_LINES: usize = 4000;

/// The lines that are on one side only, in order: what is left beside a longest common part.
fn lines(found: &str, wanted: &str) -> Vec<Difference> {
    let (old, new): (Vec<&str>, Vec<&str>) = (found.lines().collect(), wanted.lines().collect());
    if old.len().max(new.len()) > MAX_LINES {
        let (found, wanted) = (Some(format!("{} lines", old.len())), format!("{} lines", new.len()));
        return vec![Difference::Field { name: "policy", found, wanted }];
    }
    // common[i][j]: how long the longest common part of old[i..] and new[j..] is.
    let mut common: Vec<Vec<u16>> = vec![vec![0; new.len() + 1]];
    for line in old.iter().rev() {
        let below = common.last().cloned().unwrap_or_default();
        let mut row = vec![0];
        for (other, pair) in new.iter().rev().zip(below.windows(2).rev()) {
            let (diagonal, down) = (pair.last().copied().unwrap_or(0), pair.first().copied().unwrap_or(0));
            let right = row.last().copied().unwrap_or(0);
            row.push(if line == other { diagonal + 1 } else { down.max(right) });
        }
        row.reverse();
        common.push(row);
    }
    common.reverse();
    let length = |i: usize, j: usize| common.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
    let (mut i, mut j, mut differences) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (None, None) => return differences,
            (Some(kept), Some(same)) if kept == same => (i, j) = (i + 1, j + 1),
            (Some(line), other) if other.is_none() || length(i + 1, j) >= length(i, j + 1) => {
                differences.push(Difference::LineGone(plain(line)));
                i += 1;
            }
            (_, line) => {
                differences.extend(line.map(|line| Difference::LineNew(plain(line))));
                j += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
