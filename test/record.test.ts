import fc from 'fast-check';
import { LAST_WALL, parse, parseError, parsePid, RECORD_SIZE, serialise, type HeartbeatRecord } from '../src/record';

const LARGEST = 999_999_999_999_999;
const PRIME = 2_147_483_647;

const number = fc.oneof(fc.nat(300), fc.nat({ max: LARGEST }));
const orNone = <T>(some: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(some, { nil: undefined });
const hex = (most: number): fc.Arbitrary<string> => fc.stringMatching(new RegExp(`^[0-9a-f]{1,${most}}$`));

/** Any record the format can hold. */
const records: fc.Arbitrary<HeartbeatRecord> = fc
  .record({
    beat: number,
    uptime: orNone(number),
    limit: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: LARGEST })),
    kind: fc.constantFrom('own', 'step', 'task'),
    window: fc.nat(100),
    pid: orNone(fc.integer({ min: 1, max: LARGEST })),
    start: orNone(number),
    boot: orNone(fc.tuple(hex(12), hex(12), hex(12), hex(12), hex(12)).map((groups) => groups.join('-'))),
    wall: fc.nat({ max: LAST_WALL }),
    gap: orNone(number),
    longestTask: orNone(number),
    writer: fc.tuple(hex(12), hex(12)).map((groups) => groups.join('-')),
  })
  .filter(({ kind, limit }) => kind === 'own' || limit !== Infinity);

/** A record that a writer can make: each field fits its column. */
const narrow = fc.record({
  uptime: fc.nat({ max: 1e12 - 1 }),
  pid: fc.integer({ min: 1, max: 2 ** 32 }),
  start: fc.nat({ max: 1e12 - 1 }),
  boot: fc.uuid(),
  gap: fc.nat({ max: 1e12 - 1 }),
  longestTask: fc.nat({ max: 1e12 - 1 }),
  writer: fc.tuple(hex(8), hex(8)).map((groups) => groups.join('-')),
});
const written = fc.tuple(records, narrow).map(([record, fields]) => ({ ...record, ...fields }));

const lineOf = (record: HeartbeatRecord): string =>
  (serialise(record).toString('latin1').split('\n', 1)[0] ?? '').trimEnd();
const isMalformed = (line: string): boolean => parse(line).kind === 'malformed';

/** What the sum covers. The sum treats 0 and none alike, and ignores leading zeros of hex digits. */
function seen(record: HeartbeatRecord): object {
  const { uptime = 0, start = 0, gap = 0, boot = '' } = record;
  const plain = (groups: string): string => groups.replaceAll(/(?<![0-9a-f])0+/g, '');
  return { ...record, uptime, start, gap, boot: plain(boot), writer: plain(record.writer) };
}

