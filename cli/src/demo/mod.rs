//! `flipback demo`: four stories in a local cloud, with the real functions and real traffic. The demo only pushes images;
//! what moves weights are the functions, and the journal has to say so.

mod play;
mod report;
mod stage;
mod story;
mod traffic;
mod view;
mod watch;

pub(crate) use stage::{TASKS, ready};
pub(crate) use story::{native_yaml, service_yaml};

use crate::errors::plain;
use crate::output::Out;
use crate::run::Exit;
use anyhow::Context as _;
use clap::Args as ClapArgs;
use local::{Cloud, Functions, Options};
use model::Settings;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The sweep comes every few seconds instead of every minute, the scaling check every 25 s. Nothing else is sped up by
/// this: the world's own pace is [`Settings::quick`], Flipback's margins are `quick`.
const SCHEDULE_SPEED: u32 = 12;

/// `demo`
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Where the functions' binaries are (default: beside this program)
    #[arg(long, value_name = "DIR")]
    pub(crate) functions: Option<PathBuf>,
}

/// Tells the four stories. Done only if all of them ended as told; interrupted, it leaves nothing behind.
pub(crate) async fn run(args: &Args, out: Out) -> anyhow::Result<Exit> {
    let dir = match &args.functions {
        Some(dir) => dir.clone(),
        None => std::env::current_exe()?.parent().context("this program lies in no directory")?.to_owned(),
    };
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        functions: Functions::Dir(dir.clone()),
        settings: Settings::quick(),
        quiet: true,
        function_env: BTreeMap::from([("FLIPBACK_MARGINS".to_owned(), "quick".to_owned())]),
        schedule_speed: SCHEDULE_SPEED,
        ..Options::default()
    };
    let cloud = Cloud::start(options).await.with_context(|| format!("functions from {}", dir.display()))?;
    let ended = tokio::select! {
        ended = play::all(&cloud, out) => ended,
        () = interrupted() => Err(plain("interrupted", "run it again; nothing was left behind")),
    };
    cloud.stop().await;
    let document = ended?;
    out.document(&document, |paint| report::table(&document, paint));
    Ok(if document.ok { Exit::Done } else { Exit::Failed })
}

/// Returns when somebody wants the program to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    // Where no handler can be set, the signal ends the program by itself.
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
