#!/usr/bin/env node
// The bin k8s-liveness.

import { isInForeground, systemClock } from '../proc';
import type { Io } from './io';
import { main } from './main';

export { main };

if (require.main === module) {
  // What cannot be printed, to a full disk or a reader that has seen enough, changes no answer: the exit code is the answer.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const onSignal = (signal: NodeJS.Signals, listener: () => void): (() => void) => {
    process.on(signal, listener);
    return () => process.off(signal, listener);
  };
  const io: Io = {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    clock: systemClock,
    isInForeground,
    onSignal,
    suspend: () => process.kill(process.pid, 'SIGSTOP'),
  };
  void main(process.argv.slice(2), io).then((code) => {
    // Not by process.exit, which would cut what a pipe has not taken yet.
    process.exitCode = code;
  });
}
