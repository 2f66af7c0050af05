//! The simulator, the network-namespace lab, and what the tests under `tests/` share.
