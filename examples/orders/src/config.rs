//! This integration's own settings, read once at start.
//!
//! Receives environment variables; produces one [`Stage`] for each stage of the API: the Vault tokens that it
//! accepts, and the secret or the database that each token leads to. Every problem is reported at once.
//!
//! ```text
//! VAULT_ADDR=https://vault.example.com:8200   VAULT_NAMESPACE=platform   VAULT_CACERT=/var/task/vault-ca.pem
//! ORDERS_STAGES={"staging": {"creation_path": "auth/token/create/orders-staging-reader", "secret_path": "secret/data/staging/orders"},
//!                "prod": [{"creation_path": "auth/token/create/orders-acme",
//!                          "database": {"mount": "database", "role": "orders-acme",
//!                                       "host": "127.0.0.1", "port": 5432, "name": "orders"}},
//!                         {"creation_path": "auth/token/create/orders-globex", "database": {…}}]}
//! ```
//!
//! A stage with several grants has a list, here one grant for each tenant. The creation path of the token that passed
//! every check says which member counts. A database is reached without TLS, so its host must be a loopback address: a
//! proxy on the function's own machine, or a test.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Value, json};
use vault_context::unwrap::{CreationPath, Integration, InvalidCreationPath};
use vault_context::vault::{VariableError, Vault, VaultOptions, VaultSetupError};
use vault_context::with_causes;

use crate::database::Database;

const STAGES: &str = "ORDERS_STAGES";

/// The stages of the API, by the name API Gateway gives them.
#[derive(Debug)]
pub(crate) struct Stages(BTreeMap<String, Stage>);

/// One stage: a token of another stage's role is of no use here.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) integration: Integration,
    sources: BTreeMap<String, Source>,
}

/// Where a token's orders come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A secret of a KV version 2 mount, by its path.
    Secret(String),
    Database(Database),
}

