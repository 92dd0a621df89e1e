//! `flipback local`: serves a local cloud, or asks a running one.

mod example;
pub(crate) mod fault;
mod push;

pub(crate) use push::push;

use crate::args::{Endpoint, LocalUp, Pace};
use crate::environment::Environment;
use crate::errors::plain;
use crate::output::{Out, Paint, columns, print, remark};
use crate::run::Exit;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::{Cloud, Functions, Options};
use model::Settings;
use serde_json::Value;
use shared::time::Span;
use shared::time::Time;
use std::io;
use std::path::PathBuf;
use std::pin::pin;

/// Serves until interrupted.
pub(crate) async fn up(args: &LocalUp, environment: &Environment) -> anyhow::Result<Exit> {
    let functions = match (&args.functions, args.bare) {
        (_, true) => Functions::Bare,
        (Some(dir), false) => Functions::Dir(dir.clone()),
        (None, false) => Functions::Dir(beside()?),
    };
    let mut options = Options {
        listen: args.listen,
        functions,
        quiet: args.quiet,
        settings: settings(args.pace, args.minute),
        schedule_speed: args.schedule_speed,
        record: args.record.clone(),
        ..Options::default()
    };
    // The functions keep pace with the world they run in.
    let quick = (args.pace == Pace::Quick).then(|| "quick".to_owned());
    if let Some(margins) = environment.margins.clone().or(quick) {
        options.function_env.insert("FLIPBACK_MARGINS".to_owned(), margins);
    }
    example::writable(args)?;
    if let Some(directory) = &args.record {
        std::fs::create_dir_all(directory).map_err(|error| {
            let place = directory.display();
            plain(format!("{place} cannot be recorded to: {error}"), "name another directory with --record")
        })?;
    }
    let mut interrupted = pin!(interrupted()?);
    let cloud = Cloud::start(options).await.map_err(|error| {
        let todo = advice(args, &error);
        plain(format!("the local cloud did not start: {error:#}"), todo)
    })?;
    print(&format!("ready {}", cloud.endpoint()));
    let set_up = tokio::select! {
        set_up = example::set_up(args, &cloud) => set_up,
        () = interrupted.as_mut() => return stop(cloud).await,
    };
    if let Err(error) = set_up {
        cloud.stop().await;
        return Err(error);
    }
    interrupted.await;
    stop(cloud).await
}

async fn stop(cloud: Cloud) -> anyhow::Result<Exit> {
    remark("stopping");
    cloud.stop().await;
    Ok(Exit::Done)
}

/// What helps against a start that failed: by the address, by the functions, or by what else it says.
fn advice(args: &LocalUp, error: &anyhow::Error) -> &'static str {
    if !args.listen.ip().is_loopback() {
        return "listen on loopback: --listen 127.0.0.1:4566";
    }
    if error.chain().any(|cause| cause.is::<io::Error>()) {
        return "choose another port with --listen (port 0 takes a free one); another local cloud may run there";
    }
    match args.functions {
        None => {
            "build everything (make build-demo, or cargo build --workspace), name a directory with --functions, or use --bare"
        }
        Some(_) => "name the directory that has the functions' binaries with --functions, or use --bare",
    }
}

/// Resolves at Ctrl-C or SIGTERM. The handlers are in place when this returns, before anything is started that would be left behind.
#[cfg(unix)]
fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        let _done = tokio::signal::ctrl_c().await;
    })
}

/// The directory this program is in: a build puts the functions beside it.
fn beside() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().map_or_else(PathBuf::new, PathBuf::from))
}

fn settings(pace: Pace, minute: Option<Span>) -> Settings {
    let mut settings = match pace {
        Pace::Quick => Settings::quick(),
        Pace::Aws => Settings::default(),
    };
    if let Some(minute) = minute {
        settings.ecs.minute = minute.0;
    }
    settings
}

/// Where the listeners are.
pub(crate) async fn ports(at: &Endpoint, out: Out) -> anyhow::Result<Exit> {
    let document = get(at, "ports").await?;
    out.document(&document, |paint| {
        rows(&document, paint, "no listener", &["ADDRESS", "PORT", "LISTENER"], |port| {
            vec![text(port, "address"), port["port"].to_string(), text(port, "listenerArn")]
        })
    });
    Ok(Exit::Done)
}

