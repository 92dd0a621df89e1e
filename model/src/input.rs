//! Reading the members of an input document.

use serde_json::{Map, Value};

use crate::{AwsError, Service};

/// An input document. Numbers and booleans are also read from texts, since Query clients send texts.
#[derive(Clone, Copy)]
pub(crate) struct In<'a> {
    map: Option<&'a Map<String, Value>>,
    service: Service,
}

impl<'a> In<'a> {
    pub(crate) fn new(service: Service, value: &'a Value) -> In<'a> {
        In { map: value.as_object(), service }
    }

    /// A member that is present and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map?.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&'a Value, AwsError> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn opt_str(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.as_str()
    }

    /// A text that must be there and not be empty.
    pub(crate) fn str(&self, name: &str) -> Result<&'a str, AwsError> {
        self.opt_str(name).filter(|text| !text.is_empty()).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn opt_u64(&self, name: &str) -> Result<Option<u64>, AwsError> {
        self.get(name).map(|value| as_u64(value).ok_or_else(|| self.invalid(name))).transpose()
    }

    pub(crate) fn opt_f64(&self, name: &str) -> Result<Option<f64>, AwsError> {
        self.get(name).map(|value| as_f64(value).ok_or_else(|| self.invalid(name))).transpose()
    }

    pub(crate) fn bool(&self, name: &str) -> bool {
        self.get(name).and_then(as_bool).unwrap_or(false)
    }

    pub(crate) fn opt_bool(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(as_bool)
    }

    /// A list; absent is empty.
    pub(crate) fn list(&self, name: &str) -> &'a [Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A list that must be there and not be empty.
    pub(crate) fn full_list(&self, name: &str) -> Result<&'a [Value], AwsError> {
        let list = self.list(name);
        if list.is_empty() { Err(self.missing(name)) } else { Ok(list) }
    }

    /// The texts of a list.
    pub(crate) fn strs(&self, name: &str) -> Vec<&'a str> {
        self.list(name).iter().filter_map(Value::as_str).collect()
    }

    fn missing(&self, name: &str) -> AwsError {
        let code = match self.service {
            Service::Ecs | Service::Ecr | Service::SecretsManager => "InvalidParameterException",
            Service::Elb | Service::Sts => "ValidationError",
            Service::CloudWatch | Service::Ec2 => "MissingParameter",
            Service::AutoScaling => "ValidationException",
            Service::Sqs => "MissingParameter",
            Service::Sns => "InvalidParameter",
        };
        AwsError::new(code, format!("The request must contain the parameter {name}."))
    }

    /// The error of a member whose value cannot be.
    pub(crate) fn invalid(&self, name: &str) -> AwsError {
        let value = self.get(name).map(Value::to_string).unwrap_or_default();
        refuse(self.service, format!("Value {value} for parameter {name} is invalid."))
    }
}

/// A refusal of a value in the service's own code.
pub(crate) fn refuse(service: Service, message: impl Into<String>) -> AwsError {
    let code = match service {
        Service::Ecs | Service::Ecr | Service::SecretsManager => "InvalidParameterException",
        Service::Elb | Service::Sts => "ValidationError",
        Service::CloudWatch | Service::Sqs | Service::Ec2 => "InvalidParameterValue",
        Service::AutoScaling => "ValidationException",
        Service::Sns => "InvalidParameter",
    };
    AwsError::new(code, message)
}

pub(crate) fn as_u64(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => {
            number.as_u64().or_else(|| number.as_f64().filter(|f| *f >= 0.0 && f.fract() == 0.0).map(|f| f as u64))
        }
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(crate) fn as_f64(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

pub(crate) fn as_bool(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

/// One page of `items` from the offset that `token` names, and the next token.
pub(crate) fn page<T: Clone>(items: &[T], token: Option<&str>, size: usize) -> Option<(Vec<T>, Option<String>)> {
    let from = match token {
        Some(text) => text.parse::<usize>().ok().filter(|from| *from <= items.len())?,
        None => 0,
    };
    let to = items.len().min(from.saturating_add(size.max(1)));
    Some((items[from..to].to_vec(), (to < items.len()).then(|| to.to_string())))
}
