//! The document's form as a JSON Schema, for editors and for whatever renders a document.
//!
//! Receives nothing; produces the schema of what [`Config::parse`](super::Config::parse) reads. The types here are the
//! document's, as it is written; the settings that are read from it are the steps' own. Leaves to the reader what a schema cannot
//! say: what must be unique, what another section must name, what lies in a file.
//!
//! INVARIANT: no document that the reader takes is refused here, so an editor never marks what works
//! (`the_schema_takes_all_that_the_reader_takes`); and each key of the reader's is here, and no other
//! (`the_schema_knows_the_readers_keys_and_no_other`).

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Value, json};

use super::document::{
    DEFAULT_CALLER_MINTS_PER_SECOND, DEFAULT_GRANT_MINTS_PER_SECOND, MAX_MINTS_PER_SECOND,
    aws_identity::DEFAULT_MAX_AGE_SECONDS,
    issuers::{AWS_ALGORITHMS, DEFAULT_LEEWAY_SECONDS, DEFAULT_TYPES},
};
use crate::identity::jwt;

/// The schema, in draft 2020-12.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(refined));
    let mut schema = settings.into_generator().into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), json!("vault-authorizer"));
    schema.insert("examples".to_owned(), json!([example()]));
    schema.to_value()
}

/// The smallest document with which a caller of an identity provider gets a token of Vault's.
fn example() -> Value {
    json!({
        "vault": {
            "address": "https://vault.example.com:8200",
            "login": {"method": "aws", "role": "api-authorizer", "server_id": "vault.example.com"},
        },
        "issuers": {
            "corp": {
                "kind": "jwt",
                "issuer": "https://login.example.com/",
                "audiences": ["orders-api"],
                "algorithms": ["RS256"],
                "jwks": "discovery",
            },
        },
        "stages": {
            "prod": {
                "api_ids": ["a1b2c3d4e5"],
                "grants": [{
                    "name": "orders-reader",
                    "routes": ["GET /orders", "GET /orders/{id}"],
                    "caller": {"issuer": "corp", "bound_claims": {"scope": ["orders:read"]}},
                    "token": {"role": "orders-prod-reader", "policies": ["orders-read"], "ttl": "2m", "wrap_ttl": "30s"},
                }],
            },
        },
    })
}

/// A key may be left out, but `null` is no value of any. A description is a paragraph, however its comment is set.
fn refined(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    let null = json!("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|each| *each != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let null = json!({"type": "null"});
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|each| *each != null);
        if let [only] = choices.as_slice() {
            let Some(only) = only.as_object().cloned() else { return };
            schema.remove("anyOf");
            for (key, value) in only {
                schema.insert(key, value);
            }
        }
    }
}

fn in_seconds(seconds: u64) -> String {
    format!("{seconds}s")
}

/// What each stage of an API gives to whom, and where the authorizer finds Vault and the callers' keys. A document is YAML or
/// JSON.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["issuers"]}, {"required": ["aws_identity"]}]))]
pub struct Document {
    /// Where Vault is, and how the authorizer logs in.
    pub vault: Vault,
    /// Whose JWTs are accepted. The name of an issuer is the first half of every caller id (`corp:alice`).
    #[schemars(extend("minProperties" = 1, "propertyNames" = {"pattern": ISSUER_NAME}))]
    pub issuers: Option<BTreeMap<String, Issuer>>,
    /// Which proofs of an IAM identity are accepted: presigned `sts:GetCallerIdentity`.
    pub aws_identity: Option<AwsIdentity>,
    /// Where in a request the credential may stand. All places are read, and more than one with a credential is a denial.
    #[schemars(length(min = 1), extend("default" = [{"header": "Authorization"}]))]
    pub credentials: Option<Vec<CredentialSource>>,
    /// How a refused credential is answered.
    pub answer: Option<Answer>,
    /// What the log shows.
    pub log: Option<Log>,
    /// How much may be minted.
    pub limits: Option<Limits>,
    /// What each stage of API Gateway gives, by its name; `$default` is the name of an HTTP API's default stage. A stage that is
    /// not here is a denial.
    #[schemars(extend("minProperties" = 1))]
    pub stages: BTreeMap<String, Stage>,
}

