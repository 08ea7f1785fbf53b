// Makes from a seed and a number what is at a path, and the verdict that must follow. Uses nothing of the library, only
// docs/heartbeat-file.md and docs/process.md.

/**
 * @typedef {'alive' | 'missing' | 'unreadable' | 'malformed' | 'gone' | 'failed' | 'future' | 'overdue' | 'stale'} Expected
 * @typedef {{ kind: Kind, bytes?: Buffer, files?: Record<string, Standing>, mode?: number }} Standing
 * @typedef {'file' | 'missing' | 'below' | 'link' | 'dangling' | 'fifo' | 'socket' | 'directory' | 'linked'} Kind
 * @typedef {{ number: number, suffix: string, options: string[], standing: Standing, expected: Expected | undefined }} Case
 *   `expected` is undefined if the readers only have to agree
 * @typedef {{ uptime: number, wall: number, boot: string, living: Processes, gone: Processes, isRoot: boolean }} World
 *   centiseconds since boot, milliseconds since the epoch
 * @typedef {Map<number, number>} Processes their pids and start times
 */

const PID = /^[1-9][0-9]{0,14}$/;
const ERROR = /^(0|-?[1-9][0-9]{0,14})$/;
const PRIME = 2_147_483_647;
const LAST_WALL = 253_402_300_799_999;
const LARGEST = 999_999_999_999_999;
const WIDTHS = [14, 15, 12, 15, 4, 3, 10, 12, 36, 15, 12, 12, 21, 10];

/** Words that a shell must never evaluate. Their folder has a file named 0, so that a glob would become a number. */
const HOSTILE = [
  'a[$(touch${IFS}pwned)]',
  'k_sum[$(touch${IFS}pwned)0]',
  'a[`>pwned`]',
  '7+a[$(>pwned)]',
  '-a[$(>pwned)]',
  '$(touch${IFS}pwned)',
  '`touch${IFS}pwned`',
  ';touch${IFS}pwned;',
  '>pwned',
  '|touch${IFS}pwned',
  '&touch${IFS}pwned&',
  '*',
  '?',
  '[0-9]',
  '~',
  '{0,1}',
  '$k_now',
  'k_sum',
  '$((1/0))',
  '${x?}',
  '-n',
  '-e',
  '--help',
  '-',
  '--',
  '!!',
  '\\',
  '"',
  "'",
  '%s%n',
  '\\n',
  '\x1b[2J',
  '#',
  '(',
  ')',
];
/** Words that are no number, or not written as the format demands. */
const NO_NUMBERS = [
  '+1',
  '-1',
  '-0',
  '00',
  '08',
  '01',
  '1.0',
  '.5',
  '1e3',
  '1e+21',
  '0x10',
  '0b1',
  '1_0',
  '1,0',
  '٣',
  '１',
  'Infinity',
  'NaN',
  'inf',
  '1n',
  '1000000000000000',
  '9223372036854775807',
  '9223372036854775808',
  '18446744073709551616',
  '9'.repeat(40),
  'boom',
  '7\r',
  '\v7',
  '7\u00a0',
  '\ufeff7',
  ...HOSTILE.filter((word) => word !== '-'),
];
/** Bytes to insert or to put in place of others. */
const SNIPPETS = [
  ' ',
  '   ',
  '\t',
  '\n',
  '\r',
  '\r\n',
  '\0',
  '\0\0\0',
  '\v',
  '\f',
  '\ufeff',
  '\u00a0',
  '\u2003',
  'é',
  '٣',
  '0',
  '1',
  '9',
  '00',
  '-',
  '--',
  '+',
  '.',
  'e9',
  '0x',
  'own',
  'step',
  'task',
  ' in hand, ',
  '1e400',
  '2147483647',
  '2147483648',
  '4294967296',
  '999999999999999',
  'k8s-liveness/1',
  'k8s-liveness/2',
  ...HOSTILE,
]
  .map((text) => Buffer.from(text))
  .concat([0x80, 0xc3, 0xff].map((byte) => Buffer.from([byte])));

