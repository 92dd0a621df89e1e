//! What crosses crates: every event through the intake, the template against the code, and stories through the real
//! binaries. The tests are in `tests/`; here is what they share.

pub mod kill;
pub mod traffic;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use aws::{Clients, Table};
use local::example::{Plan, TwoColours, one_service, push, two_colours};
use local::{Cloud, Functions, Options};
use model::{Service, Settings};
use serde_json::{Value, json};
use shared::ids::{IntentId, ServiceName};
use shared::notice::{Notice, tell};
use shared::ports::{Record, Store as _, StoreError};
use shared::rollout::{Intent, IntentKind};
use shared::time::Time;

/// The service of every scene.
pub const SERVICE: &str = "shop";

/// A local cloud with the real functions, and one service in it with version 1.0.0 live on blue.
#[derive(Debug)]
pub struct Scene {
    /// The cloud.
    pub cloud: Cloud,
    /// The installation's table, over the wire.
    pub table: Table,
    /// The service's parts in AWS.
    pub colours: TwoColours,
}

impl Scene {
    /// Starts it, with these lines in the service's configuration instead of the usual ones (`key: value`).
    ///
    /// # Errors
    /// What could not be set up, or that the functions are not built.
    pub async fn start(lines: &[(&str, &str)]) -> anyhow::Result<Scene> {
        Scene::open(options(functions()?), lines).await
    }

    /// Starts it in a cloud of these options.
    ///
    /// # Errors
    /// See [`Scene::start`].
    pub async fn open(options: Options, lines: &[(&str, &str)]) -> anyhow::Result<Scene> {
        Scene::set_up(options, None, lines).await
    }

    /// Starts it with one ECS service of this deployment configuration, instead of two colours.
    ///
    /// # Errors
    /// See [`Scene::start`].
    pub async fn native(configuration: Value, lines: &[(&str, &str)]) -> anyhow::Result<Scene> {
        Scene::open_native(options(functions()?), configuration, lines).await
    }

    /// The same, in a cloud of these options.
    ///
    /// # Errors
    /// See [`Scene::start`].
    pub async fn open_native(options: Options, configuration: Value, lines: &[(&str, &str)]) -> anyhow::Result<Scene> {
        Scene::set_up(options, Some(configuration), lines).await
    }

    async fn set_up(options: Options, native: Option<Value>, lines: &[(&str, &str)]) -> anyhow::Result<Scene> {
        let cloud = Cloud::start(options).await?;
        let plan = Plan {
            name: SERVICE.to_owned(),
            cluster: "tests".to_owned(),
            tasks: 2,
            port: 8080,
            tag: "1.0.0".to_owned(),
        };
        let colours = match &native {
            None => two_colours(&cloud, "test:setup", &plan)?,
            Some(configuration) => one_service(&cloud, "test:setup", &plan, configuration)?.front,
        };
        let clients = Clients::at(&cloud.endpoint(), &Settings::quick().region, "test").await;
        let table = Table::new(clients.dynamodb, cloud.outputs().get("TableName").context("no output TableName")?);
        let scene = Scene { cloud, table, colours };
        // The first push is told as one that nobody is configured for: configured earlier, it would be a candidate.
        scene
            .until("the first version serves", |_| scene.healthy() == 2 && !scene.cloud.slack_posts().is_empty())
            .await?;
        if native.is_some() {
            scene.until("ECS has deployed the first version", |_| scene.deployment()["status"] == "SUCCESSFUL").await?;
        }
        let yaml = if native.is_some() { native_yaml(lines) } else { scene.yaml(lines) };
        for config in shared::config::parse(&yaml).with_context(|| yaml.clone())? {
            scene.table.apply_config(&config, "test").await?;
        }
        Ok(scene)
    }

    fn yaml(&self, lines: &[(&str, &str)]) -> String {
        let usual = [
            ("cluster", "tests"),
            ("image", "{ repository: shop, tags: { semver: \">=1.0.0\" } }"),
            ("strategy", "{ canary: { steps: [ { weight: 20, bake: 2s } ], bake: 2s } }"),
            ("alarms", "[ shop-blue-5xx, shop-green-5xx ]"),
            ("noTraffic", "proceed"),
            ("standby", "1s"),
        ];
        let engine =
            format!("{{ managed: {{ blue: shop-blue, green: shop-green, routes: [ \"{}\" ] }} }}", self.colours.rule);
        file(&engine, &usual, lines)
    }

