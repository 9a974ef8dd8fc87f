//! Verifies IAM callers by proof: a presigned GetCallerIdentity that is sent to STS once.
//!
//! Receives `AWS-Identity <base64url of the URL>`; produces an [`Identity`] with the principal that STS names.
//! `sts-identity` rebuilds the request from checked parts, for a host of the configuration's list. An [`Sts`] sends
//! it, and the grant decides which principal may do what.
//!
//! A proof is a bearer credential while its window is open: whoever sees it can present it. So the window is short,
//! the server id binds the proof to this API, and a verified proof is remembered only until its window ends.

mod questions;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_lc_rs::digest::{self, SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use moka::sync::Cache;
use sts_identity::{AnswerError, CallerIdentity, Expected, ProofError, ServerId, Sts, StsHosts, StsRequest};
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::{
    Asked, Identity, IdentityError, Proven,
    single_use::{Key, Most, Presented, Refused, Reservation, SingleUse, Use},
};
use crate::{
    cache,
    clock::{Clock, UnixTime},
    event::EncodedProof,
};

use questions::Questions;

/// The most proofs whose callers are remembered, about 2 MB.
const MAX_CALLERS: u64 = 4096;

/// The most proofs that STS is asked about at the same time, or was lately.
const MAX_ASKED: u64 = 256;

/// The most proofs of which the use is remembered, about 2 MB. Whose they are is not known before STS is asked.
const MAX_USES: usize = 4096;

/// Which proofs are accepted.
#[derive(Debug)]
pub struct AwsIdentitySettings {
    /// `X-Vault-AWS-IAM-Server-ID`, signed inside the proof: the proof is good for this API alone. A stage may have its own.
    pub server_id: ServerId,
    /// The callers' accounts, 12 digits each.
    pub accounts: BTreeSet<String>,
    /// The STS hosts that a proof may be for.
    pub hosts: StsHosts,
    /// How long after its date a proof is good, in seconds.
    pub max_age_seconds: u64,
    /// Whether this instance takes each signature once only.
    pub single_use: bool,
}

/// What is remembered of proofs until their window ends.
enum Memory {
    /// Proofs that may be used again. Caches: what they forget is asked of STS once more.
    Callers {
        /// Whom a proof named.
        known: Cache<Key, (Arc<CallerIdentity>, UnixTime)>,
        /// What STS is asked, once for all calls with the same proof. Apart, since anybody can write a proof.
        asked: Cache<Key, Arc<OnceCell<Arc<CallerIdentity>>>>,
    },
    /// What became of a proof that may be used once. It forgets nothing: that would let a proof in twice.
    Uses(Arc<SingleUse<Arc<CallerIdentity>>>),
}

/// `AWS-Identity <proof>`.
pub struct AwsIdentityScheme<S> {
    settings: AwsIdentitySettings,
    sts: S,
    memory: Memory,
    questions: Questions,
}

impl<S: Sts> AwsIdentityScheme<S> {
    /// A scheme by these settings, which asks `sts`.
    pub fn new(settings: AwsIdentitySettings, sts: S, clock: Arc<dyn Clock>) -> Self {
        let memory = if settings.single_use {
            Memory::Uses(SingleUse::new(Most { in_all: MAX_USES, of_one: MAX_USES }))
        } else {
            Memory::Callers { known: cache::of_recent(MAX_CALLERS), asked: cache::of_recent(MAX_ASKED) }
        };
        Self { settings, sts, memory, questions: Questions::new(clock) }
    }

    pub(super) async fn verify(
        &self,
        proof: &EncodedProof,
        asked: Asked<'_>,
    ) -> Result<Identity, IdentityError> {
        let server_id = asked.server_id.unwrap_or(&self.settings.server_id);
        let request = self.request(proof, server_id, asked.now)?;
        let (caller, only_use) = self.caller(&request, server_id, asked.now).await?;
        let canonical = caller.arn().canonical().to_owned();
        Identity::assertion(Proven::AwsIdentity { caller, only_use }, "Arn", &canonical, None)
    }

