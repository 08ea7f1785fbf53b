import { dirname } from 'node:path';
import { Document, isMap, isScalar, isSeq, visit, type Node } from 'yaml';
import { dockerDecision, decision } from '../../kubelet';
import { meaning, ROOM, words, type Numbers } from './numbers';

export type Probe = 'sh' | 'node' | 'own';

/** What a manifest is about. */
export interface Subject {
  /** The command line that makes it. */
  readonly invocation: string;
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly probe: Probe;
  /** The heartbeat file; undefined for a process directory. */
  readonly path: string | undefined;
  readonly numbers: Numbers;
}

const WORKING_DIRECTORY = '/app';
const RUNDIR = '/run/liveness';
const USER = 1000;
const WHY_REQUEST = 'else a wedged neighbour that has a request starves this pod and its probe';

const DIST = 'node_modules/k8s-liveness/dist';
// A NODE_OPTIONS that loads an agent would slow or break the probe; NODE_EXTRA_CA_CERTS slows Node 20.
const NODE = ['env', 'NODE_OPTIONS=', 'NODE_EXTRA_CA_CERTS=', 'node'];

/** The command of a probe. Readiness looks at a process directory's error too. */
export function commandOf({ probe, path }: Pick<Subject, 'probe' | 'path'>, kind: 'liveness' | 'readiness'): string[] {
  if (probe === 'own') return [...NODE, `dist/${kind}.js`];
  const command = probe === 'sh' ? ['sh', `${DIST}/liveness.sh`] : [...NODE, `${DIST}/liveness.js`];
  if (path !== undefined) return command;
  return [...command, '--process', ...(kind === 'liveness' ? ['--ignore-error'] : [])];
}

export function environmentOf({ path }: Pick<Subject, 'path'>): { name: string; value: string } {
  return path === undefined ? { name: 'LIVENESS_RUNDIR', value: RUNDIR } : { name: 'LIVENESS_PATH', value: path };
}

export function folderOf({ path }: Pick<Subject, 'path'>): string {
  return path === undefined ? RUNDIR : dirname(path);
}

export function roomOf(probe: Probe): string {
  const { mebibytes, threads } = ROOM[probe === 'sh' ? 'sh' : 'node'];
  return `${mebibytes} MiB and ${threads} threads`;
}

/** Comments, by the path of what they explain. The comment of a list or a map is above its first entry. */
type Comments = Record<string, string>;

export function pod(subject: Subject): string {
  const { container, spec } = contentOf(subject);
  const { name, image, command } = subject;
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      ...spec,
      containers: [{ name, image, workingDir: WORKING_DIRECTORY, command, ...container }],
      volumes: volumesOf(),
    },
  };
  return print(manifest, titleOf(subject), below('spec', commentsOf(subject)));
}

/** A component that patches a Deployment of that name, whose container has that name too. */
export function kustomize(subject: Subject): string {
  const { container, spec } = contentOf(subject);
  const { name } = subject;
  const patch = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { template: { spec: { ...spec, containers: [{ name, ...container }], volumes: volumesOf() } } },
  };
  const component = {
    apiVersion: 'kustomize.config.k8s.io/v1alpha1',
    kind: 'Component',
    patches: [
      {
        target: { kind: 'Deployment', name },
        patch: print(patch, [], below('spec.template.spec', commentsOf(subject))),
      },
    ],
  };
  const use = [`Save it as liveness/kustomization.yaml and name it in yours: components: [liveness].`];
  return print(component, [...titleOf(subject), ...use], {
    patches: `The Deployment ${name} and its container ${name}.`,
  });
}

/** Docker marks a container unhealthy; it restarts none. */
export function compose(subject: Subject): string {
  const { name, image, command, numbers } = subject;
  const { periodSeconds, timeoutSeconds, failureThreshold } = numbers.liveness;
  const { earliest, latest } = dockerDecision(numbers.limit, numbers.liveness);
  const variable = environmentOf(subject);
  const service = {
    image,
    working_dir: WORKING_DIRECTORY,
    command,
    init: true,
    user: `${USER}:${USER}`,
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    environment: { [variable.name]: variable.value },
    tmpfs: [`${folderOf(subject)}:size=1m`],
    healthcheck: {
      test: ['CMD', ...commandOf(subject, 'liveness')],
      interval: words(periodSeconds),
      timeout: words(timeoutSeconds),
      retries: failureThreshold,
      start_period: words(numbers.budget),
    },
  };
  const head = [
    ...titleOf(subject),
    `A wedged loop is unhealthy between ${words(earliest)} and ${words(latest)} after its last beat; no stall under ${words(earliest)} makes it so.`,
    'Docker marks the container and does not restart it: something else must.',
  ];
  return print(
    { services: { [name]: service } },
    head,
    below(`services.${name}`, {
      init: 'reaps what the service leaves behind',
      user: 'node in the official images',
      read_only: 'add a tmpfs wherever else the service writes',
      [`environment.${variable.name}`]: 'moves the service and its probe together',
      tmpfs: 'In memory: a frozen disk must not stall the loop.',
      healthcheck: roomComment(subject),
      'healthcheck.interval': 'from the end of one probe to the next',
      'healthcheck.retries': 'a resumed machine may look stale once',
      'healthcheck.start_period': 'to the first beat',
    }),
  );
}

