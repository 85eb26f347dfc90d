//! The API's OpenAPI 3.1 document, made from the operations and from the types that they parse and answer.

use std::borrow::Cow;
use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};
use schemars::generate::Contract;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::super::Admin;
use super::super::refusal::Refusal;
use crate::model::EventStatus;
use crate::operator::{Change, schemas, states_schema};

/// The statuses that refuse a request to any path.
const ALWAYS: &[u16] = &[401, 421, 500];
/// The statuses that refuse a request for its body.
const BODY: &[u16] = &[400, 403, 408, 413, 415];
/// The other statuses that refuse a change.
pub(super) const CHANGE: &[u16] = &[404, 503];

/// Makes the schema of a type.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// An operation of the API: its route, and what the document says about it.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) route: MethodRouter<Arc<Admin>>,
    id: &'static str,
    summary: &'static str,
    description: Cow<'static, str>,
    /// Where its parameters are: `path` or `query`.
    parameters: Option<(&'static str, SchemaOf)>,
    body: Option<SchemaOf>,
    /// The states that the body's filter may name, if not all.
    states: Option<&'static [EventStatus]>,
    answer: SchemaOf,
    /// The statuses that refuse it beyond those of its parameters and body.
    refused: &'static [u16],
}

impl Operation {
    pub(super) fn get<T: 'static>(path: &'static str, handler: impl Handler<T, Arc<Admin>>, answer: SchemaOf) -> Self {
        Self::new(path, get(handler), answer, None)
    }

    pub(super) fn post<T: 'static>(
        path: &'static str,
        handler: impl Handler<T, Arc<Admin>>,
        answer: SchemaOf,
        body: SchemaOf,
    ) -> Self {
        Self::new(path, post(handler), answer, Some(body))
    }

    fn new(path: &'static str, route: MethodRouter<Arc<Admin>>, answer: SchemaOf, body: Option<SchemaOf>) -> Self {
        Self {
            path,
            route,
            id: path.trim_start_matches('/'),
            summary: "",
            description: Cow::Borrowed(""),
            parameters: None,
            body,
            states: None,
            answer,
            refused: &[],
        }
    }

    /// Sets another `operationId` than the path.
    pub(super) fn id(self, id: &'static str) -> Self {
        Self { id, ..self }
    }

    /// A summary, and the description that continues it.
    pub(super) fn about(self, summary: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        let description = description.into();
        Self {
            summary,
            description,
            ..self
        }
    }

    /// The type of the parameters in the `path` or `query`.
    pub(super) fn takes(self, place: &'static str, parameters: SchemaOf) -> Self {
        let parameters = Some((place, parameters));
        Self { parameters, ..self }
    }

    pub(super) fn refused(self, refused: &'static [u16]) -> Self {
        Self { refused, ..self }
    }

    /// Makes the operation that of a command which changes events.
    pub(super) fn changes(self, change: Change, summary: &'static str) -> Self {
        let words: Vec<&str> = change.states().iter().map(|state| state.word()).collect();
        let description = format!(
            "As the command `{}`. Works on events that are {}.",
            self.id,
            words.join(" or ")
        );
        let states = Some(change.states());
        Self { states, ..self }.about(summary, description).refused(CHANGE)
    }

    fn describe(&self, parsed: &mut SchemaGenerator, answered: &mut SchemaGenerator) -> Value {
        let mut operation = json!({"operationId": self.id, "summary": self.summary});
        let mut refused = [ALWAYS, self.refused].concat();
        if !self.description.is_empty() {
            operation["description"] = json!(self.description);
        }
        if let Some((place, parameters)) = self.parameters {
            operation["parameters"] = describe_parameters(place, &parameters(parsed));
            refused.extend((place == "query").then_some(400));
        }
        if let Some(body) = self.body {
            let mut schema = body(parsed).to_value();
            if let Some(states) = self.states {
                let filter = &mut schema["properties"]["filter"];
                *filter = json!({"allOf": [filter, {"properties": {"status": states_schema(states)}}]});
            }
            operation["requestBody"] = json!({"required": true, "content": content(&schema)});
            refused.extend(BODY);
        }
        let refused = refused
            .iter()
            .map(|status| (status.to_string(), json!({"$ref": "#/components/responses/Refused"})));
        let answer = json!({"description": "The answer.", "content": content((self.answer)(answered).as_value())});
        operation["responses"] = refused.chain([("200".to_owned(), answer)]).collect();
        operation
    }
}

/// The schema of a type, by its name.
pub(super) fn named<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// The schema of a type, for one place.
pub(super) fn inline<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(schemas);
    for transform in schemas.transforms_mut() {
        transform.transform(&mut schema);
    }
    schema
}

/// The document of these operations.
pub(super) fn describe(operations: &[Operation]) -> Value {
    let (mut parsed, mut answered) = (schemas(Contract::Deserialize), schemas(Contract::Serialize));
    let mut paths = json!({});
    for operation in operations {
        let method = if operation.body.is_some() { "post" } else { "get" };
        paths[operation.path][method] = operation.describe(&mut parsed, &mut answered);
    }
    let refused = answered.subschema_for::<Refusal>();
    let mut schemas = answered.take_definitions(true);
    schemas.extend(parsed.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "klaviyo-relay",
            "version": "1",
            "summary": "What the commands do, over HTTP.",
            "description": "Served on [admin] listen. With [admin] token set, every path requires it as \
                `Authorization: Bearer TOKEN`; without one, `Host` must be an address or localhost. What changes takes \
                `Content-Type: application/json`. Answers hold personal data, whole. Every error is JSON with a stable \
                `code` and a sentence that says what to do. New keys may be added to answers, and new paths to this \
                document; none is taken away or given another meaning within v1.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "[admin] token"}},
            "responses": {
                "Refused": {"description": "Refused, and what to do.", "content": content(refused.as_value())},
            },
            "schemas": schemas,
        },
    })
}

/// The members of a type as parameters, with the values of a list separated by commas.
fn describe_parameters(place: &str, of: &Schema) -> Value {
    let members = of.get("properties").and_then(Value::as_object).into_iter().flatten();
    let parameter = |(name, member): (&String, &Value)| {
        let mut schema = member.clone();
        let mut parameter = json!({"name": name, "in": place, "required": place == "path"});
        for key in ["description", "example"] {
            if let Some(text) = schema.as_object_mut().and_then(|schema| schema.remove(key)) {
                parameter[key] = text;
            }
        }
        let words = schema["items"]["enum"].as_array();
        let words = words.map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|"));
        let is_list = schema["type"] == "array";
        let one = words.or_else(|| is_list.then(|| "[1-9][0-9]{0,14}".to_owned()));
        if let Some(one) = one {
            schema = json!({"type": "string", "pattern": format!("^({one})(,({one}))*$")});
        }
        parameter["schema"] = schema;
        parameter
    };
    members.map(parameter).collect()
}

fn content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}
