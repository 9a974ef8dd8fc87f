//! What this integration knows for itself, read once at start.
//!
//! Receives environment variables; produces one [`Stage`] for each stage of the API: the Vault tokens it accepts and
//! the secret it reads. Every problem is reported at once.
//!
//! ```text
//! VAULT_ADDR=https://vault.example.com:8200   VAULT_NAMESPACE=platform   VAULT_CACERT=/var/task/vault-ca.pem
//! ORDERS_STAGES={"prod": {"creation_path": "auth/token/create/orders-prod-reader",
//!                         "secret_path": "secret/data/prod/orders"}}
//! ```

use std::collections::BTreeMap;
use std::error::Error;

use serde::Deserialize;
use vault_context::unwrap::{CreationPath, Integration, InvalidCreationPath};
use vault_context::vault::{VariableError, Vault, VaultOptions, VaultSetupError};

const STAGES: &str = "ORDERS_STAGES";

/// The stages of the API, by the name API Gateway gives them.
#[derive(Debug)]
pub(crate) struct Stages(BTreeMap<String, Stage>);

/// One stage: a token of another stage's role is of no use here.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) integration: Integration,
    pub(crate) secret_path: String,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[error("{} problem(s) in the configuration; each is in the log", .0.len())]
pub(crate) struct ConfigError(Vec<Problem>);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the variables that say where Vault is")]
    Variable(#[from] VariableError),
    #[error("the connection to Vault")]
    Vault(#[from] VaultSetupError),
    #[error("{STAGES} is not set")]
    StagesMissing,
    #[error("{STAGES} is not a JSON object of stages, each with `creation_path` and `secret_path`")]
    StagesInvalid(#[source] serde_json::Error),
    #[error("{STAGES} names no stage")]
    NoStage,
    #[error("{STAGES}: {stage}.secret_path is empty")]
    SecretPathEmpty { stage: String },
    #[error("{STAGES}: {stage}.creation_path")]
    CreationPath { stage: String, source: InvalidCreationPath },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StageDocument {
    creation_path: String,
    secret_path: String,
}

impl Stages {
    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        match (vault(&variable), expectations(variable(STAGES))) {
            (Ok(vault), Ok(expectations)) => {
                Ok(Self(expectations.into_iter().map(|one| one.at(&vault)).collect()))
            }
            (vault, expectations) => {
                Err(ConfigError(vault.err().into_iter().chain(expectations.err()).flatten().collect()))
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Stage> {
        self.0.get(name)
    }
}

impl ConfigError {
    pub(crate) fn log(&self) {
        for problem in &self.0 {
            tracing::error!(problem = chain(problem), "the configuration is refused");
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn vault(variable: impl Fn(&str) -> Option<String>) -> Result<Vault, Vec<Problem>> {
    let options = VaultOptions::from_variables(variable)
        .map_err(|problems| problems.into_iter().map(Problem::from).collect::<Vec<_>>())?;
    Vault::new(options).map_err(|error| vec![error.into()])
}

/// What one stage expects, before it is known where Vault is.
struct Expectation {
    stage: String,
    creation_path: CreationPath,
    secret_path: String,
}

impl Expectation {
    fn at(self, vault: &Vault) -> (String, Stage) {
        let integration = Integration::new(vault.clone(), self.creation_path);
        (self.stage, Stage { integration, secret_path: self.secret_path })
    }
}

fn expectations(json: Option<String>) -> Result<Vec<Expectation>, Vec<Problem>> {
    let documents = documents(json).map_err(|problem| vec![problem])?;
    let (mut expectations, mut problems) = (Vec::new(), Vec::new());
    for (stage, document) in documents {
        match expectation(stage, document) {
            Ok(expectation) => expectations.push(expectation),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(expectations) } else { Err(problems) }
}

fn expectation(stage: String, document: StageDocument) -> Result<Expectation, Problem> {
    let StageDocument { creation_path, secret_path } = document;
    match CreationPath::parse(&creation_path) {
        Err(source) => Err(Problem::CreationPath { stage, source }),
        Ok(_) if secret_path.is_empty() => Err(Problem::SecretPathEmpty { stage }),
        Ok(creation_path) => Ok(Expectation { stage, creation_path, secret_path }),
    }
}

fn documents(json: Option<String>) -> Result<BTreeMap<String, StageDocument>, Problem> {
    let documents: BTreeMap<_, _> =
        serde_json::from_str(&json.ok_or(Problem::StagesMissing)?).map_err(Problem::StagesInvalid)?;
    if documents.is_empty() { Err(Problem::NoStage) } else { Ok(documents) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const ADDRESS: &str = "http://127.0.0.1:9";

    pub(crate) fn read(stages: &str) -> Result<Stages, ConfigError> {
        Stages::from_variables(|name| match name {
            "VAULT_ADDR" => Some(ADDRESS.to_owned()),
            STAGES => Some(stages.to_owned()),
            _ => None,
        })
    }

    fn problems(stages: &str) -> Vec<String> {
        read(stages).unwrap_err().0.iter().map(|problem| chain(problem)).collect()
    }

    #[test]
    fn reads_each_stage() {
        let stages = read(
            r#"{"prod": {"creation_path": "auth/token/create/orders-prod-reader", "secret_path": "secret/data/prod/orders"},
                "staging": {"creation_path": "auth/token/create/orders-staging-reader", "secret_path": "secret/data/staging/orders"}}"#,
        )
        .unwrap();
        assert_eq!(stages.get("prod").unwrap().secret_path, "secret/data/prod/orders");
        assert_eq!(stages.get("staging").unwrap().secret_path, "secret/data/staging/orders");
        assert!(stages.get("dev").is_none());
    }

    #[test]
    fn reports_every_problem_of_the_stages_at_once() {
        assert_eq!(
            problems(
                r#"{"a": {"creation_path": "auth/token/create/*", "secret_path": "x"}, "b": {"creation_path": "auth/token/create/b", "secret_path": ""}}"#
            ),
            [
                "ORDERS_STAGES: a.creation_path: `auth/token/create/*` is not a creation path such as `auth/token/create/orders-prod-reader`",
                "ORDERS_STAGES: b.secret_path is empty",
            ]
        );
    }

    #[test]
    fn reports_vault_and_stages_together() {
        let of_none = Stages::from_variables(|_| None).unwrap_err().0;
        let address_missing = Problem::Variable(VariableError::AddressMissing);
        assert_eq!(format!("{of_none:?}"), format!("{:?}", [address_missing, Problem::StagesMissing]));
        let stages = r#"{"a": {"creation_path": "sys/wrapping/wrap", "secret_path": "x"}}"#;
        let found = Stages::from_variables(|name| (name == STAGES).then(|| stages.to_owned())).unwrap_err().0;
        assert!(
            matches!(found.as_slice(), [Problem::Variable(_), Problem::CreationPath { .. }]),
            "{found:?}"
        );
    }

    #[test]
    fn rejects_stages_that_are_none() {
        assert_eq!(problems("{}"), ["ORDERS_STAGES names no stage"]);
        for json in [
            "",
            "[]",
            r#"{"a": {}}"#,
            r#"{"a": {"creation_path": "a", "secret_path": "b", "secrets_path": "c"}}"#,
        ] {
            assert!(matches!(read(json).unwrap_err().0.as_slice(), [Problem::StagesInvalid(_)]), "{json}");
        }
    }
}
