// Compares the kubelet's arithmetic with its simulation. Both follow the kubelet's source; test/kubelet runs a real one.

import fc from 'fast-check';
import {
  BackOff,
  coldStart,
  decision,
  dockerDecision,
  seesEveryBeat,
  simulate,
  VirtualClock,
  type Delays,
  type Execution,
  type KubeletEvent,
  type PodTiming,
  type ProbeKind,
  type ProbeTiming,
  type Scenario,
} from '../src/kubelet';

/** Times are whole numbers, so a run can come within 1 of a bound, but no nearer. */
const TICK = 1;

const probe = (A: { P: number; T: number; F: number }): ProbeTiming => ({
  periodSeconds: A.P,
  timeoutSeconds: A.T,
  failureThreshold: A.F,
});

interface Setting {
  readonly limit: number;
  readonly timing: ProbeTiming;
  readonly delays: Delays;
}

const numbers = {
  P: fc.integer({ min: 1, max: 30 }),
  T: fc.integer({ min: 1, max: 30 }),
  F: fc.integer({ min: 1, max: 5 }),
};
const setting: fc.Arbitrary<Setting> = fc
  .record({ ...numbers, limit: fc.integer({ min: 1, max: 200 }), start: fc.nat(10), act: fc.nat(10) })
  .map(({ limit, start, act, ...rest }) => ({ limit, timing: probe(rest), delays: { start, act } }));
/** Settings in which no probe outlasts its period: those that `k8s-liveness manifest` makes. */
const orderly = setting.map(({ limit, timing, delays }) => {
  const timeoutSeconds = Math.min(timing.timeoutSeconds, timing.periodSeconds);
  return {
    limit,
    timing: { ...timing, timeoutSeconds },
    delays: { ...delays, start: Math.min(delays.start, timing.periodSeconds - timeoutSeconds) },
  };
});

/** An endless series of numbers from 0 to 1. */
const chances = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }).map((row) => {
  let index = 0;
  return {
    next: (most: number): number => Math.round((row[index++ % row.length] ?? 0) * most),
    reset: () => {
      index = 0;
    },
  };
});
type Chances = typeof chances extends fc.Arbitrary<infer T> ? T : never;

/** Execs that take any time: up to the timeout, or longer. */
function anyExec(
  { timing, delays }: Setting,
  chance: Chances,
  longest: number = timing.timeoutSeconds,
): () => Execution {
  return () => {
    const end = chance.next(longest);
    return { start: chance.next(delays.start), judge: chance.next(end), end };
  };
}

/** The answer of a heartbeat whose loop beats at every moment except in these stalls. */
function heartbeat(
  limit: number,
  stalls: readonly { readonly from: number; readonly to: number }[],
): (kind: ProbeKind, at: number) => boolean {
  return (_, at) => {
    const stall = stalls.find(({ from, to }) => from < at && at < to);
    return !stall || at - stall.from <= limit;
  };
}

const wedgedAt = (from: number, limit: number): Scenario['answer'] => heartbeat(limit, [{ from, to: Infinity }]);
const firstDecision = (events: readonly KubeletEvent[]): number =>
  events.find(({ type }) => type === 'decided')?.at ?? Infinity;
const count = (events: readonly KubeletEvent[], type: KubeletEvent['type']): number =>
  events.filter((event) => event.type === type).length;