/** Suffixes of paths. They have no newline, because the readers get one path a line. */
const SUFFIXES = [...HOSTILE, ' ', '  x  ', '\t', 'é', '\x07', '\x7f', '$(>pwned)', 'x'.repeat(120), '.tmp', '='].map(
  (name) => name.replaceAll('/', '_'),
);

/**
 * @param {number} seed
 * @param {number} number
 * @param {World} world
 * @returns {Case}
 */
export function makeCase(seed, number, world) {
  const random = randomOf(seed, number);
  const directory = random.chance(0.25);
  const other = random.chance(0.06);
  const ignoreError = directory && random.chance(0.2);
  const options = [...(other ? ['--other-pid-namespace'] : []), ...(ignoreError ? ['--ignore-error'] : [])];
  const suffix = random.chance(0.05) ? random.pick(SUFFIXES) : '';
  const { standing, expected } = directory
    ? aDirectory(random, world, { other, ignoreError })
    : aFile(random, world, other);
  return { number, suffix, options, standing, expected };
}

/** @param {number} seed @param {number} number */
function randomOf(seed, number) {
  // mulberry32, from a hash of both.
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(number + 1, 0xc2b2ae35);
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (/** @type {number} */ limit) => Math.floor(next() * limit);
  return {
    below,
    chance: (/** @type {number} */ share) => next() < share,
    /** @template T @param {readonly T[]} list */
    pick: (list) => /** @type {T} */ (list[below(list.length)]),
  };
}
/** @typedef {ReturnType<typeof randomOf>} Random */

/**
 * The heartbeat's own file.
 *
 * @param {Random} random @param {World} world @param {boolean} other
 * @returns {{ standing: Standing, expected: Expected | undefined }}
 */
function aFile(random, world, other) {
  const { bytes, beat } = content(random, world, other);
  const expected = beat && expectedOf(beat, world, { other });
  if (random.chance(0.94)) return { standing: { kind: 'file', bytes }, expected };
  const kind = random.pick(/** @type {const} */ (['missing', 'below', 'link', 'dangling', 'fifo', 'socket', 'file']));
  // Only root can read a file without permissions, so root's readers see its content.
  if (kind === 'file' && world.isRoot) return { standing: { kind, bytes, mode: 0 }, expected };
  return {
    standing: { kind, bytes, mode: 0 },
    expected: kind === 'missing' || kind === 'below' ? 'missing' : 'unreadable',
  };
}

/**
 * @param {Random} random @param {World} world @param {{ other: boolean, ignoreError: boolean }} asked
 * @returns {{ standing: Standing, expected: Expected | undefined }}
 */
function aDirectory(random, world, { other, ignoreError }) {
  const pid = aNumber(random, random.pick([...world.living.keys(), ...world.living.keys(), ...world.gone.keys()]), PID);
  const error = aNumber(random, random.pick([0, 0, 0, 1, -1, 7, LARGEST, -LARGEST]), ERROR);
  if (pid.value !== undefined && !world.living.has(pid.value) && !world.gone.has(pid.value)) {
    // A real pid could be reused during the run, so this one is above every pid.
    Object.assign(pid, { standing: { kind: 'file', bytes: Buffer.from('99999999') }, value: 99_999_999 });
  }
  const timestamp = random.chance(0.7)
    ? { standing: /** @type {Standing} */ ({ kind: 'missing' }) }
    : aBeatOf(random, world, other, pid.value);
  const standing = /** @type {Standing} */ ({
    kind: random.chance(0.03) ? 'linked' : 'directory',
    files: { pid: pid.standing, error: error.standing, timestamp: timestamp.standing },
  });
  if (random.chance(0.02))
    return { standing: { ...standing, mode: 0 }, expected: world.isRoot ? undefined : 'unreadable' };
  const looks = [obstacleTo(pid, world), ignoreError ? undefined : obstacleTo(error, world)];
  const beatObstacle = obstacleTo(timestamp, world);
  // A beat is only needed if its writer cannot be seen.
  const hasBeat = beatObstacle !== 'missing';
  if (hasBeat || other) looks.push(beatObstacle);
  if (other && timestamp.beat && !timestamp.beat.isLimited) looks.push('malformed');
  const obstacle = /** @type {const} */ (['missing', 'unreadable', 'malformed']).find((reason) =>
    looks.includes(reason),
  );
  if (obstacle) return { standing, expected: obstacle };
  if (hasBeat && !timestamp.beat) return { standing, expected: undefined };
  const beat = timestamp.beat ?? { isLimited: false, when: /** @type {const} */ ('fresh') };
  return {
    standing,
    expected: expectedOf(beat, world, { other, named: pid.value, error: ignoreError ? 0 : error.value }),
  };
}

