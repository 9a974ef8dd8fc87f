//! Step 4: from a [`Grant`] to a [`Delivery`].
//!
//! Receives the grant; asks Vault, through a [`Minter`], for one wrapped token; produces the proof that the answer is
//! what was ordered. The adapter does the login, the transport and the retries.
//!
//! INVARIANT (never in clear): an answer without `wrap_info`, with `auth`, for another creation path or with a longer
//! TTL is undone with the token itself and becomes a fault.

pub mod ahead;

use std::fmt;

use serde_json::{Map, Value, json};
use vault_api::{VaultAnswer, VaultError, VaultErrorKind, VaultToken, WrapInfo, WrappingToken};

use crate::{
    clock::{Clock, UnixTime},
    error_chain::with_causes,
    grant::{Grant, MintGrant, Ttls},
    names::{GrantName, RoleName},
};
use ahead::Ahead;

/// Lambda's request id in a token's metadata.
const REQUEST_ID: &str = "request_id";

/// Asks Vault for tokens. Returns what Vault said, unproven.
pub trait Minter: Send + Sync {
    /// `POST auth/token/create/<role>` with the wrap TTL of the order, by the authorizer's own token.
    fn mint(&self, order: &Order) -> impl Future<Output = Result<VaultAnswer, MintError>> + Send;

    /// Gives back a token that must not be used: `revoke-self`, after an unwrap where it came wrapped.
    fn undo(&self, token: Undo) -> impl Future<Output = Result<(), VaultError>> + Send;
}

/// What is asked of Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// `auth/token/create/<role>`: the path of the call, and the creation path expected back.
    pub creation_path: String,
    /// The life of the token and of its wrapping, in seconds.
    pub ttls: Ttls,
    /// How often the token may be used.
    pub num_uses: Option<u64>,
    /// When the caller's credential ends, where that is known: the token must end by then.
    pub credential_ends: Option<UnixTime>,
    /// The alias whose templated policies the token has.
    pub entity_alias: Option<String>,
    /// What the audit log shows of the caller's token.
    pub meta: Vec<(&'static str, String)>,
    /// When the answer must be here: a call ends before, and one that could not is not made.
    pub deadline: UnixTime,
}

impl Order {
    fn new(grant: &MintGrant<'_>, meta: Vec<(&'static str, String)>, deadline: UnixTime) -> Self {
        Self {
            creation_path: creation_path(grant.role()),
            ttls: grant.ttls(),
            num_uses: grant.num_uses(),
            credential_ends: grant.credential_ends(),
            entity_alias: grant.entity_alias().map(ToString::to_string),
            meta,
            deadline,
        }
    }

    /// Lambda's request id, for the log.
    pub fn request_id(&self) -> Option<&str> {
        self.meta.iter().find(|(name, _)| *name == REQUEST_ID).map(|(_, value)| value.as_str())
    }

    /// The body of the call. The TTL is text with its unit, exactly as the authorizer's Vault policy lists it.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("ttl".to_owned(), format!("{}s", self.ttls.token_seconds).into());
        if let Some(num_uses) = self.num_uses {
            body.insert("num_uses".to_owned(), num_uses.into());
        }
        if let Some(entity_alias) = &self.entity_alias {
            body.insert("entity_alias".to_owned(), entity_alias.as_str().into());
        }
        let meta: Map<_, _> =
            self.meta.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        body.insert("meta".to_owned(), meta.into());
        body.into()
    }
}

/// Where tokens of a role are made.
pub fn creation_path(role: &RoleName) -> String {
    format!("auth/token/create/{role}")
}

/// A token that must not be used.
#[derive(Debug)]
pub enum Undo {
    /// It came in clear.
    Clear(VaultToken),
    /// It came wrapped, but not as ordered.
    Wrapped(WrappingToken),
}

/// What the integration gets. The proof that step 4 ran.
pub struct Delivery(Delivered);

