//! Step 3: from an [`Identity`] and a [`Request`] to a [`Grant`].
//!
//! Receives the verified identity, the request and the stage's rules; produces the grant that applies, with the TTLs
//! to ask Vault for. It is pure: these three values and `now` go in, one value comes out. [`mint`](crate::mint) asks
//! Vault.
//!
//! The first rule whose route and caller match decides. If a later check fails, the request is refused. A caller
//! never falls through to a weaker rule.

mod alias;
mod bounds;
mod ttl;

use std::{collections::BTreeMap, fmt};

use sts_identity::ServerId;
use vault_context::CallerKind;

use crate::{
    clock::UnixTime,
    event::{Request, Route},
    identity::Identity,
    names::{ApiId, GrantName, IssuerName, PolicyName, RoleName, StageName},
};

pub use alias::EntityAlias;
pub use bounds::{BoundClaim, Bounds, Pattern, Unmet};
pub use ttl::{MIN_TTL_SECONDS, Ttls, ladder};

/// The longest life of a token for a caller whose credential has no known end (an IAM proof), in seconds.
pub(crate) const MAX_TTL_SECONDS_WITHOUT_END: u64 = 900;

/// What a mint may take before the token it gives could outlive the credential it was fitted to, in seconds.
const MINT_SECONDS: u64 = 1;

/// Every stage that is served.
pub type Stages = BTreeMap<StageName, Stage>;

/// One stage: which APIs it belongs to, what it asks of identities, and its rules in order.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its name.
    pub name: StageName,
    /// The APIs served.
    pub apis: Apis,
    /// Audiences a JWT must name besides its issuer's.
    pub audiences: Option<Vec<String>>,
    /// The server id an IAM proof must be signed for, in place of the configuration's.
    pub server_id: Option<ServerId>,
    /// The rules, first match first.
    pub rules: Vec<Rule>,
}

/// Which APIs a stage's rules are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Apis {
    /// `["*"]`, written out.
    Any,
    /// These ids.
    Listed(Vec<ApiId>),
}

/// One entry of `grants`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The grant's name.
    pub name: GrantName,
    /// The routes it covers.
    pub routes: Vec<Route>,
    /// Who vouches for its callers.
    pub callers: Callers,
    /// What else must hold of the caller.
    pub bounds: Bounds,
    /// What the caller gets.
    pub mode: Mode,
}

/// Who vouches for the callers of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callers {
    /// This issuer, by a JWT.
    OfIssuer(IssuerName),
    /// STS, by a presigned GetCallerIdentity.
    AwsIdentity,
}

/// What a grant gives.
#[derive(Debug, Clone)]
pub enum Mode {
    /// A wrapped Vault token.
    Token(TokenRule),
    /// Passage only (`mode: none`).
    None,
}

/// The token a grant gives.
#[derive(Debug, Clone)]
pub struct TokenRule {
    /// The Vault token role, of this grant alone.
    pub role: RoleName,
    /// The role's `allowed_policies` on the server. Never sent.
    pub policies: Vec<PolicyName>,
    /// The longest life of the token, in seconds.
    pub ttl_seconds: u64,
    /// The longest life of the wrapping token, in seconds.
    pub wrap_ttl_seconds: u64,
    /// How often the token may be used, every call counted.
    pub num_uses: Option<u64>,
    /// The claim that gives the token its entity alias.
    pub alias_claim: Option<String>,
    /// Whether the next token may be minted before it is asked for: see [`mint::ahead`](crate::mint::ahead).
    pub mint_ahead: bool,
}

/// The rule that decides for this caller and call. The proof that step 3 ran.
pub struct Grant<'a> {
    rule: &'a Rule,
    mint: Option<MintGrant<'a>>,
}

/// The part of a grant that asks for a Vault token.
pub struct MintGrant<'a> {
    rule: &'a TokenRule,
    ttls: Ttls,
    credential_ends: Option<UnixTime>,
    entity_alias: Option<EntityAlias>,
}

