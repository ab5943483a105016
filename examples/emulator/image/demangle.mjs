/**
 * Readable names of Rust functions, for the legacy mangling (`_ZN...E`). Names of the v0 mangling (`_R...`) stay as
 * they are: the crate's name can be read in them.
 */
const ESCAPES = { SP: '@', BP: '*', RF: '&', LT: '<', GT: '>', LP: '(', RP: ')', C: ',' };
const HASH = /^h[0-9a-f]{16}$/;

/** @param {string} name as in the symbol table */
export function demangle(name) {
  if (!name.startsWith('_ZN')) return name;
  const parts = [];
  let at = 3;
  for (;;) {
    const digits = /^\d+/.exec(name.slice(at));
    if (!digits) break;
    const start = at + digits[0].length;
    at = start + Number(digits[0]);
    parts.push(name.slice(start, at));
  }
  if (HASH.test(parts.at(-1))) parts.pop();
  return parts.map(unescape).join('::');
}

function unescape(part) {
  return part
    .replace(/^_(?=\$)/, '')
    .replace(/\$(SP|BP|RF|LT|GT|LP|RP|C)\$/g, (_, code) => ESCAPES[code])
    .replace(/\$u([0-9a-f]+)\$/g, (_, digits) => String.fromCodePoint(parseInt(digits, 16)))
    .replace(/\.\./g, '::');
}
