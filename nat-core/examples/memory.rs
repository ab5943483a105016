//! Prints what tables of several sizes cost in RAM: `cargo run -p nat-core --example memory`.

use core::mem::size_of;

use nat_core::{Nat, Quarantine, Tables};

fn main() {
    // Per thousand, so that alignment does not blur it.
    let base = size_of::<Tables<1, 1, 1>>();
    let mapping = (size_of::<Tables<1001, 1, 1>>() - base) / 1000;
    let session = (size_of::<Tables<1, 1001, 1>>() - base) / 1000;
    let host = (size_of::<Tables<1, 1, 1001>>() - base) / 1000;
    println!(
        "A flow: one mapping of {mapping} bytes and one session of {session}, {} in all, indexes and",
        mapping + session
    );
    let port = (size_of::<Quarantine<1001>>() - size_of::<Quarantine<1>>()) / 1000;
    println!("lists included. A host: {host} bytes. A port in quarantine: {port}.");
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
