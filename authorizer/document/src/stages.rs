//! The section `stages`: which APIs each stage is for, and its grants in order.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Seconds;

/// What a stage gives to whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stage")]
pub struct WrittenStage {
    /// The APIs that this stage's grants are for. `["*"]` alone is any API.
    #[schemars(length(min = 1), extend("examples" = [["a1b2c3d4e5"]]))]
    pub api_ids: Vec<ApiId>,
    /// Narrows the issuers' audiences for this stage: a token must name one of both.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub audiences: Option<Vec<String>>,
    /// The server id that proofs for this stage must be signed for, in place of `aws_identity.server_id`.
    #[schemars(regex(pattern = super::SERVER_ID), extend("patternErrorMessage" = super::NOT_A_SERVER_ID))]
    pub server_id: Option<String>,
    /// In order: the first one whose route and caller match decides.
    #[schemars(length(min = 1))]
    pub grants: Vec<WrittenGrant>,
}

/// Who gets which Vault token on which routes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["token"]}, {"required": ["mode"]}]))]
#[schemars(rename = "Grant")]
pub struct WrittenGrant {
    /// For the log, the context and Vault's audit log. Of one grant in the whole document.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9._-]{1,64}$"),
        extend("patternErrorMessage" = "must be 1 to 64 letters, digits, `.`, `_` and `-`", "examples" = ["orders-reader"])
    )]
    pub name: String,
    /// `METHOD template`, as the API names it; `*` is any method but OPTIONS, `/*` at the end all below; `$connect` alone.
    #[schemars(length(min = 1), inner(length(min = 1)), extend("examples" = [["GET /orders", "GET /orders/{id}"]]))]
    pub routes: Vec<String>,
    /// Who vouches for the callers, and what must hold of them.
    pub caller: WrittenCaller,
    /// The Vault token that it gives.
    pub token: Option<Token>,
    /// `none`: the caller may pass, and there is no Vault token.
    #[schemars(extend("const" = "none"))]
    pub mode: Option<String>,
    /// Have the next token minted before it is asked for, on instances that are asked for one often.
    #[schemars(extend("default" = false))]
    pub mint_ahead: Option<bool>,
}

/// Who vouches for the callers, and what must hold of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["issuer"]}, {"required": ["aws_identity"]}]))]
#[schemars(rename = "Caller")]
pub struct WrittenCaller {
    /// One of `issuers`.
    #[schemars(length(min = 1))]
    pub issuer: Option<String>,
    /// Callers that prove an IAM identity.
    #[schemars(extend("const" = true, "errorMessage" = "must be true if it is set"))]
    pub aws_identity: Option<bool>,
    /// `sub`, which must match exactly.
    #[schemars(length(min = 1))]
    pub bound_subject: Option<String>,
    /// Claims that must all hold; of a list, one item will do. A name that begins with `/` is a JSON pointer.
    #[schemars(extend("minProperties" = 1, "examples" = [{"scope": ["orders:read"], "/realm_access/roles": "admin"}]))]
    pub bound_claims: Option<BTreeMap<String, ClaimValues>>,
    /// `glob`: in texts, each `*` stands for any run of characters.
    #[schemars(extend("default" = "string"))]
    pub bound_claims_type: Option<ClaimsType>,
    /// ARNs of users and roles, of which one will do.
    #[schemars(length(min = 1), inner(length(min = 1)), extend("examples" = [["arn:aws:iam::123456789012:role/batch"]]))]
    pub bound_iam_principal_arns: Option<Vec<String>>,
    /// Unique ids, of which one will do: `AROA…` of a role, `AIDA…` of a user.
    #[schemars(length(min = 1))]
    pub bound_iam_principal_ids: Option<Vec<PrincipalId>>,
    /// What the token must be bound to. It does not say who the caller is, so it needs another bound, or `any`.
    pub binding: Option<WrittenCallerBinding>,
    /// Any caller of the issuer. Required where nothing is bound.
    #[schemars(extend("default" = false))]
    pub any: Option<bool>,
}

/// What a caller must prove to hold beside the token.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CallerBinding")]
pub enum WrittenCallerBinding {
    /// A key, by DPoP (RFC 9449).
    Dpop,
    /// A certificate, by mutual TLS (RFC 8705).
    Mtls,
    /// One of both.
    Any,
}

/// How bound claims are compared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimsType {
    /// With their types: `"3"` is not `3`.
    String,
    /// With `*`.
    Glob,
}

/// What a claim must be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("errorMessage" = NOT_A_CLAIM))]
#[expect(missing_docs, reason = "the one and the many")]
pub enum ClaimValues {
    One(ClaimValue),
    OneOf(#[schemars(length(min = 1))] Vec<ClaimValue>),
}

/// One value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("errorMessage" = NOT_A_CLAIM))]
#[expect(missing_docs, reason = "JSON's own types")]
pub enum ClaimValue {
    Text(#[schemars(length(min = 1))] String),
    Number(
        #[schemars(with = "i128", range(min = i64::MIN, max = u64::MAX), extend("errorMessage" = NOT_EXACT))]
        serde_json::Number,
    ),
    Boolean(bool),
}

/// The Vault token that a grant gives.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The Vault token role, of this grant alone.
    #[schemars(
        regex(pattern = super::ROLE_NAME),
        extend("patternErrorMessage" = super::NOT_A_ROLE_NAME, "examples" = ["orders-prod-reader"])
    )]
    pub role: String,
    /// The role's `allowed_policies` in Vault, beside `vault-authorizer-self`.
    #[schemars(length(min = 1), extend("examples" = [["orders-read"]]))]
    pub policies: Vec<Policy>,
    /// The longest life of the token, 15s to 24h.
    pub ttl: Seconds,
    /// The longest life of the wrapping token: the time that the integration has to unwrap.
    pub wrap_ttl: Seconds,
    /// How often the token may be used. Every call counts, the revoke too.
    #[schemars(range(min = 2), extend("errorMessage" = "must be at least 2: the revoke at the end counts as well"))]
    pub num_uses: Option<u64>,
    /// Whose templated policies the token has.
    pub entity_alias: Option<WrittenEntityAlias>,
}

/// The claim that gives a token its entity alias, `<value>@<issuer name>`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EntityAlias")]
pub struct WrittenEntityAlias {
    /// The claim. A name that begins with `/` is a JSON pointer.
    #[schemars(length(min = 1), extend("examples" = ["tenant"]))]
    pub claim: String,
}

/// The id of an API; `*` alone is any.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ApiId(
    #[schemars(
        regex(pattern = r"^(\*|[A-Za-z0-9]{1,32})$"),
        extend("patternErrorMessage" = "must be an API id: 1 to 32 letters and digits")
    )]
    pub String,
);

/// IAM user guide, "IAM identifiers": `AROA` begins a role's unique id, `AIDA` a user's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PrincipalId(
    #[schemars(
        regex(pattern = r"^(AROA|AIDA)[A-Z0-9]{8,124}$"),
        extend("patternErrorMessage" = "must be a unique id: AROA… of a role or AIDA… of a user")
    )]
    pub String,
);

/// The name of a Vault policy, in lower case as Vault keeps it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Policy(
    #[schemars(regex(pattern = r"^[a-z0-9._/-]{1,128}$"), extend("patternErrorMessage" = "must be a Vault policy name in lower case, not `root`"))]
    pub String,
);

const NOT_A_CLAIM: &str = "must be a string, a number or a boolean";
const NOT_EXACT: &str = "must be a whole number from -9223372036854775808 to 18446744073709551615: no other can be compared exactly. Put it in quotes if the claim is a string";
