//! The schema beside the reader: an editor marks nothing that works, and knows every key.

use std::collections::BTreeSet;
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Map, Value, json};
use vault_authorizer::config::{Config, Problem, schema::schema};

/// Between them every key that a document can have, but for files.
const DOCUMENTS: [&str; 4] = [
    r#"
vault:
  address: https://vault.example.com:8200
  namespace: platform/team1
  login: {method: aws, role: api-authorizer, server_id: vault.example.com, mount: team/aws, sts_region: eu-west-1}
issuers:
  corp:
    kind: jwt
    issuer: https://login.example.com/
    audiences: [orders-api]
    audience_claim: client_id
    algorithms: [RS256, ES384, EdDSA]
    types: [JWT, at+jwt]
    jwks: {uri: "https://login.example.com/keys?tenant=1"}
    leeway: 30s
    max_age: 1h
    user_claim: /profile/name
    binding: {verify: elsewhere}
aws_identity:
  server_id: orders.example.com
  accounts: ["123456789012"]
  sts_regions: [eu-west-1, us-east-1]
  max_age: 2m
  single_use: true
credentials: [{header: Authorization}, {header: X-Jwt, scheme: none}, {cookie: session}, {query: token}, {websocket_protocol: bearer}]
answer: {response: simple, unauthorized: deny}
log: {caller_id: hash}
limits: {caller_mints_per_second: 10, grant_mints_per_second: 100}
stages:
  $default:
    api_ids: [a1b2c3d4e5]
    audiences: [orders-api]
    server_id: default.example.com
    grants:
      - name: orders-reader
        routes: ["GET /orders", "* /*", "$connect"]
        caller:
          issuer: corp
          bound_subject: alice
          bound_claims: {scope: ["orders:read", "orders:*"], level: 3, staff: true, /realm/role: admin}
          bound_claims_type: glob
        token: {role: orders-reader, policies: [orders/read], ttl: 2m, wrap_ttl: 30s, num_uses: 4, entity_alias: {claim: tenant}}
      - name: batch
        routes: ["POST /batch"]
        caller:
          aws_identity: true
          bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/batch"]
          bound_iam_principal_ids: [AROA1234567890ABCDEF]
        token: {role: batch, policies: [batch], ttl: 60s, wrap_ttl: 15s}
"#,
    r#"
vault:
  address: http://127.0.0.1:8200
  login: {method: jwt, role: api, web_identity_audience: vault.example.com, mount: jwt, sts_region: eu-west-1}
issuers:
  account:
    kind: aws_iam
    issuer: https://0123.tokens.sts.global.api.aws
    audiences: [orders]
    audience_claim: aud
    algorithms: [ES384]
    types: [JWT]
    jwks: discovery
    leeway: 0s
    max_age: 5m
    user_claim: sub
    binding: {require: none}
stages:
  prod:
    api_ids: ["*"]
    grants:
      - {name: any, mode: none, routes: ["GET /status"], caller: {issuer: account, any: true}}
"#,
    r#"
vault:
  address: https://vault.example.com
  login: {method: approle, role_id: r, secret_id: s, mount: approle}
aws_identity: {server_id: x, accounts: ["123456789012"], sts_endpoint: "http://127.0.0.1:4566"}
stages:
  prod:
    api_ids: [a1]
    grants:
      - {name: any, mode: none, routes: ["GET /status"], caller: {aws_identity: true, any: true}}
"#,
    r#"
vault: {address: "https://vault.example.com", login: {method: token, token: s.OfTheTest}}
issuers:
  corp: {kind: jwt, issuer: "https://login.example.com/", audiences: [a], algorithms: [PS256], jwks: discovery}
stages:
  prod:
    api_ids: [a1]
    grants:
      - {name: any, mode: none, routes: ["GET /status"], caller: {issuer: corp, any: true}}
"#,
];

/// Variants of the first login and of others, with what the documents above cannot have beside it.
const LOGINS: [&str; 3] = [
    "{method: aws, role: api, server_id: v, sts_endpoint: \"http://127.0.0.1:4566\"}",
    "{method: jwt, role: api, jwt_file: /tmp/vault.jwt}",
    "{method: approle, role_id: r, secret_id_file: /tmp/secret-id}",
];

/// What the reader says where the form is wrong, and not what a value means.
const OF_THE_FORM: [&str; 9] = [
    "is missing",
    "is not a known key",
    "must be text",
    "must be a list",
    "must be a mapping",
    "must be true or false",
    "must be a whole number",
    "must not be empty",
    "must be one of",
];

