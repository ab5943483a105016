//! The settings of the Wi-Fi chip on this board, which it has no memory for: crystal, antenna and
//! the calibration of its transmitter.
//!
//! They are those of the chip's vendor for its module (`cyw943439wlpth_rev1_0`), and the same as in
//! the crate `cyw43` 0.6 (MIT or Apache-2.0). Since version 0.7 the crate leaves them to the board.

use cyw43::{A4, Aligned};

const SETTINGS: &str = concat!(
    "NVRAMRev=$Rev$\0",
    "manfid=0x2d0\0",
    "prodid=0x0727\0",
    "vendid=0x14e4\0",
    "devid=0x43e2\0",
    "boardtype=0x0887\0",
    "boardrev=0x1100\0",
    "boardnum=22\0",
    // The chip has an address of its own, which it uses instead.
    "macaddr=00:A0:50:b5:59:5e\0",
    "sromrev=11\0",
    "boardflags=0x00404001\0",
    "boardflags3=0x04000000\0",
    "xtalfreq=37400\0",
    "nocrc=1\0",
    "ag0=255\0",
    "aa2g=1\0",
    "ccode=ALL\0",
    "pa0itssit=0x20\0",
    "extpagain2g=0\0",
    "pa2ga0=-168,6649,-778\0",
    "AvVmid_c0=0x0,0xc8\0",
    "cckpwroffset0=5\0",
    "maxp2ga0=84\0",
    "txpwrbckof=6\0",
    "cckbw202gpo=0\0",
    "legofdmbw202gpo=0x66111111\0",
    "mcsbw202gpo=0x77711111\0",
    "propbw202gpo=0xdd\0",
    "ofdmdigfilttype=18\0",
    "ofdmdigfilttypebe=18\0",
    "papdmode=1\0",
    "papdvalidtest=1\0",
    "pacalidx2g=45\0",
    "papdepsoffset=-30\0",
    "papdendidx=58\0",
    "ltecxmux=0\0",
    "ltecxpadnum=0x0102\0",
    "ltecxfnsel=0x44\0",
    "ltecxgcigpio=0x01\0",
    "il0macaddr=00:90:4c:c5:12:38\0",
    "wl0id=0x431b\0",
    "deadman_to=0xffffffff\0",
    "muxenab=0x100\0",
    "spurconfig=0x3\0",
    "glitch_based_crsmin=1\0",
    "btc_mode=1\0",
    "\0",
);

/// The chip takes words of four bytes.
const LENGTH: usize = SETTINGS.len().next_multiple_of(4);

pub(crate) static NVRAM: &Aligned<A4, [u8]> = &Aligned(padded());

const fn padded() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let (settings, _) = bytes.split_at_mut(SETTINGS.len());
    settings.copy_from_slice(SETTINGS.as_bytes());
    bytes
}
