//! `mpmosh`: see mpmosh(1).
fn main() {}
