//! Callers with an AWS identity: IAM users with access keys, and assumed roles, in this account or another.
//!
//! The emulator's STS checks their signatures as AWS does, and answers 403 to a wrong one. It never checks those of
//! an account's root key, so a test of a signature must use one of these callers.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use url::Url;

use crate::emulator::{ROOT_ACCESS_KEY_ID, ROOT_KEY};
use crate::{ACCOUNT, Aws, REGION, parts};

/// The header that a proof is signed with, and that the verifier adds.
pub const SERVER_ID_HEADER: &str = "X-Vault-AWS-IAM-Server-ID";

pub const OTHER_ACCOUNT: &str = "210987654321";

/// Somebody who can sign.
#[derive(Debug, Clone)]
pub struct IamCaller {
    pub credentials: Credentials,
    /// Who they belong to, as GetCallerIdentity answers: a role without its path, but with the session.
    pub arn: String,
}

impl Aws {
    /// A new IAM user: `iam_user("people/alice")` has the path `/people/`.
    pub async fn iam_user(&self, name: &str) -> IamCaller {
        self.iam_caller(ACCOUNT, &["user", name]).await
    }

    /// A new IAM user of [`OTHER_ACCOUNT`].
    pub async fn iam_user_of_another_account(&self, name: &str) -> IamCaller {
        self.iam_caller(OTHER_ACCOUNT, &["user", name]).await
    }

    /// A new role, assumed with `session` by a user who may.
    pub async fn assumed_role(&self, name: &str, session: &str) -> IamCaller {
        self.iam_caller(ACCOUNT, &["role", name, session]).await
    }

    /// The account's root user, whose signature the emulator does not check.
    pub fn root_user(&self) -> IamCaller {
        let credentials = Credentials::new(ROOT_ACCESS_KEY_ID, ROOT_KEY, None, None, "test-bed");
        IamCaller { credentials, arn: format!("arn:aws:iam::{ACCOUNT}:root") }
    }

    async fn iam_caller(&self, account: &str, arguments: &[&str]) -> IamCaller {
        // An account's number is, to the emulator, the access key of its root user.
        let made = self.try_client_script(account, "iam_caller.py", arguments).await.expect("a caller");
        let made: Value = serde_json::from_str(&made).expect("the script prints JSON");
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        let (id, secret) =
            (text("access_key_id").expect("a key"), text("secret_access_key").expect("a secret"));
        IamCaller {
            credentials: Credentials::new(id, secret, text("session_token"), None, "test-bed"),
            arn: text("arn").expect("an ARN"),
        }
    }
}

impl IamCaller {
    /// `GET <sts>/?Action=GetCallerIdentity…`, presigned at `time` for a minute by the AWS SDK for Rust. The same caller
    /// signs the same in the same second.
    pub fn presigned(&self, sts: &str, server_id: &str, time: SystemTime) -> Url {
        self.presigned_with(sts, &[(SERVER_ID_HEADER, server_id)], time, Duration::from_secs(60))
    }

    /// The same with any signed headers beside `host`, and any lifetime.
    pub fn presigned_with(
        &self,
        sts: &str,
        headers: &[(&str, &str)],
        time: SystemTime,
        lifetime: Duration,
    ) -> Url {
        let url = format!("{sts}/?Action=GetCallerIdentity&Version=2011-06-15");
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(lifetime);
        let identity = self.credentials.clone().into();
        let signing = v4::SigningParams::builder().identity(&identity).region(REGION).name("sts");
        let signing = signing.time(time).settings(settings).build().expect("every parameter is given").into();
        let headers = headers.iter().copied();
        let request = SignableRequest::new("GET", &url, headers, SignableBody::Bytes(&[]));
        let signed = sign(request.expect("the request can be signed"), &signing).expect("signed");
        let mut url = Url::parse(&url).expect("an endpoint is a URL");
        for (name, value) in signed.output().params() {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }

    /// The value of the `Authorization` header that one of the clients in `tests/clients` makes for this caller:
    /// `AWS-Identity …`. Each signs with the SDK of its language, and [`Signer::Shell`] by hand.
    pub async fn proof(&self, signer: Signer, aws: &Aws, server_id: &str) -> String {
        let mut command =
            tokio::process::Command::from(signer.command(&parts::repository().join("tests/clients")));
        command.args([server_id, REGION]).kill_on_drop(true);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", aws.folder());
        command.env("NODE_PATH", parts::node().join("node_modules"));
        command.env("AWS_ENDPOINT_URL", aws.url()).env("AWS_ACCESS_KEY_ID", self.credentials.access_key_id());
        command.env("AWS_SECRET_ACCESS_KEY", self.credentials.secret_access_key());
        command.envs(self.credentials.session_token().map(|token| ("AWS_SESSION_TOKEN", token)));
        let output =
            command.output().await.unwrap_or_else(|error| panic!("{signer:?} does not start: {error}"));
        assert!(output.status.success(), "{signer:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a client prints UTF-8").trim().to_owned()
    }
}

/// What stands after `AWS-Identity `: the presigned URL as base64url without padding.
pub fn proof_of(presigned: &Url) -> String {
    URL_SAFE_NO_PAD.encode(presigned.as_str())
}

/// The URL with one parameter changed, or without it, and everything else as it is.
pub fn changed(url: &Url, name: &str, change: impl Fn(&str) -> Option<String>) -> Url {
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    assert!(pairs.iter().any(|(own, _)| own == name), "{name} in {url}");
    let pairs = pairs.into_iter().filter_map(|(own, value)| {
        let value = if own == name { change(&value)? } else { value };
        Some((own, value))
    });
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url
}

/// With another digit at this place of the signature.
pub fn with_flipped_digit(url: &Url, position: usize) -> Url {
    changed(url, "X-Amz-Signature", |signature| {
        let digit = if signature.as_bytes()[position] == b'0' { "1" } else { "0" };
        Some(format!("{}{digit}{}", &signature[..position], &signature[position + 1..]))
    })
}

/// The presigned URL in the value of an `Authorization` header.
pub fn presigned_in(header: &str) -> Url {
    let encoded = header.strip_prefix("AWS-Identity ").expect("AWS-Identity …");
    let url = URL_SAFE_NO_PAD.decode(encoded).expect("base64url without padding");
    Url::parse(&String::from_utf8(url).expect("UTF-8")).expect("a URL")
}

/// Who signs a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// botocore: the AWS SDK for Python.
    Python,
    /// The AWS SDK for JavaScript, version 3.
    Node,
    /// The AWS SDK for Go, version 2.
    Go,
    /// A POSIX shell and the `openssl` command.
    Shell,
}

impl Signer {
    pub const ALL: [Self; 4] = [Self::Python, Self::Node, Self::Go, Self::Shell];

    fn command(self, clients: &Path) -> Command {
        let (program, script) = match self {
            Self::Go => return Command::new(parts::go("identity")),
            Self::Python => (parts::python(), "aws_identity.py"),
            Self::Node => ("node".into(), "aws_identity.cjs"),
            Self::Shell => ("sh".into(), "aws_identity.sh"),
        };
        let mut command = Command::new(program);
        command.arg(clients.join(script));
        command
    }
}
