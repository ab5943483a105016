//! The messages of a server.

use core::net::Ipv4Addr;

use smoltcp::wire::{ArpHardware, DhcpMessageType, DhcpOpCode, DhcpPacket};

use super::super::leases::Mac;
use super::options::{Options, code};

const MAGIC: u32 = 0x6382_5363;

/// A message of a server to some client.
pub(super) struct Reply<'a> {
    pub(super) kind: DhcpMessageType,
    pub(super) transaction: u32,
    /// The client's hardware address.
    pub(super) mac: Mac,
    /// The address that is offered or leased; unspecified if there is none.
    pub(super) address: Ipv4Addr,
    /// The server that sent it.
    pub(super) server: Ipv4Addr,
    pub(super) options: Options<'a>,
}

impl<'a> Reply<'a> {
    /// Reads the payload of a datagram from `source`; `None` if it is not a message of a server to
    /// an Ethernet client.
    ///
    /// If the message has no server identifier, the sender of the datagram counts as the server.
    pub(super) fn parse(message: &'a [u8], source: Ipv4Addr) -> Option<Self> {
        let packet = DhcpPacket::new_checked(message).ok()?;
        let is_valid = packet.opcode() == DhcpOpCode::Reply
            && packet.hardware_type() == ArpHardware::Ethernet
            && packet.hardware_len() == 6
            && packet.magic_number() == MAGIC;
        if !is_valid {
            return None;
        }
        let options = Options::of(message)?;
        let kind = DhcpMessageType::from(options.bytes(code::MESSAGE_TYPE).next()?);
        Some(Self {
            kind,
            transaction: packet.transaction_id(),
            mac: packet.client_hardware_address().0,
            address: packet.your_ip(),
            // Some servers send no identifier, although RFC 2131 section 4.3.1 demands it.
            server: options
                .address(code::SERVER)
                .filter(|server| !server.is_unspecified())
                .unwrap_or(source),
            options,
        })
    }
}
