/** The figures as Markdown. */
const number = (value) => (typeof value === 'number' ? value.toLocaleString('en-US') : String(value));

function table(head, rows) {
  const line = (cells) => `| ${cells.map(number).join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line), ''].join('\n');
}

function frameRows([size, { light, saturated }]) {
  const one = ([way, { cycles, instructions = '', latencyUs }]) => [
    `${size} B ${way}, one at a time`,
    cycles,
    instructions,
    '',
    latencyUs,
    '',
  ];
  const many = ([way, { cycles, instructions = '', framesPerSecond, busyPercent }]) => [
    `${size} B ${way === 'both' ? 'both ways' : way}, saturated`,
    cycles,
    instructions,
    framesPerSecond,
    '',
    busyPercent,
  ];
  return [...Object.entries(light).map(one), ...Object.entries(saturated).map(many)];
}

function shares(frames, field, count) {
  const sizes = Object.keys(frames);
  const of = (size, name) => frames[size].crates[field][name] ?? '';
  const names = Object.keys(frames[sizes[0]].crates[field]).slice(0, count);
  return names.map((name) => [`\`${name}\``, ...sizes.map((size) => of(size, name))]);
}

/** @param {object} figures of `measure` */
export function markdown({ frames, memory, stack, idleCyclesPerMs }) {
  const sizes = Object.keys(frames).map((size) => `${size} B`);
  return [
    table(
      ['UDP of one session', 'cycles a packet', 'instructions', 'packets a second', 'latency, us', 'CPU busy, %'],
      Object.entries(frames).flatMap(frameRows),
    ),
    table(['cycles a packet by crate, both ways saturated', ...sizes], shares(frames, 'byCrate')),
    table(['by function, with all that is inlined into it', ...sizes], shares(frames, 'byFunction', 15)),
    table(
      ['memory', 'bytes'],
      [...Object.entries(memory.bySection), ['flash', memory.flash], ['RAM, stack included', memory.ram]],
    ),
    table(
      ['', ''],
      [
        ['deepest stack, bytes', stack.deepest],
        ['room for it', stack.room],
        ['cycles a millisecond while idle', idleCyclesPerMs],
      ],
    ),
  ].join('\n');
}
