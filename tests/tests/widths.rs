//! The table of widths beside the C library that it was made from.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_table_of_widths_is_what_its_c_library_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = std::fs::read_to_string(root.join("terminal/src/width/table.rs")).unwrap();
    let version = table.split_once("glibc ").and_then(|(_, rest)| rest.split_once(' ')).expect("a version").0;
    let output = Command::new("python3")
        .arg(root.join("tests/vectors/term/widths.py"))
        .arg(version)
        .output()
        .expect("python3 is installed (.ci/setup test)");
    if output.status.code() == Some(3) {
        println!("not compared: {}", String::from_utf8_lossy(&output.stderr).trim_end());
        return;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let differ = said.lines().zip(table.lines()).find(|(said, stands)| said != stands);
    assert!(said == table, "the C library says otherwise: {differ:?}");
}
