//! Chooses the memory map and the linker scripts of the board that goes with the target.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let rp2040 = env::var("TARGET").is_ok_and(|target| target == "thumbv6m-none-eabi");
    let memory = if rp2040 {
        "memory-rp2040.x"
    } else {
        "memory-mps2.x"
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::copy(memory, out.join("memory.x")).expect("the memory map can be copied");
    println!("cargo:rerun-if-changed={memory}");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-check-cfg=cfg(rp2040)");
    if rp2040 {
        println!("cargo:rustc-cfg=rp2040");
        println!("cargo:rustc-link-arg-bins=-Tlink-rp.x");
    }
}