/**
 * @param {{ standing: Standing, value?: number, beat?: Beat, isAgreed?: boolean }} found @param {World} world
 * @returns {Expected | undefined}
 */
function obstacleTo({ standing: { kind, mode }, value, beat, isAgreed }, world) {
  if (kind === 'missing') return 'missing';
  if (kind !== 'file' || (mode === 0 && !world.isRoot)) return 'unreadable';
  if (value === undefined && !isAgreed && (!beat || beat.isMalformed)) return 'malformed';
  return undefined;
}

/**
 * A pid or error file.
 *
 * @param {Random} random @param {number} number @param {RegExp} shape
 * @returns {{ standing: Standing, value?: number }}
 */
function aNumber(random, number, shape) {
  if (random.chance(0.03)) return { standing: { kind: 'missing' } };
  if (random.chance(0.03)) {
    const kind = random.pick(/** @type {const} */ (['link', 'dangling', 'fifo', 'socket', 'directory', 'file']));
    return { standing: { kind, mode: 0, bytes: Buffer.from(String(number)) }, value: number };
  }
  const text = random.chance(0.12) ? random.pick(NO_NUMBERS) : String(number);
  let bytes = Buffer.from(text + random.pick(['', '', '', '\n', '\n', '\0', '\n\0', '\n\n', '\nx', ' ', '\r\n']));
  if (random.chance(0.15)) bytes = mutated(random, bytes);
  const [line = '', ...rest] = bytes.toString('latin1').replaceAll('\0', '').split('\n');
  const isWhole = rest.join('\n') === '';
  // Rarely, because each reader waits 250 ms for an empty file.
  if (line === '' && isWhole && !random.chance(0.005)) bytes = Buffer.from('x');
  const standing = /** @type {Standing} */ ({ kind: 'file', bytes });
  return isWhole && shape.test(line) ? { standing, value: Number(line) } : { standing };
}

/**
 * A process directory's timestamp file.
 *
 * @param {Random} random @param {World} world @param {boolean} other @param {number | undefined} pid
 * @returns {{ standing: Standing, beat?: Beat, isAgreed?: boolean }}
 */
function aBeatOf(random, world, other, pid) {
  const { bytes, beat } = content(random, world, other, random.chance(0.85) ? pid : undefined);
  const isAgreed = beat === undefined;
  const found = isAgreed ? { isAgreed } : { beat };
  if (random.chance(0.96)) return { standing: { kind: 'file', bytes }, ...found };
  const kind = random.pick(/** @type {const} */ (['link', 'dangling', 'fifo', 'socket', 'directory', 'file']));
  return { standing: { kind, bytes, mode: 0 }, ...found };
}

/**
 * What a heartbeat says.
 *
 * @typedef {{ isMalformed?: boolean, wrongBoot?: boolean, pid?: number, start?: number, isLimited?: boolean, isTask?: boolean, when?: When }} Beat
 * @typedef {'fresh' | 'stale' | 'future'} When
 */

