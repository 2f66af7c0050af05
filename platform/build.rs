//! One name for the systems on Linux's kernel, Android being one: `cfg(linux_kernel)`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(linux_kernel)");
    if std::env::var("CARGO_CFG_TARGET_OS")
        .is_ok_and(|system| ["linux", "android"].contains(&system.as_str()))
    {
        println!("cargo::rustc-cfg=linux_kernel");
    }
}