describe('a wedge', () => {
  test('is decided by the latest bound, however long a probe takes, even longer than its period or its timeout', () => {
    fc.assert(
      fc.property(setting, chances, fc.nat(30), fc.nat(100), (setting, chance, jitter, runs) => {
        const { limit, timing, delays } = setting;
        const { latest } = decision(limit, timing, delays);
        const events = simulate(
          { livenessProbe: timing },
          {
            answer: wedgedAt(runs, limit),
            exec: anyExec(setting, chance, 2 * timing.timeoutSeconds),
            jitter: () => jitter % timing.periodSeconds,
            act: () => chance.next(delays.act),
            until: runs + latest + 1,
          },
        );
        expect(firstDecision(events)).toBeLessThanOrEqual(runs + latest);
      }),
    );
  });

  test('is not decided before the earliest bound, if no probe times out', () => {
    fc.assert(
      fc.property(setting, chances, fc.nat(30), fc.nat(100), (setting, chance, jitter, runs) => {
        const { limit, timing, delays } = setting;
        const { earliest, latest } = decision(limit, timing, delays);
        const events = simulate(
          { livenessProbe: timing },
          {
            answer: wedgedAt(runs, limit),
            exec: anyExec(setting, chance),
            jitter: () => jitter % timing.periodSeconds,
            act: () => chance.next(delays.act),
            until: runs + latest + 1,
          },
        );
        expect(firstDecision(events)).toBeGreaterThan(runs + earliest);
      }),
    );
  });

  test('is not decided before the earliest bound of a node without delays, if each probe answers at most its timeout after its tick', () => {
    fc.assert(
      fc.property(orderly, chances, fc.nat(30), fc.nat(100), ({ limit, timing }, chance, jitter, runs) => {
        const { earliest, latest } = decision(limit, timing);
        const events = simulate(
          { livenessProbe: timing },
          {
            answer: wedgedAt(runs, limit),
            exec: () => {
              const all = chance.next(timing.timeoutSeconds);
              const start = chance.next(all);
              return { start, judge: chance.next(all - start), end: all - start };
            },
            jitter: () => jitter % timing.periodSeconds,
            until: runs + latest + 1,
          },
        );
        expect(firstDecision(events)).toBeGreaterThan(runs + earliest);
      }),
    );
  });

  test('is decided at the latest bound in some run, for every setting in which no probe outlasts its period', () => {
    fc.assert(
      fc.property(orderly, ({ limit, timing, delays }) => {
        const { latest } = decision(limit, timing, delays);
        const events = simulate(
          { livenessProbe: timing },
          {
            answer: wedgedAt(0, limit), // one probe looks when the beat is just young enough
            exec: (_, at) => (at <= limit ? {} : { start: delays.start, end: timing.timeoutSeconds }),
            jitter: () => limit % timing.periodSeconds,
            act: () => delays.act,
            until: latest,
          },
        );
        expect(firstDecision(events)).toBe(latest);
      }),
    );
  });

  test('is decided a tick after the earliest bound in some run, for every setting in which no probe outlasts its period', () => {
    fc.assert(
      fc.property(
        orderly.filter(({ limit, timing, delays }) => limit > timing.timeoutSeconds + delays.start),
        ({ limit, timing, delays }) => {
          const { earliest, latest } = decision(limit, timing, delays);
          // With a threshold of 1 one probe decides; with more, the first probe looks as late as possible.
          const late = timing.failureThreshold === 1 ? 0 : delays.start + timing.timeoutSeconds;
          const first = limit + TICK - late;
          const events = simulate(
            { livenessProbe: timing },
            {
              answer: wedgedAt(0, limit),
              exec: (_, at) => (at === first ? { start: delays.start, judge: late - delays.start } : {}),
              jitter: () => first % timing.periodSeconds,
              until: latest,
            },
          );
          const exact = Math.max(first + late, first + (timing.failureThreshold - 1) * timing.periodSeconds);
          expect(firstDecision(events)).toBe(exact);
          expect(exact - earliest).toBe(TICK);
        },
      ),
    );
  });

  test.each([
    [{ P: 2, T: 3, F: 1 }],
    [{ P: 2, T: 3, F: 2 }],
    [{ P: 2, T: 3, F: 3 }],
    [{ P: 2, T: 3, F: 4 }],
    [{ P: 3, T: 4, F: 2 }],
  ])('comes within a tick of both bounds also if probes outlast their period: %j', (shape) => {
    const timing = probe(shape);
    const limit = 20;
    const { earliest, latest } = decision(limit, timing);
    const decisions = [...rows(shape.T, 4)] /* in halves, so that a tick can come less than 1 after a probe */
      .flatMap((row) =>
        Array.from({ length: 2 * shape.P }, (_, half) => {
          let index = 0;
          return firstDecision(
            simulate(
              { livenessProbe: timing },
              {
                answer: wedgedAt(0, limit),
                jitter: () => half / 2,
                until: latest,
                exec: (_, at) => {
                  if (at > limit) return { judge: row.at(-2) ?? 0, end: row.at(-1) ?? 0 };
                  const end = row[index++ % 2] ?? 0;
                  return { judge: at + end > limit && row[0] === end ? end : 0, end };
                },
              },
            ),
          );
        }),
      );
    expect(Math.min(...decisions)).toBeGreaterThan(earliest);
    expect(Math.min(...decisions) - earliest).toBeLessThanOrEqual(TICK);
    expect(latest - Math.max(...decisions)).toBeLessThanOrEqual(TICK);
  });

  test('is decided as measured under kubelet 1.20.2 with A=4 P=2 F=2 T=5, when dead probes hang: after 16.1 s', () => {
    const decisions = Array.from({ length: 200 }, (_, step) =>
      firstDecision(
        simulate(
          { livenessProbe: probe({ P: 2, T: 5, F: 2 }) },
          {
            answer: wedgedAt(0, 4),
            exec: (_, at) => (at > 4 ? { end: 6 } : {}),
            jitter: () => step / 100,
            until: 20,
          },
        ),
      ),
    );
    expect(Math.max(...decisions)).toBeCloseTo(16, 1);
  });

  test('is simulated on a clock that is passed in: actions at the same time run in the order in which they were scheduled', () => {
    const clock = new VirtualClock();
    const order: string[] = [];
    clock.at(2, () => order.push('b'));
    clock.at(1, () => {
      order.push('a');
      clock.at(2, () => order.push('c'));
    });
    clock.run(3);
    expect([order, clock.now()]).toEqual([['a', 'b', 'c'], 3]);
  });
});

