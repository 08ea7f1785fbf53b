import type { Arguments } from 'yargs';
import { processDirectory, TIMESTAMP_PATH } from '../defaults';
import { examine, type Examined, type Reader } from '../judge';
import type { Clock } from '../proc';
import type { Work } from '../record';
import type { Verdict } from '../verdict';
import { flag, givenLimit, pathsOf, value } from './command';

export interface Report {
  readonly verdict: Verdict;
  readonly fields: ReturnType<typeof fieldsOf>;
  readonly work: Work | undefined;
}

/** The options of the commands that read. */
export const READING = {
  process: flag(
    'The default process directory: $LIVENESS_UNIT_NAME, else the host name, below $LIVENESS_RUNDIR, else /run',
  ),
  'ignore-error': flag('Ignore the error of process directories, as for liveness'),
  'other-pid-namespace': flag('The writer is in another container: ignore its pid and boot id, and judge by wall time'),
  'maximum-age': value(
    'The limit of plain files, which state none: touch files and epochs. A heartbeat keeps its own limit',
  ),
  json: flag('Print JSON on one line (docs/cli.md describes it)'),
};

/** Judges each path of the command line, or the default paths if there is none. */
export function reports(args: Arguments, clock: Clock, defaultPaths: readonly string[] = [TIMESTAMP_PATH]): Report[] {
  const reader: Reader = {
    clock,
    otherPidNamespace: args['other-pid-namespace'] === true,
    ignoreError: args['ignore-error'] === true,
    plainLimit: givenLimit(args, 'maximum-age'),
  };
  const named = pathsOf(args);
  if (args.process !== true) {
    return (named.length > 0 ? named : defaultPaths).map((path) => report(path, reader));
  }
  const directory = report(processDirectory(), { ...reader, isDirectory: true });
  return [directory, ...named.map((path) => report(path, reader))];
}

function report(path: string, reader: Reader): Report {
  const examined = examine(path, reader);
  const { verdict, work } = examined;
  return { verdict, work, fields: fieldsOf(examined, reader.clock) };
}

/** The facts that `--json` prints about one path: version 1 of docs/cli.md's format. */
function fieldsOf({ verdict, record, error, left }: Examined, clock: Clock) {
  const now = clock.wall();
  const awaitsBeat = verdict.alive || verdict.reason === 'stale' || verdict.reason === 'overdue';
  // A start counts from boot, so only the clock that counts from boot can date it.
  const booted = verdict.clock === 'uptime' ? now - (clock.uptime() ?? NaN) : NaN;
  return {
    path: verdict.path,
    alive: verdict.alive,
    reason: verdict.alive ? null : verdict.reason,
    detail: verdict.alive ? null : verdict.detail,
    clock: verdict.clock ?? null,
    lastBeat: verdict.value ?? null,
    ageMs: finite(verdict.age),
    limitMs: finite(verdict.limit),
    step: record ? record.kind === 'step' : null,
    task: verdict.task ?? null,
    inHand: record ? verdict.inHand : null,
    longestGapMs: verdict.longestGap ?? null,
    longestTaskMs: verdict.longestTask ?? null,
    beats: record?.beat ?? null,
    pid: verdict.pid ?? null,
    error: error ?? null,
    started: date(booted + (record?.start ?? NaN) * 10),
    deadline: date(awaitsBeat ? now + left : NaN),
  };
}

function finite(value = NaN): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Null for NaN, Infinity, and times too far away for a Date. */
function date(ms: number): Date | null {
  const date = new Date(ms);
  return finite(date.getTime()) === null ? null : date;
}

export function allAlive(all: readonly Report[]): boolean {
  return all.every(({ verdict }) => verdict.alive);
}

/** The line that `--json` prints. */
export function toJson(all: readonly Report[]): string {
  const heartbeats = all.map(({ fields }) => fields);
  return JSON.stringify({ version: 1, alive: allAlive(all), heartbeats });
}
