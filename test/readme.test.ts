// Whatever README and docs show is run here.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import { Pod } from 'kubernetes-models/v1/Pod';
import { parse as parseYaml } from 'yaml';
import { coldStart, decision, seesEveryBeat } from '../src/kubelet';
import { serialise } from '../src/record';
import { blocksOf } from './support/markdown';
import { WIDE } from './support/describe-if';
import { SHELLS } from './support/readers';
import { aged, beforeRemoval, directoryOf, fileOf, record, scratch } from './support/records';
import { until } from './support/until';

const readme = readFileSync('README.md', 'utf8');
const probes = readFileSync('docs/probes.md', 'utf8');
const TSC = resolve('node_modules/typescript/bin/tsc');

const blocks = ['README.md', 'docs/guide.md', 'docs/probes.md', 'docs/process.md'].flatMap((page) =>
  blocksOf(readFileSync(page, 'utf8')),
);

function snippet(beginning: string): string {
  const found = blocks.find(({ code }) => code.startsWith(beginning));
  if (!found) throw new Error(`no page has a snippet that begins with ${beginning}`);
  return found.code;
}

/** An empty project that has installed the package. */
function project(): string {
  const folder = scratch();
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'k8s-liveness'));
  for (const name of ['@types', 'undici-types', 'typescript']) {
    symlinkSync(resolve('node_modules', name), join(folder, 'node_modules', name));
  }
  return folder;
}

/** Compiles; in `npm run test:all` it checks the types too. */
function compile(folder: string): void {
  const sources = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  if (!WIDE) {
    const entryPoints = sources.filter((name) => !name.endsWith('.d.ts')).map((name) => join(folder, name));
    buildSync({ entryPoints, outdir: join(folder, 'dist'), format: 'cjs', target: 'node20' });
    return;
  }
  const target = ['--module', 'nodenext', '--target', 'es2022', '--types', 'node,jest'];
  const command = [TSC, '--strict', ...target, '--outDir', 'dist', '--rootDir', '.', ...sources];
  const { status, stdout } = spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, '']);
}