fn documents() -> Vec<Value> {
    let parse = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    let mut documents: Vec<Value> = DOCUMENTS.map(parse).into();
    for login in LOGINS {
        let mut document = parse(DOCUMENTS[3]);
        document["vault"]["login"] = parse(login);
        documents.push(document);
    }
    documents
}

fn problems(document: &Value) -> Vec<Problem> {
    Config::parse(&document.to_string(), Path::new(".")).err().map(|error| error.problems).unwrap_or_default()
}

/// The schema, as whoever has it would apply it.
struct Applied {
    schemas: Schemas,
    schema: SchemaIndex,
}

impl Applied {
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("authorizer.schema.json", schema()).unwrap();
        let schema = compiler.compile("authorizer.schema.json", &mut schemas).unwrap();
        Self { schemas, schema }
    }

    fn refusal(&self, document: &Value) -> Option<String> {
        self.schemas.validate(document, self.schema).err().map(|error| format!("{error:#}"))
    }
}

/// Every place in a value, as JSON pointers, the value itself included.
fn places(value: &Value) -> Vec<String> {
    let mut places = vec![String::new()];
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (escaped(key), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (key, child) in children {
        places.extend(self::places(child).into_iter().map(|below| format!("/{key}{below}")));
    }
    places
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[test]
fn the_schema_takes_all_that_the_reader_takes() {
    let applied = Applied::new();
    for document in documents() {
        assert_eq!(problems(&document), [], "{document}");
        assert_eq!(applied.refusal(&document), None);
    }
}

/// Each place of each document with something else in it, or nothing.
#[test]
fn the_schema_and_the_reader_refuse_the_same_forms() {
    let applied = Applied::new();
    let others = [
        json!(null),
        json!(true),
        json!(3),
        json!("x"),
        json!(""),
        json!([]),
        json!({}),
        json!(["x"]),
        json!({"x": 1}),
    ];
    let mut compared = 0;
    for document in documents() {
        for place in places(&document).into_iter().filter(|place| !place.is_empty()) {
            let mut changed: Vec<Value> = others
                .iter()
                .map(|other| {
                    let mut changed = document.clone();
                    *changed.pointer_mut(&place).unwrap() = other.clone();
                    changed
                })
                .collect();
            changed.extend(without(&document, &place));
            for changed in changed {
                compared += 1;
                let problems = problems(&changed);
                let taken = applied.refusal(&changed).is_none();
                assert!(taken || !problems.is_empty(), "{place}: only the schema refuses {changed}");
                let of_the_form = problems
                    .iter()
                    .find(|problem| OF_THE_FORM.iter().any(|words| problem.message.starts_with(words)));
                assert!(
                    !taken || of_the_form.is_none(),
                    "only the reader refuses {place}: {of_the_form:?} in {changed}"
                );
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// The document without this key or item.
fn without(document: &Value, place: &str) -> Option<Value> {
    let mut document = document.clone();
    let (parent, last) = place.rsplit_once('/')?;
    match document.pointer_mut(parent)? {
        Value::Object(map) => drop(map.remove(&last.replace("~1", "/").replace("~0", "~"))),
        Value::Array(items) => drop(items.remove(last.parse().ok()?)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    }
    Some(document)
}

#[test]
fn the_schema_knows_the_readers_keys_and_no_other() {
    let schema = schema();
    let mut compared = BTreeSet::new();
    for document in documents() {
        for place in places(&document) {
            let mut changed = document.clone();
            let Some(table) = changed.pointer_mut(&place).and_then(Value::as_object_mut) else { continue };
            table.insert("no_such_key".to_owned(), json!(1));
            let Some(known) = known_keys(&changed) else { continue };
            let object = object_at(&schema, &document, &place);
            let keys: BTreeSet<&str> =
                object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(keys, known.split(", ").collect(), "{place}");
            assert_eq!(object["additionalProperties"], false, "{place}");
            compared.insert(keys.into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
        }
    }
    assert_eq!(compared, tables(&schema), "each table of the schema is in one of the documents");
}

/// The keys of each table, wherever it stands.
fn tables(schema: &Value) -> BTreeSet<BTreeSet<String>> {
    let of_places = places(schema).into_iter().filter_map(|place| {
        let keys = schema.pointer(&place)?.get("properties")?.as_object()?;
        Some(keys.keys().cloned().collect())
    });
    of_places.collect()
}

/// What the reader says that it knows there. Nothing of a mapping whose keys the user chooses.
fn known_keys(document: &Value) -> Option<String> {
    let problems = problems(document);
    let problem = problems.iter().find(|problem| problem.path.ends_with("no_such_key"))?;
    problem.message.strip_prefix("is not a known key; known are: ").map(str::to_owned)
}

/// The schema of the mapping at a place: the one of its choices that the document there has made.
fn object_at<'s>(schema: &'s Value, document: &Value, place: &str) -> &'s Value {
    let mut at = chosen(schema, schema, document);
    let mut value = document;
    for step in place.split('/').skip(1) {
        let key = step.replace("~1", "/").replace("~0", "~");
        let below = if value.is_array() {
            &at["items"]
        } else {
            at["properties"].get(&key).unwrap_or(&at["additionalProperties"])
        };
        value = value.pointer(&format!("/{step}")).unwrap();
        at = chosen(schema, below, value);
    }
    at
}

fn chosen<'s>(root: &'s Value, schema: &'s Value, value: &Value) -> &'s Value {
    if let Some(name) = schema["$ref"].as_str() {
        return chosen(root, root.pointer(name.trim_start_matches('#')).unwrap(), value);
    }
    let choices = ["oneOf", "anyOf"].iter().filter_map(|key| schema[key].as_array()).flatten();
    let fits = |choice: &&Value| {
        let object = chosen(root, choice, value);
        let (Some(keys), Some(map)) = (object["properties"].as_object(), value.as_object()) else {
            return false;
        };
        map.keys().all(|key| keys.contains_key(key)) && tags(keys).all(|(key, tag)| map.get(key) == Some(tag))
    };
    let choices = choices.filter(|choice| choice.get("properties").is_some() || choice.get("$ref").is_some());
    choices.into_iter().find(fits).map_or(schema, |choice| chosen(root, choice, value))
}

fn tags(keys: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    keys.iter()
        .filter(|(key, _)| *key == "method" || *key == "kind")
        .filter_map(|(key, of)| Some((key, of.get("const")?)))
}

#[test]
fn every_key_is_described() {
    for (name, definition) in schema()["$defs"].as_object().unwrap() {
        assert!(definition["description"].is_string(), "{name}");
        let variants = definition["oneOf"].as_array().into_iter().flatten().chain([definition]);
        for (key, of) in variants.filter_map(|variant| variant["properties"].as_object()).flatten() {
            let described = of["description"].is_string() || of["const"].is_string();
            assert!(described, "{name}.{key}");
            let text = of["description"].as_str().unwrap_or_default();
            assert!(!text.contains('\n'), "{name}.{key}: {text}");
        }
    }
}

#[test]
fn an_address_is_taken_in_every_spelling_that_the_reader_takes() {
    let mut document = schema()["examples"][0].clone();
    for address in [
        "https://vault.example.com",
        "HTTPS://vault.example.com",
        "Http://127.0.0.1:8200",
        "https:vault.example.com",
    ] {
        document["vault"]["address"] = json!(address);
        assert!(problems(&document).is_empty(), "{address}: {:?}", problems(&document));
        assert_eq!(Applied::new().refusal(&document), None, "{address}");
    }
    document["vault"]["address"] = json!("ftp://vault.example.com");
    assert!(!problems(&document).is_empty());
    assert!(Applied::new().refusal(&document).is_some());
}

#[test]
fn the_examples_are_good_documents() {
    let root = schema();
    let examples = root["examples"].as_array().unwrap();
    assert!(!examples.is_empty());
    for example in examples {
        assert_eq!(Applied::new().refusal(example), None);
        assert!(problems(example).is_empty(), "{:?}", problems(example));
    }
}

#[test]
fn every_example_of_a_key_is_one_that_the_key_takes() {
    fn walk(root: &Value, schema: &Value, seen: &mut usize) {
        if let Some(examples) =
            schema.get("examples").and_then(Value::as_array).filter(|_| schema.get("$defs").is_none())
        {
            let mut alone = schema.clone();
            alone["$defs"] = root["$defs"].clone();
            for example in examples {
                let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
                compiler.add_resource("key.json", alone.clone()).unwrap();
                let index = compiler.compile("key.json", &mut schemas).unwrap();
                assert!(schemas.validate(example, index).is_ok(), "{example} in {schema}");
                *seen += 1;
            }
        }
        let inside: Vec<&Value> = match schema {
            Value::Object(map) => {
                map.iter().filter(|(key, _)| *key != "examples").map(|(_, value)| value).collect()
            }
            Value::Array(items) => items.iter().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        for inside in inside {
            walk(root, inside, seen);
        }
    }
    let (root, mut seen) = (schema(), 0);
    walk(&root, &root, &mut seen);
    assert!(seen > 15, "{seen}");
}
