//! `sandbox`: the stand-alone Klaviyo sandbox.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{ExitStatus, log_plainly, print_line};
use crate::clock::SystemClock;
use crate::listener;
use crate::sandbox::{self, AccountLists, ListOption, OptIn, Sandbox};

/// Run a stand-alone Klaviyo on this machine, to test against
///
/// It checks requests as the real one does, stores what it got in memory, and fails on request. See what it got with
/// `curl http://127.0.0.1:9100/sandbox/requests` (also `/sandbox/profiles`, `/sandbox/events`, `/sandbox/lists`). Make
/// it fail with `POST /sandbox/faults`, and delete everything with `DELETE /sandbox`.
///
/// Example: klaviyo-relay sandbox --listen 127.0.0.1:9100
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:9100", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The private key it takes
    #[arg(long, default_value = "pk_sandbox", value_name = "KEY")]
    private_key: String,
    /// The lists that it has, by their ids; any other is refused as Klaviyo refuses it. Without one, every id is a list
    #[arg(long, num_args = 1.., value_name = "ID")]
    list: Vec<String>,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitStatus> {
    log_plainly("info")?;
    let settings = sandbox::Options {
        private_key: options.private_key,
        lists: lists(options.list),
        ..sandbox::Options::default()
    };
    let sandbox = Sandbox::new(settings, Arc::new(SystemClock));
    let port = listener::bind(options.listen).await?;
    print_line(format_args!(
        "a sandbox Klaviyo listens on http://{}",
        port.local_addr()?
    ))?;
    let stop = CancellationToken::new();
    let serving = tokio::spawn(listener::serve(port, sandbox.routes(), stop.clone(), Duration::ZERO));
    tokio::signal::ctrl_c().await?;
    stop.cancel();
    serving.await?;
    Ok(ExitStatus::Done)
}

fn lists(ids: Vec<String>) -> AccountLists {
    if ids.is_empty() {
        return sandbox::Options::default().lists;
    }
    let list = |id: String| ListOption {
        name: id.clone(),
        id,
        opt_in: OptIn::Double,
    };
    AccountLists::Only(ids.into_iter().map(list).collect())
}
