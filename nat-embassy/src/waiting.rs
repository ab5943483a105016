//! Packets that wait until the hardware address of their next hop is known.

use core::net::Ipv4Addr;

/// The newest packets for neighbours that are being queried (RFC 1122 section 2.3.2.2).
///
/// Most of them are short: the first packets of sessions. So they share bytes, behind one another
/// in the order in which they came.
pub(crate) struct WaitingPackets<'d> {
    /// The first `stored` are in use.
    packets: &'d mut [Packet],
    stored: usize,
    /// How many of them still wait. The others were taken out, and their memory is not free yet.
    waiting: usize,
    bytes: &'d mut [u8],
}

/// The memory for `N` packets, of which half and a little more can be as long as a frame.
pub(crate) struct Memory<const N: usize> {
    packets: [Packet; N],
    bytes: [[u8; BYTES_EACH]; N],
}

/// The bytes for each packet, in whole words. With four packets, all fragments of a datagram of 4 KB
/// can wait.
const BYTES_EACH: usize = 1072;

/// Packets begin at multiples of this, so that they are moved word by word.
const WORD: usize = 4;

#[derive(Clone, Copy)]
struct Packet {
    /// Unspecified when the packet was taken out.
    next_hop: Ipv4Addr,
    at: usize,
    len: usize,
}

/// The result of [`WaitingPackets::put`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stored {
    /// The packet waits. So many older ones are lost, which had to make room.
    Kept { replaced: u32 },
    /// The packet is too long, and is lost.
    TooLong,
}

impl<const N: usize> Memory<N> {
    pub(crate) const fn new() -> Self {
        const { assert!(N >= 2, "two packets or more must be able to wait") }
        Self {
            packets: [Packet::TAKEN; N],
            bytes: [[0; BYTES_EACH]; N],
        }
    }
}

impl Packet {
    const TAKEN: Self = Self {
        next_hop: Ipv4Addr::UNSPECIFIED,
        at: 0,
        len: 0,
    };

    fn waits(&self) -> bool {
        !self.next_hop.is_unspecified()
    }

    /// The bytes that it takes.
    fn room(&self) -> usize {
        self.len.next_multiple_of(WORD)
    }
}

impl<'d> WaitingPackets<'d> {
    pub(crate) const fn new<const N: usize>(memory: &'d mut Memory<N>) -> Self {
        Self {
            packets: &mut memory.packets,
            stored: 0,
            waiting: 0,
            bytes: memory.bytes.as_flattened_mut(),
        }
    }

    /// Stores a copy of `datagram`. Until there is room for it, the oldest packet for `next_hop`
    /// is lost, or else the oldest packet of all.
    pub(crate) fn put(&mut self, next_hop: Ipv4Addr, datagram: &[u8]) -> Stored {
        if datagram.len() > self.bytes.len() {
            return Stored::TooLong;
        }
        let mut replaced = 0;
        while !self.has_room(datagram.len()) && self.evict(next_hop) {
            replaced += 1;
        }
        let at = self.compact();
        let place = self.packets.get_mut(self.stored);
        let copy = self.bytes.get_mut(at..at + datagram.len());
        let (Some(place), Some(copy)) = (place, copy) else {
            return Stored::TooLong;
        };
        copy.copy_from_slice(datagram);
        *place = Packet {
            next_hop,
            at,
            len: datagram.len(),
        };
        self.stored += 1;
        self.waiting += 1;
        Stored::Kept { replaced }
    }

