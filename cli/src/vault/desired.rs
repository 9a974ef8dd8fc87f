//! Everything that Vault must hold for one configuration: policies, token roles, quotas, the authorizer's login.
//!
//! Receives the configuration and the few [`Choices`] that it does not make; produces [`Desired`]. Pure.
//! [`compare`](super::compare) decides what a server already has of it, and [`server`](super::server) makes the
//! calls.

use std::collections::{BTreeMap, BTreeSet};

use authorizer_steps::{
    grant::{Callers, MIN_TTL_SECONDS, Mode, Rule, TokenRule, ladder},
    names::PolicyName,
};
use vault_api::Namespace;
use vault_authorizer::config::Config;

use super::{
    login::{LeftAlone, Login, Trusted, UnsuitedOption, login},
    object::Object,
    place::Place,
    setting::{Field, Setting},
};

/// The policy that every token role carries.
pub(crate) const SELF_POLICY: &str = "vault-authorizer-self";

/// The first words of each policy that this command writes. It overwrites no policy without them.
pub(crate) const MARK: &str = "# Managed by vault-authorizer: ";

/// Before each line of the manifest, which stands in the authorizer's own policy.
const MADE: &str = "# made: ";

/// The generation of tokens that a new role begins with. Another one on the server stays: an operator has ended the
/// tokens of the one before.
const FIRST_GENERATION: &str = "v01";

/// What the configuration does not say.
#[derive(Debug, Clone)]
pub(crate) struct Choices {
    /// The name of the authorizer's own policy.
    pub(crate) policy: PolicyName,
    /// Who may log in as the authorizer. Without it, the login is left alone.
    pub(crate) trusted: Option<Trusted>,
    /// Where all of it is.
    pub(crate) namespace: Option<Namespace>,
    /// Whether quotas are looked after.
    pub(crate) quotas: bool,
}

/// Everything that Vault must hold.
#[derive(Debug, Clone)]
pub(crate) struct Desired {
    /// What lets the tokens of all roles revoke themselves, and look themselves up.
    pub(crate) self_policy: String,
    /// The authorizer's own.
    pub(crate) authorizer_policy: AuthorizerPolicy,
    /// What follows, in the order in which it is written.
    pub(crate) objects: Vec<Object>,
    /// The policies that grants name, each with the grants. They are the user's: looked for, and never written.
    pub(crate) named_policies: BTreeMap<String, Vec<String>>,
    /// The type of the auth method of the login, where that is among the objects.
    login_method: Option<&'static str>,
    /// The login, where nobody said who may log in.
    pub(crate) login_left_alone: Option<LeftAlone>,
    /// Where quotas are not looked after: those that would be wanted.
    pub(crate) quotas_left_alone: Option<BTreeSet<Place>>,
}

/// The authorizer's own policy: what it allows, without the list of what was made, which depends on the server.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizerPolicy {
    /// Its name.
    pub(crate) name: String,
    stanzas: String,
}

/// Why there is nothing that Vault should hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DesiredError {
    /// The choices speak of another login than the configuration's.
    #[error(transparent)]
    Login(#[from] UnsuitedOption),
    /// Whoever has the authorizer's policy can mint for every grant.
    #[error(
        "grant `{grant}` gives `{policy}`, the authorizer's own policy, so its callers could create tokens of every grant; give it another policy, or rename the authorizer's own with `--policy`"
    )]
    OwnPolicyGranted {
        /// The grant.
        grant: String,
        /// The policy.
        policy: PolicyName,
    },
}

