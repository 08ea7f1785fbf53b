// doctor: each fault that can be made without root. test/wide/doctor.test.ts has those that need mounts and containers.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Finding } from '../src/cli/doctor/finding';
import { folderFindings } from '../src/cli/doctor/folder';
import { heartbeatFindings } from '../src/cli/doctor/heartbeat';
import { limitFindings, limits } from '../src/cli/doctor/limits';
import { reaperFinding } from '../src/cli/doctor/machine';
import { probeIn } from '../src/cli/doctor/manifest';
import { environmentFindings, probeFindings, time } from '../src/cli/doctor/probe';
import { reports } from '../src/cli/report';
import { read, systemClock } from '../src/proc';
import { serialise } from '../src/record';
import { cli } from './support/cli';
import { describeIf, WIDE } from './support/describe-if';
import { PYTHON } from './support/readers';
import { aged, fileOf, record, scratch } from './support/records';

/** What was found about something: the level, the words, and what to do. */
function about(name: string, findings: readonly Finding[]): string {
  return findings
    .filter((finding) => finding.about === name)
    .map(({ level, found, advice = '' }) => `${level}: ${found} -> ${advice}`)
    .join('\n');
}

/** Runs a probe as doctor does. */
function tried(command: string | readonly string[], { timeout = 60_000, cpu = undefined as number | undefined } = {}) {
  const words = typeof command === 'string' ? command.split(' ') : command;
  const { findings, runs } = probeFindings(
    { command: words, timeout, env: { ...process.env, NODE_OPTIONS: '' }, cwd: undefined },
    cpu,
    read,
  );
  return { findings, runs, about: (name: string) => about(name, findings) };
}