// -- vault

/// Where Vault is, and how the authorizer logs in.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = {"client_cert_file": ["client_key_file"], "client_key_file": ["client_cert_file"]}))]
pub struct Vault {
    /// Vault's URL: `https`, or `http` to a loopback host. The integration compares it to the letter.
    #[schemars(regex(pattern = HTTP_URL), extend("examples" = ["https://vault.example.com:8200"]))]
    pub address: String,
    /// Sent with every call, the login included.
    #[schemars(length(min = 1), extend("examples" = ["platform/team1"]))]
    pub namespace: Option<String>,
    /// PEM certificates, in a file beside the binary. When given, nothing else is trusted for Vault.
    #[schemars(length(min = 1), extend("examples" = ["vault-ca.pem"]))]
    pub ca_file: Option<String>,
    /// PEM certificate that the authorizer shows to a Vault that asks for one.
    #[schemars(length(min = 1))]
    pub client_cert_file: Option<String>,
    /// Its private key: PEM, not encrypted.
    #[schemars(length(min = 1))]
    pub client_key_file: Option<String>,
    /// How the authorizer gets its own token.
    pub login: Login,
}

/// How the authorizer proves to Vault who it is.
#[derive(JsonSchema)]
#[schemars(tag = "method", rename_all = "lowercase", deny_unknown_fields)]
pub enum Login {
    /// With the function's IAM role, at HashiCorp Vault's AWS auth method. No secret is stored.
    Aws {
        /// The role of the AWS auth method.
        #[schemars(regex(pattern = ROLE_NAME), extend("examples" = ["api-authorizer"]))]
        role: String,
        /// `X-Vault-AWS-IAM-Server-ID`, signed into each login: Vault's `iam_server_id_header_value`.
        #[schemars(length(min = 1, max = 256), extend("examples" = ["vault.example.com"]))]
        server_id: String,
        /// Where the method is mounted, below `auth/`.
        #[schemars(regex(pattern = MOUNT_PATH), extend("default" = "aws"))]
        mount: Option<String>,
        /// The region of the STS that Vault asks.
        #[schemars(length(min = 1), extend("default" = "us-east-1", "examples" = ["eu-west-1"]))]
        sts_region: Option<String>,
        /// Development only: an STS on this machine.
        #[schemars(length(min = 1))]
        sts_endpoint: Option<String>,
    },
    /// With a JWT, at the JWT auth method of Vault or OpenBao: of a file, or of `sts:GetWebIdentityToken`, where no secret is
    /// stored.
    #[schemars(extend("oneOf" = [{"required": ["jwt_file"]}, {"required": ["web_identity_audience"]}]))]
    Jwt {
        /// The role of the JWT auth method.
        #[schemars(regex(pattern = ROLE_NAME))]
        role: String,
        /// Where the method is mounted, below `auth/`.
        #[schemars(regex(pattern = MOUNT_PATH), extend("default" = "jwt"))]
        mount: Option<String>,
        /// The function asks STS for a JWT of its own role with this `aud`.
        #[schemars(length(min = 1, max = 1000))]
        web_identity_audience: Option<String>,
        /// With `web_identity_audience`: the region whose STS is asked. Take the function's own.
        #[schemars(length(min = 1), extend("default" = "us-east-1"))]
        sts_region: Option<String>,
        /// Development only: an STS on this machine.
        #[schemars(length(min = 1))]
        sts_endpoint: Option<String>,
        /// A file with a JWT, read at each login.
        #[schemars(length(min = 1))]
        jwt_file: Option<String>,
    },
    /// With a role id and a secret id, at the AppRole auth method.
    #[schemars(extend("oneOf" = [{"required": ["secret_id"]}, {"required": ["secret_id_file"]}]))]
    AppRole {
        /// The role's id.
        #[schemars(length(min = 1))]
        role_id: String,
        /// One of its secret ids. Whoever may read the function's settings has it: prefer a file.
        #[schemars(length(min = 1))]
        secret_id: Option<String>,
        /// A file with the secret id, read at each login.
        #[schemars(length(min = 1))]
        secret_id_file: Option<String>,
        /// Where the method is mounted, below `auth/`.
        #[schemars(regex(pattern = MOUNT_PATH), extend("default" = "approle"))]
        mount: Option<String>,
    },
    /// With a token of the configuration, for development.
    Token {
        /// The token itself, used as it is and never renewed.
        #[schemars(length(min = 1))]
        token: String,
    },
}

