//! The cloud as a whole: started, used in process, stopped.

use crate::clock::Clock;
use crate::database::Database;
use crate::events::{Bus, Rule};
use crate::faults::{Fault, FaultCount, FaultRefused, Faults};
use crate::functions::{self, Function, FunctionLog, LogLine, LogSink};
use crate::inner::{CallHook, Inner, SnsMessage};
use crate::limits::Limits;
use crate::options::{Functions, Options};
use crate::record::Recorder;
use crate::slack::{Slack, SlackPost};
use crate::sources::{self, Poller};
use crate::tasks::Tasks;
use crate::template::{self, Place, Template, Trigger};
use crate::traffic::{self, Balancers, Port, Served, Servers};
use crate::{http, lock, wire};
use anyhow::{Context, anyhow, bail, ensure};
use model::{AwsError, Service, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How often the world is moved to now.
const TICK: Duration = Duration::from_millis(50);

/// The template's parameter for the Slack webhook.
const SLACK_PARAMETER: &str = "SlackWebhookSecretArn";

/// A running local cloud. It ends with [`stop`](Cloud::stop); its processes are killed as well when it is dropped with its runtime.
#[derive(Debug)]
pub struct Cloud {
    inner: Arc<Inner>,
    outputs: BTreeMap<String, String>,
}

impl Cloud {
    /// Starts a cloud; when this returns it answers, and everything the template names is there. It needs a multi-thread
    /// tokio runtime, because the embedded database works on the runtime's own threads.
    ///
    /// # Errors
    /// The address is taken or not on loopback, the template cannot be read, a function's binary is missing.
    pub async fn start(options: Options) -> anyhow::Result<Cloud> {
        ensure!(
            options.listen.ip().is_loopback(),
            "{} is not on loopback: this cloud has no authentication",
            options.listen
        );
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("{} cannot be listened on", options.listen))?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let text = match &options.template {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?,
            None => template::COMPILED_IN.to_owned(),
        };
        let mut settings = options.settings.clone();
        settings.endpoint.clone_from(&endpoint);
        let tasks = Arc::new(Tasks::new());
        let inner = Arc::new(Inner {
            account: settings.account.clone(),
            region: settings.region.clone(),
            endpoint: endpoint.clone(),
            clock: Clock::start(),
            client: http::client(256),
            database: Database::start(&tasks).await?,
            recorder: options.record.as_deref().map(Recorder::create).transpose()?,
            tasks,
            world: Mutex::new(World::new(settings)),
            balancers: Balancers::default(),
            servers: Servers::new(options.sockets),
            slack: Slack::default(),
            log: FunctionLog::default(),
            bus: OnceLock::new(),
            functions: OnceLock::new(),
            events: Mutex::new(VecDeque::new()),
            sns: Mutex::new(VecDeque::new()),
            faults: Faults::default(),
            limits: Limits::new(options.answering),
            hook: Mutex::new(None),
            calls: Mutex::new(BTreeMap::new()),
            order: Mutex::new(()),
            requests: AtomicU64::new(0),
        });
        if !options.quiet {
            inner.log.watch(Arc::new(|line: &LogLine| eprintln!("{}: {}", line.function, line.line)));
        }
        let place = Place {
            account: inner.account.clone(),
            region: inner.region.clone(),
            endpoint,
            parameters: parameters(&inner, &options, &text)?,
        };
        let template = Template::read(&text, &place)?;
        template::apply(&inner, &template).await?;
        start_functions(&inner, &template, &options)?;
        let front = {
            let inner = inner.clone();
            move |request, peer| wire::front(inner.clone(), request, peer)
        };
        // The front door has no stop of its own: it ends with all other tasks.
        let (_, never) = watch::channel(false);
        inner.tasks.spawn(http::serve(listener, never, inner.tasks.clone(), front));
        inner.tasks.spawn(drive(inner.clone()));
        Ok(Cloud { inner, outputs: template.outputs })
    }

    /// What `AWS_ENDPOINT_URL` has to be, such as `http://127.0.0.1:4566`.
    pub fn endpoint(&self) -> String {
        self.inner.endpoint.clone()
    }

    /// One API call in process, journalled like any other. `caller` is the name the journal gets.
    ///
    /// # Errors
    /// As AWS answers them.
    pub fn call(&self, service: Service, operation: &str, input: Value, caller: &str) -> Result<Value, AwsError> {
        self.inner.call(service, operation, &input, caller, &self.inner.region)
    }

    /// One call to DynamoDB in process.
    ///
    /// # Errors
    /// As the embedded database answers it.
    pub async fn call_database(&self, operation: &'static str, input: &Value) -> anyhow::Result<Value> {
        self.inner.database.call(&self.inner.client, operation, input).await
    }

    /// Looks at the world, or changes it behind everybody's back. Everything waits meanwhile: be quick, and do not call the
    /// cloud from inside.
    pub fn with_world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut lock(&self.inner.world))
    }

    /// The outputs of the template, such as `TableName`.
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// Milliseconds since the epoch, on the clock that the world runs by.
    pub fn now(&self) -> model::Millis {
        self.inner.clock.now()
    }

    /// Where each listener can really be reached.
    pub fn ports(&self) -> Vec<Port> {
        self.inner.balancers.ports()
    }

    /// What a load balancer itself counted, over all its listeners, since the start.
    pub fn lb_counts(&self, load_balancer_arn: &str) -> Vec<Served> {
        self.inner.balancers.served(load_balancer_arn)
    }

    /// Every post to the Slack sink, refused ones included.
    pub fn slack_posts(&self) -> Vec<SlackPost> {
        self.inner.slack.posts()
    }

    /// The last messages published to topics (10,000 are kept).
    pub fn sns_messages(&self) -> Vec<SnsMessage> {
        lock(&self.inner.sns).iter().cloned().collect()
    }

    /// The last EventBridge envelopes (10,000 are kept).
    pub fn events(&self) -> Vec<Value> {
        lock(&self.inner.events).iter().cloned().collect()
    }

    /// Puts an event on the bus, as any AWS service might.
    pub fn put_event(&self, envelope: Value) {
        self.inner.event(envelope);
    }

    /// The last lines the functions wrote, and the cloud's own remarks under the name `local` (20,000 are kept).
    pub fn function_log(&self) -> Vec<LogLine> {
        self.inner.log.lines()
    }

    /// Gets every line as it comes, instead of the copy on stderr.
    pub fn on_log(&self, sink: LogSink) {
        self.inner.log.watch(sink);
    }

    /// Lets `hook` see every API call that comes over the wire, before and after its effect.
    pub fn on_call(&self, hook: CallHook) {
        *lock(&self.inner.hook) = Some(hook);
    }

    /// Puts a fault in force for calls that come over the wire; its number.
    ///
    /// # Errors
    /// It names what is not there, or can strike nothing.
    pub fn add_fault(&self, fault: Fault) -> Result<u64, FaultRefused> {
        self.inner.add_fault(fault).map(|added| added.id)
    }

    /// The faults in force, each with what it did so far.
    pub fn faults(&self) -> Vec<FaultCount> {
        self.inner.faults.list()
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.inner.faults.clear(None);
    }

    /// SIGKILL to every process of a function, at work or idle; `false` when there is no such function.
    pub fn kill_function(&self, name: &str) -> bool {
        self.inner.kill_function(name)
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// There is no such function, or it failed: its error document, or how its process ended.
    pub async fn invoke(&self, name: &str, payload: Value) -> anyhow::Result<Value> {
        let function = self.inner.functions.get().and_then(|functions| functions.get(name)).cloned();
        let function = function.ok_or_else(|| anyhow!("there is no function {name}"))?;
        function.invoke(&self.inner, payload.to_string()).await.answer().map_err(|error| anyhow!("{name}: {error}"))
    }

    /// Ends every process and every task. Nothing is left behind.
    pub async fn stop(self) {
        // First the sources and whatever is at work: dropping an invocation kills its process.
        self.inner.tasks.stop().await;
        for function in self.inner.functions.get().into_iter().flat_map(BTreeMap::values) {
            function.stop().await;
        }
    }
}