/** A script that can be a probe. */
function script(text: string): string {
  const path = join(scratch(), 'probe');
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

test('exits with 0 if the probe works: no error, each finding has a level, and each that is not ok has advice', async () => {
  const path = fileOf(record());
  const { code, out, err } = await cli(['doctor', '--json', path]);
  const { version, ok, findings } = JSON.parse(out) as { version: number; ok: boolean; findings: Finding[] };
  expect([code, err, version, ok]).toEqual([0, '', 1, true]);
  expect(about('start', findings)).toMatch(/^ok: sh \S+\/liveness\.sh \S+\/timestamp /);
  expect(about('answer', findings)).toMatch(/^ok: exits with 0 and prints alive: /);
  expect(about('folder', findings)).toMatch(/^ok: .* is writable/);
  for (const { level, advice } of findings) expect(advice === undefined).toBe(level === 'ok');
});

test('prints for people what --json prints for programs', async () => {
  const { code, out } = await cli(['doctor', '--command', '/no/such', fileOf(record())]);
  expect(code).toBe(1);
  expect(out).toMatch(/^error {4}start {8}no executable of this name: \/no\/such\n {22}-> the kubelet ignores/);
  expect(out).toMatch(/\n1 error, \d+ warnings?\n$/);
});

describe('the probe', () => {
  test.each([
    ['is not there', 'no-such-program', 'error: no executable of this name: no-such-program'],
    ['may not be executed', '/etc/passwd', 'error: no executable of this name: /etc/passwd'],
    ['is a folder below a file', '/etc/passwd/x', 'error: no executable of this name'],
  ])('that %s never counts as failed, so nothing restarts', (_, command, says) => {
    const { about } = tried(command);
    expect(about('start').slice(0, says.length)).toBe(says);
    expect(about('start')).toContain('never restarts');
  });

  test('that is a script without #! can only be started by a shell, so not by the kubelet', () => {
    const path = script('exit 0\n');
    expect(tried(path).about('start')).toMatch(/^error: \S+ is no program, and has no line #! -> /);
    expect(tried(script('#!/bin/sh\nexit 0\n')).about('answer')).toMatch(/^ok: exits with 0/);
  });

  test('is run without a shell', () => {
    const seen = join(scratch(), 'seen');
    const path = script(`#!/bin/sh\necho "$#:$1" >>${seen}\n`);
    tried([path, '$HOME; *']);
    expect(readFileSync(seen, 'utf8')).toBe('1:$HOME; *\n'.repeat(5));
  });

  test('that says dead works; one that fails in another way restarts a healthy container', () => {
    const dead = tried(`sh dist/liveness.sh ${fileOf(aged(10_000))}`);
    expect(dead.about('answer')).toMatch(/^warning: .*dead: stale: /);
    for (const [command, says] of [
      ['sh /no/such.sh', /^error: exits with (2|127) and prints .*no\/such\.sh/],
      [`node ${join(scratch(), 'missing.js')}`, /^error: exits with 1 and prints /],
      [script('#!/bin/sh\nkill -9 $$\n'), /^error: ends by SIGKILL and prints nothing/],
    ] as const) {
      expect(tried(command).about('answer')).toMatch(says);
    }
  });

  test('that takes longer than its timeout', () => {
    const { about, runs } = tried('sleep 600', { timeout: 50 });
    expect(about('time')).toMatch(/^error: 1 run \d+ ms.*; timeoutSeconds 50ms -> set timeoutSeconds: 5/);
    expect(about('answer')).toMatch(/^warning: was killed before it could answer/);
    const reaper = { pid: 1, name: 'node', reaps: false };
    // What a shell leaves behind when it is killed.
    expect(reaperFinding(reaper, 1, runs, 0)).toMatchObject({ level: 'error', about: 'reaping' });
    expect(reaperFinding(reaper, 0, tried('/no/such').runs, 0)).toMatchObject({ level: 'ok', about: 'reaping' });
  });

  test('that takes longer than its timeout only at the CPU limit, or beside a service that uses it up', () => {
    const node = { timeout: 5000, command: ['node', 'dist/liveness.js'] };
    const took = (cpu: number | undefined, limit?: number) => {
      const { level, found, advice } = time([{ milliseconds: 50 }, { milliseconds: 60 }], cpu, node, limit);
      return `${level}: ${found} -> ${advice ?? ''}`;
    };
    expect(took(undefined)).toBe('ok: 2 runs, the slowest 60 ms; timeoutSeconds 5s -> ');
    expect(took(25, 1)).toMatch(
      /^ok: .*, at most 25 ms of CPU each; at the CPU limit of 1000m 25 ms alone, up to 250 ms if/,
    );
    expect(took(26, 0.05)).toMatch(
      /^warning: .* 50m 520 ms alone, up to 5\.2 s if .* -> use liveness\.sh.*; or raise the CPU/,
    );
    expect(took(26, 0.005)).toMatch(/^error: .* 5\.2 s alone/);
    expect(time([{ milliseconds: 2501 }], undefined, node, undefined).level).toBe('warning');
  });

  test('that leaves a process behind each time', async () => {
    const seen = join(scratch(), 'pids');
    const path = script(`#!/bin/sh\nsleep 600 </dev/null >/dev/null 2>&1 &\necho $! >>${seen}\n`);
    try {
      const { out } = await cli(['doctor', '--command', path]);
      expect(out).toMatch(
        /^(warning |error {3}) reaping {6}the probe leaves a process behind each time; .*\n {22}-> start no background process/m,
      );
    } finally {
      for (const pid of readFileSync(seen, 'utf8').trim().split('\n')) process.kill(Number(pid));
    }
  });

  test('of Node inherits what slows or breaks it, unless its command unsets that', () => {
    const variables = { NODE_OPTIONS: '--require /no/such/agent.js', NODE_EXTRA_CA_CERTS: '/no/ca.pem' };
    const node = ['node', 'dist/liveness.js', fileOf(record())];
    const as = (...command: string[]) => {
      const probe = { command, timeout: 60_000, env: { ...process.env, ...variables }, cwd: undefined };
      const findings = [...probeFindings(probe, undefined, read).findings, ...environmentFindings(probe)];
      return { answer: about('answer', findings), environment: about('environment', findings).split('\n') };
    };
    const broken = as(...node);
    expect(broken.answer).toMatch(/^error: exits with 1/);
    const [options = '', certificates = ''] = broken.environment;
    expect(options).toMatch(/^warning: the probe inherits NODE_OPTIONS=--require \S+ -> .*env NODE_OPTIONS=$/);
    expect(certificates).toMatch(/^warning: the probe inherits NODE_EXTRA_CA_CERTS=.* -> .*env NODE_EXTRA_CA_CERTS=$/);
    variables.NODE_OPTIONS = '--max-old-space-size=256';
    expect(as(...node).environment).toEqual([certificates]); // harmless, as for lint
    const mended = as('env', 'NODE_OPTIONS=', 'NODE_EXTRA_CA_CERTS=', ...node);
    expect([mended.answer.slice(0, 2), mended.environment]).toEqual(['ok', ['']]);
    expect(as('sh', '-c', 'NODE_OPTIONS= node x').environment).toEqual([certificates]);
    expect(as('sh', 'dist/liveness.sh').environment).toEqual(['']); // a shell heeds neither
  });
});

describe('a manifest', () => {
  const worker = (probe: string, more = 'name: w'): string =>
    `kind: Pod\nspec: { containers: [{ ${more}, livenessProbe: { ${probe} } }] }\n`;
  const written = (text: string, name = 'pod.yaml'): string => {
    const path = join(scratch(), name);
    writeFileSync(path, text);
    return path;
  };

  const probing = (...lines: string[]): string =>
    ['kind: Pod', 'spec:', '  containers:', '    - livenessProbe:', ...lines.map((line) => `        ${line}`)].join(
      '\n',
    );

  test('gives the command, timeoutSeconds, the environment and the folder of its first exec probe', async () => {
    const cwd = scratch();
    const seen = join(cwd, 'seen');
    const probe = script(`#!/bin/sh\necho "$PWD $1 $2 $3 $LIMIT" >${seen}\n`);
    const manifest = written(`
kind: Service
---
kind: Deployment
spec:
  template:
    spec:
      containers:
        - { name: proxy, livenessProbe: { httpGet: { path: /, port: 80 } } }
        - name: worker
          workingDir: ${cwd}
          env: [{ name: LIMIT, value: 2m }, { name: SECRET, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
          livenessProbe:
            exec: { command: [${probe}, "$(LIMIT)", "$$", "$(NONE)"] }
            timeoutSeconds: 7
`);
    const { out } = await cli(['doctor', manifest]);
    expect(readFileSync(seen, 'utf8')).toBe(`${cwd} 2m $ $(NONE) 2m\n`);
    expect(out).toContain('timeoutSeconds 7s');
  });

  describeIf(PYTHON !== undefined, 'python3')('from standard input', () => {
    test('may come late, by a pipe that does not block', () => {
      const text = probing('exec: { command: ["true"] }');
      const python =
        'import fcntl, os, sys; fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK); os.execv(sys.argv[1], sys.argv[1:])';
      const pipe = `{ sleep 1; echo "$1"; } | "$2" -c "$3" "$4" dist/cli.js doctor -`;
      const args = ['-c', pipe, 'sh', text, PYTHON ?? '', python, process.execPath];
      const { stdout, stderr } = spawnSync('sh', args, { encoding: 'utf8' });
      expect([stderr, stdout.split('\n')[0]]).toEqual(['', 'ok       start        true']);
    });
  });

  test("has the API's timeoutSeconds of 1 where it states none, also as JSON", () => {
    const list = {
      items: [{ kind: 'Pod', spec: { containers: [{ livenessProbe: { exec: { command: ['true'] } } }] } }],
    };
    expect(probeIn(JSON.stringify(list), 'pods.json')).toEqual({
      command: ['true'],
      timeout: 1000,
      env: {},
      cwd: undefined,
    });
  });

  test('takes the values of variables that it refers to from the container', () => {
    const container = {
      env: [
        { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'BASE', value: '/run/beats' },
        { name: 'LIVENESS_PATH', value: '$(BASE)/$(POD)/$(HOME)/$$(BASE)' },
      ],
      livenessProbe: { exec: { command: ['sh', 'liveness.sh', '$(LIVENESS_PATH)', '$(POD)', '$(HOME)'] } },
    };
    const inherited = { POD: 'worker-0', HOME: '/root', BASE: 'another' };
    const path = '/run/beats/worker-0/$(HOME)/$(BASE)';
    const read = (more: object) =>
      probeIn(JSON.stringify({ kind: 'Pod', spec: { containers: [{ ...container, ...more }] } }), 'pod', inherited);
    expect(read({})).toMatchObject({
      command: ['sh', 'liveness.sh', path, 'worker-0', '$(HOME)'],
      env: { BASE: '/run/beats', LIVENESS_PATH: path },
    });
    expect(read({ envFrom: [{ configMapRef: { name: 'c' } }] }).command.at(-1)).toBe('/root');
  });

  test('may use merge keys and aliases', () => {
    const text =
      'kind: Pod\nx: &x { exec: { command: [a] } }\nspec: { containers: [{ livenessProbe: { <<: *x, timeoutSeconds: 0 } }] }\n';
    expect(probeIn(text, 'pod.yaml')).toMatchObject({ command: ['a'], timeout: 1000 });
  });

  const PLACES: [string, string, string][] = [
    ['its environment', 'exec: { command: [sh, dist/liveness.sh] }', '/run/named/timestamp'],
    ['its command', 'exec: { command: [sh, dist/liveness.sh, /run/other/timestamp] }', '/run/other/timestamp'],
    ['its process directory', 'exec: { command: [sh, dist/liveness.sh, --process] }', '/run/units/u'],
  ];
  test.each(WIDE ? PLACES : PLACES.slice(0, 1))('says where the heartbeat is: by %s', async (_, probe, path) => {
    const env =
      'env: [{ name: LIVENESS_PATH, value: /run/named/timestamp }, { name: LIVENESS_RUNDIR, value: /run/units }, { name: LIVENESS_UNIT_NAME, value: u }]';
    const { out } = await cli(['doctor', '--json', written(worker(probe, env))]);
    const { findings } = JSON.parse(out) as { findings: Finding[] };
    expect(about('folder', findings)).toContain(dirname(path));
  });

  test.each([
    ['a timeoutSeconds of 0 is unset', probing('exec: { command: [sh] }', 'timeoutSeconds: 0'), 1000, ['sh']],
    ['a number is a word', probing('exec: { command: [sleep, 0] }'), 1000, ['sleep', '0']],
    ['an anchor may hold itself', `metadata: &a { b: *a }\n${probing('exec: { command: [sh] }')}`, 1000, ['sh']],
  ])('is read as by lint: %s', (_, text, timeout, command) => {
    expect(probeIn(text, 'pod.yaml')).toMatchObject({ timeout, command });
  });

  test('may use earlier variables in later ones', () => {
    const variables = '[{ name: A, value: x }, { name: B, value: $(A)$(C) }, { name: C, value: z }]';
    const text = `${probing('exec: { command: [$(B)] }')}\n      env: ${variables}\n`;
    expect(probeIn(text, 'pod.yaml')).toMatchObject({ command: ['x$(C)'], env: { A: 'x', B: 'x$(C)', C: 'z' } });
  });

  test.each([
    [
      'kind: Pod\nspec: { replicas: {{ .Values.replicas }} }\n',
      /pod\.yaml:2:19: a Helm template; render it first: helm template\n$/,
    ],
    ['kind: Service\n', /expected a container with livenessProbe\.exec\.command; it has none\n$/],
    ['a: [1\n', /pod\.yaml:2:1: Flow sequence in block collection/],
  ])('that has no probe, or is none, is refused: %j', async (text, says) => {
    const { code, out, err } = await cli(['doctor', written(text)]);
    expect([code, out, err.split('\n').length]).toEqual([2, '', 2]);
    expect(err).toMatch(says);
  });
});

test.each([
  [
    ['--command', '["sh"'],
    `--command expected words, or JSON such as ["sh", "/app/liveness.sh"]; got '["sh"' (string)`,
  ],
  [['--command', '[]'], `--command expected words, or JSON such as ["sh", "/app/liveness.sh"]; got '[]' (string)`],
  [['--command', 'true', 'x.yaml'], 'expected --command or a manifest; got both'],
  [['--timeout', '5'], "--timeout expected a duration such as 500ms, 90s, 2m, 1h30m, 1d or PT2M; got '5' (string)"],
  [['/no/such.yaml'], "ENOENT: no such file or directory, open '/no/such.yaml'"],
])('what cannot be asked exits with 2: %j', async (words, says) => {
  expect(await cli(['doctor', ...words])).toEqual({ code: 2, out: '', err: `k8s-liveness doctor: ${says}\n` });
});

describe('the longest gap and task', () => {
  const limit = 6000;
  const compared = (path: string) => {
    const findings = reports({ _: ['doctor', path], $0: '' }, systemClock).flatMap(heartbeatFindings);
    return { gap: about('gap', findings), task: about('task', findings) };
  };

  test.each([
    [3000, 'ok: 30s at most so far, 50 %'],
    [3001, 'warning: 30s10ms at most so far, 51 %'],
  ])('a gap of %i of 6000 is %s', (gap, says) => {
    const { gap: found, task } = compared(fileOf(record({ limit, gap, longestTask: 0 })));
    expect([found.slice(0, says.length), task]).toEqual([says, '']);
  });

  test('is not compared with the limit of a step or of another task', () => {
    expect(compared(fileOf(record({ kind: 'step', limit, gap: 5900 }))).gap).toMatch(/^ok: 59s/);
    expect(compared(fileOf(record({ limit, longestTask: 5900 }))).task).toMatch(/^ok: 59s/);
    const { gap, task } = compared(
      fileOf(serialise(record({ kind: 'task', limit, longestTask: 5900, gap: 5900 }), '1 in hand, mail#42')),
    );
    expect(gap).toMatch(/^ok: 59s/);
    expect(task).toMatch(/^warning: 59s at most so far, 99 % of the limit of 1m .* -> raise the task's limit/);
  });
});

describe('the folder', () => {
  test('will be made if it is missing, but not below a file', () => {
    const folder = scratch();
    expect(about('folder', folderFindings(join(folder, 'a/b/timestamp'), read))).toContain(
      `ok: ${folder}/a/b will be made in ${folder} (`,
    );
    writeFileSync(join(folder, 'file'), '');
    for (const path of ['file/timestamp', 'file/x/timestamp']) {
      expect(about('folder', folderFindings(join(folder, path), read))).toMatch(/^error: \S+\/file is no folder/);
    }
  });

  test('of a process directory is the directory itself', () => {
    const folder = join(scratch(), 'unit');
    mkdirSync(folder);
    expect(about('folder', folderFindings(folder, read))).toContain(`ok: ${folder} is writable`);
  });
});

// Texts of real systems, by the files that hold them.
describe('the limits of the control group', () => {
  const status = 'RssAnon:\t    2048 kB\nThreads:\t7\n';
  const MIB = 2 ** 20;

  const V1 = {
    '/proc/self/status': status,
    '/proc/self/cgroup':
      '9:name=systemd:/kube/pod1/abc\n4:memory:/kube/pod1/abc\n3:pids:/kube/pod1/abc\n2:cpu,cpuacct:/kube/pod1/abc\n',
    '/proc/self/mountinfo': ['memory', 'pids', 'cpu,cpuacct']
      .map(
        (name, at) =>
          `${at + 20} 19 0:${at} /kube/pod1/abc /sys/fs/cgroup/${name} ro,nosuid - cgroup cgroup rw,${name}`,
      )
      .join('\n'),
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${64 * MIB}\n`,
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': `${60 * MIB}\n`,
    '/sys/fs/cgroup/memory/memory.stat': `inactive_file 1\ntotal_inactive_file ${2 * MIB}\ntotal_active_file ${MIB}\n`,
    '/sys/fs/cgroup/memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n',
    '/sys/fs/cgroup/pids/pids.max': '40\n',
    '/sys/fs/cgroup/pids/pids.current': '38\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '5000\n',
    '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
  };
  const V2 = {
    '/proc/self/status': status,
    '/proc/self/cgroup': '0::/\n',
    '/proc/self/mountinfo':
      '29 23 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate',
    '/sys/fs/cgroup/memory.max': `${64 * MIB}\n`,
    '/sys/fs/cgroup/memory.current': `${60 * MIB}\n`,
    '/sys/fs/cgroup/memory.stat': `anon 1\ninactive_file ${2 * MIB}\nactive_file ${MIB}\n`,
    '/sys/fs/cgroup/memory.events': 'low 0\nhigh 0\nmax 12\noom 3\noom_kill 3\noom_group_kill 0\n',
    '/sys/fs/cgroup/pids.max': '40\n',
    '/sys/fs/cgroup/pids.current': '38\n',
    '/sys/fs/cgroup/cpu.max': '5000 100000\n',
  };
  const from = (files: Record<string, string>) => (path: string) => files[path];

  test.each([
    ['v1', V1],
    ['v2', V2],
  ])('are read from cgroup %s, less what the kernel gives back, and what this process takes', (_, files) => {
    const found = limits(from(files));
    expect(found).toEqual({
      cpu: 0.05,
      memory: { limit: 64 * MIB, left: 7 * MIB, leftWithoutUs: 9 * MIB },
      pids: { limit: 40, left: 2, leftWithoutUs: 9 },
      kills: 3,
    });
    const levels = (command: string[]) => limitFindings(found, command).map(({ level, found }) => `${level}: ${found}`);
    expect(levels(['sh', 'x'])).toEqual([
      'warning: 9.0 MiB left of 64.0 MiB; the probe needs 6.0 MiB',
      'warning: 9 threads left of 40 threads; the probe needs 8 threads',
      'warning: processes that the kernel has killed here because memory ran out: 3',
    ]);
    const node = ['error', 'error', 'warning'];
    expect(levels(['env', 'X=', '/nodejs/bin/node', 'x']).map((line) => line.split(':')[0])).toEqual(node);
    expect(levels(['sh', '-c', 'exec node x']).map((line) => line.split(':')[0])).toEqual(node);
    expect(levels(['pgrep', 'node'])).toEqual(levels(['sh', 'x']));
  });

  test('the tightest one from our group upwards counts', () => {
    const nested = {
      ...V2,
      '/proc/self/cgroup': '0::/pod/worker\n',
      '/sys/fs/cgroup/pod/worker/memory.max': 'max\n',
      '/sys/fs/cgroup/pod/memory.max': `${10 * MIB}\n`,
      '/sys/fs/cgroup/pod/memory.current': `${9 * MIB}\n`,
      '/sys/fs/cgroup/pod/worker/pids.max': '20\n',
      '/sys/fs/cgroup/pod/worker/pids.current': '19\n',
    };
    expect(limits(from(nested))).toMatchObject({ memory: { left: MIB }, pids: { left: 1 }, cpu: 0.05 });
  });

  test.each([
    [
      'v1 without limits',
      {
        ...V1,
        '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
        '/sys/fs/cgroup/pids/pids.max': 'max\n',
        '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
        '/sys/fs/cgroup/memory/memory.oom_control': '',
      },
    ],
    [
      'v2 without limits',
      {
        ...V2,
        '/sys/fs/cgroup/memory.max': 'max\n',
        '/sys/fs/cgroup/pids.max': 'max\n',
        '/sys/fs/cgroup/cpu.max': 'max 100000\n',
        '/sys/fs/cgroup/memory.events': '',
      },
    ],
    ['a system without control groups', {}],
  ])('%s has none', (_, files) => {
    const found = limits(from(files));
    expect(found).toEqual({ cpu: undefined, memory: undefined, pids: undefined, kills: 0 });
    expect(limitFindings(found, ['sh']).map(({ level }) => level)).toEqual(['ok', 'ok']);
  });
});
