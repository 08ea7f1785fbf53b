import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { beforeRemoval, startOf } from './records';
import { until } from './until';

const children: ChildProcess[] = [];
beforeRemoval.push(async () => {
  for (const child of children) child.kill('SIGKILL');
  // Waits for their end, because jest would end this process sooner than a busy machine ends them.
  await until(() => children.every(({ exitCode, signalCode }) => (exitCode ?? signalCode) !== null));
});

/** Starts a process that is killed when the test file has run; its standard output is a pipe. */
export function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

/** Settles with the pid at the child's first output. */
export function ready(child: ChildProcess): Promise<number> {
  return new Promise((settle) =>
    child.stdout?.once('data', () => {
      settle(child.pid ?? 0);
    }),
  );
}

/** A Node process that has run the script and lives on. */
export function living(script: string): Promise<number> {
  return ready(start(process.execPath, ['-e', `${script}; process.stdout.write('.'); setInterval(() => {}, 1e6)`]));
}

/** The pid of a process that has ended. */
export function ended(): number {
  return spawnSync('true').pid;
}

/** A process that has ended and whose parent never waits for it. */
export async function zombie(): Promise<number> {
  const parent = start('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600']);
  const pid = await new Promise<number>((settle) =>
    parent.stdout?.once('data', (data) => {
      settle(Number(data));
    }),
  );
  // While the parent is still a shell, it does wait for its children.
  while (readFileSync(`/proc/${parent.pid ?? 0}/comm`, 'latin1') !== 'sleep\n') await new Promise(setImmediate);
  process.kill(pid, 'SIGKILL');
  while (!readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ')) await new Promise(setImmediate);
  return pid;
}

/** A process whose first thread has ended while another works: its state is Z, but it is no zombie. */
export async function withoutFirstThread(): Promise<number> {
  const script = `import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print(flush=True)
ctypes.CDLL(None).pthread_exit(None)`;
  const pid = await ready(start('python3', ['-c', script]));
  while (!readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ')) await new Promise(setImmediate);
  return pid;
}

/** A thread of this process that is not its first thread. */
export function threadOfOurs(): { pid: number; start: number } {
  const pid = Number(readdirSync('/proc/self/task').find((id) => Number(id) !== process.pid));
  return { pid, start: startOf(`/proc/self/task/${pid}/stat`) };
}
