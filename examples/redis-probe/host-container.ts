// Containers with this machine's programs, whose zombies are counted.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Container, type Sandbox } from './container';
import { until } from './until';

/** Much longer than a reaper needs. */
const REAPING_SECONDS = 1;

const ROOT = join(__dirname, '..', '..', '..'); // this repository
const PROGRAMS = ['/usr', '/bin', '/sbin', '/lib', '/lib64'].filter((path) => existsSync(path));

const readOnly = (source: string, destination = source) => ({
  source,
  destination,
  type: 'bind',
  options: ['rbind', 'ro'],
});
const MOUNTS = [
  { destination: '/tmp', source: 'tmpfs', type: 'tmpfs', options: ['size=8m'] },
  ...PROGRAMS.map((path) => readOnly(path)),
  readOnly(process.execPath, '/opt/node'),
  readOnly(ROOT, '/app'),
];

export class HostContainer extends Container {
  /** The processes in its PID namespace before any probe. */
  #own: number[] = [];
  #zombies = 0;

  /**
   * Starts a container.
   *
   * @param ready a probe whose success to wait for
   * @param pause the container whose PID namespace it joins
   */
  static async start(sandbox: Sandbox, command: string[], ready?: string[], pause?: Container): Promise<HostContainer> {
    const env = { PATH: '/opt:/usr/local/bin:/usr/bin:/bin' };
    const container = await new HostContainer(sandbox).run({ command, env, user: 0, mounts: MOUNTS, pause });
    const isReady = async (probe: string[]) => container.isRunning() && (await container.exec(probe).ended).code === 0;
    if (ready) await until(() => isReady(ready), 'readiness');
    container.#own = container.others().map(({ pid }) => pid);
    return container;
  }

  /** Waits until everything that probes have started has ended, and returns how many new zombies stay. */
  async newZombies(): Promise<number> {
    const isExpected = ({ pid, state }: { pid: number; state: string }) => state === 'Z' || this.#own.includes(pid);
    await until(() => this.others().every(isExpected), 'an end of what probes have started');
    const deadline = performance.now() + REAPING_SECONDS * 1000;
    const more = () => this.others().filter(({ state }) => state === 'Z').length - this.#zombies;
    while (more() > 0 && performance.now() < deadline) await sleep(2);
    const added = more();
    this.#zombies += added;
    return added;
  }
}
