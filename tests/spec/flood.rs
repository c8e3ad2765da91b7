//! Floods of one listener, which leave the others, and clients of other addresses, alone.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    server::{PATIENCE, Server},
    wire::Client,
};

/// The address of the one that floods. On Linux all of 127.0.0.0/8 is the loopback interface.
const STRANGER: &str = "127.0.0.9:0";

/// Connections from the stranger's address that send nothing, while this lives.
struct Flood(tokio::task::JoinHandle<()>);

impl Flood {
    /// Keeps `count` connections at once, and opens another one for each that the server closes.
    async fn of(target: SocketAddr, count: usize) -> Self {
        let (started, all_started) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut held = tokio::task::JoinSet::new();
            for _ in 0..count {
                held.spawn(until_closed(target));
            }
            let _ = started.send(());
            while held.join_next().await.is_some() {
                held.spawn(until_closed(target));
            }
        });
        all_started.await.unwrap();
        Self(task)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn until_closed(target: SocketAddr) {
    let Ok(stream) = connect(target).await else {
        // Too many in the kernel's queue.
        return tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let _ = stream.readable().await;
    // Not faster than the server can accept in a debug build.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn connect(target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(STRANGER.parse().unwrap())?;
    socket.connect(target).await
}

/// Whether everything that is not flooded answers, and a redemption from another address succeeds, several times.
async fn all_is_well(server: Server) {
    let token = server.issue(10);
    let client = Client::new(server.redeem, &token);
    for _ in 0..10 {
        let answer = timeout(PATIENCE, client.redeem(&token, "east")).await.unwrap().expect("a redemption is answered");
        assert_eq!(answer.status, 200, "{answer:?}");
        // Blocking commands, while the flood goes on on another thread.
        let probed = tokio::task::block_in_place(|| (server.observe("/livez").0, server.observe("/readyz").0));
        assert_eq!(probed, (200, 200));
    }
    assert_eq!(server.ledger(&token).len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn with_few_open_files_a_flood_of_the_redeem_listener_stops_no_probe_no_command_and_no_other_client() {
    let server = Server::start_under("ulimit -Sn 40; ulimit -Hn 200", &[]);
    // 100 for the process itself, 12 for each of the two others.
    server.wait_for_log("the limit of open files allows fewer connections than --max-connections");
    assert!(server.log().contains("\"connections.allowed\":76"), "{}", server.log());
    let flood = Flood::of(server.redeem, 300).await;

    all_is_well(server).await;

    drop(flood);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn silent_connections_to_the_observe_listener_stop_no_probe_and_no_redemption() {
    let server = Server::start();
    let flood = Flood::of(server.observe, 400).await;

    all_is_well(server).await;

    drop(flood);
}
