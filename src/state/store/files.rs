//! A directory with one file per endpoint and format: everything, then what each scrape changed.
//!
//! **Given to the kernel is enough.** `kill -9` loses nothing that `write` has taken, so a scrape
//! never waits for a disk to turn. A power cut may lose it, which is why a file of another boot is
//! resumed only behind the mark of a clean shutdown, and that mark is synced.
//!
//! **Never behind what was exposed** (rule 7.3). A file that misses one answered scrape is worse
//! than none: resumed, it would show less than Prometheus has stored, and the way back up would be
//! an increase that never was. So whenever a write fails, the file goes before the scrape is
//! answered: removed, or emptied where that is not allowed. The next scrape writes everything anew.
//! What remains is a disk that takes neither a record nor a removal, a process killed then, and the
//! disk well again within the hour without a reboot.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};

use super::doomed::Doomed;
use super::frame::{self, FileMark, FrameKind, Head, Parsed, Tail};
use super::judge::{Circumstances, judge};
use super::lock::{LockError, lock};
use super::{Kept, StateName, StateStore, Then, Trouble};
use crate::engine::model::room;

#[derive(Debug)]
pub struct FileStore {
    directory: PathBuf,
    boot: Option<String>,
    wall_seconds: fn() -> f64,
    logs: Mutex<HashMap<StateName, Log>>,
    doomed: Doomed,
    temporaries: AtomicU64,
    _lock: File,
}

/// A file as it should be.
#[derive(Clone, Copy, Debug)]
struct Log {
    len: u64,
    /// Where the changes begin.
    whole: u64,
    frames: u64,
    /// Torn: what lies behind `len` is cut off by the next record, and not before, because a cut
    /// alone would look as if somebody else had written to it.
    tail: Tail,
}

/// Changes may grow to this, or to so many times the size of everything, before everything is written
/// anew: what is written twice is dear in every scrape, what is read once at the start is not.
const LEAST_LOG: u64 = 64 << 10;
const MOST_LOG: u64 = 4;
/// Files set aside, for whoever wants to know what was wrong with them.
const ASIDE: usize = 16;
const STATE: &str = "state";

