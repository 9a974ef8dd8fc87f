//! Sender-constrained tokens: a token whose `cnf` (RFC 7800) names a key is useful only to the holder of that key.
//!
//! Receives a token's signed `cnf` and what the request shows of its sender; produces the [`Binding`] that every
//! identity needs. A DPoP proof (RFC 9449) proves `jkt`, and the client certificate that API Gateway verified proves
//! `x5t#S256` (RFC 8705). A token with both needs both. Apart from the memory of used proofs, this module is pure.
//! The grant decides whether a binding is required.
//!
//! INVARIANT (a bound token is no bearer token): whatever `cnf` holds that is not proven here, the token is refused.

mod certificate;
mod dpop;
mod target;

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};
use vault_context::CallerBinding;

use super::{Algorithm, Issuer, MalformedJws, Unusable};
use crate::{
    clock::UnixTime,
    event::{DpopHeader, Sender, Shape},
    identity::single_use::{Key, Most, Presented, Refused, Reservation, SingleUse, Use},
    names::IssuerName,
    shown::shown,
};

pub use target::{InvalidPublicUrl, PublicUrl};

/// How many proofs one instance remembers, about 9 MB, and of one caller: 45 a second for the longest window.
const MOST: Most = Most { in_all: 32_768, of_one: 4_096 };

/// What an issuer's settings say of sender-constrained tokens.
#[derive(Debug, Clone)]
pub enum BindingSettings {
    /// Something in front of the API verifies the proof. Nothing is looked at here.
    VerifiedElsewhere,
    /// It is verified here.
    Verified {
        /// What every token of the issuer must be bound to.
        require: Option<RequiredBinding>,
        /// The URLs that callers use, where the event does not tell.
        public_urls: Vec<PublicUrl>,
        /// What a DPoP proof may be signed with.
        dpop_algorithms: Vec<Algorithm>,
    },
}

/// A binding that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredBinding {
    /// To a key or to a certificate.
    Any,
    /// To a key, by DPoP.
    Dpop,
    /// To a certificate, by mutual TLS.
    Mtls,
}

impl RequiredBinding {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Dpop => "dpop",
            Self::Mtls => "mtls",
        }
    }
}

/// What a token is bound to, proven; or that it is bound to nothing. Only [`DpopProofs::bind`] makes one.
pub struct Binding {
    dpop: Option<Use<()>>,
    has_dpop: bool,
    has_mtls: bool,
}

impl Binding {
    /// For the context and the log. Of a token that is bound to both it says `dpop`, the proof for this very request.
    pub fn kind(&self) -> CallerBinding {
        match self {
            Self { has_dpop: true, .. } => CallerBinding::Dpop,
            Self { has_mtls: true, .. } => CallerBinding::Mtls,
            Self { .. } => CallerBinding::None,
        }
    }

    /// Whether it is what is asked for.
    pub fn is(&self, required: RequiredBinding) -> bool {
        match required {
            RequiredBinding::Any => self.has_dpop || self.has_mtls,
            RequiredBinding::Dpop => self.has_dpop,
            RequiredBinding::Mtls => self.has_mtls,
        }
    }

    /// The call is answered: its proof is good for no other.
    pub(in crate::identity) fn spend(&mut self) {
        if let Some(proof) = self.dpop.take() {
            proof.spend();
        }
    }
}

/// How a token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenScheme {
    /// `Bearer`, or where only a JWT may stand.
    Bearer,
    /// `DPoP`.
    Dpop,
}

/// A token whose claims hold, and how it came.
pub(super) struct BoundToken<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) cnf: Option<&'a Value>,
    pub(super) text: &'a str,
    pub(super) scheme: TokenScheme,
    pub(super) sender: Sender<'a>,
    pub(super) user: &'a str,
}

/// What Keycloak writes beside `jkt`. With `DPoP` it says once more that the key is a DPoP key; other values are for other proofs.
const KEYCLOAK_KIND_OF_JKT: &str = "kc-jkt-type";

/// The members of `cnf` that can be proven.
#[derive(Default)]
struct Confirmation<'a> {
    jkt: Option<&'a str>,
    x5t_s256: Option<&'a str>,
}

