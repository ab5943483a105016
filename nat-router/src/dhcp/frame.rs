//! The Ethernet frame around a reply. A socket cannot send it, because the client does not answer
//! ARP queries for its address yet.

use core::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket,
};

use super::leases::Mac;

const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const UDP_LEN: usize = 8;

/// The length of the headers before a message.
pub(super) const HEADERS_LEN: usize = ETHERNET_LEN + IPV4_LEN + UDP_LEN;

/// Writes the headers before the message, which takes `frame` from [`HEADERS_LEN`] to its end.
/// `from` and `to` are the hardware and IP addresses of the router and the client. `None` if the
/// frame is too short.
pub(super) fn write_headers(
    frame: &mut [u8],
    from: (Mac, Ipv4Addr),
    to: (Mac, Ipv4Addr),
) -> Option<()> {
    let message_len = frame.len().checked_sub(HEADERS_LEN)?;
    let checksums = ChecksumCapabilities::default();
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(from.0),
        dst_addr: EthernetAddress(to.0),
        ethertype: EthernetProtocol::Ipv4,
    };
    let (header, datagram) = frame.split_at_mut_checked(ETHERNET_LEN)?;
    ethernet.emit(&mut EthernetFrame::new_unchecked(header));
    let ip = Ipv4Repr {
        src_addr: from.1,
        dst_addr: to.1,
        next_header: IpProtocol::Udp,
        payload_len: UDP_LEN + message_len,
        hop_limit: 64,
    };
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut *datagram), &checksums);
    // Field by field: `UdpRepr` writes the payload, too, which is in its place already.
    let mut udp = UdpPacket::new_unchecked(datagram.get_mut(IPV4_LEN..)?);
    udp.set_src_port(DHCP_SERVER_PORT);
    udp.set_dst_port(DHCP_CLIENT_PORT);
    udp.set_len(u16::try_from(UDP_LEN + message_len).ok()?);
    udp.fill_checksum(&from.1.into(), &to.1.into());
    Some(())
}
