//! What a server replied, in the few shapes that matter here, so that nobody else needs to know the client library.

use crate::error::StoreError;
use crate::place::Address;
use bytes::Bytes;
use redis::Value;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: a key that is not there.
    Nil,
    /// A whole number. What RESP3 calls a boolean is 1 or 0.
    Int(i64),
    /// A text or bytes; a status such as `OK` as well.
    Bytes(Bytes),
    /// Several replies. A map stands flat: key, value, key, value.
    Array(Vec<Reply>),
}

impl Reply {
    /// The number, also when it was written as a text, as Lua and hashes do.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Self::Nil | Self::Array(_) => None,
        }
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes as text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The parts.
    #[must_use]
    pub fn array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(parts) => Some(parts),
            _ => None,
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// What a table of names and values says about `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let pairs = self.array()?.chunks_exact(2);
        pairs
            .into_iter()
            .find(|pair| pair[0].text() == Some(name))
            .map(|pair| &pair[1])
    }

    /// The reply of `server`, or the error that it is.
    pub(crate) fn from_value(value: Value, server: &Address) -> Result<Self, StoreError> {
        Ok(match value {
            Value::Nil => Self::Nil,
            Value::Int(number) => Self::Int(number),
            Value::Boolean(flag) => Self::Int(i64::from(flag)),
            Value::BulkString(bytes) => Self::Bytes(bytes.into()),
            Value::SimpleString(text) => Self::Bytes(text.into()),
            Value::Okay => Self::Bytes(Bytes::from_static(b"OK")),
            Value::Double(number) => Self::Bytes(number.to_string().into()),
            Value::VerbatimString { text, .. } => Self::Bytes(text.into()),
            Value::BigNumber(digits) => Self::Bytes(digits.into()),
            Value::Array(parts) | Value::Set(parts) | Value::Push { data: parts, .. } => Self::Array(
                parts
                    .into_iter()
                    .map(|part| Self::from_value(part, server))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Map(pairs) => Self::Array(
                pairs
                    .into_iter()
                    .flat_map(|(key, value)| [key, value])
                    .map(|part| Self::from_value(part, server))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Attribute { data, .. } => Self::from_value(*data, server)?,
            Value::ServerError(error) => {
                return Err(StoreError::Refused {
                    server: server.shown(),
                    code: error.code().into(),
                    message: error.details().unwrap_or_default().into(),
                });
            }
            _ => {
                return Err(StoreError::Unexpected {
                    server: server.shown(),
                    wanted: "a known type",
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_flat_and_numbers_may_be_texts() {
        let map = Value::Map(vec![(
            Value::SimpleString("epoch".into()),
            Value::BulkString(b"7".to_vec()),
        )]);
        let reply = Reply::from_value(map, &Address::new("r", 1)).unwrap();
        assert_eq!(reply.field("epoch").and_then(Reply::int), Some(7));
        assert_eq!(reply.field("other"), None);
    }
}
