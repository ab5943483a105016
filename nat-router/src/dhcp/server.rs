//! The decisions of the DHCP server.

use core::net::Ipv4Addr;

use heapless::Vec;
use nat_core::Cidr;
use smoltcp::wire::{DhcpMessageType, DhcpPacket};

use super::identifiers::Identifiers;
use super::identity::{Identity, hardware_id};
use super::leases::{
    Asker, Choice, ClientKey, Grant, Lease, Leases, Mac, Probed, Question, Wanted,
};
use super::message::{Client, Network, Reply, Request};
#[cfg(feature = "dns")]
use super::names::Names;
use super::news::News;
use crate::config::DhcpServer;

/// The lease time in seconds while the outside is not configured. A client asks again after half of
/// it.
pub const SHORT_LEASE_SECONDS: u32 = 60;

/// The server without its socket, its clock and its probes.
///
/// A new address is probed before it is offered (RFC 2131 section 2.2). [`Server::next_probe`]
/// returns the next one. Meanwhile the client's message waits, and other clients are served.
/// [`Server::probed`] takes the result, and returns the reply to the client.
pub(crate) struct Server<'d> {
    leases: Leases<'d>,
    identifiers: &'d mut Identifiers,
    identity: Identity,
    inside: Cidr,
    lease_seconds: u32,
    /// `None` without a DNS forwarder on the router.
    #[cfg(feature = "dns")]
    local_dns: Option<LocalDns<'d>>,
}

/// What the server and the router's DNS forwarder have in common.
#[cfg(feature = "dns")]
#[derive(Clone, Copy)]
pub(crate) struct LocalDns<'d> {
    pub(crate) names: Names<'d>,
    /// The domain of local names.
    pub(crate) domain: &'static str,
}

/// What a reply depends on besides the client.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    /// The time in seconds since the start.
    pub(crate) now: u32,
    /// The DNS servers of the outside; `None` while it is not configured.
    pub(crate) dns: Option<&'a [Ipv4Addr]>,
}

/// The result of a message or a probe.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) answer: Option<Answer>,
    pub(crate) news: Vec<News, 2>,
}

/// A reply to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    /// The length of the message.
    pub(crate) len: usize,
    /// The hardware and IP address of the receiver.
    pub(crate) to: (Mac, Ipv4Addr),
}

/// The DNS servers for clients, if they are known, and the domain of local names.
type Dns<'a> = (Option<&'a [Ipv4Addr]>, Option<&'a str>);

/// The reply to a message, if any, and the news for the log.
struct Decision {
    reply: Option<Reply>,
    news: Option<News>,
}

impl Decision {
    const NOTHING: Self = Self {
        reply: None,
        news: None,
    };

    const fn reply(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            news: None,
        }
    }

    const fn news(news: News) -> Self {
        Self {
            reply: None,
            news: Some(news),
        }
    }
}

impl<'d> Server<'d> {
    /// A server for the pool of `config`, which is shortened if `memory` is too small for it.
    pub(crate) fn new(
        memory: (&'d mut [Lease], &'d mut Identifiers),
        config: &DhcpServer,
        inside: Cidr,
        identity: Identity,
    ) -> Self {
        let (leases, identifiers) = memory;
        let len = config.len().min(leases.len());
        let leases = Leases::new(
            leases.get_mut(..len).unwrap_or_default(),
            config.first,
            inside.address(),
        );
        Self {
            leases,
            identifiers,
            identity,
            inside,
            lease_seconds: config.lease_seconds,
            #[cfg(feature = "dns")]
            local_dns: None,
        }
    }

    /// Hands out the router as the DNS server, and publishes the names of clients for it.
    #[cfg(feature = "dns")]
    pub(crate) fn with_local_dns(self, local_dns: Option<LocalDns<'d>>) -> Self {
        Self { local_dns, ..self }
    }

