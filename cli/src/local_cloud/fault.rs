//! `flipback local fault`: calls that are killed, refused, lost or late.

use super::{ask, get, rows, text};
use crate::args::{Endpoint, LocalFaultAdd, LocalFaultClear};
use crate::errors::plain;
use crate::output::Out;
use crate::run::Exit;
use hyper::Request;
use serde_json::{Value, json};

/// Puts a fault in force.
pub(crate) async fn add(args: &LocalFaultAdd, out: Out) -> anyhow::Result<Exit> {
    let (service, operation) = args.call.split_once(':').unwrap_or((&args.call, "*"));
    let (from, times) = args.nth.map_or((args.from, args.times), |nth| (nth, Some(1)));
    let fault = json!({"effect": args.effect, "service": service, "operation": operation, "caller": args.caller,
        "from": from, "every": args.every, "times": times});
    let request = Request::builder().method("POST").header("content-type", "application/json");
    let added = accepted(ask(&args.at, "_local/faults", request, fault.to_string()).await?)?;
    out.document(&added, |_| format!("fault {}: {} on {}", added["id"], text(&added, "effect"), call(&added)));
    Ok(Exit::Done)
}

/// Lists the faults in force.
pub(crate) async fn list(at: &Endpoint, out: Out) -> anyhow::Result<Exit> {
    let document = get(at, "faults").await?;
    let header = ["NUMBER", "EFFECT", "CALL", "CALLER", "WHEN", "CALLS", "STRUCK"];
    out.document(&document, |paint| {
        rows(&document, paint, "no fault", &header, |fault| {
            let number = |member: &str| fault[member].to_string();
            let called = format!("{}:{}", text(fault, "service"), text(fault, "operation"));
            let (effect, caller, when) = (text(fault, "effect"), text(fault, "caller"), text(fault, "when"));
            vec![number("id"), effect, called, caller, when, number("calls"), number("struck")]
        })
    });
    Ok(Exit::Done)
}

/// Ends one fault, or all.
pub(crate) async fn clear(args: &LocalFaultClear, out: Out) -> anyhow::Result<Exit> {
    let path = args.id.map_or_else(|| "_local/faults".to_owned(), |id| format!("_local/faults/{id}"));
    let request = Request::builder().method("DELETE");
    let cleared = accepted(ask(&args.at, &path, request, String::new()).await?)?;
    out.document(&cleared, |_| match &cleared["cleared"] {
        Value::Number(one) if one.as_u64() == Some(1) => "cleared 1 fault".to_owned(),
        number => format!("cleared {number} faults"),
    });
    Ok(Exit::Done)
}

fn call(fault: &Value) -> String {
    let caller = text(fault, "caller");
    let by = if caller == "*" { String::new() } else { format!(" by {caller}") };
    format!("{}:{}{by}, {}", text(fault, "service"), text(fault, "operation"), text(fault, "when"))
}

/// The answer, or the error with what to do that the local cloud gives.
fn accepted((done, answer): (bool, Value)) -> anyhow::Result<Value> {
    if done {
        return Ok(answer);
    }
    let todo = answer["todo"].as_str().unwrap_or("start a local cloud of this release (flipback local up)");
    Err(plain(text(&answer, "error"), todo))
}
