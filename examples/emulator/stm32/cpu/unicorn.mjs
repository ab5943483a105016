/**
 * The unicorn engine by its C interface: executes the instructions of a Cortex-M7.
 *
 * It is a shared library of version 2.1.4, which stm32/install-unicorn takes from the Python package `unicorn`. The
 * environment variable UNICORN_LIB names another path. It is a tool of the tests, under the GPL; no part of a firmware
 * or of the libraries is linked with it.
 */
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';

const ARCH_ARM = 1;
const MODE_THUMB_MCLASS = 0x10 | 0x20;
const CORTEX_M7 = 10;
const CTL_CPU_MODEL = 7;
const CTL_WRITE = 1 << 30;
const CTL_ONE_ARGUMENT = 1 << 26;
const HOOK = { interrupt: 1, code: 4, block: 8, invalidMemory: 0x3f0 };
/** Where a run ends by itself: nowhere. */
const NEVER = 0xfffffffe;
const VERSION = [2, 1];

export const PROTECT = { readExecute: 1 | 4, readWrite: 1 | 2, all: 7 };
/** Numbers of registers. */
export const REGISTER = {
  fpscr: 6,
  lr: 10,
  pc: 11,
  sp: 12,
  d0: 14,
  r0: 66,
  r12: 78,
  control: 117,
  xpsr: 120,
  primask: 123,
  basepri: 124,
  faultmask: 126,
};
/** Kinds of an access to memory that failed. */
export const ACCESS = { read: 19, write: 20, fetch: 21, writeProtected: 22, readProtected: 23, fetchProtected: 24 };

const HookCallback = koffi.proto('void uc_hook(void *u, uint64_t address, uint32_t size, void *d)');
const NumberCallback = koffi.proto('void uc_number(void *u, uint32_t number, void *d)');
const MemoryCallback = koffi.proto(
  'bool uc_memory(void *u, int kind, uint64_t address, int size, int64_t value, void *d)',
);
const ReadCallback = koffi.proto('uint64_t uc_mmio_read(void *u, uint64_t offset, uint32_t size, void *d)');
const WriteCallback = koffi.proto(
  'void uc_mmio_write(void *u, uint64_t offset, uint32_t size, uint64_t value, void *d)',
);

const INSTALLED = fileURLToPath(new URL('../../.unicorn/lib', import.meta.url));

let library;

function libraryPath() {
  if (process.env.UNICORN_LIB) return process.env.UNICORN_LIB;
  const pythons = fs.existsSync(INSTALLED) ? fs.readdirSync(INSTALLED) : [];
  const paths = pythons.map((name) => `${INSTALLED}/${name}/site-packages/unicorn/lib/libunicorn.so.2`);
  const path = paths.find((each) => fs.existsSync(each));
  if (!path) throw new Error('the unicorn engine is missing: run stm32/install-unicorn');
  return path;
}

function load() {
  if (library) return library;
  const path = libraryPath();
  const lib = koffi.load(path);
  const version = lib.func('uint32_t uc_version(_Out_ uint32_t *major, _Out_ uint32_t *minor)');
  const [major, minor] = [[0], [0]];
  version(major, minor);
  if (major[0] !== VERSION[0] || minor[0] !== VERSION[1]) throw new Error(`${path} is unicorn ${major[0]}.${minor[0]}`);
  library = declare(lib);
  return library;
}

function declare(lib) {
  const hook = (type) =>
    `int uc_hook_add(void *u, _Out_ size_t *h, int type, ${type} *cb, void *d, uint64_t b, uint64_t e, ...)`;
  return {
    open: lib.func('int uc_open(int arch, int mode, _Out_ void **u)'),
    close: lib.func('int uc_close(void *u)'),
    map: lib.func('int uc_mem_map_ptr(void *u, uint64_t address, size_t size, uint32_t protect, void *memory)'),
    mmio: lib.func(
      'int uc_mmio_map(void *u, uint64_t a, size_t n, uc_mmio_read *r, void *rd, uc_mmio_write *w, void *wd)',
    ),
    set: lib.func('int uc_reg_write(void *u, int r, const uint32_t *v)'),
    get: lib.func('int uc_reg_read(void *u, int r, _Out_ uint32_t *v)'),
    setLong: lib.func('int uc_reg_write(void *u, int r, const uint64_t *v)'),
    getLong: lib.func('int uc_reg_read(void *u, int r, _Out_ uint64_t *v)'),
    start: lib.func('int uc_emu_start(void *u, uint64_t begin, uint64_t until, uint64_t timeout, size_t count)'),
    stop: lib.func('int uc_emu_stop(void *u)'),
    hook: lib.func(hook('uc_hook')),
    hookNumber: lib.func(hook('uc_number')),
    hookMemory: lib.func(hook('uc_memory')),
    ctl: lib.func('int uc_ctl(void *u, uint32_t c, ...)'),
    error: lib.func('const char *uc_strerror(int e)'),
  };
}

