//! Answers that the forwarder makes itself.

use core::net::{Ipv4Addr, Ipv6Addr};

use domain::base::iana::{Class, Rcode};
use domain::base::message_builder::{AdditionalBuilder, AnswerBuilder, PushError};
use domain::base::{Message, MessageBuilder, Name, Serial, Ttl};
use domain::rdata::{A, Aaaa, Ptr, Soa};

use super::message::{HEADER_LEN, MAX_SIZE, Query, header_mut};

/// The longest answer that is made here, in bytes. That is enough for the longest question, a SOA
/// record of the longest zone and an EDNS record.
pub(super) const MAX_LEN: usize = 512;

pub(super) type Reply = heapless::Vec<u8, MAX_LEN>;

type WireName<'a> = Name<&'a [u8]>;

/// The person responsible for zones that are answered here (RFC 6303 section 3), as a name in the
/// wire format.
const NOBODY: &[u8] = b"\x06nobody\x07invalid\0";

/// An answer about a name that the router knows itself. The names are in the wire format.
pub(super) enum Known<'a> {
    Address(Ipv4Addr),
    Address6(Ipv6Addr),
    Pointer(heapless::Vec<u8, 128>),
    /// The name exists without records of this type; the zone that it is in.
    NoRecords(&'a [u8]),
    /// The name does not exist; the zone that it would be in.
    NoName(&'a [u8]),
}

impl Known<'_> {
    /// Writes the answer to `query`, whose records may be kept for `ttl` seconds.
    pub(super) fn reply(&self, query: &Query<'_>, ttl: u32) -> Option<Reply> {
        let code = match self {
            Self::NoName(_) => Rcode::NXDOMAIN,
            _ => Rcode::NOERROR,
        };
        let answer = start(query, code)?;
        let additional = self.push(answer, query.name, Ttl::from_secs(ttl)).ok()?;
        finish(additional, query)
    }

    fn push(
        &self,
        mut answer: AnswerBuilder<Reply>,
        name: &[u8],
        ttl: Ttl,
    ) -> Result<AdditionalBuilder<Reply>, PushError> {
        let name = wire_name(name)?;
        match self {
            Self::Address(address) => answer.push((name, ttl, A::new(*address)))?,
            Self::Address6(address) => answer.push((name, ttl, Aaaa::new(*address)))?,
            Self::Pointer(target) => answer.push((name, ttl, Ptr::new(wire_name(target)?)))?,
            Self::NoRecords(zone) | Self::NoName(zone) => {
                let mut authority = answer.authority();
                authority.push((wire_name(zone)?, ttl, soa(zone, ttl)?))?;
                return Ok(authority.additional());
            }
        }
        Ok(answer.additional())
    }
}

fn wire_name(name: &[u8]) -> Result<WireName<'_>, PushError> {
    // The names are those of questions that were read, or short ones.
    Name::from_octets(name).map_err(|_| PushError::ShortBuf)
}

/// The SOA record of a zone that is answered here (RFC 6303 section 3). Its negative answers may be
/// kept for `ttl`.
fn soa(zone: &[u8], ttl: Ttl) -> Result<Soa<WireName<'_>>, PushError> {
    let seconds = Ttl::from_secs;
    Ok(Soa::new(
        wire_name(zone)?,
        wire_name(NOBODY)?,
        Serial(1),
        seconds(3600),
        seconds(1200),
        seconds(604_800),
        ttl,
    ))
}

/// An answer to `query` without records.
pub(super) fn empty(query: &Query<'_>, code: Rcode) -> Option<Reply> {
    finish(start(query, code)?.additional(), query)
}

/// An answer that tells the client to ask again over TCP.
pub(super) fn truncated(query: &Query<'_>, code: Rcode) -> Option<Reply> {
    let mut reply = empty(query, code)?;
    header_mut(&mut reply)?.header_mut().set_tc(true);
    Some(reply)
}

/// An answer to a message that could not be read, so that it has a header only.
pub(super) fn refusal(request: &[u8], code: Rcode) -> Option<Reply> {
    let mut reply = Reply::from_slice(request.get(..HEADER_LEN)?).ok()?;
    let section = header_mut(&mut reply)?;
    *section.counts_mut() = Default::default();
    let header = section.header_mut();
    header.set_qr(true);
    header.set_aa(false);
    header.set_tc(false);
    header.set_ad(false);
    header.set_rcode(code);
    Some(reply)
}

/// The beginning of an answer to `query`: the header and the question.
fn start(query: &Query<'_>, code: Rcode) -> Option<AnswerBuilder<Reply>> {
    let request = Message::from_slice(query.bytes).ok()?;
    let builder = MessageBuilder::from_target(Reply::new()).ok()?;
    let mut answer = builder.start_answer(request, code).ok()?;
    answer.header_mut().set_ra(true);
    answer.header_mut().set_cd(request.header().cd());
    Some(answer)
}

/// Ends the answer with an EDNS record if the query has one (RFC 6891 section 7).
fn finish(mut additional: AdditionalBuilder<Reply>, query: &Query<'_>) -> Option<Reply> {
    if query.edns.is_some() {
        additional
            .opt(|opt| {
                opt.set_udp_payload_size(MAX_SIZE);
                opt.set_dnssec_ok(query.dnssec_ok());
                Ok(())
            })
            .ok()?;
    }
    Some(additional.finish())
}

/// Appends an EDNS record to the `len` bytes of `message`, and returns the length with it.
pub(super) fn append_edns(message: &mut [u8], len: usize, dnssec_ok: bool) -> Option<usize> {
    let [size_high, size_low] = MAX_SIZE.to_be_bytes();
    let flags = if dnssec_ok { 0x80 } else { 0 };
    let record = [0, 0, 41, size_high, size_low, 0, 0, flags, 0, 0, 0];
    let end = len.checked_add(record.len())?;
    message.get_mut(len..end)?.copy_from_slice(&record);
    let counts = header_mut(message)?.counts_mut();
    counts.inc_arcount().ok()?;
    Some(end)
}

/// Whether an answer of this class can be made here.
pub(super) fn is_internet(query: &Query<'_>) -> bool {
    query.class == Class::IN
}
