#!/usr/bin/env node
// The bin k8s-liveness.

import { systemClock } from '../proc';
import { main } from './main';

export { main };

if (require.main === module) {
  // A reader that has seen enough, such as head, closes the pipe: what is left to say is for nobody, and the exit code stays.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  const onSignal = (signal: NodeJS.Signals, listener: () => void): (() => void) => {
    process.on(signal, listener);
    return () => process.off(signal, listener);
  };
  void main(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr, env: process.env, clock: systemClock, onSignal }).then(
    // Not by process.exit, which would cut what a pipe has not taken yet.
    (code) => { process.exitCode = code; },
  );
}
