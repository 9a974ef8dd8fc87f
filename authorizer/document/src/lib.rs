//! The configuration document: its types, its JSON Schema, and its rules.
//!
//! Receives the document's text; produces a [`Document`], or every [`Problem`] in it, each with its path. It uses no
//! file, no network and no cryptography. When the function starts, it checks itself that the named files exist and
//! what is in them.
//!
//! One table says what a document must be: `authorizer.rules.json`. `cargo xtask schema` writes it from the types
//! here and from `rules.yaml`. [`rules`] reads it, and so do the CDK construct and the Terraform module, so that all
//! three say the same.
//!
//! INVARIANT: what keeps the rules can be read: no document is taken by the table and refused by the types.

mod answers;
mod callers;
mod problem;
pub mod rules;
pub mod schema;
mod stages;
mod vault;

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

pub use answers::*;
pub use callers::*;
pub use problem::{Problem, quoted};
pub use stages::*;
pub use vault::{WrittenLogin, WrittenVault};

/// What each stage of an API gives to whom, and where the authorizer finds Vault and the callers' keys. A document is YAML or
/// JSON.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["issuers"]}, {"required": ["aws_identity"]}]))]
pub struct Document {
    /// Where Vault is, and how the authorizer logs in.
    pub vault: WrittenVault,
    /// Whose JWTs are accepted. The name of an issuer is the first half of every caller id (`corp:alice`).
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"pattern": ISSUER_NAME, "patternErrorMessage": NOT_AN_ISSUER_NAME}))]
    pub issuers: Option<BTreeMap<String, WrittenIssuer>>,
    /// Which proofs of an IAM identity are accepted: presigned `sts:GetCallerIdentity`.
    pub aws_identity: Option<AwsIdentity>,
    /// Where in a request the credential may stand. All places are read, and more than one with a credential is a denial.
    #[schemars(length(min = 1), extend("default" = [{"header": "Authorization"}]))]
    pub credentials: Option<Vec<WrittenCredentialSource>>,
    /// How a refused credential is answered.
    pub answer: Option<WrittenAnswer>,
    /// What the log shows.
    pub log: Option<Log>,
    /// How much may be minted.
    pub limits: Option<WrittenLimits>,
    /// What each stage of API Gateway gives, by its name; `$default` is the name of an HTTP API's default stage. A stage that is
    /// not here is a denial.
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"pattern": STAGE_NAME, "patternErrorMessage": NOT_A_STAGE_NAME}))]
    pub stages: BTreeMap<String, WrittenStage>,
}

impl Document {
    /// Reads a document, as YAML 1.2 or JSON.
    ///
    /// # Errors
    ///
    /// Every problem found, in the order of their paths.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        if text.trim().is_empty() {
            return Err(whole("the document is empty".to_owned()));
        }
        let value: Value = serde_saphyr::from_str_with_options(text, yaml_options())
            .map_err(|error| whole(format!("not a YAML document: {}", reason(&error.to_string()))))?;
        if value.get("Resources").is_some() {
            return Err(whole(TEMPLATE.to_owned()));
        }
        let problems = rules::problems(&value);
        if !problems.is_empty() {
            return Err(problems);
        }
        serde_json::from_value(value).map_err(|error| whole(error.to_string()))
    }
}

const TEMPLATE: &str = "this is a CloudFormation template: pass the document inside it, which is the parameter `Configuration` or, in the quickstart, the variable `AUTHORIZER_CONFIG`";

fn whole(message: String) -> Vec<Problem> {
    vec![Problem { path: String::new(), message }]
}

/// The parser's own text quotes the document around the error, and a document can hold a development token.
fn reason(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    if line.contains("budget breached") {
        return "it has more values, aliases or levels than any configuration needs".to_owned();
    }
    // Advice to whoever calls the parser, not to whoever writes the document.
    let line = line.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    match line.split_once("tabs disallowed") {
        Some((place, _)) => format!("{place}tabs are not allowed here: indent with spaces"),
        None => line.to_owned(),
    }
}

/// YAML 1.2: `yes`, `no`, `on`, `off` and `2024_01` are text, so that a claim bound to one of them means what it says.
fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true, underscored_numbers_as_strings: true }
}

/// A span of time with its unit: `30s`, `2m`, `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub struct Seconds(
    #[schemars(
        with = "String",
        regex(pattern = r"^[0-9]+[smh]$"),
        extend("patternErrorMessage" = NOT_A_SPAN, "errorMessage" = NOT_A_SPAN, "examples" = ["30s", "2m", "1h"])
    )]
    pub u64,
);

impl Seconds {
    /// Reads a span. One that no clock will see the end of is [`u64::MAX`].
    fn parse(text: &str) -> Option<Self> {
        let (digits, unit_seconds) = [("s", 1), ("m", 60), ("h", 3600)]
            .into_iter()
            .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self(digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(unit_seconds)))
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not a duration"))
    }
}

fn spelled(Seconds(seconds): Seconds) -> String {
    format!("{seconds}s")
}

/// Text that logs in somewhere, and is not printed by accident.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Confidential(String);

impl Confidential {
    /// The text in clear.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Confidential(** redacted **)")
    }
}

/// What a URL begins with, whose details are the rules' to judge.
const HTTP_URL: &str = r"^[Hh][Tt][Tt][Pp][Ss]?://";
const NOT_HTTPS: &str = "must start with https:// (http:// is for a loopback host)";
const NOT_A_SPAN: &str = "must be a whole number with a unit: `30s`, `2m` or `1h`";
const ISSUER_NAME: &str = r"^[a-z0-9][a-z0-9._-]{0,63}$";
const NOT_AN_ISSUER_NAME: &str =
    "its name must be 1 to 64 of a-z, 0-9, `.`, `_` and `-`, begin with a letter or digit, and not be `arn`";
const STAGE_NAME: &str = r"^([$]default|[A-Za-z0-9_-]{1,128})$";
const NOT_A_STAGE_NAME: &str =
    "its name must be a stage name: 1 to 128 letters, digits, `_` and `-`, or `$default`";
const ROLE_NAME: &str = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$";
const NOT_A_ROLE_NAME: &str =
    "must be a Vault role name: 1 to 128 letters, digits, `.`, `_` and `-`, no `..`";
const SERVER_ID: &str = r"^[!-~]{1,256}$";
const NOT_A_SERVER_ID: &str = "must be 1 to 256 visible ASCII characters, without spaces";
const REGION: &str = r"^[a-z]+(-[a-z]+)+-[0-9]{1,2}$";
const NOT_A_REGION: &str = "must be an AWS region, such as `eu-west-1`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_needs_its_unit() {
        assert_eq!(Seconds::parse("30s"), Some(Seconds(30)));
        assert_eq!(Seconds::parse("2m"), Some(Seconds(120)));
        assert_eq!(Seconds::parse("1h"), Some(Seconds(3600)));
        assert_eq!(Seconds::parse("9999999999999999999h"), Some(Seconds(u64::MAX)));
        for refused in ["30", "", "s", "-1s", "+1s", "1.5s", "1d", " 1s"] {
            assert_eq!(Seconds::parse(refused), None, "{refused}");
        }
    }
}
