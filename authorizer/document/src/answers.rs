//! The sections `answer`, `log` and `limits`: how callers are answered, how the log names them, and how much they may
//! have.

use schemars::JsonSchema;
use serde::Deserialize;

/// How callers are answered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Answer")]
pub struct WrittenAnswer {
    /// `policy`, which every kind of API takes, or `simple` for events of HTTP API payload 2.0.
    #[schemars(extend("default" = "policy"))]
    pub response: Option<Response>,
    /// `throw`: an error, which REST and WebSocket APIs answer with 401. `deny`: a Deny, 403.
    #[schemars(extend("default" = "throw"))]
    pub unauthorized: Option<Unauthorized>,
}

/// The form of an answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// An IAM policy.
    Policy,
    /// `isAuthorized`.
    Simple,
}

/// How a refused credential is answered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unauthorized {
    /// By the error `Unauthorized`.
    Throw,
    /// By a Deny with the reason.
    Deny,
}

/// What the log shows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How the log names callers, and Vault's audit log in the token's metadata.
    #[schemars(extend("default" = "plain"))]
    pub caller_id: Option<CallerId>,
}

/// How callers are named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallerId {
    /// As it is.
    Plain,
    /// base64url of its SHA-256.
    Hash,
    /// Not at all.
    Omit,
}

/// How much may be minted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Limits")]
pub struct WrittenLimits {
    /// How many tokens one caller id may have minted each second, by each instance of the function; twice that at once. Times the
    /// function's concurrency, keep it to half of `grant_mints_per_second`.
    #[schemars(range(min = 1, max = MAX_MINTS_PER_SECOND), extend("default" = DEFAULT_CALLER_MINTS_PER_SECOND))]
    pub caller_mints_per_second: Option<u32>,
    /// How many tokens of one grant one client address may have minted each second: the rate limit quota that `vault apply`
    /// makes.
    #[schemars(range(min = 1, max = MAX_MINTS_PER_SECOND), extend("default" = DEFAULT_GRANT_MINTS_PER_SECOND))]
    pub grant_mints_per_second: Option<u32>,
}

/// One caller, by all instances, may have half of what a grant has: the deployments reserve 20 instances, and 20 × 5 are 100 of
/// 200. The other half is for everybody else, so a loop or a stolen credential stops nobody. The burst, of twice as many, is for
/// somebody's page that makes its calls together. A service that sends more through one warm instance needs a higher limit,
/// and with it a higher quota or fewer instances; `check` and `doctor` do the sum.
pub const DEFAULT_CALLER_MINTS_PER_SECOND: u32 = 5;
/// About what one Vault on an ordinary disk can mint.
pub const DEFAULT_GRANT_MINTS_PER_SECOND: u32 = 200;
const MAX_MINTS_PER_SECOND: u32 = 100_000;