    /// The newest service deployment of a native service, as ECS describes it.
    #[must_use]
    pub fn deployment(&self) -> Value {
        let look = |operation: &str, input: Value| {
            self.cloud.call(Service::Ecs, operation, input, "test:look").unwrap_or_default()
        };
        let listed = look("ListServiceDeployments", json!({ "cluster": "tests", "service": SERVICE }));
        let arn = listed["serviceDeployments"][0]["serviceDeploymentArn"].clone();
        look("DescribeServiceDeployments", json!({ "serviceDeploymentArns": [arn] }))["serviceDeployments"][0].clone()
    }

    fn healthy(&self) -> usize {
        let input = json!({ "TargetGroupArn": self.colours.blue });
        let health = self.cloud.call(Service::Elb, "DescribeTargetHealth", input, "test:look").unwrap_or_default();
        let targets = health["TargetHealthDescriptions"].as_array().cloned().unwrap_or_default();
        targets.iter().filter(|target| target["TargetHealth"]["State"] == "healthy").count()
    }

    /// Pushes an image; its digest.
    ///
    /// # Errors
    /// What ECR says.
    pub fn push(&self, tag: &str, manners: &str) -> anyhow::Result<String> {
        push(&self.cloud, "test:push", SERVICE, tag, manners)
    }

    /// Calls AWS as somebody who is not Flipback.
    ///
    /// # Errors
    /// What AWS says.
    pub fn call(&self, service: Service, operation: &str, input: Value) -> anyhow::Result<Value> {
        Ok(self.cloud.call(service, operation, input, "test:somebody")?)
    }

