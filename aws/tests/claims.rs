//! Law 11: one owner per thing. Services that claim the same rule at the same moment, against a DynamoDB that checks
//! expressions and transactions as the real one does; and against tables with a planted bug, which must break the law.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use aws::store::ApplyError;
use aws::{Clients, Table};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use common::{RULE, config, with_routes};
use serde_json::{Value, json};
use shared::config::ServiceConfig;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What is wrong with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    /// Nothing.
    None,
    /// It writes without looking at the conditions of what is claimed.
    ForgetsConditions,
    /// It applies the writes of a transaction one by one, and keeps what went before the one that failed.
    TearsTransactions,
}

/// Answers as DynamoDB does, but for the bug.
async fn proxy(bug: Bug) -> String {
    let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let database = inner.local_addr().unwrap();
    let memory = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_with_shutdown(inner, memory, std::future::pending()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(relay(stream, database, bug));
        }
    });
    url
}

/// One message of HTTP: its head and its body; none at the end of the stream.
async fn message(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let lines = head.lines().map(str::to_lowercase);
    let length = lines.filter_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).next();
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

async fn relay(stream: TcpStream, database: SocketAddr, bug: Bug) {
    let mut client = BufReader::new(stream);
    let mut server = BufReader::new(TcpStream::connect(database).await.unwrap());
    while let Some((head, body)) = message(&mut client).await {
        let transaction = head.contains("TransactWriteItems");
        let mut parts = vec![body];
        if transaction && bug != Bug::None {
            let whole: Value = serde_json::from_slice(&parts[0]).unwrap();
            parts = planted(&whole, bug).iter().map(|part| part.to_string().into_bytes()).collect();
        }
        let mut answer = None;
        for part in parts {
            let lines =
                head.lines().filter(|line| !line.is_empty() && !line.to_lowercase().starts_with("content-length"));
            let head = lines.map(|line| format!("{line}\r\n")).collect::<String>();
            let head = format!("{head}content-length: {}\r\n\r\n", part.len());
            server.get_mut().write_all(&[head.as_bytes(), &part].concat()).await.unwrap();
            let Some(said) = message(&mut server).await else { return };
            let failed = !said.0.starts_with("HTTP/1.1 200");
            answer = Some(said);
            if failed {
                break;
            }
        }
        let Some((head, body)) = answer else { return };
        if client.get_mut().write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

/// What a table with a bug makes of a transaction.
fn planted(whole: &Value, bug: Bug) -> Vec<Value> {
    let mut items = whole["TransactItems"].as_array().cloned().unwrap_or_default();
    let of = |items: &[Value]| json!({ "TransactItems": items });
    match bug {
        Bug::None => vec![whole.clone()],
        Bug::ForgetsConditions => {
            for item in &mut items {
                let claim = item["Put"]["Item"]["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with("claim#"));
                if let (true, Some(put)) = (claim, item["Put"].as_object_mut()) {
                    for member in ["ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"] {
                        put.remove(member);
                    }
                }
            }
            vec![of(&items)]
        }
        Bug::TearsTransactions => items.iter().map(|item| of(std::slice::from_ref(item))).collect(),
    }
}

async fn table(bug: Bug) -> Table {
    let client = Clients::at(&proxy(bug).await, "us-east-1", "test").await.dynamodb;
    let attribute = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let create = client.create_table().table_name("flipback").billing_mode(BillingMode::PayPerRequest);
    let create = create.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"));
    create.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range)).send().await.unwrap();
    Table::new(client, "flipback")
}

/// A service with colours of its own that claims the same rule as all the others.
fn rival(name: &str) -> ServiceConfig {
    with_routes(config(name), &config("shop"))
}

/// Every way in which a table breaks the law: a thing that two configured services claim, one whose owner is somebody else,
/// and one that is owned by nobody who is configured.
async fn broken(table: &Table, applied: &BTreeSet<String>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut claimed: BTreeMap<String, String> = BTreeMap::new();
    let mut things: BTreeSet<String> = [RULE.to_owned()].into();
    for name in ["a", "b", "c", "d"] {
        things.extend(rival(name).claims());
        let configured = table.config(&name.into()).await.unwrap();
        if configured.is_some() != applied.contains(name) {
            broken.push(format!("{name} is configured: {}, told so: {}", configured.is_some(), applied.contains(name)));
        }
        for thing in configured.iter().flat_map(ServiceConfig::claims) {
            if let Some(other) = claimed.insert(thing.clone(), name.to_owned()) {
                broken.push(format!("{thing} is claimed by {other} and {name}"));
            }
        }
    }
    let things: Vec<String> = things.into_iter().collect();
    let owners = table.owners(&things).await.unwrap();
    for thing in things {
        if owners.get(&thing) != claimed.get(&thing) {
            broken.push(format!(
                "{thing} is owned by {:?} and claimed by {:?}",
                owners.get(&thing),
                claimed.get(&thing)
            ));
        }
    }
    broken
}

/// Four services claim one rule at once; what of the law is broken then.
async fn race(bug: Bug) -> Vec<String> {
    let table = table(bug).await;
    let mut applies = tokio::task::JoinSet::new();
    for name in ["a", "b", "c", "d"] {
        let table = table.clone();
        applies.spawn(async move { (name, table.apply_config(&rival(name), "tester").await) });
    }
    let mut applied = BTreeSet::new();
    for (name, result) in applies.join_all().await {
        match result {
            Ok(()) => {
                applied.insert(name.to_owned());
            }
            Err(ApplyError::Taken { thing, .. }) => assert_eq!(thing, RULE),
            Err(other) => assert_ne!(bug, Bug::None, "{name}: {other}"),
        }
    }
    if bug == Bug::None {
        assert_eq!(applied.len(), 1, "one of the four got it: {applied:?}");
    }
    broken(&table, &applied).await
}

#[tokio::test(flavor = "multi_thread")]
async fn law_11_of_four_services_that_claim_one_rule_at_once_one_owns_it() {
    for _ in 0..3 {
        assert_eq!(race(Bug::None).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn law_11_is_broken_by_a_table_that_forgets_conditions() {
    assert!(!race(Bug::ForgetsConditions).await.is_empty(), "the planted bug was not caught");
}

#[tokio::test(flavor = "multi_thread")]
async fn law_11_is_broken_by_a_table_that_tears_transactions() {
    assert!(!race(Bug::TearsTransactions).await.is_empty(), "the planted bug was not caught");
}

#[tokio::test(flavor = "multi_thread")]
async fn law_11_a_rule_given_up_is_free_for_one_of_those_that_want_it() {
    let table = table(Bug::None).await;
    table.apply_config(&rival("a"), "tester").await.unwrap();
    let moved = with_routes(rival("a"), &config("a"));
    let (given_up, taken) =
        (table.apply_config(&moved, "tester"), async { table.apply_config(&rival("b"), "tester").await.is_ok() });
    let (given_up, taken) = tokio::join!(given_up, taken);
    given_up.unwrap();
    let owner = table.owners(&[RULE.to_owned()]).await.unwrap().get(RULE).cloned();
    assert_eq!(owner.as_deref(), taken.then_some("b"));
}
