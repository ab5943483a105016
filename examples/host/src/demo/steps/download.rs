//! Both hosts download over HTTP at the same time, and check every byte.

use core::net::{SocketAddr, SocketAddrV4};

use edge_http::Method;
use edge_http::io::client::Connection;
use edge_nal::TcpConnect;
use edge_nal_embassy::{Tcp, TcpBuffers};
use embassy_futures::join::join;
use embassy_time::Instant;
use embedded_io_async::Read;

use crate::demo::addresses::{WEB, WEB_NAME};
use crate::demo::host::Host;
use crate::demo::servers::{HTTP_PORT, Stream};
use crate::demo::step::{Failure, Outcome};
use crate::demo::world::World;

/// Length of each download, in MiB.
const MIB: u16 = 8;

const BLOCKS_PER_MIB: u16 = ((1 << 20) / Stream::BLOCK) as u16;

/// With space for 16 headers.
type HttpConnection<'b, T> = Connection<'b, T, 16>;

/// The transmit and the receive window, in bytes.
const WINDOWS: (usize, usize) = (1024, 32768);

/// Fetches a different stream to each host.
pub(super) async fn both(world: &World) -> Outcome {
    let start = Instant::now();
    let fetches = join(
        fetch(world.host1, 1, MIB * BLOCKS_PER_MIB),
        fetch(world.host2, 2, MIB * BLOCKS_PER_MIB),
    );
    let (host1, host2) = fetches.await;
    host1.and(host2)?;
    let seconds = start.elapsed().as_micros() as f64 / 1e6;
    Ok(format!(
        "2 x {MIB} MiB, every byte correct, {:.0} MiB/s",
        f64::from(2 * MIB) / seconds
    ))
}

/// Fetches `blocks` blocks of the stream `seed` from the web server to `host`.
pub(super) async fn fetch(host: Host, seed: u64, blocks: u16) -> Result<(), Failure> {
    let buffers = Box::new(TcpBuffers::<1, { WINDOWS.0 }, { WINDOWS.1 }>::new());
    let tcp = Tcp::new(host.stack, &*buffers);
    let mut memory = vec![0; 4096];
    let server = SocketAddr::V4(SocketAddrV4::new(WEB.address, HTTP_PORT));
    let mut connection = HttpConnection::new(&mut memory, &tcp, server);
    let path = format!("/stream/{seed}/{blocks}");
    let failed = |error| Failure::new(format_args!("{path} at {}", host.name), error);
    let status = request(&mut connection, &path)
        .await
        .map_err(|error| failed(format!("{error:?}")))?;
    if status != 200 {
        return Err(failed(format!("status {status}")));
    }
    verify(host, &mut connection, seed, blocks).await?;
    connection
        .close()
        .await
        .map_err(|error| failed(format!("{error:?}")))
}

/// Sends the request and waits for the headers of the response. Returns its status.
async fn request<T: TcpConnect>(
    connection: &mut HttpConnection<'_, T>,
    path: &str,
) -> Result<u16, edge_http::io::Error<T::Error>> {
    let headers = [("Host", WEB_NAME), ("Connection", "close")];
    connection
        .initiate_request(true, Method::Get, path, &headers)
        .await?;
    connection.initiate_response().await?;
    Ok(connection.headers()?.code)
}

/// Reads `body` to its end, which must be `blocks` blocks of the stream `seed`.
async fn verify<R: Read>(host: Host, body: &mut R, seed: u64, blocks: u16) -> Result<(), Failure> {
    let mut stream = Stream::new(seed);
    let mut block = [0; Stream::BLOCK];
    for n in 0..blocks {
        let expected = || format!("block {n} of {blocks} of stream {seed} at {}", host.name);
        body.read_exact(&mut block)
            .await
            .map_err(|error| Failure::new(expected(), format_args!("{error:?}")))?;
        if block != stream.next_block() {
            return Err(Failure::new(expected(), "different bytes"));
        }
    }
    Ok(())
}