// -- callers

/// Whose JWTs are accepted, and where their keys come from.
#[derive(JsonSchema)]
#[schemars(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Issuer {
    /// An OpenID provider, or whoever else signs JWTs.
    Jwt {
        /// `iss`, compared to the letter; mind a slash at the end. Two entries may have one, if no audience is in both.
        #[schemars(length(min = 1), extend("examples" = ["https://login.example.com/"]))]
        issuer: String,
        /// A token must name one of these.
        #[schemars(length(min = 1), inner(length(min = 1)), extend("examples" = [["orders-api"]]))]
        audiences: Vec<String>,
        /// Where the audience is. Cognito's access tokens: `client_id`.
        #[schemars(extend("default" = "aud"))]
        audience_claim: Option<AudienceClaim>,
        /// What a signature may be made with. Never taken from the token.
        #[schemars(length(min = 1), extend("examples" = [["RS256"]]))]
        algorithms: Vec<Algorithm>,
        /// Accepted `typ`, without regard to case. A token without `typ` counts as `JWT`.
        #[schemars(length(min = 1), inner(length(min = 1)), extend("default" = DEFAULT_TYPES))]
        types: Option<Vec<String>>,
        /// Where the keys come from.
        jwks: Jwks,
        /// PEM certificates, in a file beside the binary. When given, nothing else is trusted for this issuer's keys.
        #[schemars(length(min = 1), extend("examples" = ["corp-ca.pem"]))]
        ca_file: Option<String>,
        /// Clock difference allowed for `nbf` and `iat`, at most 300s. `exp` has none.
        #[schemars(extend("default" = in_seconds(DEFAULT_LEEWAY_SECONDS)))]
        leeway: Option<Span>,
        /// The longest time since `iat`, 1s to 24h. With it, `iat` is required.
        max_age: Option<Span>,
        /// The claim that names the caller: the second half of the caller id. A name that begins with `/` is a JSON pointer.
        #[schemars(length(min = 1), extend("default" = "sub"))]
        user_claim: Option<String>,
        /// What is done with sender-constrained tokens, which have the claim `cnf`. They are refused where this is not written.
        #[schemars(extend("default" = {"require": "none"}))]
        binding: Option<Binding>,
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
        #[schemars(extend("const" = "aud"))]
        audience_claim: Option<String>,
        /// What a signature may be made with; both where it is not written.
        #[schemars(length(min = 1))]
        algorithms: Option<Vec<AwsAlgorithm>>,
        /// Accepted `typ`, without regard to case. A token without `typ` counts as `JWT`.
        #[schemars(length(min = 1), inner(length(min = 1)), extend("default" = DEFAULT_TYPES))]
        types: Option<Vec<String>>,
        /// Where the keys come from; a `uri` must be on the issuer's own host.
        #[schemars(extend("default" = "discovery"))]
        jwks: Option<Jwks>,
        /// Clock difference allowed for `nbf` and `iat`, at most 300s. `exp` has none.
        #[schemars(extend("default" = in_seconds(DEFAULT_LEEWAY_SECONDS)))]
        leeway: Option<Span>,
        /// The longest time since `iat`, 1s to 24h. With it, `iat` is required.
        max_age: Option<Span>,
        /// The claim that names the caller; nothing in `request_tags`, which the caller writes.
        #[schemars(length(min = 1), extend("default" = "sub"))]
        user_claim: Option<String>,
        /// What is done with sender-constrained tokens, which have the claim `cnf`. They are refused where this is not written.
        #[schemars(extend("default" = {"require": "none"}))]
        binding: Option<Binding>,
    },
}

