// Who takes in what probes leave behind: zombies, counted after many runs of each probe under four kinds of PID 1.

import { Container, until } from './container';

interface Arrangement {
  readonly about: string;
  /** PID 1, if not the service itself; */
  readonly init?: string[];
  /** … in another container, whose PID namespace the service joins. */
  readonly pause?: string[];
  /** What stands around each probe. */
  readonly around?: string[];
}

const ARRANGEMENTS: Record<string, Arrangement> = {
  a: { about: 'the service itself is PID 1' },
  b: { about: 'tini is PID 1: tini -- redis-server', init: ['tini', '--'] },
  c: { about: 'as a, but each probe runs under tini -s --', around: ['tini', '-s', '--'] },
  d: { about: "another container's tini is PID 1, as with shareProcessNamespace", pause: ['tini', '--', 'sleep', 'infinity'] },
};

interface Probe {
  readonly command: string[];
  /** When it consists of so many processes it is killed. */
  readonly killed?: { readonly at: number; readonly about: string };
}

interface Service {
  readonly command: string[];
  readonly ready: string[];
  readonly probes: Probe[];
  /** What to stop so that its probes hang, until they are killed. */
  readonly program?: string;
}

export const PING = ['redis-cli', 'ping'];
export const PONG = ['sh', '-c', '[ "$(redis-cli ping)" = PONG ]'];
/** Its job, an orphan too, ends before it. */
const JOB = ['sh', '-c', '(redis-cli ping &); sleep 0.3'];
/** Its watcher, an orphan by design, ends up to a second after it. */
export const BUSYBOX = ['busybox', 'timeout', '5', 'redis-cli', 'ping'];
const NODE = ['node', '/app/dist/liveness.js'];
const SHELL = ['sh', '/app/dist/liveness.sh'];
/** Of one path it is over before anybody could kill it. */
const SHELL_FOR_LONG = [...SHELL, ...Array<string>(100).fill('/tmp/liveness/timestamp')];

/** Saves nothing: saving.ts shows why. */
export const REDIS = ['redis-server', '--dir', '/tmp', '--save', ''];

const SERVICES: Service[] = [
  {
    command: REDIS,
    ready: PING,
    program: 'redis-server',
    probes: [
      { command: PING },
      { command: PING, killed: { at: 1, about: 'at its timeout while Redis hangs' } },
      { command: PONG },
      { command: PONG, killed: { at: 2, about: 'at its timeout while Redis hangs' } },
      { command: JOB },
      { command: BUSYBOX },
    ],
  },
  {
    command: ['node', '/app/examples/redis-probe/dist/service.js'],
    ready: SHELL,
    probes: [
      { command: NODE },
      { command: NODE, killed: { at: 1, about: 'in the middle' } },
      { command: SHELL },
      { command: SHELL_FOR_LONG, killed: { at: 1, about: 'in the middle, of 100 paths' } },
    ],
  },
];

/** Prints a row per probe, a column per arrangement. */
export async function countZombies(times: number): Promise<void> {
  console.log(`Zombies that ${times} runs of an exec probe leave in a container:`);
  for (const [name, { about }] of Object.entries(ARRANGEMENTS)) console.log(`  ${name}  ${about}`);
  print('', Object.keys(ARRANGEMENTS));
  for (const service of SERVICES) {
    const places = await Promise.all(Object.values(ARRANGEMENTS).map((arrangement) => start(service, arrangement)));
    for (const probe of service.probes) {
      const counts = await Promise.all(places.map((place) => left(place, service, probe, times)));
      print(title(probe), counts);
    }
  }
}

interface Place {
  readonly container: Container;
  readonly around: string[];
}

async function start({ command, ready }: Service, { init = [], pause, around = [] }: Arrangement): Promise<Place> {
  const lender = pause && (await Container.start(pause));
  return { container: await Container.start([...init, ...command], ready, lender), around };
}

/** How many zombies so many runs of a probe add. */
async function left({ container, around }: Place, { program }: Service, probe: Probe, times: number): Promise<number> {
  const whole = [...around, ...probe.command];
  if (!probe.killed) {
    await succeed(container, whole, times);
  } else {
    if (program) container.signal(program, 'SIGSTOP');
    const probes = await timeOut(container, whole, times, probe.killed.at + (around.length > 0 ? 1 : 0));
    if (program) container.signal(program, 'SIGCONT');
    await Promise.all(probes);
  }
  return container.newZombies();
}

export async function succeed(container: Container, command: string[], times: number): Promise<void> {
  for (let run = 0; run < times; run++) {
    const { code, output } = await container.exec(command).ended;
    if (code !== 0) throw new Error(`expected ${command.join(' ')} to exit 0; got ${String(code)}: ${output}`);
  }
}

async function timeOut(container: Container, command: string[], times: number, size: number): Promise<Promise<unknown>[]> {
  const ends: Promise<unknown>[] = [];
  for (let killed = 0; killed < times; ) {
    const probe = container.exec(command);
    await until(`${command.join(' ')} to run`, () => probe.hasEnded || probe.size >= size);
    if (probe.kill()) killed++;
    ends.push(probe.ended); // as long as anything it has started holds its output
  }
  return ends;
}

function title({ command, killed }: Probe): string {
  if (killed) return `  killed ${killed.about}`;
  return command.map((word) => (word.includes(' ') ? `'${word}'` : word.replace('/app/dist/', ''))).join(' ');
}

function print(title: string, cells: (string | number)[]): void {
  console.log(title.padEnd(44) + cells.map((cell) => String(cell).padStart(4)).join(''));
}
