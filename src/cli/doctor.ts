import { constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import type { Arguments } from 'yargs';
import { processDirectory, TIMESTAMP_PATH } from '../defaults';
import { shown } from '../errors';
import { patiently } from '../judge';
import { read } from '../proc';
import { flag, givenLimit, pathsOf, UsageError, value, type Command } from './command';
import { mayAccess, warning, type Finding } from './doctor/finding';
import { folderFindings } from './doctor/folder';
import { heartbeatFindings } from './doctor/heartbeat';
import { limitFindings, limits, MIB } from './doctor/limits';
import { childrenOf, findReaper, procFindings, reaperFinding } from './doctor/machine';
import { environmentFindings, isNode, probeFindings, type Probe } from './doctor/probe';
import { CommandLine } from './lint/command-line';
import { heartbeatOf } from './lint/heartbeat';
import { ROOM } from './manifest/numbers';
import { reports } from './report';

export const doctor: Command = {
  command: 'doctor',
  usage: '[--command COMMAND | MANIFEST] [PATH...]',
  describe: 'Look for what keeps a probe from working, in the container or the image build',
  failure: 2,
  builder: (yargs) =>
    yargs
      .options({
        command: value(
          'The probe: words, or JSON as in a manifest. It is run without a shell. Default: liveness.sh, else liveness.js',
        ),
        timeout: value("timeoutSeconds. Default: the manifest's, else 5s"),
        json: flag('Print JSON on one line (docs/cli.md describes it)'),
      })
      .example(
        'kubectl exec POD -- node_modules/.bin/k8s-liveness doctor',
        'The shipped probe, on the default heartbeat',
      )
      .example('$0 doctor --command \'["node","dist/liveness.js"]\'', "A service's own probe")
      .example(
        'kubectl get pod POD -o yaml | kubectl exec -i POD -- node_modules/.bin/k8s-liveness doctor -',
        "The pod's own probe",
      )
      .epilogue(
        `MANIFEST ends in .yaml, .yml or .json, or is - for standard input: the livenessProbe of its first container that has an exec command, with its timeoutSeconds, env and workingDir. PATH is a heartbeat file or process directory. Without one: what the probe's command names, else $LIVENESS_PATH, else /tmp/liveness/timestamp.
Runs the probe five times, and leaves one child behind to see whether it is reaped: if not, one zombie stays. It needs 16 MiB itself. Near the memory limit the kernel kills it (exit 137), and with less than 12 MiB left perhaps the service.
Exit codes: 0 no error (there may be warnings), 1 an error, 2 could not ask.`,
      ),
  handler: async (args, { stdout, clock }) => {
    const restore = preferToBeKilled();
    try {
      const { probe, paths } = await subjectOf(args);
      const ofHeartbeats = { ...args, _: ['doctor', ...paths], '--': [] };
      const found = limits(read);
      const findings = [
        ...(await runFindings(probe, found)),
        ...limitFindings(found, probe.command),
        ...environmentFindings(probe),
        ...procFindings(clock, read),
        ...paths.flatMap((path) => folderFindings(path, read)),
        ...patiently(() => reports(ofHeartbeats, clock)).flatMap(heartbeatFindings),
      ];
      const isWell = findings.every(({ level }) => level !== 'error');
      stdout.write(
        args.json === true ? `${JSON.stringify({ version: 1, ok: isWell, findings })}\n` : inLines(findings),
      );
      return isWell ? 0 : 1;
    } finally {
      restore();
    }
  },
};

/** The probe, and what it leaves behind. */
async function runFindings(probe: Probe, { cpu, memory }: ReturnType<typeof limits>): Promise<Finding[]> {
  const need = ROOM[isNode(probe.command) ? 'node' : 'sh'].mebibytes * MIB;
  if (memory && memory.left < need) {
    return [
      warning('start', 'not tried: memory could run out, and the kernel could kill the service', 'see memory below'),
    ];
  }
  const reaper = await findReaper(read);
  const before = reaper ? childrenOf(reaper.pid, read).map(({ pid }) => pid) : [];
  const { findings, runs } = probeFindings(probe, cpu, read);
  const after = reaper ? childrenOf(reaper.pid, read) : [];
  const left = after.filter(({ pid }) => !before.includes(pid)).length;
  return [...findings, reaperFinding(reaper, left, runs, after.filter(({ isZombie }) => isZombie).length)];
}

async function subjectOf(args: Arguments): Promise<{ probe: Probe; paths: string[] }> {
  const words = pathsOf(args);
  const [first = ''] = words;
  const isManifest = first === '-' || /\.(ya?ml|json)$/.test(first);
  const named = isManifest ? words.slice(1) : words;
  const timeout = givenLimit(args, 'timeout');
  if (isManifest && args.command !== undefined) throw new UsageError(`expected --command or a manifest; got both`);
  if (!isManifest) {
    const command = args.command === undefined ? [...shipped(), ...named] : commandOf(args.command as string);
    const probe = { command, timeout: timeout ?? 5000, env: process.env, cwd: undefined };
    return { paths: named.length > 0 ? named : pathsOfProbe(probe), probe };
  }
  const { probeIn } = await import('./doctor/manifest.js'); // loads the YAML library
  const isStdin = first === '-';
  const text = isStdin ? await readAll(process.stdin) : readFileSync(first, 'utf8');
  const stated = probeIn(text, isStdin ? 'stdin' : first, process.env);
  const cwd = stated.cwd !== undefined && existsSync(stated.cwd) ? stated.cwd : undefined;
  const env = { ...process.env, ...stated.env };
  const probe = { ...stated, timeout: timeout ?? stated.timeout, env, cwd };
  return { paths: named.length > 0 ? named : pathsOfProbe(probe), probe };
}

/** What the probe judges, as far as its command and its environment say. */
function pathsOfProbe({ command, env }: Probe): string[] {
  const { paths = [] } = heartbeatOf(new CommandLine(command), (name) => env[name]) ?? {};
  // The first path that heartbeatOf gives stands for the default process directory.
  if (command.includes('--process')) return [processDirectory(env), ...paths.slice(1)];
  // An empty variable counts as unset, as in defaults.ts.
  // eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing
  return paths.length > 0 ? [...paths] : [env.LIVENESS_PATH || TIMESTAMP_PATH];
}

function commandOf(text: string): string[] {
  if (!text.trimStart().startsWith('[')) {
    const words = text.split(/\s+/).filter(Boolean);
    if (words.length > 0) return words;
  } else {
    try {
      const words: unknown = JSON.parse(text);
      if (Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === 'string')) return words;
    } catch {
      // refused below
    }
  }
  throw new UsageError(`--command expected words, or JSON such as ["sh", "/app/liveness.sh"]; got ${shown(text)}`);
}

