// One table of cases: every reader gives the same answer. A bug in any reader becomes a row here.

import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  utimesSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { systemClock } from '../src/proc';
import { parse, serialise, type HeartbeatRecord } from '../src/record';
import { Timestamp } from '../src/timestamp';
import { REASONS } from '../src/verdict';
import { expectOneAnswer, type Case } from './support/cases';
import { describeIf, WIDE } from './support/describe-if';
import { ended, withoutFirstThread, living, ready, start, threadOfOurs, zombie } from './support/processes';
import { AS_NOBODY, ask, LIVENESS_JS, LIVENESS_SH, mounted, run, PYTHON, SHELLS, type Answer } from './support/readers';
import { aged, fileOf, OLD, open, record, scratch, startOf, uptime } from './support/records';

/** A valid record, which many rows damage. */
const text = serialise(record()).toString();

const isRoot = process.geteuid?.() === 0;
const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

function node(kind: 'p' | 'l' | 'd'): string {
  const path = join(scratch(), 'timestamp');
  if (kind === 'p') execFileSync('mkfifo', [path]);
  if (kind === 'l') symlinkSync(fileOf(record()), path);
  if (kind === 'd') mkdirSync(path);
  return path;
}

function socket(): Promise<string> {
  const path = join(scratch(), 'timestamp');
  return new Promise((settle) => {
    servers.push(
      createServer().listen(path, () => {
        settle(path);
      }),
    );
  });
}

function touched(ageSeconds: number): string {
  const path = fileOf('');
  const time = Date.now() / 1000 - ageSeconds;
  utimesSync(path, time, time);
  return path;
}

/** On tmpfs, because other file systems may not store a year after 9999. */
function farFuture(): string {
  const path = join(scratch({ memory: true }), 'timestamp');
  execFileSync('touch', ['-d', '@1515000000000', path]);
  return path;
}

function forbidden(): string {
  const path = fileOf(record());
  chmodSync(path, 0);
  return path;
}

function unsearchable(): string {
  const path = join(scratch(), 'closed', 'within', 'timestamp');
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, serialise(record()));
  chmodSync(join(path, '..', '..'), 0o600);
  return path;
}

/** A record whose fields were edited as text. The sum is not computed again. */
function edited(edit: (fields: string[]) => void): string {
  const fields = text.trim().split(/ +/);
  edit(fields);
  return `${fields.join(' ')}\n`;
}

const TEN_MB = Buffer.alloc(10_000_000, '7');

const PLACES: Case[] = [
  { name: 'a beat just made', expect: 'alive', path: () => fileOf(record()) },
  { name: 'no such file', expect: 'missing', path: () => join(scratch(), 'timestamp') },
  { name: 'an empty path', expect: 'missing', directory: true, path: () => '' },
  { name: 'a path below a file', expect: 'missing', path: () => join(fileOf(record()), 'timestamp') },
  { name: 'a path below a dangling symlink', expect: 'missing', path: () => join(danglingLink(), 'timestamp') },
  { name: 'a path below a loop of symlinks', expect: 'missing', path: () => join(loop(), 'timestamp') },
  { name: 'a path that is too long', expect: 'missing', path: () => `/tmp/${'x'.repeat(5000)}` },
  { name: 'a file with a slash behind it', expect: 'missing', path: () => `${fileOf(record())}/` },
  {
    name: 'a directory, which is a process directory',
    expect: 'missing',
    python: false,
    directory: true,
    path: () => node('d'),
  },
  { name: 'a FIFO', expect: 'unreadable', path: () => node('p') },
  { name: 'a socket', expect: 'unreadable', path: socket },
  { name: 'a symlink to a living heartbeat', expect: 'unreadable', path: () => node('l') },
  { name: 'a dangling symlink', expect: 'unreadable', path: danglingLink },
  { name: 'a symlink to itself', expect: 'unreadable', path: loop },
  { name: 'a device', expect: 'unreadable', path: () => '/dev/zero' },
  // Seconds of CPU in each reader.
  ...(WIDE
    ? ([
        { name: '10 MB in one line', expect: 'malformed', mayBeKilled: true, path: () => fileOf(TEN_MB) },
        { name: 'a sparse terabyte', expect: 'malformed', mayBeKilled: true, path: sparse },
      ] as const)
    : []),
];

function danglingLink(): string {
  const path = join(scratch(), 'timestamp');
  symlinkSync(join(scratch(), 'nowhere'), path);
  return path;
}

function loop(): string {
  const path = join(scratch(), 'timestamp');
  symlinkSync(path, path);
  return path;
}

function sparse(): string {
  const path = fileOf('');
  truncateSync(path, 2 ** 40);
  return path;
}

