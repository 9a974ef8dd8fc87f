//! One call of the API, with the line that the authorizer wrote about it.

use std::time::Duration;

use serde_json::Value;

use crate::promise::{self, Broken};
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
    pub(crate) fn refused_with(self, what: &str, status: u16, code: &str) -> Result<Self, Broken> {
        self.came_with(what, status)?;
        promise::equal(&format!("{what}: code in the authorizer's log"), code, self.logged("code"))?;
        Ok(self)
    }

    /// Checks the status.
    pub(crate) fn came_with(&self, what: &str, status: u16) -> Result<(), Broken> {
        if self.status == status {
            return Ok(());
        }
        let came = format!("status {}, {}\n            {}", self.status, self.body, self.logged("message"));
        Err(Broken::new(what, format!("status {status}"), came.trim_end()))
    }
}

impl World {
    /// `GET /<stage>/orders`, with a JWT or without a credential.
    pub(crate) async fn get_orders(&self, stage: &str, jwt: Option<&str>) -> Result<Answer, Broken> {
        let before = self.decisions().await.len();
        let mut request = self.http.get(self.deployment.url(stage) + "/orders");
        if let Some(jwt) = jwt {
            request = request.bearer_auth(jwt);
        }
        let response = request.send().await;
        let response = response.map_err(|error| Broken::new("The API", "an answer", format!("{error:?}")))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.json().await.unwrap_or(Value::Null);
        let decision = self.decision_after(before).await?;
        Ok(Answer { status, headers, body, decision })
    }

    /// Every decision in the authorizer's log, oldest first.
    pub(crate) async fn decisions(&self) -> Vec<Value> {
        let lines = self.deployment.authorizer_lines().await;
        lines.into_iter().filter(|line| line["outcome"].is_string()).collect()
    }

    async fn decision_after(&self, before: usize) -> Result<Value, Broken> {
        let line = async {
            loop {
                if let Some(line) = self.decisions().await.into_iter().nth(before) {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let line = tokio::time::timeout(LOG_LIMIT, line).await;
        line.map_err(|_| Broken::new("The authorizer's log", "a line for each call", "none"))
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
