//! The sections `issuers`, `aws_identity` and `credentials`: whom the authorizer trusts, and where it looks for their
//! credentials.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Seconds, spelled};

/// What `sts:GetWebIdentityToken` can sign with.
pub const AWS_ALGORITHMS: [&str; 2] = ["RS256", "ES384"];
/// Clock difference allowed where an issuer says none.
pub const DEFAULT_LEEWAY: Seconds = Seconds(30);
/// The `typ` values accepted where an issuer says none.
pub const DEFAULT_TYPES: [&str; 2] = ["JWT", "at+jwt"];
/// What a DPoP proof may be signed with where an issuer says none.
pub const DEFAULT_DPOP_ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "RS256", "PS256"];
/// How long after its date a proof of an IAM identity is taken, where `aws_identity` does not say.
pub const DEFAULT_MAX_AGE: Seconds = Seconds(60);

/// Whose JWTs are accepted, and where their keys come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Issuer")]
pub enum WrittenIssuer {
    /// An OpenID provider, or whoever else signs JWTs.
    Jwt {
        /// `iss`, which must match exactly; mind a slash at the end. Two entries may share one, if no audience is in both.
        #[schemars(length(min = 1), extend("examples" = ["https://login.example.com/"]))]
        issuer: String,
        /// A token must name one of these.
        #[schemars(length(min = 1), inner(length(min = 1)), extend("examples" = [["orders-api"]]))]
        audiences: Vec<String>,
        /// Where the audience is. Cognito's access tokens: `client_id`.
        #[schemars(extend("default" = "aud"))]
        audience_claim: Option<WrittenAudienceClaim>,
        /// What a signature may be made with. Never taken from the token.
        #[schemars(length(min = 1), extend("examples" = [["RS256"]]))]
        algorithms: Vec<WrittenAlgorithm>,
        /// Accepted `typ`, without regard to case. A token without `typ` counts as `JWT`.
        #[schemars(length(min = 1), inner(length(min = 1)), extend("default" = DEFAULT_TYPES))]
        types: Option<Vec<String>>,
        /// Where the keys come from.
        jwks: WrittenJwks,
        /// PEM certificates, in a file beside the binary. When given, nothing else is trusted for this issuer's keys.
        #[schemars(length(min = 1), extend("examples" = ["corp-ca.pem"]))]
        ca_file: Option<String>,
        /// Clock difference allowed for `nbf` and `iat`, at most 300s. `exp` has none.
        #[schemars(extend("default" = spelled(DEFAULT_LEEWAY)))]
        leeway: Option<Seconds>,
        /// The longest time since `iat`, 1s to 24h. With it, `iat` is required.
        max_age: Option<Seconds>,
        /// The claim that names the caller: the second half of the caller id. A name that begins with `/` is a JSON pointer.
        #[schemars(length(min = 1), extend("default" = "sub"))]
        user_claim: Option<String>,
        /// What is asked of sender-constrained tokens, which have the claim `cnf`. What it holds is always proven, but with
        /// `verify: elsewhere`.
        #[schemars(extend("default" = {"require": "none"}))]
        binding: Option<WrittenBinding>,
    },
    /// An AWS account, for the JWTs of `sts:GetWebIdentityToken`.
    AwsIam {
        /// The account's own issuer, below `tokens.sts.global.api.aws`.
        #[schemars(length(min = 1), extend("examples" = ["https://0f3c8e52-1111-2222-3333-444455556666.tokens.sts.global.api.aws"]))]
        issuer: String,
        /// A token must name one of these.
        #[schemars(length(min = 1), inner(length(min = 1)), extend("examples" = [["orders-api"]]))]
        audiences: Vec<String>,
        /// AWS names the audience in `aud` alone.
        #[schemars(extend("const" = "aud", "errorMessage" = "must be `aud`, the only claim in which AWS names the audience"))]
        audience_claim: Option<WrittenAudienceClaim>,
        /// What a signature may be made with; both where it is not written.
        #[schemars(length(min = 1))]
        algorithms: Option<Vec<AwsAlgorithm>>,
        /// Accepted `typ`, without regard to case. A token without `typ` counts as `JWT`.
        #[schemars(length(min = 1), inner(length(min = 1)), extend("default" = DEFAULT_TYPES))]
        types: Option<Vec<String>>,
        /// Where the keys come from; a `uri` must be on the issuer's own host.
        #[schemars(extend("default" = "discovery"))]
        jwks: Option<WrittenJwks>,
        /// Clock difference allowed for `nbf` and `iat`, at most 300s. `exp` has none.
        #[schemars(extend("default" = spelled(DEFAULT_LEEWAY)))]
        leeway: Option<Seconds>,
        /// The longest time since `iat`, 1s to 24h. With it, `iat` is required.
        max_age: Option<Seconds>,
        /// The claim that names the caller; nothing in `request_tags`, which the caller writes.
        #[schemars(length(min = 1), extend("default" = "sub"))]
        user_claim: Option<String>,
        /// What is asked of sender-constrained tokens, which have the claim `cnf`. What it holds is always proven, but with
        /// `verify: elsewhere`.
        #[schemars(extend("default" = {"require": "none"}))]
        binding: Option<WrittenBinding>,
    },
}

