//! The end of a wire that is plugged into a device, and what goes over it.

use core::cell::RefCell;
use core::net::Ipv4Addr;

use embassy_futures::join::join;
use embassy_net_driver::{HardwareAddress, LinkState};
use embassy_net_driver_channel as channel;
use embassy_time::Timer;
use etherparse::{
    ArpEthIpv4Packet, ArpOperation, Ethernet2Header, NetSlice, PacketBuilder, SlicedPacket,
    TransportSlice,
};

pub const BROADCAST: [u8; 6] = [0xff; 6];

const MTU: usize = 1514;
const QUEUE: usize = 8;

pub type Device = channel::Device<'static, MTU>;

/// The far end of a wire.
pub struct End {
    state: RefCell<channel::StateRunner<'static>>,
    to: RefCell<channel::RxRunner<'static, MTU>>,
    from: RefCell<channel::TxRunner<'static, MTU>>,
}

/// A device with this hardware address, whose link is up, and the far end of its wire.
pub fn device(mac: [u8; 6]) -> (End, Device) {
    let state = Box::leak(Box::new(channel::State::<MTU, QUEUE, QUEUE>::new()));
    let (runner, device) = channel::new(state, HardwareAddress::Ethernet(mac));
    let (state, to, from) = runner.split();
    state.set_link_state(LinkState::Up);
    (
        End {
            state: RefCell::new(state),
            to: RefCell::new(to),
            from: RefCell::new(from),
        },
        device,
    )
}

impl End {
    pub fn set_link(&self, link: LinkState) {
        self.state.borrow_mut().set_link_state(link);
    }

    /// Sends a frame as soon as there is room for it.
    pub async fn send(&self, frame: &[u8]) {
        loop {
            if let Some(buffer) = self.to.borrow_mut().try_rx_buf() {
                buffer[..frame.len()].copy_from_slice(frame);
                break;
            }
            Timer::after_millis(1).await;
        }
        self.to.borrow_mut().rx_done(frame.len());
    }

    /// The next frame, if there is one.
    pub fn try_receive(&self) -> Option<Vec<u8>> {
        let mut from = self.from.borrow_mut();
        let frame = from.try_tx_buf()?.to_vec();
        from.tx_done();
        Some(frame)
    }

    /// Waits for the next frame.
    pub async fn receive(&self) -> Vec<u8> {
        loop {
            if let Some(frame) = self.try_receive() {
                return frame;
            }
            Timer::after_millis(1).await;
        }
    }
}

/// Joins two devices by a wire.
pub async fn join_ends(one: &End, other: &End) {
    join(carry(one, other), carry(other, one)).await;
}

async fn carry(from: &End, to: &End) {
    loop {
        let frame = from.receive().await;
        to.send(&frame).await;
    }
}

/// A UDP datagram in an Ethernet frame.
#[derive(Clone, Debug)]
pub struct Udp {
    pub macs: ([u8; 6], [u8; 6]),
    pub from: (Ipv4Addr, u16),
    pub to: (Ipv4Addr, u16),
    pub payload: Vec<u8>,
}

impl Udp {
    pub fn frame(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        PacketBuilder::ethernet2(self.macs.0, self.macs.1)
            .ipv4(self.from.0.octets(), self.to.0.octets(), 64)
            .udp(self.from.1, self.to.1)
            .write(&mut bytes, &self.payload)
            .expect("a datagram that fits");
        bytes
    }

    pub fn read(frame: &[u8]) -> Option<Self> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let header = Ethernet2Header::from_slice(frame).ok()?.0;
        let (NetSlice::Ipv4(ip), TransportSlice::Udp(udp)) = (packet.net?, packet.transport?)
        else {
            return None;
        };
        let ip = ip.header();
        Some(Self {
            macs: (header.source, header.destination),
            from: (ip.source_addr(), udp.source_port()),
            to: (ip.destination_addr(), udp.destination_port()),
            payload: udp.payload().to_vec(),
        })
    }
}

/// The answer to a frame, if that is an ARP request for `address`.
pub fn arp_answer(frame: &[u8], mac: [u8; 6], address: Ipv4Addr) -> Option<Vec<u8>> {
    let Some(NetSlice::Arp(arp)) = SlicedPacket::from_ethernet(frame).ok()?.net else {
        return None;
    };
    let request = arp.to_packet().try_eth_ipv4().ok()?;
    let is_asked =
        request.operation == ArpOperation::REQUEST && request.target_ipv4 == address.octets();
    if !is_asked {
        return None;
    }
    let answer = ArpEthIpv4Packet {
        operation: ArpOperation::REPLY,
        sender_mac: mac,
        sender_ipv4: address.octets(),
        target_mac: request.sender_mac,
        target_ipv4: request.sender_ipv4,
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(mac, request.sender_mac)
        .arp(answer.into())
        .write(&mut frame)
        .expect("a vector grows");
    Some(frame)
}