enum Delivered {
    Wrapped(Minted),
    None,
}

impl Delivery {
    /// The wrapped token; `None` for a grant with `mode: none`.
    pub fn minted(&self) -> Option<&Minted> {
        match &self.0 {
            Delivered::Wrapped(minted) => Some(minted),
            Delivered::None => None,
        }
    }
}

/// A wrapped token, checked to be the one ordered.
pub struct Minted {
    token: WrappingToken,
    wrapped_accessor: String,
    creation_path: String,
    wrap_expires_at: UnixTime,
    ahead: bool,
}

impl Minted {
    /// The wrapping token, for the context of the answer and nothing else.
    pub fn wrapping_token(&self) -> &WrappingToken {
        &self.token
    }

    /// The accessor of the token inside, which joins Vault's audit log.
    pub fn wrapped_accessor(&self) -> &str {
        &self.wrapped_accessor
    }

    /// `auth/token/create/<role>`.
    pub fn creation_path(&self) -> &str {
        &self.creation_path
    }

    /// Whether it was minted before it was asked for.
    pub fn is_ahead(&self) -> bool {
        self.ahead
    }

    /// When the wrapping token ends, at the latest.
    pub(crate) fn wrap_expires_at(&self) -> UnixTime {
        self.wrap_expires_at
    }
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted")
            .field("wrapped_accessor", &self.wrapped_accessor)
            .field("creation_path", &self.creation_path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Delivery").field(&self.minted()).finish()
    }
}

/// What is written into the token for whoever reads Vault's audit log, where it stands in clear from the unwrap on: names,
/// and never a secret.
#[derive(Debug, Clone, Copy)]
pub struct TokenMetadata<'a> {
    /// The stage that was called.
    pub stage: &'a str,
    /// Lambda's request id, which finds the log line.
    pub request_id: &'a str,
    /// The caller, as the log names them; `None` where it does not.
    pub caller_id: Option<&'a str>,
}

/// Gives what the grant gives: a token that was minted ahead and fits this caller, else one that Vault mints now.
///
/// # Errors
///
/// See [`MintError`].
pub async fn deliver<M: Minter>(
    grant: &Grant<'_>,
    metadata: TokenMetadata<'_>,
    deadline: UnixTime,
    ahead: &Ahead,
    minter: &M,
    clock: &dyn Clock,
) -> Result<Delivery, MintError> {
    let Some(to_mint) = grant.to_mint() else { return Ok(Delivery(Delivered::None)) };
    if let Some(minted) = ahead.take(grant, clock.now()) {
        return Ok(Delivery(Delivered::Wrapped(minted)));
    }
    let order = Order::new(to_mint, metadata.meta(grant.name()), deadline);
    mint(&order, minter, clock).await.map(|minted| Delivery(Delivered::Wrapped(minted)))
}

/// Has Vault mint what is ordered, and checks that it did. An order alone is no proof that anybody has a grant, so what it
/// gives makes no [`Delivery`].
///
/// # Errors
///
/// See [`MintError`].
pub async fn mint<M: Minter>(order: &Order, minter: &M, clock: &dyn Clock) -> Result<Minted, MintError> {
    minted(order, minter, clock).await.map(|(minted, _)| minted)
}

async fn minted<M: Minter>(
    order: &Order,
    minter: &M,
    clock: &dyn Clock,
) -> Result<(Minted, Times), MintError> {
    let asked_at = clock.now();
    let answer = minter.mint(order).await?;
    let times = Times { asked_at, answered_at: clock.now() };
    match check(answer, order, times) {
        Ok(minted) => Ok((minted, times)),
        Err(refused) => Err(undo(refused, order, minter).await),
    }
}

impl TokenMetadata<'_> {
    /// The metadata itself, with the grant's name.
    pub fn meta(&self, grant: &GrantName) -> Vec<(&'static str, String)> {
        let caller_id = self.caller_id.map(|caller_id| ("caller_id", caller_id.to_owned()));
        let rest = [("stage", self.stage.to_owned()), (REQUEST_ID, self.request_id.to_owned())];
        [("grant", grant.to_string())].into_iter().chain(rest).chain(caller_id).collect()
    }
}