    /// Records a person's wish, and lets the sweep find it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn wish(&self, what: IntentKind) -> anyhow::Result<()> {
        let id = IntentId(format!("test/{what:?}"));
        let intent = Intent { id, at: Time(self.cloud.now()), by: "ada".to_owned(), what };
        Ok(self.table.record(&ServiceName::from(SERVICE), &intent).await?)
    }

    /// Wakes the loop, as a person's command does.
    ///
    /// # Errors
    /// What SQS says.
    pub async fn wake(&self) -> anyhow::Result<()> {
        let body = json!({ "service": SERVICE, "kind": "poke" }).to_string();
        let url = self.cloud.outputs().get("WorkQueueUrl").context("no output WorkQueueUrl")?;
        let input = json!({ "QueueUrl": url, "MessageBody": body, "MessageGroupId": SERVICE,
            "MessageDeduplicationId": format!("test-{}", self.cloud.now()) });
        self.call(Service::Sqs, "SendMessage", input)?;
        Ok(())
    }

    /// The service's record.
    ///
    /// # Errors
    /// What the store says.
    pub async fn record(&self) -> anyhow::Result<Record> {
        let name = ServiceName::from(SERVICE);
        // A busy machine may be slower than the client's patience.
        match self.table.load(&name).await {
            Err(StoreError::Unavailable(_)) => Ok(self.table.load(&name).await?),
            read => Ok(read?),
        }
    }

    /// The notices so far, oldest first, in words.
    ///
    /// # Errors
    /// What the store says.
    pub async fn told(&self) -> anyhow::Result<Vec<String>> {
        let mut stored = self.table.notices(&ServiceName::from(SERVICE), 100).await?;
        stored.reverse();
        let words = |notice: &Notice| {
            let telling = tell(notice);
            format!("{}. {} {}", telling.title, telling.body, telling.advice)
        };
        Ok(stored.iter().map(|stored| words(&stored.notice)).collect())
    }

    /// Blue's and green's weight in the rule.
    #[must_use]
    pub fn weights(&self) -> (u64, u64) {
        let input = json!({ "RuleArns": [self.colours.rule] });
        let answer = self.cloud.call(Service::Elb, "DescribeRules", input, "test:look").unwrap_or_default();
        let groups = answer["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"].as_array().cloned();
        let groups = groups.unwrap_or_default();
        let weight = |arn: &str| groups.iter().find(|g| g["TargetGroupArn"] == arn).and_then(|g| g["Weight"].as_u64());
        (weight(&self.colours.blue).unwrap_or(0), weight(&self.colours.green).unwrap_or(0))
    }

    /// Somebody else's weights.
    ///
    /// # Errors
    /// What ELB says.
    pub fn somebody_weighs(&self, blue: u32, green: u32) -> anyhow::Result<()> {
        let groups = json!([
            { "TargetGroupArn": self.colours.blue, "Weight": blue },
            { "TargetGroupArn": self.colours.green, "Weight": green },
        ]);
        let actions = json!([{ "Type": "forward", "ForwardConfig": { "TargetGroups": groups } }]);
        self.call(Service::Elb, "ModifyRule", json!({ "RuleArn": self.colours.rule, "Actions": actions }))?;
        Ok(())
    }

    /// How many revisions of the family were ever registered.
    #[must_use]
    pub fn revisions(&self) -> usize {
        let input = json!({ "familyPrefix": SERVICE });
        let answer = self.cloud.call(Service::Ecs, "ListTaskDefinitions", input, "test:look").unwrap_or_default();
        answer["taskDefinitionArns"].as_array().map_or(0, Vec::len)
    }

    /// Waits until the record is so.
    ///
    /// # Errors
    /// That it was not within a minute and a half: with what the functions logged and the rollout waited for.
    pub async fn until(&self, what: &str, is: impl Fn(Option<&Record>) -> bool) -> anyhow::Result<()> {
        for _ in 0..900 {
            let record = self.record().await.ok();
            if is(record.as_ref()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log: Vec<String> =
            self.cloud.function_log().iter().rev().take(25).map(|line| format!("{line:?}")).collect();
        bail!(
            "never: {what}\nrecord: {:?}\ntold: {:?}\nlog: {}",
            self.record().await,
            self.told().await,
            log.join("\n")
        );
    }

    /// Waits until no rollout runs any more and so many have run.
    ///
    /// # Errors
    /// See [`Scene::until`].
    pub async fn until_settled(&self, rollouts: u64) -> anyhow::Result<()> {
        self.until("settled", |record| {
            record.is_some_and(|record| {
                let status = &record.status;
                status.rollouts >= rollouts
                    && status.rollout.is_none()
                    && status.next.is_none()
                    && record.inbox.is_empty()
            })
        })
        .await
    }

    /// Waits until the rollout is in a phase.
    ///
    /// # Errors
    /// See [`Scene::until`].
    pub async fn until_phase(&self, name: &str) -> anyhow::Result<()> {
        self.until(name, |record| {
            record.and_then(|record| record.status.rollout.as_ref()).is_some_and(|rollout| rollout.phase.name() == name)
        })
        .await
    }

    /// Waits until one of the notices contains a text.
    ///
    /// # Errors
    /// That none did within a minute and a half, with those there are.
    pub async fn until_told(&self, text: &str) -> anyhow::Result<()> {
        for _ in 0..900 {
            if self.told().await?.iter().any(|words| words.contains(text)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("nobody was told {text:?}, but: {:#?}\nrecord: {:?}", self.told().await?, self.record().await);
    }

    /// Ends it, and checks that nobody but the functions and the test changed anything.
    ///
    /// # Errors
    /// Who did.
    pub async fn end(self) -> anyhow::Result<()> {
        let others: Vec<String> = self.cloud.with_world(|world| {
            let stranger =
                |caller: &str| !["function:", "test:", "service:", "template"].iter().any(|k| caller.starts_with(k));
            let entries = world.journal().iter().filter(|entry| stranger(&entry.caller));
            entries.map(|entry| format!("{} {}", entry.caller, entry.operation)).collect()
        });
        self.cloud.stop().await;
        ensure!(others.is_empty(), "changes by others: {others:?}");
        Ok(())
    }
}

fn native_yaml(lines: &[(&str, &str)]) -> String {
    let usual = [
        ("cluster", "tests"),
        ("image", "{ repository: shop, tags: { semver: \">=1.0.0\" } }"),
        ("strategy", "asDeclared"),
        ("alarms", "[ shop-blue-5xx, shop-green-5xx ]"),
    ];
    file(&format!("{{ native: {{ service: {SERVICE} }} }}"), &usual, lines)
}

/// A flipback.yaml of one service: the usual lines, and others in their place or beside them.
fn file(engine: &str, usual: &[(&str, &str)], lines: &[(&str, &str)]) -> String {
    let mut text = format!("version: 1\nservices:\n  - name: {SERVICE}\n    engine: {engine}\n");
    let kept = usual.iter().filter(|(key, _)| !lines.iter().any(|(other, _)| other == key));
    for (key, value) in kept.chain(lines) {
        text.push_str(&format!("    {key}: {value}\n"));
    }
    text
}

/// A quick cloud on a free port, with the functions of a directory.
#[must_use]
pub fn options(functions: PathBuf) -> Options {
    Options {
        listen: ([127, 0, 0, 1], 0).into(),
        functions: Functions::Dir(functions),
        settings: Settings::quick(),
        quiet: true,
        function_env: [("FLIPBACK_MARGINS".to_owned(), "quick".to_owned())].into(),
        schedule_speed: 20,
        ..Options::default()
    }
}

/// Where the function binaries are: beside this program, or beside the directory a test lies in, as `make test` builds them.
///
/// # Errors
/// They are not built.
pub fn functions() -> anyhow::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let dirs = [exe.parent(), exe.parent().and_then(Path::parent)];
    let found = dirs.into_iter().flatten().find(|dir| dir.join("advance").is_file());
    found
        .map(Path::to_owned)
        .with_context(|| format!("the functions are not built beside {}; run `make test`", exe.display()))
}