impl<'a> Grant<'a> {
    /// The grant's name.
    pub fn name(&self) -> &'a GrantName {
        &self.rule.name
    }

    /// What to mint; `None` for `mode: none`.
    pub fn to_mint(&self) -> Option<&MintGrant<'a>> {
        self.mint.as_ref()
    }
}

impl TokenRule {
    /// The TTLs for a caller of `callers` whose credential ends as late as any.
    pub fn longest_ttls(&self, callers: &Callers) -> Ttls {
        let longest = Ttls { token_seconds: self.ttl_seconds, wrap_seconds: self.wrap_ttl_seconds };
        match callers {
            Callers::OfIssuer(_) => longest,
            Callers::AwsIdentity => {
                let fitted = Ttls::fit(self.ttl_seconds, self.wrap_ttl_seconds, MAX_TTL_SECONDS_WITHOUT_END);
                fitted.unwrap_or(longest)
            }
        }
    }
}

impl<'a> MintGrant<'a> {
    /// The Vault token role.
    pub fn role(&self) -> &'a RoleName {
        &self.rule.role
    }

    /// How often the token may be used.
    pub fn num_uses(&self) -> Option<u64> {
        self.rule.num_uses
    }

    /// What to send as `ttl` and as wrap TTL.
    pub fn ttls(&self) -> Ttls {
        self.ttls
    }

    /// When the caller's credential ends, which the token must not outlive; `None` for an IAM proof.
    pub fn credential_ends(&self) -> Option<UnixTime> {
        self.credential_ends
    }

    /// Whether the token may have been minted before it was asked for.
    pub fn mints_ahead(&self) -> bool {
        self.rule.mint_ahead
    }

    /// Whose path a templated policy opens.
    pub fn entity_alias(&self) -> Option<&EntityAlias> {
        self.entity_alias.as_ref()
    }
}

impl fmt::Debug for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("name", &self.rule.name.as_str()).finish_non_exhaustive()
    }
}

/// The stage that a request names, if it is served for the API that was called.
///
/// # Errors
///
/// [`GrantError::StageUnknown`] (the console's `test-invoke-stage` too), [`GrantError::ApiUnknown`].
pub fn stage<'a>(stages: &'a Stages, request: &Request) -> Result<&'a Stage, GrantError> {
    let arn = request.method_arn();
    let stage = stages.get(arn.stage()).ok_or(GrantError::StageUnknown)?;
    let served = match &stage.apis {
        Apis::Any => true,
        Apis::Listed(ids) => ids.iter().any(|id| id.as_str() == arn.api_id()),
    };
    if served { Ok(stage) } else { Err(GrantError::ApiUnknown) }
}

/// Finds the rule that decides, and the TTLs that fit the caller's credential.
///
/// # Errors
///
/// [`GrantError::Ended`] when the credential did, whatever the rules; [`GrantError::NoGrant`] when no rule matches,
/// [`GrantError::Expiring`] when the rule that does has no time left, [`GrantError::AliasRefused`] when it wants an alias
/// that the identity does not give.
pub fn resolve<'a>(
    identity: &Identity,
    request: &Request,
    stage: &'a Stage,
    now: UnixTime,
) -> Result<Grant<'a>, GrantError> {
    if identity.ends_at().is_some_and(|ends_at| ends_at <= now) {
        return Err(GrantError::Ended);
    }
    let covers = |rule: &&Rule| rule.mismatches(identity, request).is_empty();
    let rule = stage.rules.iter().find(covers).ok_or(GrantError::NoGrant)?;
    let mint = match &rule.mode {
        Mode::None => None,
        Mode::Token(token) => Some(MintGrant {
            rule: token,
            ttls: fit(token, identity, now)?,
            credential_ends: identity.ends_at(),
            entity_alias: token
                .alias_claim
                .as_ref()
                .map(|claim| EntityAlias::of(identity, claim))
                .transpose()?,
        }),
    };
    Ok(Grant { rule, mint })
}