const CONTENT: Case[] = [
  {
    name: 'random bytes',
    expect: 'malformed',
    path: () => fileOf(Buffer.from([0xff, 0xfe, 0, 0x80, 0xc3, 0x28, 7, 27])),
  },
  { name: 'a thousand zero bytes', expect: 'malformed', path: () => fileOf(Buffer.alloc(1000)) },
  { name: 'NULs inserted into a record', expect: 'alive', path: () => fileOf(text.replaceAll(/(.{5})/g, '$1\0\0')) },
  { name: 'ten thousand NULs before a record', expect: 'alive', path: () => fileOf('\0'.repeat(10_000) + text) },
  { name: 'a single newline', expect: 'malformed', path: () => fileOf('\n') },
  { name: 'empty lines before a record', expect: 'malformed', path: () => fileOf(`\n\n${text}`) },
  { name: 'a record, then other lines', expect: 'alive', path: () => fileOf(`${text}rubbish\n\n${text}`) },
  { name: 'a record without its newline', expect: 'alive', path: () => fileOf(text.trimEnd()) },
  { name: 'spaces before a record', expect: 'alive', path: () => fileOf(`   ${text}`) },
  { name: 'a record ended by CRLF', expect: 'malformed', path: () => fileOf(text.replace(/ *\n/, '\r\n')) },
  { name: 'tabs between the fields', expect: 'malformed', path: () => fileOf(text.replaceAll(' ', '\t')) },
  { name: 'another version', expect: 'malformed', path: () => fileOf(text.replace('liveness/1', 'liveness/2')) },
  {
    name: 'a version that begins alike',
    expect: 'malformed',
    path: () => fileOf(text.replace('liveness/1', 'liveness/10')),
  },
  { name: 'just the version', expect: 'malformed', path: () => fileOf('k8s-liveness/1\n') },
  {
    name: 'a backslash at the end of a line',
    expect: 'malformed',
    path: () => fileOf(`${text.slice(0, 50)}\\\n${text.slice(50)}`),
  },
  {
    name: 'later fields that mean nothing yet',
    expect: 'alive',
    path: () => fileOf(withLater('5', '-', '999999999999999')),
  },
  { name: 'a later field that is no number', expect: 'malformed', path: () => fileOf(withLater('x')) },
  { name: 'a later field with an exponent', expect: 'malformed', path: () => fileOf(withLater('1e+21')) },
  { name: 'a line of 4096 characters', expect: 'alive', path: () => fileOf(`${text.trimEnd().padEnd(4096)}\n`) },
  { name: 'a line of 4097 characters', expect: 'malformed', path: () => fileOf(`${text.trimEnd().padEnd(4097)}\n`) },
  {
    name: 'a line of 4096 characters and as many NULs',
    expect: 'alive',
    path: () => fileOf(`${text.trimEnd().padEnd(4096).replaceAll(/./g, '$&\0')}\n`),
  },
  {
    name: 'latin-1 letters in a field',
    expect: 'malformed',
    path: () => fileOf(Buffer.from(text.replace('own', 'öwn'), 'latin1')),
  },
  { name: 'a window of more than a second', expect: 'malformed', path: () => fileOf(resummed((f) => (f[5] = '101'))) },
  ...(
    [
      ['own1'],
      ['own-zzz'],
      ['stepown'],
      ['own1', '0'],
      ['step5', '-'],
      ['tasks'],
      ['Task'],
      ['task', '-'],
      ['task', '0'],
    ] as const
  ).map(([kind, limit]): Case => ({
    name: `a kind of ${kind}${limit === undefined ? '' : ` and a limit of ${limit}`}`,
    expect: 'malformed',
    path: () =>
      fileOf(
        resummed((f) => {
          f[4] = kind;
          f[3] = limit ?? '6000';
        }),
      ),
  })),
  { name: 'a limit of 0', expect: 'malformed', path: () => fileOf(resummed((f) => (f[3] = '0'))) },
  {
    name: 'a step without a limit',
    expect: 'malformed',
    path: () => fileOf(record({ kind: 'step', limit: Infinity })),
  },
  { name: 'pid 0', expect: 'malformed', path: () => fileOf(resummed((f) => (f[6] = '0'))) },
  {
    name: 'a date after the year 9999',
    expect: 'malformed',
    path: () => fileOf(record({ wall: 253_402_300_800_000 })),
  },
  { name: 'a beat of none', expect: 'malformed', path: () => fileOf(resummed((f) => (f[1] = '-'))) },
  { name: 'a boot id of four groups', expect: 'malformed', path: () => fileOf(resummed((f) => (f[8] = '1-2-3-4'))) },
  { name: 'a boot id of six groups', expect: 'malformed', path: () => fileOf(resummed((f) => (f[8] = '1-2-3-4-5-6'))) },
  {
    name: 'a boot id in capitals',
    expect: 'malformed',
    path: () => fileOf(resummed((f) => (f[8] = f[8]?.toUpperCase() ?? ''))),
  },
  { name: 'a writer of one group', expect: 'malformed', path: () => fileOf(resummed((f) => (f[12] = 'ab'))) },
  { name: 'a writer with an empty group', expect: 'malformed', path: () => fileOf(resummed((f) => (f[12] = 'ab-'))) },
  {
    name: 'a writer of thirteen digits',
    expect: 'malformed',
    path: () => fileOf(resummed((f) => (f[12] = '1-1234567890abc'))),
  },
];

/** A record with more fields and a sum that fits, as a later version may write it. */
function withLater(...later: string[]): string {
  return resummed((fields) => fields.splice(13, 0, ...later));
}

function resummed(edit: (fields: string[]) => unknown): string {
  return edited((fields) => {
    edit(fields);
    let sum = 0;
    const fold = (n: number): void => {
      sum = (sum * 31 + n) % 2_147_483_647;
    };
    fields.slice(0, -1).forEach((field, at) => {
      if (at === 0) fold(1);
      else if (at === 4) fold(field === 'task' ? 2 : field === 'step' ? 1 : 0);
      else if (at === 8 || at === 12) for (const group of field.split('-')) fold(parseInt(group, 16) || 0);
      else fold(field === '-' ? 0 : Number(field));
    });
    fields[fields.length - 1] = String(sum);
  });
}

