//! Everything that moves over real HTTP: load balancers, tasks, health checks.

mod balancers;
mod probes;
mod proxy;
mod servers;

pub(crate) use balancers::Balancers;
pub use balancers::{Port, Served};
pub(crate) use probes::send_due;
pub(crate) use proxy::forward;
pub(crate) use servers::Servers;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;

/// A listening socket on the address asked for, else on any free loopback port. `None` only if even that fails.
fn bind(ip: &str, port: u16) -> Option<(TcpListener, SocketAddr)> {
    let asked = Ipv4Addr::from_str(ip).unwrap_or(Ipv4Addr::LOCALHOST);
    let listener = TcpListener::bind((asked, port)).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).ok()?;
    listener.set_nonblocking(true).ok()?;
    let address = listener.local_addr().ok()?;
    Some((listener, address))
}
