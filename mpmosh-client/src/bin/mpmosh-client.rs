//! `mpmosh-client`: see mpmosh-client(1).
fn main() {}