const CLOCKS: Case[] = [
  { name: 'the largest record there is', expect: 'gone', path: () => fileOf(largest()) },
  { name: 'a beat within its limit', expect: 'alive', path: () => fileOf(aged(5000, { limit: 360_000 })) },
  {
    name: 'a beat past its limit and window',
    expect: 'stale',
    path: () => fileOf(aged(1120, { limit: 1000, window: 100 })),
  },
  { name: 'a beat past its limit', expect: 'stale', path: () => fileOf(aged(7000)) },
  {
    name: 'a beat past every limit but without one',
    expect: 'alive',
    path: () => fileOf(aged(7000, { limit: Infinity })),
  },
  {
    name: 'a step within its limit',
    expect: 'alive',
    path: () => fileOf(aged(7000, { kind: 'step', limit: 360_000 })),
  },
  { name: 'a step past its limit', expect: 'stale', path: () => fileOf(aged(7000, { kind: 'step', limit: 600 })) },
  { name: 'a beat from another boot', expect: 'gone', path: () => fileOf(record({ boot: '0-0-0-0-1' })) },
  { name: 'a beat 1 s ahead', expect: 'alive', path: () => fileOf(aged(-100, { limit: 360_000 })) },
  { name: 'a beat 1.9 s ahead', expect: 'alive', path: () => fileOf(aged(-190, { limit: 360_000 })) },
  { name: 'a beat an hour ahead', expect: 'future', path: () => fileOf(aged(-360_000)) },
  { name: 'a wall clock an hour ahead', expect: 'alive', path: () => fileOf(record({ wall: Date.now() + 3_600_000 })) },
  {
    name: 'a wall clock ten years behind',
    expect: 'alive',
    path: () => fileOf(record({ wall: Date.now() - 315_360_000_000 })),
  },
  { name: 'no uptime: by wall clock, fresh', expect: 'alive', path: () => fileOf(record({ uptime: undefined })) },
  {
    name: 'no uptime: by wall clock, beside an inherited EPOCHSECONDS',
    expect: 'alive',
    within: ['env', 'EPOCHSECONDS=1'],
    path: () => fileOf(record({ uptime: undefined })),
  },
  { name: 'no uptime: by wall clock, old', expect: 'stale', path: () => fileOf(aged(7000, { uptime: undefined })) },
  {
    name: 'no boot id: by wall clock, old',
    expect: 'stale',
    path: () => fileOf(aged(7000, { boot: undefined, uptime: uptime() })),
  },
  {
    name: 'no boot id: by wall clock, an hour ahead',
    expect: 'future',
    path: () => fileOf(aged(-360_000, { boot: undefined })),
  },
  { name: 'at the epoch', expect: 'stale', path: () => fileOf(record({ boot: undefined, wall: 0 })) },
  {
    name: 'on a leap day',
    expect: 'stale',
    path: () => fileOf(record({ boot: undefined, wall: Date.UTC(2024, 1, 29, 23, 59, 59) })),
  },
  {
    name: 'on the last day of a year',
    expect: 'stale',
    path: () => fileOf(record({ boot: undefined, wall: Date.UTC(2000, 11, 31, 1, 2, 3) })),
  },
  {
    name: 'on the last day there is',
    expect: 'future',
    path: () => fileOf(record({ boot: undefined, wall: 253_402_300_799_999 })),
  },
  {
    name: 'a limit of days, hours, minutes and less than seconds',
    expect: 'stale',
    path: () => fileOf(record({ boot: undefined, wall: 1, limit: 9_006_157 })),
  },
];

function largest(): HeartbeatRecord {
  return record({
    beat: 999_999_999_999_999,
    uptime: 999_999_999_999,
    limit: 999_999_999_999_999,
    kind: 'step',
    pid: 4_294_967_295,
    start: 999_999_999_999,
    boot: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    gap: 999_999_999_999,
    longestTask: 999_999_999_999,
    writer: 'ffffffff-ffffffff',
  });
}

/** A file with this record, and these bytes as its second line. */
function noted(record: HeartbeatRecord, second: string | Buffer): string {
  const [first = ''] = serialise(record).toString().split('\n');
  return fileOf(Buffer.concat([Buffer.from(`${first}\n`), Buffer.from(second)]));
}

const task = (cs: number, changes: Partial<HeartbeatRecord> = {}): HeartbeatRecord =>
  aged(cs, { kind: 'task', ...changes });

/** Second lines, and the name that each reader must print for the overdue task. */
const SECOND_LINES: readonly (readonly [string, string | Buffer, string])[] = [
  ['as it is written', '3 in hand, mail#42'.padEnd(50) + '\n', 'mail#42'],
  ['without its newline', '3 in hand, mail#42', 'mail#42'],
  ['with other lines behind it', '3 in hand, mail#42\n9 in hand, other\n', 'mail#42'],
  ['of the longest name', `1 in hand, ${'n'.repeat(39)}\n`, 'n'.repeat(39)],
  ['of 51 characters', `1 in hand, ${'n'.repeat(40)}\n`, 'a task'],
  ['of 51 characters, the last of which is a space', `1 in hand, ${'n'.repeat(39)} \n`, 'a task'],
  ['of 50 characters and as many NULs', `1 in hand, ${'n'.repeat(39)}\n`.replaceAll('n', 'n\0'), 'n'.repeat(39)],
  ['with spaces in its name', '3 in hand, send the  mail\n', 'send the  mail'],
  ['with spaces before it', '  3 in hand, mail#42\n', 'mail#42'],
  ['with a space before its name', '3 in hand,  mail#42\n', ' mail#42'],
  ['with control characters in its name', '3 in hand, a\tb\x1b[31m\x7f\n', 'a?b?[31m?'],
  ['with a name of UTF-8', '3 in hand, é✓\n', '?????'],
  ['with a name that is no UTF-8', Buffer.from([...Buffer.from('3 in hand, '), 0xff, 0xc3, 0x28, 0x80, 0x0a]), '??(?'],
  ['of UTF-8, with 51 bytes and 50 letters', `1 in hand, é${'n'.repeat(38)}\n`, 'a task'],
  ['with NULs', '\x003 in\0 hand, mail\0#42\0\0\n', 'mail#42'],
  ['ended by CRLF', '3 in hand, mail#42\r\n', 'mail#42?'],
  ['with a backslash', '3 in hand, mail\\\n#42\n', 'mail\\'],
  ['with its own words in its name', '3 in hand, 2 in hand, x\n', '2 in hand, x'],
  ['with words of a shell in its name', '3 in hand, $(touch${IFS}pwned) `id` *\n', '$(touch${IFS}pwned) `id` *'],
  ['with a count of 15 digits', '999999999999999 in hand, x\n', 'x'],
  ['with a count of 16 digits', '1000000000000000 in hand, x\n', 'a task'],
  ['with a count of 0', '0 in hand, x\n', 'a task'],
  ...['07', '-1', '+1', '1.0', '1e3', '1e+21', 'Infinity', 'a[$(touch${IFS}pwned)]', '', '3 ', '3 4'].map(
    (count) => [`with a count of ${JSON.stringify(count)}`, `${count} in hand, x\n`, 'a task'] as const,
  ),
  ['without a name', '3 in hand, \n', 'a task'],
  ['without a comma', '3 in hand mail#42\n', 'a task'],
  ['with a tab before it', '\t3 in hand, mail#42\n', 'a task'],
  ['that is missing', '', 'a task'],
  ['that is empty', '\n3 in hand, mail#42\n', 'a task'],
  ['of spaces', ' '.repeat(50) + '\n', 'a task'],
  ['of rubbish', Buffer.from([0xff, 7, 27, 0x28, 0x0a]), 'a task'],
  ['of spaces that goes on and on', `${' '.repeat(5000)}3 in hand, mail#42\n`, 'a task'],
];

