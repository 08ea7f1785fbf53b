import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { mounted } from './readers';
import { scratch } from './records';
import { PATIENCE } from './until';

export const canMount = process.geteuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0;

/** For `within`: a small disk in memory, and a script that fills it and prints the error that ended this. */
export const TMPFS = 'mount -t tmpfs -o size=64k tmpfs @';
export const FILL = `try { for (;;) fs.appendFileSync(folder + '/fill', Buffer.alloc(4096)) } catch (error) { console.log(error.code) }`;

/**
 * Runs a script in a mount namespace of its own, so that nothing is left to clean up.
 *
 * @param setup a line of shell; `@` stands for a folder, which the script knows as `folder`.
 * @param flags more of unshare's.
 * @returns what it printed.
 */
export function within(setup: string, script: string, flags: readonly string[] = []): string {
  const folder = scratch();
  const library = JSON.stringify(resolve('dist/index.js'));
  const [command, ...args] = [
    ...mounted(setup.replaceAll('@', folder), flags),
    process.execPath,
    '-e',
    `const fs = require('node:fs');
     const { ProcessTimestamp, Timestamp, systemClock } = require(${library});
     const library = ${library}, folder = ${JSON.stringify(folder)}, path = folder + '/timestamp';
     let now = 0;
     const clock = { ...systemClock, monotonic: () => now };
     class T extends Timestamp { maximumAge = 60000 }
     const code = (act) => { try { return act() } catch (error) { return error.code + ' ' + (error.cause?.code ?? '') } };
     ${script}`,
  ];
  const { stdout, stderr } = spawnSync(command, args, { timeout: PATIENCE });
  return `${stdout.toString()}${stderr.toString()}`.trim();
}