/// The DPoP proofs that this instance has seen, so that each serves one call. Another instance has seen others: what a proof
/// that was stolen within its window is worth there is in the documentation.
pub(super) struct DpopProofs(Arc<SingleUse<()>>);

impl DpopProofs {
    pub(super) fn new() -> Self {
        Self(SingleUse::new(MOST))
    }

    /// Proves what the token is bound to.
    pub(super) async fn bind(&self, token: BoundToken<'_>, now: UnixTime) -> Result<Binding, BindingError> {
        let BindingSettings::Verified { require, public_urls, dpop_algorithms } = &token.issuer.binding
        else {
            return Ok(Binding { dpop: None, has_dpop: false, has_mtls: false });
        };
        let confirmation = Confirmation::read(token.cnf)?;
        if let Some(required) = require.filter(|required| !confirmation.is(*required)) {
            return Err(BindingError::NotBound { issuer: token.issuer.name.clone(), required });
        }
        if confirmation.is(RequiredBinding::Any) && token.sender.shape == Shape::RestToken {
            return Err(BindingError::TokenEvent);
        }
        if let Some(thumbprint) = confirmation.x5t_s256 {
            certificate::verify(token.sender.certificate, thumbprint)?;
        }
        let proof = match (confirmation.jkt, token.scheme) {
            (None, TokenScheme::Bearer) => None,
            (None, TokenScheme::Dpop) => return Err(BindingError::NoKey),
            (Some(_), TokenScheme::Bearer) => return Err(BindingError::Bearer),
            (Some(thumbprint), TokenScheme::Dpop) => {
                let proof = match token.sender.dpop {
                    DpopHeader::Absent => return Err(BindingError::NoProof),
                    DpopHeader::Several => return Err(BindingError::SeveralProofs),
                    DpopHeader::One(proof) => proof,
                };
                let expected = dpop::Expected {
                    issuer: &token.issuer.name,
                    algorithms: dpop_algorithms,
                    thumbprint,
                    public_urls,
                    sender: token.sender,
                    token: token.text,
                    now,
                };
                Some(dpop::verify(proof, &expected)?)
            }
        };
        let (has_dpop, has_mtls) = (proof.is_some(), confirmation.x5t_s256.is_some());
        let dpop = match proof {
            Some(proof) => Some(self.take(&proof, token.issuer, token.user, now).await?),
            None => None,
        };
        Ok(Binding { dpop, has_dpop, has_mtls })
    }

    /// The one use of a proof. Nobody but its own caller has to wait or to make room for it.
    async fn take(
        &self,
        proof: &dpop::Proof,
        issuer: &Issuer,
        user: &str,
        now: UnixTime,
    ) -> Result<Use<()>, BindingError> {
        let owner = Some(key(&[issuer.name.as_str(), user]));
        let presented = Presented { key: proof.key, owner, ends_at: proof.ends_at };
        match self.0.take(presented, now).await {
            Ok(Reservation::New(place)) => Ok(place.keep(())),
            Ok(Reservation::Again(only_use)) => Ok(only_use),
            Err(Refused::Spent) => Err(BindingError::Replayed),
            Err(Refused::Over { seconds_ago }) => {
                Err(BindingError::ProofExpired { seconds_ago: dpop::MAX_AGE_SECONDS + seconds_ago })
            }
            Err(Refused::ShareFull) => Err(BindingError::TooManyProofsOfCaller),
            Err(Refused::Full) => Err(BindingError::TooManyProofs),
        }
    }
}

impl<'a> Confirmation<'a> {
    /// What is not known cannot be proven, so nothing else may stand there (RFC 7800, section 3.1 lets a reader ignore it).
    fn read(cnf: Option<&'a Value>) -> Result<Self, BindingError> {
        let members = match cnf {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(BindingError::Confirmation { found: "no object".to_owned() }),
        };
        let is_known = |name: &str, value: &Value| match name {
            "jkt" | "x5t#S256" => true,
            KEYCLOAK_KIND_OF_JKT => value == "DPoP" && members.contains_key("jkt"),
            _ => false,
        };
        if let Some((name, _)) = members.iter().find(|(name, value)| !is_known(name, value)) {
            return Err(BindingError::Confirmation { found: format!("`{}`", shown(name)) });
        }
        let confirmation = Self { jkt: text(members, "jkt")?, x5t_s256: text(members, "x5t#S256")? };
        if !confirmation.is(RequiredBinding::Any) {
            return Err(BindingError::Confirmation { found: "nothing".to_owned() });
        }
        Ok(confirmation)
    }

