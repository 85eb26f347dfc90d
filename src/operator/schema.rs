//! The schemas of the typed answers and of the filters, for the API's document.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value};

use super::filter::Filter;
use super::json::EventJson;
use super::status::StatusJson;

/// The schemas by their names, with those that they refer to.
pub fn schemas() -> Map<String, Value> {
    // The format of a number is that of Rust, such as `int64`: JSON has one kind of whole number.
    let without_format = RecursiveTransform(|schema: &mut Schema| {
        schema.remove("format");
    });
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.with_transform(without_format).into_generator();
    generator.subschema_for::<StatusJson<'_>>();
    generator.subschema_for::<EventJson<'_>>();
    generator.subschema_for::<Filter>();
    generator.take_definitions(true)
}
