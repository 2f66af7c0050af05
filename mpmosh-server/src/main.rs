//! `mpmosh-server`: see mpmosh-server(1).
fn main() {}