impl FileStore {
    /// Owns the directory from now on, which is made if need be.
    pub fn open(directory: &Path) -> Result<FileStore, LockError> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        FileStore::with(directory, boot.map(|id| id.trim().to_owned()), wall_seconds)
    }

    fn with(directory: &Path, boot: Option<String>, wall_seconds: fn() -> f64) -> Result<FileStore, LockError> {
        let store = FileStore {
            _lock: lock(directory)?,
            directory: directory.to_owned(),
            boot,
            wall_seconds,
            logs: Mutex::default(),
            doomed: Doomed::default(),
            temporaries: AtomicU64::new(0),
        };
        for path in store.files("tmp") {
            let _ = fs::remove_file(path);
        }
        Ok(store)
    }

    fn path(&self, name: &StateName) -> PathBuf {
        let hash: String = Md5::digest(name.as_str()).iter().map(|b| format!("{b:02x}")).collect();
        self.directory.join(hash).with_extension(STATE)
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<StateName, Log>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == extension)).collect()
    }

    fn resume(&self, name: &StateName, path: &Path) -> Result<Option<Kept>, Trouble> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        // What cannot be added to would soon be behind.
        let file = OpenOptions::new().write(true).open(path)?;
        let about = file.metadata()?;
        let parsed = frame::parse(&bytes)?;
        let circumstances = Circumstances {
            name: name.as_str(),
            boot: self.boot.as_deref(),
            now: (self.wall_seconds)(),
            modified: seconds(about.mtime(), about.mtime_nsec()),
            changed: seconds(about.ctime(), about.ctime_nsec()),
            file: mark(&about),
        };
        let then = judge(&parsed, circumstances)?;
        let Parsed { pieces, frames, good, tail, .. } = parsed;
        let whole = pieces.first().map_or(0, Vec::len) as u64;
        if then == Then::Append {
            self.logs().insert(name.clone(), Log { len: good, whole, frames, tail });
        }
        Ok(Some(Kept { pieces, then }))
    }

    fn add(&self, name: &StateName, kind: FrameKind, payload: &[u8]) -> Result<(Log, File), Trouble> {
        let log = self.logs().get(name).copied();
        let log = log.ok_or_else(|| io::Error::other("nothing to add to"))?;
        let mut file = OpenOptions::new().append(true).open(self.path(name))?;
        match log.tail {
            Tail::Torn => file.set_len(log.len)?,
            Tail::Whole if file.metadata()?.len() != log.len => return Err(Trouble::Touched),
            Tail::Whole => {}
        }
        let mut bytes = room::with_room(payload.len() + 64);
        frame::write_frame(kind, log.frames, (self.wall_seconds)(), payload, &mut bytes);
        file.write_all(&bytes)?;
        let log = Log { len: log.len + bytes.len() as u64, frames: log.frames + 1, tail: Tail::Whole, ..log };
        if let Some(known) = self.logs().get_mut(name) {
            *known = log;
        }
        Ok((log, file))
    }

    fn write_whole(&self, name: &StateName, piece: &[u8], wanted: &AtomicBool) -> Result<(), Trouble> {
        let path = self.path(name);
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{number}.tmp"));
        let written = self.write_new(&temporary, name, piece).and_then(|len| match wanted.load(Ordering::SeqCst) {
            true => fs::rename(&temporary, &path).map(|()| len),
            false => Err(io::Error::other("too late")),
        });
        let len = match written {
            Ok(len) => len,
            Err(error) => {
                let _ = fs::remove_file(&temporary);
                return Err(error.into());
            }
        };
        self.logs().insert(name.clone(), Log { len, whole: len, frames: 1, tail: Tail::Whole });
        // Whoever stopped wanting it before the rename may have removed what was there before it.
        match wanted.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(Trouble::Slow),
        }
    }

    /// A file that knows itself; says how long it is.
    fn write_new(&self, path: &Path, name: &StateName, piece: &[u8]) -> io::Result<u64> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let head = Head { boot: self.boot.clone(), name: name.as_str().to_owned(), file: mark(&file.metadata()?) };
        let mut bytes = room::with_room(piece.len() + 256);
        frame::write_head(&head, &mut bytes);
        frame::write_frame(FrameKind::Piece, 0, (self.wall_seconds)(), piece, &mut bytes);
        file.write_all(&bytes)?;
        Ok(bytes.len() as u64)
    }

    fn sync_directory(&self) -> Result<(), Trouble> {
        Ok(File::open(&self.directory)?.sync_all()?)
    }

    /// Keeps the youngest of what was set aside.
    fn forget_old_asides(&self) {
        let mut aside: Vec<_> = self.files("aside").into_iter().map(|p| (modified(&p), p)).collect();
        aside.sort();
        let excess = aside.len().saturating_sub(ASIDE);
        for (_, path) in aside.into_iter().take(excess) {
            let _ = fs::remove_file(path);
        }
    }
}

impl StateStore for FileStore {
    fn load(&self, name: &StateName) -> Result<Option<Kept>, Trouble> {
        self.clear(name);
        let kept = self.resume(name, &self.path(name));
        if kept.is_err() {
            self.set_aside(name);
        }
        kept
    }

    fn append(&self, name: &StateName, piece: &[u8], wanted: &AtomicBool) -> Result<Then, Trouble> {
        if !wanted.load(Ordering::SeqCst) {
            return Err(Trouble::Slow);
        }
        match self.add(name, FrameKind::Piece, piece) {
            Ok((log, _)) if log.len - log.whole > (MOST_LOG * log.whole).max(LEAST_LOG) => Ok(Then::Replace),
            Ok(_) => Ok(Then::Append),
            Err(trouble) => {
                self.discard(name);
                Err(trouble)
            }
        }
    }

    fn replace(&self, name: &StateName, piece: &[u8], wanted: &AtomicBool) -> Result<Then, Trouble> {
        match self.write_whole(name, piece, wanted) {
            Ok(()) => Ok(Then::Append),
            Err(trouble) => {
                self.discard(name);
                Err(trouble)
            }
        }
    }

    fn sync(&self, name: &StateName) -> Result<(), Trouble> {
        File::open(self.path(name))?.sync_all()?;
        self.sync_directory()
    }

    fn close(&self, name: &StateName) -> Result<(), Trouble> {
        // What comes before the mark has to be on the disk before the mark is.
        File::open(self.path(name))?.sync_all()?;
        self.sync_directory()?;
        let (_, file) = self.add(name, FrameKind::End, &[])?;
        Ok(file.sync_all()?)
    }

