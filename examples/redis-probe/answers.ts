// Shows the exit code of redis-cli if Redis answers with an error, or not at all.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Container, Sandbox } from './container';
import { HostContainer } from './host-container';
import { until } from './until';
import { PING, PONG, REDIS } from './zombies';

const DEBUG = ['--enable-debug-command', 'yes'];

/** Longer than any probe that gets an answer. */
const TIMEOUT_SECONDS = 10;

const PROBES = {
  'redis-cli ping': PING,
  'redis-cli -e ping': ['redis-cli', '-e', 'ping'],
  '[ "$(redis-cli ping)" = PONG ]': PONG,
};

interface State {
  readonly about: string;
  /** The beginning of its answer. */
  readonly answer?: string;
  readonly command?: string[];
  /** What brings it into this state. */
  readonly by?: (redis: Container) => unknown;
}

const STATES: State[] = [
  { about: 'is well', answer: 'PONG' },
  { about: 'wants a password', answer: 'NOAUTH', command: [...REDIS, '--requirepass', 'secret'] },
  {
    about: 'loads its data',
    answer: 'LOADING',
    // Loads one key per millisecond and answers meanwhile, as with a large file.
    command: [...REDIS, '--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024', ...DEBUG],
    by: async (redis) => {
      await redis.exec(['redis-cli', 'debug', 'populate', '10000']).ended;
      redis.exec(['redis-cli', 'debug', 'reload']);
    },
  },
  {
    about: 'cannot save',
    answer: 'MISCONF',
    command: ['redis-server', '--dir', '/'], // read-only
    by: (redis) => redis.exec(['redis-cli', 'bgsave']).ended,
  },
  {
    about: 'runs a long script',
    answer: 'BUSY',
    command: [...REDIS, '--lua-time-limit', '100'],
    by: (redis) => redis.exec(['redis-cli', 'eval', 'while true do end', '0']),
  },
  {
    about: 'hangs',
    by: (redis) => {
      redis.signal('SIGSTOP');
    },
  },
  { about: 'is not there', command: ['sleep', 'infinity'] },
];

/** Prints a row per state, a column per probe. */
export async function compareAnswers(sandbox: Sandbox): Promise<void> {
  console.log('\nWhat probes exit with:');
  print('Redis', 'answers', Object.keys(PROBES));
  for (const { about, answer, command = REDIS, by } of STATES) {
    const ready = command.includes('redis-server') ? PING : undefined;
    const redis = await HostContainer.start(sandbox, command, ready);
    await by?.(redis);
    const answers = async (begin: string) => (await redis.exec(PING).ended).output.startsWith(begin);
    if (answer) await until(() => answers(answer), `the answer ${answer}`);
    print(about, answer ?? '-', await Promise.all(Object.values(PROBES).map((probe) => exitCode(redis, probe))));
    await redis.kill();
  }
}

async function exitCode(redis: Container, command: string[]): Promise<string> {
  const probe = redis.exec(command);
  const ended = probe.ended.then(({ code }) => String(code));
  return Promise.race([ended, sleep(TIMEOUT_SECONDS * 1000).then(() => (probe.kill() ? 'killed' : ended))]);
}

function print(about: string, answer: string, cells: string[]): void {
  const columns = Object.keys(PROBES).map((name, at) => (cells[at] ?? '').padStart(name.length + 2));
  console.log(about.padEnd(20) + answer.padEnd(8) + columns.join(''));
}
