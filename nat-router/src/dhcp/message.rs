//! DHCP messages. The wire format is smoltcp's.

use core::net::Ipv4Addr;

use smoltcp::wire::{
    ArpHardware, DhcpFlags, DhcpMessageType, DhcpOpCode, DhcpOption, DhcpPacket, DhcpRepr,
    EthernetAddress,
};

use super::client::MAX_DNS_SERVERS;
use super::leases::Mac;

/// The longest message that every client accepts: one in an IPv4 datagram of 576 bytes (RFC 2131
/// section 2).
pub(super) const MAX_LEN: usize = 548;

/// The shortest message that relays and old clients accept: that of BOOTP (RFC 1542 section 2.1).
const MIN_LEN: usize = 300;

/// The shortest client identifier, in bytes (RFC 2132 section 9.14).
const MIN_CLIENT_ID: usize = 2;

const MAGIC: u32 = 0x6382_5363;

/// The bytes before the data of an option: its code and its length.
const OPTION_HEADER_LEN: usize = 2;

mod option {
    pub(super) const DNS_SERVERS: u8 = 6;
    #[cfg(feature = "dns")]
    pub(super) const HOST_NAME: u8 = 12;
    pub(super) const DOMAIN_NAME: u8 = 15;
    pub(super) const BROADCAST_ADDRESS: u8 = 28;
    pub(super) const REQUESTED_ADDRESS: u8 = 50;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const CLIENT_ID: u8 = 61;
}

/// A message of a client.
pub(super) struct Request<'a> {
    pub(super) kind: DhcpMessageType,
    pub(super) client: Client<'a>,
    /// The address that it asks for.
    pub(super) asked: Option<Ipv4Addr>,
    /// The address that it claims to have (`ciaddr`), which may be of another network.
    pub(super) current: Option<Ipv4Addr>,
    /// The server that it is for.
    pub(super) server: Option<Ipv4Addr>,
    /// Its host name.
    #[cfg(feature = "dns")]
    pub(super) host_name: Option<&'a [u8]>,
}

/// The client that a reply is for.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) mac: Mac,
    pub(super) transaction: u32,
    /// Whether it can receive only broadcasts.
    pub(super) broadcast: bool,
    /// Its address in this network, at which it can be reached, if it has one.
    pub(super) current: Option<Ipv4Addr>,
    pub(super) id: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Reads the message of a client on this network. `None` for all others, such as one from a
    /// relay agent.
    pub(super) fn parse(packet: &'a DhcpPacket<&'a [u8]>) -> Option<Self> {
        packet.check_len().ok()?;
        let is_valid = packet.opcode() == DhcpOpCode::Request
            && packet.hardware_type() == ArpHardware::Ethernet
            && packet.hardware_len() == 6
            && packet.magic_number() == MAGIC;
        let mac = packet.client_hardware_address();
        if !is_valid || !mac.is_unicast() || !packet.relay_agent_ip().is_unspecified() {
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
            #[cfg(feature = "dns")]
            host_name: None,
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
            #[cfg(feature = "dns")]
            (option::HOST_NAME, data) => self.host_name = Some(data),
            _ => {}
        }
    }
}

fn address(data: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?))
}

/// The network and the server, as replies describe them.
pub(super) struct Network<'a> {
    pub(super) router: Ipv4Addr,
    pub(super) mask: Ipv4Addr,
    pub(super) broadcast: Option<Ipv4Addr>,
    pub(super) dns: &'a [Ipv4Addr],
    /// The domain of local names, which clients append to names without a dot.
    pub(super) domain: Option<&'a str>,
}

/// The data of the DNS server option.
type DnsOption = heapless::Vec<u8, { 4 * MAX_DNS_SERVERS }>;

/// As many of the `servers` as fit into `len` bytes. After a very long client identifier, not all
/// of them do.
fn dns_option(servers: &[Ipv4Addr], len: usize) -> DnsOption {
    let count = MAX_DNS_SERVERS.min(len / 4);
    let octets = servers
        .iter()
        .take(count)
        .flat_map(|address| address.octets());
    octets.collect()
}

const fn with_code(kind: u8, data: &[u8]) -> DhcpOption<'_> {
    DhcpOption { kind, data }
}

/// A message of the server.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    /// OFFER or ACK of an address, with the lease time in seconds.
    Address(DhcpMessageType, Ipv4Addr, u32),
    /// ACK of an INFORM, which describes the network only.
    Network,
    /// NAK.
    Refusal,
}

impl Reply {
    /// Writes the reply to `client`, and returns its length; `None` if `buffer` is too short.
    pub(super) fn emit(
        &self,
        client: &Client<'_>,
        network: &Network<'_>,
        buffer: &mut [u8],
    ) -> Option<usize> {
        buffer.fill(0);
        let broadcast = network.broadcast.map(|address| address.octets());
        let dns;
        let mut options = heapless::Vec::<DhcpOption<'_>, 4>::new();
        // A server must return the identifier, also with a NAK (RFC 6842).
        options.extend(client.id.map(|id| with_code(option::CLIENT_ID, id)));
        let broadcast = broadcast.as_ref().filter(|_| self.describes_network());
        options.extend(broadcast.map(|data| with_code(option::BROADCAST_ADDRESS, data)));
        let domain = network.domain.filter(|_| self.describes_network());
        options.extend(domain.map(|name| with_code(option::DOMAIN_NAME, name.as_bytes())));
        // Last, because as many servers are given as there is space for.
        let len = self.repr(client, network, &options).buffer_len() + OPTION_HEADER_LEN;
        dns = dns_option(network.dns, buffer.len().saturating_sub(len));
        if self.describes_network() && !dns.is_empty() {
            options.extend([with_code(option::DNS_SERVERS, &dns)]);
        }
        let reply = self.repr(client, network, &options);
        let len = reply.buffer_len().max(MIN_LEN);
        let message = buffer.get_mut(..len)?;
        reply.emit(&mut DhcpPacket::new_unchecked(message)).ok()?;
        Some(len)
    }

    /// Whether it has the options that describe the network: a NAK has not (RFC 2131 section 4.3.1,
    /// table 3).
    const fn describes_network(&self) -> bool {
        !matches!(self, Self::Refusal)
    }

    /// The hardware and IP address that the reply to `client` goes to (RFC 2131 section 4.1,
    /// without a relay agent).
    pub(super) fn destination(&self, client: &Client<'_>) -> (Mac, Ipv4Addr) {
        const BROADCAST: (Mac, Ipv4Addr) = ([0xff; 6], Ipv4Addr::BROADCAST);
        match (self, client.current) {
            (Self::Refusal, _) => BROADCAST,
            (_, Some(current)) => (client.mac, current),
            (Self::Address(_, address, _), None) if !client.broadcast => (client.mac, *address),
            _ => BROADCAST,
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
        let acknowledged = message_type == DhcpMessageType::Ack;
        DhcpRepr {
            message_type,
            transaction_id: client.transaction,
            secs: 0,
            client_hardware_address: EthernetAddress(client.mac),
            client_ip: client.current.filter(|_| acknowledged).unwrap_or(NOWHERE),
            your_ip,
            server_ip: NOWHERE,
            router: self.describes_network().then_some(network.router),
            subnet_mask: self.describes_network().then_some(network.mask),
            relay_agent_ip: NOWHERE,
            broadcast: client.broadcast,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(network.router),
            parameter_request_list: None,
            // An option of our own, because this field holds only three.
            dns_servers: None,
            max_size: None,
            lease_duration,
            renew_duration: None,
            rebind_duration: None,
            additional_options: options,
        }
    }
}