/** All series of `length` numbers from 0 to `most`, in steps of a half. */
function* rows(most: number, length: number): Generator<number[]> {
  if (length === 0) yield [];
  else
    for (const row of rows(most, length - 1))
      for (let number = 0; number <= most; number += 0.5) yield [...row, number];
}

describe('stalls', () => {
  const apart = fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true })), {
    maxLength: 40,
  });

  test('of at most the earliest bound never restart, even in a series, if a probe sees every beat and none times out', () => {
    fc.assert(
      fc.property(setting, chances, fc.nat(30), apart, (setting, chance, jitter, row) => {
        const { timing, delays } = setting;
        const longest = delays.start + timing.timeoutSeconds;
        const limit = setting.limit + Math.max(timing.periodSeconds, longest) + longest;
        expect(seesEveryBeat(limit, timing, delays)).toBe(true);
        const { earliest } = decision(limit, timing, delays);
        let end = 0;
        const stalls = row.map(([pause, share]) => {
          const from = end + (pause % 3); // 0: one beat between two stalls
          end = from + Math.ceil(share * earliest);
          return { from, to: end };
        });
        const events = simulate(
          { livenessProbe: timing },
          {
            answer: heartbeat(limit, stalls),
            exec: anyExec(setting, chance),
            jitter: () => jitter % timing.periodSeconds,
            until: end + 100,
          },
        );
        expect(count(events, 'decided')).toBe(0);
      }),
    );
  });

  test('may restart if no probe sees the beat between two of them', () => {
    const timing = probe({ P: 10, T: 1, F: 2 });
    const limit = 2;
    expect(seesEveryBeat(limit, timing)).toBe(false);
    const stalls = [
      { from: 6, to: 12 },
      { from: 14, to: 22 },
    ];
    for (const { from, to } of stalls) expect(to - from).toBeLessThan(decision(limit, timing).earliest);
    expect(firstDecision(simulate({ livenessProbe: timing }, { answer: heartbeat(limit, stalls), until: 30 }))).toBe(
      20,
    );
  });
});

describe('a cold start', () => {
  const slow = fc
    .record({ ...numbers, initialDelaySeconds: fc.nat(20) })
    .map(({ initialDelaySeconds, ...rest }) => ({ ...probe(rest), initialDelaySeconds }));

  test('with a first beat by the earliest bound is never restarted, and liveness waits until then', () => {
    fc.assert(
      fc.property(slow, setting, chances, fc.nat(30), fc.nat(60), (startup, setting, chance, jitter, create) => {
        const { earliest } = coldStart(startup, setting.delays);
        const events = simulate(
          { startupProbe: startup, livenessProbe: setting.timing },
          {
            answer: (_, at) => at >= create + earliest,
            create,
            exec: (kind) => anyExec({ ...setting, timing: kind === 'startup' ? startup : setting.timing }, chance)(),
            jitter: () => jitter % startup.periodSeconds,
            until: create + earliest + 200,
          },
        );
        expect(count(events, 'decided')).toBe(0);
        const probed = events.filter((event) => event.type === 'probed');
        const begun = probed.findIndex(({ kind, result }) => kind === 'startup' && result === 'success');
        expect(probed.slice(0, begun + 1).every(({ kind }) => kind === 'startup')).toBe(true);
        expect(probed.slice(begun + 1).every(({ kind }) => kind === 'liveness')).toBe(true);
      }),
    );
  });

  test('that never beats is decided by the latest bound; some run comes within a tick of each bound', () => {
    fc.assert(
      fc.property(slow, setting, chances, fc.nat(60), (startup, setting, chance, create) => {
        const { delays } = setting;
        const { earliest, latest } = coldStart(startup, delays);
        const decided = (jitter: number, exec: Scenario['exec'], act: number): number =>
          firstDecision(
            simulate(
              { startupProbe: startup },
              {
                answer: () => false,
                create,
                jitter: () => jitter,
                act: () => act,
                until: create + latest + 1,
                ...(exec && { exec }),
              },
            ),
          ) - create;
        const { periodSeconds, initialDelaySeconds } = startup;
        const due = (create + initialDelaySeconds) % periodSeconds; // a tick comes just when a probe is due
        expect(decided(due, undefined, 0)).toBe(earliest);
        const slowest = decided(
          (due + periodSeconds - TICK) % periodSeconds,
          () => ({ start: delays.start, end: startup.timeoutSeconds }),
          delays.act,
        );
        expect(latest - slowest).toBeGreaterThanOrEqual(0);
        expect(latest - slowest).toBeLessThanOrEqual(TICK);
        const any = decided(
          chance.next(periodSeconds - TICK),
          anyExec({ ...setting, timing: startup }, chance),
          chance.next(delays.act),
        );
        expect(any).toBeGreaterThanOrEqual(earliest);
        expect(any).toBeLessThanOrEqual(latest);
      }),
    );
  });
});

