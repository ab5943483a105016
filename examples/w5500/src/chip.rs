//! The operations of the driver on the chip's registers and buffers.

use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiBus;
use embedded_hal_async::spi::SpiBus as AsyncSpiBus;

use crate::bus::Bus;
use crate::fault::Fault;
use crate::queue::Packet;
use crate::receiver::LENGTH_WORD;
use crate::registers::{
    Block, COMMAND_OPEN, COMMAND_RECEIVE, COMMAND_SEND, INTERRUPT_RECEIVED, INTERRUPT_SENT,
    LINK_UP, MODE_MAC_FILTER, MODE_MACRAW, MODE_NO_IPV6, MODE_NO_MULTICAST, STATUS_MACRAW, VERSION,
    common, socket, to_read, to_write, to_write_socket,
};

/// Which frames the chip receives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Filter {
    /// Unicast frames to this station and broadcast frames, without IPv6: all that an IPv4 router
    /// needs.
    #[default]
    Own,
    /// All frames.
    All,
}

/// The chip behind its bus. It caches none of the chip's state.
pub(crate) struct Chip<Spi, Cs> {
    pub(crate) bus: Bus<Spi, Cs>,
}

/// The receive pointers, read in one access.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct RxPointers {
    /// The bytes that were received and not yet released.
    pub(crate) size: u16,
    pub(crate) read: u16,
    pub(crate) write: u16,
}