function contentOf(subject: Subject) {
  const { startup, liveness, readiness } = subject.numbers;
  const exec = (kind: 'liveness' | 'readiness') => ({ exec: { command: commandOf(subject, kind) } });
  return {
    spec: {
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER,
        runAsGroup: USER,
        seccompProfile: { type: 'RuntimeDefault' },
      },
    },
    container: {
      env: [environmentOf(subject)],
      resources: { requests: { cpu: '100m' } },
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
      startupProbe: { ...exec('liveness'), ...startup },
      ...(subject.path === undefined && { readinessProbe: { ...exec('readiness'), ...readiness } }),
      livenessProbe: { ...exec('liveness'), ...liveness },
      volumeMounts: [{ name: 'liveness', mountPath: folderOf(subject) }],
    },
  };
}

function volumesOf() {
  return [{ name: 'liveness', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }];
}

/** Comments below a pod's spec. */
function commentsOf(subject: Subject): Comments {
  const { startup, liveness, readiness, limit, budget } = subject.numbers;
  const isQuarter = liveness.periodSeconds * 4 === limit;
  return {
    enableServiceLinks: 'else every Service of the namespace puts variables into the service and its probes',
    'securityContext.runAsUser': 'node in the official images',
    'containers.0.env.0.value': `moves the service and its ${subject.path === undefined ? 'probes' : 'probe'} together`,
    'containers.0.resources': roomComment(subject),
    'containers.0.resources.requests.cpu': WHY_REQUEST,
    'containers.0.securityContext.readOnlyRootFilesystem': 'mount an emptyDir wherever else the service writes',
    'containers.0.startupProbe':
      'Holds the others back until the first beat: what an earlier container left behind is no beat.',
    'containers.0.startupProbe.failureThreshold': `(${startup.failureThreshold} - 1) x ${words(startup.periodSeconds)} = ${words(budget)} to the first beat: the first probe may come at once`,
    ...(subject.path === undefined && {
      'containers.0.readinessProbe': `Looks at the error too: out of service at most ${words(decision(0, readiness).latest)} after the service has set one.`,
    }),
    'containers.0.livenessProbe': meaning(subject.numbers).join('\n'),
    ...(isQuarter && { 'containers.0.livenessProbe.periodSeconds': 'a quarter of the limit' }),
    'containers.0.livenessProbe.timeoutSeconds': 'at most the period, or timeouts would queue',
    'containers.0.livenessProbe.failureThreshold': 'a resumed machine may look stale once',
    'containers.0.livenessProbe.terminationGracePeriodSeconds': 'a wedged loop runs no SIGTERM handler',
    'volumes.0': 'In memory: a frozen disk must not stall the loop.',
  };
}

function roomComment({ probe }: Subject): string {
  return `If you limit memory or pids, leave ${roomOf(probe)} for the probe beside the service's peak. Limit no CPU:\na throttled probe misses its timeout.`;
}

function titleOf({ invocation, numbers }: Subject): string[] {
  return [
    `Made by: ${invocation}`,
    `The limit itself, ${words(numbers.limit)}, is the maximumAge in the service's code.`,
  ];
}

function below(path: string, comments: Comments): Comments {
  return Object.fromEntries(Object.entries(comments).map(([key, text]) => [`${path}.${key}`, text]));
}

function print(content: object, head: readonly string[], comments: Comments): string {
  const document = new Document(content, { aliasDuplicateObjects: false, compat: 'yaml-1.1' }); // Kubernetes reads YAML 1.1: `on` is true there
  if (head.length > 0) document.commentBefore = commentOf(head.join('\n'));
  visit(document, {
    Seq: (_, list) => {
      list.flow = list.items.every(isScalar);
    },
    Scalar: (_, scalar) => {
      const text = typeof scalar.value === 'string' ? scalar.value : '';
      if (text.includes('\n')) scalar.type = 'BLOCK_LITERAL';
      else if (text.includes(':')) scalar.type = 'QUOTE_DOUBLE'; // 1000:1000 is a number in base 60 to some
    },
  });
  visit(document, {
    Seq: (_, { items, flow }) => {
      if (flow) for (const item of items) if (isScalar(item)) item.type = 'QUOTE_DOUBLE';
    },
  });
  for (const [path, text] of Object.entries(comments)) {
    const node = document.getIn(path.split('.'), true) as Node | undefined;
    if (!node) throw new Error(`no ${path} in the manifest`);
    if ((isMap(node) || isSeq(node)) && !node.flow) node.commentBefore = commentOf(text);
    else node.comment = commentOf(text);
  }
  return document.toString({
    lineWidth: 0,
    flowCollectionPadding: false,
    commentString: (comment) => comment.replaceAll(/^/gm, '#'),
  });
}

function commentOf(text: string): string {
  return text.replaceAll(/^/gm, ' ');
}