/**
 * @param {Beat} beat @param {World} world @param {{ other: boolean, named?: number, error?: number }} asked
 * @returns {Expected}
 */
function expectedOf(beat, world, { other, named, error }) {
  if (beat.isMalformed) return 'malformed';
  const pid = named ?? beat.pid;
  if (!other) {
    if (beat.wrongBoot || (beat.pid !== undefined && beat.pid !== pid)) return 'gone';
    const start = pid === undefined ? undefined : world.living.get(pid);
    if (pid !== undefined && (start === undefined || (beat.start ?? start) !== start)) return 'gone';
  }
  if (error) return 'failed';
  if (beat.when === 'future') return 'future';
  if (beat.when !== 'stale' || !beat.isLimited) return 'alive';
  return beat.isTask ? 'overdue' : 'stale';
}

const MALFORMED = { isMalformed: true };

/**
 * The bytes of a heartbeat file, and what they mean; undefined if the format cannot tell two contents apart.
 *
 * @param {Random} random @param {World} world @param {boolean} other @param {number} [named]
 * @returns {{ bytes: Buffer, beat: Beat | undefined }}
 */
function content(random, world, other, named) {
  const { words, beat } = aRecord(random, world, other, named);
  const which = random.below(100);
  // Mostly contents that cannot be a torn record, because readers read a torn one 25 times.
  if (which < 34) return { bytes: lineOf(random, summed(words)), beat };
  if (which < 38) return { bytes: lineOf(random, spoiled(random, words), ''), beat: MALFORMED };
  if (which < 44) {
    const bytes = mutated(random, lineOf(random, summed(words), ''));
    return { bytes, beat: meaning(bytes, summed(words), beat) };
  }
  return { bytes: notARecord(random, world, summed(words)), beat: MALFORMED };
}

/**
 * The fields of a record but the sum.
 *
 * @param {Random} random @param {World} world @param {boolean} other @param {number} [named]
 * @returns {{ words: string[], beat: Beat }}
 */
function aRecord(random, world, other, named) {
  const when = random.pick(/** @type {const} */ (['fresh', 'fresh', 'stale', 'future']));
  const limit = when === 'stale' ? random.pick([1, 10, 250]) : random.pick([60_000, 360_000, 8_640_000, LARGEST]);
  const isLimited = random.chance(0.85);
  const kind = isLimited ? random.pick(['own', 'own', 'step', 'task', 'task']) : 'own';
  const window = random.pick([0, 1, 99, 100]);
  const identity = random.below(10);
  const otherBoot = random.pick(['0-0-0-0-0', '1-2-3-4-5', 'f-ffffffffffff-0-00-1', `0${world.boot}`]);
  const boot = identity === 0 ? '-' : identity === 1 ? otherBoot : world.boot;
  const [pid, start] = random.pick([...world.living, ...world.living, ...world.living, ...world.gone]);
  const hasPid = random.chance(0.4);
  const ofPid = named ?? pid;
  const from = random.below(10);
  const began = from < 6 ? (world.living.get(ofPid) ?? start) : from < 7 ? random.pick([0, 1, LARGEST]) : undefined;
  const ahead = random.pick([360_000, 8_640_000, 999_999_999]);
  const back = random.pick([-100, 0, 10, 100, Math.min(3000, world.uptime)]);
  const byWall = other || boot === '-' || random.chance(0.15);
  const hasUptime = !byWall || (boot === '-' && random.chance(0.5));
  const uptime = {
    fresh: world.uptime - back,
    stale: random.pick([0, 1, Math.max(0, world.uptime - 8_640_000), Math.max(0, world.uptime - 10_000)]),
    future: random.pick([world.uptime + ahead, LARGEST]),
  };
  const wall = {
    fresh: world.wall - back * 10,
    stale: random.pick([
      0,
      1,
      Date.UTC(2024, 1, 29, 23, 59, 59),
      Date.UTC(2000, 11, 31, 1, 2, 3),
      world.wall - 3_600_000,
    ]),
    future: random.pick([world.wall + ahead * 10, LAST_WALL]),
  };
  // The other clock does not count, so it may say anything.
  const anything = random.pick([when, when, 'fresh', 'stale', 'future']);
  const words = [
    'k8s-liveness/1',
    String(random.pick([0, 1, 42, random.below(1e9), LARGEST])),
    hasUptime || (other && random.chance(0.5)) ? String(uptime[byWall ? anything : when]) : '-',
    isLimited ? String(limit) : '-',
    kind,
    String(window),
    hasPid ? String(ofPid) : '-',
    began === undefined ? '-' : String(began),
    boot,
    String(wall[byWall ? when : anything]),
    random.pick(['-', '0', '12', String(LARGEST)]),
    random.pick(['-', '0', '34', String(LARGEST)]),
    random.pick(['0-1', '7-89abcdef', 'ffffffffffff-ffffffffffff', '1f-0a']),
    ...(random.chance(0.15) ? [random.pick(['-', '5', '0', String(LARGEST)]), '7'].slice(0, 1 + random.below(2)) : []),
  ];
  const process = { ...(hasPid && { pid: ofPid }), ...(began !== undefined && { start: began }) };
  return { words, beat: { wrongBoot: identity === 1, isLimited, isTask: kind === 'task', when, ...process } };
}

