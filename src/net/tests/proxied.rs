//! Connections that a load balancer passes on.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::sleep,
};

use super::{LIMITS, Server, closed_after, log::Log, settle, within};
use crate::net::{NetLimits, Peer, Proxies};

fn behind_a_load_balancer(limits: NetLimits) -> Server {
    Server::start_behind(Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]), limits)
}

/// A connection of the load balancer, of which nothing is known yet.
fn connect(server: &Server) -> DuplexStream {
    server.connect_from(Peer::Tcp("10.0.0.1:7".parse().unwrap()))
}

async fn send_for(client: &str, stream: &mut DuplexStream) {
    let beginning = format!("PROXY TCP4 {client} 10.0.0.1 7 9090\r\nh1");
    stream.write_all(beginning.as_bytes()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_counts_for_the_client_that_its_header_names_and_before_that_for_nobody() {
    let server = behind_a_load_balancer(NetLimits { max_connections_per_address: 1, ..LIMITS });
    let mut streams = [connect(&server), connect(&server), connect(&server)];
    settle().await;

    for (stream, client) in streams.iter_mut().zip(["203.0.113.1", "203.0.113.2"]) {
        send_for(client, stream).await;
        assert_eq!(within(stream.read_u8()).await.unwrap(), b'1', "{client}");
    }
    send_for("203.0.113.1", &mut streams[2]).await;

    assert_eq!(closed_after(&mut streams[2]).await, Duration::ZERO);
    assert_eq!(server.rejections("peer"), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_header_it_is_closed_and_counted_and_now_and_then_logged() {
    let (log, server) = (Log::of_this_thread(), behind_a_load_balancer(LIMITS));
    for (pause, closed, logged) in [(0, 1, 1), (9, 2, 1), (1, 3, 2)] {
        sleep(Duration::from_secs(pause)).await;
        let mut stream = connect(&server);
        stream.write_all(b"no header, but much too long for a handshake").await.unwrap();
        assert_eq!(closed_after(&mut stream).await, Duration::ZERO);
        assert_eq!(server.rejections("proxy_header"), closed);
        assert_eq!(log.count("--proxy-protocol-from asks for a PROXY header from this address"), logged);
    }
}
