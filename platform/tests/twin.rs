//! A process beside this one. A file of its own: what ends a process is caught while one is there.

use mpmosh_platform::twin::{End, split};
use std::io::{Read, Write};

#[test]
fn a_twin_speaks_by_the_stream_and_how_it_ended_is_told() {
    let (twin, mut stream) = split(|mut stream| {
        let mut heard = [0];
        let _ = stream.read_exact(&mut heard);
        let _ = stream.write_all(&[heard[0] + 1]);
        7
    })
    .unwrap();
    stream.write_all(&[41]).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert_eq!((heard, twin.wait().unwrap()), (vec![42], End::Status(7)));

    let (twin, mut stream) = split(|_| std::process::abort()).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(twin.wait().unwrap(), End::Signal(6));

    let (twin, _stream) = split(|_| panic!("what the twin says of it is not for the user")).unwrap();
    assert_eq!(twin.wait().unwrap(), End::Status(101));
}