const LONG = { limit: 86_408_639_999, window: 100, uptime: undefined, wall: 0, boot: undefined };

const TASKS: Case[] = [
  {
    name: 'a task within its limit',
    expect: 'alive',
    says: 'alive: mail#42 in hand since ',
    path: () => noted(task(5000, { limit: 360_000 }), '3 in hand, mail#42\n'),
  },
  {
    name: 'a task past its limit',
    expect: 'overdue',
    says: 'limit 1m (',
    path: () => noted(task(7000), '3 in hand, mail#42\n'),
  },
  {
    name: 'a task an hour ahead',
    expect: 'future',
    says: 'dead: future: last beat ',
    path: () => noted(task(-360_000), '3 in hand, mail#42\n'),
  },
  {
    name: 'a task of a process that has ended',
    expect: 'gone',
    path: () => noted(task(7000, { pid: ended() }), '3 in hand, mail#42\n'),
  },
  {
    name: 'a task by wall clock',
    expect: 'overdue',
    says: 'mail#42 in hand since 1970-01-01T00:00:00Z, limit 1m, by wall clock (',
    path: () => noted(task(0, { boot: undefined, uptime: undefined, wall: 0 }), '3 in hand, mail#42\n'),
  },
  {
    name: 'a task within its limit by wall clock',
    expect: 'alive',
    says: ', by wall clock (',
    path: () => noted(task(0, { boot: undefined, limit: 8_640_000 }), '3 in hand, mail#42\n'),
  },
  {
    name: 'a task in another pid namespace',
    expect: 'overdue',
    says: 'by wall clock',
    python: false,
    otherPidNamespace: true,
    path: () => noted(task(7000, { pid: ended(), boot: '0-0-0-0-1' }), '3 in hand, mail#42\n'),
  },
  {
    name: 'a task within its limit in another pid namespace',
    expect: 'alive',
    says: 'mail#42 in hand since ',
    python: false,
    otherPidNamespace: true,
    path: () => noted(task(100, { pid: ended(), boot: '0-0-0-0-1', limit: 8_640_000 }), '3 in hand, mail#42\n'),
  },
  {
    name: 'a stale loop with tasks in hand',
    expect: 'stale',
    says: 'limit 1m, 3 in hand, mail#42 the oldest (',
    path: () => noted(aged(7000), '3 in hand, mail#42\n'),
  },
  {
    name: 'a stale step with tasks in hand',
    expect: 'stale',
    says: 'limit 1m, 3 in hand, mail#42 the oldest (',
    path: () => noted(aged(7000, { kind: 'step' }), '3 in hand, mail#42\n'),
  },
  {
    name: 'a stale loop whose second line is rubbish',
    expect: 'stale',
    says: 'limit 1m (',
    path: () => noted(aged(7000), '3 in head, mail#42\n'),
  },
  {
    name: 'a living loop with tasks in hand: its line does not show them',
    expect: 'alive',
    says: 'limit 1d (',
    path: () => noted(record(), '3 in hand, mail#42\n'),
  },
  {
    name: 'the longest line of a task',
    expect: 'overdue',
    says: '(...',
    path: () => moved(noted(task(0, LONG), `1 in hand, ${'n'.repeat(39)}\n`), 'x'.repeat(200)),
  },
  {
    name: 'the longest line of all',
    expect: 'stale',
    says: '(...',
    path: () => moved(noted(aged(0, LONG), `1 in hand, ${'n'.repeat(39)}\n`), 'x'.repeat(200)),
  },
  {
    name: 'a second line behind a first one of 4096 characters',
    expect: 'overdue',
    says: 'mail#42 in hand since',
    path: () =>
      fileOf(`${serialise(task(7000)).toString().split('\n')[0]?.trimEnd().padEnd(4096) ?? ''}\n3 in hand, mail#42\n`),
  },
  {
    name: 'a second line that one read does not reach',
    expect: 'overdue',
    says: 'mail#42 in hand since',
    path: () =>
      fileOf(`${serialise(task(7000)).toString().split('\n')[0]?.trimEnd().padEnd(4085) ?? ''}\n3 in hand, mail#42\n`),
  },
  {
    name: 'a second line behind many NULs',
    expect: 'overdue',
    says: 'mail#42 in hand since',
    path: () => noted(task(7000), `${'\0'.repeat(100_000)}3 in hand, mail#42\n`),
  },
  {
    name: 'a second line of 10 MB: no reader needs it if the loop is alive',
    expect: 'alive',
    says: 'limit 1d (',
    path: () => noted(record(), TEN_MB),
  },
  ...(WIDE ? [TEN_MB, Buffer.concat([Buffer.from('3 in hand, '), TEN_MB])] : []).map((second, number): Case => ({
    name: `a second line of 10 MB that begins ${number === 0 ? 'badly' : 'well'}`,
    expect: 'overdue',
    says: 'a task in hand since',
    mayBeKilled: true,
    path: () => noted(task(7000), second),
  })),
  {
    name: 'a leftover of 192 bytes, from before there were tasks',
    expect: 'malformed',
    says: 'a field of the record is wrong',
    path: () => fileOf(OLD),
  },
];

/** A part of the line without a time, because the other process goes on beating. */
const ELSEWHERE = ' is not the one that beat; use --other-pid-namespace for another container (';

