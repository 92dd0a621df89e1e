//! `flipback`: the operator's tool, and the local cloud's front door. It records wishes and wakes the loop; what moves
//! traffic are the functions. One command, check-account, makes and removes throw-away resources of its own.

mod adopt;
mod apply;
mod args;
mod check_account;
mod demo;
mod environment;
mod errors;
mod history;
mod init;
mod installation;
mod local_cloud;
mod output;
mod remove;
mod run;
mod scaling;
mod status;
mod wait;
mod why;
mod wish;

use clap::Parser as _;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    run::run(args::Args::parse()).await.into()
}
