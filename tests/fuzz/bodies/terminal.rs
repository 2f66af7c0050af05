//! What the fuzz targets do with their data; `terminal/tests/random.rs` does it with data from a seed.

#![allow(dead_code, reason = "each of the programs that include this uses its part")]

use mpmosh_terminal::{Emulator, MAX_REPLIES, MAX_SIDE, Screen, Size, Vocabulary};

/// Octets of a step that say how it is: how many octets are fed, or what size the terminal gets.
fn step(data: &[u8]) -> Option<(Step<'_>, &[u8])> {
    let (&first, rest) = data.split_first()?;
    match first {
        0 => {
            let (size, rest) = rest.split_at_checked(2)?;
            let side = |octet: u8| if octet == 255 { MAX_SIDE } else { u16::from(octet) };
            Some((Step::Resize(Size { columns: side(size[0]), rows: side(size[1]) }), rest))
        }
        count => {
            let (bytes, rest) = rest.split_at(rest.len().min(usize::from(count) * 4));
            Some((Step::Feed(bytes), rest))
        }
    }
}

enum Step<'a> {
    Feed(&'a [u8]),
    Resize(Size),
}

/// A program's bytes in steps, with changes of the size between them: a terminal that only follows the diffs shows the
/// same after each, no diff asks for an answer, and what waits to be answered is bounded.
pub(crate) fn emulator(data: &[u8]) {
    let size = Size { columns: 80, rows: 24 };
    let (mut program, mut follower) = (Emulator::new(size), Emulator::new(size));
    program.keep_history();
    let mut shown = program.screen().clone();
    let mut rest = data;
    while let Some((step, later)) = step(rest) {
        rest = later;
        match step {
            Step::Feed(bytes) => program.feed(bytes),
            Step::Resize(size) => {
                program.reflow(size);
                follower.resize(size);
            }
        }
        assert!(program.take_replies().len() <= MAX_REPLIES, "answers are bounded");
        follow(&mut follower, &shown, program.screen());
        shown = program.screen().clone();
    }
}

/// Two programs on two terminals: from what either shows to what the other shows, there and back.
pub(crate) fn diff(data: &[u8]) {
    let Some((sizes, bytes)) = data.split_at_checked(4) else { return };
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let screen = |size: &[u8], bytes: &[u8]| {
        let mut emulator = Emulator::new(Size { columns: size[0].into(), rows: size[1].into() });
        emulator.feed(bytes);
        emulator.into_screen()
    };
    let (one, other) = (screen(&sizes[..2], one), screen(&sizes[2..], other));
    for (from, to) in [(&one, &other), (&other, &one)] {
        let mut follower = Emulator::from_screen(from.clone());
        follower.resize(to.size());
        follow(&mut follower, from, to);
        // Of other terminals it is only asked that nothing breaks, that the cursor is right, and that none answers.
        for vocabulary in [Vocabulary::STOCK_PEER, Vocabulary::XTERM, Vocabulary::BASIC] {
            let mut terminal = Emulator::new(to.size());
            terminal.feed(&mpmosh_terminal::repaint(to, &vocabulary));
            assert_eq!(terminal.screen().cursor(), to.cursor());
            terminal.feed(&mpmosh_terminal::diff(to, from, &vocabulary));
            assert!(terminal.take_replies().is_empty(), "a diff asks for an answer");
        }
    }
}

fn follow(follower: &mut Emulator, from: &Screen, to: &Screen) {
    follower.feed(&mpmosh_terminal::diff(from, to, &Vocabulary::PEER));
    assert!(follower.screen() == to, "the follower shows something else");
    assert!(follower.take_replies().is_empty(), "a diff asks for an answer");
}
