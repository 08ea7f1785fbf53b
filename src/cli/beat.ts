import { LivenessError } from '../errors';
import { assertReplaceable, HeartbeatFile, readLine, type Reading } from '../file';
import { isWriterAlive } from '../judge';
import { startOf, type Clock } from '../proc';
import { parse, serialise, type HeartbeatRecord } from '../record';
import { touchAt } from '../replaceable';

/** A beat that one process makes for another. */
export interface Beat {
  /** The limit in milliseconds. */
  readonly limit: number;
  /** Whose loop beats; undefined where that is nobody's business: then the record has no identity. */
  readonly pid: number | undefined;
  /** Names the writer, whichever process makes its beats: 32 bits in hex. */
  readonly nonce: string;
}

/**
 * Records one beat at `path`, and goes on counting from the last one of the same writer.
 *
 * @throws LivenessError `ERR_HEARTBEAT_IN_USE` if another living process beats there, `ERR_HEARTBEAT_WRITE` if it cannot be
 *   written.
 */
export function beat(path: string, by: Beat, clock: Clock): void {
  try {
    record(path, by, clock);
  } catch (error) {
    if (error instanceof LivenessError) throw error;
    throw notWritten(path, (error as Error).message, { cause: error });
  }
}

/**
 * For a path that somebody has typed.
 *
 * @throws LivenessError `ERR_HEARTBEAT_WRITE` if what stands there is no heartbeat, epoch or empty file.
 */
export function assertHeartbeat(path: string, clock: Clock): void {
  try {
    assertReplaceable(path, touchAt(clock.wall()));
  } catch (error) {
    throw notWritten(path, (error as Error).message, { cause: error });
  }
}

function notWritten(path: string, why: string, options?: ErrorOptions): LivenessError {
  return new LivenessError('ERR_HEARTBEAT_WRITE', `cannot write ${path}: ${why}`, path, options);
}

function record(path: string, { limit, pid, nonce }: Beat, clock: Clock): void {
  const uptime = clock.uptime();
  const now: HeartbeatRecord = {
    beat: 1,
    uptime: uptime === undefined ? undefined : Math.floor(uptime / 10),
    limit: Math.ceil(limit / 10),
    kind: 'own',
    window: 0, // each beat is written
    pid,
    start: pid === undefined ? undefined : startOf(pid),
    boot: clock.bootId(),
    wall: Math.floor(clock.wall()),
    gap: 0,
    // As the thread of the process, so that whoever finds the record can tell whether its writer lives.
    writer: `${(pid ?? 0).toString(16)}-${nonce}`,
  };
  const isOurs = (record: HeartbeatRecord): boolean => isBy(record, nonce);
  const found = recordIn(lineOf(readLine(path)));
  const last = found && isOurs(found) && found.pid === pid && found.start === now.start && found.boot === now.boot ? found : undefined;
  new HeartbeatFile(path).write(serialise(last ? following(now, last) : now), (line) => {
    const other = recordIn(line);
    if (!other || isOurs(other) || !isWriterAlive(other, clock)) return;
    const message = `${path} is in use by process ${other.pid ?? '(unknown)'}; two loops on one file vouch for each other: give each its own path`;
    throw new LivenessError('ERR_HEARTBEAT_IN_USE', message, path);
  });
}

/** Whether the beat that stands at `path` is that writer's; undefined if none stands there. */
export function isBeatOf(path: string, nonce: string): boolean | undefined {
  const found = recordIn(lineOf(readLine(path)));
  return found && isBy(found, nonce);
}

function isBy({ writer }: HeartbeatRecord, nonce: string): boolean {
  return writer.endsWith(`-${nonce}`);
}

function following(now: HeartbeatRecord, last: HeartbeatRecord): HeartbeatRecord {
  const gap = now.uptime === undefined || last.uptime === undefined ? 0 : now.uptime - last.uptime;
  return { ...now, beat: last.beat + 1, gap: Math.max(gap, last.gap ?? 0) };
}

function lineOf(reading: Reading): string {
  return reading.kind === 'line' ? reading.line : '';
}

function recordIn(line: string): HeartbeatRecord | undefined {
  const parsed = parse(line);
  return parsed.kind === 'record' ? parsed.record : undefined;
}
