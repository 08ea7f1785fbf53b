#!/usr/bin/env node
// The command k8s-liveness.

import { read, statFields, systemClock } from '../proc';
import type { Context } from './context';
import { main } from './main';

export { main };

if (require.main === module) {
  // If a disk is full or a pipe closed, the exit code still answers.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const context: Context = {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    clock: systemClock,
    isInForeground,
    onSignal: (signal, listener) => {
      process.on(signal, listener);
      return () => process.off(signal, listener);
    },
  };
  void main(process.argv.slice(2), context).then((code) => {
    // Not process.exit(), which loses output that is still on its way into a pipe.
    process.exitCode = code;
  });
}

/** Whether our process group is the foreground group of the terminal: fields 5 and 8 of proc(5). No, without /proc. */
function isInForeground(): boolean {
  const [, , group, , , foreground] = statFields(read('/proc/self/stat') ?? '');
  return group !== undefined && group === foreground;
}
