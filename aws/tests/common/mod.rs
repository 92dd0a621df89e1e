//! What the tests share: a configured service, and an endpoint that answers from a script and keeps what it was sent.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::{Arc, Mutex};

use shared::config::{Engine, ServiceConfig};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The rule that the service's traffic goes through.
pub(crate) const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3";

/// A service named so, with colours and a rule of its own.
pub(crate) fn config(name: &str) -> ServiceConfig {
    let file = format!(
        "
version: 1
services:
  - name: {name}
    cluster: production
    images:
      - {{ repository: {name}, container: api, tags: {{ semver: '>=1.0.0' }} }}
    engine:
      managed:
        blue: {name}-blue
        green: {name}-green
        routes: [ '{}' ]
    strategy: {{ blueGreen: {{ bake: 3m }} }}
    alarms: [ {name}-5xx ]
    standby: 10m
",
        RULE.replace("app/shop", &format!("app/{name}"))
    );
    shared::config::parse(&file).unwrap().remove(0)
}

/// What the endpoint was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Header lines, lower case.
    pub(crate) headers: String,
    /// The body; of CloudWatch's CBOR what is text can be found in it.
    pub(crate) body: String,
}

/// An answer: status and body.
pub(crate) type Answer = (u16, String);

type Answering = Arc<dyn Fn(&Sent) -> Answer + Send + Sync>;

/// An HTTP endpoint that answers each request by a function of it.
pub(crate) struct Endpoint {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Endpoint {
    /// Starts one.
    pub(crate) async fn start(answer: impl Fn(&Sent) -> Answer + Send + Sync + 'static) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sent, answer): (Arc<Mutex<Vec<Sent>>>, Answering) = (Arc::default(), Arc::new(answer));
        let kept = sent.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone(), answer.clone()));
            }
        });
        Endpoint { url, sent }
    }

    /// The requests whose body or headers hold this text, in order.
    pub(crate) fn sent(&self, text: &str) -> Vec<Sent> {
        let sent = self.sent.lock().unwrap();
        sent.iter()
            .filter(|sent| sent.body.contains(text) || sent.headers.contains(&text.to_lowercase()))
            .cloned()
            .collect()
    }

    /// The clients that speak to it.
    pub(crate) async fn clients(&self) -> aws::Clients {
        aws::Clients::at(&self.url, "us-east-1", "test").await
    }
}

async fn serve(stream: TcpStream, kept: Arc<Mutex<Vec<Sent>>>, answer: Answering) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut headers = String::new();
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => headers.push_str(&line.to_lowercase()),
            }
        }
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let sent = Sent { headers, body: String::from_utf8_lossy(&body).into_owned() };
        kept.lock().unwrap().push(sent.clone());
        let (status, text) = answer(&sent);
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nretry-after: 0\r\n\r\n", text.len());
        if stream.get_mut().write_all(format!("{head}{text}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A service with the routes of another.
pub(crate) fn with_routes(mut config: ServiceConfig, other: &ServiceConfig) -> ServiceConfig {
    let Engine::Managed(managed) = &mut config.engine else { panic!("the fixture is managed") };
    managed.routes = other.engine.routes().to_vec();
    config
}
