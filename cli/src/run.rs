//! From a parsed command line to an exit code.

use crate::args::{Args, Command, Local, LocalFault};
use crate::environment::Environment;
use crate::installation::{self, Installation};
use crate::output::Out;
use crate::{
    adopt, apply, check_account, demo, errors, history, init, local_cloud, remove, scaling, status, wait, why, wish,
};
use std::process::ExitCode;

/// How a command ended, as `--help` documents it. Usage errors (2) are clap's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// The rollout that was waited for went back.
    RolledBack,
    /// It was not settled in time.
    TimedOut,
}

impl Exit {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::RolledBack => 3,
            Exit::TimedOut => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Runs a command; an error is told on stderr.
pub(crate) async fn run(args: Args) -> Exit {
    let out = Out::new(args.global.json);
    let environment = Environment::read();
    let result = match installation::settle(&args.global, &environment) {
        Ok(()) => command(&args, &environment, out).await,
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        errors::tell(&error, &installation::place(&args.global, &environment), out.json);
        Exit::Failed
    })
}

async fn command(args: &Args, environment: &Environment, out: Out) -> anyhow::Result<Exit> {
    let open = async || Installation::open(&args.global, environment).await;
    match &args.command {
        Command::Init(init) => init::run(init, &open().await?, out).await,
        Command::Adopt(adopt) => adopt::run(adopt, &open().await?, out).await,
        Command::Apply(apply) => apply::run(apply, open, out).await,
        Command::Schema => Ok(apply::schema()),
        Command::Status(status) => status::run(status, &open().await?, out).await,
        Command::History(history) => history::run(history, &open().await?, out).await,
        Command::Why(why) => why::run(why, &open().await?, out).await,
        Command::Scaling(scaling) => scaling::run(scaling, &open().await?, out).await,
        Command::Deploy(deploy) => wish::deploy(deploy, &open().await?, out).await,
        Command::Redeploy(one) => wish::redeploy(one, &open().await?, out).await,
        Command::Rollback(rollback) => wish::rollback(rollback, &open().await?, out).await,
        Command::Promote(one) => wish::promote(one, &open().await?, out).await,
        Command::Pause(one) => wish::pause(one, &open().await?, out).await,
        Command::Resume(one) => wish::resume(one, &open().await?, out).await,
        Command::Abort(one) => wish::abort(one, &open().await?, out).await,
        Command::Release(release) => wish::release(release, &open().await?, out).await,
        Command::Remove(remove) => remove::run(remove, &open().await?, out).await,
        Command::Wait(wait) => wait::run(wait, &open().await?, out).await,
        Command::CheckAccount(check) => check_account::run(check, &open().await?, out).await,
        Command::Local(Local::Up(up)) => local_cloud::up(up, environment).await,
        Command::Local(Local::Push(push)) => local_cloud::push(push, out).await,
        Command::Local(Local::Ports(at)) => local_cloud::ports(at, out).await,
        Command::Local(Local::Slack(at)) => local_cloud::slack(at, out).await,
        Command::Local(Local::Journal(at)) => local_cloud::journal(at, out).await,
        Command::Local(Local::Fault(LocalFault::Add(add))) => local_cloud::fault::add(add, out).await,
        Command::Local(Local::Fault(LocalFault::List(at))) => local_cloud::fault::list(at, out).await,
        Command::Local(Local::Fault(LocalFault::Clear(clear))) => local_cloud::fault::clear(clear, out).await,
        Command::Demo(demo) => demo::run(demo, out).await,
    }
}
