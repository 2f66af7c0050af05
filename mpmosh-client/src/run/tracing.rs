//! The trace's file, as the client's loop writes it.
//!
//! Contract: nothing about the file stalls or ends the session. It is opened without blocking, handed over at least once a
//! second while anything happens and at the end, and given up at the first failure, which the user is told once. It does
//! not fill a disk: the trace of a session that somebody forgot ends at [`LONGEST`].

use crate::run::trace::TraceWriter;
use crate::text::messages::Paragraph;
use net::Instant;
use platform::clock;
use platform::files::{Purpose, open_own};
use platform::words::words;
use std::fs::{File, Permissions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// How much may wait to be handed over.
const BUFFER: usize = 64 * 1024;

/// How long it may wait while anything happens.
const FLUSH: Duration = Duration::from_secs(1);

/// How long a trace becomes, in octets. A line has some 75, and a key makes seven lines: so much is half a day of ceaseless
/// typing, or a quarter of an hour of ceaseless output.
const LONGEST: u64 = 256 << 20;

/// The first line of a trace is not longer.
const FIRST_LINE: u64 = 4096;

pub(super) type Writer = TraceWriter<BufWriter<Locked>>;

pub(super) struct Tracing {
    trace: Option<Writer>,
    flushed: Instant,
    longest: u64,
}

impl Tracing {
    /// Opens the trace, if there is to be one.
    pub(super) fn new(path: Option<&Path>, dialect: &str, start: Instant) -> Result<Self, Paragraph> {
        let opened = path.map(|path| {
            let since_1970 = clock::since_1970();
            let file = open(path)?;
            let trace = TraceWriter::new(BufWriter::with_capacity(BUFFER, file), start, dialect, since_1970);
            trace.map_err(|error| refused(path, &error.to_string()))
        });
        Ok(Self { trace: opened.transpose()?, flushed: start, longest: LONGEST })
    }

    /// Writes something. Gives what the user is to be told, when this was the end of the trace.
    #[must_use]
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Writer) -> io::Result<()>) -> Option<String> {
        let now = clock::now();
        let trace = self.trace.as_mut()?;
        let mut result = write(trace);
        if result.is_ok() && now.since(self.flushed) >= FLUSH {
            self.flushed = now;
            result = trace.flush();
        }
        let why = match result {
            Err(error) => words(&error),
            Ok(()) if trace.octets() < self.longest => return None,
            Ok(()) => match trace.end("full", now) {
                Ok(()) => format!("it has {} MiB", self.longest >> 20),
                Err(error) => words(&error),
            },
        };
        self.trace = None;
        let message = format!("The trace ends here: {why}");
        log::error!("{message}");
        Some(message)
    }
}

/// The file, with a lock on it that ends with it: closing does not do as much while a process that is being started still
/// has a copy of the descriptor.
pub(super) struct Locked(File);

impl Write for Locked {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // What is no regular file was not locked.
        let _ = self.0.unlock();
    }
}

/// Opens the file for its owner alone. An earlier trace is replaced; any other file that holds something is left alone,
/// and so is a trace that another session is writing.
fn open(path: &Path) -> Result<Locked, Paragraph> {
    let failed = |error: io::Error| refused(path, &words(&error));
    let file = open_own(path, Purpose::Replace).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Ok(Locked(file));
    }
    if about.len() > 0 && !is_trace(&file) {
        return Err(refused(path, "the file is there already, and is no trace"));
    }
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => refused(path, "another session is writing it"),
        TryLockError::Error(error) => refused(path, &format!("it cannot be locked: {error}")),
    })?;
    file.set_len(0).map_err(failed)?;
    rewound(&file).map_err(failed)?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(Locked(file))
}

fn is_trace(file: &File) -> bool {
    let mut line = Vec::new();
    let read = BufReader::new(file.take(FIRST_LINE)).read_until(b'\n', &mut line);
    let object: Option<serde_json::Value> = read.ok().and_then(|_| serde_json::from_slice(&line).ok());
    object.is_some_and(|object| object["event"] == "session")
}

fn rewound(mut file: &File) -> io::Result<()> {
    io::Seek::rewind(&mut file)
}

fn refused(path: &Path, why: &str) -> Paragraph {
    Paragraph::new(
        "The trace cannot be written.",
        format!("{}: {why}.", path.display()),
        "Name another file with --trace.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_trace_is_for_its_owner_alone_and_replaces_only_a_trace_that_nobody_writes() {
        let folder = std::env::temp_dir().join(format!("mpmosh-tracing-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("trace.jsonl");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let start = || Tracing::new(Some(&path), "multipath", Instant::ZERO);
        let mut first = start().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(first.write(|trace| trace.resumed(Duration::from_secs(1), clock::now())), None);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2, "the first write is late enough");
        let busy = start().err().unwrap().to_string();
        assert!(busy.contains("another session"), "{busy}");
        drop(first);
        drop(start().unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        let kept = start().err().unwrap().to_string();
        assert!(kept.contains("is no trace"), "{kept}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "#!/bin/sh\n");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_trace_that_nobody_ends_ends_by_itself_and_says_so_once() {
        let path = std::env::temp_dir().join(format!("mpmosh-tracing-{}-full", std::process::id()));
        let mut trace = Tracing::new(Some(&path), "multipath", Instant::ZERO).unwrap();
        trace.longest = 1 << 20;
        let mut told = Vec::new();
        for _ in 0..100_000 {
            told.extend(trace.write(|trace| trace.resumed(Duration::ZERO, clock::now())));
        }
        assert_eq!(told, ["The trace ends here: it has 1 MiB"]);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("\"event\":\"end\",\"how\":\"full\"}\n"), "{}", &text[text.len() - 80..]);
        assert!((1 << 20..(1 << 20) + 200).contains(&text.len()), "{}", text.len());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_fifo_that_nobody_reads_is_refused_at_once() {
        let path = std::env::temp_dir().join(format!("mpmosh-tracing-{}-fifo", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let refused = Tracing::new(Some(&path), "multipath", Instant::ZERO).err().unwrap().to_string();
        assert!(refused.contains("The trace cannot be written"), "{refused}");
        fs::remove_file(path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_ends_the_trace_and_says_so_once() {
        let mut trace = Tracing::new(Some(Path::new("/dev/full")), "multipath", Instant::ZERO).unwrap();
        let told = trace.write(|trace| trace.resumed(Duration::ZERO, clock::now())).unwrap();
        assert_eq!(told, "The trace ends here: No space left on device");
        assert_eq!(trace.write(|_| unreachable!("it is over")), None);
    }
}