impl<Spi: SpiBus<u8> + AsyncSpiBus<u8>, Cs: OutputPin> Chip<Spi, Cs> {
    /// Whether the link is up, and the value of the version register.
    pub(crate) fn link(&mut self) -> Result<(bool, u8), Fault> {
        let [a, b, c] = to_read(Block::Common, common::PHY);
        // From the PHY register to the version register: one access for both.
        let mut words = [a, b, c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        self.bus.read(&mut words)?;
        let [_, _, _, phy, .., version] = words;
        Ok((phy & LINK_UP != 0, version))
    }

    /// Checks that the socket is as it was set up.
    pub(crate) fn check_socket(&mut self) -> Result<(), Fault> {
        let [a, b, c] = to_read(Block::Socket, socket::COMMAND);
        let mut words = [a, b, c, 0, 0, 0];
        self.bus.read(&mut words)?;
        let [_, _, _, command, _interrupt, status] = words;
        match (status, command) {
            (STATUS_MACRAW, 0) => Ok(()),
            (STATUS_MACRAW, _) => Err(Fault::Command),
            _ => Err(Fault::Socket),
        }
    }

    /// Sets up a chip after a reset: its address, all buffer memory for the first socket, and this
    /// socket open for raw frames.
    pub(crate) fn set_up(&mut self, mac: [u8; 6], filter: Filter) -> Result<(), Fault> {
        let [a, b, c] = to_write(Block::Common, common::MAC_ADDRESS);
        let [m0, m1, m2, m3, m4, m5] = mac;
        self.bus.write(&[a, b, c, m0, m1, m2, m3, m4, m5])?;
        // The sum over all sockets must not exceed the memory, so the other sockets release theirs
        // first.
        for socket in 1..8 {
            let [a, b, c] = to_write_socket(socket, socket::BUFFER_SIZES);
            self.bus.write(&[a, b, c, 0, 0])?;
        }
        let [a, b, c] = to_write(Block::Socket, socket::BUFFER_SIZES);
        self.bus.write(&[a, b, c, 16, 16])?;
        self.write_register(socket::MODE, mode(filter))?;
        self.set_interrupts(INTERRUPT_RECEIVED)?;
        let [a, b, c] = to_write(Block::Common, common::SOCKET_INTERRUPT_MASK);
        self.bus.write(&[a, b, c, 1])?;
        self.write_register(socket::COMMAND, COMMAND_OPEN)
    }

    /// Whether the chip has kept its setup.
    pub(crate) fn is_set_up(&mut self, mac: [u8; 6]) -> Result<bool, Fault> {
        let [a, b, c] = to_read(Block::Common, common::MAC_ADDRESS);
        let mut words = [a, b, c, 0, 0, 0, 0, 0, 0];
        self.bus.read(&mut words)?;
        let [_, _, _, address @ ..] = words;
        Ok(address == mac && self.link()?.1 == VERSION && self.check_socket().is_ok())
    }

    /// Clears the interrupts `which`. Those that come later stay set.
    pub(crate) fn clear_interrupts(&mut self, which: u8) -> Result<(), Fault> {
        self.write_register(socket::INTERRUPT, which)
    }

    /// Enables the interrupts `which` at the pin.
    pub(crate) fn set_interrupts(&mut self, which: u8) -> Result<(), Fault> {
        self.write_register(socket::INTERRUPT_MASK, which)
    }

    /// Enables the interrupt for a sent frame besides the one for received frames. It comes for the
    /// frame being sent now at the earliest. Clears `and_clear`, too.
    pub(crate) fn announce_sent(&mut self, and_clear: u8) -> Result<(), Fault> {
        self.clear_interrupts(INTERRUPT_SENT | and_clear)?;
        self.set_interrupts(INTERRUPT_RECEIVED | INTERRUPT_SENT)
    }

    pub(crate) fn rx_pointers(&mut self) -> Result<RxPointers, Fault> {
        let [a, b, c] = to_read(Block::Socket, socket::RX_SIZE);
        let mut words = [a, b, c, 0, 0, 0, 0, 0, 0];
        self.bus.read(&mut words)?;
        let [_, _, _, s1, s0, r1, r0, w1, w0] = words;
        Ok(RxPointers {
            size: u16::from_be_bytes([s1, s0]),
            read: u16::from_be_bytes([r1, r0]),
            write: u16::from_be_bytes([w1, w0]),
        })
    }

    /// Whether the receive buffer is empty. It costs less than [`Chip::rx_pointers`].
    pub(crate) fn rx_is_empty(&mut self) -> Result<bool, Fault> {
        let [a, b, c] = to_read(Block::Socket, socket::RX_SIZE);
        let mut words = [a, b, c, 0, 0];
        self.bus.read(&mut words)?;
        let [_, _, _, size @ ..] = words;
        Ok(size == [0, 0])
    }

    /// Releases the receive buffer up to `read`.
    pub(crate) fn release(&mut self, read: u16) -> Result<(), Fault> {
        self.write_pointer(socket::RX_READ, read)?;
        self.write_register(socket::COMMAND, COMMAND_RECEIVE)
    }

    /// Begins to read the frame at `read`. Returns its length word, and leaves the chip selected
    /// for the frame itself.
    pub(crate) fn begin_frame(&mut self, read: u16) -> Result<u16, Fault> {
        let [a, b, c] = to_read(Block::RxBuffer, read);
        let mut words = [a, b, c, 0, 0];
        self.bus.begin(&mut words)?;
        let [_, _, _, high, low] = words;
        Ok(u16::from_be_bytes([high, low]))
    }

    /// Begins to read the frame at `read`, whose length word is known. Returns what to exchange for
    /// it, and for the `after` bytes behind it.
    pub(crate) fn begin_known_frame<'a>(
        &mut self,
        read: u16,
        packet: &'a mut Packet,
        after: usize,
    ) -> Result<&'a mut [u8], Fault> {
        self.bus.select()?;
        let header = to_read(Block::RxBuffer, read.wrapping_add(LENGTH_WORD));
        Ok(packet.access(header, after))
    }

    /// The transmit read pointer: where the sent data ends.
    pub(crate) fn tx_read(&mut self) -> Result<u16, Fault> {
        let [a, b, c] = to_read(Block::Socket, socket::TX_READ);
        let mut words = [a, b, c, 0, 0];
        self.bus.read(&mut words)?;
        let [_, _, _, high, low] = words;
        Ok(u16::from_be_bytes([high, low]))
    }

    /// Puts a frame into the transmit buffer, without sending it.
    pub(crate) async fn write_frame(
        &mut self,
        write: u16,
        packet: &mut Packet,
    ) -> Result<(), Fault> {
        let words = packet.access(to_write(Block::TxBuffer, write), 0);
        self.bus.write_frame(words).await
    }

    /// Sends the data in the transmit buffer up to `write` as one frame.
    pub(crate) fn send(&mut self, write: u16) -> Result<(), Fault> {
        self.write_pointer(socket::TX_WRITE, write)?;
        self.write_register(socket::COMMAND, COMMAND_SEND)
    }

    fn write_register(&mut self, offset: u16, value: u8) -> Result<(), Fault> {
        let [a, b, c] = to_write(Block::Socket, offset);
        self.bus.write(&[a, b, c, value])
    }

    fn write_pointer(&mut self, offset: u16, value: u16) -> Result<(), Fault> {
        let ([a, b, c], [high, low]) = (to_write(Block::Socket, offset), value.to_be_bytes());
        self.bus.write(&[a, b, c, high, low])
    }
}

const fn mode(filter: Filter) -> u8 {
    match filter {
        Filter::Own => MODE_MACRAW | MODE_MAC_FILTER | MODE_NO_MULTICAST | MODE_NO_IPV6,
        Filter::All => MODE_MACRAW,
    }
}
