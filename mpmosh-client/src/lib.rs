//! The client side of mpmosh.
