//! What is logged while a test runs.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::{Dispatch, subscriber::DefaultGuard};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The log of this thread, as long as it lives.
pub(in crate::net) struct Log {
    written: Written,
    _guard: DefaultGuard,
    /// While there is only one, `tracing` asks the thread on which an event comes first whether it is wanted: a test on
    /// another thread would answer no, for all.
    _second: Dispatch,
}

impl Log {
    pub(in crate::net) fn of_this_thread() -> Self {
        let second = Dispatch::new(tracing_subscriber::registry());
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt().with_writer(written.clone()).finish();
        Self { written, _guard: tracing::subscriber::set_default(subscriber), _second: second }
    }

    /// How often this text is in it.
    pub(in crate::net) fn count(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.written.0.lock().unwrap()).matches(text).count()
    }
}