/** @param {string[]} words @returns {string[]} */
function summed(words) {
  return [...words, String(sumOf(words))];
}

/** The sum that a writer without checks would compute for these words. @param {string[]} words */
function sumOf(words) {
  let sum = 1;
  const fold = (/** @type {number} */ number) => {
    sum = (sum * 31 + number) % PRIME;
  };
  words.slice(1).forEach((word, index) => {
    if (index === 3) fold(word.startsWith('step') ? 1 : word.startsWith('task') ? 2 : 0);
    else if ((index === 7 && word !== '-') || index === 11)
      word.split('-').forEach((group) => {
        fold(modulo(group, 16));
      });
    else fold(modulo(word, 10));
  });
  return sum;
}

/** @param {string} word @param {number} base */
function modulo(word, base) {
  const digits = (base === 16 ? /[0-9a-f]+/i : /[0-9]+/).exec(word)?.[0] ?? '0';
  return Number(BigInt((base === 16 ? '0x' : '') + digits) % BigInt(PRIME));
}

/** A record with one wrong field and a sum that fits. @param {Random} random @param {string[]} words */
function spoiled(random, words) {
  const wrong = [
    [],
    ['-'],
    ['--'],
    ['0'],
    ['OWN', 'own1', 'steps', 'tasks', 'Task', '-', '0'],
    ['-', '101', '1000'],
    ['0'],
    ['--'],
    [
      '1-2-3-4',
      '1-2-3-4-5-6',
      '1-2-3-4-A',
      '1-2-3-4-1234567890abc',
      '-1-2-3-4-5',
      '1-2-3-4-',
      '1--2-3-4-5',
      '1-2-3-4-g',
      '0',
    ],
    ['-', String(LAST_WALL + 1), String(LARGEST)],
    ['--'],
    ['--'],
    ['ab', 'ab-', '-ab', '-', '1-2-3', 'A-1', '1-1234567890abc', '0x1-2', '1.-2', ' '],
  ];
  const at = 1 + random.below(15);
  const edited = [...words];
  if (at < 13) edited[at] = random.pick(random.chance(0.5) ? (wrong[at] ?? []) : NO_NUMBERS);
  else if (at === 13) edited.splice(13, 0, random.pick(NO_NUMBERS));
  else if (at === 14) edited.splice(1 + random.below(12), 1);
  if (at < 15) return summed(edited);
  const sum = sumOf(words);
  return [...words, random.pick([`0${sum}`, `+${sum}`, `${sum + PRIME}`, `${sum}.0`, '-', 'k_sum', '$k_sum'])];
}