export class Engine {
  constructor() {
    this.lib = load();
    const out = [null];
    this.check(this.lib.open(ARCH_ARM, MODE_THUMB_MCLASS, out));
    this.handle = out[0];
    this.check(this.lib.ctl(this.handle, (CTL_CPU_MODEL | CTL_ONE_ARGUMENT | CTL_WRITE) >>> 0, 'int', CORTEX_M7));
    this.callbacks = [];
    this.word = [0];
    this.long = [0n];
    /** What a callback threw: it must not pass through the engine. */
    this.thrown = null;
  }

  check(code) {
    if (code !== 0) throw new Error(`unicorn: ${this.lib.error(code)}`);
  }

  register(callback, type) {
    const guarded = (...args) => {
      try {
        return callback(...args);
      } catch (error) {
        this.thrown ??= error;
        this.stop();
        return 0;
      }
    };
    const registered = koffi.register(guarded, koffi.pointer(type));
    this.callbacks.push(registered);
    return registered;
  }

  /** The engine works on the bytes of `memory` themselves. */
  map(address, memory, protect) {
    this.check(this.lib.map(this.handle, address, memory.length, protect, memory));
  }

  /** Calls `read(address, size)` and `write(address, size, value)` for accesses to a region. */
  mmio(address, size, { read, write }) {
    const r = this.register((_, offset, bytes) => read(address + Number(offset), bytes), ReadCallback);
    const w = this.register(
      (_, offset, bytes, value) => write(address + Number(offset), bytes, Number(value)),
      WriteCallback,
    );
    this.check(this.lib.mmio(this.handle, address, size, r, null, w, null));
  }

  /** Calls `callback(address, size)` before each block of instructions without a branch. */
  onBlock(callback) {
    const c = this.register((_, address, size) => callback(Number(address), size), HookCallback);
    this.check(this.lib.hook(this.handle, [0], HOOK.block, c, null, 1, 0));
  }

  /** Calls `callback(number)` for SVC, BKPT, an undefined instruction, and the return from an exception. */
  onException(callback) {
    const c = this.register((_, number) => callback(number), NumberCallback);
    this.check(this.lib.hookNumber(this.handle, [0], HOOK.interrupt, c, null, 1, 0));
  }

  /** Calls `callback(kind, address, size)` for an access that fails. */
  onInvalidAccess(callback) {
    const action = (_, kind, address, size) => {
      callback(kind, Number(address), size);
      return false;
    };
    const c = this.register(action, MemoryCallback);
    this.check(this.lib.hookMemory(this.handle, [0], HOOK.invalidMemory, c, null, 1, 0));
  }

  /** Calls `callback(address)` before the instruction at each of `addresses`. */
  onInstructions(addresses, callback) {
    const c = this.register((_, address) => callback(Number(address)), HookCallback);
    for (const at of addresses) this.check(this.lib.hook(this.handle, [0], HOOK.code, c, null, at, at));
  }

  /** Calls `callback(address)` before each instruction of a range. It makes a run ten times slower. */
  onEveryInstruction(from, length, callback) {
    const c = this.register((_, address) => callback(Number(address)), HookCallback);
    this.check(this.lib.hook(this.handle, [0], HOOK.code, c, null, from, from + length - 1));
  }

  get(register) {
    this.lib.get(this.handle, register, this.word);
    return this.word[0];
  }

  set(register, value) {
    this.word[0] = value >>> 0;
    this.lib.set(this.handle, register, this.word);
  }

  /** A register of 64 bits. */
  getLong(register) {
    this.lib.getLong(this.handle, register, this.long);
    return BigInt(this.long[0]);
  }

  setLong(register, value) {
    this.long[0] = value;
    this.lib.setLong(this.handle, register, this.long);
  }

  /** Runs until something stops it. @returns {string | null} what went wrong */
  run(pc) {
    const code = this.lib.start(this.handle, pc | 1, NEVER, 0, 0);
    if (this.thrown) {
      const error = this.thrown;
      this.thrown = null;
      throw error;
    }
    return code === 0 ? null : this.lib.error(code);
  }

  stop() {
    this.lib.stop(this.handle);
  }

  /** Frees the engine. Again, it does nothing: a test that fails at its end closes its board twice. */
  close() {
    if (this.handle === null) return;
    this.lib.close(this.handle);
    this.handle = null;
    for (const callback of this.callbacks) koffi.unregister(callback);
    this.callbacks = [];
  }
}