/// When Vault was asked and when it had answered. It starts to count a TTL somewhere between.
#[derive(Debug, Clone, Copy)]
struct Times {
    asked_at: UnixTime,
    answered_at: UnixTime,
}

/// An answer that is not what was ordered, and the tokens in it.
struct Refused {
    why: MintError,
    tokens: Vec<Undo>,
    /// For the operator, where a token cannot be revoked.
    wrapped_accessor: Option<String>,
}

fn check(answer: VaultAnswer, order: &Order, times: Times) -> Result<Minted, Refused> {
    let invalid = |reason| MintError::AnswerInvalid { reason };
    if let Some(auth) = answer.auth {
        let mut tokens = vec![Undo::Clear(auth.client_token)];
        tokens.extend(answer.wrap_info.map(|wrap| Undo::Wrapped(wrap.token)));
        let why = invalid("it carries a token in clear text");
        return Err(Refused { why, tokens, wrapped_accessor: None });
    }
    let Some(wrap) = answer.wrap_info else {
        let why = invalid("it carries no `wrap_info`");
        return Err(Refused { why, tokens: Vec::new(), wrapped_accessor: None });
    };
    let odd_form = answer.malformed.then_some("it does not have the form that Vault documents");
    let why = odd_form.or_else(|| objection(&wrap, order)).map(invalid).or_else(|| came_late(order, times));
    match why {
        Some(why) => {
            let tokens = vec![Undo::Wrapped(wrap.token)];
            Err(Refused { why, tokens, wrapped_accessor: wrap.wrapped_accessor })
        }
        None => Ok(Minted {
            token: wrap.token,
            wrapped_accessor: wrap.wrapped_accessor.unwrap_or_default(),
            creation_path: wrap.creation_path,
            wrap_expires_at: times.asked_at.plus_seconds(wrap.ttl),
            ahead: false,
        }),
    }
}

fn objection(wrap: &WrapInfo, order: &Order) -> Option<&'static str> {
    if wrap.creation_path != order.creation_path {
        return Some("its creation path is not the requested one");
    }
    if wrap.ttl == 0 || wrap.ttl > order.ttls.wrap_seconds {
        return Some("its wrapping token lives longer than requested, or not at all");
    }
    if wrap.wrapped_accessor.as_deref().unwrap_or_default().is_empty() {
        return Some("it names no `wrapped_accessor`: is the role's token_type `service`?");
    }
    None
}

/// INVARIANT (a token never outlives the credential): also where Vault was slow.
fn came_late(order: &Order, times: Times) -> Option<MintError> {
    let token_ends = times.answered_at.plus_seconds(order.ttls.token_seconds);
    order.credential_ends.filter(|credential_ends| token_ends > *credential_ends).map(|_| MintError::Late)
}

async fn undo<M: Minter>(refused: Refused, order: &Order, minter: &M) -> MintError {
    for token in refused.tokens {
        if let Err(error) = minter.undo(token).await {
            let reason = with_causes(&error);
            tracing::error!(
                reason,
                lambda_request_id = order.request_id(),
                wrapped_accessor = refused.wrapped_accessor,
                "a token that did not match the request could not be revoked; it expires with its TTL"
            );
        }
    }
    refused.why
}

