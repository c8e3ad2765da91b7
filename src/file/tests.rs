//! Files in a directory of their own.

use super::*;

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("grantd-file-{}", uuid::Uuid::new_v4()));
        create_private_directory(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_private_file_is_the_owners_alone() {
    let scratch = Scratch::new();
    let path = scratch.0.join("key");
    write(&path, b"k", Access::Private, Existing::Keep).unwrap();
    assert_eq!((mode(&path), mode(&scratch.0)), (0o600, 0o700));
    assert!(!is_readable_by_others(&path).unwrap());
}

#[test]
fn an_existing_file_is_kept_or_replaced_whole() {
    let scratch = Scratch::new();
    let path = scratch.0.join("token");
    write(&path, b"first", Access::Public, Existing::Keep).unwrap();

    let kept = write(&path, b"second", Access::Public, Existing::Keep).unwrap_err();
    assert_eq!(kept.source.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(*read(&path).unwrap(), b"first");

    write(&path, b"second", Access::Private, Existing::Replace).unwrap();
    assert_eq!(*read(&path).unwrap(), b"second");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "a temporary file was left behind");
}

/// As vfat, and some network mounts.
const WITHOUT_LINKS: FileSystem = FileSystem {
    hard_link: |_, _| Err(io::ErrorKind::PermissionDenied.into()),
    sync_directory: |_| Err(io::ErrorKind::InvalidInput.into()),
};

#[test]
fn without_hard_links_a_file_is_written_and_none_is_overwritten() {
    let scratch = Scratch::new();
    let path = scratch.0.join("Secret-west.yaml");
    let keep = |contents| write_with(&WITHOUT_LINKS, &path, contents, Access::Private, Existing::Keep);

    keep(b"first").unwrap();
    let kept = keep(b"second").unwrap_err();

    assert_eq!(kept.source.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!((&**read(&path).unwrap(), mode(&path)), (&b"first"[..], 0o600));
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "a temporary file was left behind");
}

#[test]
fn a_directory_is_checked_by_writing_and_left_as_it_was() {
    let scratch = Scratch::new();
    check_writable(&scratch.0, 64 * 1024).unwrap();
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
    let error = check_writable(&scratch.0.join("none"), 1).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write in {}", scratch.0.join("none").display()));
    assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
}

#[test]
fn what_is_not_a_regular_file_is_neither_replaced_nor_followed() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    let scratch = Scratch::new();
    let at = |name: &str| scratch.0.join(name);
    fs::create_dir(at("directory")).unwrap();
    fs::write(at("target"), "precious").unwrap();
    symlink("target", at("link")).unwrap();
    symlink("nowhere", at("broken link")).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success());
    let places = [
        (at("directory"), "a directory"),
        (at("link"), "a symbolic link"),
        (at("broken link"), "a symbolic link"),
        (at("socket"), "a socket"),
        (at("pipe"), "a named pipe"),
        ("/dev/full".into(), "a character device"),
    ];
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();

    for (path, what) in &places {
        let error = write(path, b"new", Access::Private, Existing::Replace).unwrap_err();
        assert_eq!(error.source.to_string(), format!("it is {what}, and only a regular file is replaced"));
        assert_eq!(irregular(path), Some(*what), "{}", path.display());
    }

    assert_eq!(names(), before);
    assert_eq!(fs::read(at("target")).unwrap(), b"precious");
}

#[test]
fn reserved_space_has_no_name_and_what_does_not_fit_is_refused() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new();
    let reserved = reserve_space(&scratch.0, 100_001).unwrap();
    let metadata = reserved._file.metadata().unwrap();
    assert_eq!((metadata.len(), metadata.nlink()), (100_001, 0));
    assert!(metadata.blocks() * 512 >= 100_001, "it is sparse");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);

    let error = reserve_space(Path::new("/dev/full"), 1).unwrap_err();
    assert_eq!(error.to_string(), "cannot write in /dev/full");
}

#[test]
fn a_key_that_every_user_may_read_is_refused_and_one_for_a_group_is_not() {
    let scratch = Scratch::new();
    let path = scratch.0.join("tls.key");
    write(&path, b"k", Access::Private, Existing::Keep).unwrap();
    let with_mode = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        check_key_mode(&path)
    };
    for mode in [0o600, 0o400, 0o440, 0o640] {
        assert!(with_mode(mode).is_ok(), "{mode:o}");
    }
    for mode in [0o644, 0o604, 0o602] {
        let error = with_mode(mode).unwrap_err();
        let message = error.source.to_string();
        assert!(message.contains(&format!("its mode {mode:04o} ")), "{message}");
        assert!(message.contains(&format!("'chmod 600 {}'", path.display())), "{message}");
    }
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.0.join("large");
    File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
    assert!(read(&path).unwrap_err().to_string().ends_with("large"));
}

#[test]
fn what_a_killed_write_left_behind_is_removed_and_nothing_else() {
    let scratch = Scratch::new();
    let below = scratch.0.join("issuers/default/skupper-site-ca");
    fs::create_dir_all(&below).unwrap();
    let left = [scratch.0.join(temporary_name("clock.mark")), below.join(temporary_name("tls.key"))];
    let kept = [
        scratch.0.join("clock.mark"),
        scratch.0.join(".clock.mark.tmp"),
        scratch.0.join(".notes.0123456789abcdef0123456789abcdeg.tmp"),
        scratch.0.join("clock.mark.0123456789abcdef0123456789abcdef.tmp"),
    ];
    for path in left.iter().chain(&kept) {
        File::create(path).unwrap();
    }
    let directory = scratch.0.join(temporary_name("directory"));
    fs::create_dir(&directory).unwrap();
    let symlink = scratch.0.join(temporary_name("symlink"));
    std::os::unix::fs::symlink(&kept[0], &symlink).unwrap();

    // A command that is just writing them must not lose them.
    assert_eq!(remove_unfinished(&scratch.0, 0).unwrap(), 0);
    assert_eq!(remove_unfinished(&scratch.0, i64::MAX).unwrap(), 2);

    assert!(left.iter().all(|path| !path.exists()));
    assert!(kept.iter().chain([&directory, &symlink]).all(|path| path.exists()));
}
