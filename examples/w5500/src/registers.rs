//! The addresses of the chip's registers, and their bits (W5500 datasheet 1.1.0, chapters 2 and 4).

/// The three bytes that begin every access (section 2.2): the offset, the block, and whether to
/// read or write. The access lasts until the chip is deselected (variable data length mode).
pub(crate) type Header = [u8; 3];

#[derive(Clone, Copy)]
pub(crate) enum Block {
    Common = 0,
    Socket = 1,
    TxBuffer = 2,
    RxBuffer = 3,
}

pub(crate) const fn to_read(block: Block, offset: u16) -> Header {
    let [high, low] = offset.to_be_bytes();
    [high, low, (block as u8) << 3]
}

pub(crate) const fn to_write(block: Block, offset: u16) -> Header {
    let [high, low, control] = to_read(block, offset);
    [high, low, control | WRITE]
}

/// The header to write the registers of a socket, also of those that carry no frames.
pub(crate) const fn to_write_socket(socket: u8, offset: u16) -> Header {
    let [high, low] = offset.to_be_bytes();
    [high, low, (socket * 4 + 1) << 3 | WRITE]
}

const WRITE: u8 = 0b100;

/// Offsets in the common block.
pub(crate) mod common {
    pub(crate) const MAC_ADDRESS: u16 = 0x09;
    pub(crate) const SOCKET_INTERRUPT_MASK: u16 = 0x18;
    pub(crate) const PHY: u16 = 0x2e;
}

/// Offsets in the block of a socket.
pub(crate) mod socket {
    pub(crate) const MODE: u16 = 0x00;
    pub(crate) const COMMAND: u16 = 0x01;
    pub(crate) const INTERRUPT: u16 = 0x02;
    pub(crate) const BUFFER_SIZES: u16 = 0x1e;
    pub(crate) const TX_READ: u16 = 0x22;
    pub(crate) const TX_WRITE: u16 = 0x24;
    pub(crate) const RX_SIZE: u16 = 0x26;
    pub(crate) const RX_READ: u16 = 0x28;
    pub(crate) const INTERRUPT_MASK: u16 = 0x2c;
}

/// The value of the version register, the last one of the common block.
pub(crate) const VERSION: u8 = 0x04;

/// In the PHY register.
pub(crate) const LINK_UP: u8 = 1;

/// The size in bytes of each buffer of the chip. One socket has all of it.
pub(crate) const BUFFER_LEN: u16 = 16 * 1024;

/// The mode of a socket for raw frames.
pub(crate) const MODE_MACRAW: u8 = 0b0100;
/// Drop unicast frames to other stations.
pub(crate) const MODE_MAC_FILTER: u8 = 1 << 7;
/// Drop multicast.
pub(crate) const MODE_NO_MULTICAST: u8 = 1 << 5;
/// Drop IPv6.
pub(crate) const MODE_NO_IPV6: u8 = 1 << 4;

/// The status of a socket that is open for raw frames.
pub(crate) const STATUS_MACRAW: u8 = 0x42;

pub(crate) const COMMAND_OPEN: u8 = 0x01;
pub(crate) const COMMAND_SEND: u8 = 0x20;
pub(crate) const COMMAND_RECEIVE: u8 = 0x40;

pub(crate) const INTERRUPT_RECEIVED: u8 = 1 << 2;
pub(crate) const INTERRUPT_SENT: u8 = 1 << 4;
pub(crate) const INTERRUPTS: u8 = 0b1_1111;
