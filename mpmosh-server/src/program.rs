//! The program that is served: on a terminal, or on three pipes.
//!
//! Contract: nothing here blocks. Input that the program does not read waits here, up to a mebibyte; more is
//! refused (and said so in the log), because a stopped program must not stall the session.

use platform::login;
use platform::pty::{self, Pipes, Pty};
use platform::tty::Size;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;

/// The most input that waits for a program that does not read, in octets.
const MOST_WAITING: usize = 1 << 20;

/// The most output taken at once, so that the session gets its turn.
const MOST_AT_ONCE: usize = 1 << 16;

/// A running program.
pub struct Program {
    kind: Attached,
    waiting: VecDeque<u8>,
    /// Where output is read into: to clear so much for each key would cost more than reading it.
    scratch: Box<[u8]>,
    input_ended: bool,
    output_ended: bool,
    error_ended: bool,
    /// How it ended.
    status: Option<u8>,
}

enum Attached {
    Terminal(Pty),
    Pipes(Pipes),
}

impl Program {
    /// Starts `command` on a terminal of this size.
    ///
    /// # Errors
    /// The system's: no such program, no terminals left.
    pub fn on_terminal(command: Command, size: Size) -> io::Result<Self> {
        Ok(Self::new(Attached::Terminal(Pty::spawn(command, size)?)))
    }

    /// Starts `command` on three pipes.
    ///
    /// # Errors
    /// The system's: no such program, no descriptors left.
    pub fn on_pipes(command: Command) -> io::Result<Self> {
        Ok(Self::new(Attached::Pipes(Pipes::spawn(command)?)))
    }

    fn new(kind: Attached) -> Self {
        let error_ended = matches!(kind, Attached::Terminal(_));
        Self {
            kind,
            waiting: VecDeque::new(),
            scratch: vec![0; MOST_AT_ONCE].into(),
            input_ended: false,
            output_ended: false,
            error_ended,
            status: None,
        }
    }

    /// Gives the program input, now or when it reads.
    pub fn give(&mut self, bytes: &[u8]) {
        let room = MOST_WAITING.saturating_sub(self.waiting.len());
        if bytes.len() > room {
            log::warn!("the program does not read: {} octets of input are lost", bytes.len() - room);
        }
        self.waiting.extend(&bytes[..bytes.len().min(room)]);
        self.pump();
    }

    /// How much input may still be given.
    #[must_use]
    pub fn room(&self) -> usize {
        MOST_WAITING.saturating_sub(self.waiting.len())
    }

    /// No more input will come.
    pub fn end_input(&mut self) {
        self.input_ended = true;
        self.pump();
    }

    /// Writes what waits, as far as the program takes it.
    pub fn pump(&mut self) {
        while !self.waiting.is_empty() {
            let (bytes, _) = self.waiting.as_slices();
            let written = match &self.kind {
                Attached::Terminal(pty) => pty.write(bytes),
                Attached::Pipes(pipes) => match &pipes.stdin {
                    Some(stdin) => pty::write(stdin, bytes),
                    None => Err(io::ErrorKind::BrokenPipe.into()),
                },
            };
            match written {
                Ok(count) => drop(self.waiting.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // Nobody reads any more.
                    self.waiting.clear();
                    self.input_ended = true;
                }
            }
        }
        if self.input_ended
            && let Attached::Pipes(pipes) = &mut self.kind
        {
            pipes.stdin = None;
        }
    }

    /// What the program has written, at most `room` octets; `None` when nothing is there now.
    pub fn read_output(&mut self, room: usize) -> Option<Vec<u8>> {
        if self.output_ended {
            return None;
        }
        let (kind, scratch) = (&self.kind, &mut self.scratch[..]);
        let (bytes, ended) = read_some(scratch, room, |buffer| match kind {
            Attached::Terminal(pty) => pty.read(buffer),
            Attached::Pipes(pipes) => pty::read(&pipes.stdout, buffer),
        });
        self.output_ended = ended;
        bytes
    }

    /// What the program has written to its standard error, at most `room` octets; `None` when nothing is there now.
    pub fn read_error(&mut self, room: usize) -> Option<Vec<u8>> {
        let Attached::Pipes(pipes) = &self.kind else { return None };
        if self.error_ended {
            return None;
        }
        let (bytes, ended) = read_some(&mut self.scratch, room, |buffer| pty::read(&pipes.stderr, buffer));
        self.error_ended = ended;
        bytes
    }

    /// Nobody wants the program's output any more: it will find its pipe broken.
    pub fn close_output(&mut self) {
        if let (Attached::Pipes(pipes), Ok(null), false) = (&mut self.kind, login::null(), self.output_ended)
        {
            pipes.stdout = null;
            self.output_ended = true;
        }
    }

    /// The same for its standard error.
    pub fn close_error(&mut self) {
        if let (Attached::Pipes(pipes), Ok(null), false) = (&mut self.kind, login::null(), self.error_ended) {
            pipes.stderr = null;
            self.error_ended = true;
        }
    }

