//! Why a command could not do its work, in one line each, and the exit code for it.
//!
//! What a command finds out is no failure: a denial explained is a success with an exit code of its own.

use std::{io, process::ExitCode};

use aws_credential_types::provider::error::CredentialsError;
use sts_identity::{RegionError, SignError, StsEndpointError};
use vault_authorizer::config::InvalidConfig;
use vault_transport::{VaultSetupError, http::HttpSetupError};

use crate::{
    connection::ConnectionError,
    input::InputError,
    operator::OperatorError,
    revoke::RevokeError,
    trace::TraceError,
    vault::{DesiredError, ServerError},
};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file or standard input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Every problem of a configuration.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// Two arguments want standard input.
    #[error(
        "the configuration and `{option} -` cannot both come from standard input: put one of them into a file"
    )]
    TwoFromStdin {
        /// The other one.
        option: &'static str,
    },
    /// Neither of the two, which the parser of the command line refuses first.
    #[error("needs `--config`")]
    ConfigMissing,
    /// Neither of the two, which the parser of the command line refuses first.
    #[error("needs `--event`, or `--jwt` with `--route` and `--stage`")]
    EventMissing,
    /// A JWT where its file should be.
    #[error(
        "`--jwt` takes a file or `-` for standard input, not the JWT: others on this machine can read a command's arguments, and your shell keeps them. Write `printf %s \"$jwt\" | vault-authorizer explain --jwt - …`"
    )]
    JwtAsArgument,
    /// Another option takes it, or none.
    #[error("`--jwt` takes a JWT, but {name} {what}")]
    NotAJwt {
        /// The file.
        name: String,
        /// What it is, and which option takes it.
        what: &'static str,
    },
    /// Not what a Lambda function is given.
    #[error(
        "the event is not JSON: line {line}, column {column}; give the event as the function got it, without the log line around it, or a JWT as `--jwt`"
    )]
    EventNotJson {
        /// Where reading stopped.
        line: usize,
        /// And there.
        column: usize,
    },
    /// No HTTP client for the issuers or STS.
    #[error("this machine's TLS roots cannot be used")]
    Http(#[from] HttpSetupError),
    /// `--region`.
    #[error("`--region` is refused")]
    Region(#[from] RegionError),
    /// `--sts-endpoint`.
    #[error("`--sts-endpoint` is refused")]
    Endpoint(#[from] StsEndpointError),
    /// Neither of the two, which the parser of the command line refuses first.
    #[error("needs `--region` or `--sts-endpoint`")]
    StsMissing,
    /// The chain has nothing.
    #[error(
        "no AWS credentials can be had: set AWS_PROFILE, run `aws sso login`, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Credentials(#[source] CredentialsError),
    /// The credentials do not sign.
    #[error("the AWS credentials cannot sign a proof")]
    Sign(#[from] SignError),
    /// No API would take it.
    #[error(
        "the proof has {bytes} bytes and the authorizer takes {most}: use credentials with a shorter session token (a role with a smaller session policy, or fewer session tags)"
    )]
    ProofTooLarge {
        /// Of the header's value.
        bytes: usize,
        /// That are accepted.
        most: usize,
    },
    /// No address or no token.
    #[error(transparent)]
    VaultConnection(#[from] ConnectionError),
    /// No HTTP client for Vault.
    #[error(transparent)]
    VaultSetup(#[from] VaultSetupError),
    /// There is nothing that Vault should hold.
    #[error(transparent)]
    VaultDesired(#[from] DesiredError),
    /// What Vault has cannot be told.
    #[error(transparent)]
    Vault(#[from] Box<ServerError>),
    /// Something is there that another made.
    #[error("nothing was changed: {count} in conflict, as said above")]
    VaultConflict {
        /// How many.
        count: usize,
    },
    /// An auth method that only the user can enable.
    #[error("the authorizer cannot log in yet: an auth method is missing, as said above")]
    VaultMountMissing,
    /// A step failed.
    #[error(
        "{done} done, and then this failed; run it again to go on. Not done: {}", undone.join("; ")
    )]
    VaultUnfinished {
        /// How many steps went well before.
        done: usize,
        /// The one that failed and those behind it, by name.
        undone: Vec<String>,
        /// Why.
        source: Box<ServerError>,
    },
    /// Vault, asked by an operator.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// `revoke`, before anything was revoked.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    /// `trace`.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// Standard output.
    #[error("the output could not be written")]
    Output(#[source] io::Error),
}

impl Failure {
    /// 2 where the command line itself is wrong, as for every usage error; else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Revoke(RevokeError::Config(failure)) => return failure.exit_code(),
            Self::TwoFromStdin { .. }
            | Self::ConfigMissing
            | Self::EventMissing
            | Self::JwtAsArgument
            | Self::NotAJwt { .. }
            | Self::EventNotJson { .. }
            | Self::Region(_)
            | Self::Endpoint(_)
            | Self::StsMissing
            | Self::VaultDesired(DesiredError::Login(_))
            | Self::Revoke(_)
            | Self::Trace(TraceError::IdEmpty) => 2,
            Self::Input(_)
            | Self::Config(_)
            | Self::Http(_)
            | Self::Credentials(_)
            | Self::Sign(_)
            | Self::ProofTooLarge { .. }
            | Self::VaultConnection(_)
            | Self::VaultSetup(_)
            | Self::Vault(_)
            | Self::VaultDesired(DesiredError::OwnPolicyGranted { .. })
            | Self::VaultConflict { .. }
            | Self::VaultMountMissing
            | Self::VaultUnfinished { .. }
            | Self::Operator(_)
            | Self::Trace(
                TraceError::Unknown { .. } | TraceError::NotRead { .. } | TraceError::Ambiguous { .. },
            )
            | Self::Output(_) => 1,
        })
    }
}
