import { systemClock, type Clock } from '../../src/proc';

/** A clock that moves only by advance(). It starts at the real uptime, so that real probes can judge. */
export interface ManualClock extends Clock {
  readonly advance: (ms: number) => void;
}

export function manualClock(): ManualClock {
  let elapsed = 0;
  const [uptime, wall] = [systemClock.uptime() ?? 0, Date.now()];
  return {
    advance: (ms) => {
      elapsed += ms;
    },
    monotonic: () => elapsed,
    uptime: () => uptime + elapsed,
    wall: () => wall + elapsed,
    bootId: systemClock.bootId,
  };
}
