//! JSON as the contract carries it: [`prost_types::Value`] and [`prost_types::Struct`], and [`serde_json::Value`].
//!
//! All numbers of the contract are doubles: integers beyond 2^53 lose their last digits.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Number, Value};

/// JSON as the contract carries it.
pub fn to_proto(value: Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        // A number that is no double, which serde_json makes with a feature only, is infinite.
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::INFINITY)),
        Value::String(value) => Kind::StringValue(value),
        Value::Array(items) => Kind::ListValue(ListValue { values: items.into_iter().map(to_proto).collect() }),
        Value::Object(fields) => Kind::StructValue(to_struct(fields)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// A JSON object as the contract carries it.
pub fn to_struct(fields: Map<String, Value>) -> Struct {
    Struct { fields: fields.into_iter().map(|(name, value)| (name, to_proto(value))).collect() }
}

/// What the contract carries, as JSON. Integers of up to 64 bits come as integers. What JSON cannot say (a value that is not set, not a
/// number, infinite) is null.
pub fn from_proto(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(value)) => from_number(value),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(from_proto).collect()),
        Some(Kind::StructValue(fields)) => Value::Object(from_struct(fields)),
    }
}

/// A JSON object that the contract carries.
pub fn from_struct(fields: Struct) -> Map<String, Value> {
    fields.fields.into_iter().map(|(name, value)| (name, from_proto(value))).collect()
}

/// A duration as the contract carries it; what is beyond its 64 bits of seconds is cut off.
pub(crate) fn duration(value: std::time::Duration) -> prost_types::Duration {
    let max = prost_types::Duration { seconds: i64::MAX, nanos: 999_999_999 };
    prost_types::Duration::try_from(value).unwrap_or(max)
}

fn from_number(value: f64) -> Value {
    // Such a cast cuts off at the bounds, of which the upper ones are no doubles.
    let (signed, unsigned) = (value as i64, value as u64);
    if signed as f64 == value && signed != i64::MAX {
        return Value::from(signed);
    }
    if unsigned as f64 == value && unsigned != u64::MAX {
        return Value::from(unsigned);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_comes_back_as_it_went() {
        let value = json!({
            "null": null, "yes": true, "text": "ä", "list": [1, [], {}], "nested": { "half": 0.5, "minus": -3 },
            "large": 9_007_199_254_740_992_i64,
        });
        assert_eq!(from_proto(to_proto(value.clone())), value);
    }

    #[test]
    fn integers_come_as_integers_and_what_is_no_json_as_null() {
        let number = |value| from_proto(prost_types::Value { kind: Some(Kind::NumberValue(value)) });
        assert_eq!(serde_json::from_value::<u32>(number(1_000_000.0)).expect("an integer"), 1_000_000);
        assert_eq!(number(-9_223_372_036_854_775_808.0), json!(i64::MIN));
        assert_eq!(number(9_223_372_036_854_775_808.0), json!(1_u64 << 63));
        assert_eq!(number(18_446_744_073_709_551_616.0), json!(18_446_744_073_709_551_616.0));
        assert_eq!(number(10_000_000_000_000_000.0), json!(10_000_000_000_000_000_u64));
        assert_eq!((number(0.5), number(-0.0)), (json!(0.5), json!(0)));
        assert_eq!(number(1e300), json!(1e300));
        assert_eq!(number(f64::INFINITY), Value::Null);
        assert_eq!(number(f64::NAN), Value::Null);
        assert_eq!(from_proto(prost_types::Value { kind: None }), Value::Null);
    }

    #[test]
    fn objects_are_structs() {
        let Value::Object(fields) = json!({ "tenant": 7 }) else { unreachable!("an object") };
        assert_eq!(from_struct(to_struct(fields.clone())), fields);
    }
}