/// Derives it.
///
/// # Errors
///
/// See [`DesiredError`].
pub(crate) fn desired(config: &Config, choices: &Choices) -> Result<Desired, DesiredError> {
    let rules = config.stages.values().flat_map(|stage| &stage.rules);
    let tokens: Vec<(&Rule, &TokenRule)> = rules.filter_map(minting).collect();
    let mut objects: Vec<Object> = tokens.iter().map(|(rule, token)| token_role(rule, token)).collect();
    let rate = config.limits.grant_mints_per_second.get();
    let quotas = tokens.iter().map(|(_, token)| quota(token, rate, choices.namespace.as_ref()));
    let quotas_left_alone = if choices.quotas {
        objects.extend(quotas);
        None
    } else {
        Some(quotas.map(|quota| quota.place).collect())
    };
    let (login_method, login_left_alone) =
        match login(&config.vault.login, choices.trusted.as_ref(), &choices.policy)? {
            Login::Objects { method, objects: of_login } => {
                objects.extend(of_login);
                (Some(method), None)
            }
            Login::LeftAlone(left_alone) => (None, Some(left_alone)),
            Login::Token => (None, None),
        };
    let mut named_policies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (rule, token) in &tokens {
        for policy in token.policies.iter().filter(|policy| policy.as_str() != SELF_POLICY) {
            named_policies.entry(policy.to_string()).or_default().push(rule.name.to_string());
        }
    }
    if let Some(grant) = named_policies.get(choices.policy.as_str()).and_then(|grants| grants.first()) {
        let (grant, policy) = (grant.clone(), choices.policy.clone());
        return Err(DesiredError::OwnPolicyGranted { grant, policy });
    }
    let mints = tokens.iter().map(|(rule, token)| mint_stanza(rule, token) + "\n").collect::<String>();
    let own = stanzas(&[("lookup-self", "read"), ("renew-self", "update"), ("revoke-self", "update")]);
    Ok(Desired {
        self_policy: self_policy(),
        authorizer_policy: AuthorizerPolicy { name: choices.policy.to_string(), stanzas: mints + &own },
        objects,
        named_policies,
        login_method,
        login_left_alone,
        quotas_left_alone,
    })
}

fn minting(rule: &Rule) -> Option<(&Rule, &TokenRule)> {
    match &rule.mode {
        Mode::Token(token) => Some((rule, token)),
        Mode::None => None,
    }
}

impl Desired {
    /// Where the auth method of the login is mounted, and its type, where that is among the objects.
    pub(crate) fn login_mount(&self) -> Option<(&str, &'static str)> {
        let mount = self.objects.iter().find_map(|object| object.place.mount())?;
        Some((mount, self.login_method?))
    }

    /// Whether a place is neither compared nor removed.
    pub(crate) fn leaves_alone(&self, place: &Place) -> bool {
        // Also one that an earlier configuration had: a token of a namespace could not even look at it.
        (self.quotas_left_alone.is_some() && matches!(place, Place::Quota(_)))
            || self.login_left_alone.as_ref().is_some_and(|login| login.covers(place))
    }
}

impl AuthorizerPolicy {
    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        Place::Policy(self.name.clone())
    }

    /// Its text, with the list of what was made beside it. Of a role or a quota nobody could tell otherwise: they have no
    /// comments.
    pub(crate) fn text(&self, made: &BTreeSet<Place>) -> String {
        let list: String = made.iter().map(|place| format!("{MADE}{}\n", place.path())).collect();
        let listed = if made.is_empty() {
            String::new()
        } else {
            format!(
                "#\n# It has made these as well, and changes them, and with --prune removes those that no grant needs:\n{list}"
            )
        };
        format!(
            "{MARK}`vault apply` overwrites what is written here by hand.\n\
             # The authorizer mints tokens of these roles, always wrapped, and looks after its own token. Nothing else.\n\
             {listed}\n{}",
            self.stanzas
        )
    }
}

/// What a policy of ours says was made with it. Lines that name nothing of the kinds that are made say nothing.
pub(crate) fn manifest(policy: &str) -> BTreeSet<Place> {
    let made = policy.lines().filter_map(|line| line.strip_prefix(MADE));
    made.filter_map(|path| Place::of_made(path.trim())).collect()
}

/// Whether a policy was written by this command.
pub(crate) fn is_marked(policy: &str) -> bool {
    policy.starts_with(MARK)
}

fn self_policy() -> String {
    format!(
        "{MARK}`vault apply` overwrites what is written here by hand.\n\
         # Every token role carries it: without the default policy, a token could neither revoke itself nor look itself up.\n\
         {}",
        // Spring Vault looks up the token that it has unwrapped. Refused, it drops the token and leaves it alive.
        stanzas(&[("lookup-self", "read"), ("revoke-self", "update")])
    )
}