/// The given parameters; a template with the Slack parameter gets the sink's own webhook unless something else was given.
fn parameters(inner: &Arc<Inner>, options: &Options, text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut parameters = options.parameters.clone();
    if text.contains(SLACK_PARAMETER) && !parameters.contains_key(SLACK_PARAMETER) {
        let url = format!("{}/slack/T000/B000/local", inner.endpoint);
        let input = json!({"Name": "flipback/slack-webhook", "SecretString": url,
            "ClientRequestToken": "00000000-0000-4000-8000-000000000000"});
        let region = inner.region.clone();
        let made = inner
            .call(Service::SecretsManager, "CreateSecret", &input, "template", &region)
            .map_err(|error| anyhow!("making the Slack secret: {error}"))?;
        let arn = made["ARN"].as_str().context("CreateSecret answered without an ARN")?;
        parameters.insert(SLACK_PARAMETER.to_owned(), arn.to_owned());
    }
    Ok(parameters)
}

fn start_functions(inner: &Arc<Inner>, template: &Template, options: &Options) -> anyhow::Result<()> {
    let mut functions = BTreeMap::new();
    let mut rules = Vec::new();
    if let Functions::Dir(dir) = &options.functions {
        for spec in &template.functions {
            let binary = functions::binary(dir, &spec.binary).ok_or_else(|| missing(dir, &spec.binary))?;
            let binary = std::path::absolute(&binary).unwrap_or(binary);
            let function = Arc::new(Function::new(spec.clone(), binary, options.function_env.clone()));
            for (event, trigger) in &spec.triggers {
                let name = format!("{}-{event}", spec.full_name);
                start_trigger(inner, &function, name, trigger, &mut rules, options);
            }
            functions.insert(spec.name.clone(), function);
        }
    }
    let set = inner.functions.set(functions).is_ok() && inner.bus.set(Bus { rules }).is_ok();
    if !set {
        bail!("the functions were started twice");
    }
    Ok(())
}