const IDENTITY: Case[] = [
  { name: 'a process that has ended', expect: 'gone', path: () => fileOf(record({ pid: ended() })) },
  {
    name: 'a process that has ended, and a stale beat',
    expect: 'gone',
    path: () => fileOf(aged(7000, { pid: ended() })),
  },
  { name: 'a pid beyond every pid', expect: 'gone', path: () => fileOf(record({ pid: 999_999_999_999_999 })) },
  {
    name: 'a pid that was reused after the beat',
    expect: 'gone',
    says: ' is not the one that beat (',
    path: () => fileOf(reused(-1)),
  },
  {
    name: 'a pid that a process here had when another process beat under it',
    expect: 'gone',
    says: ELSEWHERE,
    path: () => fileOf(reused(500)),
  },
  {
    name: 'the same with a long path',
    expect: 'gone',
    says: `${ELSEWHERE}...`,
    path: () => moved(fileOf(reused(500)), 'x'.repeat(100)),
  },
  {
    name: 'a pid that was reused within a second, which a clock of whole seconds cannot tell',
    expect: 'gone',
    says: ' is not the one that beat (',
    path: () => fileOf(reused(99)),
  },
  { name: 'a pid without a start', expect: 'alive', path: () => fileOf(record({ start: undefined })) },
  { name: 'no pid', expect: 'alive', path: () => fileOf(record({ pid: undefined, start: undefined })) },
  { name: 'a zombie', expect: 'gone', path: async () => fileOf(record({ pid: await zombie(), start: undefined })) },
  {
    name: 'a process whose first thread has ended',
    expect: 'alive',
    path: async () => fileOf(record({ pid: await withoutFirstThread(), start: undefined })),
  },
  { name: "a thread's id", expect: 'gone', path: () => fileOf(record(threadOfOurs())) },
  {
    name: "a thread's id without a start",
    expect: 'gone',
    path: () => fileOf(record({ ...threadOfOurs(), start: undefined })),
  },
  { name: 'a comm with a newline and ") "', expect: 'alive', path: () => named('a) Z 1\n) Z') },
  { name: 'a comm that looks like a zombie', expect: 'alive', path: () => named(') Z (') },
];

/** The record of another process that had our pid and started `cs` after us. */
function reused(cs: number): HeartbeatRecord {
  const start = startOf('/proc/self/stat');
  return record({ start: start - 100, uptime: start + cs });
}

function moved(path: string, name: string): string {
  const longer = join(path, '..', name);
  renameSync(path, longer);
  return longer;
}

async function named(comm: string): Promise<string> {
  const pid = await living(`require('fs').writeFileSync('/proc/self/comm', ${JSON.stringify(comm)})`);
  return fileOf(record({ pid, start: startOf(`/proc/${pid}/stat`) }));
}

const PLAIN: Case[] = [
  { name: 'a touched file, without a limit', expect: 'malformed', path: () => touched(0) },
  { name: 'a touched file within the limit', expect: 'alive', limit: 3_600_000, path: () => touched(30) },
  { name: 'a touched file past the limit', expect: 'stale', limit: 60_000, path: () => touched(90) },
  { name: 'a file touched in the future', expect: 'future', limit: 60_000, path: () => touched(-3600) },
  { name: 'an epoch file, without a limit', expect: 'malformed', path: () => fileOf(String(Date.now() / 1000)) },
  {
    name: 'an epoch file within the limit',
    expect: 'alive',
    limit: 3_600_000,
    path: () => fileOf(String(Date.now() / 1000 - 30)),
  },
  {
    name: 'an epoch file with a newline',
    expect: 'alive',
    limit: 3_600_000,
    path: () => fileOf(`${Math.floor(Date.now() / 1000)}\n`),
  },
  {
    name: 'an epoch file between spaces',
    expect: 'alive',
    limit: 3_600_000,
    path: () => fileOf(`  ${Date.now() / 1000}  \n`),
  },
  {
    name: 'an epoch file with NULs in it',
    expect: 'alive',
    limit: 3_600_000,
    path: () => fileOf(`\0${Math.floor(Date.now() / 1000)}\0`),
  },
  {
    name: 'an epoch file ended by CRLF',
    expect: 'malformed',
    limit: 60_000,
    path: () => fileOf(`${Math.floor(Date.now() / 1000)}\r\n`),
  },
  { name: 'a NUL, and a limit', expect: 'malformed', limit: 60_000, path: () => fileOf('\0') },
  { name: 'a lone newline, and a limit', expect: 'malformed', limit: 60_000, path: () => fileOf('\n') },
  {
    name: 'an epoch file past the limit',
    expect: 'stale',
    limit: 60_000,
    path: () => fileOf(String(Date.now() / 1000 - 90)),
  },
  {
    name: 'an epoch file in the future',
    expect: 'future',
    limit: 60_000,
    path: () => fileOf(String(Date.now() / 1000 + 3600)),
  },
  {
    name: 'the last nanosecond of the year 9999',
    expect: 'future',
    limit: 60_000,
    path: () => fileOf('253402300799.999999999'),
  },
  {
    name: 'the last nanosecond of the year 9999, without a limit',
    expect: 'malformed',
    says: 'states no limit',
    path: () => fileOf('253402300799.999999999'),
  },
  { name: 'a file touched in the year 50000', expect: 'future', limit: 60_000, path: farFuture },
  ...[
    'inf',
    'nan',
    '-1',
    '1e9',
    '0x10',
    '01700000000',
    '1.',
    '.5',
    '1.1.1',
    '1 2',
    '1.1234567890',
    '999999999999',
    'boom',
  ].map((content): Case => ({
    name: `${content} is no time`,
    expect: 'malformed',
    limit: 60_000,
    path: () => fileOf(content),
  })),
];

const linux = describeIf(existsSync('/proc/self/stat'), 'Linux with /proc');

