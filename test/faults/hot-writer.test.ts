import { readFileSync, statfsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describeIf } from '../support/describe-if';
import { ready, start } from '../support/processes';
import { LIVENESS_SH, SHELLS } from '../support/readers';
import { scratch } from '../support/records';

/** `npm run test:faults:long`: ten times as many reads by Node, five times as many by shells. */
const LONG = process.env.LIVENESS_LONG === '1';
const NODE_READS = LONG ? 10_000_000 : 1_000_000;
const SHELL_READS = LONG ? 100_000 : 20_000;

const TMPFS = 0x01021994;
const LIBRARY = JSON.stringify(resolve('dist/index.js'));

const WRITER = `
  const { systemClock, Timestamp } = require(${LIBRARY});
  class T extends Timestamp { maximumAge = 60000 }
  const clock = { ...systemClock, monotonic: () => performance.now() * 1000 };
  const begin = (options) => {
    const timestamp = new T(process.argv[1], options).refresh();
    process.stdout.write('.');
    return timestamp;
  };`;

/** Loops that beat and do nothing else. */
const WRITERS = {
  // Each beat has another limit than the one before, so each is written.
  'writes every beat': `${WRITER} for (const t = begin(); ;) { t.refresh({ maximumAge: 600000 }); t.refresh() }`,
  // The clock is a thousand times as fast: a write every 0.6 ms, with unwritten beats between them.
  'writes what its window lets it': `${WRITER} for (const t = begin({ clock }); ;) t.refresh()`,
  // Each new task is nearer to its deadline than the loop, so its begin is written, and its end too.
  'begins, refreshes and ends tasks': `${WRITER}
    const t = begin();
    const inHand = [];
    for (let turn = 0; ; turn++) {
      inHand.push(t.begin((turn % 2 ? 'é' : 'n').repeat(1 + turn % 40), 30000));
      inHand[turn % inHand.length].refresh();
      if (inHand.length > turn % 12) inHand.shift().end();
      t.refresh();
    }`,
};

const NODE_READER = `
  const { formatVerdict, Timestamp } = require(${LIBRARY});
  const { HEARTBEAT, READS } = process.env;
  let wrong = 0;
  for (let read = 0; read < READS; read++) {
    const verdict = Timestamp.byRef(HEARTBEAT).verdict();
    const line = formatVerdict(verdict);
    if ((!verdict.alive || !/^[ -~]{1,199}$/.test(line)) && ++wrong <= 5) console.log(line);
  }
  console.log(wrong + ' wrong of ' + READS);`;

// Runs the shipped script in a new subshell for each read.
const SHELL_READER = `
  LC_ALL=C
  wrong=0 reads=0
  while [ $reads -lt $READS ]; do
    said=$( set -- "$HEARTBEAT"; . "$SCRIPT" ) || { wrong=$((wrong + 1)); echo "$? $said"; }
    case $said in *[!\\ -~]*) wrong=$((wrong + 1)); echo "$said" ;; esac
    reads=$((reads + 1))
  done
  echo "$wrong wrong of $READS"`;

const memory = scratch({ memory: true });
const disk = scratch();
const isOn = (folder: string, type: number): boolean => statfsSync(folder).type === type;

for (const [where, folder, present] of [
  ['in memory', memory, isOn(memory, TMPFS)],
  ['on disk', disk, !isOn(disk, TMPFS)],
] as const) {
  const what = `dash, busybox, bash and a folder ${where}, to read a heartbeat there beside a writer that never pauses`;
  describeIf(present && SHELLS.length === 3, what)(where, () => {
    test.each(Object.entries(WRITERS))('a loop that %s is always alive', async (name, script) => {
      const path = join(folder, name.replaceAll(' ', '-'));
      const writer = start(process.execPath, ['-e', script, path]);
      await ready(writer);
      const first = beatsOf(path);
      const share = Object.keys(WRITERS).length * 2; // in memory and on disk
      const reads = [
        Math.ceil(NODE_READS / share),
        ...SHELLS.map(() => Math.ceil(SHELL_READS / share / SHELLS.length)),
      ];
      const commands = [
        [process.execPath, '-e', NODE_READER],
        ...SHELLS.map((shell) => [...shell, '-c', SHELL_READER]),
      ];
      const said = await Promise.all(commands.map((command, at) => output(command, path, reads[at] ?? 0)));
      writer.kill('SIGKILL');
      const beats = beatsOf(path) - first;
      console.log(`${where}, ${name}: node, dash, busybox and bash: ${said.join(', ')}; ${beats} beats meanwhile`);
      expect(said).toEqual(reads.map((count) => `0 wrong of ${count}`));
      expect(beats).toBeGreaterThan(10_000); // the loop really ran without a pause
    });
  });
}

function output([command = '', ...args]: readonly string[], path: string, reads: number): Promise<string> {
  const child = start(command, args, { ...process.env, HEARTBEAT: path, READS: String(reads), SCRIPT: LIVENESS_SH });
  let said = '';
  child.stdout?.on('data', (data) => {
    said += String(data);
  });
  return new Promise((settle) =>
    child.once('close', () => {
      settle(said.trim());
    }),
  );
}

/** The record's count of beats. A torn read can only lower it, and the test needs a minimum. */
function beatsOf(path: string): number {
  return Number(readFileSync(path, 'latin1').split(/ +/)[1]);
}
