//! HTTP on the connections of both admin listeners.

use std::{pin::pin, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use crate::{
    kube::wire::service::AdminService,
    net::{Connection, Progressing},
};

/// How long the header of a request may take, and so how long a connection may be idle.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// The most bytes of the header section, which contains the path with its selectors.
const LONGEST_HEADER: u32 = 32 * 1024;
/// The most requests at the same time on one HTTP/2 connection.
const MOST_STREAMS: u32 = 64;
/// How many bytes of bodies an HTTP/2 client may send before they are read, in one request and in all of a connection. Those that
/// wait for memory are held in the connection; the default would be a megabyte.
const WINDOW: u32 = 128 * 1024;
/// After how much silence an HTTP/2 client is sent a PING, and how long it may take to answer it.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_DEADLINE: Duration = Duration::from_secs(10);
/// How long a write to the connection may wait for a client that reads nothing.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// The version of HTTP on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Serves the requests of one connection until either side closes it.
pub(super) async fn serve<S>(stream: S, protocol: Protocol, service: AdminService, connection: Connection)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Connection { permit, mut closing } = connection;
    let http = http(protocol);
    let (service, answers) = service.on_one_connection(permit);
    let connection = http
        .serve_connection(TokioIo::new(Progressing::new(stream, WRITE_DEADLINE)), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = answers.stalled() => {
            debug!("an admin connection was cut: its client takes no answer");
            return;
        }
        () = closing.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error = &*error as &dyn std::error::Error, "an admin connection ended early");
    }
}

fn http(protocol: Protocol) -> auto::Builder<TokioExecutor> {
    // The version is fixed: hyper's detection would wait for the first bytes of the client without a deadline.
    let mut http = match protocol {
        Protocol::Http1 => auto::Builder::new(TokioExecutor::new()).http1_only(),
        Protocol::Http2 => auto::Builder::new(TokioExecutor::new()).http2_only(),
    };
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE).max_buf_size(LONGEST_HEADER as usize);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(LONGEST_HEADER)
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_DEADLINE);
    http
}
