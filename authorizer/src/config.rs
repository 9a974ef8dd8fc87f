//! Reads the configuration, one YAML document, at init, and turns it into the settings that each step defines.
//!
//! Receives the document from the environment or a file; produces [`Config`], in which nothing is left to check. The
//! rules come first. If the document keeps them, the files and other things that it names are checked. Each of these
//! two checks reports all its problems together, each with its path, and the process ends at init. So an authorizer
//! that starts can decide.

mod settings;
mod source;

use std::{fmt, num::NonZeroU32, path::Path};

use authorizer_adapters::{
    jwks::JwksSource,
    vault::{JwtLoginSettings, JwtSource, LoginSettings, VaultSettings},
};
use authorizer_document::Document;
use authorizer_steps::{
    event::CredentialSource,
    grant::Stages,
    identity::{aws_identity::AwsIdentitySettings, jwt::Issuer},
    response::AnswerSettings,
    telemetry::CallerIdInLog,
};
use vault_transport::http::Protocol;

pub use authorizer_document::{Problem, quoted};
pub use source::MAX_DOCUMENT_BYTES;

/// What the authorizer runs by.
#[derive(Debug)]
pub struct Config {
    /// Vault's address and the login there.
    pub vault: VaultSettings,
    /// The issuers whose JWTs are accepted, each with where its keys come from.
    pub issuers: Vec<(Issuer, JwksSource)>,
    /// Which IAM proofs are accepted, if any.
    pub aws_identity: Option<AwsIdentitySettings>,
    /// Where a credential may stand in a request.
    pub credentials: Vec<CredentialSource>,
    /// The forms of answers.
    pub answer: AnswerSettings,
    /// How the log names callers.
    pub caller_id_in_log: CallerIdInLog,
    /// How much may be minted.
    pub limits: Limits,
    /// The stages, their APIs and grants.
    pub stages: Stages,
}

/// How much may be minted, so that neither one caller nor one grant uses up what Vault can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For each caller, by each instance of the function.
    pub caller_mints_per_second: NonZeroU32,
    /// For each grant, by each client address, at Vault: the rate limit quota on its token role. Written by `vault apply`,
    /// and never sent.
    pub grant_mints_per_second: NonZeroU32,
}

impl Config {
    /// Reads the configuration `AUTHORIZER_CONFIG`, else `AUTHORIZER_CONFIG_FILE`,
    /// else `authorizer.yaml` in `LAMBDA_TASK_ROOT`.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every problem found.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let task_root = env("LAMBDA_TASK_ROOT").unwrap_or_else(|| ".".to_owned());
        let task_root = Path::new(&task_root);
        let document = source::read(&env, task_root)?;
        Self::parse(&document, task_root)
    }

    /// Reads a document in whichever form the function takes it: as it is, or as the base64 of its gzip.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every problem found.
    pub fn from_packed(document: &str, task_root: &Path) -> Result<Self, InvalidConfig> {
        let document = source::unpack(document)
            .map_err(|reason| InvalidConfig::one(format!("the document {reason}")))?;
        Self::parse(&document, task_root)
    }

    /// Reads a document. Files it names are looked for in `task_root`, beside the binary.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with every problem found.
    pub fn parse(document: &str, task_root: &Path) -> Result<Self, InvalidConfig> {
        let document = Document::read(document).map_err(|problems| InvalidConfig { problems })?;
        settings::read(document, task_root)
    }

    /// What it takes to ask STS: a function that asks none, or one on its own machine, need not read the system's roots. The login
    /// by AWS signs for STS and leaves asking it to Vault.
    pub fn sts_protocol(&self) -> Protocol {
        let of_callers = self.aws_identity.iter().flat_map(|settings| settings.hosts.iter());
        let of_login = match &self.vault.login {
            LoginSettings::Jwt(JwtLoginSettings { jwt: JwtSource::WebIdentity { sts, .. }, .. }) => Some(sts),
            LoginSettings::Jwt(_)
            | LoginSettings::Aws(_)
            | LoginSettings::AppRole(_)
            | LoginSettings::Token(_) => None,
        };
        let is_elsewhere = of_callers.chain(of_login).any(|endpoint| endpoint.url().starts_with("https:"));
        if is_elsewhere { Protocol::HttpsOrHttp } else { Protocol::Http }
    }
}

/// Everything wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig {
    /// Each problem with its path, in the order of the document.
    pub problems: Vec<Problem>,
}

impl InvalidConfig {
    fn one(message: impl Into<String>) -> Self {
        Self { problems: vec![Problem { path: String::new(), message: message.into() }] }
    }
}

impl std::error::Error for InvalidConfig {}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => write!(f, "the configuration is invalid: {only}"),
            problems => {
                write!(f, "the configuration is invalid, {} problems:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}
