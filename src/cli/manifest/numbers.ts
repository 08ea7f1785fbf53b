import { formatLimit } from '../../duration';
import { coldStart, decision, seesEveryBeat, type Bounds, type ProbeTiming } from '../../kubelet';
import { UsageError } from '../command';

/** What the user asks for, in seconds. */
export interface Wishes {
  readonly limit: number;
  readonly period?: number | undefined;
  readonly timeout?: number | undefined;
  readonly failures?: number | undefined;
  readonly startup?: number | undefined;
  /** From the last beat until a wedged container has ended. */
  readonly restartWithin?: number | undefined;
}

/** A manifest's numbers. All follow from the limit unless a wish says otherwise. */
export interface Numbers {
  readonly limit: number;
  readonly startup: ProbeTiming;
  readonly liveness: Required<Pick<ProbeTiming, 'terminationGracePeriodSeconds'>> & ProbeTiming;
  readonly readiness: ProbeTiming;
  readonly bounds: Bounds;
  /** How late the first beat may come. */
  readonly budget: number;
}

/** What a probe needs beside the service: measured by bench/containers.mjs. */
export const ROOM = { sh: { mebibytes: 6, threads: 8 }, node: { mebibytes: 12, threads: 12 } } as const;

/** What the numbers follow from, besides the limit. The Helm template uses the same values. */
export const RULE = {
  /** A Node probe takes half a second to start under a CPU limit of 100m. */
  timeout: 5,
  /** More than 1, because a resumed machine may look stale once. */
  failures: 2,
  periodsPerLimit: 4,
  longestPeriod: 60,
  startupPeriod: 5,
  readinessPeriod: 10,
  /** Short, because a wedged loop runs no SIGTERM handler. */
  grace: 10,
  /** Periods are whole seconds, and one period and one timeout fit into the limit. */
  shortestLimit: 2,
} as const;

/** @throws UsageError for an impossible wish. The message says what is possible. */
export function numbersFor(wishes: Wishes): Numbers {
  const { limit, failures = RULE.failures } = wishes;
  if (limit < RULE.shortestLimit) {
    throw new UsageError(
      `--maximum-age expected at least ${words(RULE.shortestLimit)}, because the kubelet probes once a second at most; got ${words(limit)}`,
    );
  }
  const half = Math.floor(limit / 2);
  if (wishes.timeout !== undefined && wishes.timeout > half) {
    throw new UsageError(
      `--timeout expected at most ${words(half)}, half of the limit, so that a probe sees every beat; got ${words(wishes.timeout)}`,
    );
  }
  const timeout = wishes.timeout ?? Math.min(RULE.timeout, half, wishes.period ?? half);
  const grace = RULE.grace;
  const period = wishes.period ?? periodFor(wishes, timeout, failures);
  const liveness = {
    periodSeconds: period,
    timeoutSeconds: timeout,
    failureThreshold: failures,
    terminationGracePeriodSeconds: grace,
  };
  if (timeout > period) {
    throw new UsageError(
      `--timeout expected at most the period, ${words(period)}, or timeouts would queue; got ${words(timeout)}`,
    );
  }
  if (!seesEveryBeat(limit, liveness)) {
    throw new UsageError(
      `--period expected at most ${words(Math.floor(limit - timeout))}, the limit less the timeout, so that a probe sees every beat; got ${words(period)}`,
    );
  }
  const startup = startupFor(wishes.startup ?? Math.ceil(limit), period, timeout);
  const readiness = {
    periodSeconds: Math.max(timeout, Math.min(RULE.readinessPeriod, period)),
    timeoutSeconds: timeout,
    failureThreshold: RULE.failures,
  };
  const bounds = decision(limit, liveness);
  return { limit, startup, liveness, readiness, bounds, budget: coldStart(startup).earliest };
}

function periodFor({ limit, restartWithin }: Wishes, timeout: number, failures: number): number {
  const period = Math.max(timeout, Math.min(RULE.longestPeriod, Math.floor(limit / RULE.periodsPerLimit)));
  if (restartWithin === undefined) return period;
  const rest = restartWithin - limit - timeout - RULE.grace;
  const longest = Math.floor(rest / failures);
  if (longest >= timeout) return Math.min(period, longest);
  const least = limit + (failures + 1) * timeout + RULE.grace;
  throw new UsageError(
    `--restart-within expected at least ${words(least)}: the limit of ${words(limit)}, ${failures} periods and a timeout of ${words(timeout)} each, ${words(RULE.grace)} of grace; got ${words(restartWithin)}`,
  );
}

function startupFor(budget: number, period: number, timeout: number): ProbeTiming {
  const periodSeconds = Math.max(timeout, Math.min(RULE.startupPeriod, period));
  // Plus one, because the first probe may come at once.
  return { periodSeconds, timeoutSeconds: timeout, failureThreshold: Math.ceil(budget / periodSeconds) + 1 };
}

/** A length of time as people write it: `2m25s`. */
export function words(seconds: number): string {
  return seconds === 0 ? '0s' : formatLimit(seconds * 1000);
}

/** What the numbers mean, for a comment: one sentence per line. */
export function meaning({ bounds: { earliest, latest }, liveness }: Numbers): string[] {
  return [
    `A wedged loop is decided between ${words(earliest)} and ${words(latest)} after its last beat; no stall under ${words(earliest)} restarts it.`,
    `A node adds a second or two if it is idle, more if it is starved; ${words(liveness.terminationGracePeriodSeconds)} later the container is gone.`,
  ];
}
