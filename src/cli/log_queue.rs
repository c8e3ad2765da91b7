//! The way of log lines to standard error. It never blocks the thread that logs: a reader that takes nothing costs log lines,
//! and no redemption.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// The most bytes of lines that wait for their reader: some thousand lines.
const CAPACITY: usize = 1024 * 1024;
/// The pause after a write to a descriptor that does not block and takes nothing now.
const PAUSE: Duration = Duration::from_millis(20);

/// Lines that wait to be written by a thread of their own. Beyond [`CAPACITY`] a new line is dropped and counted; the log
/// says how many were, as soon as half of the capacity is free again.
#[derive(Clone)]
pub(crate) struct LogQueue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is a line to write.
    filled: Condvar,
    /// All lines are written.
    emptied: Condvar,
    on_drop: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// A line was taken out and is not written yet.
    writing: bool,
    /// Dropped lines that the log does not mention yet.
    dropped: u64,
}

impl LogQueue {
    /// Starts the thread that writes to `sink`. `on_drop` is called for each line that is dropped.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start(
        sink: impl Write + Send + 'static,
        on_drop: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            on_drop: Box::new(on_drop),
        };
        let queue = Self(Arc::new(shared));
        let writer = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_forever(sink))?;
        Ok(queue)
    }

    /// Waits until all lines are written, at most for `time`, because their reader may take nothing.
    pub(crate) fn flush(&self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        while state.writing || !state.lines.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if line.len() > CAPACITY - state.bytes {
            drop(state);
            return self.lost();
        }
        state.bytes += line.len();
        state.lines.push_back(line.into());
        self.0.filled.notify_one();
    }

    fn lost(&self) {
        self.lock().dropped += 1;
        (self.0.on_drop)();
    }

    fn write_forever(&self, mut sink: impl Write) {
        loop {
            let line = self.next();
            match write_whole(&mut sink, &line) {
                Ok(()) => self.mention_dropped(),
                Err(_) => self.lost(),
            }
        }
    }

    fn next(&self) -> Box<[u8]> {
        let mut state = self.lock();
        state.writing = false;
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.writing = true;
                return line;
            }
            self.0.emptied.notify_all();
            state = self.0.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn mention_dropped(&self) {
        let mut state = self.lock();
        // With room for the line that mentions them.
        let dropped = if state.bytes < CAPACITY / 2 { std::mem::take(&mut state.dropped) } else { 0 };
        drop(state);
        if dropped > 0 {
            warn!(log.lines_dropped = dropped, "log lines were dropped: standard error did not take them in time");
        }
    }
}

/// Like `write_all`, and waits for a descriptor that somebody else has set not to block.
fn write_whole(sink: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One call of `write` is one line, which is how a formatter of `tracing_subscriber` writes.
impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::unix::net::UnixStream,
        sync::{
            atomic::{AtomicU64, Ordering},
            mpsc,
        },
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn queue_to(sink: impl Write + Send + 'static) -> (LogQueue, Arc<AtomicU64>) {
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        let queue = LogQueue::start(sink, move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        (queue.unwrap(), dropped)
    }

    #[test]
    fn lines_are_written_whole_and_in_order() {
        let (sink, mut reader) = UnixStream::pair().unwrap();
        let (mut queue, dropped) = queue_to(sink);

        for number in 0..100 {
            queue.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        queue.flush(PATIENCE);

        let mut text = vec![0; "line 0\n".len() * 10 + "line 10\n".len() * 90];
        reader.read_exact(&mut text).unwrap();
        let expected: String = (0..100).map(|number| format!("line {number}\n")).collect();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_reader_that_takes_nothing_blocks_no_writer_and_costs_bounded_memory() {
        let (sink, mut reader) = UnixStream::pair().unwrap();
        let (queue, dropped) = queue_to(sink);
        let line = [b'x'; 1024];

        let (done, written) = mpsc::channel();
        let mut writer = queue.clone();
        // On a thread of its own, so that a write that waits ends the test.
        thread::spawn(move || {
            (0..4096).for_each(|_| writer.write_all(&line).unwrap());
            let _ = done.send(());
        });
        written.recv_timeout(PATIENCE).expect("no write waits");
        queue.flush(Duration::from_millis(100));

        assert!(queue.lock().bytes <= CAPACITY);
        let lost = dropped.load(Ordering::SeqCst);
        assert!(lost > 2000, "{lost}");
        assert_eq!(queue.lock().dropped, lost);

        // The reader wakes up: everything that was kept arrives.
        let kept = usize::try_from(4096 - lost).unwrap() * line.len();
        reader.set_read_timeout(Some(PATIENCE)).unwrap();
        reader.read_exact(&mut vec![0; kept]).unwrap();
        queue.flush(PATIENCE);
        assert_eq!(queue.lock().dropped, 0, "the log mentions them when there is room");
        assert!(!queue.lock().writing);
    }

    #[test]
    fn a_line_that_cannot_be_written_is_dropped_and_counted() {
        let (sink, reader) = UnixStream::pair().unwrap();
        drop(reader);
        let (mut queue, dropped) = queue_to(sink);

        queue.write_all(b"nobody reads this\n").unwrap();
        queue.flush(PATIENCE);

        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}
