/** Which image is tested, from the environment that `run.mjs` sets. */
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

function file(variable) {
  const path = process.env[variable];
  if (!path)
    throw new Error(`${variable} is not set: run the tests with \`npm run test:image -- ROUTER.elf ROUTER.uf2\``);
  if (!fs.existsSync(path)) throw new Error(`${variable}: ${path} does not exist`);
  return path;
}

/** Path of the ELF file that `cargo run --release` flashes. */
export const elf = () => file('ROUTER_ELF');

/** Path of the UF2 file that is dragged onto the board's drive. */
export const uf2 = () => file('ROUTER_UF2');

/** Where captures and figures of this run go. */
export function resultsFolder() {
  const folder = process.env.ROUTER_RESULTS ?? fileURLToPath(new URL('results', import.meta.url));
  fs.mkdirSync(folder, { recursive: true });
  return folder;
}