/** The shipped probe that can start here. */
function shipped(): string[] {
  const folders = (process.env.PATH ?? '').split(':');
  const hasShell = folders.some((folder) => mayAccess(join(folder, 'sh'), constants.X_OK));
  return hasShell ? ['sh', join(__dirname, 'liveness.sh')] : [process.execPath, join(__dirname, 'liveness.js')];
}

/** Asks the kernel to kill this process before the service if memory runs out. Returns a function that undoes this. */
function preferToBeKilled(): () => void {
  const file = '/proc/self/oom_score_adj';
  const before = read(file);
  const set = (value: string): void => {
    try {
      writeFileSync(file, value);
    } catch {
      // No Linux, or not allowed.
    }
  };
  set('1000');
  return () => {
    if (before !== undefined) set(before);
  };
}

function inLines(findings: readonly Finding[]): string {
  const count = (level: Finding['level']): string => {
    const { length } = findings.filter((finding) => finding.level === level);
    return `${length} ${level}${length === 1 ? '' : 's'}`;
  };
  const lines = findings.map(({ level, about, found, advice }) => {
    const line = `${level.padEnd(8)} ${about.padEnd(12)} ${found}\n`;
    return advice === undefined ? line : `${line}${' '.repeat(22)}-> ${advice}\n`;
  });
  return `${lines.join('')}${count('error')}, ${count('warning')}\n`;
}