linux('one answer from Timestamp, liveness.js, liveness.sh and heartbeat.py', () => {
  for (const reader of ['dash', 'busybox', 'bash', 'python3']) {
    const present = reader === 'python3' ? PYTHON !== undefined : SHELLS.some(([shell]) => shell === reader);
    describeIf(present, `${reader} (apt-get install ${reader})`)(reader, () => {
      test('is installed', () => {
        expect(present).toBe(true);
      });
    });
  }

  describe('the path', () => {
    test.each(PLACES)('$name: $expect', expectOneAnswer);
  });
  describe('the content', () => {
    test.each(CONTENT)('$name: $expect', expectOneAnswer);
  });
  describe('the time of the beat', () => {
    test.each(CLOCKS)('$name: $expect', expectOneAnswer);
  });
  describe('the writer', () => {
    test.each(IDENTITY)('$name: $expect', expectOneAnswer);
  });
  describe('work in hand', () => {
    test.each(TASKS)('$name: $expect', expectOneAnswer);

    test('every reader prints the same name for any second line, and executes nothing', async () => {
      const cwd = scratch();
      const cases = SECOND_LINES.map(([name, second, shown]) => ({
        name,
        path: noted(task(7000), second),
        expect: 'overdue',
        says: `dead: overdue: ${shown} in hand since `,
      }));
      await expectEach(cases, cwd);
      expect(readdirSync(cwd)).toEqual([]);
    });
  });
  describe('plain files', () => {
    test.each(PLAIN)('$name: $expect', expectOneAnswer);
  });

  test('a record truncated before the end of its sum is malformed', async () => {
    const whole = text.trimEnd().length;
    await expectEach(
      Array.from({ length: text.length - 1 }, (_, at) => at + 1)
        .filter((length) => WIDE || length % 10 === 0 || Math.abs(length - whole) < 3)
        .map((length) => ({
          name: `${length} bytes`,
          path: fileOf(text.slice(0, length)),
          expect: length < whole ? 'malformed' : 'alive',
        })),
    );
  });

  const WRONG: [string, (field: string) => string[]][] = [
    [
      'another value',
      (field) => [field === 'own' ? 'step' : field.replace(/.$/, (digit) => (digit === '1' ? '2' : '1'))],
    ],
    ['negative', (field) => [`-${field}`]],
    ['huge', () => ['99999999999999999999']],
    // The whole field, because a leading zero is allowed in a hexadecimal group.
    ['octal-looking', (field) => [field.includes('-') ? '08' : `0${field}`]],
    ['missing', () => []],
    ['doubled', (field) => [field, field]],
    ['an arithmetic injection', () => ['a[$(touch${IFS}pwned)]']],
    ['a substitution', () => ['$(touch${IFS}pwned)']],
    ['a backquote', () => ['`touch${IFS}pwned`']],
    ['a separator', () => [';touch${IFS}pwned;']],
    ['a glob', () => ['*']],
    ['a variable', () => ['k_sum']],
  ];

  test.each(WRONG)('a field that is %s makes a record malformed and is never executed', async (_, change) => {
    const cwd = scratch();
    const names = [
      'version',
      'beat',
      'uptime',
      'limit',
      'kind',
      'window',
      'pid',
      'start',
      'boot',
      'wall',
      'gap',
      'task',
      'writer',
      'sum',
    ];
    const fields = (at: number): string => edited((all) => all.splice(at, 1, ...change(all[at] ?? '')));
    const cases = names.map((name, at) => ({ name, path: fileOf(fields(at)), expect: 'malformed' }));
    await expectEach(cases, cwd);
    expect(readdirSync(cwd)).toEqual([]);
  });
});

/** Asks every reader about all contents. Each must give the expected answer. */
async function expectEach(
  cases: { name: string; path: string; expect: string; says?: string }[],
  cwd = scratch(),
): Promise<void> {
  const wrong: (Answer & { name: string })[] = [];
  // Some at a time, so that the readers work at the same time.
  for (let at = 0; at < cases.length; at += 10) {
    const some = cases.slice(at, at + 10).map(async ({ name, path, expect: expected, says = '' }) => {
      const answers = await ask(path, { cwd });
      const lines = new Set(answers.map(({ line }) => line));
      return answers
        .filter(({ verdict, line }) => verdict !== expected || !line.includes(says) || lines.size > 1)
        .map((answer) => ({ name, ...answer }));
    });
    wrong.push(...(await Promise.all(some)).flat());
  }
  expect(wrong).toEqual([]);
}

describeIf(isRoot, 'root, to become another user')('as another user', () => {
  test.each<Case>([
    { name: 'an unreadable file', expect: 'unreadable', within: AS_NOBODY, path: () => open(forbidden()) },
    { name: 'an unsearchable folder', expect: 'unreadable', within: AS_NOBODY, path: () => open(unsearchable()) },
    { name: "another user's living process", expect: 'alive', within: AS_NOBODY, path: () => open(fileOf(record())) },
  ])('$name: $expect', expectOneAnswer);
});

const canMount = isRoot && spawnSync('unshare', ['--mount', 'true']).status === 0;
const masked = mounted('mount --bind /dev/null /proc/uptime');
const lxcfs = mounted(
  'echo "1.00 1.00" >"${TMPDIR:-/tmp}/uptime.$$" && mount --bind "${TMPDIR:-/tmp}/uptime.$$" /proc/uptime && rm "${TMPDIR:-/tmp}/uptime.$$"',
);
// PID 3 is a process of root. The reader becomes PID 1, as nobody.
const hiddenFromPid1 = [
  'unshare',
  '--mount',
  '--pid',
  '--fork',
  ...mounted('mount -t proc -o hidepid=invisible proc /proc && { sleep 60 & }').slice(2),
  ...AS_NOBODY,
];
const hidden = [...mounted('mount -t proc -o hidepid=invisible proc /proc'), ...AS_NOBODY];

// This uptime stands still, so a row can name the exact tick, whatever time the reader takes.
const at1000 = lxcfs.map((word) => word.replace('1.00 1.00', '1000.00 1.00'));
const edge = (age: number, kind: HeartbeatRecord['kind'] = 'own'): string =>
  fileOf(record({ uptime: 100_000 - age, limit: 1000, window: 100, kind }));

/** A /proc without boot id, /proc/uptime and /proc/stat. */
const subset = mounted('mount -t proc -o subset=pid proc /proc');

/** Runs the setup for each file; `@` in it is the file's path. */
const over = (files: readonly string[], setup: string): readonly string[] =>
  mounted(files.map((file) => setup.replaceAll('@', `/proc/${file}`)).join(' && '));
const MASK = 'mount --bind /dev/null @';
const CLOSE = 'f=$(mktemp) && chmod 0 $f && mount --bind $f @ && rm $f';
// After lxcfs has died, stat() and open() fail with ENOTCONN.
const DIE = `d=$(mktemp -d) && mkdir $d/a $d/b && : >$d/a/f && bindfs -o attr_timeout=0 $d/a $d/b && mount --bind $d/b/f @ &&
  kill -9 $(pgrep -f "bindfs.* $d/a") && umount -l $d/b && rm -r $d && while [ -e @ ]; do sleep 0.1; done`;

