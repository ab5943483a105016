/**
 * Prints the table of figures: `npm run figures -- ROUTER.elf [--bless]`. Fails if one differs from the committed
 * file, which --bless overwrites.
 */
import fs from 'node:fs';
import { boardName } from '../boards/selected.mjs';
import { differences } from './figures/compare.mjs';
import { measure } from './figures/measure.mjs';
import { markdown } from './figures/table.mjs';

const COMMITTED = new URL(`figures/${boardName}.json`, import.meta.url);

const [elf] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
if (!elf) throw new Error('usage: npm run figures -- ROUTER.elf [--bless]');
process.env.ROUTER_ELF = elf;
const figures = measure(elf);
console.log(markdown(figures));
if (process.argv.includes('--bless')) {
  fs.writeFileSync(COMMITTED, `${JSON.stringify(figures, null, 2)}\n`);
} else {
  const changed = differences(JSON.parse(fs.readFileSync(COMMITTED, 'utf8')), figures);
  changed.forEach((line) => console.error(line));
  if (changed.length > 0) {
    console.error(`${changed.length} figures are not as committed: if that is meant, run this again with --bless`);
    process.exitCode = 1;
  }
}
