import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { formatLimit } from '../../duration';
import { statFields } from '../../proc';
import { printable } from '../../verdict';
import { CommandLine, harmfulOptions } from '../lint/command-line';
import { error, mayAccess, ok, warning, type Finding, type Read } from './finding';

/** Milliseconds in a clock tick of /proc. */
const TICK = 10;

/** How often we run a probe, unless it is too slow. */
const RUNS = 5;

/** A probe took up to this many times as long when the service used up the CPU limit: docs/truth.md. */
const CROWDED = 10;

export interface Probe {
  readonly command: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string | undefined;
}

interface Run {
  /** The exit code, or the signal. */
  readonly end: number | string | null;
  readonly milliseconds: number;
  readonly output: string;
  readonly failure: string | undefined;
}

/** Whether the probe starts Node, perhaps below a shell. */
export function isNode(command: readonly string[]): boolean {
  return new CommandLine(command).nodes.length > 0;
}

/** Runs the probe as the kubelet does: without a shell, several times, and judges how it went. */
export function probeFindings(
  probe: Probe,
  cpuLimit: number | undefined,
  read: Read,
): { readonly findings: readonly Finding[]; readonly runs: number } {
  const obstacle = startObstacle(probe);
  if (obstacle !== undefined) return { findings: [neverStarts(obstacle)], runs: 0 };
  const before = childrensCpu(read);
  const runs: Run[] = [];
  for (let count = 0; count < RUNS && !runs.some((run) => isSlow(run, probe)); count++) runs.push(run(probe));
  const after = childrensCpu(read);
  const cpu = before === undefined || after === undefined ? undefined : (after - before + TICK) / runs.length;
  const failure = runs.find(({ failure }) => failure !== undefined && failure !== 'ETIMEDOUT')?.failure;
  const findings =
    failure === undefined
      ? [ok('start', printable(probe.command.join(' '))), answer(runs, probe), time(runs, cpu, probe, cpuLimit)]
      : [neverStarts(`${probe.command[0] ?? ''} cannot be started: ${failure}`)];
  return { findings, runs: runs.length };
}

function neverStarts(found: string): Finding {
  const advice = 'the kubelet ignores this result and never restarts: name a program that the image has';
  return error('start', printable(found), advice);
}

function isSlow({ milliseconds }: Run, { timeout }: Probe): boolean {
  return milliseconds > timeout;
}

function run({ command: [program = '', ...args], timeout, env, cwd }: Probe): Run {
  const begun = performance.now();
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    env,
    cwd,
    timeout: 2 * timeout, // so that we can say how long it takes
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 20,
    encoding: 'latin1',
  });
  return {
    end: status ?? signal,
    milliseconds: performance.now() - begun,
    output: printable(`${stdout}${stderr}`.trim().split('\n')[0] ?? '').slice(0, 200),
    failure: (error as NodeJS.ErrnoException | undefined)?.code,
  };
}

/** What keeps a container runtime from starting the command. Node's spawn would hand a script without `#!` to a shell. */
function startObstacle({ command: [program = ''], env, cwd }: Probe): string | undefined {
  const folders = program.includes('/') ? [''] : (env.PATH ?? '').split(delimiter);
  const found = folders
    .map((folder) => resolve(cwd ?? '.', folder, program))
    .find((path) => mayAccess(path, constants.X_OK));
  if (found === undefined) return `no executable of this name: ${program}`;
  const start = Buffer.alloc(4);
  try {
    const file = openSync(found, 'r');
    readSync(file, start);
    closeSync(file);
  } catch {
    return undefined; // it may be executed, but we may not read it
  }
  const isProgram = start.toString('latin1') === '\x7fELF' || start.toString('latin1', 0, 2) === '#!';
  return isProgram || process.platform !== 'linux' ? undefined : `${found} is no program, and has no line #!`;
}

function answer(runs: readonly Run[], probe: Probe): Finding {
  const odd = runs.find(({ end }) => end !== 0) ?? runs[0];
  const { end = null, output = '' } = odd ?? {};
  const words = output === '' ? 'and prints nothing' : `and prints ${output}`;
  if (end === 0) return ok('answer', `exits with 0 ${words}`);
  if (odd && isSlow(odd, probe)) return warning('answer', 'was killed before it could answer', 'see time below');
  if (end === 1 && output.startsWith('dead: ')) {
    const advice =
      'expected if no service runs here, as in an image build; else docs/troubleshooting.md explains each reason';
    return warning('answer', `the probe works, and says ${output}`, advice);
  }
  const how = typeof end === 'number' ? `exits with ${end}` : `ends by ${end ?? 'a signal'}`;
  return error('answer', `${how} ${words}`, 'the kubelet restarts the container for this: run the command by hand');
}

/** @param cpu milliseconds of CPU time that a run takes; undefined if unknown. */
export function time(
  runs: readonly { readonly milliseconds: number }[],
  cpu: number | undefined,
  { timeout, command }: Pick<Probe, 'timeout' | 'command'>,
  limit: number | undefined,
): Finding {
  const slowest = Math.max(...runs.map(({ milliseconds }) => milliseconds));
  const alone = (cpu ?? 0) / (limit ?? Infinity);
  const crowded = CROWDED * alone;
  const parts = [`${runs.length === 1 ? '1 run' : `${runs.length} runs, the slowest`} ${inSeconds(slowest)}`];
  if (cpu !== undefined) parts.push(`, at most ${Math.round(cpu)} ms of CPU each`);
  if (limit !== undefined) {
    const milli = Math.round(limit * 1000);
    parts.push(
      `; at the CPU limit of ${milli}m ${inSeconds(alone)} alone, up to ${inSeconds(crowded)} if the service uses it up`,
    );
  }
  const found = `${parts.join('')}; timeoutSeconds ${formatLimit(timeout)}`;
  const advice = [
    ...(timeout < 5000 ? ['set timeoutSeconds: 5'] : []),
    ...(isNode(command) ? ['use liveness.sh, which needs a tenth of the CPU'] : []),
    ...(limit === undefined ? [] : ['raise the CPU limit, or remove it and state a request']),
  ];
  const words = advice.length > 0 ? advice.join('; or ') : 'raise timeoutSeconds, at most to periodSeconds';
  const expected = Math.max(slowest, alone);
  if (expected > timeout) return error('time', found, words);
  return 2 * expected > timeout || crowded > timeout ? warning('time', found, words) : ok('time', found);
}

function inSeconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** The CPU time of our children that have ended, in milliseconds, rounded down to a tick: fields 16 and 17 of proc(5). */
function childrensCpu(read: Read): number | undefined {
  const stat = read('/proc/self/stat');
  if (stat === undefined) return undefined;
  const fields = statFields(stat);
  return (Number(fields[13]) + Number(fields[14])) * TICK;
}

/** What in the environment slows or breaks a Node probe. */
export function environmentFindings({ command, env }: Probe): Finding[] {
  const { nodes } = new CommandLine(command);
  const harm = {
    NODE_OPTIONS: 'it makes the probe slow, or makes it fail or hang',
    NODE_EXTRA_CA_CERTS: 'it makes Node 20 take 1.6 times the CPU',
  };
  return Object.entries(harm).flatMap(([name, why]) => {
    // An empty variable counts as unset.
    if (!env[name] || nodes.every(({ assigned }) => assigned.has(name))) return [];
    if (name === 'NODE_OPTIONS' && harmfulOptions(env[name]).length === 0) return [];
    const found = printable(`${name}=${env[name]}`).slice(0, 100);
    return [warning('environment', `the probe inherits ${found}`, `${why}: begin the command with env ${name}=`)];
  });
}