    /// Pure: everything that can be refused without STS is refused here.
    fn request(
        &self,
        proof: &EncodedProof,
        server_id: &ServerId,
        now: UnixTime,
    ) -> Result<StsRequest, IdentityError> {
        let url = URL_SAFE_NO_PAD
            .decode(proof.expose())
            .map(Zeroizing::new)
            .map_err(|_| IdentityError::ProofMalformed)?;
        let url = str::from_utf8(&url).map_err(|_| IdentityError::ProofMalformed)?;
        let expected = Expected {
            hosts: &self.settings.hosts,
            server_id,
            max_age: Duration::from_secs(self.settings.max_age_seconds),
            now: now.to_system_time(),
        };
        Ok(StsRequest::parse(url, &expected)?)
    }

    /// The caller of a proof that was verified before, or else whom STS names.
    async fn caller(
        &self,
        request: &StsRequest,
        server_id: &ServerId,
        now: UnixTime,
    ) -> Result<(Arc<CallerIdentity>, Option<Use<Arc<CallerIdentity>>>), IdentityError> {
        let (key, ends_at) = (key(request, server_id), UnixTime::from_system_time(request.ends_at()));
        match &self.memory {
            Memory::Callers { known, asked } => {
                if let Some((caller, _)) = known.get(&key).filter(|(_, ends_at)| now <= *ends_at) {
                    return Ok((caller, None));
                }
                // Where it comes to no answer, the next call that waits asks.
                let asked = asked.get_with(key, Arc::default);
                let caller = Arc::clone(asked.get_or_try_init(|| self.verified(request)).await?);
                known.insert(key, (Arc::clone(&caller), ends_at));
                Ok((caller, None))
            }
            Memory::Uses(proofs) => {
                let presented = Presented { key, owner: None, ends_at };
                let place = match proofs.take(presented, now).await {
                    Ok(Reservation::Again(only_use)) => return Ok((only_use.proves(), Some(only_use))),
                    Ok(Reservation::New(place)) => place,
                    Err(Refused::Spent) => return Err(IdentityError::ProofReplayed),
                    Err(Refused::Over { seconds_ago }) => {
                        return Err(ProofError::Expired { seconds_ago }.into());
                    }
                    Err(Refused::ShareFull | Refused::Full) => return Err(IdentityError::TooManyOpenProofs),
                };
                let caller = self.verified(request).await?;
                Ok((Arc::clone(&caller), Some(place.keep(caller))))
            }
        }
    }

    /// Whom STS names, if there is a question left to ask it, and the account is one of those accepted.
    async fn verified(&self, request: &StsRequest) -> Result<Arc<CallerIdentity>, IdentityError> {
        let question = self.questions.begin(request.unverified_access_key_id());
        let question = question.ok_or(IdentityError::TooManyProofs)?;
        let caller = self.ask(request).await?;
        // Before anything of it is remembered: nobody else's accounts may fill the memory.
        if !self.settings.accounts.contains(caller.account()) {
            return Err(IdentityError::AccountRefused { account: caller.account().to_owned() });
        }
        question.confirmed();
        Ok(Arc::new(caller))
    }

    async fn ask(&self, request: &StsRequest) -> Result<CallerIdentity, IdentityError> {
        let unavailable = |reason: String| IdentityError::StsUnavailable {
            reason: format!("{}: {reason}", request.host()),
        };
        let answer = self.sts.call(request).await.map_err(|error| unavailable(error.reason))?;
        CallerIdentity::verify(&answer, request).map_err(|error| match error {
            AnswerError::Refused { code } => IdentityError::SignatureRefused { code },
            AnswerError::Principal(error) => error.into(),
            AnswerError::Unavailable { reason } => unavailable(reason),
        })
    }
}

/// Of the request as it was rebuilt, in which a proof has one spelling. With the server id: a proof that is good for one
/// stage must be unknown to another.
fn key(request: &StsRequest, server_id: &ServerId) -> Key {
    let mut hash = digest::Context::new(&SHA256);
    hash.update(server_id.as_str().as_bytes());
    // No server id holds a line break.
    hash.update(b"\n");
    hash.update(request.url().as_bytes());
    let mut key = Key::default();
    key.copy_from_slice(hash.finish().as_ref());
    key
}
