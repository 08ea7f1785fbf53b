import { processDirectory, TIMESTAMP_PATH } from '../file';
import { allowance, examine, type Reader } from '../judge';
import type { Verdict } from '../verdict';
import { limitOf, pathsOf, type Given } from './command';
import type { Io } from './io';

/** A verdict, and what an operator wants to know beside it. Times in milliseconds. */
export interface Report {
  readonly verdict: Verdict;
  /** How many beats the writer has made. */
  readonly beats: number | undefined;
  /** Whether the limit is that of a step. */
  readonly step: boolean | undefined;
  /** When its process started. */
  readonly started: Date | undefined;
  /** When it is dead unless it beats until then, or since when it is stale. */
  readonly deadline: Date | undefined;
  /** A process directory's error. */
  readonly error: number | undefined;
}

/** A report on each path that the command line names; on the default heartbeat, where it names none. */
export function reports(given: Given, io: Io, defaults: readonly string[] = [TIMESTAMP_PATH]): Report[] {
  const reader: Reader = {
    clock: io.clock,
    otherPidNamespace: given['other-pid-namespace'] === true,
    ignoreError: given['ignore-error'] === true,
    isDirectory: false,
    limit: undefined,
    plainLimit: limitOf(given),
  };
  const paths = pathsOf(given);
  const asked = paths.map((path) => report(path, reader));
  if (given.process === true) return [report(processDirectory(), { ...reader, isDirectory: true }), ...asked];
  return paths.length > 0 ? asked : defaults.map((path) => report(path, reader));
}

function report(path: string, reader: Reader): Report {
  const { verdict, record, error } = examine(path, reader);
  const now = reader.clock.wall();
  const { limit = Infinity } = verdict;
  const runs = verdict.alive || verdict.reason === 'stale';
  const left = allowance(limit, record?.window ?? 0) * 10 - verdict.age;
  // The start counts from boot, so it can be told only by that clock.
  const uptime = verdict.clock === 'uptime' ? reader.clock.uptime() : undefined;
  const start = record?.start;
  return {
    verdict,
    beats: record?.beat,
    step: record ? record.kind === 'step' : undefined,
    started: uptime === undefined || start === undefined ? undefined : dateAt(now - uptime + start * 10),
    deadline: runs ? dateAt(now + left) : undefined,
    error,
  };
}

/** Version 1 of what `--json` prints, on one line: docs/cli.md says what each field is. */
export function toJson(all: readonly Report[]): string {
  const heartbeats = all.map(({ verdict, beats, step, started, deadline, error }) => ({
    path: verdict.path,
    alive: verdict.alive,
    reason: verdict.alive ? null : verdict.reason,
    detail: verdict.alive ? null : verdict.detail,
    clock: verdict.clock ?? null,
    lastBeat: verdict.value?.toISOString() ?? null,
    ageMs: finite(verdict.age),
    limitMs: finite(verdict.limit),
    step: step ?? null,
    longestGapMs: finite(verdict.longestGap),
    beats: finite(beats),
    pid: finite(verdict.pid),
    error: finite(error),
    started: started?.toISOString() ?? null,
    deadline: deadline?.toISOString() ?? null,
  }));
  return JSON.stringify({ version: 1, alive: all.every(({ verdict }) => verdict.alive), heartbeats });
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

/** Undefined for what no Date holds: Infinity, and some hundred thousand years. */
function dateAt(ms: number): Date | undefined {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
