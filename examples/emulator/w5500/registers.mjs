/** Names of the W5500's registers and bits, as in its datasheet (version 1.0.9), chapter 4. */

/** Common registers. */
export const MR = 0x00;
export const SHAR = 0x09;
export const INTLEVEL = 0x13;
export const IR = 0x15;
export const SIR = 0x17;
export const SIMR = 0x18;
export const RTR = 0x19;
export const RCR = 0x1b;
export const PHYCFGR = 0x2e;
export const VERSIONR = 0x39;

export const MR_RST = 0x80;
export const VERSION = 0x04;

export const PHY_RST = 0x80;
export const PHY_OPMD = 0x40;
export const PHY_OPMDC = 0x38;
export const PHY_POWER_DOWN = 0x30;
export const PHY_FULL_DUPLEX = 0x04;
export const PHY_100M = 0x02;
export const PHY_LINK = 0x01;

/** Socket registers. */
export const SN_MR = 0x00;
export const SN_CR = 0x01;
export const SN_IR = 0x02;
export const SN_SR = 0x03;
export const SN_RXBUF_SIZE = 0x1e;
export const SN_TXBUF_SIZE = 0x1f;
export const SN_TX_FSR = 0x20;
export const SN_TX_RD = 0x22;
export const SN_TX_WR = 0x24;
export const SN_RX_RSR = 0x26;
export const SN_RX_RD = 0x28;
export const SN_RX_WR = 0x2a;
export const SN_IMR = 0x2c;

export const MODE = 0x0f;
export const MODE_MACRAW = 0x04;
export const BLOCK_IPV6 = 0x10;
export const BLOCK_MULTICAST = 0x20;
export const BLOCK_BROADCAST = 0x40;
export const MAC_FILTER = 0x80;

export const OPEN = 0x01;
export const CLOSE = 0x10;
export const SEND = 0x20;
export const RECV = 0x40;

export const IR_RECV = 0x04;
export const IR_SENDOK = 0x10;

export const SOCK_CLOSED = 0x00;
export const SOCK_MACRAW = 0x42;

/** Blocks of the SPI control byte, for socket 0; socket n has them 4 n later. */
export const BLOCK_COMMON = 0;
export const BLOCK_SOCKET = 1;
export const BLOCK_TX = 2;
export const BLOCK_RX = 3;
