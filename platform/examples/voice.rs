//! Fifty frames a second over all paths of a machine: a frame that comes late is as good as lost, so that none is repeated, and
//! the next one goes on the path that answers.
//!
//! ```text
//! cargo run -p mpmosh-platform --example voice -- listen                   prints a key and a port
//! cargo run -p mpmosh-platform --example voice -- speak KEY 192.0.2.2:PORT SECONDS
//! ```
//! The listener tells once a second how many frames came, how many were missing, and the longest gap between two.

use mpmosh_platform::clock;
use mpmosh_platform::driver::{Conversation, Happening, Options};
use net::Key;
use std::error::Error;
use std::time::Duration;

/// A frame of G.711: 160 octets each 20 ms.
const FRAME: Duration = Duration::from_millis(20);
const OCTETS: usize = 160;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["listen"] => async_io::block_on(listen()),
        ["speak", key, to, seconds] => {
            async_io::block_on(speak(&Key::parse(key)?, to, Duration::from_secs(seconds.parse()?)))
        }
        _ => Err("usage: voice listen | voice speak KEY HOST:PORT SECONDS".into()),
    }
}

async fn listen() -> Result<(), Box<dyn Error>> {
    let key = Conversation::new_key()?;
    let mut listener = Conversation::server(&key, 0..=0, Options::default())?;
    println!("key {} port {}", key.to_base64().as_str(), listener.port());
    let (mut newest, mut came, mut gap, mut heard, mut told) = (0, 0, Duration::ZERO, None, clock::now());
    loop {
        let Some(Happening::Payload(frame)) = listener.next(Some(FRAME)).await? else { continue };
        let (now, number) = (clock::now(), frame.bytes.first_chunk().map_or(0, |n| u32::from_be_bytes(*n)));
        gap = gap.max(heard.map_or(Duration::ZERO, |before| now.since(before)));
        (heard, came, newest) = (Some(now), came + 1, newest.max(number));
        if now.since(told) >= Duration::from_secs(1) {
            println!("{came} frames came, {} did not; the longest gap was {gap:?}", newest + 1 - came);
            (told, gap) = (now, Duration::ZERO);
        }
    }
}

async fn speak(key: &Key, to: &str, time: Duration) -> Result<(), Box<dyn Error>> {
    let mut speaker = Conversation::client(key, to.parse()?, Options::default())?;
    while !speaker.connection().is_connected() {
        speaker.next(Some(FRAME)).await?;
    }
    let began = clock::now();
    for number in 0_u32.. {
        let due = FRAME * number;
        while let Some(happening) = speaker.next(Some(due.saturating_sub(clock::now().since(began)))).await? {
            if let Happening::Notice(notice) = happening {
                println!("    {notice:?}");
            }
        }
        if due >= time {
            break;
        }
        let mut frame = [0; OCTETS];
        frame[..4].copy_from_slice(&number.to_be_bytes());
        if let Err(error) = speaker.send(&frame) {
            println!("frame {number}: {error}");
        }
    }
    Ok(())
}
