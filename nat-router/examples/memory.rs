//! Prints how much RAM a router takes for tables of several sizes: `cargo run --example memory`.

use core::mem::size_of;

use nat_core::Tables;
use nat_embassy::State;
use nat_router::Memory;

fn main() {
    println!("| mappings | sessions | hosts | `Tables` | `State` | `Memory` |");
    println!("|--:|--:|--:|--:|--:|--:|");
    row::<64, 128, 16>();
    row::<128, 256, 16>();
    row::<256, 512, 32>();
    row::<512, 1024, 32>();
    row::<1024, 2048, 64>();
    row::<2048, 4096, 254>();
}

fn row<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>() {
    let tables = size_of::<Tables<MAPPINGS, SESSIONS, HOSTS>>();
    let state = size_of::<State<MAPPINGS, SESSIONS, HOSTS>>();
    let memory = size_of::<Memory<MAPPINGS, SESSIONS, HOSTS>>();
    println!("| {MAPPINGS} | {SESSIONS} | {HOSTS} | {tables} | {state} | {memory} |");
}