fn stanzas(of_own_token: &[(&str, &str)]) -> String {
    let stanza = |(path, capability): &(&str, &str)| {
        format!("path \"auth/token/{path}\" {{\n  capabilities = [\"{capability}\"]\n}}\n")
    };
    of_own_token.iter().map(stanza).collect::<Vec<_>>().join("\n")
}

/// Vault compares `allowed_parameters` to the letter, and refuses what is not listed: so the authorizer can choose neither
/// policies nor the token's type, and a mint that is not wrapped is refused by Vault itself.
fn mint_stanza(rule: &Rule, token: &TokenRule) -> String {
    let TokenRule { role, ttl_seconds, wrap_ttl_seconds, .. } = token;
    let ttls: Vec<String> = ladder(*ttl_seconds).map(|seconds| format!("\"{seconds}s\"")).collect();
    let aliases = alias_globs(rule, token).into_iter();
    let aliases: String = aliases.map(|glob| format!("    \"entity_alias\" = [\"{glob}\"]\n")).collect();
    format!(
        r#"# grant {}
path "auth/token/create/{role}" {{
  capabilities        = ["update"]
  min_wrapping_ttl    = "{MIN_TTL_SECONDS}s"
  max_wrapping_ttl    = "{wrap_ttl_seconds}s"
  required_parameters = ["ttl"]
  allowed_parameters = {{
    "ttl"      = [{}]
    "num_uses" = []
    "meta"     = []
{aliases}  }}
}}
"#,
        rule.name,
        ttls.join(", ")
    )
}

/// None where the grant gives no alias; then the authorizer may send none, and the role takes none.
fn alias_globs(rule: &Rule, token: &TokenRule) -> BTreeSet<String> {
    match (&rule.callers, &token.alias_claim) {
        (Callers::OfIssuer(issuer), Some(_)) => BTreeSet::from([format!("*@{issuer}")]),
        (Callers::OfIssuer(_), None) | (Callers::AwsIdentity, _) => BTreeSet::new(),
    }
}

/// Fields that could only narrow what the tokens may (`token_bound_cidrs`, `disallowed_policies`) are not held: the
/// configuration has no word for them, and an operator may have a reason.
fn token_role(rule: &Rule, token: &TokenRule) -> Object {
    let policies = token.policies.iter().map(ToString::to_string).chain([SELF_POLICY.to_owned()]);
    let fields = vec![
        Field::exactly("allowed_policies", Setting::Set(policies.collect())),
        Field::exactly("allowed_policies_glob", Setting::Set(BTreeSet::new())),
        Field::exactly("allowed_entity_aliases", Setting::Set(alias_globs(rule, token))),
        // The tokens do not end with the authorizer's own.
        Field::exactly("orphan", Setting::Flag(true)),
        Field::exactly("renewable", Setting::Flag(false)),
        // Left to its default, a request for a batch token escapes the role's TTL.
        Field::exactly("token_type", Setting::Text("service".to_owned())),
        Field::exactly("token_no_default_policy", Setting::Flag(true)),
        Field::exactly("token_explicit_max_ttl", Setting::Seconds(token.ttl_seconds)),
        Field::exactly("token_period", Setting::Seconds(0)),
        Field::exactly("token_num_uses", Setting::Number(0)),
        Field::unless_set("path_suffix", Setting::Text(FIRST_GENERATION.to_owned())),
    ];
    Object { place: Place::TokenRole(token.role.to_string()), fields }
}

/// Quotas lie in the root namespace, with the namespace as the beginning of their path.
fn quota(token: &TokenRule, per_second: u32, namespace: Option<&Namespace>) -> Object {
    let role = &token.role;
    let namespace = namespace.map(Namespace::as_str);
    let within = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
    let fields = vec![
        Field::exactly("path", Setting::Text(format!("{within}auth/token/create/{role}"))),
        Field::exactly("rate", Setting::Number(per_second.into())),
        Field::exactly("interval", Setting::Seconds(1)),
        Field::exactly("block_interval", Setting::Seconds(0)),
    ];
    Object { place: Place::quota(namespace, role.as_str()), fields }
}
