//! What this machine does with what arrives on its interfaces.

use net::Path;
use platform::interfaces::{self, ReversePathFilter};

/// Whether this machine drops the answers that arrive on a path: its interface, called so, has a strict filter, and the
/// best route to the other side is another interface's (RFC 3704 §2.2).
#[must_use]
pub fn drops_answers(interface: &str, path: &Path) -> bool {
    path.remote.is_ipv4()
        && interfaces::reverse_path_filter(interface) == Some(ReversePathFilter::Strict)
        && interfaces::best_route_leads_elsewhere(path)
}
