// What a heartbeat file means, for every reader: Timestamp, the shipped probe, and liveness.sh in its own words.

import { readLine } from './file';
import { presence, type Clock } from './proc';
import { LAST_WALL, parse, type HeartbeatRecord } from './record';
import { instant, lastBeat, type DeathReason, type Verdict } from './verdict';

/** Who asks. */
export interface Reader {
  readonly clock: Clock;
  /** Leave pid and boot aside and judge by wall time. */
  readonly otherPidNamespace: boolean;
  /** The reader's own limit in milliseconds, which overrules the file's unless that is a step's. */
  readonly limit: number | undefined;
  /** The limit for plain files, which state none. */
  readonly plainLimit: number | undefined;
}

/** Beyond this a beat ahead of the clock is `future`: two processors' readings may differ by less. */
const FUTURE_CS = 200;

/** Reads of a torn record before it is `malformed`, and how many of them do not wait in between. */
const READS = 25;
const EAGER_READS = 5;

/** Times a stale beat is judged again because a newer one came in between. */
const JUDGEMENTS = 5;

/** Is the loop that beats into `path` making progress? Never throws for what stands there. */
export function judge(path: string, reader: Reader): Verdict {
  let seen = look(path);
  for (let judgement = 1; ; judgement++) {
    const verdict = weigh(path, seen, reader);
    if (verdict.alive || (verdict.reason !== 'stale' && verdict.reason !== 'future')) return verdict;
    // The clock was read after the file. If this process was held up in between, a newer beat tells.
    const again = look(path);
    if (judgement === JUDGEMENTS || JSON.stringify(again) === JSON.stringify(seen)) return verdict;
    seen = again;
  }
}

/** What stands at a path: a beat, or nothing that could be one. */
type Seen = Beat | { readonly kind: 'none'; readonly reason: DeathReason; readonly detail: string };
type Beat =
  | { readonly kind: 'plain'; readonly wall: number }
  | { readonly kind: 'record'; readonly record: HeartbeatRecord };

function look(path: string): Seen {
  for (let reads = 1; ; reads++) {
    const reading = readLine(path);
    if (reading.kind !== 'line') return { kind: 'none', reason: reading.kind, detail: reading.detail };
    // A file that was only touched: its modification time is the beat.
    if (reading.empty) return { kind: 'plain', wall: Math.min(Math.max(Math.floor(reading.modified), 0), LAST_WALL) };
    const parsed = parse(reading.line);
    if (parsed.kind !== 'malformed') return parsed;
    if (!parsed.torn || reads === READS) return { kind: 'none', reason: 'malformed', detail: parsed.detail };
    // A writer that was held up in the middle of its write needs the processor, not another read.
    if (reads >= EAGER_READS) pause(1);
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function weigh(path: string, seen: Seen, reader: Reader): Verdict {
  const nothing = { path, clock: undefined, value: undefined, age: Infinity, longestGap: undefined, pid: undefined };
  if (seen.kind === 'none') {
    return { alive: false, reason: seen.reason, detail: seen.detail, limit: reader.limit, ...nothing };
  }
  const record = seen.kind === 'record' ? seen.record : undefined;
  const gone = record && !reader.otherPidNamespace ? departure(record, reader.clock) : undefined;
  // Last of all: everything read before it is at least as old as the clock says.
  const { clock, age } = elapsed(seen, reader);
  const limit = limitOf(record, reader);
  const value = new Date(seen.kind === 'record' ? seen.record.wall : seen.wall);
  const beat = {
    path,
    clock,
    value,
    age: Math.max(age, 0) * 10,
    longestGap: record?.gap === undefined ? undefined : record.gap * 10,
    pid: record?.pid,
  };
  const dead = (reason: DeathReason, detail: string): Verdict => ({ alive: false, reason, detail, limit, ...beat });
  if (limit === undefined) return dead('malformed', 'a plain file states no limit');
  if (gone !== undefined) return dead('gone', `${gone}, last beat ${instant(value)}`);
  if (age < -FUTURE_CS) return dead('future', `last beat ${instant(value)}, ahead of the clock`);
  if (age > allowance(limit, record?.window ?? 0)) return dead('stale', lastBeat(value, limit, clock));
  return { alive: true, limit, ...beat };
}

/** A step's limit first, else the reader's own, else the one in the file. */
function limitOf(record: HeartbeatRecord | undefined, reader: Reader): number | undefined {
  if (!record) return reader.plainLimit;
  return record.kind === 'step' ? record.limit * 10 : (reader.limit ?? record.limit * 10);
}

/** How old a beat may be: its limit, the time a writer may leave a beat unwritten, and one tick of the clock. */
function allowance(limit: number, window: number): number {
  return Math.ceil(limit / 10) + window + 1;
}

function departure(record: HeartbeatRecord, clock: Clock): string | undefined {
  const boot = clock.bootId();
  if (record.boot !== undefined && boot !== undefined && record.boot !== boot) return 'beat in another boot';
  if (record.pid === undefined) return undefined;
  const found = presence(record.pid, record.start);
  return found.state === 'gone' ? found.detail : undefined;
}

/** Centiseconds since the beat, and the clock that says so. */
function elapsed(beat: Beat, { clock, otherPidNamespace }: Reader): { clock: 'uptime' | 'wall'; age: number } {
  if (beat.kind === 'record' && !otherPidNamespace) {
    const { boot, uptime } = beat.record;
    const now = boot !== undefined && clock.bootId() === boot ? clock.uptime() : undefined;
    if (now !== undefined && uptime !== undefined) return { clock: 'uptime', age: Math.floor(now / 10) - uptime };
  }
  const wall = beat.kind === 'record' ? beat.record.wall : beat.wall;
  return { clock: 'wall', age: Math.floor(clock.wall() / 10) - Math.floor(wall / 10) };
}
