//! Long random streams through an emulator, diffs, and a second emulator that only follows the diffs: what the fuzz
//! targets do (`tests/fuzz`), with data from a seed. `MPMOSH_OCTETS` says how many octets a seed gives (`make fuzz`: 10^7).

#[path = "../../tests/fuzz/bodies/terminal.rs"]
mod bodies;

use mpmosh_terminal::{Emulator, MAX_SIDE, Size, Vocabulary, diff};

/// A small generator, so that a seed says all (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    fn of<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len() as u64) as usize]
    }
}

/// Raw noise.
fn noise(random: &mut Random, out: &mut Vec<u8>) {
    out.push(random.next() as u8);
}

/// Noise with a grammar: what looks like sequences, most of them meaningful.
fn escapes(random: &mut Random, out: &mut Vec<u8>) {
    match random.below(18) {
        0..=4 => {
            for _ in 0..random.below(30) {
                out.push(b' ' + random.below(95) as u8);
            }
        }
        5..=8 => {
            out.extend(b"\x1b[");
            if random.below(6) == 0 {
                out.push(*random.of(b"?>=<!"));
            }
            for n in 0..random.below(4) {
                if n > 0 {
                    out.push(*random.of(b";;;:"));
                }
                let most = *random.of(&[10, 60, 120, 3000]);
                out.extend(random.below(most).to_string().bytes());
            }
            if random.below(12) == 0 {
                out.push(*random.of(b" !$\"'"));
            }
            out.push(b'@' + random.below(63) as u8);
        }
        9 => {
            let modes =
                [1, 3, 5, 6, 7, 9, 25, 47, 66, 69, 69, 1000, 1002, 1004, 1006, 1047, 1048, 1049, 2004, 2026];
            let (mode, on) = (random.of(&modes), random.of(&['h', 'l']));
            out.extend(format!("\x1b[?{mode}{on}").bytes());
        }
        10 => {
            out.push(0x1b);
            out.push(b' ' + random.below(95) as u8);
        }
        11 => out.push(*random.of(b"\n\r\t\x08\x07\x0e\x0f\x18\n\n\r\r")),
        12 => {
            let text = [
                "漢字",
                "é",
                "e\u{301}",
                "👩\u{200d}🔬",
                "☺\u{fe0f}",
                "👍🏽",
                "🇩🇪",
                "─│",
                "\u{9b}1m",
                "\u{85}",
            ];
            out.extend(random.of(&text).bytes());
        }
        13 => {
            let commands = ["0;t", "1;i", "2;w", "52;c;QQ==", "8;;http://x/", "8;;", "4;1;?", "52;c;?"];
            let end = *random.of(&["\x07", "\x1b\\"]);
            out.extend(format!("\x1b]{}{end}", random.of(&commands)).bytes());
        }
        14 => {
            // Margins on all sides, and what moves text between them.
            let side = |random: &mut Random| 1 + random.below(40);
            let [top, left, down, right] = [(); 4].map(|()| side(random));
            out.extend(format!("\x1b[?69h\x1b[{top};{}r\x1b[{left};{}s", top + down, left + right).bytes());
            let moves = ["@", "P", "L", "M", "S", "T", " @", " A", "'}", "'~", "b", "X", "I", "Z"];
            out.extend(format!("\x1b[{}{}", random.below(12), random.of(&moves)).bytes());
            let [top, left, more] = [(); 3].map(|()| side(random));
            let area = format!("{top};{left};{};{}", top + more, left + more);
            let (to, filler) = (side(random), 32 + random.below(220));
            let rectangles =
                [format!("{area};1;{to};{to};1$v"), format!("{filler};{area}$x"), format!("{area}$z")];
            out.extend(format!("\x1b[{}", random.of(&rectangles)).bytes());
        }
        15 => {
            for _ in 0..random.below(4) {
                out.extend(b"\r\nline ");
                out.extend(random.below(1000).to_string().bytes());
            }
        }
        _ => noise(random, out),
    }
}

