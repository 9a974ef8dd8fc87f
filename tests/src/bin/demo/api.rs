//! One call of the API, with the line that the authorizer wrote about it.

use std::time::Duration;

use serde_json::Value;

use crate::promise;
use crate::world::World;

/// How long a log line may be on its way.
const LOG_LIMIT: Duration = Duration::from_secs(3);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
    /// The authorizer's line.
    pub(crate) decision: Value,
}

impl Answer {
    /// A field of the authorizer's line.
    pub(crate) fn logged(&self, field: &str) -> String {
        shown(&self.decision[field])
    }

    /// Checks the status, and the code in the authorizer's line.
    pub(crate) fn refused_with(self, what: &str, status: u16, code: &str) -> Self {
        self.came_with(what, status);
        promise::equal(&format!("{what}: code in the authorizer's log"), code, self.logged("code"));
        self
    }

    /// Checks the status.
    pub(crate) fn came_with(&self, what: &str, status: u16) {
        let about = format!("{what}: {}\n  {}", self.body, self.logged("message"));
        promise::equal(about.trim_end(), format!("status {status}"), format!("status {}", self.status));
    }
}

impl World {
    /// `GET /<stage>/orders`, with a JWT or without a credential.
    pub(crate) async fn get_orders(&self, stage: &str, jwt: Option<&str>) -> Answer {
        let before = self.deployment.decisions().await.len();
        let mut request = self.http.get(self.deployment.url(stage) + "/orders");
        if let Some(jwt) = jwt {
            request = request.bearer_auth(jwt);
        }
        let response = request.send().await.expect("the API answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.json().await.unwrap_or(Value::Null);
        let line = async {
            loop {
                if let Some(line) = self.deployment.decisions().await.into_iter().nth(before) {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let decision = tokio::time::timeout(LOG_LIMIT, line).await;
        let decision = decision.expect("the authorizer's log has a line for each call");
        Answer { status, headers, body, decision }
    }
}

/// A JSON value without the quotes; nothing for an absent one.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
