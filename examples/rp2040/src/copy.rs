//! The copy of memory that the compiler calls.
//!
//! That of the compiler's library moves a word at a time: 1.8 cycles a byte, or 2,700 for a frame of
//! 1514 bytes, more than all else that forwarding it costs the router. A Cortex-M0+ loads or stores
//! four words in five cycles, which makes 0.7 cycles a byte. So this one replaces it where both
//! places are aligned to words, as the frames in the queues are.

use core::arch::global_asm;

// The registers are those of the "Run-time ABI for the Arm Architecture", section 4.3.4: r0 is the
// place to copy to, r1 the place to copy from, r2 the number of bytes; r3 is free.
//
// A load or a store does not change the flags.
global_asm!(
    ".section .text.__aeabi_memcpy, \"ax\", %progbits",
    ".global __aeabi_memcpy",
    ".type __aeabi_memcpy, %function",
    ".thumb_func",
    "__aeabi_memcpy:",
    "    movs r3, r0",
    "    orrs r3, r1",
    "    lsls r3, r3, #30",
    "    bne 7f",
    ".global __aeabi_memcpy4",
    ".type __aeabi_memcpy4, %function",
    ".thumb_func",
    "__aeabi_memcpy4:",
    ".global __aeabi_memcpy8",
    ".type __aeabi_memcpy8, %function",
    ".thumb_func",
    "__aeabi_memcpy8:",
    "    push {{r4, r5, r6}}",
    "    subs r2, #32",
    "    blo 2f",
    "1:  ldm r1!, {{r3, r4, r5, r6}}",
    "    stm r0!, {{r3, r4, r5, r6}}",
    "    ldm r1!, {{r3, r4, r5, r6}}",
    "    stm r0!, {{r3, r4, r5, r6}}",
    "    subs r2, #32",
    "    bhs 1b",
    // The low five bits of r2 are those of the number of bytes left. Shifts bring bit 4 into the
    // carry flag and bit 3 into the sign flag, then bits 2 and 1, then bit 0.
    "2:  lsls r2, r2, #28",
    "    bcc 3f",
    "    ldm r1!, {{r3, r4, r5, r6}}",
    "    stm r0!, {{r3, r4, r5, r6}}",
    "3:  bpl 4f",
    "    ldm r1!, {{r3, r4}}",
    "    stm r0!, {{r3, r4}}",
    "4:  pop {{r4, r5, r6}}",
    "    lsls r2, r2, #2",
    "    bcc 5f",
    "    ldm r1!, {{r3}}",
    "    stm r0!, {{r3}}",
    "5:  bpl 6f",
    "    ldrh r3, [r1]",
    "    strh r3, [r0]",
    "    adds r1, #2",
    "    adds r0, #2",
    "6:  lsls r2, r2, #1",
    "    bpl 9f",
    "    ldrb r3, [r1]",
    "    strb r3, [r0]",
    "    bx lr",
    // Not aligned: short ones by bytes, the last one first, and others by the compiler's library.
    "7:  cmp r2, #16",
    "    blo 8f",
    "    push {{r4, lr}}",
    "    bl memcpy",
    "    pop {{r4, pc}}",
    "0:  ldrb r3, [r1, r2]",
    "    strb r3, [r0, r2]",
    "8:  subs r2, #1",
    "    bhs 0b",
    "9:  bx lr",
    ".size __aeabi_memcpy, . - __aeabi_memcpy",
    ".size __aeabi_memcpy4, . - __aeabi_memcpy4",
    ".size __aeabi_memcpy8, . - __aeabi_memcpy8",
);
