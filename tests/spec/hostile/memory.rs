//! The resident memory of the server, all the time.

use std::{
    fmt, fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::Form;
use crate::server::Server;

const BETWEEN_SAMPLES: Duration = Duration::from_millis(20);

/// A number of mebibytes.
pub(super) type Mebibytes = u64;

/// Samples the server's resident memory until it is dropped.
pub(super) struct Memory {
    pid: u32,
    before: Mebibytes,
    peak: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

/// What an attack did to the server's memory.
#[derive(Debug)]
pub(super) struct Effect {
    before: Mebibytes,
    pub(super) peak: Mebibytes,
    pub(super) after: Mebibytes,
    waited: Duration,
}

impl Memory {
    pub(super) fn of(server: &Server) -> Self {
        let (peak, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let sampler = (server.pid(), Arc::clone(&peak), Arc::clone(&over));
        thread::spawn(move || {
            let (pid, peak, over) = sampler;
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(resident(pid), Ordering::Relaxed);
                thread::sleep(BETWEEN_SAMPLES);
            }
        });
        Self { pid: server.pid(), before: resident(server.pid()), peak, over }
    }

    /// Waits until the peak has been the same for a second, no longer than this.
    pub(super) async fn grows_no_more(&self, patience: Duration) {
        let begun = Instant::now();
        let mut highest = 0;
        while begun.elapsed() < patience {
            let before = std::mem::replace(&mut highest, self.peak.load(Ordering::Relaxed));
            if before == highest {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// After the attack: waits until the memory is back, for a minute at most in the long form.
    pub(super) async fn after(self) -> Effect {
        let begun = Instant::now();
        let patience = Form::of(Duration::from_secs(10), Duration::from_secs(60));
        let limit = after_limit();
        while resident(self.pid) >= limit && begun.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let after = resident(self.pid);
        Effect { before: self.before, peak: self.peak.load(Ordering::Relaxed), after, waited: begun.elapsed() }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// A debug build without symbols takes half of this more than a release build before it has served anyone.
const DEBUG_BUILD: Mebibytes = 24;

/// Resident memory stays below this during an attack.
pub(super) fn during_limit() -> Mebibytes {
    Form::of(128 + DEBUG_BUILD, 128)
}

/// Resident memory is below this within a minute after an attack.
pub(super) fn after_limit() -> Mebibytes {
    Form::of(48 + DEBUG_BUILD, 48)
}

impl Effect {
    /// Fails unless the memory was bounded and was given back.
    #[track_caller]
    pub(super) fn assert_bounded(&self) {
        assert!(self.peak < during_limit() && self.after < after_limit(), "resident memory: {self}");
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, peak, after, waited } = self;
        write!(f, "{before} -> {peak} MiB, {after} MiB {} s later", waited.as_secs())
    }
}

fn resident(pid: u32) -> Mebibytes {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}
