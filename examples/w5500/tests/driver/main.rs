//! The tests of the driver with a model of the chip, one module for each subject.
//! `cargo test -p nat-w5500 --test driver receive::` runs one module.

mod cost;
mod device;
mod faults;
mod model;
mod random;
mod receive;
mod transmit;
mod wakes;
mod zeros;