const UNREADABLE = new Map<string, readonly string[]>([
  ['/proc with subset=pid', subset],
  ['masked /proc/uptime and /proc/stat', over(['uptime', 'stat'], MASK)],
  ['/proc/uptime and /proc/stat of another user', [...over(['uptime', 'stat'], CLOSE), ...AS_NOBODY]],
]);
if (existsSync('/dev/fuse') && spawnSync('bindfs', ['--version']).status === 0) {
  UNREADABLE.set('a dead FUSE over /proc/uptime and /proc/stat', over(['uptime', 'stat'], DIE));
  UNREADABLE.set('a dead FUSE over /proc/uptime', over(['uptime'], DIE));
}

describeIf(canMount, 'root, to mount')('under another /proc', () => {
  test.each<Case>([
    { name: 'a beat within its limit and window', expect: 'alive', within: at1000, path: () => edge(1101) },
    { name: 'a beat one tick past its limit and window', expect: 'stale', within: at1000, path: () => edge(1102) },
    { name: 'a task within its limit and window', expect: 'alive', within: at1000, path: () => edge(1101, 'task') },
    {
      name: 'a task one tick past its limit and window',
      expect: 'overdue',
      within: at1000,
      path: () => edge(1102, 'task'),
    },
    { name: 'a beat 2 s ahead', expect: 'alive', within: at1000, path: () => edge(-200) },
    { name: 'a beat one tick more than 2 s ahead', expect: 'future', within: at1000, path: () => edge(-201) },
    { name: 'masked /proc/uptime, a fresh beat', expect: 'alive', within: masked, path: () => fileOf(record()) },
    { name: 'masked /proc/uptime, an old beat', expect: 'stale', within: masked, path: () => fileOf(aged(7000)) },
    {
      name: 'masked /proc/uptime, a beat an hour ahead',
      expect: 'future',
      within: masked,
      path: () => fileOf(aged(-360_000)),
    },
    {
      name: 'masked /proc/uptime, a wall clock an hour ahead',
      expect: 'alive',
      within: masked,
      path: () => fileOf(record({ wall: Date.now() + 3_600_000 })),
    },
    {
      name: 'masked /proc/uptime, by wall clock',
      expect: 'alive',
      says: 'by wall clock',
      within: masked,
      path: () => fileOf(record({ uptime: undefined })),
    },
    ...[...UNREADABLE].flatMap(([what, within]): Case[] => [
      {
        name: `${what}, a fresh beat`,
        expect: 'alive',
        says: 'limit 1d (',
        within,
        path: () => open(fileOf(record())),
      },
      {
        name: `${what}, an old beat`,
        expect: 'stale',
        says: 'limit 1m (',
        within,
        path: () => open(fileOf(aged(7000))),
      },
      { name: `${what}, a beat an hour ahead`, expect: 'future', within, path: () => open(fileOf(aged(-360_000))) },
      { name: `${what}, a pid that was reused`, expect: 'gone', within, path: () => open(fileOf(reused(-1))) },
    ]),
    {
      name: 'no boot id on either side',
      expect: 'alive',
      says: 'limit 1d (',
      within: subset,
      path: () => fileOf(record({ boot: undefined, wall: 0 })),
    },
    {
      name: 'no boot id on either side, an old beat',
      expect: 'stale',
      says: 'limit 1m (',
      within: subset,
      path: () => fileOf(aged(7000, { boot: undefined, wall: Date.now() })),
    },
    {
      name: "lxcfs, which tells the container's own uptime: a fresh beat by wall clock",
      expect: 'alive',
      within: lxcfs,
      path: () => fileOf(record({ uptime: undefined })),
    },
    {
      name: "lxcfs, which tells the container's own uptime: an old beat by wall clock",
      expect: 'stale',
      within: lxcfs,
      path: () => fileOf(aged(7000, { uptime: undefined })),
    },
    {
      name: "hidepid, another user's living process",
      expect: 'alive',
      within: hidden,
      path: () => open(fileOf(record())),
    },
    {
      name: 'hidepid, a process that has ended: its age decides',
      expect: 'alive',
      within: hidden,
      path: () => open(fileOf(record({ pid: ended() }))),
    },
    {
      name: "hidepid, another user's living process, when PID 1 is ours",
      expect: 'alive',
      within: hiddenFromPid1,
      path: () => open(fileOf(record({ pid: 3, start: undefined }))),
    },
    { name: 'hidepid, a stale beat', expect: 'stale', within: hidden, path: () => open(fileOf(aged(7000))) },
  ])('$name: $expect', expectOneAnswer);
});

describeIf(canMount, 'root, to mount')('a writer that cannot read /proc/uptime', () => {
  test('makes no beat look older than it is', () => {
    const script = `const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
      class T extends Timestamp { maximumAge = 10_000 }
      const timestamp = new T(process.env.HEARTBEAT);
      for (const end = Date.now() + 1100; Date.now() < end; ) if (!timestamp.refresh().alive) throw new Error(String(timestamp));`;
    const path = join(scratch(), 'timestamp');
    const [command, ...args] = [...masked, process.execPath, '-e', script];
    execFileSync(command, args, { env: { ...process.env, HEARTBEAT: path } });
    expect(readFileSync(path, 'latin1').split(/ +/)[2]).toMatch(/^[0-9]+$/);
  });

  test('reads no second too much if a new second begins meanwhile', () => {
    // Each look at a clock takes 2 ms.
    const script = `let now = 100997;
      require('os').uptime = () => Math.floor((now += 2) / 1000);
      process.hrtime = () => [0, ((now += 2) % 1000) * 1e6];
      process.stdout.write(String(require(${JSON.stringify(resolve('dist/index.js'))}).systemClock.uptime()));`;
    const [command, ...args] = [...masked, process.execPath, '-e', script];
    expect(execFileSync(command, args, { encoding: 'utf8' })).toBe('101007');
  });
});

describeIf(canMount, 'root, to mount')('if /proc does not tell the wall clock', () => {
  test.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
    '%s uses its own clock, or says that it cannot ask',
    async (_, shell) => {
      const answer = await run('liveness.sh', [
        ...subset,
        'env',
        'EPOCHSECONDS=1',
        ...shell,
        LIVENESS_SH,
        fileOf(record({ uptime: undefined })),
      ]);
      const dash = { exit: 2, line: 'cannot ask: expected a clock in /proc/uptime and /proc/stat; neither tells' };
      expect(answer).toMatchObject(shell[0] === 'dash' ? dash : { exit: 0, verdict: 'alive' });
    },
  );
});