    /// Whether a packet of `len` bytes can wait without the loss of another.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        let used: usize = self.packets().map(Packet::room).sum();
        self.waiting < self.packets.len() && len <= self.bytes.len() - used
    }

    /// Whether a packet waits for a next hop that meets `condition`.
    pub(crate) fn any(&self, mut condition: impl FnMut(Ipv4Addr) -> bool) -> bool {
        // The count spares the search in nearly all passes.
        self.waiting > 0 && self.packets().any(|packet| condition(packet.next_hop))
    }

    /// Takes out the oldest packet whose next hop `lookup` finds. Returns what it found, too.
    pub(crate) fn take<T>(&mut self, lookup: impl Fn(Ipv4Addr) -> Option<T>) -> Option<(T, &[u8])> {
        let (found, packet) = self
            .packets_mut()
            .find_map(|packet| lookup(packet.next_hop).map(|found| (found, packet)))?;
        let Packet { at, len, .. } = core::mem::replace(packet, Packet::TAKEN);
        self.waiting -= 1;
        Some((found, self.bytes.get(at..at + len)?))
    }

    /// Takes out a packet whose next hop does not meet `keep`.
    pub(crate) fn take_unresolved(&mut self, keep: impl Fn(Ipv4Addr) -> bool) -> Option<&[u8]> {
        let (_, datagram) = self.take(|next_hop| (!keep(next_hop)).then_some(()))?;
        Some(datagram)
    }

    /// Drops the packets whose next hop does not meet `keep`. Returns how many.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(Ipv4Addr) -> bool) -> u32 {
        let mut dropped = 0;
        for packet in self.packets_mut() {
            if !keep(packet.next_hop) {
                *packet = Packet::TAKEN;
                dropped += 1;
            }
        }
        self.waiting -= dropped;
        dropped as u32
    }

    /// Drops the oldest packet for `next_hop`, or else the oldest of all. Returns whether there was
    /// one.
    fn evict(&mut self, next_hop: Ipv4Addr) -> bool {
        let same = |packet: &&mut Packet| packet.next_hop == next_hop;
        let has_same = self.packets_mut().any(|packet| same(&packet));
        let oldest = self.packets_mut().find(|packet| !has_same || same(packet));
        let Some(packet) = oldest else {
            return false;
        };
        *packet = Packet::TAKEN;
        self.waiting -= 1;
        true
    }

    /// Frees the memory of the packets that were taken out. Returns where free memory begins.
    fn compact(&mut self) -> usize {
        let (mut kept, mut end) = (0, 0);
        for position in 0..self.stored {
            let Some(&packet) = self.packets.get(position).filter(|packet| packet.waits()) else {
                continue;
            };
            if packet.at != end {
                self.bytes
                    .copy_within(packet.at..packet.at + packet.room(), end);
            }
            if let Some(place) = self.packets.get_mut(kept) {
                *place = Packet { at: end, ..packet };
            }
            kept += 1;
            end += packet.room();
        }
        self.stored = kept;
        end
    }

    /// The packets that wait, the oldest first.
    fn packets(&self) -> impl Iterator<Item = &Packet> {
        let stored = self.packets.iter().take(self.stored);
        stored.filter(|packet| packet.waits())
    }

    fn packets_mut(&mut self) -> impl Iterator<Item = &mut Packet> {
        let stored = self.packets.iter_mut().take(self.stored);
        stored.filter(|packet| packet.waits())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    const NEAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    /// The packets for `next_hop`, by their first byte and length.
    fn take_all(packets: &mut WaitingPackets<'_>, next_hop: Ipv4Addr) -> Vec<(u8, usize)> {
        let mut taken = Vec::new();
        while let Some(((), datagram)) = packets.take(|hop| (hop == next_hop).then_some(())) {
            assert!(datagram.iter().all(|byte| *byte == datagram[0]));
            taken.push((datagram[0], datagram.len()));
        }
        taken
    }

    #[test]
    fn two_of_the_longest_wait_in_the_memory_of_four() {
        let mut memory = Memory::<4>::new();
        let mut packets = WaitingPackets::new(&mut memory);
        let put = |packets: &mut WaitingPackets<'_>, byte| packets.put(NEAR, &[byte; 1500]);
        assert_eq!(put(&mut packets, 1), Stored::Kept { replaced: 0 });
        assert_eq!(put(&mut packets, 2), Stored::Kept { replaced: 0 });
        assert_eq!(put(&mut packets, 3), Stored::Kept { replaced: 1 });
        assert_eq!(take_all(&mut packets, NEAR), [(2, 1500), (3, 1500)]);
    }

    #[test]
    fn a_long_packet_takes_the_place_of_as_many_short_ones_as_it_needs() {
        let mut memory = Memory::<4>::new();
        let mut packets = WaitingPackets::new(&mut memory);
        packets.put(FAR, &[1; 60]);
        packets.put(NEAR, &[2; 1500]);
        packets.put(NEAR, &[3; 1400]);
        // The oldest for its own neighbour goes first, then the oldest of all.
        assert!(!packets.has_room(1500));
        assert_eq!(packets.put(NEAR, &[4; 1500]), Stored::Kept { replaced: 1 });
        assert_eq!(packets.put(FAR, &[5; 1500]), Stored::Kept { replaced: 2 });
        assert_eq!(take_all(&mut packets, NEAR), [(4, 1500)]);
        assert_eq!(take_all(&mut packets, FAR), [(5, 1500)]);
        assert!(packets.has_room(4288) && !packets.has_room(4289));
    }

    #[test]
    fn what_is_taken_out_makes_room_and_the_rest_is_unchanged() {
        let mut memory = Memory::<4>::new();
        let mut packets = WaitingPackets::new(&mut memory);
        for round in 0..50_u8 {
            packets.put(FAR, &[1; 61]);
            packets.put(NEAR, &[2; 1499]);
            packets.put(FAR, &[3; 702]);
            assert_eq!(take_all(&mut packets, NEAR), [(2, 1499)], "round {round}");
            packets.put(NEAR, &[4; 1500]);
            packets.put(NEAR, &[5; 40]);
            assert_eq!(packets.retain(|hop| hop == FAR), 2);
            assert_eq!(take_all(&mut packets, FAR), [(1, 61), (3, 702)]);
        }
        assert_eq!(packets.put(NEAR, &[0; 4289]), Stored::TooLong);
    }
}
