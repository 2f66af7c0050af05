//! What mpmosh asks of the operating system. The only room with `unsafe`, system calls and `cfg(target_os)`.
pub mod wait;