/// INVARIANT (a token never outlives the credential): the TTL fits what is left of it when Vault starts to count, so the
/// time of the mint itself is taken off. [`mint`](crate::mint) gives back a token for which it took longer.
fn fit(token: &TokenRule, identity: &Identity, now: UnixTime) -> Result<Ttls, GrantError> {
    let Some(ends_at) = identity.ends_at() else {
        let ttls = Ttls::fit(token.ttl_seconds, token.wrap_ttl_seconds, MAX_TTL_SECONDS_WITHOUT_END);
        return ttls.ok_or(GrantError::Expiring { seconds_left: 0 });
    };
    let seconds_left = ends_at.seconds_after(now);
    let usable = ends_at.seconds_after(now.plus_seconds(MINT_SECONDS));
    Ttls::fit(token.ttl_seconds, token.wrap_ttl_seconds, usable).ok_or(GrantError::Expiring { seconds_left })
}

impl Rule {
    /// Why this rule does not cover the caller on this route: nothing where it does. Of a rule for other routes or callers, only
    /// that; else every bound that is not met.
    pub fn mismatches<'a>(&'a self, identity: &'a Identity, request: &Request) -> Vec<Mismatch<'a>> {
        let method = request.method_arn().method();
        if !self.routes.iter().any(|route| route.covers(method, request.resource())) {
            return vec![Mismatch::Route];
        }
        if !self.callers.include(identity) {
            return vec![Mismatch::Callers(&self.callers)];
        }
        self.bounds.unmet(identity).into_iter().map(Mismatch::Unmet).collect()
    }

    /// Whether this rule covers every call that `later` covers, so that behind it `later` never decides. Told only where it is
    /// plain; `false` says nothing.
    pub fn shadows(&self, later: &Self) -> bool {
        let includes = |route: &Route| self.routes.iter().any(|own| own.includes(route));
        later.routes.iter().all(includes)
            && self.callers == later.callers
            && self.bounds.include(&later.bounds)
    }
}

impl Callers {
    fn include(&self, identity: &Identity) -> bool {
        match (self, identity.issuer()) {
            (Self::OfIssuer(own), Some(issuer)) => own == issuer,
            (Self::AwsIdentity, None) => identity.kind() == CallerKind::AwsIdentity,
            (Self::OfIssuer(_), None) | (Self::AwsIdentity, Some(_)) => false,
        }
    }
}

impl fmt::Display for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfIssuer(issuer) => write!(f, "a JWT of issuer `{issuer}`"),
            Self::AwsIdentity => f.write_str("a proof of an IAM identity"),
        }
    }
}

/// A condition of a rule that a request does not meet. For whoever asks why; a denial says `no_grant` and no more.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum Mismatch<'a> {
    /// No route covers the call.
    #[error("none of its `routes` matches the call")]
    Route,
    /// The caller was vouched for by another.
    #[error("it is for {0}")]
    Callers(&'a Callers),
    /// A bound is not met.
    #[error("{0}")]
    Unmet(Unmet<'a>),
}

/// Why there is no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The stage is not configured.
    #[error("the stage is not in the configuration's `stages`")]
    StageUnknown,
    /// The API is not among the stage's.
    #[error("the API id is not in the stage's `api_ids`")]
    ApiUnknown,
    /// The credential was good when it was looked at, and ended while its issuer's keys were fetched.
    #[error("the credential expired while it was being verified")]
    Ended,
    /// No rule covers this route and caller.
    #[error("no grant of the stage matches both the route and the caller")]
    NoGrant,
    /// The claim that gives the entity alias is absent, or could stand for something else in a policy's path.
    #[error(
        "the claim `{claim}` cannot be an entity alias because it {why}: an alias is 1 to 128 of a-z, 0-9, `.`, `_` \
         and `-`, and begins with a letter or digit"
    )]
    AliasRefused {
        /// The claim.
        claim: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Less of the credential is left than the shortest token lives.
    #[error(
        "the credential expires in {seconds_left} s, too soon for the shortest token, which lives {MIN_TTL_SECONDS} \
         s from its mint"
    )]
    Expiring {
        /// Whole seconds until the credential ends.
        seconds_left: u64,
    },
}
