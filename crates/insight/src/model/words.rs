//! Texts of answers that are one of a few words, as the description of the API tells them.

use serde_json::Value;
use utoipa::openapi::{Object, ObjectBuilder, Type, schema::SchemaType};

/// The grades of a score, or none.
pub(super) fn grade() -> Object {
    let words = ["A", "B", "C", "D", "F"].map(Value::from).into_iter();
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(words.chain([Value::Null])))
        .description(Some("`A` from 90 on, `B` from 80, `C` from 70, `D` from 60, else `F`."))
        .build()
}

/// How a target is.
pub(super) fn health() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["healthy", "unhealthy", "ejected", "unknown"]))
        .description(Some(
            "Whether it gets requests; `unknown` before the first check and request.",
        ))
        .build()
}
