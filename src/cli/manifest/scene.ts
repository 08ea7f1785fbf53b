import { simulate } from '../../kubelet';
import type { Numbers } from './numbers';

/** What both drawings show: a wedge and what the kubelet does, in seconds since the last beat. */
export interface Scene {
  readonly begin: number;
  readonly end: number;
  readonly probes: readonly { readonly at: number; readonly answer: 'alive' | 'dead' | 'decides' }[];
  readonly decided: number;
  readonly gone: number;
  /** When the new container has started and beats. */
  readonly restarted: number;
}

/** A simulated run whose decision comes in the middle of the bounds. */
export function sceneOf({ limit, liveness, bounds }: Numbers): Scene {
  const { periodSeconds: period, failureThreshold, terminationGracePeriodSeconds: grace } = liveness;
  // A little before the last beat, or eight periods before the limit if that is later.
  const before = Math.max(1.25 * period, bounds.latest / 6);
  const begin = Math.max(-before, limit - 8 * period);
  const pause = 0.15 * period; // to start the new container
  const first = limit + period / 2; // the first dead probe
  const last = first + (failureThreshold - 1) * period;
  const events = simulate(
    { livenessProbe: liveness },
    {
      answer: (_, at) => at <= before + limit || at > before + last + grace,
      jitter: () => (before + first) % period,
      until: 2 * before + bounds.latest + grace + 2 * period,
    },
  ).map((event) => ({ ...event, at: event.at - before }));
  const time = (type: 'decided' | 'gone'): number => events.find((event) => event.type === type)?.at ?? NaN;
  const [decided, gone] = [time('decided'), time('gone')];
  const end = Math.max(gone + pause, bounds.latest) + (bounds.latest - begin) / 10;
  const margin = (end - begin) / 60; // a probe nearer to an end would be cut off
  let failures = 0;
  const probes = events.flatMap((event) => {
    if (event.type !== 'probed' || event.at < begin + margin || event.at > end - margin) return [];
    const isDead = event.result === 'failure';
    failures += isDead ? 1 : 0;
    const answer = !isDead
      ? ('alive' as const)
      : failures === failureThreshold
        ? ('decides' as const)
        : ('dead' as const);
    return [{ at: event.at, answer }];
  });
  return { begin, end, probes, decided, gone, restarted: gone + pause };
}

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 432_000,
];

/** The times that an axis shows: no more than about `most`. */
export function ticksOf({ begin, end }: Scene, most: number): number[] {
  const step = STEPS.find((step) => (end - begin) / step <= most) ?? 864_000;
  const first = Math.ceil(begin / step);
  return Array.from({ length: Math.floor(end / step) - first + 1 }, (_, index) => (first + index) * step);
}
