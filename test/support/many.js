// many.js PROBE: runs PROBE, such as liveness.js, once for each pair of lines: options and a path. Prints its output, then
// \036 and its exit code. It is one process, because the start of Node takes as long as a hundred answers.

const fs = require('node:fs');
const { runInThisContext } = require('node:vm');

if (process.env.IMPATIENT) Atomics.wait = () => 'timed-out'; // nobody writes the files meanwhile
const probe = runInThisContext(`(function (require) {${fs.readFileSync(process.argv.at(-1), 'utf8')}\n})`);
const { exit, argv } = process;
const { writeSync } = fs;

/** @param {string} options @param {string} path */
function ask(options, path) {
  let output = '';
  let code;
  // What the probe does after its exit does not count.
  fs.writeSync = (_, text) => void (code === undefined && (output += text));
  process.exit = (ended) => {
    code ??= ended;
    throw new Error('process.exit returned');
  };
  process.argv = [argv[0], 'liveness.js', ...options.split(' ').filter(Boolean), path];
  try {
    probe(require);
  } catch (error) {
    if (code === undefined) output += `${error.stack}\n`;
  }
  Object.assign(process, { exit, argv });
  fs.writeSync = writeSync;
  return `${output}\x1e${code ?? 'thrown'}\n`;
}

let rest = '';
process.stdin.setEncoding('utf8').on('data', (text) => {
  const lines = (rest + text).split('\n');
  while (lines.length > 2) process.stdout.write(ask(lines.shift(), lines.shift()));
  rest = lines.join('\n');
});
