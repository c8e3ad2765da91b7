//! A file system that the kernel makes read-only under the running server, as ext4 does after an error.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{
    fault_matrix::{Load, assert_recorded},
    server::{Scratch, Server, wait_until},
    wire::Client,
};

/// A small ext4 in a file, which servers mount for themselves.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
    /// The file with the name of the device, when it is mounted.
    device: PathBuf,
}

impl Disk {
    fn make(scratch: &Scratch) -> Self {
        let disk = Self { image: scratch.file("disk"), mount: scratch.file("data"), device: scratch.file("device") };
        fs::create_dir(&disk.mount).unwrap();
        fs::File::create(&disk.image).unwrap().set_len(64 * 1024 * 1024).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.image).status().unwrap();
        assert!(made.success());
        disk
    }

    /// What a shell does in place of `command`: repairs the file system, mounts it in a mount namespace of its own, which ends
    /// with the process, and becomes the command.
    fn mounted(&self, command: &str) -> String {
        let Self { image, mount, device } = self;
        let (image, mount, device) = (image.display(), mount.display(), device.display());
        format!(
            "exec unshare --mount sh -c 'e2fsck -p {image} > /dev/null; \
             mount -o loop,errors=remount-ro {image} {mount} && chmod 700 {mount} && \
             findmnt -no SOURCE {mount} > {device} && exec {command}' \"$0\" \"$@\""
        )
    }

    /// Whether it can be mounted: that needs root and a loop device, which some containers do not have.
    fn try_out(&self) -> Output {
        Command::new("sh").args(["-c", &self.mounted("true")]).output().unwrap()
    }

    /// Has the kernel find an error, as it does when the disk returns none of what was written.
    fn break_down(&self) {
        let device = fs::read_to_string(&self.device).unwrap();
        let name = Path::new(device.trim()).file_name().unwrap();
        fs::write(Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error"), "1").unwrap();
    }

    /// Waits until no process has it mounted.
    fn wait_until_free(&self) {
        let used = || Command::new("losetup").arg("-j").arg(&self.image).output().unwrap();
        wait_until("the file system is unmounted", || used().stdout.is_empty());
    }
}

/// The data directory as the server sees it.
fn see_through(server: &mut Server, disk: &Disk) {
    server.data_dir = format!("/proc/{}/root{}", server.pid(), disk.mount.display()).into();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_that_becomes_read_only_loses_nothing_and_is_good_again_after_its_repair() {
    let scratch = Scratch::new();
    let disk = Disk::make(&scratch);
    let tried = disk.try_out();
    if !tried.status.success() {
        println!("not tested here: {}", String::from_utf8_lossy(&tried.stderr));
        return;
    }
    disk.wait_until_free();
    let shell = disk.mounted("\"$0\" \"$@\"");
    let mut server = Server::start_in_under(scratch, &shell, vec!["--disk-reserve-bytes".to_owned(), "0".to_owned()]);
    see_through(&mut server, &disk);
    let token = server.issue(1_000_000);
    let load = Load::start(&server, &token);
    load.wait_for_a_win();

    disk.break_down();

    load.wait_for_a_refusal();
    wait_until("it is not ready", || server.observe("/readyz").0 == 503);
    assert_eq!(server.observe("/livez").0, 200);
    assert!(fs::write(server.data_dir.join("x"), "x").is_err(), "the file system can be written");
    // What is recorded can be read. The kernel lets nothing be written before the file system was unmounted and repaired.
    assert!(!server.ledger(&token).is_empty());
    server.signal("KILL");
    let won = load.stop().await;
    server.wait_for_exit();
    disk.wait_until_free();

    let mut server = server.kill_and_restart_under(&shell);
    see_through(&mut server, &disk);
    assert_recorded(&server, &token, &won);
    wait_until("it is ready", || server.observe("/readyz").0 == 200);
    assert_eq!(Client::new(server.redeem, &token).redeem(&token, "east").await.unwrap().status, 200);
}
