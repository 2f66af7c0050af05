//! An echo over all paths of a machine.
//!
//! ```text
//! cargo run -p mpmosh-platform --example echo -- server                    prints a key and a port
//! cargo run -p mpmosh-platform --example echo -- client KEY 192.0.2.2:PORT
//! ```
//! The client says a line twice a second and tells which path it was echoed on. Pull a cable meanwhile.

use mpmosh_platform::clock;
use mpmosh_platform::driver::{Conversation, Happening, Options};
use net::Key;
use std::error::Error;
use std::time::Duration;

const PACE: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["server"] => async_io::block_on(serve()),
        ["client", key, server] => async_io::block_on(ask(&Key::parse(key)?, server)),
        _ => Err("usage: echo server | echo client KEY SERVER:PORT".into()),
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let key = Conversation::new_key()?;
    let mut server = Conversation::server(&key, 0..=0, Options::default())?;
    println!("key {} port {}", key.to_base64().as_str(), server.port());
    while let Some(happening) = server.next(None).await? {
        if let Happening::Payload(payload) = happening {
            server.send(&payload.bytes)?;
        }
    }
    Ok(())
}

async fn ask(key: &Key, server: &str) -> Result<(), Box<dyn Error>> {
    let mut client = Conversation::client(key, server.parse()?, Options::default())?;
    for number in 0_u32.. {
        let (line, asked) = (format!("line {number}"), clock::now());
        let sent = client.send(line.as_bytes());
        let mut echoed = sent.map_or_else(|error| error.to_string(), |()| "not echoed".into());
        while let Some(happening) = client.next(Some(PACE.saturating_sub(clock::now().since(asked)))).await? {
            match happening {
                Happening::Payload(payload) if payload.bytes == line.as_bytes() => {
                    echoed = format!("echoed after {:?}", clock::now().since(asked));
                }
                Happening::Notice(notice) => println!("    {notice:?}"),
                _ => {}
            }
        }
        let path = client.connection().current_path().map(|path| path.local.ip.to_string());
        println!("{line}: {echoed}; the path is {}", path.unwrap_or_default());
    }
    Ok(())
}
