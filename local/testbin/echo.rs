//! A function that speaks the Runtime API with nothing but the standard library, and does what its payload says:
//! `{"fail": "why"}`, `{"die": 3}`, `{"sleep": 500}`, `{"call": {"target": "AnyService.Operation", "input": {}}}`; a batch names the records whose body or key holds `bad` as failed.
//! It prints every payload as one line `got PAYLOAD`, and answers with the payload, its count and its environment.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let api = environment.get("AWS_LAMBDA_RUNTIME_API").ok_or("AWS_LAMBDA_RUNTIME_API is not set")?.clone();
    if environment.get("BROKEN").is_some_and(|broken| broken == "1") {
        return Err("broken on purpose".into());
    }
    for count in 1.. {
        let (head, body) = talk(&api, "GET", "invocation/next", "")?;
        let id = head.get("lambda-runtime-aws-request-id").ok_or("no request id")?.clone();
        let payload: Value = serde_json::from_slice(&body)?;
        println!("got {payload}");
        if let Some(code) = payload["die"].as_i64() {
            std::process::exit(code as i32);
        }
        if let Some(millis) = payload["sleep"].as_u64() {
            std::thread::sleep(Duration::from_millis(millis));
        }
        if let Some(target) = payload["call"]["target"].as_str() {
            let answer = call(&environment, target, &payload["call"]["input"].to_string())?;
            println!("called {}", String::from_utf8_lossy(&answer));
        }
        if let Some(why) = payload["fail"].as_str().or(payload["detail"]["fail"].as_str()) {
            let error = json!({"errorType": "Asked", "errorMessage": why}).to_string();
            talk(&api, "POST", &format!("invocation/{id}/error"), &error)?;
            continue;
        }
        let answer = match payload["Records"].as_array() {
            Some(records) => {
                let bad = records.iter().filter(|record| record.to_string().contains("bad"));
                let ids = bad.map(|record| {
                    let id = record["messageId"].as_str().or(record["dynamodb"]["SequenceNumber"].as_str());
                    json!({"itemIdentifier": id})
                });
                json!({"batchItemFailures": ids.collect::<Vec<_>>()})
            }
            None => {
                json!({"echo": payload, "count": count, "pid": std::process::id(), "deadline": head.get("lambda-runtime-deadline-ms"),
                "environment": environment})
            }
        };
        talk(&api, "POST", &format!("invocation/{id}/response"), &answer.to_string())?;
    }
    Ok(())
}

type Head = BTreeMap<String, String>;

/// One AWS JSON call with the function's own key and token.
fn call(environment: &BTreeMap<String, String>, target: &str, input: &str) -> std::io::Result<Vec<u8>> {
    let get = |name: &str| environment.get(name).map(String::as_str).unwrap_or_default();
    let host = get("AWS_ENDPOINT_URL").trim_start_matches("http://");
    let scope = format!("{}/20261120/{}/any/aws4_request", get("AWS_ACCESS_KEY_ID"), get("AWS_REGION"));
    let head = format!(
        "x-amz-target: {target}\r\nx-amz-security-token: {}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00\r\n",
        get("AWS_SESSION_TOKEN")
    );
    Ok(send(host, "POST", "/", &head, input)?.1)
}

fn talk(api: &str, method: &str, path: &str, body: &str) -> std::io::Result<(Head, Vec<u8>)> {
    send(api, method, &format!("/2018-06-01/runtime/{path}"), "", body)
}

fn send(host: &str, method: &str, path: &str, head: &str, body: &str) -> std::io::Result<(Head, Vec<u8>)> {
    let mut stream = TcpStream::connect(host)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{head}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut reader = BufReader::new(stream);
    let mut head = Head::new();
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            head.insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    let mut body = Vec::new();
    reader.read_to_end(&mut body)?;
    Ok((head, body))
}