/// What is asked of sender-constrained tokens: DPoP (RFC 9449) and mutual TLS (RFC 8705).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Binding", extend("minProperties" = 1, "errorMessage" = "must be a mapping, such as `{require: dpop}`"))]
pub struct WrittenBinding {
    /// What every token must be bound to. With `none`, one without `cnf` is a plain bearer token.
    #[schemars(extend("default" = "none"))]
    pub require: Option<Require>,
    /// The URLs that callers use, where API Gateway does not tell: behind a proxy, and of an HTTP or WebSocket API on a custom
    /// domain. The path of the call, without the stage, follows.
    #[schemars(length(min = 1), inner(length(min = 1)), extend("examples" = [["https://api.example.com/v1"]]))]
    pub public_urls: Option<Vec<String>>,
    /// What a DPoP proof may be signed with.
    #[schemars(length(min = 1), extend("default" = DEFAULT_DPOP_ALGORITHMS))]
    pub dpop_algorithms: Option<Vec<WrittenAlgorithm>>,
    /// `elsewhere`: something in front of the API verifies what `cnf` holds, and here nothing is looked at.
    #[schemars(extend("const" = "elsewhere", "errorMessage" = "must be `elsewhere` if it is set"))]
    pub verify: Option<String>,
}

/// What a token must be bound to.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// Nothing.
    None,
    /// A key or a certificate.
    Any,
    /// A key, by DPoP (RFC 9449).
    Dpop,
    /// A certificate, by mutual TLS (RFC 8705).
    Mtls,
}

/// Where a token names whom it is for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AudienceClaim")]
pub enum WrittenAudienceClaim {
    /// `aud`: text or a list.
    Aud,
    /// `client_id`: one text.
    ClientId,
    /// `azp`: one text.
    Azp,
}

/// JWS `alg` (RFC 7518, section 3.1; RFC 8037; RFC 9864). `EdDSA` and `Ed25519` are one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Algorithm")]
pub struct WrittenAlgorithm(#[schemars(extend("enum" = ALGORITHMS))] pub String);

/// What `sts:GetWebIdentityToken` can sign with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AwsAlgorithm(#[schemars(extend("enum" = AWS_ALGORITHMS))] pub String);

/// Where an issuer's keys come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("errorMessage" = ONE_SOURCE))]
#[schemars(rename = "Jwks")]
pub enum WrittenJwks {
    /// `jwks_uri` of `<issuer>/.well-known/openid-configuration`.
    Discovery(Discovery),
    /// A JWK set's own place.
    At(JwksPlace),
}

/// The word `discovery`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// OpenID Connect Discovery 1.0, section 4.
    Discovery,
}

/// A JWK set's own place, by the one key that says of which kind it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1, "errorMessage" = ONE_SOURCE))]
pub struct JwksPlace {
    /// `https`, or `http` to a loopback host.
    #[schemars(regex(pattern = super::HTTP_URL), extend("patternErrorMessage" = super::NOT_HTTPS))]
    pub uri: Option<String>,
    /// A file beside the binary, read once.
    #[schemars(length(min = 1))]
    pub file: Option<String>,
}

