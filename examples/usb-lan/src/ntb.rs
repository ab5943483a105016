//! NTBs, the blocks in which CDC-NCM carries Ethernet frames (NCM 1.0, section 3), in their 16-bit
//! form.

pub(crate) mod check;
pub(crate) mod compose;

/// The longest block in either direction. Also the shortest that NCM allows as a maximum (NCM 1.0,
/// table 6-3). A block of this length ends without a short packet.
pub(crate) const LONGEST_BLOCK: usize = 2048;

/// The header of a block (NTH16, section 3.2.1) is always as long as this.
pub(crate) const HEADER: usize = 12;

/// The fixed part of a table of datagrams (NDP16, section 3.3.1), before its entries.
pub(crate) const TABLE_HEAD: usize = 8;

/// An entry of the table: where a datagram begins, and its length.
pub(crate) const ENTRY: usize = 4;

/// "NCMH"
pub(crate) const BLOCK_SIGNATURE: [u8; 4] = *b"NCMH";

/// "NCM0": datagrams without a CRC, the only kind that the host may choose here.
pub(crate) const TABLE_SIGNATURE: [u8; 4] = *b"NCM0";

/// The boundary to which tables and datagrams are aligned, in bytes. Windows demands at least 4,
/// and a power of two.
pub(crate) const ALIGNMENT: usize = 4;