describe('a record', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(parse(lineOf(record))).toEqual({ kind: 'record', record });
      }),
    );
  });

  test('of a writer has two lines, 256 printable bytes in all', () => {
    fc.assert(
      fc.property(written, (record) => {
        const bytes = serialise(record);
        expect(bytes).toHaveLength(RECORD_SIZE);
        expect(bytes.toString('latin1')).toMatch(/^[ -~]{204}\n[ -~]{50}\n$/);
      }),
    );
  });

  test('is the same however its fields are spaced', () => {
    fc.assert(
      fc.property(records, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (record, widths) => {
        const spaced = lineOf(record).replaceAll(/ +/g, () => ' '.repeat(Number(widths.next().value)));
        expect(parse(`  ${spaced} `)).toEqual({ kind: 'record', record });
      }),
    );
  });

  test('means the same with more fields, which the sum includes', () => {
    fc.assert(
      fc.property(records, fc.array(orNone(number), { maxLength: 5 }), (record, later) => {
        const fields = lineOf(record).split(/ +/);
        const sum = later.reduce<number>((sum, field) => (sum * 31 + (field ?? 0)) % PRIME, Number(fields.pop()));
        expect(parse([...fields, ...later.map((field) => field ?? '-'), sum].join(' '))).toEqual({
          kind: 'record',
          record,
        });
      }),
    );
  });

  test('is malformed if one digit is changed', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 1, max: 9 }), (record, where, by) => {
        const line = lineOf(record);
        const digits = [...line.matchAll(/(?<=[ 0-9])[0-9](?=[ 0-9]|$)/g)].map(({ index }) => index);
        const at = digits[where % digits.length] ?? 0;
        expect(isMalformed(line.slice(0, at) + String((Number(line[at]) + by) % 10) + line.slice(at + 1))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('is malformed or means the same to the sum if one character is changed', () => {
    fc.assert(
      fc.property(written, fc.nat(RECORD_SIZE - 2), fc.nat(127), (record, at, code) => {
        const line = serialise(record).toString('latin1').slice(0, -1);
        const parsed = parse(line.slice(0, at) + String.fromCharCode(code) + line.slice(at + 1));
        expect(parsed.kind).not.toBe('plain');
        if (parsed.kind === 'record') expect(seen(parsed.record)).toEqual(seen(record));
      }),
      { numRuns: 5000 },
    );
  });

  test('torn between two beats is one of them or malformed', () => {
    const kinds = fc.constantFrom('own' as const, 'step' as const);
    const beats = fc.tuple(fc.nat(1e9), fc.nat(1e9), kinds, fc.integer({ min: 1, max: 1e9 }));
    fc.assert(
      fc.property(written, beats, fc.nat(RECORD_SIZE), (one, [beat, later, kind, limit], at) => {
        const other = { ...one, beat, uptime: later, kind, limit, wall: Math.max(0, one.wall - later), gap: beat };
        const torn = serialise(other).toString('latin1').slice(0, at) + serialise(one).toString('latin1').slice(at);
        const parsed = parse(torn.trimEnd());
        if (parsed.kind !== 'malformed') expect([one, other]).toContainEqual(parsed.kind === 'record' && parsed.record);
        else expect(parsed.torn || at < 14).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test('is malformed if it is cut off anywhere', () => {
    fc.assert(
      fc.property(records, fc.nat(), (record, at) => isMalformed(lineOf(record).slice(0, at % lineOf(record).length))),
    );
  });
});

describe('parse', () => {
  const words = fc.constantFrom('k8s-liveness/1', 'own', 'step', '-', '0-1');
  const lines = fc
    .array(fc.oneof(fc.string({ unit: 'binary' }), number.map(String), words))
    .map((all) => all.join(' '));

  test('never throws, and accepts no other text as a record', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (line) => {
        expect(parse(line).kind).not.toBe('record');
      }),
    );
    fc.assert(
      fc.property(lines, (line) => {
        expect(parse(line).kind).not.toBe('record');
      }),
    );
    fc.assert(
      fc.property(lines, (line) => {
        expect(parse(`k8s-liveness/1 ${line}`).kind).toBe('malformed');
      }),
    );
  });

  test('reads a number as a time, to the millisecond, and ignores further digits', () => {
    fc.assert(
      fc.property(fc.nat({ max: LAST_WALL }), fc.stringMatching(/^[0-9]{0,6}$/), (wall, digits) => {
        const [seconds, ms] = [Math.floor(wall / 1000), String(wall % 1000).padStart(3, '0')];
        expect(parse(`${seconds}.${ms}${digits}`)).toEqual({ kind: 'plain', wall });
        expect(parse(String(seconds))).toEqual({ kind: 'plain', wall: seconds * 1000 });
      }),
    );
  });
});

describe('the numbers of a process directory', () => {
  test('are read as they are written', () => {
    const errors = fc.integer({ min: -LARGEST, max: LARGEST });
    fc.assert(
      fc.property(errors, (error) => {
        expect(parseError(String(error))).toBe(error);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: LARGEST }), (pid) => {
        expect(parsePid(String(pid))).toBe(pid);
      }),
    );
  });

  test('are read only in that form', () => {
    const nearly = fc.oneof(fc.stringMatching(/^[-+0-9.ex \t\r]{0,20}$/), fc.string({ unit: 'binary' }));
    const numberIn = (text: string, shape: RegExp): number | undefined => (shape.test(text) ? Number(text) : undefined);
    fc.assert(
      fc.property(nearly, (text) => {
        expect(parseError(text)).toBe(numberIn(text, /^(0|-?[1-9][0-9]{0,14})$/));
      }),
    );
    fc.assert(
      fc.property(nearly, (text) => {
        expect(parsePid(text)).toBe(numberIn(text, /^[1-9][0-9]{0,14}$/));
      }),
    );
  });
});
