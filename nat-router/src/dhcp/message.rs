//! DHCP messages. The wire format is smoltcp's.

use core::net::Ipv4Addr;

use smoltcp::wire::{
    ArpHardware, DhcpFlags, DhcpMessageType, DhcpOpCode, DhcpOption, DhcpPacket, DhcpRepr,
    EthernetAddress,
};

use super::client::MAX_DNS_SERVERS;
use super::leases::Mac;

/// The longest message that every client takes: that in an IPv4 datagram of 576 bytes (RFC 2131
/// section 2).
pub(super) const MAX_LEN: usize = 548;

/// The shortest message that relays and old clients take: that of BOOTP (RFC 1542 section 2.1).
const MIN_LEN: usize = 300;

/// The shortest client identifier, in bytes (RFC 2132 section 9.14).
const MIN_CLIENT_ID: usize = 2;

const MAGIC: u32 = 0x6382_5363;

/// The bytes before the data of an option: its code and its length.
const OPTION_HEADER_LEN: usize = 2;

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
    pub(super) client: Client<'a>,
    /// The address that it asks for.
    pub(super) asked: Option<Ipv4Addr>,
    /// The address that it says it has (`ciaddr`), which may be of another network.
    pub(super) current: Option<Ipv4Addr>,
    /// The server that it means.
    pub(super) server: Option<Ipv4Addr>,
}

/// The client that an answer is for.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) mac: Mac,
    pub(super) transaction: u32,
    /// It can receive broadcasts only.
    pub(super) broadcast: bool,
    /// The address of this network that it has and can be reached at, if any.
    pub(super) current: Option<Ipv4Addr>,
    pub(super) id: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Reads the message of a client that is on this network itself. `None` for all else, also for
    /// what comes through a relay agent.
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
        let client = Client {
            mac: mac.0,
            transaction: packet.transaction_id(),
            broadcast: packet.flags().contains(DhcpFlags::BROADCAST),
            current: None,
            id: None,
        };
        let current = Some(packet.client_ip()).filter(|address| !address.is_unspecified());
        let mut request = Self {
            kind: DhcpMessageType::Unknown(0),
            client,
            asked: None,
            current,
            server: None,
        };
        packet.options().for_each(|option| request.take(option));
        Some(request)
    }

    fn take(&mut self, DhcpOption { kind, data }: DhcpOption<'a>) {
        match (kind, data) {
            (option::MESSAGE_TYPE, [kind]) => self.kind = DhcpMessageType::from(*kind),
            (option::REQUESTED_ADDRESS, data) => self.asked = address(data).or(self.asked),
            (option::SERVER, data) => self.server = address(data).or(self.server),
            (option::CLIENT_ID, data) if data.len() >= MIN_CLIENT_ID => self.client.id = Some(data),
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
#[derive(Clone, Copy)]
pub(super) enum Reply {
    /// OFFER or ACK of an address, for so many seconds.
    Address(DhcpMessageType, Ipv4Addr, u32),
    /// ACK of an INFORM: about the network only.
    Network,
    /// NAK.
    Refusal,
}

impl Reply {
    /// Writes the answer to `client`, and returns its length; `None` if `buffer` is too short.
    pub(super) fn emit(
        &self,
        client: &Client<'_>,
        network: &Network<'_>,
        buffer: &mut [u8],
    ) -> Option<usize> {
        buffer.fill(0);
        let broadcast = network.broadcast.map(|address| address.octets());
        let mut dns = heapless::Vec::<u8, { 4 * MAX_DNS_SERVERS }>::new();
        let mut options = heapless::Vec::<DhcpOption<'_>, 3>::new();
        // A server must give the identifier back, also with a NAK (RFC 6842).
        options.extend(client.id.map(|data| DhcpOption {
            kind: option::CLIENT_ID,
            data,
        }));
        if !matches!(self, Self::Refusal) {
            options.extend(broadcast.as_ref().map(|data| DhcpOption {
                kind: option::BROADCAST_ADDRESS,
                data,
            }));
            // After a very long identifier there is no room for all of them.
            let len = self.repr(client, network, &options).buffer_len() + OPTION_HEADER_LEN;
            let room = buffer.len().saturating_sub(len) / 4;
            dns.extend(
                network
                    .dns
                    .iter()
                    .take(room.min(MAX_DNS_SERVERS))
                    .flat_map(|address| address.octets()),
            );
        }
        options.extend((!dns.is_empty()).then_some(DhcpOption {
            kind: option::DNS_SERVERS,
            data: &dns,
        }));
        let reply = self.repr(client, network, &options);
        let len = reply.buffer_len().max(MIN_LEN);
        reply
            .emit(&mut DhcpPacket::new_unchecked(buffer.get_mut(..len)?))
            .ok()?;
        Some(len)
    }

    /// The hardware and IP address that the answer to `client` goes to (RFC 2131 section 4.1,
    /// without a relay agent).
    pub(super) fn destination(&self, client: &Client<'_>) -> (Mac, Ipv4Addr) {
        const EVERYBODY: (Mac, Ipv4Addr) = ([0xff; 6], Ipv4Addr::BROADCAST);
        match (self, client.current) {
            (Self::Refusal, _) => EVERYBODY,
            (_, Some(current)) => (client.mac, current),
            (Self::Address(_, address, _), None) if !client.broadcast => (client.mac, *address),
            _ => EVERYBODY,
        }
    }

    fn repr<'o>(
        &self,
        client: &Client<'_>,
        network: &Network<'_>,
        options: &'o [DhcpOption<'o>],
    ) -> DhcpRepr<'o> {
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
            transaction_id: client.transaction,
            secs: 0,
            client_hardware_address: EthernetAddress(client.mac),
            client_ip: client.current.filter(|_| acknowledged).unwrap_or(NOWHERE),
            your_ip,
            server_ip: NOWHERE,
            router: told.then_some(network.router),
            subnet_mask: told.then_some(network.mask),
            relay_agent_ip: NOWHERE,
            broadcast: client.broadcast,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(network.router),
            parameter_request_list: None,
            // smoltcp's field has room for three.
            dns_servers: None,
            max_size: None,
            lease_duration,
            renew_duration: None,
            rebind_duration: None,
            additional_options: options,
        }
    }
}
