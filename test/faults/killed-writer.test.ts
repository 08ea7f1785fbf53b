import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProcessTimestamp } from '../../src/process-timestamp';
import { Timestamp } from '../../src/timestamp';
import { describeIf } from '../support/describe-if';
import { start } from '../support/processes';
import { scratch } from '../support/records';

const KILLS = 1000;
const PRELUDE = `
  const { ProcessTimestamp, Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
  class T extends Timestamp { maximumAge = 60000 }
  const path = process.argv[1];
  const ready = () => {
    require('node:os').setPriority(19); // leaves the processor to the test, which must kill in time
    require('node:fs').writeSync(1, '.');
  };`;

interface Writer {
  readonly name: string;
  readonly script: string;
  readonly isDirectory?: boolean;
  /** Is killed while it starts or soon after. */
  readonly early?: boolean;
  /** Verdicts that are allowed after its first beat. */
  readonly then: readonly string[];
  /** Verdicts that are allowed after the kill. */
  readonly after: readonly string[];
  /** How many temporary files may be there at once. */
  readonly litter: number;
}

const WRITERS: Writer[] = [
  {
    name: 'a loop that writes every beat in place',
    script: `const t = new T(path).refresh(); ready(); for (;;) { t.refresh({ maximumAge: 600000 }); t.refresh() }`,
    then: ['alive'],
    after: ['gone'],
    litter: 0,
  },
  {
    name: 'a service that is starting',
    script: `const t = new T(path).refresh(); ready(); for (;;) t.refresh()`,
    early: true,
    then: ['alive'],
    after: ['missing', 'gone'],
    litter: 1,
  },
  {
    name: 'a process directory, each of whose files is written all the time',
    script: `new ProcessTimestamp(path).load([]).then((t) => {
      t.set(0);
      ready();
      for (let error = 1; ; error = 1 - error) t.set(error).refresh({ maximumAge: 60000 + error });
    })`,
    isDirectory: true,
    then: ['alive', 'failed'],
    after: ['gone'],
    litter: 1,
  },
  {
    name: 'a loop that makes its file anew all the time',
    script: `const t = new T(path).refresh(); ready(); for (;;) { t.delete(); t.refresh() }`,
    then: ['alive', 'missing'],
    after: ['gone', 'missing'],
    litter: KILLS / 4,
  },
];

const what = 'Linux with /proc, to judge what a writer leaves that is killed at a random moment';
describeIf(existsSync('/proc/self/stat'), what)('killed at a random moment', () => {
  // Concurrent, because most of the time Node starts.
  test.concurrent.each(WRITERS)('$name never leaves a malformed heartbeat', async (writer) => {
    let path = join(scratch(), 'unit');
    const judge = (): string => {
      const verdict = (writer.isDirectory ? ProcessTimestamp : Timestamp).byRef(path).verdict();
      return verdict.alive ? 'alive' : verdict.reason;
    };
    const seen = { then: new Map<string, number>(), after: new Map<string, number>() };
    let mostLitter = 0;
    let startup = 0;
    for (let kill = 0; kill < KILLS / WRITERS.length; kill++) {
      if (writer.early && kill % 2 === 0) path = join(scratch(), 'unit'); // otherwise the writer starts over the leftover
      const began = Date.now();
      const child = start(process.execPath, ['-e', `${PRELUDE} ${writer.script}`, path]);
      const closed = once(child, 'close');
      const hasBeaten = once(child.stdout as NodeJS.ReadableStream, 'data').then(() => {
        startup ||= Date.now() - began;
        if (!child.killed) count(seen.then, judge());
      });
      if (writer.early && startup > 0) await sleep(Math.random() * 1.5 * startup);
      else await hasBeaten.then(() => sleep(Math.random() * 4));
      child.kill('SIGKILL');
      await closed;
      count(seen.after, judge());
      mostLitter = Math.max(mostLitter, litterIn(writer.isDirectory ? path : dirname(path)));
    }
    const counts = `after the first beat ${told(seen.then)}; killed ${told(seen.after)}`;
    console.log(
      `${writer.name}, ${KILLS / WRITERS.length} times: ${counts}; at most ${mostLitter} temporary files at once`,
    );
    expect(writer.then).toEqual(expect.arrayContaining([...seen.then.keys()]));
    expect(writer.after).toEqual(expect.arrayContaining([...seen.after.keys()]));
    expect(mostLitter).toBeLessThanOrEqual(writer.litter);
  });
});

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

function told(counts: Map<string, number>): string {
  return [...counts].map(([what, times]) => `${what} ${times}`).join(', ');
}

function litterIn(folder: string): number {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.tmp')).length : 0;
}