/// What is done with sender-constrained tokens. That a caller holds the key cannot be verified yet.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["verify"]}, {"required": ["require"]}]))]
pub struct Binding {
    /// `elsewhere`: something in front of the API verifies the proof, and so they are accepted.
    #[schemars(extend("const" = "elsewhere"))]
    pub verify: Option<String>,
    /// `none`: a token without `cnf` is accepted, and one with it is refused.
    #[schemars(extend("const" = "none"))]
    pub require: Option<String>,
}

/// Where a token names whom it is for.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum AudienceClaim {
    /// `aud`: text or a list.
    Aud,
    /// `client_id`: one text.
    ClientId,
    /// `azp`: one text.
    Azp,
}

/// JWS `alg` (RFC 7518, section 3.1; RFC 8037; RFC 9864). `EdDSA` and `Ed25519` are one.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct Algorithm(#[schemars(extend("enum" = jwt::Algorithm::names().collect::<Vec<_>>()))] pub String);

/// What `sts:GetWebIdentityToken` can sign with.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct AwsAlgorithm(#[schemars(extend("enum" = AWS_ALGORITHMS.map(jwt::Algorithm::as_str)))] pub String);

/// Where an issuer's keys come from.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Jwks {
    /// `jwks_uri` of `<issuer>/.well-known/openid-configuration`.
    Discovery(Discovery),
    /// A JWK set's own place.
    At(JwksPlace),
}

/// The word `discovery`.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Discovery {
    /// OpenID Connect Discovery 1.0, section 4.
    Discovery,
}

/// A JWK set's own place, by the one key that says of which kind it is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct JwksPlace {
    /// `https`, or `http` to a loopback host.
    #[schemars(regex(pattern = HTTP_URL))]
    pub uri: Option<String>,
    /// A file beside the binary, read once.
    #[schemars(length(min = 1))]
    pub file: Option<String>,
}

/// Which proofs of an IAM identity are accepted.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["sts_regions"]}, {"required": ["sts_endpoint"]}]))]
pub struct AwsIdentity {
    /// A name of your API's own, which the caller signs as `X-Vault-AWS-IAM-Server-ID`. Not that of your Vault.
    #[schemars(length(min = 1, max = 256), extend("examples" = ["orders.example.com"]))]
    pub server_id: String,
    /// The callers' accounts, in quotes.
    #[schemars(length(min = 1), inner(regex(pattern = r"^[0-9]{12}$")), extend("examples" = [["123456789012"]]))]
    pub accounts: Vec<String>,
    /// The regions whose STS a proof may be for.
    #[schemars(length(min = 1), inner(length(min = 1)), extend("examples" = [["eu-west-1"]]))]
    pub sts_regions: Option<Vec<String>>,
    /// Development only: an STS on this machine.
    #[schemars(length(min = 1))]
    pub sts_endpoint: Option<String>,
    /// How long after its date a proof is taken, 1s to 15m.
    #[schemars(extend("default" = in_seconds(DEFAULT_MAX_AGE_SECONDS)))]
    pub max_age: Option<Span>,
    /// Whether each instance takes a proof once. It is no protection across instances.
    #[schemars(extend("default" = false))]
    pub single_use: Option<bool>,
}