describe("Docker's health check", () => {
  test('waits for an interval after each probe: it stays within its own bounds, and some run comes within a tick of each bound', () => {
    fc.assert(
      fc.property(setting, chances, fc.nat(30), ({ limit, timing }, chance, phase) => {
        const { earliest, latest } = dockerDecision(limit, timing);
        const decided = (first: number, exec: (at: number) => { judge: number; end: number }): number => {
          let failures = 0;
          for (let at = first; ;) {
            const { judge, end } = exec(at);
            failures = at + judge > limit ? failures + 1 : 0;
            if (failures === timing.failureThreshold) return at + end;
            at += end + timing.periodSeconds;
          }
        };
        const any = decided(phase - 30, () => {
          const end = chance.next(timing.timeoutSeconds);
          return { judge: chance.next(end), end };
        });
        expect(any).toBeGreaterThan(earliest);
        expect(any).toBeLessThanOrEqual(latest);
        expect(decided(limit + TICK, () => ({ judge: 0, end: 0 })) - earliest).toBe(TICK);
        expect(decided(limit, () => ({ judge: 0, end: timing.timeoutSeconds }))).toBe(latest);
      }),
    );
  });
});

describe('the kubelet', () => {
  const timing = probe({ P: 10, T: 5, F: 2 });
  const dead = { answer: () => false };
  const history = (events: readonly KubeletEvent[]): string[] =>
    events.flatMap((event) =>
      event.type === 'probed'
        ? []
        : [`${event.at} ${event.type === 'ready' && !event.ready ? 'not ready' : event.type}`],
    );
  const probes = (events: readonly KubeletEvent[], kind: ProbeKind): number[] =>
    events.flatMap((event) => (event.type === 'probed' && event.kind === kind ? [event.began] : []));

  test('gives a grace, then starts the container at once, then after 10 s, 20 s ... 5 minutes', () => {
    const events = simulate({ livenessProbe: timing, terminationGracePeriodSeconds: 3 }, { ...dead, until: 3000 });
    const ended = events.filter(({ type }) => type === 'gone').map(({ at }) => at);
    const started = events
      .filter(({ type }) => type === 'started')
      .map(({ at }) => at)
      .slice(1);
    expect(started.map((at, index) => at - (ended[index] ?? 0)).slice(0, 9)).toEqual([
      0, 10, 20, 40, 80, 160, 300, 300, 300,
    ]);
    expect(history(events).slice(0, 4)).toEqual(['0 started', '10 decided', '13 gone', '13 started']);
  });

  test('forgets the back-off after a run of more than 10 minutes', () => {
    const backOff = new BackOff();
    let now = 0;
    const after = (run: number): number => {
      now += run;
      const wait = backOff.until(now) - now;
      now += wait;
      return wait;
    };
    expect([30, 30, 30, 600, 601, 30].map(after)).toEqual([0, 10, 20, 40, 0, 10]);
  });

  test('probes on fixed ticks: keeps one that comes during a probe, drops more', () => {
    const alive = { answer: () => true };
    const seconds = (...ends: number[]): number[] =>
      probes(
        simulate(
          { livenessProbe: probe({ P: 10, T: 60, F: 1 }) },
          { ...alive, exec: () => ({ end: ends.shift() ?? 0 }), until: 70 },
        ),
        'liveness',
      );
    expect(seconds(0, 12)).toEqual([0, 10, 22, 30, 40, 50, 60, 70]);
    expect(seconds(0, 35)).toEqual([0, 10, 45, 50, 60, 70]);
    expect(seconds(0, 14, 14)).toEqual([0, 10, 24, 38, 40, 50, 60, 70]);
  });

  test('never probes before a tick because its clock was rounded', () => {
    const periodSeconds = 0.1;
    const began = probes(
      simulate(
        { livenessProbe: { ...timing, periodSeconds } },
        { answer: () => true, jitter: () => 0.7, until: 100.05 },
      ),
      'liveness',
    );
    expect(began).toHaveLength(994);
  });

  test('ignores the result of a command that cannot start, and never restarts', () => {
    const events = simulate(
      { livenessProbe: timing, startupProbe: timing },
      { ...dead, exec: (kind) => ({ error: kind === 'liveness' }), answer: (kind) => kind === 'startup', until: 1000 },
    );
    expect(history(events)).toEqual(['0 started']);
    expect(probes(events, 'liveness')).toHaveLength(100);
  });

  test('counts failures in a row: a success resets the count, an error does not', () => {
    const decided = (...results: ('+' | '-' | '?')[]): number => {
      let index = -1;
      return firstDecision(
        simulate(
          { livenessProbe: timing },
          { answer: () => results[index] === '+', exec: () => ({ error: results[++index] === '?' }), until: 50 },
        ),
      );
    };
    expect(decided('-', '+', '-', '+', '-', '-')).toBe(50);
    expect(decided('-', '?', '?', '-')).toBe(30);
  });

  test('probes a container only after its initial delay', () => {
    const [first, second] = probes(
      simulate(
        { livenessProbe: { ...timing, initialDelaySeconds: 25 } },
        { answer: () => true, create: 7, until: 100 },
      ),
      'liveness',
    );
    expect([first, second]).toEqual([40, 50]);
  });

  test("takes a failed startup probe's own grace, and the pod's under 1.20", () => {
    const pod: PodTiming = {
      startupProbe: { ...timing, terminationGracePeriodSeconds: 1 },
      livenessProbe: timing,
      terminationGracePeriodSeconds: 60,
    };
    expect(history(simulate(pod, { ...dead, until: 12 }))).toEqual([
      '0 started',
      '10 decided',
      '11 gone',
      '11 started',
    ]);
    expect(history(simulate(pod, { ...dead, minor: 20, until: 70 }))).toEqual([
      '0 started',
      '10 decided',
      '70 gone',
      '70 started',
    ]);
  });

  test('acts on each kind of probe with its own delay, as before 1.21', () => {
    const act = (kind: ProbeKind): number => (kind === 'startup' ? 90 : 1);
    const decided = (pod: PodTiming): number => firstDecision(simulate(pod, { ...dead, act, until: 110 }));
    expect(decided({ startupProbe: timing, livenessProbe: timing })).toBe(100);
    expect(decided({ livenessProbe: timing })).toBe(11);
  });

  test('turns readiness on and off without a restart, by its own thresholds', () => {
    const readinessProbe = { ...timing, successThreshold: 2 };
    const events = simulate(
      { readinessProbe, livenessProbe: timing },
      { answer: (kind, at) => kind === 'liveness' || at < 40 || at > 70, until: 120 },
    );
    expect(history(events)).toEqual([
      '0 started',
      '10 ready',
      '20 ready',
      '30 ready',
      '50 not ready',
      '60 not ready',
      '70 not ready',
      '90 ready',
      '100 ready',
      '110 ready',
      '120 ready',
    ]);
  });

  test('stops liveness probes at deletion from 1.25 on; before 1.25 their failures do nothing; readiness goes on', () => {
    const pod: PodTiming = { livenessProbe: timing, readinessProbe: timing, terminationGracePeriodSeconds: 30 };
    for (const minor of [34, 25, 24, 20]) {
      const events = simulate(pod, { ...dead, answer: (_, at) => at < 15, deleteAt: 15, minor, until: 100 });
      expect(probes(events, 'liveness')).toEqual(minor >= 25 ? [0, 10] : [0, 10, 20, 30]); // after two failures it waits for a new container
      expect(probes(events, 'readiness')).toEqual([0, 10, 20, 30, 40]);
      expect(history(events).filter((line) => !line.endsWith('ready'))).toEqual(['0 started', '15 deleted', '45 gone']);
    }
  });
});
