//! Committed tables: computed anew by a test and compared line by line, so that a change of behaviour shows as a change
//! of a line. With `MPMOSH_WRITE_TABLE` in the environment they are written instead.

use std::path::Path;

/// Maps `items` on as many threads as there are processors, in order.
///
/// # Panics
/// If `map` does.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], map: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let (next, map) = (&next, &map);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(item) = items.get(index) else { return done };
                done.push((index, map(item)));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker ends")).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Compares `text` with the table `vectors/paths/NAME`.
///
/// # Panics
/// If they differ: the message has the lines that do.
pub fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/paths").join(name);
    if std::env::var_os("MPMOSH_WRITE_TABLE").is_some() {
        std::fs::write(&path, text).expect("the table is written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<_> = known
        .lines()
        .zip(text.lines())
        .filter(|(known, now)| known != now)
        .map(|(known, now)| format!("- {known}\n+ {now}"))
        .collect();
    assert!(
        known == text,
        "{name} has changed; if that is meant, write it anew with MPMOSH_WRITE_TABLE=1\n{}",
        changed.join("\n")
    );
}
