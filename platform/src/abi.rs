//! What the systems' own C headers say, for the tests that hold our constants against them: `tests/abi/`, one constant,
//! offset or size a line, read by a C compiler for that system.

use std::collections::BTreeMap;

/// The facts of a system: a constant by its name, `struct__field` by its offset, `struct` by its size.
pub(crate) fn facts(system: &str) -> BTreeMap<&'static str, i64> {
    let text = match system {
        "linux" => include_str!("../tests/abi/linux.txt"),
        "apple" => include_str!("../tests/abi/apple.txt"),
        "freebsd" => include_str!("../tests/abi/freebsd.txt"),
        "netbsd" => include_str!("../tests/abi/netbsd.txt"),
        "openbsd" => include_str!("../tests/abi/openbsd.txt"),
        _ => panic!("no headers of {system}"),
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split(' ').skip(1);
            (words.next().unwrap(), words.next().unwrap().parse().unwrap())
        })
        .collect()
}