/// Which proofs of an IAM identity are accepted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["sts_regions"]}, {"required": ["sts_endpoint"]}]))]
pub struct AwsIdentity {
    /// A name of your API's own, which the caller signs as `X-Vault-AWS-IAM-Server-ID`. Not that of your Vault.
    #[schemars(
        regex(pattern = super::SERVER_ID),
        extend("patternErrorMessage" = super::NOT_A_SERVER_ID, "examples" = ["orders.example.com"])
    )]
    pub server_id: String,
    /// The callers' accounts, in quotes.
    #[schemars(length(min = 1), extend("examples" = [["123456789012"]]))]
    pub accounts: Vec<Account>,
    /// The regions whose STS a proof may be for.
    #[schemars(length(min = 1), extend("examples" = [["eu-west-1"]]))]
    pub sts_regions: Option<Vec<WrittenRegion>>,
    /// Development only: an STS on this machine.
    #[schemars(length(min = 1))]
    pub sts_endpoint: Option<String>,
    /// How long after its date a proof is taken, 1s to 15m.
    #[schemars(extend("default" = spelled(DEFAULT_MAX_AGE)))]
    pub max_age: Option<Seconds>,
    /// Whether each instance takes a proof once. It is no protection across instances.
    #[schemars(extend("default" = false))]
    pub single_use: Option<bool>,
}

/// One place in a request, by the one key that says of which kind it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{"required": ["header"]}, {"required": ["cookie"]}, {"required": ["query"]}, {"required": ["websocket_protocol"]}],
    "dependentRequired" = {"scheme": ["header"]},
    "errorMessage" = "must be one of {header: …}, {header: …, scheme: none}, {cookie: …}, {query: …}, {websocket_protocol: …}"
))]
#[schemars(rename = "CredentialSource")]
pub struct WrittenCredentialSource {
    /// Its name, neither `DPoP` nor `x-vault-…`. Its value is `Bearer <JWT>`, `DPoP <JWT>` or `AWS-Identity <proof>`.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9_-]+$"),
        extend("patternErrorMessage" = "must be a header name that does not start with `x-vault-`")
    )]
    pub header: Option<String>,
    /// `none`: the header's value is the JWT alone.
    #[schemars(extend("const" = "none", "errorMessage" = "must be `none` if it is set; otherwise the value begins with `Bearer`, `DPoP` or `AWS-Identity`"))]
    pub scheme: Option<String>,
    /// The JWT alone.
    #[schemars(regex(pattern = TOKEN), extend("patternErrorMessage" = NOT_A_TOKEN))]
    pub cookie: Option<String>,
    /// The JWT alone. URLs end up in logs and histories.
    #[schemars(regex(pattern = TOKEN), extend("patternErrorMessage" = NOT_A_TOKEN))]
    pub query: Option<String>,
    /// Of `Sec-WebSocket-Protocol: <name>, <JWT>` the protocol after this one.
    #[schemars(regex(pattern = TOKEN), extend("patternErrorMessage" = NOT_A_TOKEN))]
    pub websocket_protocol: Option<String>,
}

/// An AWS account's id.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Account(
    #[schemars(regex(pattern = r"^[0-9]{12}$"), extend("patternErrorMessage" = "must be an account id: 12 digits, in quotes"))]
    pub String,
);

/// The name of an AWS region.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Region")]
pub struct WrittenRegion(
    #[schemars(regex(pattern = super::REGION), extend("patternErrorMessage" = super::NOT_A_REGION))]
    pub  String,
);

const ONE_SOURCE: &str = "must be `discovery`, {uri: …} or {file: …}";
/// JWS `alg` by name, in the order in which messages name them.
const ALGORITHMS: [&str; 10] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519"];
/// A token of RFC 9110, section 5.6.2: what a cookie's name and a subprotocol are made of, and a sane parameter's.
const TOKEN: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
const NOT_A_TOKEN: &str = "must be letters, digits and `!#$%&'*+-.^_`|~`";
