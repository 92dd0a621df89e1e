//! The store against a DynamoDB that checks expressions and transactions as the real one does.

mod common;

use aws::store::ApplyError;
use aws::{Clients, Table};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, StreamSpecification,
    StreamViewType,
};
use common::{RULE, config, with_routes};
use shared::ids::{IntentId, ServiceName};
use shared::notice::{Milestone, Notice};
use shared::ports::{HistoryEntry, Save, Store, StoreError};
use shared::rollout::{Intent, IntentKind, Status, Target};
use shared::time::Time;

async fn table() -> Table {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
    let client = Clients::at(&url, "us-east-1", "test").await.dynamodb;
    let attribute = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage);
    client
        .create_table()
        .table_name("flipback")
        .attribute_definitions(attribute("pk"))
        .attribute_definitions(attribute("sk"))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .billing_mode(BillingMode::PayPerRequest)
        .stream_specification(stream.build().unwrap())
        .send()
        .await
        .unwrap();
    Table::new(client, "flipback")
}

fn shop() -> ServiceName {
    "shop".into()
}

async fn with_shop() -> Table {
    let table = table().await;
    table.apply_config(&config("shop"), "tester").await.unwrap();
    table
}

fn intent(id: &str, at: u64) -> Intent {
    Intent { id: id.into(), at: Time(at), by: "tester".to_owned(), what: IntentKind::Redeploy }
}

fn line(at: u64) -> HistoryEntry {
    let inputs = Some(serde_json::json!({"at": at}));
    HistoryEntry { at: Time(at), rollout: None, line: format!("line {at}"), inputs }
}

fn notice(number: u64, at: u64) -> Notice {
    let milestone = Milestone::Scaling { findings: vec!["at max".to_owned()], closed: Vec::new() };
    Notice { service: shop(), rollout: None, number, at: Time(at), milestone }
}

/// Saves `status` over `version`.
async fn save(
    table: &Table,
    version: u64,
    status: &Status,
    consumed: &[IntentId],
    notices: &[Notice],
) -> Result<(), StoreError> {
    let (service, history) = (shop(), line(version + 1));
    table.save(&Save { service: &service, version, status, consumed, notices, history: &history }).await
}

