//! What ECS calls a hook with. No EventBridge envelope: the payload is the request.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::checks::{POST_PRODUCTION, PRODUCTION, TEST};

/// Our member of `hookDetails`.
pub(super) const OURS: &str = "flipback";

/// One call of a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The stage, as ECS writes it. No enum: the model of the API lacks a documented one.
    pub stage: String,
    /// The service deployment's ARN.
    pub deployment: String,
    /// The service's ARN.
    pub service: String,
    /// The service revision that is deployed, also on the way back.
    pub target: String,
    /// The test traffic in percent per service revision; empty but where it moves.
    pub test: BTreeMap<String, f64>,
    /// The production traffic, likewise.
    pub production: BTreeMap<String, f64>,
    /// `hookDetails`: as declared, with what an answer added.
    pub details: Map<String, Value>,
}

impl Request {
    /// Reads a payload.
    ///
    /// # Errors
    /// What is missing: without the stage, the deployment or the service nothing can be told of the call.
    pub fn parse(payload: &Value) -> Result<Request, String> {
        let text = |value: &Value, name: &str| match value.as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            Some(_) | None => Err(format!("the payload has no {name}")),
        };
        let more = &payload["executionDetails"];
        Ok(Request {
            stage: text(&payload["lifecycleStage"], "lifecycleStage")?,
            deployment: text(&payload["resourceArn"], "resourceArn")?,
            service: text(&more["serviceArn"], "executionDetails.serviceArn")?,
            target: more["targetServiceRevisionArn"].as_str().unwrap_or_default().to_owned(),
            test: weights(&more["testTrafficWeights"]),
            production: weights(&more["productionTrafficWeights"]),
            details: details(&payload["hookDetails"]),
        })
    }

    /// The target's share of the production traffic, where the call tells it.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.production.get(&self.target).copied()
    }

    /// Whether this is a call of the way back: no stage says so, ECS calls the two shifting stages again with the weights
    /// turned round, for the same target.
    #[must_use]
    pub fn back(&self) -> bool {
        let none = |weights: &BTreeMap<String, f64>| weights.get(&self.target).is_some_and(|share| *share <= 0.0);
        match self.stage.as_str() {
            PRODUCTION => none(&self.production),
            TEST => none(&self.test),
            _ => false,
        }
    }

    /// Whether the target has production traffic, as far as this call tells.
    #[must_use]
    pub(super) fn moved(&self) -> bool {
        let after = self.stage == PRODUCTION || self.stage == POST_PRODUCTION;
        self.share().map_or(after, |share| share > 0.0)
    }

    /// What the service declared for our eyes.
    pub(super) fn gate(&self) -> Option<&Value> {
        self.details.get(OURS)?.get("gate")
    }
}

/// Numbers by service revision. What is no number is left out: a weight that cannot be read is not known.
fn weights(map: &Value) -> BTreeMap<String, f64> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(revision, share)| Some((revision.clone(), share.as_f64()?))).collect()
}

/// `hookDetails` as an object; CloudFormation takes it as JSON in a string too.
fn details(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(all) => all.clone(),
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Map::new(),
    }
}

/// Whether `hookDetails`, as a service declares them, make its hook a gate that a person's promote opens.
#[must_use]
pub fn is_gate(declared: &Value) -> bool {
    details(declared).get(OURS).is_some_and(|ours| ours["gate"] == "promote")
}