/** @param {Random} random @param {string[]} words @param {string} [layout] */
function lineOf(random, words, layout = random.pick(['as written', 'wide', '', ''])) {
  const line =
    layout === 'as written'
      ? words.map((word, index) => word.padEnd(WIDTHS[index] ?? 0)).join(' ')
      : layout === 'wide'
        ? `  ${words.join('  ')}   `
        : words.join(' ');
  const end = random.pick(['\n', '\n', '', '\nrubbish', '\n\0\0\n', '\n\n', undefined, undefined, undefined]);
  return end === undefined ? Buffer.concat([Buffer.from(`${line}\n`), secondLine(random)]) : Buffer.from(line + end);
}

const NAMES = [
  'mail#42',
  'a b  c',
  ' x',
  'x ',
  'é✓',
  '\x1b[2J',
  '\x7f',
  '7 in hand, y',
  'n'.repeat(39),
  'n'.repeat(40),
  'é'.repeat(20),
  ...HOSTILE,
];

/** A second line, right or nearly right. @param {Random} random */
function secondLine(random) {
  const count = random.chance(0.8)
    ? random.pick(['1', '3', '10000', String(LARGEST)])
    : random.pick([...NO_NUMBERS, '0']);
  const words = `${count} in hand, ${random.pick(NAMES)}`;
  const line = Buffer.from(
    words.padEnd(random.pick([0, 50, 51])) + random.pick(['\n', '\n', '', '\r\n', '\nrubbish\n']),
  );
  return random.chance(0.3) ? mutated(random, line) : line;
}

/**
 * What mutated bytes mean: the same if the words are the same; undefined if the sum cannot see the change; otherwise they are
 * malformed.
 *
 * @param {Buffer} bytes @param {string[]} words @param {Beat} beat
 * @returns {Beat | undefined}
 */
function meaning(bytes, words, beat) {
  const line = bytes.toString('latin1').replaceAll('\0', '').split('\n', 1)[0] ?? '';
  if (line.length > 4096) return MALFORMED;
  const found = line.split(' ').filter((word) => word !== '');
  if (found.join(' ') === words.join(' ')) return beat;
  return visible(found) === visible(words) ? undefined : MALFORMED;
}

/** The words as the sum sees them: 0 and - are the same, and leading zeros of hex digits do not count. @param {string[]} words */
function visible(words) {
  return words
    .map((word, index) =>
      index === 8 || index === 12
        ? word
            .split('-')
            .map((group) => group.replace(/^0+/, ''))
            .join('-')
        : /^(0|[1-9][0-9]*)$/.test(word)
          ? String(BigInt(word) % BigInt(PRIME))
          : word === '-'
            ? '0'
            : word,
    )
    .join(' ');
}

/** First words that are nearly right. */
const MAGICS = [
  'k8s-liveness/2',
  'k8s-liveness/10',
  'k8s-liveness/',
  'k8s-liveness',
  'K8s-liveness/1',
  'k8s-liveness/01',
  'k8s-liveness/1.0',
  '\ufeffk8s-liveness/1',
  '\tk8s-liveness/1',
  'k8s-liveness/1\t',
  '"k8s-liveness/1"',
  'k8s-liveness/*',
  'k8s-liveness/?',
  '\\k8s-liveness/1',
  'k8s-liveness\\/1',
  ...HOSTILE.map((word) => `k8s-liveness/${word}`),
];
/** Contents that are a time or nearly one. They state no limit. */
const TIMES = [
  '0',
  '0.0',
  '1.',
  '.5',
  '1.1.1',
  '01',
  '-1',
  '+1',
  '1e9',
  '253402300799',
  '253402300800',
  '999999999999',
  '1000000000000',
  '1.123456789',
  '1.1234567890',
  '253402300799.999',
  '253402300799.999999999',
  '١',
];
const REPEATED = ['7', ' ', 'k8s-liveness/1 ', '*', '\0', 'é', '$(>pwned) '];
const NEARLY_NOTHING = ['\n', '\0', '\0\n', ' ', '\n\n', '\r\n', '\t', '\ufeff', '-', '\\', '\\\n'];