describe('examples', () => {
  const names = readdirSync('examples', { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

  test('are all named in docs/README.md', () => {
    for (const name of names) expect(readFileSync('docs/README.md', 'utf8')).toContain(`(../examples/${name})`);
  });

  test.each(names.filter((name) => name !== 'chart'))('%s has a README of at most 40 lines', (name) => {
    expect(readFileSync(`examples/${name}/README.md`, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(40);
  });
});

describe('docs/liveness-or-readiness.md', () => {
  const page = readFileSync('docs/liveness-or-readiness.md', 'utf8');
  const shown = (note: string): string => new RegExp(`<!-- ${note} -->\n\`\`\`\n([^]*?)\`\`\``).exec(page)?.[1] ?? '';

  // The tests of these two examples hold their README to what a run says.
  test('shows what the examples show', () => {
    expect(shown('experiment')).not.toBe('');
    expect(readFileSync('examples/rng-under-load/README.md', 'utf8')).toContain(shown('experiment'));
    expect(readFileSync('docs/load.svg', 'utf8')).toContain(shown('experiment'));
    expect(shown('zombies')).not.toBe('');
    expect(readFileSync('examples/redis-probe/README.md', 'utf8')).toContain(shown('zombies'));
  });
});

describe('each manifest that the documentation shows', () => {
  const examples = readdirSync('examples');
  const pages = [
    'README.md',
    ...readdirSync('docs')
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ];
  const manifests = examples.map((name) => `examples/${name}/pod.yaml`).filter((file) => existsSync(file));
  const shown = [
    ...manifests.map((file) => [file, readFileSync(file, 'utf8')] as const),
    ...pages.flatMap((page) =>
      blocksOf(readFileSync(page, 'utf8'))
        .filter(({ code }) => code.startsWith('apiVersion: '))
        .map(({ code }) => [page, code] as const),
    ),
  ];

  test('is in README.md, docs/cli.md or one of six examples', () => {
    expect(shown.map(([where]) => where)).toEqual([...manifests, 'README.md', 'docs/cli.md']);
    expect(manifests).toHaveLength(6);
  });

  test.each(shown)('%s requests CPU and says why, and each probe times out within its period', (_, code) => {
    const containers = containersOf(parseYaml(code));
    expect(containers).not.toEqual([]);
    for (const { resources, ...container } of containers) {
      expect(resources).toEqual({ requests: { cpu: expect.stringMatching(/^\d+m$/) as string } });
      expect(code).toContain(' # else a wedged neighbour that has a request starves this pod and its probe\n');
      const probes = Object.entries(container).filter(([key]) => key.endsWith('Probe'));
      expect(probes).not.toEqual([]);
      for (const [, { periodSeconds, timeoutSeconds }] of probes as [string, Record<string, number>][]) {
        expect(timeoutSeconds).toBeLessThanOrEqual(periodSeconds ?? 0);
      }
    }
  });

  test('clears both variables for Node, unless the image has no env', () => {
    const checked = pages.filter((page) => page !== 'docs/lint.md'); // it shows bad ones on purpose
    const files = [...checked, ...manifests, 'examples/chart/templates/_liveness.tpl', 'src/liveness/help.txt'];
    const commands = files.flatMap((file) =>
      [
        ...readFileSync(file, 'utf8')
          .replaceAll('\n    #', '')
          .matchAll(/\["[^\]]*?liveness\.js".*?\]/g),
      ].map(([array]) => JSON.parse(array) as string[]),
    );
    expect(commands.length).toBeGreaterThanOrEqual(6);
    expect(commands.some(([first]) => first === '/nodejs/bin/node')).toBe(true);
    for (const command of commands.filter(([first]) => first !== '/nodejs/bin/node')) {
      expect(command.slice(0, 4)).toEqual(['env', 'NODE_OPTIONS=', 'NODE_EXTRA_CA_CERTS=', 'node']);
    }
  });
});

test('all pages state the same room for a probe', () => {
  const page = (file: string): string => readFileSync(file, 'utf8').replaceAll(/\n(?:# )? */g, ' ');
  const [, shell = '', node = ''] =
    /leave (\d+ MiB) for liveness\.sh, (\d+ MiB) for liveness\.js/.exec(page('bench/containers.mjs')) ?? [];
  expect([shell, node]).toEqual(['6 MiB', '12 MiB']);
  expect(page('docs/truth.md')).toContain(
    `${shell} and 8 threads for a shell probe, ${node} and 12 threads for a Node probe`,
  );
  expect(page('examples/chart/values.yaml')).toContain(`${shell} for a shell probe or ${node} for a Node probe`);
});

describe('README', () => {
  // Those of the command line are produced in test/cli.test.ts.
  const transcripts = blocks.filter(({ language, note }) => language === 'console' && note !== 'cli');

  test('shows transcripts', () => {
    expect(transcripts.map(({ note }) => note)).toEqual([
      'heartbeat: alive, stale',
      'heartbeat: overdue',
      'directory: error 1',
    ]);
  });

  test.each(transcripts.map((block) => [block.note, block.code] as const))(
    'the transcript of %s is what a user sees',
    (note, code) => {
      const heartbeats: Record<string, string> = {
        alive: fileOf(record({ limit: 12_000 })),
        stale: fileOf(aged(12_200, { limit: 12_000 })),
        overdue: fileOf(serialise(aged(30_200, { kind: 'task', limit: 30_000 }), '10 in hand, mail#42')),
      };
      const directory = directoryOf({ pid: process.pid, error: 1, timestamp: record({ limit: 6_000 }) });
      const folder = project();
      const states = note.replace(/^\w+: /, '').split(', ');
      const commands = [...code.matchAll(/^\$ (.*)\n([^$]*)/gm)];
      for (const [number, [, command = '', output = '']] of commands.entries()) {
        const heartbeat = heartbeats[states[number] ?? ''] ?? '/no/such/timestamp';
        const { stdout } = spawnSync('bash', ['-c', command], {
          cwd: folder,
          encoding: 'utf8',
          env: {
            ...process.env,
            LIVENESS_PATH: heartbeat,
            LIVENESS_RUNDIR: dirname(directory),
            LIVENESS_UNIT_NAME: basename(directory),
            LOG_LEVEL: '',
          },
        });
        const instant = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g;
        const shown = stdout.replaceAll(heartbeat, '/tmp/liveness/timestamp').replaceAll(directory, '/run/forwarder');
        expect(shown.replace(instant, 'T')).toBe(output.trimEnd().replace(instant, 'T') + '\n');
      }
    },
  );

  test('the code that a service needs has 20 lines', () => {
    const files = ['timestamp.ts', 'main.ts', 'liveness.ts'].map((name) => snippet(`// ${name}`));
    const lines = files
      .flatMap((code) => code.split('\n'))
      .filter((line) => line.trim() !== '' && !line.startsWith('//'));
    expect(lines).toHaveLength(20);
  });

  /** README's three files as each kind of user writes them; each returns the name of the service to run. */
  const KINDS: Record<string, (folder: string) => string> = {
    'TypeScript, CommonJS': (folder) => {
      writeCode(folder, (code) => code, 'ts');
      compile(folder);
      return 'dist/main.js';
    },
    ...(WIDE && {
      'TypeScript, ES modules': (folder) => {
        writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
        writeCode(folder, (code) => code.replace("'./timestamp'", "'./timestamp.js'"), 'ts');
        compile(folder);
        return 'dist/main.js';
      },
    }),
    'plain JavaScript, ES modules': (folder) => {
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      writeCode(folder, (code) => code.replace("'./timestamp'", "'./timestamp.js'").replace('readonly ', ''), 'js');
      return 'main.js';
    },
    'plain JavaScript, CommonJS': (folder) => {
      const change = (code: string): string =>
        code
          .replaceAll(/^import (\{.*\}) from ('.*');$/gm, 'const $1 = require($2);')
          .replace('export class WorkerTimestamp', 'exports.WorkerTimestamp = class')
          .replace('readonly ', '');
      writeCode(folder, change, 'js');
      return 'main.js';
    },
    // Node 22.18 and later.
    ...((process.features as { typescript?: string | false }).typescript && {
      'TypeScript that Node runs itself': (folder) => {
        writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
        writeCode(folder, (code) => code.replace("'./timestamp'", "'./timestamp.ts'"), 'ts');
        return 'main.ts';
      },
    }),
  };

  function writeCode(folder: string, change: (code: string) => string, extension: string): void {
    for (const name of ['timestamp', 'main', 'liveness']) {
      writeFileSync(join(folder, `${name}.${extension}`), change(snippet(`// ${name}.ts`)));
    }
  }

  test.each(Object.keys(KINDS))(
    'the code that a service needs beats, is probed, ends its job and removes its heartbeat: %s',
    async (kind) => {
      const folder = project();
      writeFileSync(
        join(folder, 'yours.d.ts'),
        `declare const queue: { poll(options: { timeoutMs: number }): Promise<string | undefined> };
       declare function handle(job: string): Promise<void>;`,
      );
      // What the snippet uses and does not define: a queue that has a job now and then, and a handler.
      writeFileSync(
        join(folder, 'yours.cjs'),
        `globalThis.queue = { poll: () => new Promise((settle) => setTimeout(settle, 20, 'job')) };
       globalThis.handle = async () => console.log('handled');`,
      );
      const main = KINDS[kind]?.(folder) ?? '';
      const env = {
        ...process.env,
        LIVENESS_PATH: join(folder, 'run', 'timestamp'),
        LOG_LEVEL: '',
        NODE_NO_WARNINGS: '1',
      };
      const service = spawn(process.execPath, ['-r', './yours.cjs', main], {
        cwd: folder,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const probe = (): string =>
        spawnSync(process.execPath, [main.replace('main', 'liveness')], { cwd: folder, env, encoding: 'utf8' }).stdout;
      try {
        await new Promise((settle) => service.stdout.once('data', settle));
        expect(probe()).toMatch(/^alive: last beat .*, limit 2m /);
        const left = new Promise((settle) => service.once('exit', settle));
        service.kill('SIGTERM');
        expect(await left).toBe(0);
        expect(probe()).toMatch(/^dead: missing: /);
      } finally {
        service.kill('SIGKILL');
      }
    },
  );

  interface Yours {
    /** What a service uses and does not define, and its types. */
    readonly yours: string;
    readonly declared: string;
  }

  const folders = new Map<string, string>();

  /** Compiles one of README's services once for all its tests, also as `hanging`, with a limit of a second. */
  function compiled(name: string, { declared, yours }: Yours): string {
    const folder = folders.get(name) ?? project();
    if (folders.has(name)) return folder;
    const bullmq = join(folder, 'node_modules', 'bullmq');
    mkdirSync(bullmq);
    writeFileSync(join(bullmq, 'index.d.ts'), FAKE_BULLMQ_TYPES);
    writeFileSync(join(bullmq, 'index.js'), FAKE_BULLMQ);
    writeFileSync(join(folder, 'timestamp.ts'), snippet('// timestamp.ts'));
    writeFileSync(join(folder, 'liveness.ts'), snippet('// liveness.ts'));
    const code = snippet(`// ${name}.ts`);
    expect(code).toMatch(/\{ minutes: \d \}/);
    writeFileSync(join(folder, `${name}.ts`), code);
    writeFileSync(join(folder, 'hanging.ts'), code.replace(/\{ minutes: \d \}/, '{ seconds: 1 }'));
    writeFileSync(join(folder, 'yours.d.ts'), declared);
    writeFileSync(join(folder, 'yours.js'), yours);
    compile(folder);
    folders.set(name, folder);
    return folder;
  }

  /** Starts one of README's services. */
  function start(name: string, parts: Yours, { hangs = false } = {}) {
    const folder = compiled(name, parts);
    const environment = {
      ...process.env,
      LIVENESS_PATH: join(scratch(), 'run', 'timestamp'),
      LOG_LEVEL: '',
      HANG: hangs ? '1' : '',
    };
    const child = spawn(process.execPath, ['-r', './yours.js', `dist/${hangs ? 'hanging' : name}.js`], {
      cwd: folder,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        said += data.toString();
      });
    const ended = new Promise((settle) => child.once('exit', settle));
    beforeRemoval.push(() => {
      child.kill('SIGKILL');
    });
    return {
      child,
      ended,
      said: () => said,
      probe: () =>
        spawnSync(process.execPath, ['dist/liveness.js'], { cwd: folder, env: environment, encoding: 'utf8' }).stdout,
    };
  }

  describe('the code of a service whose framework owns the loop', () => {
    const code = snippet('// worker.ts');
    const declared = `declare const connection: object; declare function handle(job: import('bullmq').Job): Promise<void>;`;
    const yours = `globalThis.connection = {};
      globalThis.handle = async (job) => {
        if (process.env.HANG && job.id === '42') return new Promise(() => {});
        await new Promise((settle) => setTimeout(settle, 20));
        console.log('handled', job.id);
      };`;

    test('has ten lines', () => {
      expect(code.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('//'))).toHaveLength(10);
    });

    test('compiles, runs ten jobs at a time, is alive, ends its jobs and removes its heartbeat', async () => {
      const { child, ended, said, probe } = start('worker', { declared, yours });
      await until(() => said().includes('handled 100'));
      await until(() => probe().startsWith('alive: '));
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
      expect([said().replaceAll(/handled \d+\n/g, ''), probe()]).toEqual([
        '',
        expect.stringMatching(/^dead: missing: /),
      ]);
    });

    test('is dead and names the job that hangs, while nine go on', async () => {
      const { child, ended, said, probe } = start('worker', { declared, yours }, { hangs: true });
      await until(() => /^dead: overdue: mail#42 in hand since .*, limit 1s /.test(probe()));
      const before = said();
      await until(() => said().length > before.length);
      expect(said()).toMatch(/TASK_OVERDUE.*mail#42 has been in hand since/);
      child.kill('SIGKILL');
      await ended;
    });
  });

  describe('the code of several loops that share a file', () => {
    const declared =
      'declare const stopping: boolean; declare const sendMail: () => Promise<void>; declare const sendInvoices: () => Promise<void>;';
    const yours = `globalThis.stopping = false;
      process.once('SIGTERM', () => { stopping = true; });
      globalThis.sendMail = () => new Promise((settle) => setTimeout(settle, 20));
      globalThis.sendInvoices = () => (process.env.HANG ? new Promise(() => {}) : sendMail());`;

    test('compiles, is alive, and removes its heartbeat at the end', async () => {
      const { child, ended, said, probe } = start('loops', { declared, yours });
      await until(() => /^alive: (mail|invoices) in hand since /.test(probe()));
      child.kill('SIGTERM');
      expect([await ended, said(), probe()]).toEqual([0, '', expect.stringMatching(/^dead: missing: /)]);
    });

    test('is dead and names the loop that hangs', async () => {
      const { child, ended, probe } = start('loops', { declared, yours }, { hangs: true });
      await until(() => probe().startsWith('dead: overdue: invoices in hand since '));
      child.kill('SIGKILL');
      await ended;
    });
  });

  test('the daemon compiles, is dead while its database is away, and removes its files at the end', () => {
    const folder = project();
    writeFileSync(join(folder, 'daemon.ts'), snippet('// daemon.ts'));
    writeFileSync(
      join(folder, 'yours.d.ts'),
      'declare function canConnect(name: string): Promise<boolean>; declare function work(): Promise<boolean>;',
    );
    // What the snippet uses and does not define: a database that is away in the second of four turns.
    writeFileSync(
      join(folder, 'yours.js'),
      `let turn = 0;
       const { ProcessTimestamp } = require('k8s-liveness');
       globalThis.canConnect = async (name) => (console.log('asked', name), turn !== 2);
       globalThis.work = async () => (console.log(String(ProcessTimestamp.byRef()).split(' ').slice(0, 4).join(' ')), turn++ < 3);`,
    );
    compile(folder);
    writeFileSync(join(folder, 'dist', 'disk-check.js'), `exports.health = (name) => console.log('checked', name);`);
    const env = { ...process.env, LIVENESS_RUNDIR: folder, LIVENESS_UNIT_NAME: 'unit' };
    const { stdout, stderr } = spawnSync(process.execPath, ['-r', './yours.js', 'dist/daemon.js'], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    const alive = 'alive: last beat';
    expect([
      stderr,
      stdout
        .replaceAll(/ \d{4}-.*/g, '')
        .trim()
        .split('\n'),
    ]).toEqual([
      '',
      [
        'asked primary',
        'checked primary',
        alive,
        'asked primary',
        alive,
        'asked primary',
        'dead: failed: error 1',
        'asked primary',
        alive,
      ],
    ]);
    expect(readdirSync(join(folder, 'unit'))).toEqual([]);
  });

  test('other checkers fail open as docs/process.md says', () => {
    const open = (command: string): number | null => spawnSync('sh', ['-c', command]).status;
    expect(open('error=-1; [ "$error" -le 0 ]')).toBe(0);
    for (const pid of ['self', '..']) expect(open(`pid=${pid}; [ -d /proc/$pid ]`)).toBe(0);
  });

  test('the test of a loop has a body of six lines, compiles and passes', () => {
    const folder = project();
    const code = snippet("test('the loop beats");
    const inside = code.trimEnd().split('\n').slice(1, -1);
    expect(inside.filter((line) => !line.startsWith('  let ')).length).toBe(6);
    writeFileSync(join(folder, 'timestamp.ts'), snippet('// timestamp.ts'));
    const imports = `import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from 'k8s-liveness';
import { WorkerTimestamp } from './timestamp.js';
const poll = async (timestamp: WorkerTimestamp): Promise<void> => { timestamp.refresh(); await Promise.resolve(); };
`;
    writeFileSync(join(folder, 'loop.test.ts'), imports + code);
    writeFileSync(join(folder, 'package.json'), '{}');
    compile(folder);
    const jest = resolve('node_modules/jest/bin/jest.js');
    const { status, stderr } = spawnSync(
      process.execPath,
      [jest, '--rootDir', folder, '--testMatch', '**/dist/*.test.js'],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    expect(stderr).toContain('Tests:       1 passed, 1 total');
    expect(status).toBe(0);
  });

  test('the API server would accept the pod, and its two probes run the same command', () => {
    const pod = new Pod(parseYaml(snippet('apiVersion: v1')) as ConstructorParameters<typeof Pod>[0]);
    pod.validate();
    const [container] = pod.spec?.containers ?? [];
    const { startupProbe, livenessProbe, volumeMounts, env } = container ?? {};
    expect(startupProbe?.exec).toEqual(livenessProbe?.exec);
    expect(env?.[0]?.value?.startsWith(`${volumeMounts?.[0]?.mountPath ?? '?'}/`)).toBe(true);
    const timing = ({ periodSeconds = 0, failureThreshold = 0, timeoutSeconds = 0 } = {}) => ({
      periodSeconds,
      failureThreshold,
      timeoutSeconds,
    });
    expect(seesEveryBeat(120, timing(livenessProbe))).toBe(true);
    expect(decision(120, timing(livenessProbe))).toEqual(
      decision(120, { periodSeconds: 30, failureThreshold: 2, timeoutSeconds: 5 }),
    );
    expect(coldStart(timing(startupProbe)).earliest).toBe(120);
  });

  test('draws what manifest --timeline draws for the same numbers', () => {
    const [, drawn = ''] = /<!-- timeline -->\n```\n([^]*?)```/.exec(readme) ?? [];
    const command = ['dist/cli.js', 'manifest', '--maximum-age', '2m', '--timeline'];
    const printed = execFileSync(process.execPath, command, { encoding: 'utf8' });
    expect(drawn).not.toBe('');
    expect(printed).toContain(drawn);
    const [sentence = 'none'] = /A wedged loop is decided .*/.exec(printed) ?? [];
    expect(readme).toContain(sentence);
  });

  test('has at most 170 lines, and only links that also work on a package page', () => {
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(170);
    for (const [, target = ''] of readme.matchAll(/\]\((.*?)\)/g)) expect(target).toMatch(/^https:/);
  });

  test('states the sums of docs/truth.md', () => {
    const truth = readFileSync('docs/truth.md', 'utf8');
    const sums = (name: string): string[] =>
      new RegExp(`^\\| ${name} \\| (\\d+) \\| (\\d+) \\|$`, 'm').exec(truth)?.slice(1) ?? [];
    const [sees, bears] = sums('liveness.sh');
    const [find, lightship, terminus] = ['find \\+ grep', 'lightship', 'terminus'].map((name) => sums(name)[0]);
    expect(readme).toContain(
      `\`liveness.sh\` sees ${sees} of them, a \`find\` on a touch file ${find}, lightship ${lightship} and terminus ${terminus}.`,
    );
    expect(readme).toContain(`\`liveness.sh\` bears ${bears} `);
    expect(readme).toContain('each of 20 wedges');
    expect(truth).toContain('sees, of 20 wedges | bears, of 27 stresses');
  });

  test('names only pages that exist', () => {
    for (const [, page = ''] of readme.matchAll(/`((?:docs\/|[A-Z])[\w-]*\.md)`/g))
      expect([page, existsSync(page)]).toEqual([page, true]);
  });

  test('each shipped probe works alone, as a copy in an empty folder', () => {
    const folder = scratch();
    for (const name of ['liveness.js', 'liveness.sh']) copyFileSync(join('dist', name), join(folder, name));
    expect(runs([process.execPath, 'liveness.js'], folder, fileOf(record()))).toBe(0);
    for (const shell of SHELLS) expect(runs([...shell, 'liveness.sh'], folder, fileOf(record()))).toBe(0);
  });

  test('docs/probes.md names every reason in the order of judging, and every quiet LOG_LEVEL', () => {
    const reasons = [...probes.matchAll(/^\| `(\w+)` \| /gm)].map(([, reason]) => reason);
    expect(reasons).toEqual(['missing', 'unreadable', 'malformed', 'gone', 'failed', 'future', 'overdue', 'stale']);
    const [, levels = ''] = /`LOG_LEVEL` at `warning` or above \((.*?)\) silences/s.exec(probes) ?? [];
    const heartbeat = fileOf(record());
    for (const [, LOG_LEVEL = ''] of levels.matchAll(/`(\w+)`/g)) {
      for (const command of [
        [process.execPath, 'dist/liveness.js'],
        ['sh', 'dist/liveness.sh'],
      ]) {
        const [name = '', ...args] = command;
        expect(
          execFileSync(name, args, { env: { ...process.env, LOG_LEVEL, LIVENESS_PATH: heartbeat }, encoding: 'utf8' }),
        ).toBe('');
      }
    }
  });

  test('docs/README.md names each page', () => {
    const index = readFileSync('docs/README.md', 'utf8');
    const pages = readdirSync('docs').filter((name) => name.endsWith('.md') && name !== 'README.md');
    for (const page of pages) expect(index).toContain(`](${page})`);
  });

  test('links only to files and headings that exist', () => {
    const examples = readdirSync('examples')
      .map((name) => `examples/${name}/README.md`)
      .filter((page) => existsSync(page));
    const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...examples];
    for (const page of [...pages, ...readdirSync('docs').map((name) => `docs/${name}`)]) {
      const links = readFileSync(page, 'utf8').replaceAll(/```[^]*?```|`[^`]*`/g, '');
      for (const [, target = ''] of links.matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
        const [file = '', heading] = target.split('#');
        const path = file === '' ? page : join(page, '..', file);
        expect([page, target, existsSync(path)]).toEqual([page, target, true]);
        const isThere = heading === undefined || headingsOf(path).includes(heading);
        expect([page, target, isThere]).toEqual([page, target, true]);
      }
    }
  });
});

/** The headings of a page, as GitHub names them in links. */
function headingsOf(page: string): string[] {
  const text = readFileSync(page, 'utf8').replaceAll(/```[^]*?```/g, '');
  return Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/**
 * Replaces BullMQ, which needs a Redis: a Worker that calls its processor for up to `concurrency` jobs at a time, and
 * says whether it runs. The types are the part of BullMQ's types that README uses.
 */
const FAKE_BULLMQ_TYPES = `
export interface Job { readonly id?: string; readonly name: string }
type Processor = (job: Job, token?: string, signal?: AbortSignal) => Promise<unknown>;
export class Worker {
  constructor(queue: string, processor: Processor, options: { concurrency?: number; connection: object });
  isRunning(): boolean;
  isPaused(): boolean;
  close(): Promise<void>;
}`;
const FAKE_BULLMQ = `
let id = 0;
exports.Worker = class Worker {
  running = true;
  constructor(name, processor, { concurrency }) {
    this.slots = Array.from({ length: concurrency }, async () => {
      while (this.running) await processor({ name, id: String(++id) }, 'token');
    });
  }
  isRunning() { return this.running; }
  isPaused() { return false; }
  async close() {
    this.running = false;
    await Promise.all(this.slots);
  }
};`;

/** Also expects that a command which begins with `env` clears the variables that break Node or make it complain. */
function runs([command = '', ...args]: string[], cwd: string, heartbeat: string): number | null {
  const [LIVENESS_RUNDIR, LIVENESS_UNIT_NAME] = [join(heartbeat, '../..'), basename(join(heartbeat, '..'))];
  const inherited =
    command === 'env'
      ? { NODE_OPTIONS: '--require ./nothing', NODE_EXTRA_CA_CERTS: './nothing' }
      : { NODE_OPTIONS: '' };
  const env = { ...process.env, LIVENESS_PATH: heartbeat, LIVENESS_RUNDIR, LIVENESS_UNIT_NAME, ...inherited };
  const { status, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  expect(stderr).toBe('');
  return status;
}

/** The containers of whatever has a pod's spec in it. */
function containersOf(value: unknown): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  const { containers } = value as { containers?: Record<string, unknown>[] };
  return containers ?? Object.values(value).flatMap(containersOf);
}
