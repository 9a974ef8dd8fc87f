//! Turns the document into the settings that each step defines.
//!
//! Receives a [`Document`] that has kept the rules; produces a [`Config`], or every problem that only shows here.
//! These are files that are missing or have the wrong content, certificates that trust nobody, and the few things
//! that no rule can say. Each of the larger sections has its own file.

mod issuers;
mod stages;
mod vault;

use std::{cell::RefCell, collections::BTreeSet, fmt, fs, num::NonZeroU32, path::Path, str::FromStr};

use authorizer_document::{
    AwsIdentity, CallerId, DEFAULT_CALLER_MINTS_PER_SECOND, DEFAULT_GRANT_MINTS_PER_SECOND, DEFAULT_MAX_AGE,
    Document, Problem, Response, Seconds, Unauthorized, WrittenCredentialSource,
};
use authorizer_steps::{
    event::CredentialSource,
    identity::aws_identity::AwsIdentitySettings,
    response::{AnswerSettings, ResponseAs, UnauthorizedAs},
    telemetry::CallerIdInLog,
};
use sts_identity::{Region, StsEndpoint, StsHosts};

use super::{Config, InvalidConfig, Limits};

const MAX_FILE_BYTES: u64 = 256 * 1024;

pub(super) fn read(document: Document, task_root: &Path) -> Result<Config, InvalidConfig> {
    let reader = Reader { task_root, problems: RefCell::default() };
    let config = reader.config(document);
    match (config, reader.problems.into_inner()) {
        (Some(config), problems) if problems.is_empty() => Ok(config),
        (_, problems) => Err(InvalidConfig { problems }),
    }
}

struct Reader<'r> {
    task_root: &'r Path,
    problems: RefCell<Vec<Problem>>,
}

impl Reader<'_> {
    fn config(&self, document: Document) -> Option<Config> {
        let vault = self.vault(document.vault);
        let issuers = document.issuers.unwrap_or_default().into_iter();
        let issuers: Vec<_> = issuers.map(|(name, issuer)| self.issuer(&name, issuer)).collect();
        let aws_identity = document.aws_identity.map(|section| self.aws_identity(section));
        let stages = document.stages.into_iter();
        let stages: Vec<_> = stages.map(|(name, stage)| self.stage(&name, stage)).collect();
        let (issuers, stages) = (whole(issuers)?, whole(stages)?);
        let stages = stages.into_iter().map(|stage| (stage.name.clone(), stage)).collect();
        self.refuse_audiences_that_no_token_names(&issuers, &stages);
        let credentials =
            document.credentials.map(|places| places.into_iter().filter_map(credential_source).collect());
        let answer = document.answer.map(answer).unwrap_or_default();
        let caller_id = document.log.and_then(|log| log.caller_id);
        let limits = document.limits;
        let limit = |asked: Option<u32>, default| NonZeroU32::new(asked.unwrap_or(default));
        Some(Config {
            vault: vault?,
            issuers,
            aws_identity: match aws_identity {
                Some(settings) => Some(settings?),
                None => None,
            },
            credentials: credentials.unwrap_or_else(CredentialSource::default_list),
            answer,
            caller_id_in_log: caller_id.map(caller_id_in_log).unwrap_or_default(),
            limits: Limits {
                caller_mints_per_second: limit(
                    limits.as_ref().and_then(|limits| limits.caller_mints_per_second),
                    DEFAULT_CALLER_MINTS_PER_SECOND,
                )?,
                grant_mints_per_second: limit(
                    limits.as_ref().and_then(|limits| limits.grant_mints_per_second),
                    DEFAULT_GRANT_MINTS_PER_SECOND,
                )?,
            },
            stages,
        })
    }

    fn aws_identity(&self, section: AwsIdentity) -> Option<AwsIdentitySettings> {
        let server_id = self.parsed("aws_identity.server_id", &section.server_id);
        let regions = section.sts_regions.map(|regions| {
            self.each("aws_identity.sts_regions", regions.iter().map(|region| region.0.as_str()))
        });
        let hosts = match (regions, section.sts_endpoint) {
            (Some(regions), _) => StsHosts::regional(&regions?),
            // An emulator has no regions of its own; a signature for it is scoped to this one.
            (None, endpoint) => {
                let region = self.parsed::<Region>("aws_identity.sts_endpoint", DEFAULT_REGION)?;
                let endpoint = StsEndpoint::loopback(&endpoint?, &region);
                StsHosts::loopback(self.checked("aws_identity.sts_endpoint", endpoint)?)
            }
        };
        let Seconds(max_age_seconds) = section.max_age.unwrap_or(DEFAULT_MAX_AGE);
        Some(AwsIdentitySettings {
            server_id: server_id?,
            accounts: section.accounts.into_iter().map(|account| account.0).collect::<BTreeSet<_>>(),
            hosts,
            max_age_seconds,
            single_use: section.single_use.unwrap_or(false),
        })
    }

    fn refuse(&self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { path: path.into(), message: message.into() });
    }

    /// What was made of the text at a path, or a problem there.
    fn checked<T, E: fmt::Display>(&self, path: impl Into<String>, made: Result<T, E>) -> Option<T> {
        made.map_err(|error| self.refuse(path, error.to_string())).ok()
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&self, path: impl Into<String>, text: &str) -> Option<T> {
        self.checked(path, text.parse())
    }

    /// The same for each text of a list, of which every problem is told.
    fn each<'t, T: FromStr<Err: fmt::Display>>(
        &self,
        path: &str,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Option<Vec<T>> {
        let texts = texts.into_iter().enumerate();
        whole(texts.map(|(index, text)| self.parsed(format!("{path}[{index}]"), text)).collect())
    }

    fn file(&self, at: &str, name: &str) -> Option<Vec<u8>> {
        let path = self.task_root.join(name);
        let too_large = fs::metadata(&path).is_ok_and(|file| file.len() > MAX_FILE_BYTES);
        if too_large {
            self.refuse(at, format!("{} is larger than {MAX_FILE_BYTES} bytes", path.display()));
            return None;
        }
        self.checked(
            at,
            fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display())),
        )
    }
}

