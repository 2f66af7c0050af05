//! Programs on the server's side: in a terminal of their own, or with three pipes.
//!
//! The standard library forks and execs, with everything prepared before the fork; what is added after it is a session
//! of its own, the controlling terminal, default signals and the core limit, by async-signal-safe calls alone.

use crate::fd::{self, check, own};
use crate::tty::Size;
use libc::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::ptr::null_mut;

/// What a pipe that is writable takes at once, at least (Linux; 512 is POSIX's least, and the BSDs' too).
pub const PIPE_BUF: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// A new pseudo-terminal: its controlling end, which never blocks, and the terminal itself. Input is marked as UTF-8,
/// so that the kernel erases whole characters (`IUTF8`, where there is such a flag).
///
/// # Errors
/// The system's, without descriptors or terminals.
pub fn open(size: Size) -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut controller, mut terminal): (c_int, c_int) = (-1, -1);
    let mut window = size.to_raw();
    // SAFETY: the pointers are to integers and a window size that outlive the call; the name and the attributes are
    // not asked for and not given. On success both descriptors are new and ours alone.
    let (controller, terminal) = unsafe {
        check(libc::openpty(
            &raw mut controller,
            &raw mut terminal,
            null_mut(),
            null_mut(),
            (&raw mut window).cast(),
        ))?;
        (own(controller), own(terminal))
    };
    fd::set_close_on_exec(controller.as_fd())?;
    fd::set_close_on_exec(terminal.as_fd())?;
    fd::set_nonblocking(controller.as_fd())?;
    #[cfg(any(linux_kernel, target_vendor = "apple"))]
    {
        let mut attributes = crate::tty::attributes(terminal.as_fd())?;
        attributes.c_iflag |= libc::IUTF8;
        crate::tty::set_attributes(terminal.as_fd(), &attributes)?;
    }
    Ok((controller, terminal))
}

/// Restores in the child, between fork and exec, what the server changed for itself.
fn restore() -> io::Result<()> {
    // SAFETY: numbers only, async-signal-safe.
    unsafe {
        check(libc::setsid())?;
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE, libc::SIGCHLD]
        {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
    crate::login::allow_core_dumps();
    Ok(())
}

/// The end of a child, as a shell tells it: its exit code, or 128 and the signal's number.
#[must_use]
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(255)
}

/// A program in a terminal of its own.
#[derive(Debug)]
pub struct Pty {
    controller: OwnedFd,
    child: Child,
}

impl Pty {
    /// Starts a program as the leader of a new session whose terminal has this size. Standard input, output and error
    /// of `command` are replaced; everything else of it is kept.
    ///
    /// # Errors
    /// The system's: no such program, no terminals left.
    pub fn spawn(mut command: Command, size: Size) -> io::Result<Self> {
        let (controller, terminal) = open(size)?;
        command.stdin(Stdio::from(terminal.try_clone()?));
        command.stdout(Stdio::from(terminal.try_clone()?));
        command.stderr(Stdio::from(terminal));
        // SAFETY: setsid, signal, ioctl and setrlimit are async-signal-safe, and nothing allocates.
        unsafe {
            command.pre_exec(|| {
                restore()?;
                check(libc::ioctl(0, libc::TIOCSCTTY as _, 0)).map(drop)
            });
        }
        let child = command.spawn()?;
        // `command` holds the terminal's descriptors: with them open the end would never be seen.
        drop(command);
        Ok(Self { controller, child })
    }

