#!/usr/bin/env node
// The bin k8s-liveness.

import { readFileSync } from 'node:fs';
import { systemClock } from '../proc';
import type { Context } from './context';
import { main } from './main';

export { main };

if (require.main === module) {
  // A full disk or a closed pipe changes no answer: the exit code is the answer.
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
    suspend: () => process.kill(process.pid, 'SIGSTOP'),
  };
  void main(process.argv.slice(2), context).then((code) => {
    // Not process.exit(), which loses output that a pipe has not taken yet.
    process.exitCode = code;
  });
}

/** Whether our process group is the foreground group of the terminal: fields 5 and 8 of proc(5). */
function isInForeground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return group !== undefined && group === foreground;
  } catch {
    return false; // without /proc nobody can tell
  }
}