/// What was posted to Slack.
pub(crate) async fn slack(at: &Endpoint, out: Out) -> anyhow::Result<Exit> {
    let document = get(at, "slack").await?;
    out.document(&document, |paint| {
        rows(&document, paint, "no post", &["TIME", "STATUS", "POST"], |post| {
            vec![time(post), post["status"].to_string(), posted(post)]
        })
    });
    Ok(Exit::Done)
}

/// Every call that changed something.
pub(crate) async fn journal(at: &Endpoint, out: Out) -> anyhow::Result<Exit> {
    let document = get(at, "journal").await?;
    let header = ["TIME", "CALLER", "SERVICE", "OPERATION", "ERROR"];
    out.document(&document, |paint| {
        rows(&document, paint, "no call", &header, |call| {
            vec![time(call), text(call, "caller"), text(call, "service"), text(call, "operation"), text(call, "error")]
        })
    });
    Ok(Exit::Done)
}

fn rows(document: &Value, paint: Paint, none: &str, header: &[&str], row: impl Fn(&Value) -> Vec<String>) -> String {
    let rows: Vec<Vec<String>> = document.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() { none.to_owned() } else { columns(paint, header, &rows) }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}

fn time(value: &Value) -> String {
    value["at"].as_u64().map_or_else(String::new, |at| Time(at).to_string())
}

/// A post's text; the reason too where Slack's rules refused it.
fn posted(post: &Value) -> String {
    let body = match &post["body"] {
        Value::String(body) => serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.clone())),
        other => other.clone(),
    };
    let said = body["text"].as_str().map_or_else(|| body.to_string(), str::to_owned);
    match post["answer"].as_str() {
        None | Some("ok") => said,
        Some(refused) => format!("{said} (refused: {refused})"),
    }
}

async fn get(at: &Endpoint, page: &str) -> anyhow::Result<Value> {
    match ask(at, &format!("_local/{page}"), Request::builder(), String::new()).await? {
        (true, document) => Ok(document),
        (false, _) => Err(plain(
            format!("{} is no local cloud of this release: it has no page {page}", at.endpoint),
            "start one (flipback local up), or name it with --endpoint",
        )),
    }
}

/// Whether it went well, and the JSON of the answer.
async fn ask(
    at: &Endpoint,
    path: &str,
    request: hyper::http::request::Builder,
    body: String,
) -> anyhow::Result<(bool, Value)> {
    let url = format!("{}/{path}", at.endpoint.trim_end_matches('/'));
    let nobody = |why: String| {
        plain(
            format!("{url} does not answer as a local cloud does: {why}"),
            "start one (flipback local up), or name it with --endpoint",
        )
    };
    let uri: hyper::Uri = url.parse().map_err(|error| nobody(format!("{error}")))?;
    if uri.scheme_str() != Some("http") {
        return Err(nobody("a local cloud speaks http".to_owned()));
    }
    let request = request.uri(uri).body(Full::from(body)).map_err(|error| nobody(error.to_string()))?;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.map_err(|error| nobody(format!("{:#}", anyhow::Error::from(error))))?;
    let ok = answer.status().is_success();
    let body = answer.into_body().collect().await.map_err(|error| nobody(error.to_string()))?.to_bytes();
    let document = serde_json::from_slice(&body).map_err(|error| nobody(error.to_string()))?;
    Ok((ok, document))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_post_is_shown_by_its_text_and_a_refused_one_with_the_reason() {
        let body = json!({"text": "shop: v1 is live", "blocks": []}).to_string();
        assert_eq!(posted(&json!({"status": 200, "answer": "ok", "body": body})), "shop: v1 is live");
        assert_eq!(posted(&json!({"status": 400, "answer": "no_text", "body": {"text": "x"}})), "x (refused: no_text)");
    }

    #[test]
    fn pages_are_columns_or_say_that_there_is_nothing() {
        let ports = json!([{"address": "127.0.0.1:8080", "port": 80, "listenerArn": "arn:l"}]);
        let row = |port: &Value| vec![text(port, "address"), port["port"].to_string(), text(port, "listenerArn")];
        let shown = rows(&ports, Paint(false), "no listener", &["ADDRESS", "PORT", "LISTENER"], row);
        assert_eq!(shown, "ADDRESS         PORT  LISTENER\n127.0.0.1:8080  80    arn:l");
        assert_eq!(rows(&json!([]), Paint(false), "no listener", &["A"], |_| vec![]), "no listener");
    }
}