    /// Reads what the program wrote. 0 when every program has closed the terminal (Linux says `EIO`).
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match fd::read(self.controller.as_fd(), buffer) {
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(0),
            result => result,
        }
    }

    /// Types into the terminal as much as it takes; tells how much.
    ///
    /// # Errors
    /// `WouldBlock` when it takes none: the program does not read.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        fd::write(self.controller.as_fd(), bytes)
    }

    /// Gives the terminal another size; its programs get `SIGWINCH`.
    ///
    /// # Errors
    /// The system's, once the terminal is gone.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        let raw = size.to_raw();
        // SAFETY: TIOCSWINSZ reads a winsize, which outlives the call.
        check(unsafe { libc::ioctl(self.controller.as_raw_fd(), libc::TIOCSWINSZ as _, &raw const raw) })
            .map(drop)
    }

    /// Tells the program in the foreground that its terminal's size may be another (SIGWINCH), whether it is or not:
    /// somebody else looks at it, and full-screen programs draw everything anew.
    ///
    /// # Errors
    /// The system's: there is no such program, for one.
    pub fn announce_size(&self) -> io::Result<()> {
        // SAFETY: takes no pointers.
        let group = check(unsafe { libc::tcgetpgrp(self.controller.as_raw_fd()) })?;
        if group <= 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        // SAFETY: takes no pointers.
        check(unsafe { libc::kill(-group, libc::SIGWINCH) }).map(drop)
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit code once the program has ended ([`exit_code`]).
    ///
    /// # Errors
    /// The system's.
    pub fn try_wait(&mut self) -> io::Result<Option<u8>> {
        Ok(self.child.try_wait()?.map(exit_code))
    }

    /// Tells the program that its terminal is gone (`SIGHUP` to its process group).
    pub fn hang_up(&mut self) {
        signal_group(&mut self.child, libc::SIGHUP);
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.controller.as_fd()
    }
}

/// A program with three pipes, for sessions without a terminal.
#[derive(Debug)]
pub struct Pipes {
    /// Its standard input; `None` once closed.
    pub stdin: Option<OwnedFd>,
    /// Its standard output.
    pub stdout: OwnedFd,
    /// Its standard error.
    pub stderr: OwnedFd,
    child: Child,
}

impl Pipes {
    /// Starts a program as the leader of a new session. Our ends of the pipes never block.
    ///
    /// # Errors
    /// The system's: no such program, no descriptors left.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let (their_stdin, stdin) = io::pipe()?;
        let (stdout, their_stdout) = io::pipe()?;
        let (stderr, their_stderr) = io::pipe()?;
        command.stdin(their_stdin).stdout(their_stdout).stderr(their_stderr);
        // SAFETY: setsid, signal and setrlimit are async-signal-safe, and nothing allocates.
        unsafe { command.pre_exec(restore) };
        let child = command.spawn()?;
        drop(command);
        let pipes = Self { stdin: Some(stdin.into()), stdout: stdout.into(), stderr: stderr.into(), child };
        for fd in [pipes.stdin.as_ref(), Some(&pipes.stdout), Some(&pipes.stderr)].into_iter().flatten() {
            fd::set_nonblocking(fd.as_fd())?;
        }
        Ok(pipes)
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit code once the program has ended ([`exit_code`]).
    ///
    /// # Errors
    /// The system's.
    pub fn try_wait(&mut self) -> io::Result<Option<u8>> {
        Ok(self.child.try_wait()?.map(exit_code))
    }

    /// Tells the program to end (`SIGHUP` to its process group).
    pub fn hang_up(&mut self) {
        signal_group(&mut self.child, libc::SIGHUP);
    }
}

/// Reads what is there, from any descriptor; 0 at the end.
///
/// # Errors
/// `WouldBlock` when nothing is there and the descriptor never blocks.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    fd::read(fd.as_fd(), buffer)
}

/// Writes what fits, to any descriptor; tells how much.
///
/// # Errors
/// `WouldBlock` when nothing fits; `BrokenPipe` when nobody reads (`SIGPIPE` being ignored).
pub fn write(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    fd::write(fd.as_fd(), bytes)
}

