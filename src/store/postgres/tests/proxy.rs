//! A proxy between a store and its database that cuts a connection at a moment that a test chooses.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
};

use crate::store::{PostgresAddress, PostgresServer, contract::postgres::Cluster};

/// What happens to the next call of a statement on a connection that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The server never gets it.
    BeforeTheCall,
    /// The server gets it and answers, when the transaction is committed; the answer is lost.
    BeforeTheAnswer,
    /// The server gets it, and nobody waits for the answer. The server is not told that the client is gone.
    AfterTheCall,
}

/// The proxy. It ends with the runtime of its test.
pub(super) struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The cuts to come, the next one last.
    cuts: Vec<Cut>,
    /// How many calls there were on connections that write.
    calls: usize,
}

impl State {
    /// What happens to the call that comes now.
    fn next(&mut self) -> Option<Cut> {
        self.calls += 1;
        self.cuts.pop()
    }
}

impl Proxy {
    pub(super) async fn before(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = cluster.socket_directory().join(format!(".s.PGSQL.{}", cluster.port()));
        let state = Arc::new(Mutex::new(State::default()));
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(accept(listener, socket, Arc::clone(&state)));
        Self { port, state }
    }

    /// The address of this database by way of the proxy.
    pub(super) fn address(&self, direct: PostgresAddress) -> PostgresAddress {
        PostgresAddress { server: PostgresServer::Tcp { host: "127.0.0.1".to_owned(), port: self.port }, ..direct }
    }

    /// Cuts the next calls, in this order.
    pub(super) fn cut(&self, cuts: &[Cut]) {
        self.state.lock().unwrap().cuts = cuts.iter().rev().copied().collect();
    }

    /// How many calls of statements there were on connections that write.
    pub(super) fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// Whether all cuts were made.
    pub(super) fn is_done(&self) -> bool {
        self.state.lock().unwrap().cuts.is_empty()
    }
}

async fn accept(listener: TcpListener, socket: PathBuf, state: Arc<Mutex<State>>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        // The server is down in some tests, and then the client is let go.
        if let Ok(server) = UnixStream::connect(&socket).await {
            tokio::spawn(forward(client, server, Arc::clone(&state)));
        }
    }
}

/// The message Execute of the protocol, with all rows of the unnamed portal; and ReadyForQuery, outside of a transaction.
const EXECUTE: &[u8] = b"E\0\0\0\x09\0\0\0\0\0";
const READY: &[u8] = b"Z\0\0\0\x05I";

fn contains(bytes: &[u8], message: &[u8]) -> bool {
    bytes.windows(message.len()).any(|window| window == message)
}

/// The most that is read at once: more than a call of these tests has.
const PIECE: usize = 256 * 1024;

/// Forwards what comes, in both directions, until one side has ended or the connection is to be cut. A call comes in one piece.
async fn forward(mut client: TcpStream, mut server: UnixStream, state: Arc<Mutex<State>>) {
    let (mut call, mut answer) = (Vec::with_capacity(PIECE), Vec::with_capacity(PIECE));
    let mut writes = None;
    loop {
        tokio::select! {
            read = client.read_buf(&mut call) => match read {
                Ok(1..) => {
                    // The first message has the name of the application.
                    let writes = *writes.get_or_insert(contains(&call, b"grantd writer"));
                    let next = if writes && contains(&call, EXECUTE) { state.lock().unwrap().next() } else { None };
                    if let Some(cut) = next {
                        return lose(client, server, &call, cut).await;
                    }
                    if server.write_all(&call).await.is_err() {
                        return;
                    }
                    call.clear();
                }
                Ok(0) | Err(_) => return,
            },
            read = server.read_buf(&mut answer) => match read {
                Ok(1..) => {
                    if client.write_all(&answer).await.is_err() {
                        return;
                    }
                    answer.clear();
                }
                Ok(0) | Err(_) => return,
            },
        }
    }
}

/// Cuts the connection at this call.
async fn lose(client: TcpStream, mut server: UnixStream, call: &[u8], cut: Cut) {
    let mut answer = Vec::new();
    match cut {
        Cut::BeforeTheCall => {}
        Cut::BeforeTheAnswer => {
            server.write_all(call).await.unwrap();
            while !contains(&answer, READY) && server.read_buf(&mut answer).await.is_ok_and(|read| read > 0) {}
        }
        Cut::AfterTheCall => {
            server.write_all(call).await.unwrap();
            drop(client);
            // Until the server ends the connection.
            while server.read_buf(&mut answer).await.is_ok_and(|read| read > 0) {}
        }
    }
}
