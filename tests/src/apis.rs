//! One API of each kind in the emulator. In each, the authorizer protects a function that returns what it received.
//!
//! ```text
//! GET /   GET /orders   GET /orders/{id}   GET /status   GET /batch   ANY /files/{proxy+}    REST and HTTP APIs
//! $default                                                                                   HTTP APIs, route and stage
//! $connect   $default                                                                        the WebSocket API
//! ```
//!
//! Every API has the stages `prod`, `elsewhere` and `unlisted`. The emulator serves them below
//! `/_aws/execute-api/<api>/<stage>`, upgrades to WebSockets included.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cases::Shape;
use crate::deployed_stack::{json_objects, zipped};
use crate::raw_http::{self, Answer, Request};
use crate::{ACCOUNT, Aws, Emulator};

/// The APIs. Their authorizers answer once [`Apis::deploy`] was called.
#[derive(Debug)]
pub struct Apis {
    aws: Aws,
    ids: BTreeMap<Shape, String>,
}

impl Apis {
    /// Makes them; about two seconds. An emulator holds one set.
    pub async fn create(emulator: &Emulator) -> Self {
        let functions = [Shape::HttpV2, Shape::HttpV2Simple].map(function);
        let arguments = [ACCOUNT, functions[0], functions[1]];
        let ids = emulator.client_script("apis.py", &arguments).await;
        let ids = serde_json::from_str(&ids).expect("the script prints the APIs' ids");
        Self { aws: emulator.aws().clone(), ids }
    }

    pub fn ids(&self) -> Vec<&str> {
        self.ids.values().map(String::as_str).collect()
    }

    /// Deploys the authorizer for all of them: once, and once more for the one with simple answers, since the
    /// configuration says which answers to give.
    pub async fn deploy(&self, binary: &Path, configuration: impl Fn(Shape) -> String) {
        let code = fs::read(binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let file = self.aws.folder().join("authorizer.zip");
        fs::write(&file, zipped(&[("bootstrap".to_owned(), code)])).expect("the zip file can be written");
        let file = file.to_str().expect("the bed's path is UTF-8");
        for shape in [Shape::HttpV2, Shape::HttpV2Simple] {
            let variables = json!({"AUTHORIZER_CONFIG": configuration(shape)}).to_string();
            self.aws.client_script("function.py", &[function(shape), file, &variables]).await;
        }
    }

    /// Deploys, in the authorizer's place, a function that shows what API Gateway does: it answers as the
    /// `Authorization` header says (`deny`, `error <message>`, `nonsense`), and otherwise allows the call and puts its
    /// event into the context, as JSON under `event`.
    pub async fn deploy_capture(&self) {
        self.aws.client_script("capture.py", &[Shape::HttpV2, Shape::HttpV2Simple].map(function)).await;
    }

    /// Where a stage is served, below [`Aws::url`].
    pub fn base(&self, shape: Shape, stage: &str) -> String {
        format!("/_aws/execute-api/{}/{stage}", self.ids[&shape])
    }

    /// Calls an API. A WebSocket is opened, and asked what its `$connect` integration was given.
    pub async fn call(&self, shape: Shape, request: &Request) -> Answer {
        if shape == Shape::Websocket {
            raw_http::upgrade(self.aws.url(), request, "{}").await
        } else {
            raw_http::send(self.aws.url(), request).await
        }
    }

    /// The decisions that a shape's authorizer has logged, oldest first. It is one function for all but simple answers.
    pub async fn decisions(&self, shape: Shape) -> Vec<Value> {
        let messages = self.aws.log_group(&format!("/aws/lambda/{}", function(shape))).await;
        json_objects(&messages).into_iter().filter(|line| line["outcome"].is_string()).collect()
    }
}

fn function(shape: Shape) -> &'static str {
    if shape == Shape::HttpV2Simple { "authorizer-simple" } else { "authorizer" }
}