    fn is(&self, required: RequiredBinding) -> bool {
        match required {
            RequiredBinding::Any => self.jkt.is_some() || self.x5t_s256.is_some(),
            RequiredBinding::Dpop => self.jkt.is_some(),
            RequiredBinding::Mtls => self.x5t_s256.is_some(),
        }
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, BindingError> {
    let not_text = || BindingError::Confirmation { found: format!("`{name}` that is not a string") };
    members.get(name).map(|value| value.as_str().ok_or_else(not_text)).transpose()
}

/// SHA-256 of parts that hold no line break, or come last.
fn key(parts: &[&str]) -> Key {
    let mut key = Key::default();
    key.copy_from_slice(digest(parts.join("\n").as_bytes()).as_ref());
    key
}

fn digest(bytes: &[u8]) -> aws_lc_rs::digest::Digest {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes)
}

/// Why a token's binding is not proven. What a text quotes is made harmless; none quotes a token or a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// Bound to a key, and sent as if it were not (RFC 9449, section 7.2).
    #[error(
        "the token is bound to a key (`cnf` has `jkt`), so it is refused as a bearer token: send `Authorization: \
         DPoP <token>`, and a `DPoP` header with a proof for this request (RFC 9449, section 7.1)"
    )]
    Bearer,
    /// Bound to a key, and no proof.
    #[error(
        "the token is bound to a key (`cnf` has `jkt`), but the request has no `DPoP` header: send one with a proof \
         for this request (RFC 9449, section 4)"
    )]
    NoProof,
    /// Bound to a certificate, and none was verified.
    #[error(
        "the token is bound to a client certificate (`cnf` has `x5t#S256`), but API Gateway verified none: call the \
         API at its custom domain with mutual TLS (RFC 8705, section 3)"
    )]
    NoCertificate,
    /// Bound, where nothing can be proven.
    #[error(
        "the token is sender-constrained (it has `cnf`), but a TOKEN authorizer's event carries no proof: use a \
         REQUEST authorizer"
    )]
    TokenEvent,
    /// The issuer's settings ask for a binding that the token does not have.
    #[error("`issuers.{issuer}.binding.require: {}` requires a bound token, but this token's `cnf` has no {}", .required.as_str(), .required.member())]
    NotBound {
        /// The issuer's name.
        issuer: IssuerName,
        /// What is asked for.
        required: RequiredBinding,
    },
    /// `cnf` holds what cannot be proven here.
    #[error("the token's `cnf` has {found}, but only `jkt` (DPoP) and `x5t#S256` (mutual TLS) are supported")]
    Confirmation {
        /// What is there.
        found: String,
    },
    /// Sent with a proof, and bound to no key (RFC 9449, section 7.1).
    #[error(
        "the token was sent with the scheme `DPoP` but is not bound to a key (its `cnf` has no `jkt`): send it as \
         `Bearer`"
    )]
    NoKey,
    /// More than one `DPoP` header.
    #[error(
        "the request has more than one `DPoP` header, or one with several values (RFC 9449, section 4.3)"
    )]
    SeveralProofs,
    /// The proof is no JWS, or too long.
    #[error("the DPoP proof is malformed")]
    ProofMalformed(#[from] MalformedJws),
    /// A header parameter or claim of the proof is absent or of another type.
    #[error("the DPoP proof's `{name}` must be {wanted}")]
    ProofIncomplete {
        /// Its name.
        name: &'static str,
        /// What should be there.
        wanted: &'static str,
    },
    /// The proof is signed with what is not accepted.
    #[error(
        "the DPoP proof's `alg` is {unverified}, but `issuers.{issuer}.binding.dpop_algorithms` accepts {accepted}"
    )]
    ProofAlgorithm {
        /// The issuer's name.
        issuer: IssuerName,
        /// `alg`, made harmless.
        unverified: String,
        /// The algorithms accepted.
        accepted: String,
    },
    /// The proof's own key cannot verify it.
    #[error("the DPoP proof's `jwk` cannot be used: {0}")]
    ProofKey(Unusable),
    /// The proof's own key did not sign it.
    #[error("the DPoP proof's signature does not verify with its `jwk`")]
    ProofSignature,
    /// The proof is of another key than the token's.
    #[error("the DPoP proof's key is not the one that the token is bound to (`cnf.jkt`)")]
    OtherKey,
    /// The proof is for another method.
    #[error("the DPoP proof's `htm` is `{found}`, but the request's method is {expected}")]
    OtherMethod {
        /// `htm`, made harmless.
        found: String,
        /// The request's.
        expected: String,
    },
    /// The proof is for another URL.
    #[error("the DPoP proof's `htu` is {found}, but {expected}{remedy}")]
    OtherUrl {
        /// `htu` without its query, made harmless.
        found: String,
        /// What it is compared with.
        expected: String,
        /// What to set if callers use the URL of the proof.
        remedy: Remedy,
    },
    /// Which URL the caller used is not known.
    #[error(
        "the event does not say which URL the caller used, so set `issuers.{}.binding.public_urls`; the DPoP proof's `htu` is {found}\
         {remedy}",
        remedy.issuer
    )]
    UrlUnknown {
        /// `htu` without its query, made harmless.
        found: String,
        /// What to set if callers use the URL of the proof.
        remedy: Remedy,
    },
    /// The proof is for another token.
    #[error("the DPoP proof is for another token: its `ath` is not the hash of this one")]
    OtherToken,
    /// The proof's window is closed.
    #[error("the DPoP proof was made {seconds_ago} s ago, but is valid for {} s", dpop::MAX_AGE_SECONDS)]
    ProofExpired {
        /// Whole seconds since `iat`.
        seconds_ago: u64,
    },
    /// The proof's window is not open yet.
    #[error(
        "the DPoP proof is dated {seconds_ahead} s in the future; check both clocks, and that `iat` is in seconds"
    )]
    ProofNotYetValid {
        /// Whole seconds until `iat`.
        seconds_ahead: u64,
    },
    /// The proof has served another call on this instance.
    #[error("the DPoP proof was already used: make a new one for each request")]
    Replayed,
    /// Nothing may be forgotten before its time, and the caller has all the room of one.
    #[error(
        "this instance already remembers {} DPoP proofs of this caller, which is its limit, until some of them \
         expire",
        MOST.of_one
    )]
    TooManyProofsOfCaller,
    /// Nothing may be forgotten before its time, and there is no room. A fault: others have filled it.
    #[error(
        "this instance already remembers {} DPoP proofs, which is its limit, until some of them expire; the caller \
         may retry",
        MOST.in_all
    )]
    TooManyProofs,
    /// What API Gateway has as certificate is not one in PEM.
    #[error("the event's client certificate must be exactly one certificate in PEM")]
    CertificateUnreadable,
    /// Another certificate.
    #[error("the client certificate is not the one that the token is bound to (`cnf.x5t#S256`)")]
    OtherCertificate,
}

/// Where a call's path is the end of the proof's URL, the rest may be a public URL of the API that is not configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    issuer: IssuerName,
    public_url: Option<String>,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { issuer, public_url: Some(url) } = self else { return Ok(()) };
        write!(
            f,
            ". If callers reach the API there, through a custom domain or a proxy, add {url} to \
             `issuers.{issuer}.binding.public_urls`"
        )
    }
}

impl RequiredBinding {
    /// The member of `cnf` that shows it.
    fn member(self) -> &'static str {
        match self {
            Self::Any => "`jkt` and no `x5t#S256`",
            Self::Dpop => "`jkt`",
            Self::Mtls => "`x5t#S256`",
        }
    }
}
