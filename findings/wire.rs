//! An Ethernet with one other station, which answers for every address that is asked for by ARP.

use std::collections::VecDeque;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr};

pub const OWN: EthernetAddress = EthernetAddress([0x02, 0, 0, 0, 0, 1]);
pub const OTHER: EthernetAddress = EthernetAddress([0x02, 0, 0, 0, 0, 2]);

#[derive(Default)]
pub struct Wire {
    arriving: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    pub arp_answers: usize,
}

impl Wire {
    /// The IPv4 packets that were sent since the last call. ARP requests among what was sent are answered.
    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        let (arp, ip): (Vec<_>, Vec<_>) = std::mem::take(&mut self.sent)
            .into_iter()
            .partition(|frame| EthernetFrame::new_unchecked(frame).ethertype() == EthernetProtocol::Arp);
        arp.iter().for_each(|frame| self.answer(&frame[EthernetFrame::<&[u8]>::header_len()..]));
        ip.iter().map(|frame| frame[EthernetFrame::<&[u8]>::header_len()..].to_vec()).collect()
    }

    fn answer(&mut self, request: &[u8]) {
        let request = ArpRepr::parse(&ArpPacket::new_unchecked(request)).expect("ARP");
        let ArpRepr::EthernetIpv4 { source_protocol_addr, target_protocol_addr, .. } = request else { return };
        let answer = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: OTHER,
            source_protocol_addr: target_protocol_addr,
            target_hardware_addr: OWN,
            target_protocol_addr: source_protocol_addr,
        };
        let mut payload = vec![0; answer.buffer_len()];
        answer.emit(&mut ArpPacket::new_unchecked(&mut payload[..]));
        self.arp_answers += 1;
        self.arrive(EthernetProtocol::Arp, &payload);
    }

    /// Lets a frame arrive from the other station.
    pub fn arrive(&mut self, ethertype: EthernetProtocol, payload: &[u8]) {
        let header = EthernetRepr { src_addr: OTHER, dst_addr: OWN, ethertype };
        let mut frame = vec![0; header.buffer_len() + payload.len()];
        header.emit(&mut EthernetFrame::new_unchecked(&mut frame[..]));
        frame[header.buffer_len()..].copy_from_slice(payload);
        self.arriving.push_back(frame);
    }
}

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Arrived, Room<'_>)> {
        let frame = self.arriving.pop_front()?;
        Some((Arrived(frame), Room(&mut self.sent)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Room<'_>> {
        Some(Room(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

pub struct Arrived(Vec<u8>);

impl phy::RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

pub struct Room<'a>(&'a mut Vec<Vec<u8>>);

impl phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        self.0.push(frame);
        result
    }
}
