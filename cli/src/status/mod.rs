//! `flipback status`: where services stand.

mod render;
mod view;

use crate::args;
use crate::installation::{Installation, now};
use crate::output::Out;
use crate::run::Exit;
use shared::ids::ServiceName;
use shared::ports::{Record, Store as _, StoreError};
use std::time::Duration;
use tokio::task::JoinSet;

pub(crate) use view::{Moment, View, named, outcome, percent, what, words};

/// How many services are read at a time: ten thousand at once would be throttled.
const AT_A_TIME: usize = 16;

/// Between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) async fn run(args: &args::Status, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let live = args.watch && out.terminal && !out.json;
    let mut last = None;
    loop {
        let records = read(args, installation).await?;
        let views: Vec<View> = records.iter().map(View::of).collect();
        // When the next look is due changes with every look, and is no news.
        let news: Vec<View> = views.iter().map(|view| View { wake_due: None, ..view.clone() }).collect();
        let changed = last.as_ref() != Some(&news);
        if live {
            // Home, and clear to the end of the screen; drawn each time, since the ages grow.
            crate::output::print("\x1b[H\x1b[2J");
        }
        if live || changed {
            show(args, &views, out);
        }
        if !args.watch {
            return Ok(Exit::Done);
        }
        last = Some(news);
        tokio::time::sleep(PAUSE).await;
    }
}

fn show(args: &args::Status, views: &[View], out: Out) {
    let print = |value: &serde_json::Value, text: &dyn Fn() -> String| {
        if args.watch {
            out.line(value, |_| text());
        } else {
            out.document(value, |_| text());
        }
    };
    match (&args.service, views) {
        (Some(_), [view]) => print(&json(view), &|| render::one(view, now(), out.paint)),
        _ => print(&serde_json::json!({"services": views}), &|| render::all(views, now(), out.paint)),
    }
}

fn json(view: &View) -> serde_json::Value {
    serde_json::to_value(view).unwrap_or_default()
}

async fn read(args: &args::Status, installation: &Installation) -> anyhow::Result<Vec<Record>> {
    if let Some(name) = &args.service {
        return Ok(vec![installation.record(&ServiceName::from(name.as_str())).await?]);
    }
    let mut records = Vec::new();
    for names in installation.table.services().await?.chunks(AT_A_TIME) {
        let mut reads = JoinSet::new();
        for name in names {
            let (table, name) = (installation.table.clone(), name.clone());
            reads.spawn(async move { table.load(&name).await });
        }
        while let Some(read) = reads.join_next().await {
            match read? {
                Ok(record) => records.push(record),
                // Removed since the list was read.
                Err(StoreError::NoSuchService) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    records.sort_by(|a, b| a.config.name.cmp(&b.config.name));
    Ok(records)
}
