// How the kubelet probes a container and restarts it: as arithmetic, and as a simulation whose clock is passed in.
//
// Read in kubernetes/kubernetes (pkg/kubelet/prober/worker.go; doBackOff in pkg/kubelet/kuberuntime/kuberuntime_manager.go)
// and in containerd's container_execsync.go; seen under kubelets 1.20.2 and 1.34.9. All times are seconds, as in a manifest.

/** A probe's numbers, named as in a manifest. */
export interface ProbeTiming {
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
  /** Above 1 for readiness only. */
  readonly successThreshold?: number;
  readonly initialDelaySeconds?: number;
  readonly terminationGracePeriodSeconds?: number;
}

/** The longest that the node takes: to start a probe's command, and to act on a verdict. */
export interface Delays {
  readonly start: number;
  readonly act: number;
}

export interface Bounds {
  readonly earliest: number;
  readonly latest: number;
}

const NO_DELAYS: Delays = { start: 0, act: 0 };

/**
 * When the kubelet decides that a stopped loop is dead, counted from its last beat. A stall of at most `earliest` never
 * restarts the container, as long as no probe times out and {@link seesEveryBeat} holds.
 */
export function decision(limit: number, probe: ProbeTiming, { start, act }: Delays = NO_DELAYS): Bounds {
  const { periodSeconds: period, failureThreshold } = probe;
  const longest = start + probe.timeoutSeconds; // the runtime counts the timeout from when the command runs
  // If a probe outlasts its period, the next one starts at once, and the tick after that may come at any time.
  const apart = longest <= period ? (failureThreshold - 1) * period - longest : (failureThreshold - 3) * period;
  return {
    earliest: limit + Math.max(0, apart),
    latest: limit + failureThreshold * Math.max(period, longest) + longest + act,
  };
}

/** Whether there is a probe between any two stalls. If not, two short stalls with one beat between them may look like a long one. */
export function seesEveryBeat(limit: number, probe: ProbeTiming, { start }: Delays = NO_DELAYS): boolean {
  const longest = start + probe.timeoutSeconds;
  return Math.max(probe.periodSeconds, longest) + longest <= limit;
}

/**
 * When the kubelet decides that a container that never beats is dead, counted from its start. A first beat within
 * `earliest` is always in time. The first probe may come at once, so only failureThreshold - 1 periods are certain.
 */
export function coldStart(startup: ProbeTiming, { start, act }: Delays = NO_DELAYS): Bounds {
  const { periodSeconds: period, failureThreshold, initialDelaySeconds = 0 } = startup;
  const longest = start + startup.timeoutSeconds;
  return {
    earliest: initialDelaySeconds + (failureThreshold - 1) * period,
    latest: initialDelaySeconds + period + (failureThreshold - 1) * Math.max(period, longest) + longest + act,
  };
}

/** The same as {@link decision} for Docker, which waits for a whole interval after the end of each probe. */
export function dockerDecision(limit: number, probe: ProbeTiming): Bounds {
  const { periodSeconds: interval, timeoutSeconds: timeout, failureThreshold: retries } = probe;
  return { earliest: limit + (retries - 1) * interval, latest: limit + retries * (interval + timeout) + timeout };
}

export const PROBES = ['startup', 'liveness', 'readiness'] as const;
export type ProbeKind = (typeof PROBES)[number];

/** `error`: the command did not start. The kubelet ignores this result, so it never restarts the container. */
export type Result = 'success' | 'failure' | 'error';

/** One container's numbers, named as in a manifest. */
export interface PodTiming {
  readonly startupProbe?: ProbeTiming;
  readonly livenessProbe?: ProbeTiming;
  readonly readinessProbe?: ProbeTiming;
  readonly terminationGracePeriodSeconds?: number;
}

export interface KubeletClock {
  readonly now: () => number;
  /** Calls the action at that time; actions of one time in the order in which they came. */
  readonly at: (time: number, action: () => void) => void;
}

/** What runs the containers. Each method calls back when it is done. */
export interface Runtime {
  readonly start: (running: () => void) => void;
  readonly exec: (kind: ProbeKind, timeoutSeconds: number, done: (result: Result) => void) => void;
  /** SIGTERM, and SIGKILL when the grace is over. */
  readonly stop: (graceSeconds: number, gone: () => void) => void;
}

export interface KubeletOptions {
  /** 34 for version 1.34. From 1.25 on, deletion stops liveness and startup probes, and a probe's own grace counts. */
  readonly minor?: number;
  /** How long each kind's first probe waits: up to one period if the kubelet has just started. */
  readonly jitter?: (kind: ProbeKind) => number;
  /**
   * How long the kubelet takes to act on a verdict. Before 1.21 a failed startup probe waits for the pod's next sync, for up
   * to 90 s by default (kubernetes/kubernetes#98007; seen under 1.20.2).
   */
  readonly act?: (kind: ProbeKind) => number;
}

