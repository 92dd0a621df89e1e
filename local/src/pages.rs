//! `/_local/...`: what the command line asks a running cloud.

use crate::faults::Fault;
use crate::http::{Body, json};
use crate::inner::{Inner, service_name};
use crate::lock;
use hyper::{Method, Response};
use serde_json::{Value, json as document};
use std::sync::Arc;

pub(crate) fn page(inner: &Arc<Inner>, page: &str) -> Response<Body> {
    let body = match page {
        "ports" => ports(inner),
        "slack" => slack(inner),
        "journal" => journal(inner),
        "events" => Value::Array(lock(&inner.events).iter().cloned().collect()),
        "functions" => functions(inner),
        "sns" => sns(inner),
        _ => {
            let pages = ["ports", "slack", "journal", "events", "functions", "sns", "faults"];
            return json(404, &document!({"error": format!("no page {page}"), "pages": pages}));
        }
    };
    json(200, &body)
}

/// `faults`: GET lists them, POST adds one, DELETE ends one (`faults/ID`) or all.
pub(crate) fn faults(inner: &Inner, method: &Method, rest: &str, body: &[u8]) -> Response<Body> {
    let refused = |status, what: &str, todo: &str| json(status, &document!({"error": what, "todo": todo}));
    if *method == Method::GET {
        return json(200, &Value::Array(inner.faults.list().iter().map(|count| count.to_json()).collect()));
    }
    if *method == Method::POST {
        let read = serde_json::from_slice(body).unwrap_or_default();
        return match Fault::from_json(&read).and_then(|fault| inner.add_fault(fault)) {
            Ok(added) => json(200, &added.to_json()),
            Err(error) => refused(400, &error.what, &error.todo),
        };
    }
    if *method != Method::DELETE {
        return refused(405, &format!("{method} means nothing to a list of faults"), "use GET, POST or DELETE");
    }
    let id = match rest {
        "" => None,
        number => match number.parse() {
            Ok(id) => Some(id),
            Err(_) => return refused(400, &format!("{number} is no fault's number"), "list the faults to see them"),
        },
    };
    match (inner.faults.clear(id), id) {
        (0, Some(id)) => refused(404, &format!("there is no fault {id}"), "list the faults to see their numbers"),
        (cleared, _) => json(200, &document!({ "cleared": cleared })),
    }
}

fn ports(inner: &Inner) -> Value {
    let ports = inner.balancers.ports();
    let lines = ports.iter().map(|port| {
        document!({"listenerArn": port.listener_arn, "loadBalancerArn": port.load_balancer_arn, "port": port.asked,
            "address": port.real.to_string()})
    });
    Value::Array(lines.collect())
}

fn slack(inner: &Inner) -> Value {
    let posts = inner.slack.posts();
    let lines = posts.iter().map(|post| {
        document!({"at": post.at, "path": post.path, "status": post.status, "answer": post.answer, "body": post.body})
    });
    Value::Array(lines.collect())
}

fn sns(inner: &Inner) -> Value {
    let messages = lock(&inner.sns);
    let lines = messages.iter().map(|sent| {
        document!({"at": sent.at, "topicArn": sent.topic_arn, "messageId": sent.message_id, "subject": sent.subject,
            "message": sent.message})
    });
    Value::Array(lines.collect())
}

fn journal(inner: &Inner) -> Value {
    let world = lock(&inner.world);
    let lines = world.journal().iter().map(|entry| {
        document!({"at": entry.at, "caller": entry.caller, "service": service_name(entry.service),
            "operation": entry.operation, "input": entry.input, "error": entry.error})
    });
    Value::Array(lines.collect())
}

fn functions(inner: &Inner) -> Value {
    let functions = inner.functions.get();
    let lines = functions.into_iter().flatten().map(|(name, function)| {
        let counts = function.counts();
        document!({"name": name, "fullName": function.spec.full_name, "invocations": counts.invocations,
            "errors": counts.errors})
    });
    let log = inner.log.lines();
    let log = log.iter().map(|line| document!({"at": line.at, "function": line.function, "line": line.line}));
    document!({"functions": lines.collect::<Vec<_>>(), "log": log.collect::<Vec<_>>()})
}
