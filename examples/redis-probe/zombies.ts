// Counts the zombies after many runs of each probe under four kinds of PID 1.

import type { Exec, Sandbox } from './container';
import { HostContainer } from './host-container';
import { awaitsAnswer, hasLimitedItself, hasThreads, runs } from './points';
import { until } from './until';

interface Arrangement {
  readonly about: string;
  /** PID 1, if not the service itself; */
  readonly init?: string[];
  /** … in another container, whose PID namespace the service joins. */
  readonly pause?: string[];
  /** A command that runs each probe. */
  readonly around?: string[];
}

const ARRANGEMENTS: Record<string, Arrangement> = {
  a: { about: 'the service itself is PID 1' },
  b: { about: 'tini is PID 1: tini -- redis-server', init: ['tini', '--'] },
  c: { about: 'as a, but each probe runs under tini -s --', around: ['tini', '-s', '--'] },
  d: {
    about: "another container's tini is PID 1, as with shareProcessNamespace",
    pause: ['tini', '--', 'sleep', 'infinity'],
  },
};

interface Probe {
  readonly command: string[];
  /** How it is ended early; without this it must succeed. */
  readonly cut?: Cut;
}

interface Cut {
  readonly about: string;
  /** It must first be seen running this program */
  readonly program: string[];
  /** … at this point. */
  readonly point: (pid: number) => boolean;
  /** Its exit code after that: we have killed it, or its own timeout has. */
  readonly code: number;
}

interface Service {
  readonly command: string[];
  readonly ready: string[];
  readonly probes: Probe[];
  /** The program that is stopped, so that probes hang until they are killed. */
  readonly program?: string;
}

export const PING = ['redis-cli', 'ping'];
export const PONG = ['sh', '-c', '[ "$(redis-cli ping)" = PONG ]'];
/** Its job becomes an orphan, and ends before the probe. */
const JOB = ['sh', '-c', '(redis-cli ping &); sleep 0.3'];
/** Its watcher is an orphan by design, and ends up to a second after the probe. */
export const BUSYBOX = ['busybox', 'timeout', '5', 'redis-cli', 'ping'];
const TIMEOUT = ['timeout', '-s', '3', '5', 'redis-cli', 'ping'];
const NODE = ['node', '/app/dist/liveness.js'];
const SHELL = ['sh', '/app/dist/liveness.sh'];
/** Many paths, because with one path it would end before it could be killed. */
const SHELL_FOR_LONG = [...SHELL, ...Array<string>(100).fill('/tmp/liveness/timestamp')];

const KILLED = 128 + 9;
const TIMED_OUT = 124;

const HANGING = { program: PING, point: awaitsAnswer };
const KILLED_HANGING: Cut = { ...HANGING, about: 'killed at its timeout while Redis hangs', code: KILLED };
const ENDED_HANGING: Cut = { ...HANGING, about: 'ended by its own timeout while Redis hangs', code: TIMED_OUT };

/** Does not save; saving.ts shows why. */
export const REDIS = ['redis-server', '--dir', '/tmp', '--save', ''];

const SERVICES: Service[] = [
  {
    command: REDIS,
    ready: PING,
    program: 'redis-server',
    probes: [
      { command: PING },
      { command: PING, cut: KILLED_HANGING },
      { command: PONG },
      { command: PONG, cut: KILLED_HANGING },
      { command: JOB },
      { command: BUSYBOX },
      { command: TIMEOUT },
      { command: TIMEOUT, cut: ENDED_HANGING },
      { command: TIMEOUT, cut: KILLED_HANGING },
    ],
  },
  {
    command: ['node', '/app/examples/redis-probe/dist/service.js'],
    ready: SHELL,
    probes: [
      { command: NODE },
      { command: NODE, cut: { about: 'killed in the middle', program: NODE, point: hasThreads, code: KILLED } },
      { command: SHELL },
      {
        command: SHELL_FOR_LONG,
        cut: {
          about: 'killed in the middle, of 100 paths',
          program: SHELL_FOR_LONG,
          point: hasLimitedItself,
          code: KILLED,
        },
      },
    ],
  },
];

/** Prints a row per probe, a column per arrangement. */
export async function countZombies(sandbox: Sandbox, times: number): Promise<void> {
  console.log(`Zombies that ${times} runs of an exec probe leave in a container:`);
  for (const [name, { about }] of Object.entries(ARRANGEMENTS)) console.log(`  ${name}  ${about}`);
  print('', Object.keys(ARRANGEMENTS));
  for (const service of SERVICES) {
    const places = await Promise.all(
      Object.values(ARRANGEMENTS).map((arrangement) => start(sandbox, service, arrangement)),
    );
    for (const probe of service.probes) {
      const counts = await Promise.all(places.map((place) => left(place, service, probe, times)));
      print(title(probe), counts);
    }
  }
}

interface Place {
  readonly container: HostContainer;
  readonly around: string[];
}

async function start(
  sandbox: Sandbox,
  service: Service,
  { init = [], pause, around = [] }: Arrangement,
): Promise<Place> {
  const lender = pause && (await HostContainer.start(sandbox, pause));
  const container = await HostContainer.start(sandbox, [...init, ...service.command], service.ready, lender);
  return { container, around };
}

/** How many zombies so many runs of a probe add. */
async function left({ container, around }: Place, { program }: Service, probe: Probe, times: number): Promise<number> {
  const { command, cut } = probe;
  const whole = [...around, ...command];
  if (!cut) await succeed(container, whole, times);
  // Runs that ended before they could be killed are repeated.
  let vain = 0;
  for (let remaining = times; cut && remaining > 0;) {
    if (program) container.signal('SIGSTOP', program);
    const probes = await cutShort(container, whole, remaining, cut);
    if (program) container.signal('SIGCONT', program);
    const codes = (await Promise.all(probes)).map(({ code }) => code);
    vain = codes.includes(cut.code) ? 0 : vain + 1;
    if (vain === 20) throw new Error(`expected ${whole.join(' ')} to exit ${cut.code}; got ${codes.join(', ')}`);
    remaining -= codes.filter((code) => code === cut.code).length;
  }
  return container.newZombies();
}

export async function succeed(container: HostContainer, command: string[], times: number): Promise<void> {
  for (let run = 0; run < times; run++) {
    const { code, output } = await container.exec(command).ended;
    if (code !== 0) throw new Error(`expected ${command.join(' ')} to exit 0; got ${String(code)}: ${output}`);
  }
}

type Ends = Exec['ended'][];

async function cutShort(container: HostContainer, command: string[], times: number, cut: Cut): Promise<Ends> {
  const { program, point, code } = cut;
  const ends: Ends = [];
  for (let run = 0; run < times; run++) {
    const probe = container.exec(command);
    ends.push(probe.ended); // also waits for its children
    const reached = (pid: number): boolean => runs(pid, program) && point(pid);
    await until(() => probe.hasEnded || probe.reaches(reached), `${command.join(' ')} at work`);
    if (code === KILLED) probe.kill();
  }
  if (code !== KILLED) await Promise.all(ends);
  return ends;
}

function title({ command, cut }: Probe): string {
  if (cut) return `  ${cut.about}`;
  return command.map((word) => (word.includes(' ') ? `'${word}'` : word.replace('/app/dist/', ''))).join(' ');
}

function print(title: string, cells: (string | number)[]): void {
  console.log(title.padEnd(44) + cells.map((cell) => String(cell).padStart(4)).join(''));
}
