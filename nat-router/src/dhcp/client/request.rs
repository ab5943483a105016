//! The messages of the client.

use core::net::Ipv4Addr;

use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};

use super::super::leases::Mac;
use super::options::code;

/// The longest message of the client.
pub(crate) const MAX_LEN: usize = 400;

/// The shortest message that relays and old servers accept: that of BOOTP (RFC 1542 section 2.1).
const MIN_LEN: usize = 300;

/// The longest host name in a message.
pub(crate) const MAX_HOST_NAME: usize = 63;

/// The longest datagram that a server may send.
const MAX_DATAGRAM: u16 = 1500;

/// The parameter request list. Classless routes come before routers (RFC 3442).
const PARAMETERS: &[u8] = &[
    code::SUBNET_MASK,
    code::CLASSLESS_ROUTES,
    code::ROUTERS,
    code::DNS_SERVERS,
    code::HOST_NAME,
    code::DOMAIN_NAME,
    code::INTERFACE_MTU,
    code::BROADCAST_ADDRESS,
    code::LEASE_TIME,
    code::SERVER,
    code::RENEWAL_TIME,
    code::REBINDING_TIME,
];

/// The client, as its messages name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// The hardware address, which is the client identifier, too (RFC 2132 section 9.14).
    pub(crate) mac: Mac,
    /// The host name; empty for none.
    pub(crate) host_name: &'static str,
}

/// A message without its sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Request {
    pub(super) kind: DhcpMessageType,
    pub(super) transaction: u32,
    /// Seconds since the exchange began.
    pub(super) secs: u16,
    /// The address in use; unspecified if there is none.
    pub(super) current: Ipv4Addr,
    /// The address that is asked for, or declined.
    pub(super) asked: Option<Ipv4Addr>,
    /// The server that it is for; `None` for all.
    pub(super) server: Option<Ipv4Addr>,
}

impl Request {
    /// Writes the message, and returns its length; `None` if `buffer` is too short.
    pub(super) fn emit(&self, identity: &Identity, buffer: &mut [u8]) -> Option<usize> {
        let is_asking = matches!(
            self.kind,
            DhcpMessageType::Discover | DhcpMessageType::Request
        );
        let name = DhcpOption {
            kind: code::HOST_NAME,
            data: identity.host_name.as_bytes(),
        };
        let has_name = is_asking && (1..=MAX_HOST_NAME).contains(&name.data.len());
        let name = [name];
        let options = if has_name { &name[..] } else { &[] };
        let repr = self.repr(EthernetAddress(identity.mac), is_asking, options);
        let len = repr.buffer_len().max(MIN_LEN);
        let message = buffer.get_mut(..len)?;
        message.fill(0);
        repr.emit(&mut DhcpPacket::new_unchecked(message)).ok()?;
        Some(len)
    }

    /// The message in smoltcp's form. Only a client that asks for an address says what it wants to
    /// know besides (RFC 2131 section 4.4.1, table 5).
    fn repr<'o>(
        &self,
        mac: EthernetAddress,
        is_asking: bool,
        options: &'o [DhcpOption<'o>],
    ) -> DhcpRepr<'o> {
        DhcpRepr {
            message_type: self.kind,
            transaction_id: self.transaction,
            secs: self.secs,
            client_hardware_address: mac,
            client_ip: self.current,
            your_ip: Ipv4Addr::UNSPECIFIED,
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            // The stack receives replies to an address that it does not have yet.
            broadcast: false,
            requested_ip: self.asked,
            client_identifier: Some(mac),
            server_identifier: self.server,
            parameter_request_list: is_asking.then_some(PARAMETERS),
            dns_servers: None,
            max_size: is_asking.then_some(MAX_DATAGRAM),
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: options,
        }
    }
}
