//! What a sandboxed process can do and cannot: each look is a process of its own, since there is no way back.
#![cfg_attr(
    target_os = "linux",
    expect(clippy::unwrap_used, clippy::panic, reason = "a failure is a failed test")
)]

#[cfg(not(target_os = "linux"))]
fn main() {
    assert!(
        mpmosh_platform::sandbox::enter(mpmosh_platform::sandbox::Kept::default()).is_err(),
        "and it says so"
    );
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use mpmosh_platform::sandbox::{Kept, enter, means};
    use std::fs::{self, File, OpenOptions};
    use std::io::{ErrorKind, Write};
    use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::process::Command;

    pub(super) fn main() {
        let mut words = std::env::args().skip(1);
        match (words.next().as_deref(), words.next()) {
            (Some("--within"), Some(folder)) => within(Path::new(&folder)),
            // What the runner asks of a program of tests.
            (Some("--list"), _) => {}
            _ => around(),
        }
    }

    fn around() {
        let folder = std::env::temp_dir().join(format!("mpmosh-sandboxed-{}", std::process::id()));
        fs::create_dir_all(folder.join("run")).unwrap();
        fs::write(folder.join("key"), "secret").unwrap();
        let status =
            Command::new(std::env::current_exe().unwrap()).arg("--within").arg(&folder).status().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(status.success(), "{status}");
        println!("test a_sandboxed_process_keeps_what_a_session_needs_and_nothing_else ... ok");
    }

    fn denied<T>(result: std::io::Result<T>, what: &str) {
        match result {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(error) => panic!("{what}: {error}"),
            Ok(_) => panic!("{what} is allowed"),
        }
    }

    fn within(folder: &Path) {
        let Ok(means) = means() else {
            println!("not looked at: this kernel has no Landlock");
            assert!(enter(Kept::default()).is_err());
            return;
        };
        let mut trace = File::create(folder.join("trace")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stale = UnixListener::bind(folder.join("run/stale")).unwrap();
        let (path, run) = (folder.join("trace"), folder.join("run"));
        assert_eq!(enter(Kept { files: &[&path], read: &[], sockets: &[&run] }), Ok(means.clone()));

        // What is open goes on, and what a second session in this process opens anew can be opened.
        trace.write_all(b"line\n").unwrap();
        OpenOptions::new().write(true).truncate(true).open(&path).unwrap().write_all(b"again\n").unwrap();
        drop(stale);
        fs::remove_file(run.join("stale")).unwrap();
        drop(UnixListener::bind(run.join("made")).unwrap());
        fs::rename(run.join("made"), run.join("named")).unwrap();
        fs::remove_file(run.join("named")).unwrap();
        // Names, the network, the terminal.
        assert!(("localhost", 1).to_socket_addrs().unwrap().next().is_some());
        fs::read("/etc/hosts").unwrap();
        fs::read_dir("/sys/class/net").unwrap();
        File::options().read(true).write(true).open("/dev/null").unwrap().write_all(b"x").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();

        denied(fs::read(folder.join("key")), "reading a key");
        denied(fs::write(folder.join("new"), ""), "writing a file");
        denied(fs::write("/etc/mpmosh-test", ""), "writing where it may read");
        denied(fs::remove_file(folder.join("key")), "removing a file");
        denied(fs::create_dir(folder.join("dir")), "making a folder");
        denied(Command::new("/bin/true").status(), "starting a program");
        if means.contains("TCP") {
            denied(TcpStream::connect(listener.local_addr().unwrap()), "a connection");
            denied(TcpListener::bind("127.0.0.1:0"), "waiting for connections");
            // Of a name service only that there is none here.
            let error = TcpStream::connect("127.0.0.1:53").map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
        let key = folder.join("key");
        std::thread::spawn(move || denied(fs::read(key), "reading a key in a thread")).join().unwrap();
        assert!(std::thread::scope(|scope| scope.spawn(|| enter(Kept::default()).is_err()).join().unwrap()));
    }
}
