//! The calls: what a server has, and one step of what is to be done.
//!
//! Receives [`Desired`] and [`Step`]s; produces [`Found`], or an error that says what to do about it. Leaves every
//! decision to [`compare`](super::compare). All calls may be repeated: a write says what is to be, and not what to add.

use std::collections::BTreeSet;

use serde_json::Value;
use vault_context::{
    VaultToken,
    vault::{Call, Namespace, Vault, VaultError, VaultOptions, VaultSetupError},
};

use super::{
    compare::{Found, Step, places},
    desired::{Desired, SELF_POLICY},
    place::Place,
};

const POLICIES: &str = "sys/policies/acl";

/// A Vault, as an operator calls it.
pub(crate) struct Server {
    vault: Vault,
    /// Without a namespace: quotas are kept there.
    root: Vault,
    token: VaultToken,
}

/// Why the server gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// The token is good for something else.
    #[error(
        "the token may not {what} {place}: it needs a policy with `path \"{path}\" {{ capabilities = [{capabilities}] }}`{advice}"
    )]
    Forbidden {
        /// `read`, `list`, `write`, `remove`.
        what: &'static str,
        /// Of what.
        place: String,
        /// The same in Vault's words.
        path: String,
        /// What it lacks.
        capabilities: &'static str,
        /// What else to know.
        advice: &'static str,
    },
    /// The token is good for nothing, or not there.
    #[error(
        "Vault does not take the token to {what} {place}: VAULT_TOKEN, or ~/.vault-token, is expired, revoked or another server's{advice}"
    )]
    TokenRefused {
        /// `read`, `list`, `write`, `remove`.
        what: &'static str,
        /// Of what.
        place: String,
        /// What else to know.
        advice: &'static str,
    },
    /// Anything else.
    #[error("could not {what} {place} at {address}{advice}")]
    Vault {
        /// Of which Vault.
        address: String,
        /// `read`, `list`, `write`, `remove`.
        what: &'static str,
        /// Of what.
        place: String,
        /// What to do, where that is known.
        advice: &'static str,
        /// What happened.
        source: VaultError,
    },
}

impl Server {
    /// Sets the transport up. Sends nothing.
    pub(crate) fn new(options: VaultOptions, token: VaultToken) -> Result<Self, VaultSetupError> {
        let root = Vault::new(VaultOptions { namespace: None, ..options.clone() })?;
        Ok(Self { vault: Vault::new(options)?, root, token })
    }

    /// Its address.
    pub(crate) fn address(&self) -> &str {
        self.vault.address().as_str()
    }

    /// The namespace of all but the quotas.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.vault.namespace().map(Namespace::as_str)
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
        let (doing, place) = match step {
            Step::Write { place, .. } => (&WRITE, place),
            Step::Remove(place) => (&REMOVE, place),
        };
        let call = match step {
            Step::Write { place, body, .. } => Call::post(place.path()).body(body),
            Step::Remove(place) => Ok(Call::delete(place.path())),
        };
        let refused = |error| self.error(doing, place.to_string(), place.path(), Some(place), error);
        self.send(Some(place), call.map_err(refused)?).await.map_err(refused).map(drop)
    }

    async fn policies(&self) -> Result<BTreeSet<String>, ServerError> {
        let refused =
            |error| self.error(&LIST, "the policies' names".to_owned(), POLICIES.to_owned(), None, error);
        let data = self.send(None, Call::list(POLICIES).map_err(refused)?).await.map_err(refused)?;
        let names = data.get("keys").and_then(Value::as_array).into_iter().flatten();
        Ok(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
    }

    async fn look_at(&self, place: Place, found: &mut Found) -> Result<(), ServerError> {
        match self.send(Some(&place), Call::get(place.path())).await {
            Ok(data) => drop(found.objects.insert(place, data)),
            Err(VaultError::Refused { status: 404, message, .. }) => {
                // `no handler for route`: there is no such mount. Of what is not at a mount, Vault says nothing.
                if let Some(mount) = place.mount().filter(|_| message.contains("no handler")) {
                    found.missing_mounts.insert(mount.to_owned());
                }
            }
            Err(error) => {
                return Err(self.error(&READ, place.to_string(), place.path(), Some(&place), error));
            }
        }
        Ok(())
    }

    /// The answer's data; `null` where there is none.
    async fn send(&self, place: Option<&Place>, call: Call) -> Result<Value, VaultError> {
        let vault = match place {
            Some(Place::Quota(_)) => &self.root,
            Some(
                Place::Policy(_) | Place::TokenRole(_) | Place::AwsClient { .. } | Place::LoginRole { .. },
            )
            | None => &self.vault,
        };
        let answer = vault.send_repeatable(call.token(&self.token)).await?;
        Ok(answer.data.unwrap_or_default())
    }

    fn error(
        &self,
        doing: &Doing,
        place: String,
        path: String,
        at: Option<&Place>,
        error: VaultError,
    ) -> ServerError {
        let Doing { what, capabilities } = *doing;
        let in_root = matches!(at, Some(Place::Quota(_))) && self.vault.namespace().is_some();
        let advice = if in_root { QUOTA_ADVICE } else { "" };
        if matches!(error, VaultError::Forbidden { .. }) {
            return ServerError::Forbidden { what, place, path, capabilities, advice };
        }
        if matches!(error, VaultError::TokenNotValid { .. }) {
            return ServerError::TokenRefused { what, place, advice };
        }
        // Vault takes one quota for a path, whatever its name.
        let taken =
            matches!(&error, VaultError::Refused { message, .. } if message.contains("similar properties"));
        let advice = if taken { TAKEN_ADVICE } else { "" };
        let address = self.address().to_owned();
        ServerError::Vault { address, what, place, advice, source: error }
    }
}

const QUOTA_ADVICE: &str = "; Vault keeps quotas in the root namespace: use a token that may change them there, or `--no-quotas`, and have them made by whoever may";

const TAKEN_ADVICE: &str =
    ", since there is one for this path by another name: remove that one, or keep it with `--no-quotas`";

struct Doing {
    what: &'static str,
    capabilities: &'static str,
}

const LIST: Doing = Doing { what: "list", capabilities: "\"list\"" };
const READ: Doing = Doing { what: "read", capabilities: "\"read\"" };
const WRITE: Doing = Doing { what: "write", capabilities: "\"create\", \"update\"" };
const REMOVE: Doing = Doing { what: "remove", capabilities: "\"delete\"" };
