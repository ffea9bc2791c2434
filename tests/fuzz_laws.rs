//! The laws of the fuzz targets (`make fuzz`), held on real bodies, on pieces of the syntax and on
//! what a few thousand mutations make of both. Needs no nightly compiler and finds the same each time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/bodies.rs"]
mod bodies;
#[path = "../fuzz/laws/mod.rs"]
mod laws;
#[path = "oracle/naive.rs"]
mod naive;

use std::panic::{AssertUnwindSafe, catch_unwind};

const MUTATIONS: usize = 2000;

/// Where a body is hit.
const PIECES: [&[u8]; 24] = [
    b"{",
    b"}",
    b"\"",
    b"\\",
    b"=",
    b",",
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xfe",
    b"\xc3",
    b"NaN",
    b"1e400",
    b"-1",
    b"# TYPE ",
    b"# HELP ",
    b"# EOF\n",
    b" # {",
    b"{a} 1\n",
    b"le=\"1\"",
    b"_bucket",
];

/// A generator that gives the same numbers each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// Holds a law on every seed and on mutations of them; a broken one tells its input.
fn on(seeds: &[Vec<u8>], pieces: &[&[u8]], law: fn(&[u8])) {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    seeds.iter().for_each(|seed| holds(law, seed));
    for _ in 0..MUTATIONS {
        let mut data = seeds[chance.below(seeds.len())].clone();
        for _ in 0..=chance.below(6) {
            let (at, piece) = (chance.below(data.len() + 1), pieces[chance.below(pieces.len())]);
            let end = (at + chance.below(20)).min(data.len());
            match chance.below(4) {
                0 => drop(data.splice(at..end, piece.iter().copied())),
                1 => drop(data.splice(at..at, piece.iter().copied())),
                2 => drop(data.splice(at..at, data[at..end].to_vec())),
                _ if at < data.len() => data[at] ^= 1 << chance.below(8),
                _ => data.truncate(chance.below(data.len())),
            }
        }
        holds(law, &data);
    }
}

fn holds(law: fn(&[u8]), data: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| law(data))).is_err() {
        panic!("broken by b\"{}\"", data.escape_ascii());
    }
}

/// Real bodies behind these choices: whole lines of them, so that a mutation hits something.
fn real(choices: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (i, (_, format, body)) in bodies::all().iter().enumerate() {
        let format = u8::from(*format == cardinality_guard::engine::model::Format::OpenMetrics);
        let lines: Vec<&str> = body.split_inclusive('\n').collect();
        let from = (i * 37) % lines.len().saturating_sub(40).max(1);
        let mut piece = lines[from..(from + 25).min(lines.len())].concat();
        if format == 1 && !piece.ends_with("# EOF\n") {
            piece += "# EOF\n";
        }
        // All of it twice, then some of it is broken, and some is gone for longer than it is remembered.
        let (half, broken) = (lines[from..][..12.min(lines.len())].concat(), piece.clone() + "!\n");
        let parts = [&*piece, &piece, &broken, &half, &half, &half, &piece].map(str::as_bytes);
        for (choices, slow) in choices.iter().zip([0, 2].into_iter().cycle()) {
            seeds.push([&[format | slow], *choices, &parts.join(&0xfe)].concat());
        }
    }
    seeds
}

#[test]
fn tokens() {
    on(&real(&[b"\x00\x00\x05", b"\x20\x03\x01"]), &PIECES, laws::tokens::hold);
}

#[test]
fn guard() {
    let choices: Vec<Vec<u8>> = (0..6).map(|policy| vec![policy, 6, policy % 2]).collect();
    on(&real(&choices.iter().map(Vec::as_slice).collect::<Vec<_>>()), &PIECES, laws::guard::hold);
}

/// A fuzzer found it: read in one piece, such a series counted as one line when it came again, and the
/// refusal named another line than the one that is bad.
#[test]
fn a_series_of_several_lines_comes_again() {
    let series = b"m{x=\"1\n2\",q=\"a\"} 1\n";
    let good = [series, &b"n 1\n"[..]].concat();
    let bad = [&good[..], series, series, b"bad\n"].concat();
    let body = [&good[..], b"\xfe", &good, b"\xfe", &good, b"bad\n\xfe", &bad].concat();
    for policy in 0..6 {
        laws::guard::hold(&[&[0, policy, 7, 0], &body[..]].concat());
    }
}

#[test]
fn oracle() {
    let mut chance = Chance(7);
    let seeds: Vec<Vec<u8>> = (0..100).map(|_| (0..200).map(|_| chance.below(256) as u8).collect()).collect();
    on(&seeds, &[b"\x00", b"\x01\x02\x03", b"\xff\x07"], laws::oracle::hold);
}

#[test]
fn policy() {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for file in std::fs::read_dir(bodies::root().join("../../policies")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            seeds.push(std::fs::read(path).unwrap());
        }
    }
    assert!(seeds.len() > 3);
    let pieces: [&[u8]; 14] = [
        b"- ",
        b": ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"&a",
        b"*a",
        b"\n",
        b"  ",
        b"'",
        b"(a+)+",
        b".{1000}{1000}",
        b"action: limit",
    ];
    on(&seeds, &pieces, laws::policy::hold);
}

#[test]
fn request() {
    let seeds = [
        "exporter:9100",
        "http://exporter:9100/metrics?a=b#c",
        "https://[::ffff:127.0.0.1]:9100/",
        "127.0.0.1:80",
        "a.0x7f.1:80",
        "http://ok@evil/x",
    ];
    let pieces: [&[u8]; 16] = [
        b"@", b":", b"/", b"//", b"%00", b"%2e", b"..", b"#", b"?", b"[", b"]", b"0x", b"0177.", b".", b"\\",
        b"http://",
    ];
    on(&seeds.map(|seed| seed.as_bytes().to_vec()), &pieces, laws::request::hold);
}
