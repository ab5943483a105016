//! An hour of an ordinary household through the tables of the RP2040's image: `cargo bench -p
//! nat-core --bench household`, with the seed of another hour as the argument after `--`.

#[path = "../tests/nat/household/simulation/mod.rs"]
mod simulation;

use std::time::Instant;

use nat_core::Config;

type Variant = (&'static str, fn(&mut Config));

const VARIANTS: [Variant; 3] = [
    ("defaults", |_| ()),
    ("DNS without a timer of its own", |config| {
        config.timeouts.dns = None;
    }),
    ("profile of cloud gateways", |config| {
        let mut gateway = Config::gateway(config.inside);
        gateway.external_addresses = config.external_addresses.clone();
        *config = gateway;
    }),
];

fn main() {
    let seed = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1);
    println!(
        "An hour of ten hosts, seed {seed}; where the numbers come from: nat-core/tests/nat/household/simulation/habits.rs"
    );
    for (name, change) in VARIANTS {
        let begin = Instant::now();
        let report = simulation::play(seed, change);
        println!("{name} ({:.1} s):\n{report}", begin.elapsed().as_secs_f32());
    }
}
