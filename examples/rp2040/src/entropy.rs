//! Entropy from the ring oscillator.
//!
//! Its bits come from jitter, so they are biased, and similar to their neighbours. Therefore 64
//! bits are gathered for each bit that is used, with pauses in which jitter accumulates, and
//! SHA-256 reduces them to 256 bits.

use embassy_rp::clocks::RoscRng;
use sha2::{Digest, Sha256};

/// Samples of eight bits each.
const SAMPLES: usize = 2048;

/// Cycles between two samples: some dozen periods of the oscillator.
const PAUSE: u32 = 250;

/// The repetition count test of NIST SP 800-90B section 4.4.1: if a sample has an eighth of a bit
/// of entropy, as is assumed here, this many equal samples in a row have a probability of 2^-20.
const STUCK: usize = 161;

/// 256 bits that are different at every start. If the oscillator is stuck, a warning is logged, and
/// only `personal` makes the bits differ from those of other boards.
pub fn gather(personal: &[u8]) -> [u8; 32] {
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
