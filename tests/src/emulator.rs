//! The AWS emulator: API Gateway, Lambda, STS, CloudFormation, CloudWatch Logs, S3 and IAM on one loopback port.
//!
//! It runs a `provided.al2023` function as a separate process, with the credentials of the function's role, and keeps
//! it between calls. With `AUTH=true` it checks signatures, except those of the root user's keys ([`ROOT_KEY`],
//! [`ROOT_ACCESS_KEY_ID`]), which it accepts unchecked. So a test of a wrong signature must sign with the keys of a
//! role or a user.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::free_port;
use crate::{Child, Scratch, http, parts};

/// The account that everything belongs to.
pub const ACCOUNT: &str = "123456789012";

/// The region that everything lies in.
pub const REGION: &str = "us-east-1";

/// The access key id, and the secret, of the account's root user.
pub(crate) const ROOT_KEY: &str = "test";

/// Another access key id of the same user, of the form that AWS gives them (this one is in its documentation).
pub(crate) const ROOT_ACCESS_KEY_ID: &str = "AKIAI44QH8DHBEXAMPLE";

/// A running emulator. All its state ends with it.
#[derive(Debug)]
pub struct Emulator {
    server: Child,
    aws: Aws,
}

/// What its clients need. It can be kept and copied; it does not hold the emulator up.
#[derive(Debug, Clone)]
pub struct Aws {
    url: String,
    folder: PathBuf,
    http: reqwest::Client,
}

impl Emulator {
    /// Starts it and waits until it answers; 0.3 seconds.
    pub async fn start(scratch: &Scratch) -> Self {
        let folder = scratch.folder("emulator");
        // Another process may take the port between the moment it is found free and the emulator's own bind.
        let mut complaint = String::new();
        for _ in 0..3 {
            match Self::launch(folder.clone(), free_port()).await {
                Ok(emulator) => return emulator,
                Err(reason) => complaint = reason,
            }
        }
        panic!("{complaint}");
    }

    /// `http://127.0.0.1:<port>`, for every service.
    pub fn url(&self) -> String {
        self.aws.url.clone()
    }

    /// Where its STS answers: the authorizer's `sts_endpoint`.
    pub fn sts_url(&self) -> String {
        self.aws.url.clone()
    }

    pub fn aws(&self) -> &Aws {
        &self.aws
    }

    pub async fn client_script(&self, name: &str, arguments: &[&str]) -> String {
        self.aws.client_script(name, arguments).await
    }

    /// Stops it and the functions it runs.
    pub async fn stop(mut self) {
        self.server.stop().await;
    }

    /// What it has printed itself. The functions' output is in CloudWatch Logs: [`Aws::log_group`].
    pub fn log(&self) -> String {
        self.server.log()
    }

