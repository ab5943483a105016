//! One datagram to a server and one back.

use embassy_net::IpEndpoint;
use embassy_net::udp::UdpSocket;
use embassy_time::{Duration, with_timeout};

use crate::demo::host::Host;
use crate::demo::step::Failure;

/// How long one datagram may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Sends a datagram of `who` from its socket `client` to the socket `at` of `server`, and an answer
/// back. Returns the endpoint that the server saw. The texts differ for each pair of machines.
pub(super) async fn exchange(
    who: Host,
    client: &UdpSocket<'_>,
    server: Host,
    at: &UdpSocket<'_>,
) -> Result<IpEndpoint, Failure> {
    let question = format!("{} asks", who.name);
    let sent = client
        .send_to(question.as_bytes(), (server.address, at.endpoint().port))
        .await;
    sent.map_err(|error| Failure::new("a datagram sent", format_args!("{error:?}")))?;
    let external = receive(at, server, &question).await?;
    let answer = format!("{} answers {}", server.name, who.name);
    let sent = at.send_to(answer.as_bytes(), external).await;
    sent.map_err(|error| Failure::new("an answer sent", format_args!("{error:?}")))?;
    receive(client, who, &answer).await?;
    Ok(external)
}

/// Waits until `text` reaches `socket` of `who`. Returns its source.
async fn receive(socket: &UdpSocket<'_>, who: Host, text: &str) -> Result<IpEndpoint, Failure> {
    let mut datagram = [0; 64];
    let expected = format_args!("\"{text}\" at {}", who.name);
    match with_timeout(LIMIT, socket.recv_from(&mut datagram)).await {
        Ok(Ok((len, from))) if &datagram[..len] == text.as_bytes() => Ok(from.endpoint),
        Ok(Ok((len, from))) => {
            let text = String::from_utf8_lossy(&datagram[..len]);
            Err(Failure::new(
                expected,
                format_args!("\"{text}\" from {from}"),
            ))
        }
        Ok(Err(error)) => Err(Failure::new(expected, format_args!("{error:?}"))),
        Err(_) => Err(Failure::new(
            expected,
            format_args!("nothing within {} s", LIMIT.as_secs()),
        )),
    }
}
