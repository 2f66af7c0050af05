//! The server side of mpmosh.
