//! A local cloud at quick pace, until interrupted: `cargo run -p local --example up [LISTEN] [FUNCTIONS_DIR]`.

use local::{Cloud, Functions, Options};
use std::path::PathBuf;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options { settings: model::Settings::quick(), ..Options::default() };
    if let Some(listen) = arguments.next() {
        options.listen = listen.parse()?;
    }
    if let Some(dir) = arguments.next() {
        options.functions = Functions::Dir(PathBuf::from(dir));
    }
    let cloud = Cloud::start(options).await?;
    println!("ready {}", cloud.endpoint());
    tokio::signal::ctrl_c().await?;
    cloud.stop().await;
    Ok(())
}