export type KubeletEvent = { readonly at: number } & (
  | { readonly type: 'started' | 'decided' | 'gone' | 'deleted' }
  | { readonly type: 'ready'; readonly ready: boolean }
  | { readonly type: 'probed'; readonly kind: ProbeKind; readonly result: Result; readonly began: number }
);
type Happening = KubeletEvent extends infer Each ? (Each extends unknown ? Omit<Each, 'at'> : never) : never;

interface Container {
  readonly startedAt: number;
  /** Whether the startup probe has succeeded. Until then no other probe runs. */
  hasStarted: boolean;
  isEnding: boolean;
}

/** The kubelet's side of one container. */
export class Kubelet {
  readonly #backOff = new BackOff();
  #container: Container | undefined;
  #isDeleted = false;

  constructor(
    readonly pod: PodTiming,
    readonly clock: KubeletClock,
    readonly runtime: Runtime,
    readonly tell: (event: KubeletEvent) => void,
    readonly options: KubeletOptions = {},
  ) {}

  run(): void {
    this.#start();
    for (const kind of PROBES) {
      const probe = this.pod[`${kind}Probe`];
      const first = this.clock.now() + (this.options.jitter?.(kind) ?? 0);
      if (probe)
        this.clock.at(first, () => {
          this.#probe(new Worker(kind, probe, first));
        });
    }
  }

  /** What `kubectl delete` does. */
  delete(): void {
    this.#isDeleted = true;
    this.#tell({ type: 'deleted' });
    const container = this.#container;
    if (container && !container.isEnding) this.#stop(container, this.pod.terminationGracePeriodSeconds);
  }

  /** The container has ended by itself. */
  exited(): void {
    this.#container = undefined;
    this.#tell({ type: 'gone' });
    if (this.#isDeleted) return;
    this.clock.at(this.#backOff.until(this.clock.now()), () => {
      this.#start();
    });
  }

  #start(): void {
    if (this.#isDeleted) return;
    this.runtime.start(() => {
      this.#container = { startedAt: this.clock.now(), hasStarted: !this.pod.startupProbe, isEnding: false };
      this.#tell({ type: 'started' });
    });
  }

  #probe(worker: Worker): void {
    const { kind, probe } = worker;
    const began = this.clock.now();
    worker.begin(began);
    const again = (): void => {
      this.clock.at(worker.next(this.clock.now()), () => {
        this.#probe(worker);
      });
    };
    if (this.#isDeleted && kind !== 'readiness' && this.#isRecent) return;
    const container = this.#container;
    if (
      !container ||
      container === worker.held ||
      began - container.startedAt < (probe.initialDelaySeconds ?? 0) ||
      container.hasStarted === (kind === 'startup')
    ) {
      again();
      return;
    }
    this.runtime.exec(kind, probe.timeoutSeconds, (result) => {
      this.#tell({ type: 'probed', kind, result, began });
      if (worker.counts(result)) this.#conclude(worker, container, result === 'success');
      again();
    });
  }

  /** Acts on a result that has come as often in a row as its threshold asks. */
  #conclude(worker: Worker, container: Container, succeeded: boolean): void {
    if (container !== this.#container) return;
    if (worker.kind === 'readiness') {
      this.#tell({ type: 'ready', ready: succeeded });
    } else if (succeeded) {
      container.hasStarted = true; // for liveness it is true already
    } else {
      worker.hold(container);
      this.clock.at(this.clock.now() + (this.options.act?.(worker.kind) ?? 0), () => {
        if (container.isEnding || container !== this.#container) return;
        this.#tell({ type: 'decided' });
        const own = this.#isRecent ? worker.probe.terminationGracePeriodSeconds : undefined;
        this.#stop(container, own ?? this.pod.terminationGracePeriodSeconds);
      });
    }
  }

  #stop(container: Container, graceSeconds = 30): void {
    container.isEnding = true;
    this.runtime.stop(graceSeconds, () => {
      if (container === this.#container) this.exited();
    });
  }

  get #isRecent(): boolean {
    return (this.options.minor ?? 34) >= 25;
  }

  #tell(event: Happening): void {
    this.tell({ ...event, at: this.clock.now() });
  }
}

/** One probe's ticks, and its results in a row. */
class Worker {
  /** The container that it has decided to be dead. */
  held: Container | undefined;
  #tick = -1;
  #last: Result | undefined;
  #run = 0;