    async fn launch(folder: PathBuf, port: u16) -> Result<Self, String> {
        let temporary = folder.join("tmp");
        std::fs::create_dir_all(&temporary).expect("the emulator's folder can be made");
        let mut command = Command::new(parts::venv().join("bin/ministack"));
        // The functions inherit this environment, and the developer's own must not reach them.
        command.env_clear().current_dir(&folder);
        // It finds Node.js on its path, for functions of that runtime.
        let node = parts::on_path("node").and_then(|node| Some(format!(":{}", node.parent()?.display())));
        command
            .env("PATH", format!("/usr/bin:/bin{}", node.unwrap_or_default()))
            .env("HOME", &folder)
            .env("TMPDIR", &temporary);
        command.env("STATE_DIR", folder.join("state")).env("S3_DATA_DIR", folder.join("s3"));
        // No containers: a Docker of this machine is not the bed's.
        command.env("DOCKER_HOST", format!("unix://{}", folder.join("docker.sock").display()));
        command.envs([("AUTH", "true"), ("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string())]);
        command.envs([("MINISTACK_ACCOUNT_ID", ACCOUNT), ("MINISTACK_REGION", REGION)]);
        command.env("AWS_ACCESS_KEY_ID", ROOT_ACCESS_KEY_ID);
        // They would listen on ports of their own.
        command.envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")]);
        let aws = Aws { url: format!("http://127.0.0.1:{port}"), folder, http: http::client() };
        let server = Child::spawn("the AWS emulator", command, &aws.emulator_log());
        let mut emulator = Self { server, aws: aws.clone() };
        let health = format!("{}/_ministack/health", aws.url);
        let answers = async || aws.http.get(&health).send().await.is_ok_and(|answer| answer.status() == 200);
        emulator.server.ready(Duration::from_secs(30), answers).await?;
        Ok(emulator)
    }
}

impl Aws {
    /// `http://127.0.0.1:<port>`, for every service.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the emulator keeps what it writes.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the emulator writes what [`Emulator::log`] reads.
    pub(crate) fn emulator_log(&self) -> PathBuf {
        self.folder.join("emulator.log")
    }

    /// The environment in which AWS clients find it, with the root user's keys.
    pub fn client_env(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ROOT_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", ROOT_KEY.to_owned()),
        ]
    }

    /// Runs `tests/clients/<name>` with the environment's Python in [`Aws::client_env`], and answers what it
    /// prints.
    pub async fn client_script(&self, name: &str, arguments: &[&str]) -> String {
        let printed = self.try_client_script(ROOT_KEY, name, arguments).await;
        printed.unwrap_or_else(|complaint| panic!("{name} failed:\n{complaint}"))
    }

    /// The same with any access key, of which an account's number is that account's root key; where AWS refuses, with what the
    /// script complains of.
    pub(crate) async fn try_client_script(
        &self,
        key: &str,
        name: &str,
        arguments: &[&str],
    ) -> Result<String, String> {
        let mut command = tokio::process::Command::new(parts::python());
        command.arg(parts::client(name)).args(arguments).kill_on_drop(true);
        // Nothing of the developer's own AWS configuration may reach it.
        command.env_clear().envs(self.client_env()).env("HOME", &self.folder).env("AWS_ACCESS_KEY_ID", key);
        let output = command.output().await.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8(output.stdout).expect("a script prints UTF-8"))
    }

    /// One call by boto3: `request("lambda", "get_policy", &json!({"FunctionName": "x"}))`.
    pub async fn request(&self, service: &str, operation: &str, arguments: &Value) -> Value {
        let answer = self.client_script("aws_call.py", &[service, operation, &arguments.to_string()]).await;
        serde_json::from_str(&answer).expect("the script prints JSON")
    }

    /// What a function has in its environment.
    pub async fn variables(&self, function: &str) -> Value {
        let about = json!({"FunctionName": function});
        let mut found = self.request("lambda", "get_function_configuration", &about).await;
        found["Environment"]["Variables"].take()
    }

    /// What is there of all that a deployment makes: names, by the operation that lists them. Empty where nothing is.
    pub async fn left(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut left = BTreeMap::new();
        for (service, operation, list, name) in [
            ("lambda", "list_functions", "Functions", "FunctionName"),
            ("iam", "list_roles", "Roles", "RoleName"),
            ("logs", "describe_log_groups", "logGroups", "logGroupName"),
            ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
            ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
            ("apigateway", "get_rest_apis", "items", "name"),
            ("apigatewayv2", "get_apis", "Items", "Name"),
        ] {
            let answer = self.request(service, operation, &json!({})).await;
            let found = answer[list].as_array().unwrap_or_else(|| panic!("{operation}: {answer}"));
            let named =
                |one: &Value| one[name].as_str().unwrap_or_else(|| panic!("{operation}: {one}")).to_owned();
            if !found.is_empty() {
                left.insert(operation, found.iter().map(named).collect());
            }
        }
        left
    }

    /// Every message in a log group, oldest first.
    ///
    /// A function's lines arrive when its invocation has ended. One that it prints after it has answered may arrive with
    /// the next invocation's; what it prints and then fails to start is in [`Emulator::log`].
    pub async fn log_group(&self, name: &str) -> Vec<String> {
        let mut messages = Vec::new();
        let mut page = json!({"logGroupName": name});
        loop {
            let answer = self.call("logs", "Logs_20140328.FilterLogEvents", &page).await;
            let events = answer["events"].as_array().expect("events");
            messages.extend(events.iter().filter_map(|event| event["message"].as_str()).map(str::to_owned));
            match answer.get("nextToken") {
                Some(token) if !token.is_null() => page["nextToken"] = token.clone(),
                _ => return messages,
            }
        }
    }

    /// One call of a service that speaks JSON, as the root user: `call("logs", "Logs_20140328.FilterLogEvents", …)`.
    pub async fn call(&self, service: &str, target: &str, body: &Value) -> Value {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        self.post(service, "/", &headers, body).await
    }

    /// Invokes a function as the root user and answers what it returns, or its error object: API Gateway left out.
    pub async fn invoke(&self, function: &str, event: &Value) -> Value {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        self.post("lambda", &path, &[("content-type", "application/json")], event).await
    }

    async fn post(&self, service: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Value {
        let (url, body) = (format!("{}{path}", self.url), body.to_string());
        // The root user's signature is not checked, and the scope says which service is meant.
        let scope =
            format!("AWS4-HMAC-SHA256 Credential={ROOT_KEY}/20260101/{REGION}/{service}/aws4_request");
        let unsigned = format!("{scope}, SignedHeaders=host, Signature=0");
        let mut request = self.http.post(&url).header("authorization", unsigned);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let what = format!("{service}, {path}, {headers:?}");
        let answer = request.body(body).send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let (status, text) = (answer.status(), answer.text().await.expect("an answer"));
        assert!(status.is_success(), "{what}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"))
    }
}