/// Where the document names no region: the STS that Vault asks unless it is told otherwise.
const DEFAULT_REGION: &str = "us-east-1";

/// All of them, or none. Each is made first, so that every problem is found.
fn whole<T>(parts: Vec<Option<T>>) -> Option<Vec<T>> {
    parts.into_iter().collect()
}

/// Header names have no case, and lower case is how HTTP APIs hand them over.
fn credential_source(place: WrittenCredentialSource) -> Option<CredentialSource> {
    let header = place.header.map(|name| name.to_ascii_lowercase());
    let header = header.map(if place.scheme.is_some() {
        CredentialSource::BareHeader
    } else {
        CredentialSource::Header
    });
    header
        .or(place.cookie.map(CredentialSource::Cookie))
        .or(place.query.map(CredentialSource::Query))
        .or(place.websocket_protocol.map(CredentialSource::WebSocketProtocol))
}

fn answer(answer: authorizer_document::WrittenAnswer) -> AnswerSettings {
    let default = AnswerSettings::default();
    AnswerSettings {
        response: match answer.response {
            Some(Response::Policy) => ResponseAs::Policy,
            Some(Response::Simple) => ResponseAs::Simple,
            None => default.response,
        },
        unauthorized: match answer.unauthorized {
            Some(Unauthorized::Throw) => UnauthorizedAs::Thrown,
            Some(Unauthorized::Deny) => UnauthorizedAs::Denied,
            None => default.unauthorized,
        },
    }
}

fn caller_id_in_log(caller_id: CallerId) -> CallerIdInLog {
    match caller_id {
        CallerId::Plain => CallerIdInLog::Plain,
        CallerId::Hash => CallerIdInLog::Hashed,
        CallerId::Omit => CallerIdInLog::Omitted,
    }
}