/// Data for [`bodies::emulator`]: pieces, cut into its steps, now and then another size.
fn steps(seed: u64, piece: fn(&mut Random, &mut Vec<u8>)) -> Vec<u8> {
    let octets =
        std::env::var("MPMOSH_OCTETS").ok().and_then(|octets| octets.parse().ok()).unwrap_or(1_000_000);
    let mut random = Random(seed);
    let (mut data, mut bytes) = (Vec::with_capacity(octets), Vec::new());
    while data.len() < octets {
        let count = 1 + random.below(255) as usize;
        while bytes.len() < count * 4 {
            piece(&mut random, &mut bytes);
        }
        data.push(count as u8);
        data.extend(bytes.drain(..count * 4));
        if random.below(20) == 0 {
            let side = *random.of(&[3, 30, 150]);
            data.extend([0, 1 + random.below(side) as u8, 1 + random.below(side) as u8]);
        }
    }
    data
}

#[test]
fn a_follower_of_diffs_survives_a_million_octets_of_noise() {
    for seed in 1..=3 {
        println!("seed {seed}");
        bodies::emulator(&steps(seed, noise));
    }
}

#[test]
fn a_follower_of_diffs_survives_a_million_octets_of_escapes() {
    for seed in 11..=16 {
        println!("seed {seed}");
        bodies::emulator(&steps(seed, escapes));
    }
}

#[test]
fn any_two_screens_can_be_turned_into_each_other() {
    let mut random = Random(77);
    for _ in 0..300 {
        let mut data: Vec<u8> = (0..4).map(|_| 1 + random.below(120) as u8).collect();
        while data.len() < 4000 {
            escapes(&mut random, &mut data);
        }
        bodies::diff(&data);
    }
}

#[test]
fn a_storm_of_sizes_never_breaks_the_law() {
    let mut random = Random(5);
    let mut data = Vec::new();
    for _ in 0..150 {
        let mut bytes = Vec::new();
        while bytes.len() < 80 {
            escapes(&mut random, &mut bytes);
        }
        data.push(20);
        data.extend(&bytes[..80]);
        // As a window that is dragged gives them, and from one cell to a thousand by a thousand.
        for _ in 0..random.below(6) {
            let side = |random: &mut Random| match random.below(12) {
                0 => 1,
                1 => 255,
                _ => 2 + random.below(100) as u8,
            };
            data.extend([0, side(&mut random), side(&mut random)]);
        }
    }
    bodies::emulator(&data);
}

#[test]
fn any_size_is_survived() {
    let mut random = Random(99);
    let mut emulator = Emulator::new(Size { columns: 0, rows: 0 });
    assert_eq!(emulator.screen().size(), Size { columns: 1, rows: 1 });
    let sizes =
        [(1, 1), (1000, 1000), (1, 1000), (1000, 1), (2, 2), (65535, 65535), (80, 24), (0, 7), (1, 1)];
    for (columns, rows) in sizes {
        let before = emulator.screen().clone();
        emulator.resize(Size { columns, rows });
        let size = emulator.screen().size();
        assert!((1..=MAX_SIDE).contains(&size.columns) && (1..=MAX_SIDE).contains(&size.rows));
        let mut bytes = Vec::new();
        while bytes.len() < 20_000 {
            escapes(&mut random, &mut bytes);
        }
        emulator.feed(&bytes);
        let mut follower = Emulator::from_screen(before.clone());
        follower.resize(size);
        follower.feed(&diff(&before, emulator.screen(), &Vocabulary::PEER));
        assert!(follower.screen() == emulator.screen(), "{size:?}");
    }
}

#[test]
fn a_control_string_without_end_holds_nothing_back() {
    let mut emulator = Emulator::new(Size::default());
    for opening in [&b"\x1b]52;c;"[..], b"\x1bP", b"\x1b_", b"\x1bP$q", b"\x1b]0;"] {
        emulator.feed(opening);
        for _ in 0..200 {
            emulator.feed(&[b'A'; 10_000]);
        }
        emulator.feed(b"\x1b\\ok");
    }
    assert_eq!(emulator.screen().clipboard().content.len(), 0, "what may have been cut is not taken");
    assert!(emulator.screen().title().len() <= 256);
    let text: String =
        emulator.screen().row(0).unwrap().cells().iter().map(mpmosh_terminal::Cell::text).collect();
    assert_eq!(text.trim_end(), "okokokokok");
}
