//! The section `vault`: where Vault is, and how the authorizer logs in.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Confidential;

/// Where Vault is, and how the authorizer logs in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = {"client_cert_file": ["client_key_file"], "client_key_file": ["client_cert_file"]}))]
#[schemars(rename = "Vault")]
pub struct WrittenVault {
    /// Vault's URL: `https`, or `http` to a loopback host. It must match the integration's exactly.
    #[schemars(regex(pattern = super::HTTP_URL), extend("patternErrorMessage" = super::NOT_HTTPS, "examples" = ["https://vault.example.com:8200"]))]
    pub address: String,
    /// Sent with every call, the login included.
    #[schemars(
        regex(pattern = r"^/*[!-.0-~][!-~]*$"),
        extend("patternErrorMessage" = "must be a path of visible ASCII characters such as `platform/team1`", "examples" = ["platform/team1"])
    )]
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
    pub login: WrittenLogin,
}

/// How the authorizer proves to Vault who it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "lowercase", deny_unknown_fields)]
#[schemars(rename = "Login")]
pub enum WrittenLogin {
    /// With the function's IAM role, at HashiCorp Vault's AWS auth method. No secret is stored.
    Aws {
        /// The role of the AWS auth method.
        #[schemars(
            regex(pattern = super::ROLE_NAME),
            extend("patternErrorMessage" = super::NOT_A_ROLE_NAME, "examples" = ["api-authorizer"])
        )]
        role: String,
        /// `X-Vault-AWS-IAM-Server-ID`, signed into each login: Vault's `iam_server_id_header_value`.
        #[schemars(
            regex(pattern = super::SERVER_ID),
            extend("patternErrorMessage" = super::NOT_A_SERVER_ID, "examples" = ["vault.example.com"])
        )]
        server_id: String,
        /// Where the method is mounted, below `auth/`.
        #[schemars(regex(pattern = MOUNT_PATH), extend("patternErrorMessage" = NOT_A_MOUNT_PATH, "default" = "aws"))]
        mount: Option<String>,
        /// The region of the STS that Vault asks.
        #[schemars(
            regex(pattern = super::REGION),
            extend("patternErrorMessage" = super::NOT_A_REGION, "default" = "us-east-1", "examples" = ["eu-west-1"])
        )]
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
        #[schemars(regex(pattern = super::ROLE_NAME), extend("patternErrorMessage" = super::NOT_A_ROLE_NAME))]
        role: String,
        /// Where the method is mounted, below `auth/`.
        #[schemars(regex(pattern = MOUNT_PATH), extend("patternErrorMessage" = NOT_A_MOUNT_PATH, "default" = "jwt"))]
        mount: Option<String>,
        /// The function asks STS for a JWT of its own role with this `aud`.
        #[schemars(
            regex(pattern = r"^[!-~]{1,1000}$"),
            extend("patternErrorMessage" = "must be 1 to 1000 visible ASCII characters, without spaces")
        )]
        web_identity_audience: Option<String>,
        /// With `web_identity_audience`: the region whose STS is asked. Take the function's own.
        #[schemars(
            regex(pattern = super::REGION),
            extend("patternErrorMessage" = super::NOT_A_REGION, "default" = "us-east-1")
        )]
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
        #[schemars(
            with = "String",
            length(min = 1, max = MAX_SECRET_CHARACTERS),
            regex(pattern = VISIBLE),
            extend("patternErrorMessage" = NOT_VISIBLE)
        )]
        role_id: Confidential,
        /// One of its secret ids. Whoever may read the function's settings has it: prefer a file.
        #[schemars(
            with = "Option<String>",
            length(min = 1, max = MAX_SECRET_CHARACTERS),
            regex(pattern = VISIBLE),
            extend("patternErrorMessage" = NOT_VISIBLE)
        )]
        secret_id: Option<Confidential>,
        /// A file with the secret id, read at each login.
        #[schemars(length(min = 1))]
        secret_id_file: Option<String>,
        /// Where the method is mounted, below `auth/`.
        #[schemars(regex(pattern = MOUNT_PATH), extend("patternErrorMessage" = NOT_A_MOUNT_PATH, "default" = "approle"))]
        mount: Option<String>,
    },
    /// With a token of the configuration, for development.
    Token {
        /// The token itself, used as it is and never renewed.
        #[schemars(
            with = "String",
            length(min = 1, max = 2048),
            regex(pattern = VISIBLE),
            extend("patternErrorMessage" = NOT_VISIBLE)
        )]
        token: Confidential,
    },
}

const MOUNT_PATH: &str = r"^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64})*$";
const NOT_A_MOUNT_PATH: &str = "must be a mount path such as `aws` or `team/aws`";
const VISIBLE: &str = "^[!-~]+$";
const NOT_VISIBLE: &str = "must be visible ASCII, without spaces";
/// A cloud's JWT has one or two thousand.
const MAX_SECRET_CHARACTERS: usize = 16 * 1024;