/// Everything that is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
#[error("{} problem(s) in the configuration; each is in the log", .0.len())]
pub(crate) struct ConfigError(Vec<Problem>);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("invalid settings for Vault")]
    Variable(#[from] VariableError),
    #[error("the connection to Vault")]
    Vault(#[from] VaultSetupError),
    #[error("{STAGES} is not set")]
    StagesMissing,
    #[error("{STAGES} is not a JSON object of stages")]
    NotAnObject(#[source] serde_json::Error),
    #[error("{STAGES} names no stage")]
    NoStage,
    #[error(
        "{STAGES}: {stage} must be an object, or a list of objects, with `creation_path` and `secret_path` or `database`"
    )]
    StageInvalid { stage: String, source: serde_json::Error },
    #[error("{STAGES}: {stage} names no creation path")]
    NoCreationPath { stage: String },
    #[error("{STAGES}: {stage}.creation_path")]
    CreationPath { stage: String, source: InvalidCreationPath },
    #[error("{STAGES}: {stage}: `{creation_path}` appears twice")]
    CreationPathTwice { stage: String, creation_path: String },
    #[error("{STAGES}: {stage}: `{creation_path}` must have exactly one of `secret_path` and `database`")]
    NotOneSource { stage: String, creation_path: String },
    #[error("{STAGES}: {stage}.secret_path is empty")]
    SecretPathEmpty { stage: String },
    #[error(
        "{STAGES}: {stage}.database: `{host}` is not a loopback address, and this sample connects without TLS"
    )]
    HostNotLoopback { stage: String, host: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceDocument {
    creation_path: String,
    secret_path: Option<String>,
    database: Option<Database>,
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

impl Stage {
    /// Of a token that was made at this path. `None` for one that this stage does not accept.
    pub(crate) fn source(&self, creation_path: &str) -> Option<&Source> {
        self.sources.get(creation_path)
    }
}

impl ConfigError {
    pub(crate) fn log(&self) {
        for problem in &self.0 {
            tracing::error!(problem = with_causes(problem), "the configuration is invalid");
        }
    }
}

fn vault(variable: impl Fn(&str) -> Option<String>) -> Result<Vault, Vec<Problem>> {
    let options = VaultOptions::from_variables(variable)
        .map_err(|problems| problems.into_iter().map(Problem::from).collect::<Vec<_>>())?;
    Vault::new(options).map_err(|error| vec![error.into()])
}

/// What one stage expects, before it is known where Vault is.
struct Expectation {
    stage: String,
    first: CreationPath,
    others: Vec<CreationPath>,
    sources: BTreeMap<String, Source>,
}

impl Expectation {
    fn at(self, vault: &Vault) -> (String, Stage) {
        let integration = Integration::new(vault.clone(), self.first);
        let integration = self.others.into_iter().fold(integration, Integration::also_accept);
        (self.stage, Stage { integration, sources: self.sources })
    }
}

fn expectations(json: Option<String>) -> Result<Vec<Expectation>, Vec<Problem>> {
    let stages = stages(json).map_err(|problem| vec![problem])?;
    let (mut expectations, mut problems) = (Vec::new(), Vec::new());
    for (stage, document) in stages {
        match expectation(stage, document) {
            Ok(expectation) => expectations.push(expectation),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(expectations) } else { Err(problems) }
}

fn stages(json: Option<String>) -> Result<BTreeMap<String, Value>, Problem> {
    let stages: BTreeMap<_, _> =
        serde_json::from_str(&json.ok_or(Problem::StagesMissing)?).map_err(Problem::NotAnObject)?;
    if stages.is_empty() { Err(Problem::NoStage) } else { Ok(stages) }
}

fn expectation(stage: String, document: Value) -> Result<Expectation, Problem> {
    let list = if document.is_array() { document } else { json!([document]) };
    let documents: Vec<SourceDocument> = match serde_json::from_value(list) {
        Ok(documents) => documents,
        Err(source) => return Err(Problem::StageInvalid { stage, source }),
    };
    let (mut paths, mut sources) = (Vec::new(), BTreeMap::new());
    for document in documents {
        let path = match CreationPath::parse(&document.creation_path) {
            Ok(path) => path,
            Err(source) => return Err(Problem::CreationPath { stage, source }),
        };
        let source = source(&stage, document)?;
        if sources.insert(path.as_str().to_owned(), source).is_some() {
            return Err(Problem::CreationPathTwice { stage, creation_path: path.as_str().to_owned() });
        }
        paths.push(path);
    }
    let mut paths = paths.into_iter();
    let Some(first) = paths.next() else { return Err(Problem::NoCreationPath { stage }) };
    Ok(Expectation { stage, first, others: paths.collect(), sources })
}

fn source(stage: &str, document: SourceDocument) -> Result<Source, Problem> {
    let stage = stage.to_owned();
    match document {
        SourceDocument { secret_path: Some(path), database: None, .. } if path.is_empty() => {
            Err(Problem::SecretPathEmpty { stage })
        }
        SourceDocument { secret_path: Some(path), database: None, .. } => Ok(Source::Secret(path)),
        SourceDocument { secret_path: None, database: Some(Database { host, .. }), .. }
            if !is_loopback(&host) =>
        {
            Err(Problem::HostNotLoopback { stage, host })
        }
        SourceDocument { secret_path: None, database: Some(database), .. } => Ok(Source::Database(database)),
        SourceDocument { creation_path, .. } => Err(Problem::NotOneSource { stage, creation_path }),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
        read(stages).unwrap_err().0.iter().map(|problem| with_causes(problem)).collect()
    }

    #[test]
    fn reads_each_stage() {
        let stages = read(
            r#"{"prod": {"creation_path": "auth/token/create/orders-prod-reader", "secret_path": "secret/data/prod/orders"},
                "staging": {"creation_path": "auth/token/create/orders-staging-reader", "secret_path": "secret/data/staging/orders"}}"#,
        )
        .unwrap();
        for stage in ["prod", "staging"] {
            let source =
                stages.get(stage).unwrap().source(&format!("auth/token/create/orders-{stage}-reader"));
            assert_eq!(source, Some(&Source::Secret(format!("secret/data/{stage}/orders"))));
        }
        assert!(stages.get("dev").is_none());
    }

    fn database(tenant: &str, host: &str) -> Value {
        json!({
            "creation_path": format!("auth/token/create/orders-{tenant}"),
            "database": {"mount": "database", "role": format!("orders-{tenant}"), "host": host, "port": 5432, "name": "orders"},
        })
    }

    #[test]
    fn the_creation_path_says_which_tenants_database_role_a_token_may_ask_for() {
        let stages = read(
            &json!({"prod": [database("acme", "127.0.0.1"), database("globex", "localhost")]}).to_string(),
        );
        let stages = stages.unwrap();
        let role =
            |tenant: &str| match stages.get("prod")?.source(&format!("auth/token/create/orders-{tenant}"))? {
                Source::Database(database) => Some(database.role.clone()),
                Source::Secret(_) => None,
            };
        assert_eq!(role("acme").as_deref(), Some("orders-acme"));
        assert_eq!(role("globex").as_deref(), Some("orders-globex"));
        assert_eq!(role("initech"), None);
    }

    #[test]
    fn rejects_a_source_that_is_not_one_or_would_send_a_password_in_clear() {
        let both = |mut document: Value| {
            document["secret_path"] = json!("secret/data/prod/orders");
            document
        };
        let neither = json!({"creation_path": "auth/token/create/orders-acme"});
        let acme = database("acme", "127.0.0.1");
        for (document, problem) in [
            (
                both(acme.clone()),
                "`auth/token/create/orders-acme` must have exactly one of `secret_path` and `database`",
            ),
            (
                neither,
                "`auth/token/create/orders-acme` must have exactly one of `secret_path` and `database`",
            ),
            (json!([acme, acme]), "`auth/token/create/orders-acme` appears twice"),
        ] {
            let stages = json!({"a": document}).to_string();
            assert_eq!(problems(&stages), [format!("ORDERS_STAGES: a: {problem}")]);
        }
        assert_eq!(problems(r#"{"a": []}"#), ["ORDERS_STAGES: a names no creation path"]);
        for host in ["db.example.com", "192.0.2.1", "127.0.0.1.example.com", ""] {
            let stages = json!({"a": database("acme", host)}).to_string();
            assert_eq!(
                problems(&stages),
                [format!(
                    "ORDERS_STAGES: a.database: `{host}` is not a loopback address, and this sample connects without TLS"
                )]
            );
        }
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
        for json in ["", "[]"] {
            assert!(matches!(read(json).unwrap_err().0.as_slice(), [Problem::NotAnObject(_)]), "{json}");
        }
        for json in [
            r#"{"a": {}}"#,
            r#"{"a": [[]]}"#,
            r#"{"a": {"creation_path": "a", "secret_path": "b", "secrets_path": "c"}}"#,
            r#"{"a": {"creation_path": "a", "database": {"role": "b"}}}"#,
        ] {
            assert!(matches!(read(json).unwrap_err().0.as_slice(), [Problem::StageInvalid { .. }]), "{json}");
        }
    }
}
