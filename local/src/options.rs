//! What a local cloud is started with.

use crate::limits::Answering;
use model::Settings;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Which functions run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Functions {
    /// The binaries in this directory: `DIR/NAME` or `DIR/NAME/bootstrap` for each function of the template.
    Dir(PathBuf),
    /// None; the template's tables, queues and topics are made all the same.
    Bare,
}

/// How to start a [`Cloud`](crate::Cloud).
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which functions run.
    pub functions: Functions,
    /// The SAM template; the project's own, compiled in, when absent.
    pub template: Option<PathBuf>,
    /// Account, region and pace of the modelled world. `endpoint` is set by the cloud.
    pub settings: Settings,
    /// Do not copy the functions' lines to stderr.
    pub quiet: bool,
    /// Values for the template's parameters. Without `SlackWebhookSecretArn` the cloud makes a secret that holds the webhook
    /// of its own Slack sink.
    pub parameters: BTreeMap<String, String>,
    /// Environment variables for every function, over the template's.
    pub function_env: BTreeMap<String, String>,
    /// Schedules run this many times as often as the template says; 1 is real time. Everything else keeps its pace.
    pub schedule_speed: u32,
    /// After a failed invocation its messages come back after this instead of their queue's visibility timeout, which still
    /// holds while the invocation runs; absent is as on AWS.
    pub redelivery: Option<Duration>,
    /// How the functions' calls are answered.
    pub answering: Answering,
    /// Tasks really listen, and are asked for their health; else what their manners say is known without: for thousands of them.
    pub sockets: bool,
    /// Write every API call to `calls.jsonl` in this directory, as it was on the wire.
    pub record: Option<PathBuf>,
}

impl Default for Options {
    /// Port 4566 on loopback, no functions, AWS-like pace.
    fn default() -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4566)),
            functions: Functions::Bare,
            template: None,
            settings: Settings::default(),
            quiet: false,
            parameters: BTreeMap::new(),
            function_env: BTreeMap::new(),
            schedule_speed: 1,
            redelivery: None,
            answering: Answering::default(),
            sockets: true,
            record: None,
        }
    }
}