/// Why nothing was delivered. Each is a fault, since the caller has a grant, but for a tenant that Vault has disabled. A clone
/// tells another request that waited for the same login.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MintError {
    /// A denial: an operator of Vault has disabled the entity that has this alias.
    #[error(
        "the Vault entity with this caller's alias is disabled, so this tenant gets no tokens: to allow them, set \
         `disabled=false` on that entity in Vault"
    )]
    TenantDisabled,
    /// The authorizer has no token of its own.
    #[error("the authorizer could not log in to Vault")]
    Login(#[source] VaultError),
    /// The authorizer's credentials for the login cannot be had or cannot sign.
    #[error("the authorizer has no credentials to log in to Vault with: {reason}")]
    LoginCredentials {
        /// What is missing, for the operator.
        reason: String,
    },
    /// STS, which vouches for the authorizer at the login, could not be asked.
    #[error("STS did not issue the JWT for the login to Vault: {reason}")]
    LoginSts {
        /// What came instead of an answer.
        reason: String,
    },
    /// Vault did not mint.
    #[error("{}", not_minted(.0))]
    Vault(#[source] VaultError),
    /// Vault gave the authorizer a token in place of one that it refused, and refuses that one, too.
    #[error(
        "Vault rejects the token from the authorizer's own login, so the authorizer waits some seconds before the \
         next login: check the login role's `token_bound_cidrs`, and that the address leads to a single cluster"
    )]
    NewTokenRefused(#[source] VaultError),
    /// Vault was not asked, since it did not answer lately.
    #[error("calls to Vault are paused after {failures} failures in a row; the last one: {reason}")]
    NotAsked {
        /// How many calls.
        failures: u32,
        /// The last one's failure.
        reason: String,
        /// Whether Vault said that it is sealed.
        sealed: bool,
    },
    /// Vault was not asked, since it refused an earlier call of the kind for its rate limit, and said when to come back.
    #[error("Vault's rate limit refused `{path}` a moment ago; the next try is in {seconds_left} s")]
    Throttled {
        /// The path that was refused.
        path: String,
        /// Whole seconds until then, rounded up.
        seconds_left: u64,
    },
    /// Vault was not asked, since its answer could not have come in time.
    #[error("too little time was left to call Vault")]
    NoTime,
    /// Vault answered so late that the token could have outlived the caller's credential. It was undone.
    #[error("Vault answered so late that the token could outlive the caller's credential, so nobody got it")]
    Late,
    /// Vault's answer was not what was asked for, and was undone.
    #[error("Vault's answer to the mint was rejected: {reason}")]
    AnswerInvalid {
        /// What was wrong with it.
        reason: &'static str,
    },
}

/// Vault's own words do not say whose token it is, and the caller has one, too.
fn not_minted(error: &VaultError) -> &'static str {
    if matches!(error.kind, VaultErrorKind::Forbidden) {
        return "the authorizer's own token may not mint (`vault-authorizer vault plan` shows what its policy is missing)";
    }
    "the mint did not succeed"
}

impl MintError {
    /// What Vault, or the way to it, said; `None` where Vault was not called or its answer was no failure.
    pub fn vault_error(&self) -> Option<&VaultError> {
        match self {
            Self::Login(error) | Self::Vault(error) | Self::NewTokenRefused(error) => Some(error),
            Self::TenantDisabled
            | Self::LoginCredentials { .. }
            | Self::LoginSts { .. }
            | Self::NotAsked { .. }
            | Self::Throttled { .. }
            | Self::NoTime
            | Self::Late
            | Self::AnswerInvalid { .. } => None,
        }
    }

    /// Whether Vault was not asked to mint, or the cause is its state, the network's or the authorizer's own power: not the call.
    pub fn is_outage(&self) -> bool {
        match self {
            // No caller can make Vault refuse the authorizer's own token.
            Self::Vault(error) => {
                error.is_outage()
                    || matches!(error.kind, VaultErrorKind::Forbidden | VaultErrorKind::TokenNotValid)
            }
            Self::Login(_)
            | Self::LoginCredentials { .. }
            | Self::LoginSts { .. }
            | Self::NewTokenRefused(_)
            | Self::NotAsked { .. }
            | Self::Throttled { .. }
            | Self::NoTime => true,
            Self::TenantDisabled | Self::Late | Self::AnswerInvalid { .. } => false,
        }
    }
}
