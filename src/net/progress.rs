//! A deadline for writes. Without it, a client that reads nothing could keep the permit of its connection, and the answer in
//! memory, for ever.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// A stream on which no write waits for longer than its deadline.
#[derive(Debug)]
pub struct Progressing<S> {
    stream: S,
    deadline: Duration,
    /// Ends when the pending write has waited for too long; `None` while no write waits.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Progressing<S> {
    /// The same stream with a deadline.
    pub fn new(stream: S, deadline: Duration) -> Self {
        Self { stream, deadline, stuck: None }
    }
}

impl<S: Unpin> Progressing<S> {
    /// Polls an operation that writes, and fails when it has waited for too long.
    fn within<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let done = write(Pin::new(&mut self.stream), context);
        if done.is_ready() {
            self.stuck = None;
            return done;
        }
        let deadline = self.deadline;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(deadline)));
        match stuck.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progressing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progressing<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.within(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within(context, AsyncWrite::poll_shutdown)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.within(context, |stream, context| stream.poll_write_vectored(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter, duplex};

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut() {
        let (_client, server) = duplex(8);
        let mut server = Progressing::new(server, DEADLINE);

        let error = server.write_all(&[0; 9]).await.unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_little_by_little_is_not() {
        let (mut client, server) = duplex(8);
        let mut server = Progressing::new(server, DEADLINE);
        let reading = tokio::spawn(async move {
            let mut taken = [0; 8];
            for _ in 0..10 {
                sleep(DEADLINE - Duration::from_secs(1)).await;
                client.read_exact(&mut taken).await.unwrap();
            }
        });

        server.write_all(&[0; 80]).await.unwrap();

        reading.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_stream_keeps_back_is_sent_when_it_is_flushed_and_within_the_deadline() {
        let (mut client, server) = duplex(8);
        let mut server = Progressing::new(BufWriter::new(server), DEADLINE);
        server.write_all(b"12345678").await.unwrap();
        server.flush().await.unwrap();

        server.write_all(b"9").await.unwrap();
        let stuck = server.flush().await.unwrap_err();

        let mut sent = [0; 8];
        client.read_exact(&mut sent).await.unwrap();
        assert_eq!((&sent, stuck.kind()), (b"12345678", io::ErrorKind::TimedOut));
    }

    #[test]
    fn several_buffers_are_written_at_once_when_the_stream_can_do_that() {
        assert!(Progressing::new(duplex(8).0, DEADLINE).is_write_vectored());
    }
}