    /// The names of clients, if they are published.
    #[cfg(feature = "dns")]
    pub(crate) fn names(&self) -> Option<Names<'d>> {
        self.local_dns.map(|dns| dns.names)
    }

    /// The address of the router, from which replies are sent.
    pub(crate) const fn router(&self) -> Ipv4Addr {
        self.inside.address()
    }

    /// The number of addresses in the pool.
    pub(crate) const fn pool_len(&self) -> usize {
        self.leases.len()
    }

    /// Processes a datagram, which may hold any bytes. Writes the reply into `buffer` if there is
    /// one at once.
    pub(crate) fn hear(
        &mut self,
        datagram: &[u8],
        moment: Moment<'_>,
        buffer: &mut [u8],
    ) -> Outcome {
        let packet = DhcpPacket::new_unchecked(datagram);
        let Some(mut request) = Request::parse(&packet) else {
            return Outcome::default();
        };
        // Only at an address of this network can the client be reached by unicast.
        request.client.current = request.current.filter(|address| self.is_host(*address));
        let decision = self.decide(&request, moment).unwrap_or(Decision::NOTHING);
        #[cfg(feature = "dns")]
        {
            let key = self.identity.of(request.client.id, request.client.mac);
            self.note_name(key, &request);
            self.publish_name(key, &decision, moment.now);
        }
        self.carry_out(decision, &request.client, moment, buffer)
    }

    /// The next address to probe. [`Self::probed`] must be called with the result.
    pub(crate) fn next_probe(&mut self, now: u32) -> Option<Ipv4Addr> {
        self.leases.next_probe(now)
    }

    /// Processes the result of the probe for `address`: the `station` that has answered, if any.
    /// Writes the reply to the client that waits for it into `buffer`.
    pub(crate) fn probed(
        &mut self,
        address: Ipv4Addr,
        station: Option<Mac>,
        moment: Moment<'_>,
        buffer: &mut [u8],
    ) -> Outcome {
        let Some(probed) = self.leases.probed(address, station, moment.now) else {
            return Outcome::default();
        };
        // Taken even if no message waits any more, so that it does not stay.
        let id = self.identifiers.take(address);
        let mut outcome = Outcome::default();
        if let Some(question) = probed.question {
            let hardware_id = hardware_id(question.mac);
            let client = Client {
                mac: question.mac,
                transaction: question.transaction,
                broadcast: question.broadcast,
                current: question.current.then_some(address),
                id: if question.hardware_id {
                    Some(&hardware_id)
                } else {
                    id.as_deref()
                },
            };
            let decision = self
                .decide_after_probe(&client, address, &probed, moment)
                .unwrap_or(Decision::NOTHING);
            #[cfg(feature = "dns")]
            self.publish_name(probed.client, &decision, moment.now);
            outcome = self.carry_out(decision, &client, moment, buffer);
        }
        let in_use = station
            .filter(|_| probed.in_use)
            .map(|station| News::InUse { address, station });
        // A decision has one at most, so the vector holds both.
        outcome.news = in_use.into_iter().chain(outcome.news).collect();
        outcome
    }

    /// The decision about a message; `None` if there is nothing to do.
    fn decide(&mut self, request: &Request<'_>, moment: Moment<'_>) -> Option<Decision> {
        let Request { client, asked, .. } = *request;
        let key = self.identity.of(client.id, client.mac);
        let is_for_router = request.server.is_none_or(|server| server == self.router());
        match request.kind {
            DhcpMessageType::Discover => {
                let asker = asker(key, &client, Wanted::Offer, None);
                Some(self.offer(&asker, &client, asked, moment))
            }
            DhcpMessageType::Request if is_for_router => self.request(key, request, moment),
            // The client has accepted the offer of another server.
            DhcpMessageType::Request => {
                self.leases.withdraw(key, moment.now);
                None
            }
            DhcpMessageType::Decline if is_for_router => {
                self.decline(key, client.mac, asked?, moment.now)
            }
            DhcpMessageType::Release if is_for_router => {
                self.leases.release(key, request.current?, moment.now);
                None
            }
            // For a station with an address of another network, the reply would be wrong.
            DhcpMessageType::Inform if request.current == client.current => {
                Some(Decision::reply(Reply::Network))
            }
            _ => None,
        }
    }

    /// The decision about a REQUEST that is not for another server.
    fn request(
        &mut self,
        key: ClientKey,
        request: &Request<'_>,
        moment: Moment<'_>,
    ) -> Option<Decision> {
        let client = &request.client;
        // The option in SELECTING and INIT-REBOOT, `ciaddr` in RENEWING and REBINDING (RFC 2131
        // section 4.3.2).
        let address = request.asked.or(request.current)?;
        let asker = asker(key, client, Wanted::Ack, Some(address));
        Some(self.grant(&asker, client, address, moment))
    }

    fn decline(
        &mut self,
        key: ClientKey,
        mac: Mac,
        address: Ipv4Addr,
        now: u32,
    ) -> Option<Decision> {
        let was_its = self.leases.decline(key, address, now);
        #[cfg(feature = "dns")]
        if let Some(dns) = self.local_dns.filter(|_| was_its) {
            dns.names.release(address);
        }
        was_its.then_some(Decision::news(News::Declined { address, mac }))
    }

    /// The decision about a message that has waited for the probe of `address`.
    fn decide_after_probe(
        &mut self,
        client: &Client<'_>,
        address: Ipv4Addr,
        probed: &Probed,
        moment: Moment<'_>,
    ) -> Option<Decision> {
        let asker = Asker {
            client: probed.client,
            question: probed.question?,
        };
        Some(match asker.question.wanted {
            Wanted::Ack if probed.in_use => Decision::reply(Reply::Refusal),
            Wanted::Ack => self.grant(&asker, client, address, moment),
            // The one that it asked for is in use, so it gets another.
            Wanted::Offer if probed.in_use => self.offer(&asker, client, None, moment),
            Wanted::Offer => Decision::reply(self.address(DhcpMessageType::Offer, address, moment)),
        })
    }

    fn offer(
        &mut self,
        asker: &Asker,
        client: &Client<'_>,
        asked: Option<Ipv4Addr>,
        moment: Moment<'_>,
    ) -> Decision {
        match self.leases.offer(asker, asked, moment.now) {
            Some(Choice::Ready(address)) => {
                Decision::reply(self.address(DhcpMessageType::Offer, address, moment))
            }
            Some(Choice::ToProbe(address)) => {
                self.keep_identifier(address, client, moment.now);
                Decision::NOTHING
            }
            None => Decision::news(News::Full { mac: client.mac }),
        }
    }

    fn grant(
        &mut self,
        asker: &Asker,
        client: &Client<'_>,
        address: Ipv4Addr,
        moment: Moment<'_>,
    ) -> Decision {
        let (seconds, mac) = (self.seconds(moment), client.mac);
        let news = match self.leases.grant(asker, address, moment.now, seconds) {
            Grant::New => Some(News::Leased {
                address,
                mac,
                seconds,
            }),
            Grant::Renewed => None,
            Grant::Refused => return Decision::reply(Reply::Refusal),
            Grant::ToProbe => {
                self.keep_identifier(address, client, moment.now);
                return Decision::NOTHING;
            }
        };
        Decision {
            reply: Some(self.address(DhcpMessageType::Ack, address, moment)),
            news,
        }
    }

    /// Stores the identifier of a client that waits for the probe of `address`. If the memory is
    /// full, the client gets no reply after the probe. It repeats its message by itself, and the
    /// probe is over by then.
    fn keep_identifier(&mut self, address: Ipv4Addr, client: &Client<'_>, now: u32) {
        let Some(id) = client.id.filter(|id| *id != hardware_id(client.mac)) else {
            drop(self.identifiers.take(address));
            return;
        };
        let leases = &self.leases;
        let waits = |address| leases.has_question(address, now);
        if !self.identifiers.keep(address, id, waits) {
            self.leases.forget_question(address);
        }
    }

    /// Keeps the name of a client that has an address, or waits for one.
    #[cfg(feature = "dns")]
    fn note_name(&self, key: ClientKey, request: &Request<'_>) {
        let (Some(dns), Some(address)) = (self.local_dns, self.leases.address_of(key)) else {
            return;
        };
        match request.kind {
            DhcpMessageType::Discover | DhcpMessageType::Request => {
                dns.names.note(address, key, request.host_name);
            }
            DhcpMessageType::Release if request.current == Some(address) => {
                dns.names.release(address);
            }
            _ => {}
        }
    }

    /// Publishes the name of a client whose lease is acknowledged.
    #[cfg(feature = "dns")]
    fn publish_name(&self, key: ClientKey, decision: &Decision, now: u32) {
        if let (Some(dns), Some(Reply::Address(DhcpMessageType::Ack, address, seconds))) =
            (self.local_dns, decision.reply)
        {
            dns.names
                .lease(address, key, now, now.saturating_add(seconds));
        }
    }

    /// The DNS servers for clients, and the domain of local names.
    fn dns<'a>(&self, moment: Moment<'a>, router: &'a [Ipv4Addr]) -> Dns<'a> {
        #[cfg(feature = "dns")]
        if let Some(dns) = self.local_dns {
            return (Some(router), Some(dns.domain));
        }
        let _ = router;
        (moment.dns, None)
    }

    fn carry_out(
        &self,
        decision: Decision,
        client: &Client<'_>,
        moment: Moment<'_>,
        buffer: &mut [u8],
    ) -> Outcome {
        let answer = decision
            .reply
            .and_then(|reply| self.emit(&reply, client, moment, buffer));
        Outcome {
            answer,
            news: decision.news.into_iter().collect(),
        }
    }

    fn emit(
        &self,
        reply: &Reply,
        client: &Client<'_>,
        moment: Moment<'_>,
        buffer: &mut [u8],
    ) -> Option<Answer> {
        let router = [self.router()];
        let (dns, domain) = self.dns(moment, &router);
        let network = Network {
            router: self.router(),
            mask: Ipv4Addr::from_bits(
                u32::MAX
                    .checked_shl(32 - u32::from(self.inside.prefix_len()))
                    .unwrap_or(0),
            ),
            broadcast: self.inside.broadcast(),
            dns: dns.unwrap_or_default(),
            domain,
        };
        let len = reply.emit(client, &network, buffer)?;
        Some(Answer {
            len,
            to: reply.destination(client),
        })
    }

    fn address(&self, kind: DhcpMessageType, address: Ipv4Addr, moment: Moment<'_>) -> Reply {
        Reply::Address(kind, address, self.seconds(moment))
    }

    fn seconds(&self, moment: Moment<'_>) -> u32 {
        let (dns, _) = self.dns(moment, &[]);
        // A configured time that is shorter stays.
        if dns.is_some() || self.lease_seconds < SHORT_LEASE_SECONDS {
            self.lease_seconds
        } else {
            SHORT_LEASE_SECONDS
        }
    }

    /// Whether `address` can be that of a client in this network.
    fn is_host(&self, address: Ipv4Addr) -> bool {
        self.inside.contains(address)
            && address != self.router()
            && Some(address) != self.inside.network()
            && Some(address) != self.inside.broadcast()
    }
}

/// A client with the part of its message that is stored while its address is probed.
fn asker(key: ClientKey, client: &Client<'_>, wanted: Wanted, address: Option<Ipv4Addr>) -> Asker {
    let question = Question {
        mac: client.mac,
        transaction: client.transaction,
        wanted,
        broadcast: client.broadcast,
        current: address.is_some() && client.current == address,
        hardware_id: client.id.is_some_and(|id| id == hardware_id(client.mac)),
    };
    Asker {
        client: key,
        question,
    }
}