/** @param {Random} random @param {World} world @param {string[]} words */
function notARecord(random, world, words) {
  const [, ...rest] = words;
  const now = String(world.wall / 1000);
  const others = [
    () => '',
    () => random.pick(NEARLY_NOTHING),
    () => random.pick([...TIMES, now, `${now}\n`, `  ${now} `, `${now} ${now}`, `${now}\r\n`, `${now}x`, `\0${now}\0`]),
    () => random.pick(NO_NUMBERS),
    () => `${random.pick(MAGICS)} ${rest.join(' ')}\n`,
    () => `${words.join(random.pick(['\t', ',', '\r', '\v', '\f', '\u00a0', '\u2003']))}\n`,
    () => `\n${words.join(' ')}\n`,
    () => `${random.pick(SNIPPETS).toString()}8s-liveness/1 ${rest.join(' ')}\n`,
    () => Buffer.from(Array.from({ length: random.below(200) }, () => random.below(256))),
    () => `${words.join(' ')}${' '.repeat(4097)}\n`,
    () => random.pick(REPEATED).repeat(random.chance(0.03) ? 5000 : random.pick([1, 10, 100])),
    () => Array.from({ length: 14 }, () => random.pick(HOSTILE)).join(' '),
  ];
  return Buffer.from(random.pick(others)());
}

/** One to three edits. @param {Random} random @param {Buffer} bytes @returns {Buffer} */
function mutated(random, bytes) {
  let result = Buffer.from(bytes);
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const at = random.below(result.length + 1);
    const end = Math.min(result.length, at + 1 + random.below(8));
    /** @param {number} from @param {number} to @param {Buffer} by */
    const splice = (from, to, by) => Buffer.concat([result.subarray(0, from), by, result.subarray(to)]);
    const inWords = (/** @type {(words: string[], index: number) => void} */ edit) => {
      const words = result.toString('latin1').split(' ');
      edit(words, random.below(words.length));
      return Buffer.from(words.join(' '), 'latin1');
    };
    const inByte = (/** @type {(byte: number) => number} */ edit) => {
      if (at < result.length) result[at] = edit(result[at] ?? 0);
      return result;
    };
    const ways = [
      () => inByte((byte) => byte ^ (1 << random.below(8))),
      () => inByte(() => 48 + random.below(10)),
      () => splice(at, at, random.pick(SNIPPETS)),
      () => splice(at, at + 1, random.pick(SNIPPETS)),
      () => splice(at, end, Buffer.alloc(0)),
      () => splice(at, at, result.subarray(at, end)),
      () => result.subarray(0, at),
      () => result.subarray(at),
      () => inWords((words) => words.reverse()),
      () => inWords((words, index) => words.splice(index, 1)),
      () => inWords((words, index) => words.splice(index, 0, words[index] ?? '')),
      () =>
        inWords((words, index) => {
          words[index] = random.pick([...NO_NUMBERS, '0', '1', String(LARGEST)]);
        }),
      () => Buffer.from(result.toString('latin1').replace('\n', '\r\n'), 'latin1'),
      () => (random.chance(0.03) ? splice(at, at, filling(random, result.length)) : result),
    ];
    result = Buffer.from(random.pick(ways)());
  }
  return result;
}

/**
 * Filler that brings a line of `length` bytes to the longest that is allowed, a few more or less.
 *
 * @param {Random} random @param {number} length
 */
function filling(random, length) {
  return Buffer.alloc(4094 + random.below(5) - Math.min(length, 4090), random.pick([' ', '\0']));
}
