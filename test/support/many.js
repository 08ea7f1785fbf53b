// Asks the judge of liveness.js, from the library $LIBRARY, as many.sh asks liveness.sh.

Atomics.wait = () => 'timed-out'; // does not wait between two reads, because nobody writes these files
const { formatVerdict, Timestamp } = require(process.env.LIBRARY);
const lines = require('node:fs').readFileSync(0).toString().split('\n');

function judge(options, path) {
  try {
    const [ignoreError, otherPidNamespace] = ['--ignore-error', '--other-pid-namespace'].map((word) =>
      options.includes(word),
    );
    const verdict = Timestamp.byRef(path, { ignoreError, otherPidNamespace }).verdict();
    return `${formatVerdict(verdict)}\n\x1e${verdict.alive ? 0 : 1}\n`;
  } catch (error) {
    return `${error.stack}\n\x1ethrown\n`;
  }
}

for (let at = 0; at + 1 < lines.length; at += 2) process.stdout.write(judge(lines[at], lines[at + 1]));
