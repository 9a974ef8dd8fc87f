//! One object on the server, field by field.

use serde_json::Value;

use super::{place::Place, setting::Field};

/// Where it is and what it must say.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Where it is.
    pub(crate) place: Place,
    /// What it must say.
    pub(crate) fields: Vec<Field>,
}

impl Object {
    /// What is sent to write it. Where the server may keep its own, `found` says what that is.
    pub(crate) fn body(&self, found: Option<&Value>) -> Value {
        self.fields.iter().map(|field| (field.name, field.on(found).to_json())).collect()
    }
}

/// The texts of a list, such as policies; none where it is absent.
pub(crate) fn texts<'v>(data: &'v Value, list: &str) -> impl Iterator<Item = &'v str> {
    data.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