fn missing(dir: &Path, name: &str) -> anyhow::Error {
    anyhow!("no function {name} in {}: build the functions first, or start without them", dir.display())
}

fn start_trigger(
    inner: &Arc<Inner>,
    function: &Arc<Function>,
    name: String,
    trigger: &Trigger,
    rules: &mut Vec<Rule>,
    options: &Options,
) {
    let (at_work, function) = (inner.clone(), function.clone());
    match trigger {
        Trigger::Rule { pattern, input } => {
            let function = function.spec.name.clone();
            rules.push(Rule { name, pattern: pattern.clone(), function, input: input.clone() });
        }
        Trigger::Schedule { every, input } => {
            let every = *every / options.schedule_speed.max(1);
            inner.tasks.spawn(sources::run_schedule(at_work, function, name, every, input.clone()));
        }
        Trigger::Queue { arn, batch, partial, concurrency } => {
            let redelivery = options.redelivery;
            let (arn, batch, partial, concurrency) = (arn.clone(), *batch, *partial, *concurrency);
            inner.tasks.spawn(Poller { function, arn, batch, partial, concurrency, redelivery }.run(at_work));
        }
        Trigger::Stream(stream) => inner.tasks.spawn(sources::run_stream(at_work, function, stream.clone())),
    }
}

/// Moves the world with the clock and sends its health checks.
async fn drive(inner: Arc<Inner>) {
    // Health checks open a connection each, as an ALB's do where the target closes it.
    let checker = http::client(0);
    let mut times = tokio::time::interval(TICK);
    times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        times.tick().await;
        inner.pump();
        traffic::send_due(&inner, &checker);
    }
}
