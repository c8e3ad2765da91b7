//! A connection to a server that is far away: every byte takes half of the round trip, in both directions.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split},
    net::{TcpSocket, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, sleep, sleep_until},
};

/// More than is ever on its way.
const BUFFER: usize = 64 * 1024;

/// A TCP connection from this address.
pub(super) async fn connect_from(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    connect_with(from, to, None).await
}

/// Like [`connect_from`], with a buffer of this size for received bytes.
pub(super) async fn connect_with(from: IpAddr, to: SocketAddr, buffer: Option<u32>) -> io::Result<TcpStream> {
    let socket = if from.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = socket.connect(to).await?;
    // As Go does; otherwise the request waits for the acknowledgement of the handshake's last message.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection as a client sees it that is this far from the server: its own TCP handshake takes a round trip; the server
/// accepts it another half later, together with the first bytes that the client sends. Ends when the server closes, or does
/// not accept.
pub(super) async fn connect(from: IpAddr, to: SocketAddr, round_trip: Duration) -> DuplexStream {
    sleep(round_trip).await;
    let (near, far) = duplex(BUFFER);
    let one_way = round_trip / 2;
    tokio::spawn(async move {
        let (from_client, to_client) = split(far);
        let sent = in_flight(from_client, one_way);
        sleep(one_way).await;
        let Ok(stream) = connect_from(from, to).await else { return };
        let (from_server, to_server) = stream.into_split();
        let received = in_flight(from_server, one_way);
        tokio::join!(land(sent, to_server), land(received, to_client));
    });
    near
}

/// Bytes, and when they arrive.
type InFlight = UnboundedReceiver<(Instant, Vec<u8>)>;

/// Reads to the end, and notes when each read arrives at the other side.
fn in_flight(mut from: impl AsyncRead + Unpin + Send + 'static, one_way: Duration) -> InFlight {
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = vec![0; BUFFER];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now() + one_way, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
        // The end travels as long as the bytes.
        sleep(one_way).await;
    });
    receiver
}

async fn land(mut in_flight: InFlight, mut to: impl AsyncWrite + Unpin) {
    while let Some((arrives, bytes)) = in_flight.recv().await {
        sleep_until(arrives).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[tokio::test]
async fn a_far_echo_takes_three_half_round_trips_to_be_asked_for_and_one_to_come_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let round_trip = Duration::from_millis(200);
    let begun = Instant::now();
    let server = tokio::spawn(async move {
        let (mut stream, peer) = listener.accept().await.unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        let asked = begun.elapsed();
        stream.write_all(&bytes).await.unwrap();
        (peer.ip(), asked)
    });

    let mut stream = connect(super::ATTACKER, address, round_trip).await;
    stream.write_all(b"ping").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();

    let (peer, asked) = server.await.unwrap();
    assert_eq!((peer, &*answer), (super::ATTACKER, b"ping".as_slice()));
    assert!(asked >= round_trip * 3 / 2 && begun.elapsed() >= round_trip * 2, "{asked:?} {:?}", begun.elapsed());
}
