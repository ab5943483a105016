//! DHCP messages. The wire format is smoltcp's, which the DHCP client outside uses too.

use core::net::Ipv4Addr;

use smoltcp::wire::{
    ArpHardware, DhcpFlags, DhcpMessageType, DhcpOpCode, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress,
};

use super::client::MAX_DNS_SERVERS;
use super::leases::Mac;

/// The longest message that every client takes (RFC 2131 section 2).
pub(crate) const MAX_LEN: usize = 576;

/// The shortest message that relays and old clients take: that of BOOTP (RFC 1542 section 2.1).
const MIN_LEN: usize = 300;

const MAGIC: u32 = 0x6382_5363;

/// The longest client identifier that is given back.
const MAX_CLIENT_ID: usize = 64;

mod option {
    pub(super) const DNS_SERVERS: u8 = 6;
    pub(super) const BROADCAST_ADDRESS: u8 = 28;
    pub(super) const REQUESTED_ADDRESS: u8 = 50;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const CLIENT_ID: u8 = 61;
}

/// What a client says.
pub(super) struct Request<'a> {
    pub(super) kind: DhcpMessageType,
    pub(super) mac: Mac,
    /// The address that the client has and uses, if any.
    pub(super) current: Option<Ipv4Addr>,
    /// The address that it asks for.
    pub(super) asked: Option<Ipv4Addr>,
    /// The server that it means.
    pub(super) server: Option<Ipv4Addr>,
    transaction: u32,
    broadcast: bool,
    client_id: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Reads the message of a client that is on this network itself.
    pub(super) fn parse(packet: &'a DhcpPacket<&'a [u8]>) -> Option<Self> {
        packet.check_len().ok()?;
        let sound = packet.opcode() == DhcpOpCode::Request
            && packet.hardware_type() == ArpHardware::Ethernet
            && packet.hardware_len() == 6
            && packet.magic_number() == MAGIC;
        let mac = packet.client_hardware_address();
        if !sound || !mac.is_unicast() || !packet.relay_agent_ip().is_unspecified() {
            return None;
        }
        let mut request = Self {
            kind: DhcpMessageType::Unknown(0),
            mac: mac.0,
            current: Some(packet.client_ip()).filter(|address| !address.is_unspecified()),
            asked: None,
            server: None,
            transaction: packet.transaction_id(),
            broadcast: packet.flags().contains(DhcpFlags::BROADCAST),
            client_id: None,
        };
        packet.options().for_each(|option| request.take(option));
        Some(request)
    }

    fn take(&mut self, DhcpOption { kind, data }: DhcpOption<'a>) {
        match (kind, data) {
            (option::MESSAGE_TYPE, [kind]) => self.kind = DhcpMessageType::from(*kind),
            (option::REQUESTED_ADDRESS, data) => self.asked = address(data).or(self.asked),
            (option::SERVER, data) => self.server = address(data).or(self.server),
            (option::CLIENT_ID, data) if data.len() <= MAX_CLIENT_ID => self.client_id = Some(data),
            _ => {}
        }
    }
}

fn address(data: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?))
}

/// What the server tells of itself and of the network.
pub(super) struct Network<'a> {
    pub(super) router: Ipv4Addr,
    pub(super) mask: Ipv4Addr,
    pub(super) broadcast: Option<Ipv4Addr>,
    pub(super) dns: &'a [Ipv4Addr],
}

/// What the server says.
pub(super) enum Reply {
    /// OFFER or ACK of an address, for so many seconds.
    Address(DhcpMessageType, Ipv4Addr, u32),
    /// ACK of an INFORM: about the network only.
    Network,
    /// NAK.
    Refusal,
}

impl Reply {
    /// Writes the answer to `request`, and returns its length; `None` if `buffer` is too short.
    pub(super) fn emit(&self, request: &Request<'_>, network: &Network<'_>, buffer: &mut [u8]) -> Option<usize> {
        buffer.fill(0);
        let broadcast = network.broadcast.map(|address| address.octets());
        // smoltcp has room for three.
        let dns: heapless::Vec<u8, { 4 * MAX_DNS_SERVERS }> =
            network.dns.iter().take(MAX_DNS_SERVERS).flat_map(|address| address.octets()).collect();
        let mut options = heapless::Vec::<DhcpOption<'_>, 3>::new();
        // A server must give the identifier back, also with a NAK (RFC 6842).
        options.extend(request.client_id.map(|data| DhcpOption { kind: option::CLIENT_ID, data }));
        if !matches!(self, Self::Refusal) {
            options.extend(broadcast.as_ref().map(|data| DhcpOption { kind: option::BROADCAST_ADDRESS, data }));
            options.extend(Some(DhcpOption { kind: option::DNS_SERVERS, data: &dns }).filter(|_| !dns.is_empty()));
        }
        let reply = self.repr(request, network, &options);
        let len = reply.buffer_len().max(MIN_LEN);
        reply.emit(&mut DhcpPacket::new_unchecked(buffer.get_mut(..len)?)).ok()?;
        Some(len)
    }

    fn repr<'o>(&self, request: &Request<'_>, network: &Network<'_>, options: &'o [DhcpOption<'o>]) -> DhcpRepr<'o> {
        const NOWHERE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
        let (message_type, your_ip, lease_duration) = match self {
            Self::Address(kind, address, seconds) => (*kind, *address, Some(*seconds)),
            Self::Network => (DhcpMessageType::Ack, NOWHERE, None),
            Self::Refusal => (DhcpMessageType::Nak, NOWHERE, None),
        };
        let told = !matches!(self, Self::Refusal);
        let acknowledged = message_type == DhcpMessageType::Ack;
        DhcpRepr {
            message_type,
            transaction_id: request.transaction,
            secs: 0,
            client_hardware_address: EthernetAddress(request.mac),
            client_ip: request.current.filter(|_| acknowledged).unwrap_or(NOWHERE),
            your_ip,
            server_ip: NOWHERE,
            router: told.then_some(network.router),
            subnet_mask: told.then_some(network.mask),
            relay_agent_ip: NOWHERE,
            broadcast: request.broadcast,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(network.router),
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration,
            renew_duration: None,
            rebind_duration: None,
            additional_options: options,
        }
    }
}
