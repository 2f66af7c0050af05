//! Prints the interfaces and their sources, says for each remote address given which of them have a route to it, and
//! prints all of it again after every change.

use mpmosh_platform::interfaces::{Watch, has_route, list, reverse_path_filter};
use std::net::{IpAddr, SocketAddr};

fn main() -> std::io::Result<()> {
    let remotes: Vec<IpAddr> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let mut watch = Watch::new()?;
    loop {
        for interface in list() {
            let filter = reverse_path_filter(&interface.name);
            let defaults = (interface.default_v4, interface.default_v6);
            println!(
                "{} {} {:?} {:?} {defaults:?} {filter:?}",
                interface.index, interface.name, interface.kind, interface.state
            );
            for local in interface.sources() {
                let routed = |remote: &&IpAddr| {
                    let remote = SocketAddr::new(**remote, 60001);
                    has_route(&net::Path { local, remote })
                };
                let routed: Vec<_> = remotes.iter().filter(routed).collect();
                println!("    {} → {routed:?}", local.ip);
            }
        }
        println!();
        while !watch.read() {
            std::thread::park_timeout(watch.poll_interval().unwrap_or(std::time::Duration::from_millis(50)));
        }
    }
}
