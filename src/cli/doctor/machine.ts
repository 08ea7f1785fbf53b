import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { self, statFields, type Clock } from '../../proc';
import { error, ok, warning, type Finding, type Read } from './finding';

/** In milliseconds. Two clocks that agree differ by less. */
const DISAGREEMENT = 2000;

/** How long an init may take to reap, in milliseconds. */
const PATIENCE = 2000;

/** Whether the clocks and processes that a verdict needs can be seen here. */
export function procFindings(clock: Clock, read: Read): Finding[] {
  const findings: Finding[] = [];
  const uptime = Number.parseFloat(read('/proc/uptime') ?? '') * 1000;
  const { start } = self();
  if (Number.isNaN(uptime)) {
    const advice = 'a step of the wall clock may look like a wedge: do not mask /proc/uptime';
    findings.push(warning('clock', '/proc/uptime cannot be read', advice));
  } else {
    const begun = uptime - process.uptime() * 1000;
    if (start !== undefined && Math.abs(begun - start * 10) > DISAGREEMENT) {
      const found = `/proc/uptime is ${seconds(begun - start * 10)} off from the start times of processes, as with lxcfs`;
      const advice = 'probe from the container that beats; from another one only with --other-pid-namespace';
      findings.push(warning('clock', found, advice));
    }
    const boot = Number(/^btime (\d+)$/m.exec(read('/proc/stat') ?? '')?.[1]) * 1000;
    const off = boot + uptime - clock.wall();
    if (Math.abs(off) > DISAGREEMENT) {
      const found = `the wall clock is ${seconds(off)} off from the kernel's, which liveness.sh uses if it cannot read the uptime`;
      findings.push(warning('clock', found, 'set the clock; in a test, fake both'));
    }
  }
  if (clock.bootId() === undefined) {
    const advice = 'verdicts use the wall clock here, as in gVisor: set failureThreshold to 2 or more';
    findings.push(warning('clock', 'the boot id cannot be read', advice));
  }
  if (findings.length === 0) findings.push(ok('clock', '/proc/uptime, the boot id and the wall clock agree'));
  if (/^\S+ \/proc \S+ \S*hidepid=/m.test(read('/proc/self/mounts') ?? '')) {
    const advice =
      'let the probe run as the user of the service, or it notices a process that has ended only at its limit';
    findings.push(warning('processes', "/proc hides other users' processes (hidepid)", advice));
  }
  const owner = ownerOf('/proc/1');
  if (process.getuid?.() === 0 && owner !== undefined && owner !== 0) {
    const advice = 'run doctor as that user: perhaps the probe may not read what root may read';
    findings.push(warning('user', `this is root, and PID 1 is user ${owner}`, advice));
  }
  return findings;
}

function seconds(ms: number): string {
  return `${(Math.abs(ms) / 1000).toFixed(1)} s`;
}

function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}

/** Who adopts children that are left behind, and whether it reaps them. */
export interface Reaper {
  readonly pid: number;
  readonly name: string;
  readonly reaps: boolean;
}

/** Leaves a child behind, and looks who adopts it and whether it is reaped. Undefined without a shell or /proc. */
export async function findReaper(read: Read): Promise<Reaper | undefined> {
  // The orphan waits until we close its input, so its parent ends first.
  const script = '(read line <&3) >/dev/null 2>&1 & echo $!';
  const shell = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
  let output = '';
  const [, stdout, , input] = shell.stdio as Readable[];
  if (!stdout) return undefined;
  stdout.setEncoding('latin1').on('data', (text: string) => (output += text));
  try {
    await Promise.all([once(shell, 'exit'), once(stdout, 'end')]); // the orphan holds the other pipe open
  } catch {
    return undefined;
  }
  const pid = Number.parseInt(output, 10);
  const parent = statOf(pid, read)?.parent;
  input?.destroy();
  if (parent === undefined) return undefined;
  const end = performance.now() + PATIENCE;
  while (statOf(pid, read) !== undefined && performance.now() < end) await pause(10);
  const name = read(`/proc/${parent}/comm`)?.trim() ?? 'hidden';
  return { pid: parent, name, reaps: statOf(pid, read) === undefined };
}

/** The children of a process, zombies too. */
export function childrenOf(parent: number, read: Read): { pid: number; isZombie: boolean }[] {
  let names: string[] = [];
  try {
    names = readdirSync('/proc');
  } catch {
    // There is no /proc.
  }
  return names.flatMap((name) => {
    const stat = /^\d+$/.test(name) ? statOf(Number(name), read) : undefined;
    return stat?.parent === parent ? [{ pid: Number(name), isZombie: stat.state === 'Z' }] : [];
  });
}

function statOf(pid: number, read: Read): { state: string; parent: number } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const [state = '', parent] = statFields(stat);
  return { state, parent: Number(parent) };
}

/** @param left how many processes the probe has left behind in its runs. */
export function reaperFinding(reaper: Reaper | undefined, left: number, runs: number, zombies: number): Finding {
  if (!reaper) return ok('reaping', 'not tried: this needs a shell and /proc');
  const { pid, name, reaps } = reaper;
  const who = `PID ${pid} (${name}) ${reaps ? 'reaps' : 'does not reap'}`;
  const init = 'give the container an init: tini, or shareProcessNamespace';
  if (runs > 0 && left >= runs) {
    const found = `the probe leaves a process behind each time; ${who}`;
    const advice = `start no background process in the probe${reaps ? '' : `; ${init}`}`;
    return reaps ? warning('reaping', found, advice) : error('reaping', found, advice);
  }
  if (reaps) return ok('reaping', who);
  const found = `${who} what is left behind`;
  if (zombies > 1)
    return warning('reaping', `${found}; zombies so far: ${zombies}, one of them made by this test`, init);
  return ok('reaping', `${found}, and the probe leaves nothing behind; this test left one zombie`);
}
