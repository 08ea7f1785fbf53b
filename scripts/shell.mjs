import { readFileSync } from 'node:fs';

const PARTS = ['start', 'record', 'heartbeat', 'line', 'rare', 'directory', 'main'];

/** Joins the shell files. Drops comments and indentation after line 5, because dash would read them at every probe. */
export function shell(version) {
  const lines = PARTS.flatMap((name) => readFileSync(`src/liveness/${name}.sh`, 'utf8').trimEnd().split('\n'));
  const code = lines.slice(5).filter((line) => !/^ *(#|$)/.test(line));
  const text = [...lines.slice(0, 5), ...code.map((line) => line.trimStart()), ''].join('\n');
  return text.replace('@VERSION@', version).replace('@HELP@\n', () => readFileSync('src/liveness/help.txt', 'utf8'));
}