    fn discard(&self, name: &StateName) {
        self.logs().remove(name);
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // The directory may be closed to us, the file need not be.
                let _ = OpenOptions::new().write(true).truncate(true).open(&path);
            }
            _ => {}
        }
    }

    fn set_aside(&self, name: &StateName) {
        self.logs().remove(name);
        let path = self.path(name);
        let millis = ((self.wall_seconds)() * 1000.0) as u64;
        if fs::rename(&path, path.with_extension(format!("{millis}.aside"))).is_err() {
            self.discard(name);
        }
        self.forget_old_asides();
    }

    fn doom(&self, name: StateName) {
        self.doomed.add(name);
    }

    fn clear(&self, name: &StateName) {
        self.doomed.clear(name, || self.discard(name));
    }

    fn clean(&self, ttl: Duration) {
        let known: Vec<PathBuf> = self.logs().keys().map(|name| self.path(name)).collect();
        let Some(oldest) = SystemTime::now().checked_sub(ttl) else { return };
        for path in [STATE, "aside"].iter().flat_map(|e| self.files(e)) {
            if modified(&path).is_some_and(|at| at < oldest) && !known.contains(&path) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Not every file system knows when a file was born.
fn mark(about: &fs::Metadata) -> Option<FileMark> {
    let born = about.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(FileMark { inode: about.ino(), born_nanos: born.as_nanos() as u64 })
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn seconds(seconds: i64, nanos: i64) -> f64 {
    seconds as f64 + nanos as f64 / 1e9
}

fn wall_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::Format;
    use crate::settings::Scheme;
    use crate::state::EndpointKey;

    static WANTED: AtomicBool = AtomicBool::new(true);

    fn name(port: u16) -> StateName {
        let key = EndpointKey { scheme: Scheme::Http, host: "x".into(), port, path_and_query: "/metrics".into() };
        StateName::new(&key, Format::Text)
    }

    fn store(dir: &Path, boot: &str) -> FileStore {
        FileStore::with(dir, Some(boot.into()), wall_seconds).unwrap()
    }

    fn fill(store: &FileStore) {
        assert_eq!(store.replace(&name(1), b"everything", &WANTED).unwrap(), Then::Append);
        assert_eq!(store.append(&name(1), b"a change", &WANTED).unwrap(), Then::Append);
    }

    fn pieces(store: &FileStore) -> Option<Vec<Vec<u8>>> {
        store.load(&name(1)).unwrap().map(|kept| kept.pieces)
    }

    fn refused(store: &FileStore) -> &'static str {
        let reason = store.load(&name(1)).unwrap_err().reason();
        assert!(store.load(&name(1)).unwrap().is_none(), "set aside");
        assert_eq!(store.files("aside").len(), 1);
        reason
    }

    #[test]
    fn rule_7_2_what_was_written_is_read_by_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        fill(&store(dir.path(), "boot"));
        let next = store(dir.path(), "boot");
        assert_eq!(pieces(&next).unwrap(), [b"everything".to_vec(), b"a change".to_vec()]);
        next.append(&name(1), b"another", &WANTED).unwrap();
        drop(next);
        assert_eq!(pieces(&store(dir.path(), "boot")).unwrap().len(), 3);
    }

    #[test]
    fn rule_7_4_another_boot_is_resumed_only_behind_the_mark() {
        let dir = tempfile::tempdir().unwrap();
        let first = store(dir.path(), "one");
        fill(&first);
        first.close(&name(1)).unwrap();
        drop(first);
        let second = store(dir.path(), "two");
        assert_eq!(second.load(&name(1)).unwrap().unwrap().then, Then::Replace);
        second.replace(&name(1), b"everything", &WANTED).unwrap();
        drop(second);
        assert_eq!(refused(&store(dir.path(), "three")), "boot");
    }

    #[test]
    fn rule_7_4_a_copy_of_older_records_is_not_resumed_however_soon_it_is_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let first = store(dir.path(), "boot");
        fill(&first);
        let (path, kept) = (first.path(&name(1)), dir.path().join("older"));
        let times = fs::metadata(&path).unwrap().modified().unwrap();
        fs::copy(&path, &kept).unwrap();
        first.append(&name(1), b"shown, and lost by a power cut", &WANTED).unwrap();
        drop(first);
        fs::rename(&kept, &path).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
        assert_eq!(refused(&store(dir.path(), "boot")), "touched");
    }

    #[test]
    fn rule_7_4_too_old_or_from_the_future() {
        for (wall, reason) in
            [((|| wall_seconds() + 3700.0) as fn() -> f64, "stale"), (|| wall_seconds() - 60.0, "future")]
        {
            let dir = tempfile::tempdir().unwrap();
            fill(&store(dir.path(), "boot"));
            assert_eq!(refused(&FileStore::with(dir.path(), Some("boot".into()), wall).unwrap()), reason);
        }
    }

    #[test]
    fn rule_7_4_a_torn_tail_is_cut_off_and_gone_on_from() {
        let dir = tempfile::tempdir().unwrap();
        let first = store(dir.path(), "boot");
        fill(&first);
        let path = first.path(&name(1));
        drop(first);
        let len = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
        let next = store(dir.path(), "boot");
        assert_eq!(pieces(&next).unwrap(), [b"everything".to_vec()]);
        next.append(&name(1), b"again", &WANTED).unwrap();
        drop(next);
        assert_eq!(pieces(&store(dir.path(), "boot")).unwrap(), [b"everything".to_vec(), b"again".to_vec()]);
    }

    #[test]
    fn rule_7_4_a_torn_tail_that_was_read_and_not_written_to_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let a_while_ago = || wall_seconds() - 10.0;
        let first = FileStore::with(dir.path(), Some("boot".into()), a_while_ago).unwrap();
        fill(&first);
        let path = first.path(&name(1));
        drop(first);
        let len = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
        for _ in 0..2 {
            assert_eq!(pieces(&store(dir.path(), "boot")).unwrap(), [b"everything".to_vec()]);
        }
    }

    #[test]
    fn rule_7_4_another_version_and_damage_are_set_aside() {
        for (at, reason) in [(8, "version"), (40, "unreadable")] {
            let dir = tempfile::tempdir().unwrap();
            let first = store(dir.path(), "boot");
            fill(&first);
            let path = first.path(&name(1));
            drop(first);
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 0x40;
            fs::write(&path, bytes).unwrap();
            assert_eq!(refused(&store(dir.path(), "boot")), reason);
        }
    }

    #[test]
    fn rule_7_3_after_a_write_that_failed_nothing_is_resumed() {
        let dir = tempfile::tempdir().unwrap();
        let first = store(dir.path(), "boot");
        fill(&first);
        // As if somebody else wrote to it: this change cannot be added.
        fs::write(first.path(&name(1)), b"x").unwrap();
        assert!(first.append(&name(1), b"lost", &WANTED).is_err());
        assert!(!first.path(&name(1)).exists());
        assert!(first.append(&name(1), b"lost too", &WANTED).is_err());
        drop(first);
        assert!(pieces(&store(dir.path(), "boot")).is_none());
    }

    #[test]
    fn rule_7_3_what_comes_too_late_never_appears() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), "boot");
        fill(&store);
        assert!(store.replace(&name(1), b"late", &AtomicBool::new(false)).is_err());
        assert!(store.files(STATE).is_empty() && store.files("tmp").is_empty());
    }

    #[test]
    fn one_process_owns_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = FileStore::open(dir.path()).unwrap();
        assert!(matches!(FileStore::open(dir.path()), Err(LockError::Busy)));
        drop(first);
        assert!(FileStore::open(dir.path()).is_ok());
    }

    #[test]
    fn changes_that_outgrow_everything_ask_for_everything() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), "boot");
        fill(&store);
        let change = vec![7; LEAST_LOG as usize / 4];
        let then: Vec<Then> = (0..4).map(|_| store.append(&name(1), &change, &WANTED).unwrap()).collect();
        assert_eq!(then, [Then::Append, Then::Append, Then::Append, Then::Replace]);
    }

    #[test]
    fn who_is_forgotten_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), "boot");
        fill(&store);
        store.doom(name(1));
        assert!(pieces(&store).is_none(), "even when it is asked for again before it was removed");
        store.replace(&name(1), b"anew", &WANTED).unwrap();
        store.clear(&name(1));
        assert_eq!(store.files(STATE).len(), 1, "the new one stays");
        store.doom(name(1));
        store.clear(&name(1));
        assert!(store.files(STATE).is_empty());
    }

    #[test]
    fn what_is_set_aside_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), "boot");
        for i in 0..ASIDE + 5 {
            fs::write(dir.path().join(format!("{i}.aside")), b"x").unwrap();
        }
        fill(&store);
        store.set_aside(&name(1));
        assert_eq!(store.files("aside").len(), ASIDE);
    }

    #[test]
    fn files_nobody_asked_for_are_cleaned_away() {
        let dir = tempfile::tempdir().unwrap();
        fill(&store(dir.path(), "boot"));
        let next = store(dir.path(), "boot");
        next.clean(Duration::from_secs(60));
        assert_eq!(next.files(STATE).len(), 1, "too young");
        std::thread::sleep(Duration::from_millis(20));
        next.clean(Duration::from_millis(10));
        assert!(next.files(STATE).is_empty());
    }
}
