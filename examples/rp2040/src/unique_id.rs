//! The id of the flash chip.

use embassy_rp::Peri;
use embassy_rp::flash::Flash;
use embassy_rp::peripherals::FLASH;

/// The flash's unique id of 64 bits. `FLASH_BYTES` is the size of the flash.
///
/// While it is read, the flash is not readable as memory, so interrupts are off, and no DMA may
/// read from it. Therefore this comes before any DMA. Without an id, a warning is logged.
pub fn unique_id<const FLASH_BYTES: usize>(flash: Peri<'static, FLASH>) -> [u8; 8] {
    let mut id = [0; 8];
    let read = Flash::<_, _, FLASH_BYTES>::new_blocking(flash).blocking_unique_id(&mut id);
    if read.is_err() || id == [0; 8] || id == [0xff; 8] {
        defmt::warn!("the flash has no unique id: two such boards have the same MAC addresses");
    }
    id
}