/// A status that has something to do.
fn busy() -> Status {
    let candidate = shared::rollout::Candidate {
        target: Target::Revision("arn:aws:ecs:us-east-1:123456789012:task-definition/shop:1".into()),
        wish: shared::rollout::Wish::Redeploy,
        at: Time(1),
        quiet_until: Time(1),
        force: false,
        named: Default::default(),
        forced: Default::default(),
    };
    Status { next: Some(candidate), ..Status::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_service_is_found_by_everything_it_is_known_by() {
    let table = with_shop().await;
    let record = table.load(&shop()).await.unwrap();
    assert_eq!((record.version, record.inbox.len()), (0, 0));
    assert_eq!(record.config, config("shop"));
    assert_eq!(table.services().await.unwrap(), [shop()]);
    let listed = table.directory().await.unwrap();
    let ecs: Vec<String> =
        listed[0].ecs.iter().flatten().map(|(cluster, service)| format!("{cluster}/{service}")).collect();
    assert_eq!((listed.len(), &listed[0].name, ecs.len()), (1, &shop(), 2), "{ecs:?}");
    assert_eq!(table.services_by_repository("shop").await.unwrap(), [shop()]);
    assert_eq!(table.services_by_alarm("shop-5xx").await.unwrap(), [shop()]);
    let arn = "arn:aws:ecs:us-east-1:123456789012:service/production/shop-green";
    assert_eq!(table.service_by_ecs(arn).await.unwrap(), Some(shop()));
    assert_eq!(table.service_by_ecs("staging/shop-green").await.unwrap(), None);
    assert_eq!(table.load(&"nobody".into()).await, Err(StoreError::NoSuchService));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_over_another_save_is_lost_and_changes_nothing() {
    let table = with_shop().await;
    save(&table, 0, &busy(), &[], &[notice(1, 1)]).await.unwrap();
    let late = save(&table, 0, &Status::default(), &[], &[notice(2, 2)]).await;
    assert_eq!(late, Err(StoreError::Lost));
    let record = table.load(&shop()).await.unwrap();
    assert_eq!((record.version, record.status), (1, busy()));
    assert_eq!(table.notices(&shop(), 10).await.unwrap().len(), 1);
    assert_eq!(table.history(&shop(), 10, None).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_recorded_once_wakes_the_sweep_and_is_consumed_once() {
    let table = with_shop().await;
    assert_eq!(table.record(&"nobody".into(), &intent("a", 1)).await, Err(StoreError::NoSuchService));
    assert!(table.unsettled().await.unwrap().is_empty(), "a failed record leaves no marker");
    for id in ["b", "a", "a"] {
        table.record(&shop(), &intent(id, 5)).await.unwrap();
    }
    let record = table.load(&shop()).await.unwrap();
    assert_eq!(record.inbox, [intent("a", 5), intent("b", 5)]);
    assert_eq!((record.version, table.unsettled().await.unwrap()), (0, vec![shop()]));
    save(&table, 0, &Status::default(), &["a".into(), "b".into()], &[]).await.unwrap();
    assert_eq!(table.load(&shop()).await.unwrap().inbox, []);
    assert!(table.unsettled().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_comes_between_load_and_save_keeps_the_service_on_the_sweeps_list() {
    let table = with_shop().await;
    table.record(&shop(), &intent("a", 1)).await.unwrap();
    // Decided on "a" alone; "b" comes before the save.
    table.record(&shop(), &intent("b", 2)).await.unwrap();
    save(&table, 0, &Status::default(), &["a".into()], &[]).await.unwrap();
    assert_eq!(table.load(&shop()).await.unwrap().inbox, [intent("b", 2)]);
    assert_eq!(table.unsettled().await.unwrap(), [shop()]);
    // A consumed id that was never recorded does not hide it either.
    save(&table, 1, &Status::default(), &["known only here".into()], &[]).await.unwrap();
    assert_eq!(table.unsettled().await.unwrap(), [shop()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_a_rollout_or_a_candidate_stays_on_the_sweeps_list() {
    let table = with_shop().await;
    save(&table, 0, &busy(), &[], &[]).await.unwrap();
    assert_eq!(table.unsettled().await.unwrap(), [shop()]);
    save(&table, 1, &Status::default(), &[], &[]).await.unwrap();
    assert!(table.unsettled().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_saves_at_once_one_wins() {
    let table = with_shop().await;
    let mut saves = tokio::task::JoinSet::new();
    for n in 0..8_u64 {
        let table = table.clone();
        saves.spawn(async move { save(&table, 0, &Status { rollouts: n, ..busy() }, &[], &[notice(1, n)]).await });
    }
    let results = saves.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|result| **result == Err(StoreError::Lost)).count(), 7, "{results:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thing_has_one_owner_until_it_is_released() {
    let table = with_shop().await;
    let thief = with_routes(config("thief"), &config("shop"));
    let refused = table.apply_config(&thief, "tester").await.unwrap_err();
    assert!(matches!(&refused, ApplyError::Taken { thing, owner } if thing == RULE && owner == "shop"), "{refused}");
    assert_eq!(table.services().await.unwrap(), [shop()], "nothing of the refused one is written");
    // The owner gives the rule up for another one, and takes another alarm.
    let mut moved = with_routes(config("shop"), &config("elsewhere"));
    moved.alarms = config("elsewhere").alarms;
    table.apply_config(&moved, "tester").await.unwrap();
    table.apply_config(&thief, "tester").await.unwrap();
    assert!(table.services_by_alarm("shop-5xx").await.unwrap().is_empty());
    assert_eq!(table.owners(&[RULE.to_owned()]).await.unwrap()[RULE], "thief");
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_again_keeps_the_status() {
    let table = with_shop().await;
    save(&table, 0, &busy(), &[], &[]).await.unwrap();
    table.apply_config(&config("shop"), "somebody else").await.unwrap();
    let record = table.load(&shop()).await.unwrap();
    assert_eq!((record.version, record.status), (1, busy()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_removed_only_at_rest_and_with_everything_it_owns() {
    let table = with_shop().await;
    save(&table, 0, &busy(), &[], &[notice(1, 10)]).await.unwrap();
    assert!(matches!(table.remove_config(&shop()).await, Err(ApplyError::Busy(_))));
    save(&table, 1, &Status::default(), &[], &[]).await.unwrap();
    table.remove_config(&shop()).await.unwrap();
    assert_eq!(table.load(&shop()).await, Err(StoreError::NoSuchService));
    assert!(table.services().await.unwrap().is_empty());
    assert!(table.owners(&config("shop").claims()).await.unwrap().is_empty());
    assert_eq!(table.history(&shop(), 10, None).await.unwrap().len(), 2, "its history stays");
    // Configured again, it goes on with the numbers: a notice of its former life is in the way of none.
    table.apply_config(&config("shop"), "test").await.unwrap();
    let record = table.load(&shop()).await.unwrap();
    let next = record.status.notices + 1;
    save(&table, record.version, &busy(), &[], &[notice(next, 30)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_newest_first_and_page_by_page() {
    let table = with_shop().await;
    for at in [10, 20, 30] {
        table.note(&shop(), &line(at), None).await.unwrap();
    }
    let page = table.history(&shop(), 2, None).await.unwrap();
    assert_eq!(page, [line(30), line(20)]);
    assert_eq!(table.history(&shop(), 2, Some(page[1].at)).await.unwrap(), [line(10)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_undelivered_until_it_is_marked() {
    let table = with_shop().await;
    save(&table, 0, &busy(), &[], &[notice(1, 10), notice(2, 20)]).await.unwrap();
    let undelivered = table.undelivered(&shop(), Time(15), 10).await.unwrap();
    assert_eq!(undelivered.len(), 1);
    table.mark_delivered(&undelivered[0].key, Time(16)).await.unwrap();
    assert!(table.undelivered(&shop(), Time(15), 10).await.unwrap().is_empty());
    let all = table.notices(&shop(), 10).await.unwrap();
    assert_eq!((all[0].delivered_at, all[1].delivered_at), (None, Some(Time(16))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_again_the_same_day_is_told_once() {
    let table = with_shop().await;
    for at in [1, 2] {
        table.note(&shop(), &line(at), Some(&notice(0, at))).await.unwrap();
    }
    assert_eq!(table.notices(&shop(), 10).await.unwrap().len(), 1);
    table.note(&shop(), &line(3), Some(&notice(0, 90_000_000))).await.unwrap();
    assert_eq!(table.notices(&shop(), 10).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_that_nobody_is_configured_for_are_told_once_and_all_kept() {
    let table = table().await;
    for at in [1, 2] {
        table.refused_unconfigured("stranger", &line(at), &notice(0, at)).await.unwrap();
    }
    assert!(table.services_by_repository("stranger").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_not_there_is_told_with_advice() {
    let wrong = Table::new(Clients::at("http://127.0.0.1:1", "us-east-1", "test").await.dynamodb, "flipback");
    let Err(StoreError::Unavailable(text)) = wrong.load(&shop()).await else { panic!("there is nothing on port 1") };
    assert!(text.contains("table flipback") && text.contains("check the network"), "{text}");
}

#[tokio::test]
async fn of_two_runs_of_the_scaling_check_one_remembers_and_tells_and_removal_forgets() {
    let table = with_shop().await;
    let (memory, version) = table.scaling_memory(&shop()).await.unwrap();
    assert_eq!((memory.open.len(), version), (0, 0));
    let finding = shared::scaling::Finding {
        role: shared::scaling::Role::Live,
        service: "shop-blue".to_owned(),
        what: shared::scaling::What::NoScalableTarget,
    };
    let open = shared::scaling::Open { finding, since: Time(1), seen: 2, missed: 0, counted: Time(1), told: None };
    let found = shared::scaling::Memory { open: vec![open], ..Default::default() };
    let (entry, notice) = (line(5), notice(0, 5));
    for first in [true, false] {
        assert_eq!(table.save_scaling(&shop(), &found, 0, Some((&entry, &notice))).await.unwrap(), first);
    }
    assert_eq!(table.scaling_memory(&shop()).await.unwrap(), (found.clone(), 1));
    assert_eq!(table.notices(&shop(), 9).await.unwrap().len(), 1);
    // The same words once more are told once more: it opened again.
    assert!(table.save_scaling(&shop(), &found, 1, Some((&line(6), &notice))).await.unwrap());
    assert_eq!(table.notices(&shop(), 9).await.unwrap().len(), 2);
    table.remove_config(&shop()).await.unwrap();
    assert_eq!(table.scaling_memory(&shop()).await.unwrap().1, 0);
    // Applied anew its memory counts anew, and its first notice is another one.
    let later = shared::notice::Notice { at: Time(9), ..notice.clone() };
    assert!(table.save_scaling(&shop(), &found, 0, Some((&line(9), &later))).await.unwrap());
    assert_eq!(table.notices(&shop(), 9).await.unwrap().len(), 3);
}