/// One place in a request, by the one key that says of which kind it is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend(
    "oneOf" = [{"required": ["header"]}, {"required": ["cookie"]}, {"required": ["query"]}, {"required": ["websocket_protocol"]}],
    "dependentRequired" = {"scheme": ["header"]}
))]
pub struct CredentialSource {
    /// `Bearer <JWT>` or `AWS-Identity <proof>`. Not `x-vault-…`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub header: Option<String>,
    /// `none`: the header's value is the JWT alone.
    #[schemars(extend("const" = "none"))]
    pub scheme: Option<String>,
    /// The JWT alone.
    #[schemars(regex(pattern = TOKEN))]
    pub cookie: Option<String>,
    /// The JWT alone. URLs end up in logs and histories.
    #[schemars(regex(pattern = TOKEN))]
    pub query: Option<String>,
    /// Of `Sec-WebSocket-Protocol: <name>, <JWT>` the protocol after this one.
    #[schemars(regex(pattern = TOKEN))]
    pub websocket_protocol: Option<String>,
}

// -- answers, log, limits

/// How callers are answered.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Answer {
    /// `policy`, which every kind of API takes, or `simple` for events of HTTP API payload 2.0.
    #[schemars(extend("default" = "policy"))]
    pub response: Option<Response>,
    /// `throw`: an error, which REST and WebSocket APIs answer with 401. `deny`: a Deny, 403.
    #[schemars(extend("default" = "throw"))]
    pub unauthorized: Option<Unauthorized>,
}

/// The form of an answer.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Response {
    /// An IAM policy.
    Policy,
    /// `isAuthorized`.
    Simple,
}

/// How a refused credential is answered.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Unauthorized {
    /// By the error `Unauthorized`.
    Throw,
    /// By a Deny with the reason.
    Deny,
}

/// What the log shows.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Log {
    /// How the log names callers, and Vault's audit log in the token's metadata.
    #[schemars(extend("default" = "plain"))]
    pub caller_id: Option<CallerId>,
}

/// How callers are named.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum CallerId {
    /// As it is.
    Plain,
    /// base64url of its SHA-256.
    Hash,
    /// Not at all.
    Omit,
}

/// How much may be minted.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Limits {
    /// How many tokens one caller id may have minted each second, by each instance of the function; twice that at once. Times the
    /// function's concurrency, keep it to half of `grant_mints_per_second`.
    #[schemars(range(min = 1, max = MAX_MINTS_PER_SECOND), extend("default" = DEFAULT_CALLER_MINTS_PER_SECOND))]
    pub caller_mints_per_second: Option<u32>,
    /// How many tokens of one grant one client address may have minted each second: the rate limit quota that `vault apply`
    /// makes.
    #[schemars(range(min = 1, max = MAX_MINTS_PER_SECOND), extend("default" = DEFAULT_GRANT_MINTS_PER_SECOND))]
    pub grant_mints_per_second: Option<u32>,
}

// -- stages

/// What a stage gives to whom.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Stage {
    /// The APIs that this stage's grants are for. `["*"]` alone is any API.
    #[schemars(length(min = 1), inner(regex(pattern = r"^(\*|[A-Za-z0-9]{1,32})$")), extend("examples" = [["a1b2c3d4e5"]]))]
    pub api_ids: Vec<String>,
    /// Narrows the issuers' audiences for this stage: a token must name one of both.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub audiences: Option<Vec<String>>,
    /// The server id that proofs for this stage must be signed for, in place of `aws_identity.server_id`.
    #[schemars(length(min = 1, max = 256))]
    pub server_id: Option<String>,
    /// In order: the first one whose route and caller match decides.
    #[schemars(length(min = 1))]
    pub grants: Vec<Grant>,
}

