//! The API's OpenAPI 3.1 document: the operations and requests of `openapi.json`, with the answers, whose schemas are
//! derived from the types that are answered.

use std::sync::LazyLock;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::super::refusal::Refusal;
use super::changes::Erasure;
use super::reads::Blocked;
use crate::operator::{ChangedJson, DeadGroups, EventJson, Explanation, Filter, Page, StatusJson, schemas};
use crate::outbox::Audit;

/// The statuses that refuse a request to any path.
const ALWAYS: [u16; 3] = [401, 421, 500];
/// The statuses that refuse a request for its body.
const BODY: [u16; 5] = [400, 403, 408, 413, 415];
/// The other statuses that refuse a change.
const CHANGE: &[u16] = &[404, 503];

static OPENAPI: LazyLock<String> = LazyLock::new(|| {
    let text = include_str!("openapi.json");
    let mut document: Value = serde_json::from_str(text).expect("the document is JSON, as a test shows");
    let mut schemas = schemas();
    let answers = answers(&mut schemas);
    for path in objects(&mut document["paths"]) {
        for operation in objects(path) {
            let answer = answers.iter().find(|(id, ..)| operation["operationId"] == *id);
            if let Some((_, schema, refused)) = answer {
                operation["responses"] = responses(schema, refused, operation.get("requestBody").is_some());
            }
        }
    }
    let refused = response("Refused, and what to do.", &schemas.subschema_for::<Refusal>());
    document["components"]["responses"] = json!({ "Refused": refused });
    schemas.subschema_for::<Filter>();
    let schemas = schemas.take_definitions(true);
    if let Some(parameters) = document["paths"]["/events"]["get"]["parameters"].as_array_mut() {
        parameters.splice(0..0, filter_parameters(&schemas["Filter"]));
    }
    document["components"]["schemas"] = Value::Object(schemas);
    document.to_string()
});

/// The API's OpenAPI document.
pub fn openapi() -> &'static str {
    &OPENAPI
}

/// The filters as parameters of a query: their members in a body, with the values of a list separated by commas.
fn filter_parameters(filter: &Value) -> Vec<Value> {
    let members = filter["properties"].as_object().into_iter().flatten();
    let parameter = |(name, member): (&String, &Value)| {
        let mut schema = member.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let words = schema["items"]["enum"].as_array();
        let words = words.map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|"));
        let is_list = schema["type"] == "array";
        let one = words.or_else(|| is_list.then(|| "[1-9][0-9]{0,14}".to_owned()));
        if let Some(one) = one {
            schema = json!({"type": "string", "pattern": format!("^({one})(,({one}))*$")});
        }
        json!({"name": name, "in": "query", "required": false, "schema": schema, "description": description})
    };
    members.map(parameter).collect()
}

/// The answer of each operation, and the statuses that refuse it beyond those of its method.
fn answers(schemas: &mut SchemaGenerator) -> [(&'static str, Schema, &'static [u16]); 13] {
    let changed = schemas.subschema_for::<ChangedJson<'_>>();
    [
        ("document", json_schema!({"type": "object"}), &[]),
        ("status", schemas.subschema_for::<StatusJson<'_>>(), &[]),
        ("audit", schemas.subschema_for::<Audit>(), &[]),
        ("events", schemas.subschema_for::<Page>(), &[400, 404]),
        ("event", schemas.subschema_for::<EventJson<'_>>(), &[404]),
        ("dead", schemas.subschema_for::<DeadGroups>(), &[400]),
        ("blocked", schemas.subschema_for::<Blocked>(), &[400]),
        ("replay", changed.clone(), CHANGE),
        ("hold", changed.clone(), CHANGE),
        ("release", changed.clone(), CHANGE),
        ("discard", changed, CHANGE),
        ("forget", schemas.subschema_for::<Erasure>(), CHANGE),
        ("explain", schemas.subschema_for::<Explanation>(), &[]),
    ]
}

fn objects(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(Map::values_mut)
}

fn responses(answer: &Schema, refused: &[u16], takes_body: bool) -> Value {
    let mut responses = Map::from_iter([("200".to_owned(), response("The answer.", answer))]);
    let body = if takes_body { &BODY[..] } else { &[] };
    for status in ALWAYS.iter().chain(body).chain(refused) {
        responses.insert(status.to_string(), json!({"$ref": "#/components/responses/Refused"}));
    }
    Value::Object(responses)
}

fn response(description: &str, schema: &Schema) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}
