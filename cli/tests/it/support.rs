//! The command and its surroundings: files, an issuer's keys, events, and an STS on this machine.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use aws_smithy_types::{DateTime, date_time::Format};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sts_identity::{ServerId, SigningRequest, StsEndpoint, presign_get_caller_identity};

/// 2027-01-15T08:00:00Z.
pub const NOW: u64 = 1_800_000_000;
pub const AT: &str = "2027-01-15T08:00:00Z";
pub const SERVER_ID: &str = "orders.example.com";
pub const ACCESS_KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
pub const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";
pub const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjSessionTokenOfTheTest";
pub const AWS_ISSUER: &str = "https://0a1b2c3d.tokens.sts.global.api.aws";
pub const LOGIN_TOKEN: &str = "s.AuthorizerTokenOfTheTest";

/// What a run of the command came to.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The standard output of a run that ended with this code and complained about nothing.
    #[track_caller]
    pub fn printed(self, code: i32) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (code, ""), "{}", self.stdout);
        self.stdout
    }

    /// The complaint of a run that ended with this code and printed nothing.
    #[track_caller]
    pub fn complained(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{}", self.stderr);
        self.stderr
    }

    /// What was [`Self::printed`], as JSON.
    #[track_caller]
    pub fn json(self, code: i32) -> Value {
        serde_json::from_str(&self.printed(code)).unwrap()
    }
}

/// Ends the test with the whole text where a part is missing from it.
#[track_caller]
pub fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
}

/// Runs the command. It sees these variables and no others.
pub fn run(arguments: &[&str], stdin: &str, env: &[(&str, &str)]) -> Ran {
    run_into(Stdio::piped(), arguments, stdin, env)
}

/// The same with another standard output, of which nothing is seen then.
pub fn run_into(stdout: Stdio, arguments: &[&str], stdin: &str, env: &[(&str, &str)]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vault-authorizer"))
        .args(arguments)
        .env_clear()
        .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nowhere"), ("PATH", "/usr/bin:/bin")])
        .envs(env.iter().copied())
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read it may be gone already.
    let _unread = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Answers by the path of the request, and writes down what was asked: the head alone. Without an answer the connection breaks.
pub struct Server {
    pub url: String,
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Self::start_breaking(move |path| Some(answer(path)))
    }

    pub fn start_breaking(answer: impl Fn(&str) -> Option<(u16, Value)> + Send + Sync + 'static) -> Self {
        Self::answering(move |head| {
            let (status, body) = answer(head[0].split(' ').nth(1).unwrap())?;
            Some((status, "application/json", if status == 204 { String::new() } else { body.to_string() }))
        })
    }

    /// By the lines of the head, with a type and a text.
    fn answering(
        answer: impl Fn(&[String]) -> Option<(u16, &'static str, String)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut connection = connection.unwrap();
                    let Some(head) = Self::read(&connection) else { return };
                    seen.lock().unwrap().push(head.join("\n"));
                    let Some((status, kind, body)) = answer(&head) else { return };
                    let length = format!("content-length: {}", body.len());
                    let head = format!(
                        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: {kind}\r\n{length}"
                    );
                    // A client that did not wait is gone.
                    let _gone = write!(connection, "{head}\r\n\r\n{body}");
                });
            }
        });
        Self { url, asked }
    }

    /// The head of a request, if there is one.
    fn read(connection: &TcpStream) -> Option<Vec<String>> {
        let mut reader = BufReader::new(connection);
        let lines = reader.by_ref().lines().map(Result::unwrap);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        // A socket that is closed with something unread breaks the answer off.
        reader.read_exact(&mut vec![0; length.map_or(0, |length| length.parse().unwrap())]).unwrap();
        (!head.is_empty()).then_some(head)
    }

    /// Method and path of each request.
    pub fn calls(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let call = |head: &String| head.split(" HTTP/").next().unwrap().replace("/v1/", "");
        asked.iter().map(call).collect()
    }
}

/// `check` of a document, which it is given on standard input.
pub fn check(document: &str, options: &[&str]) -> Ran {
    run(&[&["check", "--config", "-"], options].concat(), document, &[])
}

/// `explain` of an event as of [`NOW`].
pub fn explain(document: &str, event: &Value, options: &[&str]) -> Ran {
    explain_at(document, event, &[&["--at", AT], options].concat(), &[])
}

/// The same as of now, unless the options say otherwise.
pub fn explain_at(document: &str, event: &Value, options: &[&str], env: &[(&str, &str)]) -> Ran {
    let config = file("yaml", document);
    let mut ran =
        run(&[&["explain", "--config", &config, "--event", "-"], options].concat(), &event.to_string(), env);
    ran.stdout = ran.stdout.replace(&config, "authorizer.yaml");
    ran
}

