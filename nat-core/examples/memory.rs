//! Prints how much RAM tables of several sizes take: `cargo run -p nat-core --example memory`.

use core::mem::size_of;

use nat_core::{Nat, Quarantine, Tables};

fn main() {
    // The average over a thousand entries, so that alignment has no influence.
    let base = size_of::<Tables<1, 1, 1>>();
    let mapping = (size_of::<Tables<1001, 1, 1>>() - base) / 1000;
    let session = (size_of::<Tables<1, 1001, 1>>() - base) / 1000;
    let host = (size_of::<Tables<1, 1, 1001>>() - base) / 1000;
    println!(
        "A mapping takes {mapping} bytes, a session {session}, one of each {}. A host takes {host} bytes,",
        mapping + session
    );
    let port = (size_of::<Quarantine<1001>>() - size_of::<Quarantine<1>>()) / 1000;
    println!("a port in quarantine {port}. Indexes and lists are included.");
    println!();
    println!("| mappings | sessions | hosts | bytes of RAM |");
    println!("|--:|--:|--:|--:|");
    row::<64, 128, 16>();
    row::<128, 256, 32>();
    row::<512, 1024, 64>();
    row::<2048, 4096, 254>();
    row::<8192, 16384, 1024>();
    println!();
    println!(
        "The engine beside its tables: {} bytes on this machine.",
        size_of::<Nat<'_>>()
    );
}

fn row<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>() {
    let bytes = size_of::<Tables<MAPPINGS, SESSIONS, HOSTS>>();
    println!("| {MAPPINGS} | {SESSIONS} | {HOSTS} | {bytes} |");
}
