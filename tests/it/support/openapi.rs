//! Does an answer look as `openapi.json` describes it? Names only: which are there, and which must be.

use std::collections::BTreeSet;

use serde_json::Value;

/// The schema of an answer as JSON.
pub(crate) fn answer_schema<'a>(document: &'a Value, method: &str, path: &str, status: &str) -> &'a Value {
    let answer = &document["paths"][path][method]["responses"][status];
    let schema = &resolved(document, answer)["content"]["application/json"]["schema"];
    assert!(!schema.is_null(), "{method} {path} has no answer {status}");
    schema
}

/// Fails where `value` has a name that `schema` has not, or lacks one that it requires.
pub(crate) fn assert_described(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = the_one_of(document, schema, value);
    match value {
        Value::Object(fields) => {
            let (mut described, mut required) = (Vec::new(), Vec::new());
            properties(document, schema, &mut described, &mut required);
            let known: BTreeSet<&str> = described.iter().map(|(name, _)| *name).collect();
            let given: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
            let unknown: Vec<_> = given.difference(&known).collect();
            assert!(unknown.is_empty(), "{at}: not described: {unknown:?}");
            let missing: Vec<_> = required.iter().filter(|name| !given.contains(*name)).collect();
            assert!(missing.is_empty(), "{at}: required, and not there: {missing:?}");
            for (name, schema) in described {
                if let Some(value) = fields.get(name) {
                    assert_described(document, schema, value, &format!("{at}.{name}"));
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let schema = alternatives(document, schema)
                    .into_iter()
                    .find_map(|schema| schema.get("items"))
                    .unwrap_or_else(|| panic!("{at}: a list is not described"));
                assert_described(document, schema, item, &format!("{at}[]"));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Of several kinds of answer, the one whose stage this is.
fn the_one_of<'a>(document: &'a Value, schema: &'a Value, value: &Value) -> &'a Value {
    let schema = resolved(document, schema);
    let kinds = schema["oneOf"].as_array().into_iter().flatten();
    let mut kinds = kinds.map(|kind| resolved(document, kind));
    kinds
        .find(|kind| {
            let stages = kind["properties"]["stage"]["enum"].as_array();
            stages.is_some_and(|stages| stages.contains(&value["stage"]))
        })
        .unwrap_or(schema)
}

fn properties<'a>(
    document: &'a Value,
    schema: &'a Value,
    described: &mut Vec<(&'a str, &'a Value)>,
    required: &mut Vec<&'a str>,
) {
    for schema in alternatives(document, schema) {
        let fields = schema["properties"].as_object().into_iter().flatten();
        described.extend(fields.map(|(name, schema)| (name.as_str(), schema)));
        let names = schema["required"].as_array().into_iter().flatten();
        required.extend(names.filter_map(Value::as_str));
    }
}

/// The schema and all that it is put together from.
fn alternatives<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolved(document, schema);
    let parts = ["allOf", "anyOf", "oneOf"]
        .iter()
        .filter_map(|word| schema[word].as_array())
        .flatten()
        .flat_map(|part| alternatives(document, part));
    std::iter::once(schema).chain(parts).collect()
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|name| name.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap(),
        None => value,
    }
}