/// A new file beside the issuer's keys.
pub fn file(ending: &str, text: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static FILES: AtomicU64 = AtomicU64::new(0);
    let path = folder().join(format!("{}.{ending}", FILES.fetch_add(1, Ordering::SeqCst)));
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Where the files are that [`config`] names.
pub fn folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let x = b64(key().public_key().as_ref());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]});
        fs::write(folder.join("jwks.json"), keys.to_string()).unwrap();
        // SEC 1, uncompressed: 4, x, y.
        let (x, y) = aws_key().public_key().as_ref()[1..].split_at(48);
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-384", "kid": "aws", "x": b64(x), "y": b64(y)}]});
        fs::write(folder.join("aws.json"), keys.to_string()).unwrap();
        folder
    });
    folder.clone()
}

/// A configuration with each kind of grant.
pub fn config(sts_url: &str) -> String {
    format!(
        r#"
vault:
  address: https://vault.example.com:8200
  namespace: platform
  login: {{method: token, token: {LOGIN_TOKEN}}}
issuers:
  corp:
    kind: jwt
    issuer: https://login.example.com/
    audiences: [orders-api]
    algorithms: [EdDSA]
    jwks: {{file: jwks.json}}
    max_age: 1h
  partner:
    kind: jwt
    issuer: https://partner.example.net/
    audiences: [orders-api]
    algorithms: [EdDSA]
    jwks: {{uri: "{sts_url}keys"}}
  account:
    kind: aws_iam
    issuer: {AWS_ISSUER}
    audiences: [orders-api]
    jwks: {{file: aws.json}}
aws_identity: {{server_id: {SERVER_ID}, accounts: ["123456789012"], sts_endpoint: "{sts_url}", max_age: 60s}}
credentials: [{{header: Authorization}}, {{cookie: session}}]
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - name: orders-writer
        routes: ["* /orders/*"]
        caller: {{issuer: corp, bound_claims: {{scope: ["orders:write"]}}}}
        token: {{role: orders-prod-writer, policies: [orders-write], ttl: 2m, wrap_ttl: 30s}}
      - name: orders-reader
        routes: ["GET /orders", "GET /orders/{{id}}", "GET /orders/*"]
        caller: {{issuer: corp, bound_claims: {{scope: ["orders:read"]}}}}
        token: {{role: orders-prod-reader, policies: [orders-read], ttl: 2m, wrap_ttl: 30s, num_uses: 5}}
      - name: status
        mode: none
        routes: ["* /*"]
        caller: {{issuer: corp, bound_subject: alice}}
      - name: chat
        routes: ["$connect"]
        caller: {{issuer: corp, any: true}}
        token: {{role: chat, policies: [chat], ttl: 10m, wrap_ttl: 60s}}
      - name: reports
        routes: ["GET /reports"]
        caller: {{issuer: account, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/reports/*"]}}
        mode: none
      - name: nightly-batch
        routes: ["POST /orders"]
        caller: {{aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/batch"]}}
        token: {{role: orders-prod-batch, policies: [batch], ttl: 10m, wrap_ttl: 60s}}
"#
    )
}

/// [`config`] with an STS that nobody will ask.
pub fn plain_config() -> String {
    config("http://127.0.0.1:9/")
}

fn key() -> &'static Ed25519KeyPair {
    static KEY: OnceLock<Ed25519KeyPair> = OnceLock::new();
    KEY.get_or_init(|| Ed25519KeyPair::generate().unwrap())
}

/// A token of `corp`'s for alice, with some claims changed.
pub fn token(changes: Value) -> String {
    let mut claims = json!({"iss": "https://login.example.com/", "sub": "alice", "aud": "orders-api",
        "exp": NOW + 600, "iat": NOW - 10, "scope": "orders:read profile"});
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    jwt(&json!({"alg": "EdDSA", "kid": "one", "typ": "JWT"}), &claims, |message| {
        key().sign(message).as_ref().to_vec()
    })
}

fn jwt(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()));
    format!("{message}.{}", b64(&sign(message.as_bytes())))
}

/// A token of an account's own issuer for a role.
pub fn aws_token(role: &str) -> String {
    let claims = json!({"iss": AWS_ISSUER, "sub": format!("arn:aws:iam::123456789012:role/{role}"), "aud": "orders-api",
        "exp": NOW + 300, "iat": NOW, "https://sts.amazonaws.com/": {"aws_account": "123456789012"}});
    jwt(&json!({"alg": "ES384", "kid": "aws", "typ": "JWT"}), &claims, |message| {
        aws_key().sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    })
}

fn aws_key() -> &'static EcdsaKeyPair {
    static KEY: OnceLock<EcdsaKeyPair> = OnceLock::new();
    KEY.get_or_init(|| EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
}

pub fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod";

/// `method resource` on `prod`, as a REST API's REQUEST authorizer gets it.
pub fn rest(authorization: &str, method: &str, resource: &str) -> Value {
    json!({"type": "REQUEST", "methodArn": format!("{ARN}/{method}{resource}"), "resource": resource, "path": resource,
        "httpMethod": method, "headers": {"Authorization": authorization},
        "multiValueHeaders": {"Authorization": [authorization]},
        "requestContext": {"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod", "httpMethod": method,
            "resourcePath": resource, "requestId": "request-1", "requestTimeEpoch": NOW * 1000}})
}

/// `GET /orders` with a bearer token.
pub fn orders(token: &str) -> Value {
    rest(&format!("Bearer {token}"), "GET", "/orders")
}

pub fn rest_token(token: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": format!("Bearer {token}"), "methodArn": format!("{ARN}/GET/orders/7")})
}

pub fn http_v1(token: &str) -> Value {
    let mut event = orders(token);
    event["version"] = "1.0".into();
    event
}

/// With its token in a cookie.
pub fn http_v2(token: &str) -> Value {
    json!({"version": "2.0", "type": "REQUEST", "routeArn": format!("{ARN}/GET/orders/7"),
        "routeKey": "ANY /orders/{id}", "rawPath": "/orders/7", "headers": {}, "cookies": [format!("session={token}")],
        "requestContext": {"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod",
            "routeKey": "ANY /orders/{id}", "http": {"method": "GET", "path": "/orders/7"}, "timeEpoch": NOW * 1000}})
}

pub fn websocket(token: &str) -> Value {
    json!({"type": "REQUEST", "methodArn": format!("{ARN}/$connect"),
        "headers": {"Authorization": format!("Bearer {token}")},
        "requestContext": {"apiId": "a1b2c3d4e5", "stage": "prod", "routeKey": "$connect", "eventType": "CONNECT"}})
}

/// A proof of the batch role's, for the STS at `sts_url`, signed at [`NOW`].
pub fn proof(sts_url: &str, server_id: &str) -> String {
    format!(
        "AWS-Identity {}",
        b64(presigned(sts_url, server_id, UNIX_EPOCH + Duration::from_secs(NOW), 60).as_bytes())
    )
}

fn presigned(sts_url: &str, server_id: &str, now: SystemTime, expires_seconds: u64) -> String {
    let session_token = Some(SESSION_TOKEN.to_owned());
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, session_token, None, "test");
    let endpoint = StsEndpoint::loopback(sts_url, &"us-east-1".parse().unwrap()).unwrap();
    let server_id: ServerId = server_id.parse().unwrap();
    let request =
        SigningRequest { credentials: &credentials, endpoint: &endpoint, server_id: Some(&server_id), now };
    presign_get_caller_identity(request, Duration::from_secs(expires_seconds)).unwrap().expose().to_owned()
}

/// What an event holds that nobody may see: the credential as it stands there, and each part of a JWT.
pub fn secrets_of(credential: &str) -> Vec<String> {
    credential.split(['.', ' ']).filter(|part| part.len() > 20).map(str::to_owned).collect()
}

/// What STS answers.
#[derive(Clone, Copy)]
pub enum StsSays {
    /// Whose signature it is, if it is one of the secret key's over what arrived; else 403.
    TheTruth,
    /// Nothing: the connection ends.
    Nothing,
}

/// An STS on this machine that knows one key, and `/keys` of an issuer that has none.
pub fn sts(says: StsSays) -> String {
    let own_url = Arc::new(OnceLock::<String>::new());
    let url = Arc::clone(&own_url);
    let server = Server::answering(move |head| {
        if matches!(says, StsSays::Nothing) {
            return None;
        }
        let (url, target) = (own_url.get().unwrap(), head[0].split(' ').nth(1).unwrap());
        let (status, body) = if target.starts_with("/keys") {
            (503, String::new())
        } else if is_signed(&format!("{url}{}", target.trim_start_matches('/')), head, url) {
            (200, CALLER.to_owned())
        } else {
            (403, REFUSAL.to_owned())
        };
        Some((status, "text/xml", body))
    });
    url.get_or_init(|| format!("{}/", server.url)).clone()
}

/// Signs what arrived, and compares: what STS does.
fn is_signed(presented: &str, headers: &[String], url: &str) -> bool {
    let parameter = |name: &str| {
        let (_, rest) = presented.split_once(&format!("{name}=")).unwrap();
        rest.split('&').next().unwrap().to_owned()
    };
    let server_id = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(ServerId::HEADER).then(|| value.to_owned())
    });
    let expires_seconds = parameter("X-Amz-Expires").parse().unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(seconds(&parameter("X-Amz-Date")));
    let own = presigned(url, &server_id.unwrap_or_default(), now, expires_seconds);
    let signature = |url: &str| url.split_once("X-Amz-Signature=").unwrap().1[..64].to_owned();
    signature(&own) == signature(presented)
}

/// Of `20270115T080000Z`.
pub fn seconds(amz_date: &str) -> u64 {
    let at = |range: std::ops::Range<usize>| amz_date[range].to_owned();
    let text = format!("{}-{}-{}T{}:{}:{}Z", at(0..4), at(4..6), at(6..8), at(9..11), at(11..13), at(13..15));
    DateTime::from_str(&text, Format::DateTime).unwrap().secs().try_into().unwrap()
}

const CALLER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
     <Arn>arn:aws:sts::123456789012:assumed-role/batch/nightly-7</Arn><UserId>AROAEXAMPLEBATCH:nightly-7</UserId>\
     <Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata>\
     </GetCallerIdentityResponse>";
const REFUSAL: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
     <Code>SignatureDoesNotMatch</Code><Message>no</Message></Error><RequestId>0</RequestId></ErrorResponse>";