  constructor(
    readonly kind: ProbeKind,
    readonly probe: ProbeTiming,
    readonly first: number,
  ) {}

  /** Takes the tick that is due. Go's ticker keeps one tick and drops more. */
  begin(now: number): void {
    // The maximum, because a clock in floating point may be slightly before its own tick.
    this.#tick = Math.max(this.#tick + 1, Math.floor((now - this.first) / this.probe.periodSeconds));
  }

  /** When the next probe begins: at the next tick, or at once if that has passed. */
  next(now: number): number {
    return Math.max(now, this.first + (this.#tick + 1) * this.probe.periodSeconds);
  }

  /** Whether this result has now come as often in a row as its threshold asks. */
  counts(result: Result): boolean {
    if (result === 'error') return false;
    this.#run = result === this.#last ? this.#run + 1 : 1;
    this.#last = result;
    const threshold = result === 'success' ? (this.probe.successThreshold ?? 1) : this.probe.failureThreshold;
    return this.#run >= threshold;
  }

  hold(container: Container): void {
    this.held = container;
    this.#run = 0;
  }
}

const FIRST_BACK_OFF = 10;
const LONGEST_BACK_OFF = 300;
const STABLE = 2 * LONGEST_BACK_OFF;

/** A container's first restart comes at once; then after 10 s, 20 s ... 5 minutes. A run of over 10 minutes resets that. */
export class BackOff {
  #wait = 0;
  #restartedAt = -Infinity;

  /** When a container that has ended now may start again. */
  until(now: number): number {
    const isFresh = now - this.#restartedAt > STABLE;
    this.#restartedAt = isFresh ? now : now + this.#wait;
    this.#wait = isFresh ? FIRST_BACK_OFF : Math.min(2 * this.#wait, LONGEST_BACK_OFF);
    return this.#restartedAt;
  }
}

/** A clock whose time passes as fast as the actions run. */
export class VirtualClock implements KubeletClock {
  #now = 0;
  readonly #queue: { readonly time: number; readonly action: () => void }[] = [];

  readonly now = (): number => this.#now;

  readonly at = (time: number, action: () => void): void => {
    const later = this.#queue.findIndex((queued) => queued.time > time);
    this.#queue.splice(later < 0 ? this.#queue.length : later, 0, { time, action });
  };

  run(until: number): void {
    for (let next = this.#queue[0]; next && next.time <= until; next = this.#queue[0]) {
      this.#queue.shift();
      this.#now = next.time;
      next.action();
    }
    this.#now = until;
  }
}

/** What one exec of a probe does, in seconds: `judge` and `end` count from when its command runs. */
export interface Execution {
  readonly start?: number;
  readonly judge?: number;
  readonly end?: number;
  /** The command cannot be started. */
  readonly error?: boolean;
}

/** What the container and the runtime do. What is left out takes no time. */
export interface Scenario extends KubeletOptions {
  /** What a probe that looks at this time answers. */
  readonly answer: (kind: ProbeKind, at: number) => boolean;
  readonly exec?: (kind: ProbeKind, at: number) => Execution;
  /** How long it takes to start a container. */
  readonly create?: number;
  /** How long the container takes to end, at most its grace. Default: the whole grace, as with a wedged loop. */
  readonly end?: number;
  readonly deleteAt?: number;
  readonly until: number;
}

/** What the kubelet does with such a container. */
export function simulate(pod: PodTiming, scenario: Scenario): KubeletEvent[] {
  const clock = new VirtualClock();
  const after = (seconds: number, action: () => void): void => {
    clock.at(clock.now() + seconds, action);
  };
  const runtime: Runtime = {
    start: (running) => {
      after(scenario.create ?? 0, running);
    },
    exec: (kind, timeoutSeconds, done) => {
      const { start = 0, judge = 0, end = judge, error } = scenario.exec?.(kind, clock.now()) ?? {};
      let result: Result = error ? 'error' : 'failure';
      if (judge <= timeoutSeconds)
        after(start + judge, () => {
          if (scenario.answer(kind, clock.now()) && !error) result = 'success';
        });
      after(start + Math.min(end, timeoutSeconds), () => {
        done(end > timeoutSeconds ? 'failure' : result);
      });
    },
    stop: (grace, gone) => {
      after(Math.min(grace, scenario.end ?? Infinity), gone);
    },
  };
  const events: KubeletEvent[] = [];
  const kubelet = new Kubelet(pod, clock, runtime, (event) => events.push(event), scenario);
  kubelet.run();
  if (scenario.deleteAt !== undefined)
    clock.at(scenario.deleteAt, () => {
      kubelet.delete();
    });
  clock.run(scenario.until);
  return events;
}
