//! `flipback adopt`: what to add to go from one ECS service to two colours, as AWS CLI commands with the real values.

mod read;
mod script;

use crate::args;
use crate::installation::Installation;
use crate::output::{Out, print};
use crate::run::Exit;

/// Runs the command. It only reads.
pub(crate) async fn run(args: &args::Adopt, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let found = read::read(&installation.clients, &args.cluster, &args.service).await?;
    let script = script::script(&found);
    if out.json {
        out.document(&serde_json::json!({"service": args.service, "cluster": args.cluster, "script": script}), |_| {
            String::new()
        });
    } else {
        print(&script);
    }
    Ok(Exit::Done)
}
