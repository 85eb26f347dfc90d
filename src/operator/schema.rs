//! How the schemas of the API's document are derived from the types that are parsed and answered.

use schemars::generate::{Contract, SchemaSettings};
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

/// Makes the schemas of types that are parsed or of those that are answered, and keeps those that others refer to.
pub fn schemas(contract: Contract) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.contract = contract;
        settings.definitions_path = "/components/schemas".into();
    });
    settings.with_transform(RecursiveTransform(plain)).into_generator()
}

/// A schema in the words of the document.
fn plain(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    // The format of a number is that of Rust, such as `int64`: JSON has one kind of whole number. Ours are counts and
    // numbers of things, which are negative only where a type has it.
    if schema.remove("format").is_some_and(|format| format == "int64") && schema.get("minimum").is_none() {
        schema.insert("minimum".to_owned(), Value::from(0));
    }
    // An object may have more keys than are listed wherever nothing is specified.
    if schema.get("additionalProperties") == Some(&Value::Bool(true)) {
        schema.remove("additionalProperties");
    }
    // The forms of an answer exclude each other.
    if let Some(forms) = schema.remove("anyOf") {
        schema.insert("oneOf".to_owned(), forms);
    }
}
