#!/usr/bin/env bash
# embassy-net 0.9.1: with the feature dhcpv4-hostname, StackResources can no longer be in a ConstStaticCell.
#
# Guess:   a feature adds to an interface, and takes nothing from it.
# Instead: the resources then contain a pointer and are not Send, as static_cell::ConstStaticCell wants them to be. Features
#          add up over all crates of a build, so that one crate that turns it on breaks another that does not.
# Seen:
# | with dhcpv4: compiles
# | with dhcpv4-hostname: error[E0277], cannot be sent between threads safely
. "$(dirname "$0")/crate.sh"

program <<'RUST'
use embassy_net::StackResources;
use static_cell::ConstStaticCell;

static RESOURCES: ConstStaticCell<StackResources<3>> = ConstStaticCell::new(StackResources::new());

fn main() {
    RESOURCES.take();
}
RUST
for feature in dhcpv4 dhcpv4-hostname; do
    cp "$folder/manifest" "$folder/finding/Cargo.toml"
    cat >>"$folder/finding/Cargo.toml" <<TOML
embassy-net = { version = "=0.9.1", features = ["$feature", "medium-ethernet", "proto-ipv4"] }
embassy-time = { version = "=0.5.1", features = ["generic-queue-8", "std"] }
critical-section = { version = "=1.2.0", features = ["std"] }
static_cell = "=2.1.1"
TOML
    if (cd "$folder/finding" && cargo check --quiet 2>"$folder/errors"); then
        echo "with $feature: compiles"
    else
        # The rest of the message depends on the compiler.
        echo "with $feature: $(grep -m 1 '^error' "$folder/errors" | sed 's/: .* cannot be/, cannot be/')"
    fi
done | tee "$folder/printed"
expected
