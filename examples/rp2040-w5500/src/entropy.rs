//! Entropy from the ring oscillator.
//!
//! Its bits are what its jitter makes of them: biased, and like their neighbours. Therefore many
//! more are gathered than are needed, 64 for each that is used, with pauses in which jitter
//! accumulates, and SHA-256 makes 256 bits of them.

use embassy_rp::clocks::RoscRng;
use sha2::{Digest, Sha256};

/// Samples of eight bits each.
const SAMPLES: usize = 2048;

/// Cycles between two samples: some dozen periods of the oscillator.
const PAUSE: u32 = 250;

/// So many equal samples in a row have a chance of 2^-20 if a sample is worth an eighth of a bit,
/// which is what is counted on: the repetition count test of NIST SP 800-90B section 4.4.1.
const STUCK: usize = 161;

/// 256 bits that are different at every start. `personal` makes them differ from those of other
/// boards even if the oscillator should be stuck, which a warning on the log tells.
pub(crate) fn gather(personal: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(personal);
    let mut last = None;
    let (mut run, mut longest) = (0, 0);
    for _ in 0..SAMPLES {
        cortex_m::asm::delay(PAUSE);
        let sample = RoscRng::next_u8();
        run = if last == Some(sample) { run + 1 } else { 1 };
        longest = run.max(longest);
        last = Some(sample);
        hash.update([sample]);
    }
    if longest >= STUCK {
        defmt::warn!("the ring oscillator is stuck: the NAT's ports can be predicted");
    }
    hash.finalize().into()
}
