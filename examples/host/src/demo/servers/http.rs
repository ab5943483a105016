//! The web server. `/stream/SEED/BLOCKS` is a pseudo-random stream that the client can compute too.

use core::fmt::{Debug, Display};
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use edge_http::Method;
use edge_http::io::Error;
use edge_http::io::server::{Connection, Handler, Server};
use edge_nal::{TcpBind, TcpSplit};
use edge_nal_embassy::{Tcp, TcpBuffers};
use embedded_io_async::{Read, Write};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::demo::host::Host;

pub(in crate::demo) const HTTP_PORT: u16 = 80;

/// Connections at a time: one for each LAN host, and earlier ones that are still closing.
const CONNECTIONS: usize = 4;

/// The receive and the transmit window, in bytes.
const WINDOWS: (usize, usize) = (4096, 32768);

/// A pseudo-random stream of blocks.
pub(in crate::demo) struct Stream(Pcg64Mcg);

impl Stream {
    /// Bytes of one block.
    pub(in crate::demo) const BLOCK: usize = 8192;

    /// The stream of `seed`, from its start.
    pub(in crate::demo) fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    /// The next block.
    pub(in crate::demo) fn next_block(&mut self) -> [u8; Self::BLOCK] {
        let mut block = [0; Self::BLOCK];
        self.0.fill_bytes(&mut block);
        block
    }
}

/// Serves streams over HTTP.
#[embassy_executor::task]
pub(super) async fn serve(host: Host) -> ! {
    let buffers = Box::leak(Box::new(TcpBuffers::<
        CONNECTIONS,
        { WINDOWS.1 },
        { WINDOWS.0 },
    >::new()));
    let listen = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, HTTP_PORT));
    loop {
        // `run` ends when it cannot accept a connection. That connection is lost; the server goes on.
        if let Ok(acceptor) = Tcp::new(host.stack, buffers).bind(listen).await {
            let _ = Server::<CONNECTIONS, 1024, 16>::new()
                .run(None, acceptor, Streams)
                .await;
        }
    }
}

struct Streams;

impl Handler for Streams {
    type Error<E>
        = Error<E>
    where
        E: Debug;

    async fn handle<T, const N: usize>(
        &self,
        _task_id: impl Display + Copy,
        connection: &mut Connection<'_, T, N>,
    ) -> Result<(), Error<T::Error>>
    where
        T: Read + Write + TcpSplit,
    {
        let headers = connection.headers()?;
        match requested(headers.path) {
            Some((seed, blocks)) if headers.method == Method::Get => {
                send_stream(connection, seed, blocks).await
            }
            _ => {
                connection
                    .initiate_response(404, Some("Not Found"), &[])
                    .await
            }
        }
    }
}

/// The seed and the number of blocks that `path` asks for.
fn requested(path: &str) -> Option<(u64, u16)> {
    let (seed, blocks) = path.strip_prefix("/stream/")?.split_once('/')?;
    Some((seed.parse().ok()?, blocks.parse().ok()?))
}

async fn send_stream<T: Read + Write, const N: usize>(
    connection: &mut Connection<'_, T, N>,
    seed: u64,
    blocks: u16,
) -> Result<(), Error<T::Error>> {
    let length = (usize::from(blocks) * Stream::BLOCK).to_string();
    let headers = [
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", length.as_str()),
    ];
    connection
        .initiate_response(200, Some("OK"), &headers)
        .await?;
    let mut stream = Stream::new(seed);
    for _ in 0..blocks {
        connection.write_all(&stream.next_block()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_with_seed_and_length_is_a_stream() {
        assert_eq!(requested("/stream/7/128"), Some((7, 128)));
        for path in [
            "/",
            "/stream/7",
            "/stream/7/",
            "/stream//1",
            "/stream/7/1/2",
            "/stream/-1/1",
        ] {
            assert_eq!(requested(path), None, "{path}");
        }
    }

    #[test]
    fn streams_of_two_seeds_differ_and_blocks_do_not_repeat() {
        let (mut one, mut two) = (Stream::new(1), Stream::new(2));
        let first = one.next_block();
        assert_ne!(first, two.next_block());
        assert_ne!(first, one.next_block());
        assert_eq!(first, Stream::new(1).next_block());
    }
}
