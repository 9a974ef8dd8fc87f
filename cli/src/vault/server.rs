//! Calls Vault: reads what a server has, and carries out one step of a plan.
//!
//! Receives [`Desired`] and [`Step`]s; produces [`Found`], or an error that says what to do about it.
//! [`compare`](super::compare) makes every decision. All calls may be repeated, because a write says what should be
//! there and not what to add.

use std::collections::BTreeSet;

use serde_json::Value;
use vault_api::{Namespace, VaultAnswer};
use vault_transport::{VaultOptions, VaultSetupError};

use super::{
    compare::{Found, Step, places},
    desired::{Desired, SELF_POLICY},
    object::texts,
    place::Place,
};
use crate::{
    connection::OwnToken,
    operator::{Needs, Operator, OperatorError},
};

const POLICIES: &str = "sys/policies/acl";

const LIST: Needs = Needs("`list`");
const READ: Needs = Needs("`read`");
const WRITE: Needs = Needs("`create` and `update`");
const REMOVE: Needs = Needs("`delete`");

/// A Vault, as an operator calls it.
pub(crate) struct Server {
    pub(crate) operator: Operator,
    /// The same in the namespace that keeps the quotas.
    quotas: Operator,
}

/// Why the server gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("could not {what} {thing}{advice}")]
pub(crate) struct ServerError {
    /// `list`, `read`, `write`, `remove`.
    what: &'static str,
    /// Of what.
    thing: String,
    /// What else to know.
    advice: &'static str,
    source: OperatorError,
}

impl Server {
    /// Sets the transport up. Sends nothing.
    pub(crate) fn new(
        options: VaultOptions,
        token: OwnToken,
        quota_namespace: Option<Namespace>,
    ) -> Result<Self, VaultSetupError> {
        let quotas = VaultOptions { namespace: quota_namespace, ..options.clone() };
        Ok(Self { operator: Operator::at(options, token.clone())?, quotas: Operator::at(quotas, token)? })
    }

    /// Looks at everything that is wanted, and at everything that was made before. Writes nothing.
    pub(crate) async fn look(&self, desired: &Desired) -> Result<Found, ServerError> {
        let mut found = Found { policies: self.policies().await?, ..Found::default() };
        let own = desired.authorizer_policy.place();
        for place in [own.clone(), Place::Policy(SELF_POLICY.to_owned())] {
            self.look_at(place, &mut found).await?;
        }
        for place in places(desired, found.objects.get(&own)) {
            self.look_at(place, &mut found).await?;
        }
        Ok(found)
    }

    /// Does one step.
    pub(crate) async fn carry_out(&self, step: &Step) -> Result<(), ServerError> {
        let (what, place, outcome) = match step {
            Step::Write { place, body, .. } => {
                ("write", place, self.of(place).write(&place.path(), body, WRITE).await)
            }
            Step::Remove(place) => ("remove", place, self.of(place).remove(&place.path(), REMOVE).await),
        };
        outcome.map(drop).map_err(|error| self.failed(what, place, error))
    }

    async fn policies(&self) -> Result<BTreeSet<String>, ServerError> {
        let listed = self.operator.list(POLICIES, LIST).await.map_err(|source| ServerError {
            what: "list",
            thing: "the policies' names".to_owned(),
            advice: "",
            source,
        })?;
        Ok(texts(&data(listed), "keys").map(str::to_owned).collect())
    }

    async fn look_at(&self, place: Place, found: &mut Found) -> Result<(), ServerError> {
        let error = match self.of(&place).read(&place.path(), READ).await {
            Ok(answer) => {
                found.objects.insert(place, data(answer));
                return Ok(());
            }
            Err(error) => error,
        };
        let Some((404, message)) = error.refusal() else { return Err(self.failed("read", &place, error)) };
        // `no handler for route`: there is no such mount. Of what is not at a mount, Vault says nothing.
        let mount = place.mount().filter(|_| message.contains("no handler"));
        found.missing_mounts.extend(mount.map(str::to_owned));
        Ok(())
    }

    fn of(&self, place: &Place) -> &Operator {
        if place.is_quota() { &self.quotas } else { &self.operator }
    }

    fn failed(&self, what: &'static str, place: &Place, source: OperatorError) -> ServerError {
        // Vault takes one quota for a path, whatever its name.
        let taken = source.refusal().is_some_and(|(_, message)| message.contains("similar properties"));
        // A namespace that keeps no quotas says `unsupported path`.
        let powerless =
            matches!(source, OperatorError::Forbidden { .. } | OperatorError::TokenNotValid { .. })
                || source.refusal().is_some_and(|(_, message)| message.contains("unsupported"));
        let advice = if taken {
            TAKEN_ADVICE
        } else if powerless && place.is_quota() && self.operator.namespace().is_some() {
            QUOTA_ADVICE
        } else {
            ""
        };
        ServerError { what, thing: place.to_string(), advice, source }
    }
}

/// The answer's data; `null` where there is none.
fn data(answer: VaultAnswer) -> Value {
    answer.data.unwrap_or_default()
}

const QUOTA_ADVICE: &str = " (Vault keeps quotas in the root namespace, and HCP Vault in `admin`, which you set with `--quota-namespace`: use a token that may change them there, or use `--no-quotas` and ask somebody who may create them)";

const TAKEN_ADVICE: &str =
    ", because this path already has one under another name: remove that one, or keep it with `--no-quotas`";
