// Runs probes of Redis in real containers, and shows which zombies they leave behind and what they answer.

import { spawnSync } from 'node:child_process';
import { compareAnswers } from './answers';
import { Sandbox } from './container';
import { timeSaves } from './saving';
import { countZombies } from './zombies';

const { PROBES = '50' } = process.env;
const NEEDED = ['unshare', 'nsenter', 'runc', 'redis-server', 'redis-cli', 'tini', 'busybox'];

async function run(sandbox: Sandbox): Promise<void> {
  await sandbox.open();
  await countZombies(sandbox, Number(PROBES));
  await timeSaves(sandbox, Number(PROBES));
  await compareAnswers(sandbox);
}

function main(): void {
  const missing = NEEDED.filter((program) => spawnSync(program, ['--version']).error !== undefined);
  if (process.geteuid?.() !== 0) missing.unshift('root');
  if (missing.length > 0) {
    const remedy = 'as root: apt-get install runc redis-server tini busybox-static util-linux';
    console.error(`Not run: missing ${missing.join(', ')} (${remedy})`);
    process.exitCode = 2;
    return;
  }
  const sandbox = new Sandbox();
  let ending = false;
  /** Runs at every end: success, failure or Ctrl-C. Errors after that come from missing containers and are ignored. */
  const end = async (code: number, message = ''): Promise<void> => {
    if (ending) return;
    ending = true;
    if (message !== '') console.error(message);
    await sandbox.close();
    process.exit(code);
  };
  for (const [signal, code] of Object.entries({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 })) {
    process.on(signal, () => void end(code));
  }
  run(sandbox).then(
    () => end(0),
    (error: unknown) => end(1, `Not as it should be: ${error instanceof Error ? error.message : String(error)}`),
  );
}

main();
