//! The file of one state: a head that says whose it is, then frames, each with a checksum.
//!
//! ```text
//! head   magic 8 | version 4 | length 4 | boot id and name | hash 8
//! frame  length 4 | kind 4 | wall time 8 | hash of payload 8 | hash of this and its number 8 | payload
//! ```
//!
//! A frame's head has a hash of its own, so that a length that rotted is not taken for a tail that
//! was cut: only a file that ends too early is torn, and that is the scrape that never answered.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use serde::{Deserialize, Serialize};

use super::Trouble;

/// Whose state, and under which boot of the machine it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub boot: Option<String>,
    pub name: String,
    /// `None`: the file system does not tell.
    pub file: Option<FileMark>,
}

/// What tells a file from a copy of it that was put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    pub inode: u64,
    /// Since the epoch.
    pub born_nanos: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    Piece,
    /// The mark of a clean shutdown; counts only as the last one.
    End,
}

/// A file, read.
#[derive(Debug)]
pub struct Parsed {
    pub head: Head,
    pub pieces: Vec<Vec<u8>>,
    pub frames: u64,
    /// Wall time of the last frame.
    pub written: f64,
    pub last: FrameKind,
    /// Where a torn tail begins, or the file ends.
    pub good: u64,
    pub tail: Tail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    Whole,
    Torn,
}

const MAGIC: [u8; 8] = *b"cgstate\n";
pub const VERSION: u32 = 5;
const FRAME_HEAD: usize = 32;
/// Fixed: it guards against decay, not against an enemy.
const SECRETS: RapidSecrets = RapidSecrets::seed(0x6361_7264_696e_616c);

pub fn write_head(head: &Head, out: &mut Vec<u8>) {
    let start = out.len();
    let text = postcard::to_allocvec(head).unwrap_or_default();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(&text);
    let check = hash(&out[start..]);
    out.extend_from_slice(&check.to_le_bytes());
}

/// `number` counts the frames of the file from 0.
pub fn write_frame(kind: FrameKind, number: u64, wall_seconds: f64, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&(kind as u32).to_le_bytes());
    out.extend_from_slice(&wall_seconds.to_le_bytes());
    out.extend_from_slice(&hash(payload).to_le_bytes());
    let check = head_check(&out[start..], number);
    out.extend_from_slice(&check.to_le_bytes());
    out.extend_from_slice(payload);
}

pub fn parse(bytes: &[u8]) -> Result<Parsed, Trouble> {
    let (head, mut rest) = parse_head(bytes)?;
    let mut parsed = Parsed {
        head,
        pieces: Vec::new(),
        frames: 0,
        written: 0.0,
        last: FrameKind::Piece,
        good: (bytes.len() - rest.len()) as u64,
        tail: Tail::Whole,
    };
    while !rest.is_empty() {
        let Some((head, after)) = rest.split_at_checked(FRAME_HEAD) else {
            parsed.tail = Tail::Torn;
            break;
        };
        let (len, kind, wall, check) = parse_frame_head(head, parsed.frames)?;
        let Some((payload, next)) = after.split_at_checked(len) else {
            parsed.tail = Tail::Torn;
            break;
        };
        if hash(payload) != check {
            return Err(Trouble::Unreadable);
        }
        if kind == FrameKind::Piece {
            parsed.pieces.push(payload.to_vec());
        }
        (parsed.last, parsed.written) = (kind, wall);
        parsed.frames += 1;
        parsed.good += (FRAME_HEAD + len) as u64;
        rest = next;
    }
    if parsed.pieces.is_empty() { Err(Trouble::Unreadable) } else { Ok(parsed) }
}

fn parse_head(bytes: &[u8]) -> Result<(Head, &[u8]), Trouble> {
    let unreadable = || Trouble::Unreadable;
    let rest = bytes.strip_prefix(&MAGIC).ok_or_else(unreadable)?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(unreadable)?;
    if u32::from_le_bytes(*version) != VERSION {
        return Err(Trouble::Version);
    }
    let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(unreadable)?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(unreadable)?;
    let checked = bytes.len() - rest.len();
    let (check, rest) = rest.split_first_chunk::<8>().ok_or_else(unreadable)?;
    if hash(&bytes[..checked]) != u64::from_le_bytes(*check) {
        return Err(unreadable());
    }
    Ok((postcard::from_bytes(text).map_err(|_| unreadable())?, rest))
}

fn parse_frame_head(head: &[u8], number: u64) -> Result<(usize, FrameKind, f64, u64), Trouble> {
    let part = |at: usize| head.get(at..at + 8).and_then(|b| b.try_into().ok()).ok_or(Trouble::Unreadable);
    let (wall, check, own) = (part(8)?, part(16)?, part(24)?);
    if head_check(&head[..24], number) != u64::from_le_bytes(own) {
        return Err(Trouble::Unreadable);
    }
    let first = u64::from_le_bytes(part(0)?);
    let kind = match (first >> 32) as u32 {
        kind if kind == FrameKind::Piece as u32 => FrameKind::Piece,
        kind if kind == FrameKind::End as u32 => FrameKind::End,
        _ => return Err(Trouble::Unreadable),
    };
    Ok((first as u32 as usize, kind, f64::from_le_bytes(wall), u64::from_le_bytes(check)))
}

fn head_check(head: &[u8], number: u64) -> u64 {
    hash(&[head, &number.to_le_bytes()].concat())
}

fn hash(bytes: &[u8]) -> u64 {
    rapidhash_v3_seeded(bytes, &SECRETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (Vec<u8>, usize) {
        let mut bytes = Vec::new();
        write_head(&Head { boot: Some("b".into()), name: "text http://x:1/".into(), file: None }, &mut bytes);
        write_frame(FrameKind::Piece, 0, 1.0, b"everything", &mut bytes);
        let last = bytes.len();
        write_frame(FrameKind::Piece, 1, 2.0, b"a change", &mut bytes);
        (bytes, last)
    }

    #[test]
    fn rule_7_4_a_torn_last_record_is_dropped_wherever_it_is_torn() {
        let (bytes, last) = file();
        assert_eq!(parse(&bytes).unwrap().pieces, [b"everything".to_vec(), b"a change".to_vec()]);
        for cut in last..bytes.len() {
            let parsed = parse(&bytes[..cut]).unwrap();
            assert_eq!((parsed.pieces.len(), parsed.good), (1, last as u64), "cut at {cut}");
            assert_eq!(parsed.tail, if cut == last { Tail::Whole } else { Tail::Torn });
        }
        for cut in 0..last {
            assert!(parse(&bytes[..cut]).is_err(), "without a whole piece there is nothing: {cut}");
        }
    }

    #[test]
    fn rule_7_4_no_bit_rots_unseen() {
        let (bytes, _) = file();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn rule_7_4_records_have_their_place() {
        let mut bytes = Vec::new();
        write_head(&Head { boot: None, name: "x".into(), file: None }, &mut bytes);
        let head = bytes.len();
        write_frame(FrameKind::Piece, 0, 1.0, b"a", &mut bytes);
        let again = bytes[head..].to_vec();
        bytes.extend_from_slice(&again);
        assert!(parse(&bytes).is_err());
    }

    #[test]
    fn rule_7_4_another_version_is_told_from_damage() {
        let (mut bytes, _) = file();
        bytes[8] = VERSION as u8 + 1;
        assert!(matches!(parse(&bytes), Err(Trouble::Version)));
    }
}
