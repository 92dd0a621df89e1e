//! Smithy RPC v2 CBOR, which is all that the Rust SDK speaks to CloudWatch.

use super::members;
use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};

/// A request document; an empty body is an empty document, anything that is not CBOR is `None`.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    if body.is_empty() {
        return Some(super::query::empty());
    }
    ciborium::from_reader::<Cbor, _>(body).ok().map(to_json)
}

pub(super) fn write(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory cannot fail.
    let _ = ciborium::into_writer(&from_json("", document), &mut out);
    out
}

fn to_json(value: Cbor) -> Value {
    match value {
        Cbor::Integer(number) => {
            let number = i128::from(number);
            match i64::try_from(number) {
                Ok(number) => Value::from(number),
                Err(_) => u64::try_from(number).map_or(Value::Null, Value::from),
            }
        }
        // The model's doubles are JSON numbers; NaN and infinity have none and are left out.
        Cbor::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Cbor::Text(text) => Value::String(text),
        Cbor::Bool(flag) => Value::Bool(flag),
        // Tag 1: a time, seconds since the epoch.
        Cbor::Tag(_, inner) => to_json(*inner),
        Cbor::Array(items) => Value::Array(items.into_iter().map(to_json).collect()),
        Cbor::Map(entries) => {
            let members = entries.into_iter().filter_map(|(key, value)| match key {
                Cbor::Text(key) if value != Cbor::Null => Some((key, to_json(value))),
                _ => None,
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
        Cbor::Bytes(bytes) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Value::Null,
    }
}

/// `name` is the member the value belongs to; the items of a list belong to the list's member.
fn from_json(name: &str, value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(flag) => Cbor::Bool(*flag),
        Value::Number(number) => {
            match (members::is_time(name), members::is_double(name), number.as_f64(), number.as_i64()) {
                (true, _, Some(seconds), _) => Cbor::Tag(1, Box::new(Cbor::Float(seconds))),
                // A double written as an integer fails the whole call in the SDK, and so does the reverse.
                (_, true, Some(double), _) => Cbor::Float(double),
                (_, _, _, Some(whole)) => Cbor::Integer(whole.into()),
                (_, _, Some(double), _) if double.fract() == 0.0 => Cbor::Integer((double as i64).into()),
                (_, _, double, _) => double.map_or(Cbor::Null, Cbor::Float),
            }
        }
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(items) => Cbor::Array(items.iter().map(|item| from_json(name, item)).collect()),
        Value::Object(members) => {
            let map_of_doubles = name == "ExtendedStatistics";
            let entries = members.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| {
                let member = if map_of_doubles { name } else { key.as_str() };
                (Cbor::Text(key.clone()), from_json(member, value))
            });
            Cbor::Map(entries.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decoded(document: &Value) -> Cbor {
        ciborium::from_reader(write(document).as_slice()).unwrap()
    }

    #[test]
    fn whole_doubles_are_floats_and_periods_are_integers() {
        let Cbor::Map(members) = decoded(&json!({"Threshold": 5, "Period": 10.0, "Values": [1, 2.5]})) else {
            panic!()
        };
        let get =
            |name: &str| members.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value.clone());
        assert_eq!(get("Threshold"), Some(Cbor::Float(5.0)));
        assert_eq!(get("Period"), Some(Cbor::Integer(10.into())));
        assert_eq!(get("Values"), Some(Cbor::Array(vec![Cbor::Float(1.0), Cbor::Float(2.5)])));
    }

    #[test]
    fn times_carry_tag_one_and_absent_members_are_left_out() {
        let out = decoded(&json!({"StateUpdatedTimestamp": 1763629200, "NextToken": null}));
        let want = Cbor::Map(vec![(
            Cbor::Text("StateUpdatedTimestamp".into()),
            Cbor::Tag(1, Box::new(Cbor::Float(1_763_629_200.0))),
        )]);
        assert_eq!(out, want);
    }

    #[test]
    fn an_indefinite_map_with_a_tagged_time_is_read() {
        // {_ "StartTime": 1(1763629200.0), "AlarmNames": ["a"]}
        let mut body = vec![0xbf, 0x69];
        body.extend(b"StartTime");
        body.extend([0xc1, 0xfb]);
        body.extend(1_763_629_200.0_f64.to_be_bytes());
        body.push(0x6a);
        body.extend(b"AlarmNames");
        body.extend([0x81, 0x61, b'a', 0xff]);
        assert_eq!(read(&body), Some(json!({"StartTime": 1763629200.0, "AlarmNames": ["a"]})));
        assert_eq!(read(&[]), Some(json!({})));
        assert_eq!(read(b"\xffnonsense"), None);
    }
}
