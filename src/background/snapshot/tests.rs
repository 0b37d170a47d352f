use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::clock::Now;
use crate::json::Object;
use crate::policy::WhenStale;
use crate::revocation::Revocations;
use crate::revocation::freshness::{Bounds, Freshness};

const ISSUER: &str = "https://as.example/";
const SOURCE: &str = "https://as.example/revocations";
const NOW: Now = Now { wall: UnixTime::from_secs(1_795_000_000), uptime: Duration::from_secs(100) };

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tower-bearer-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("revocations.bin")
    }

    fn open(&self) -> Snapshot {
        Snapshot::new(self.path(), ISSUER, SOURCE, "rules")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn entry(name: &str, value: &str, issued_before: Option<i64>) -> Entry {
    Entry {
        claims: vec![(name.into(), value.into())],
        issued_before,
        said_at: 0,
        withdrawn: false,
        ends: NOW.wall.plus(Duration::from_secs(3600)),
        open_ended: false,
    }
}

fn revocations() -> Revocations {
    let bounds = Bounds {
        max_staleness: Duration::from_secs(30),
        expires_after: Duration::from_secs(300),
        when_stale: WhenStale::Refuse,
        poll_interval: Duration::from_secs(1),
    };
    Revocations::new(Freshness::new(bounds), SOURCE.to_owned())
}

fn revokes(revocations: &Revocations, claims: &str) -> bool {
    revocations.revokes(&Object::parse(claims.into(), 4, 16).unwrap(), Some(UnixTime::from_secs(50)))
}

fn answered(cursor: &str) -> Answered {
    Answered { cursor: Some(cursor.to_owned()), confirmed: NOW.wall }
}

/// What a process that starts now has in force.
fn restored(folder: &Folder) -> (Revocations, Option<Answered>) {
    let restored = folder.open().load().unwrap().unwrap();
    let revocations = revocations();
    revocations.import(&restored.exported, NOW).unwrap();
    for (as_of, entries) in restored.entries {
        revocations.apply(&entries, as_of, NOW).unwrap();
    }
    (revocations, restored.answered)
}

/// A snapshot with one identifier in the image.
fn kept(folder: &Folder) -> Snapshot {
    let known = revocations();
    known.apply(&[entry("jti", "t-1", None)], NOW.wall, NOW).unwrap();
    let mut snapshot = folder.open();
    assert!(snapshot.load().unwrap().is_none() && snapshot.is_due(NOW.wall));
    snapshot.replace(&known.export(NOW), Some(&answered("c1")), NOW.wall).unwrap();
    assert!(!snapshot.is_due(NOW.wall));
    snapshot
}

#[test]
fn image_and_journal_together_are_what_was_in_force() {
    let folder = Folder::new();
    let mut snapshot = kept(&folder);
    snapshot.note_entries(&[entry("sub", "u", Some(50))], NOW.wall).unwrap();
    snapshot.note_answer(&answered("c2"), Duration::from_secs(5)).unwrap();
    snapshot.settle().unwrap();
    // Killed: nothing is done in order.
    drop(snapshot);
    let (known, last) = restored(&folder);
    assert!(revokes(&known, r#"{"jti":"t-1"}"#) && revokes(&known, r#"{"sub":"u"}"#));
    assert!(!revokes(&known, r#"{"jti":"t-2","sub":"v"}"#));
    assert_eq!(last, Some(answered("c2")));
}

#[test]
fn what_was_noted_before_an_answer_was_complete_is_there() {
    let folder = Folder::new();
    kept(&folder).note_entries(&[entry("jti", "t-2", None)], NOW.wall).unwrap();
    let (known, last) = restored(&folder);
    assert!(revokes(&known, r#"{"jti":"t-2"}"#));
    assert_eq!(last, Some(answered("c1")));
}

#[test]
fn after_a_flaw_everything_is_asked_for() {
    let folder = Folder::new();
    let mut snapshot = kept(&folder);
    snapshot.note_flaw().unwrap();
    drop(snapshot);
    let (known, last) = restored(&folder);
    assert!(revokes(&known, r#"{"jti":"t-1"}"#) && last.is_none());
}

#[test]
fn answers_are_noted_when_that_is_worth_it() {
    let folder = Folder::new();
    let mut snapshot = kept(&folder);
    let length = || fs::metadata(folder.path().with_extension("bin.journal")).unwrap().len();
    let often = Duration::from_secs(5);
    let at = |secs, cursor: &str| Answered {
        confirmed: NOW.wall.plus(Duration::from_secs(secs)),
        ..answered(cursor)
    };
    let mut before = length();
    for (secs, cursor, noted) in [
        (1, "c1", false),
        (4, "c1", false),
        (5, "c1", true),
        (6, "c2", true),
        (7, "c2", false),
        (3, "c2", true),
        (4, "c2", false),
    ] {
        snapshot.note_answer(&at(secs, cursor), often).unwrap();
        assert_eq!(length() > before, noted, "{secs} s, {cursor}");
        before = length();
    }
}

/// Every byte of an image matters: with any other value, or cut short anywhere, nothing of it is used.
#[test]
fn a_damaged_or_truncated_image_is_refused() {
    let folder = Folder::new();
    drop(kept(&folder));
    let whole = fs::read(folder.path()).unwrap();
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        fs::write(folder.path(), &damaged).unwrap();
        assert!(folder.open().load().is_err(), "byte {place}");
        fs::write(folder.path(), &whole[..place]).unwrap();
        assert!(matches!(folder.open().load(), Err(SnapshotError::Damaged(_))), "length {place}");
    }
    let longer = [whole.as_slice(), b"x"].concat();
    fs::write(folder.path(), longer).unwrap();
    assert!(matches!(folder.open().load(), Err(SnapshotError::Damaged(_))));
    // And it is made anew.
    let mut snapshot = folder.open();
    snapshot.load().unwrap_err();
    assert!(snapshot.is_due(NOW.wall));
    snapshot.replace(&revocations().export(NOW), None, NOW.wall).unwrap();
    assert!(folder.open().load().unwrap().is_some());
}

#[test]
fn a_journal_that_is_cut_short_is_gone_on_with_after_its_last_sound_record() {
    let folder = Folder::new();
    let mut snapshot = kept(&folder);
    snapshot.note_entries(&[entry("jti", "t-2", None)], NOW.wall).unwrap();
    drop(snapshot);
    let path = folder.path().with_extension("bin.journal");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([40, 0, 0, 0, 1, 2, 3]);
    fs::write(&path, bytes).unwrap();
    let mut again = folder.open();
    assert_eq!(again.load().unwrap().unwrap().entries.len(), 1);
    again.note_entries(&[entry("jti", "t-3", None)], NOW.wall).unwrap();
    drop(again);
    let (known, _) = restored(&folder);
    assert!(revokes(&known, r#"{"jti":"t-2"}"#) && revokes(&known, r#"{"jti":"t-3"}"#));
}

/// Strangers can make tenants up, each with a path of its own.
#[test]
fn where_there_is_nothing_a_look_leaves_nothing() {
    let folder = Folder::new();
    let mut snapshot = Snapshot::new(folder.0.join("made-up/revocations.bin"), ISSUER, SOURCE, "rules");
    assert!(snapshot.load().unwrap().is_none());
    snapshot.note_entries(&[entry("jti", "t", None)], NOW.wall).unwrap();
    snapshot.check_kept().unwrap();
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let folder = Folder::new();
    fs::write(folder.path(), "root:x:0:0").unwrap();
    let mut snapshot = folder.open();
    assert!(matches!(snapshot.load(), Err(SnapshotError::NotASnapshot(_))));
    assert!(
        !snapshot.is_due(NOW.wall) && snapshot.replace(&revocations().export(NOW), None, NOW.wall).is_err()
    );
    assert_eq!(fs::read(folder.path()).unwrap(), b"root:x:0:0");
    drop(snapshot);
    fs::remove_file(folder.path()).unwrap();
    drop(kept(&folder));
    let mut others = Snapshot::new(folder.path(), "https://other.example/", SOURCE, "rules");
    assert!(matches!(others.load(), Err(SnapshotError::OtherIssuer { .. })));
    assert!(others.replace(&revocations().export(NOW), None, NOW.wall).is_err());
    drop(others);
    let mut moved = Snapshot::new(folder.path(), ISSUER, "https://as.example/v2/revocations", "rules");
    assert!(matches!(moved.load(), Err(SnapshotError::OtherSource { .. })));
    moved.replace(&revocations().export(NOW), None, NOW.wall).unwrap();
}

#[test]
fn one_process_writes_and_the_next_takes_over() {
    let folder = Folder::new();
    let mut first = kept(&folder);
    let mut second = folder.open();
    assert!(second.load().unwrap().is_some(), "what is there may be read");
    assert!(matches!(second.check_kept(), Err(SnapshotError::Locked(_))));
    second.note_entries(&[entry("jti", "of the second", None)], NOW.wall).unwrap();
    assert!(matches!(
        second.replace(&revocations().export(NOW), None, NOW.wall),
        Err(SnapshotError::Locked(_))
    ));
    first.note_entries(&[entry("jti", "of the first", None)], NOW.wall).unwrap();
    drop(first);
    let known = revocations();
    known.apply(&[entry("jti", "of the second", None)], NOW.wall, NOW).unwrap();
    assert!(second.is_due(NOW.wall));
    second.replace(&known.export(NOW), None, NOW.wall).unwrap();
    second.check_kept().unwrap();
    drop(second);
    assert!(revokes(&restored(&folder).0, r#"{"jti":"of the second"}"#));
}

/// A state that lacks what was put in force must not be found by the next process.
#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_there_is_no_snapshot_until_one_can_be_written() {
    let folder = Folder::new();
    let mut snapshot = kept(&folder);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    snapshot.journal.as_mut().unwrap().divert(full);
    let error = snapshot.note_entries(&[entry("jti", "t-2", None)], NOW.wall).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    assert!(!folder.path().exists() && snapshot.is_due(NOW.wall));
    // Without a snapshot there is nothing to lack anything.
    snapshot.note_entries(&[entry("jti", "t-3", None)], NOW.wall).unwrap();
    snapshot.replace(&revocations().export(NOW), None, NOW.wall).unwrap();
    assert!(folder.path().exists());
}

/// An image whose journal cannot be gone on with would lack whatever comes next.
#[test]
fn where_no_new_journal_can_be_begun_there_is_no_snapshot() {
    let folder = Folder::new();
    let mut snapshot = kept(&folder);
    let journal = folder.path().with_extension("bin.journal");
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    snapshot.replace(&revocations().export(NOW), Some(&answered("c2")), NOW.wall).unwrap_err();
    snapshot.note_entries(&[entry("jti", "t-2", None)], NOW.wall).unwrap();
    drop(snapshot);
    assert!(!folder.path().exists());
}

/// Files may be too many to open for a moment: what was not read must not be read later, without what came since.
#[test]
fn what_could_not_be_read_goes_when_something_comes_into_force() {
    let folder = Folder::new();
    drop(kept(&folder));
    let journal = folder.path().with_extension("bin.journal");
    let kept = fs::read(&journal).unwrap();
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    let mut snapshot = folder.open();
    assert!(matches!(snapshot.load(), Err(SnapshotError::Io { .. })));
    assert!(folder.path().exists());
    snapshot.note_entries(&[entry("jti", "t-2", None)], NOW.wall).unwrap();
    drop(snapshot);
    fs::remove_dir(&journal).unwrap();
    fs::write(&journal, kept).unwrap();
    assert!(folder.open().load().unwrap().is_none());
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    drop(kept(&folder));
    for file in fs::read_dir(&folder.0).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
}

/// `cargo test --release --lib a_million -- --ignored --nocapture`: what loading costs, by the clock on the wall.
#[test]
#[ignore = "measures"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn a_million_identifiers_from_disk() {
    let folder = Folder::new();
    let known = revocations();
    for part in 0..100 {
        let entries: Vec<_> = (0..10_000).map(|n| entry("jti", &format!("{part}-{n}"), None)).collect();
        known.apply(&entries, NOW.wall, NOW).unwrap();
    }
    let mut snapshot = folder.open();
    snapshot.load().unwrap();
    let start = std::time::Instant::now();
    snapshot.replace(&known.export(NOW), Some(&answered("c")), NOW.wall).unwrap();
    println!("written in {:?}, {} bytes", start.elapsed(), fs::metadata(folder.path()).unwrap().len());
    drop(snapshot);
    let mut times: Vec<_> = (0..9)
        .map(|_| {
            let start = std::time::Instant::now();
            let (known, last) = restored(&folder);
            let took = start.elapsed();
            assert!(last.is_some() && revokes(&known, r#"{"jti":"99-9999"}"#));
            took
        })
        .collect();
    times.sort_unstable();
    println!("loaded in {:?}, median of {}", times[times.len() / 2], times.len());
}
