//! Random numbers from the chip's generator.

use embassy_stm32::Peri;
use embassy_stm32::interrupt::typelevel::Binding;
use embassy_stm32::peripherals::RNG;
use embassy_stm32::rng::{self, Instance, Rng};

/// 32 random bytes, different at every start. `irq` shows that the generator's interrupt is
/// handled.
pub fn gather(
    generator: Peri<'static, RNG>,
    irq: impl Binding<<RNG as Instance>::Interrupt, rng::InterruptHandler<RNG>> + 'static,
) -> [u8; 32] {
    let mut entropy = [0; 32];
    Rng::new(generator, irq).fill_bytes(&mut entropy);
    entropy
}