/// Who gets which Vault token on which routes.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["token"]}, {"required": ["mode"]}]))]
pub struct Grant {
    /// For the log, the context and Vault's audit log. Of one grant in the whole document.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,64}$"), extend("examples" = ["orders-reader"]))]
    pub name: String,
    /// `METHOD template`, as the API names it; `*` is any method but OPTIONS, `/*` at the end all below; `$connect` alone.
    #[schemars(length(min = 1), inner(length(min = 1)), extend("examples" = [["GET /orders", "GET /orders/{id}"]]))]
    pub routes: Vec<String>,
    /// Who vouches for the callers, and what must hold of them.
    pub caller: Caller,
    /// The Vault token that it gives.
    pub token: Option<Token>,
    /// `none`: the caller may pass, and there is no Vault token.
    #[schemars(extend("const" = "none"))]
    pub mode: Option<String>,
}

/// Who vouches for the callers, and what must hold of them.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["issuer"]}, {"required": ["aws_identity"]}]))]
pub struct Caller {
    /// One of `issuers`.
    #[schemars(regex(pattern = ISSUER_NAME))]
    pub issuer: Option<String>,
    /// Callers that prove an IAM identity.
    #[schemars(extend("const" = true))]
    pub aws_identity: Option<bool>,
    /// `sub`, compared to the letter.
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
    #[schemars(length(min = 1), inner(regex(pattern = r"^(AROA|AIDA)[A-Z0-9]{8,124}$")))]
    pub bound_iam_principal_ids: Option<Vec<String>>,
    /// Any caller of the issuer. Required where nothing is bound.
    #[schemars(extend("default" = false))]
    pub any: Option<bool>,
}

/// How bound claims are compared.
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum ClaimsType {
    /// With their types: `"3"` is not `3`.
    String,
    /// With `*`.
    Glob,
}

/// What a claim must be.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(missing_docs, reason = "the one and the many")]
pub enum ClaimValues {
    One(ClaimValue),
    OneOf(#[schemars(length(min = 1))] Vec<ClaimValue>),
}

/// One value.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(missing_docs, reason = "JSON's own types")]
pub enum ClaimValue {
    Text(#[schemars(length(min = 1))] String),
    Number(WholeNumber),
    Boolean(bool),
}

/// What is compared exactly.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct WholeNumber(#[schemars(range(min = i64::MIN, max = u64::MAX))] pub i128);

/// The Vault token that a grant gives.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Token {
    /// The Vault token role, of this grant alone.
    #[schemars(regex(pattern = ROLE_NAME), extend("examples" = ["orders-prod-reader"]))]
    pub role: String,
    /// The role's `allowed_policies` in Vault, beside `vault-authorizer-self`.
    #[schemars(length(min = 1), inner(regex(pattern = r"^[a-z0-9._/-]{1,128}$")), extend("examples" = [["orders-read"]]))]
    pub policies: Vec<String>,
    /// The longest life of the token, 15s to 24h.
    pub ttl: Span,
    /// The longest life of the wrapping token: the time that the integration has to unwrap.
    pub wrap_ttl: Span,
    /// How often the token may be used. Every call counts, the revoke too.
    #[schemars(range(min = 2))]
    pub num_uses: Option<u64>,
    /// Whose templated policies the token has.
    pub entity_alias: Option<EntityAlias>,
}

/// The claim that gives a token its entity alias, `<value>@<issuer name>`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EntityAlias {
    /// The claim. A name that begins with `/` is a JSON pointer.
    #[schemars(length(min = 1), extend("examples" = ["tenant"]))]
    pub claim: String,
}

/// A span of time with its unit: `30s`, `2m`, `1h`.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct Span(
    #[schemars(regex(pattern = r"^[0-9]+[smh]$"), extend("examples" = ["30s", "2m", "1h"]))] pub String,
);

/// The schemes in any case, and without their slashes, as URLs are read (WHATWG URL, section 4.4); what follows is the reader's.
const HTTP_URL: &str = r"^[Hh][Tt][Tt][Pp][Ss]?:";
/// A token of RFC 9110, section 5.6.2.
const TOKEN: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
const ISSUER_NAME: &str = r"^[a-z0-9][a-z0-9._-]{0,63}$";
const ROLE_NAME: &str = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$";
const MOUNT_PATH: &str = r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64})*$";
