"""Runs a program for the STM32H743 up to its breakpoint, and prints what it writes to some registers, which are memory."""

import sys

from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM, UC_HOOK_INTR, UC_MODE_MCLASS, UC_MODE_THUMB, Uc
from unicorn.arm_const import UC_ARM_REG_SP, UC_CPU_ARM_CORTEX_M7

RCC, PWR, CRS, ETH = 0x58024400, 0x58024800, 0x40008400, 0x40028000
RCC_CR, PLLCKSELR = RCC, RCC + 0x28
STACK = range(0x20000000, 0x20020000)
PERIPHERALS = ((0x40000000, 0x20000000), (0xE0000000, 0x100000))
PLL1_ON = 1 << 24

words = {}


def ready(address, value):
    """What a register shows that the chip changes by itself."""
    if address == RCC_CR:
        # Each oscillator and PLL is ready as soon as it is on.
        for on, shown in ((0, 2), (7, 8), (12, 13), (16, 17), (24, 25), (26, 27), (28, 29)):
            value = value & ~(1 << shown) | (value >> on & 1) << shown
    elif address == RCC + 0x74:
        value |= (value & 1) << 1
    elif address == RCC + 0x10:
        value = value & ~0x38 | (value & 7) << 3
    elif address == PWR + 0x04:
        value |= 1 << 13 | words.get(PWR + 0x18, 1 << 14) & 3 << 14
    elif address == PWR + 0x18:
        value |= 1 << 13
    elif address in (ETH + 0x1000, ETH + 0x200):
        # The reset of the DMA, and a transfer on the management bus, are over.
        value &= ~1
    elif address == ETH + 0x204:
        # What the PHY answers: it is not in reset.
        value = 0
    return value


def read(engine, offset, size, base):
    address = base + offset
    word = ready(address & ~3, words.get(address & ~3, 0))
    return word >> 8 * (address & 3) & (1 << 8 * size) - 1


def write(engine, offset, size, value, base):
    address = base + offset
    mask = (1 << 8 * size) - 1 << 8 * (address & 3)
    words[address & ~3] = words.get(address & ~3, 0) & ~mask | value << 8 * (address & 3) & mask
    report(address, value)


def report(address, value):
    if address == PLLCKSELR:
        state = "on" if words.get(RCC_CR, 0) & PLL1_ON else "off"
        print(f"RCC_PLLCKSELR: source {value & 3}, divider {value >> 4 & 63}, PLL1 {state}")
    elif address == CRS + 0x04:
        print(f"CRS_CFGR: SYNCSRC {value >> 28 & 3}")
    elif address == ETH + 0x1120 and value:
        print("ETH_DMACTXDTPR:", "on the stack" if value in STACK else hex(value))


def main(path):
    engine = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    engine.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M7)
    for start, size in ((0x08000000, 0x200000), (STACK.start, len(STACK)), (0x24000000, 0x80000)):
        engine.mem_map(start, size)
    for base, size in PERIPHERALS:
        engine.mmio_map(base, size, read, base, write, base)
    with open(path, "rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            engine.mem_write(segment["p_paddr"], segment.data())
    stack, start = (int.from_bytes(engine.mem_read(0x08000000 + at, 4), "little") for at in (0, 4))
    engine.reg_write(UC_ARM_REG_SP, stack)
    engine.hook_add(UC_HOOK_INTR, lambda engine, *_: engine.emu_stop())
    engine.emu_start(start | 1, 0, timeout=20_000_000)


main(sys.argv[1])