    /// Where output comes from, while there can be more.
    #[must_use]
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        (!self.output_ended).then(|| match &self.kind {
            Attached::Terminal(pty) => pty.as_fd(),
            Attached::Pipes(pipes) => pipes.stdout.as_fd(),
        })
    }

    /// Where standard error comes from, while there can be more.
    #[must_use]
    pub fn error(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Attached::Pipes(pipes) if !self.error_ended => Some(pipes.stderr.as_fd()),
            _ => None,
        }
    }

    /// What to wait for while input waits here.
    #[must_use]
    pub fn sink(&self) -> Option<BorrowedFd<'_>> {
        if self.waiting.is_empty() {
            return None;
        }
        match &self.kind {
            Attached::Terminal(pty) => Some(pty.as_fd()),
            Attached::Pipes(pipes) => pipes.stdin.as_ref().map(AsFd::as_fd),
        }
    }

    /// Gives the terminal another size.
    pub fn resize(&self, size: Size) {
        if let Attached::Terminal(pty) = &self.kind
            && let Err(error) = pty.resize(size)
        {
            log::debug!("the terminal takes no size: {error}");
        }
    }

    /// Tells what runs in the foreground that its terminal's size may be another.
    pub fn announce_size(&self) {
        if let Attached::Terminal(pty) = &self.kind
            && let Err(error) = pty.announce_size()
        {
            log::debug!("the program was not told of its size: {error}");
        }
    }

    /// A child of this process has ended: if it was the program, its status is noted.
    pub fn reap(&mut self) {
        let status = match &mut self.kind {
            Attached::Terminal(pty) => pty.try_wait(),
            Attached::Pipes(pipes) => pipes.try_wait(),
        };
        self.status = status.ok().flatten();
    }

    /// The program's exit status, once it has ended and [`Self::reap`] was told. On pipes its output must have ended too:
    /// children of its own may still write.
    #[must_use]
    pub fn status(&self) -> Option<u8> {
        let ended = match self.kind {
            Attached::Terminal(_) => true,
            Attached::Pipes(_) => self.output_ended && self.error_ended,
        };
        self.status.filter(|_| ended)
    }

    /// Tells the program that its user is gone.
    pub fn hang_up(&mut self) {
        match &mut self.kind {
            Attached::Terminal(pty) => pty.hang_up(),
            Attached::Pipes(pipes) => pipes.hang_up(),
        }
    }

    /// The terminal's controlling end, for the record of who is logged in.
    #[must_use]
    pub fn terminal(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Attached::Terminal(pty) => Some(pty.as_fd()),
            Attached::Pipes(_) => None,
        }
    }
}

/// What one read of a terminal may give at most.
const ONE_READ: usize = 4096;

/// Reads until nothing is there, the end, or enough. Whether it was the end comes second. A read that the system makes in
/// one piece is not cut in two: a screen that is drawn of half a piece differs from the one before where that of whole ones
/// may not, and a flood of one line would be a frame each time.
fn read_some(
    scratch: &mut [u8],
    room: usize,
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> (Option<Vec<u8>>, bool) {
    let most = room.min(scratch.len());
    let bytes = &mut scratch[..most];
    let mut filled = 0;
    let mut ended = false;
    while room > 0 && (filled == 0 || bytes.len() - filled >= ONE_READ) {
        match read(&mut bytes[filled..]) {
            Ok(0) => {
                ended = true;
                break;
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                ended = error.kind() != io::ErrorKind::WouldBlock;
                break;
            }
        }
    }
    ((filled > 0).then(|| bytes[..filled].to_vec()), ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::wait::Waiter;

    #[test]
    fn what_the_system_hands_over_in_one_piece_is_not_cut() {
        // A pty gives 4,095 octets at a time: of `yes`, lines of three octets each.
        let mut least = usize::MAX;
        let mut scratch = vec![0; MOST_AT_ONCE];
        let (bytes, ended) = read_some(&mut scratch, usize::MAX, |room| {
            least = least.min(room.len());
            Ok(room.len().min(4095))
        });
        assert_eq!((bytes.map(|bytes| bytes.len() % 4095), ended), (Some(0), false));
        assert!(least >= ONE_READ, "{least}");
        assert_eq!(
            read_some(&mut scratch, 7, |room| Ok(room.len())).0.map(|bytes| bytes.len()),
            Some(7),
            "a little is read all the same"
        );
        assert_eq!(read_some(&mut scratch, 0, |_| Ok(1)), (None, false));
    }

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    /// Runs a program to its end and gives its output, its error output and its status.
    fn run(mut program: Program) -> (Vec<u8>, Vec<u8>, u8) {
        let (mut output, mut error) = (Vec::new(), Vec::new());
        async_io::block_on(async {
            loop {
                program.pump();
                output.extend(program.read_output(usize::MAX).unwrap_or_default());
                error.extend(program.read_error(usize::MAX).unwrap_or_default());
                program.reap();
                if let Some(status) = program.status() {
                    output.extend(program.read_output(usize::MAX).unwrap_or_default());
                    return (output, error, status);
                }
                let mut waiter = Waiter::new();
                waiter.read_all([program.output(), program.error()].into_iter().flatten());
                if let Some(sink) = program.sink() {
                    waiter.write(sink);
                }
                waiter.wait(Some(std::time::Duration::from_millis(10))).await.unwrap();
            }
        })
    }

    #[test]
    fn pipes_carry_every_octet_and_the_status() {
        let mut program = Program::on_pipes(sh("cat; echo oops >&2; exit 7")).unwrap();
        let sent: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(n) >> 5) as u8).collect();
        program.give(&sent);
        program.end_input();
        let (output, error, status) = run(program);
        assert_eq!(output, sent);
        assert_eq!((error.as_slice(), status), (&b"oops\n"[..], 7));
    }

    #[test]
    fn a_program_that_does_not_read_stalls_nobody() {
        let mut program = Program::on_terminal(sh("sleep 60"), Size::DEFAULT).unwrap();
        let flood = vec![b'x'; MOST_WAITING / 2];
        for _ in 0..4 {
            program.give(&flood);
        }
        assert!(program.room() < MOST_WAITING);
        program.hang_up();
        let (_, _, status) = run(program);
        assert_eq!(status, 129);
    }
}
