//! Whether a file that can be read may be resumed (rule 7.4).

use super::frame::{FileMark, FrameKind, Parsed, Tail};
use super::{Then, Trouble};

/// What is known of the file and the machine.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    pub name: &'a str,
    /// `None`: the machine does not tell.
    pub boot: Option<&'a str>,
    /// Wall time now.
    pub now: f64,
    /// When the file's content was last written, and when anything about it last changed, as the
    /// file system says.
    pub modified: f64,
    pub changed: f64,
    /// `None`: it does not say.
    pub file: Option<FileMark>,
}

const HOUR: f64 = 3600.0;
/// Clocks are set back by a little all the time.
const SECOND: f64 = 1.0;
/// Between the time in a record and the file's own, which a slow write may lag behind.
const LAG: f64 = 2.0;

/// Says how to go on, or why not.
pub fn judge(parsed: &Parsed, about: Circumstances<'_>) -> Result<Then, Trouble> {
    if parsed.head.name != about.name {
        return Err(Trouble::Unreadable);
    }
    if parsed.written.is_nan() || parsed.written > about.now + SECOND {
        return Err(Trouble::Future);
    }
    if about.now - parsed.written > HOUR {
        return Err(Trouble::Stale);
    }
    let is_clean = parsed.last == FrameKind::End && parsed.tail == Tail::Whole;
    let same_boot = about.boot.is_some() && parsed.head.boot.as_deref() == about.boot;
    if !same_boot && !is_clean {
        return Err(Trouble::Boot);
    }
    // Older records put back: another file has the name now. Behind the mark that is a volume that
    // moved.
    let is_another = matches!((parsed.head.file, about.file), (Some(then), Some(now)) if then != now);
    if !is_clean && is_another {
        return Err(Trouble::Touched);
    }
    // Or written over: the file was touched after its last record was written. A torn tail
    // is younger than the record before it. Volumes change owners when they are mounted anew, so
    // after a clean end only the content counts.
    let touched = if is_clean { about.modified } else { about.changed.max(about.modified) };
    if parsed.tail == Tail::Whole && touched > parsed.written + LAG {
        return Err(Trouble::Touched);
    }
    Ok(if same_boot { Then::Append } else { Then::Replace })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::store::frame::Head;

    const ABOUT: Circumstances<'static> =
        Circumstances { name: "n", boot: Some("b"), now: 10_015.0, modified: 10_000.0, changed: 10_000.1, file: FILE };
    const FILE: Option<FileMark> = Some(FileMark { inode: 7, born_nanos: 9 });

    fn parsed(boot: &str, last: FrameKind) -> Parsed {
        let head = Head { boot: Some(boot.into()), name: "n".into(), file: FILE };
        Parsed { head, pieces: vec![], frames: 2, written: 10_000.0, last, good: 0, tail: Tail::Whole }
    }

    fn reason(parsed: &Parsed, about: Circumstances<'_>) -> &'static str {
        judge(parsed, about).map_or_else(|t| t.reason(), |then| if then == Then::Append { "append" } else { "replace" })
    }

    #[test]
    fn rule_7_4_who_is_resumed_and_who_is_not() {
        let (open, closed) = (parsed("b", FrameKind::Piece), parsed("b", FrameKind::End));
        assert_eq!(reason(&open, ABOUT), "append");
        assert_eq!(reason(&open, Circumstances { name: "m", ..ABOUT }), "unreadable");
        assert_eq!(reason(&open, Circumstances { now: 13_601.0, ..ABOUT }), "stale");
        assert_eq!(reason(&open, Circumstances { now: 13_600.0, ..ABOUT }), "append");
        assert_eq!(reason(&open, Circumstances { now: 9_990.0, ..ABOUT }), "future");
        assert_eq!(reason(&open, Circumstances { boot: Some("c"), ..ABOUT }), "boot");
        assert_eq!(reason(&open, Circumstances { boot: None, ..ABOUT }), "boot");
        assert_eq!(reason(&closed, Circumstances { boot: Some("c"), ..ABOUT }), "replace");
        assert_eq!(reason(&closed, ABOUT), "append");
        let nan = Parsed { written: f64::NAN, ..parsed("b", FrameKind::Piece) };
        assert_eq!(reason(&nan, ABOUT), "future");
    }

    #[test]
    fn rule_7_4_older_records_put_back_are_not_resumed() {
        let (open, closed) = (parsed("b", FrameKind::Piece), parsed("b", FrameKind::End));
        let put_back = Circumstances { changed: 10_010.0, ..ABOUT };
        assert_eq!((reason(&open, put_back), reason(&closed, put_back)), ("touched", "append"));
        let copied = Circumstances { modified: 10_010.0, ..put_back };
        assert_eq!((reason(&open, copied), reason(&closed, copied)), ("touched", "touched"));
        let copy = Circumstances { file: Some(FileMark { inode: 8, born_nanos: 9 }), ..ABOUT };
        assert_eq!((reason(&open, copy), reason(&closed, copy)), ("touched", "append"), "however soon");
        assert_eq!(reason(&open, Circumstances { file: None, ..ABOUT }), "append", "nobody can tell");
        let torn = Parsed { tail: Tail::Torn, ..parsed("b", FrameKind::Piece) };
        assert_eq!(reason(&torn, copied), "append", "killed while it wrote");
        assert_eq!(reason(&torn, copy), "touched");
        let torn_end = Parsed { tail: Tail::Torn, ..parsed("b", FrameKind::End) };
        assert_eq!(reason(&torn_end, Circumstances { boot: Some("c"), ..ABOUT }), "boot", "its mark was not the last");
    }
}