describe('several paths', () => {
  test.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
    '%s reads the rest of the script if only the second path needs it',
    async (_, shell) => {
      const paths = [fileOf(aged(700, { limit: 157 })), join(scratch(), 'timestamp')];
      const { line } = await run('liveness.sh', [...shell, LIVENESS_SH, ...paths]);
      expect(line).toMatch(/^dead: stale: last beat .*, limit 1s570ms \(.*\); 2 of 2 dead$/);
    },
  );
});

describe('a shell that we do not support', () => {
  const asked = (shell: string): ReturnType<typeof run> => run(shell, [shell, LIVENESS_SH, fileOf(record())]);
  describeIf(spawnSync('mksh', ['-c', ':']).status === 0, 'mksh (apt-get install mksh)')('mksh', () => {
    test('cannot ask, because it counts with 32 bits', async () => {
      expect(await asked('mksh')).toMatchObject({
        exit: 2,
        line: 'cannot ask: expected a shell that counts with 64 bits; this one has 32',
      });
    });
  });
  describeIf(spawnSync('zsh', ['-c', ':']).status === 0, 'zsh (apt-get install zsh)')('zsh', () => {
    test('splits words as sh does, and answers', async () => {
      expect(await asked('zsh')).toMatchObject({ exit: 0, verdict: 'alive' });
    });
  });
});

describe('a reader beside a writer', () => {
  const hot = `
    const { Timestamp } = require(${JSON.stringify(resolve('dist/index.js'))});
    class T extends Timestamp { maximumAge = 60000 }
    const t = new T(process.env.HEARTBEAT).refresh();
    process.stdout.write('.');
    for (;;) { t.refresh({ maximumAge: 600000 }); t.refresh(); }`;

  test('that never pauses always says alive, because it reads a torn record again', async () => {
    const path = join(scratch(), 'timestamp');
    const child = start(process.execPath, ['-e', hot], { ...process.env, HEARTBEAT: path });
    await ready(child);
    for (let reads = 0; reads < (WIDE ? 20_000 : 5000); reads++)
      expect(Timestamp.byRef(path).verdict().alive).toBe(true);
    for (let turn = 0; turn < (WIDE ? 30 : 3); turn++) {
      for (const { verdict } of await ask(path)) expect(verdict).toBe('alive');
    }
    child.kill('SIGKILL');
  });

  const strace = spawnSync('strace', ['-V']).status === 0;
  describeIf(strace, 'strace (apt-get install strace)')('that is held up between its reads', () => {
    // Concurrent, because these tests mostly wait.
    test.concurrent.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
      'judges the newer beat if it was held up before it read the clock (%s)',
      async (_, shell) => {
        class Second extends Timestamp {
          readonly maximumAge = 3000;
        }
        const timestamp = new Second(join(scratch(), 'timestamp')).refresh();
        const beating = setInterval(() => timestamp.refresh(), 50);
        const delay = [
          'strace',
          '-o',
          '/dev/null',
          '-P',
          '/proc/uptime',
          '-e',
          'trace=openat',
          '-e',
          'inject=openat:delay_enter=3500000:when=1',
        ];
        const began = Date.now();
        const answer = await run('sh', [...delay, ...shell, LIVENESS_SH, timestamp.path]);
        clearInterval(beating);
        expect(Date.now() - began).toBeGreaterThan(3400); // the reader was held up
        expect(answer).toMatchObject({ verdict: 'alive', exit: 0 });
      },
    );

    test.concurrent('reads a bounded part of a file that grows after its size was read', async () => {
      const path = fileOf('x'.repeat(100));
      const log = join(scratch(), 'strace');
      const delay = ['-o', log, '-P', path, '-e', 'inject=read,pread64:delay_enter=2000000:when=1'];
      const reader = start('strace', [...delay, process.execPath, LIVENESS_JS, path]);
      const closed = once(reader, 'close');
      const seen = (): string => (existsSync(log) ? readFileSync(log, 'latin1') : '');
      while (!/stat.*size=100/.test(seen())) await new Promise(setImmediate);
      truncateSync(path, 2 ** 28);
      await closed;
      const reads = [...seen().matchAll(/^p?read.* = (\d+)/gm)].map(([, bytes]) => Number(bytes));
      expect(reads[0]).toBeGreaterThan(100); // the file had grown before the first read
      expect(reads.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(2 ** 24 + 2 ** 16);
    });
  });
});

describe('the order of reasons', () => {
  const words = (text: string): string[] => [...text.matchAll(/`([a-z]+)`/g)].map(([, word = '']) => word);
  const page = (name: string): string => readFileSync(name, 'utf8');

  test("is the same in docs/probes.md's table", () => {
    const [, table = ''] = /\| reason \| meaning \|\n.*\n((?:\|.*\n)+)/.exec(page('docs/probes.md')) ?? [];
    expect([...table.matchAll(/^\| `([a-z]+)`/gm)].map(([, word]) => word)).toEqual(REASONS);
  });

  test('is the same in docs/heartbeat-file.md, without the reason that only process directories have', () => {
    const [, list = ''] = /is the verdict's: ([^.]+)\./.exec(page('docs/heartbeat-file.md')) ?? [];
    expect(words(list)).toEqual(REASONS.filter((reason) => reason !== 'failed'));
  });

  test("is the same in docs/cli.md's table of fields", () => {
    const [, list = ''] = /why it is dead: ([^|]+)/.exec(page('docs/cli.md')) ?? [];
    expect(words(list)).toEqual(REASONS);
  });

  test('is the same in docs/process.md', () => {
    const [, table = ''] = /\| reason \| when \|\n.*\n((?:\|.*\n)+)/.exec(page('docs/process.md')) ?? [];
    expect([...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = '']) => words(cell))).toEqual(REASONS);
  });
});

test('the records that the rows damage are valid', () => {
  expect(parse(text.trimEnd()).kind).toBe('record');
  expect(parse(withLater('5').trimEnd()).kind).toBe('record');
  expect(systemClock.bootId()).toMatch(/^[0-9a-f-]{36}$/);
});