/// Signals the process group that the child leads, while it lives: after that its number may be another's.
fn signal_group(child: &mut Child, signal: c_int) {
    if let (Ok(None), Ok(pid)) = (child.try_wait(), c_int::try_from(child.id())) {
        // SAFETY: numbers only.
        unsafe { libc::kill(-pid, signal) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn read_all(pty: &Pty) -> String {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            assert!(
                fd::wait_readable(pty.as_fd(), 10_000),
                "silent after {:?}",
                String::from_utf8_lossy(&all)
            );
            match pty.read(&mut buffer) {
                Ok(0) => return String::from_utf8(all).unwrap(),
                Ok(n) => all.extend(&buffer[..n]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    fn end(mut try_wait: impl FnMut() -> io::Result<Option<u8>>) -> u8 {
        for _ in 0..10_000 {
            if let Some(code) = try_wait().unwrap() {
                return code;
            }
            std::thread::yield_now();
            // SAFETY: no descriptors, a millisecond.
            unsafe { libc::poll(null_mut(), 0, 1) };
        }
        panic!("did not end");
    }

    /// Reads on, until the program has said this word.
    fn read_until(pty: &Pty, said: &mut Vec<u8>, word: &str) {
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(said).contains(word) {
            assert!(fd::wait_readable(pty.as_fd(), 10_000));
            let n = pty.read(&mut buffer).unwrap();
            assert!(n > 0, "ended before {word}");
            said.extend(&buffer[..n]);
        }
    }

    #[test]
    fn a_program_has_a_terminal_of_its_own_with_the_size_given() {
        let size = Size { columns: 132, rows: 43 };
        let mut pty =
            Pty::spawn(sh("stty size; tty; ps -o tpgid= -p $$ | tr -d ' '; echo $$; stty -a"), size).unwrap();
        let said = read_all(&pty);
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines[0], "43 132");
        assert!(lines[1].starts_with("/dev/"), "{said}");
        assert!(!cfg!(target_os = "linux") || said.contains(" iutf8"), "{said}");
        assert_eq!(end(|| pty.try_wait()), 0);
    }

    #[test]
    fn what_is_typed_arrives_and_the_size_changes() {
        let mut pty =
            Pty::spawn(sh("trap 'stty size; exit 7' WINCH; echo ready; read line; echo got $line; while :; do sleep 0.05; done"), Size::DEFAULT).unwrap();
        let mut said = Vec::new();
        let mut until = |pty: &Pty, word: &str| read_until(pty, &mut said, word);
        until(&pty, "ready");
        assert_eq!(pty.write(b"hello\n").unwrap(), 6);
        until(&pty, "got hello");
        pty.resize(Size { columns: 61, rows: 17 }).unwrap();
        until(&pty, "17 61");
        assert_eq!(end(|| pty.try_wait()), 7);
    }

    #[test]
    fn a_program_is_told_of_its_size_though_it_is_the_same() {
        let script = "trap 'echo told; exit 7' WINCH; echo ready; while :; do sleep 0.05; done";
        let mut pty = Pty::spawn(sh(script), Size::DEFAULT).unwrap();
        let mut said = Vec::new();
        read_until(&pty, &mut said, "ready");
        pty.resize(Size::DEFAULT).unwrap();
        pty.announce_size().unwrap();
        read_until(&pty, &mut said, "told");
        assert_eq!(end(|| pty.try_wait()), 7);
    }

    #[test]
    fn a_signal_is_told_as_a_shell_tells_it() {
        let mut pty = Pty::spawn(sh("kill -9 $$"), Size::DEFAULT).unwrap();
        assert_eq!(end(|| pty.try_wait()), 137);
        let mut pty = Pty::spawn(sh("sleep 100"), Size::DEFAULT).unwrap();
        pty.hang_up();
        assert_eq!(end(|| pty.try_wait()), 129);
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_here() {
        let error = Pty::spawn(Command::new("/nowhere/at/all"), Size::DEFAULT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(
            Pipes::spawn(Command::new("/nowhere/at/all")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn pipes_are_separate_and_end() {
        let mut pipes = Pipes::spawn(sh("cat; echo oops >&2; exit 3")).unwrap();
        let stdin = pipes.stdin.take().unwrap();
        assert_eq!(write(&stdin, b"through").unwrap(), 7);
        drop(stdin);
        let all = |fd: &OwnedFd| {
            let mut all = Vec::new();
            let mut buffer = [0; 100];
            loop {
                assert!(fd::wait_readable(fd.as_fd(), 10_000));
                match read(fd, &mut buffer) {
                    Ok(0) => return String::from_utf8(all).unwrap(),
                    Ok(n) => all.extend(&buffer[..n]),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
        };
        assert_eq!(all(&pipes.stdout), "through");
        assert_eq!(all(&pipes.stderr), "oops\n");
        assert_eq!(end(|| pipes.try_wait()), 3);
    }
}
