//! One thing at the server, field by field.

use serde_json::{Map, Value};

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
        let field = |field: &Field| (field.name.to_owned(), field.on(found).to_json());
        Value::Object(self.fields.iter().map(field).collect::<Map<_, _>>())
    }
}
