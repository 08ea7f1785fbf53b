import { REASONS } from '../../verdict';
import type { Report } from '../report';

type Fields = Report['fields'];

/** The gauges of examples/metrics, and those that only a reader knows. A value of null is left out. */
const GAUGES: readonly (readonly [name: string, help: string, value: (fields: Fields) => number | null])[] = [
  ['heartbeat_alive', 'Whether the heartbeat is alive', ({ alive }) => Number(alive)],
  [
    'heartbeat_age_seconds',
    'The age of the last beat or of a task, whichever is nearer to its deadline',
    (f) => seconds(f.ageMs),
  ],
  ['heartbeat_limit_seconds', 'The age at which that beat or task is dead', (f) => seconds(f.limitMs)],
  ['heartbeat_longest_gap_seconds', 'The longest time between two beats of the loop', (f) => seconds(f.longestGapMs)],
  [
    'heartbeat_longest_task_seconds',
    'The longest time that a task was in hand without a refresh',
    (f) => seconds(f.longestTaskMs),
  ],
  ['heartbeat_tasks', 'The tasks in hand', ({ inHand }) => inHand],
];

/**
 * Text that OpenMetrics and the older Prometheus format both allow, because node_exporter's textfile collector reads
 * only the older one. So it has gauges alone: a state set or a counter is written differently in the two.
 */
export function openmetrics(all: readonly Report[]): string {
  // One series per label, even if the command line names a path twice.
  const heartbeats = [...new Map(all.map(({ fields }) => [labelOf(fields.path), fields]))];
  const families = GAUGES.map(([name, help, value]) =>
    family(
      name,
      help,
      heartbeats.map(([label, fields]) => [label, value(fields)]),
    ),
  );
  const dead = heartbeats.flatMap(([label, fields]) =>
    REASONS.map((reason) => [`${label},reason="${reason}"`, Number(fields.reason === reason)] as const),
  );
  return [...families, family('heartbeat_dead', 'Whether the heartbeat is dead for this reason', dead), '# EOF\n'].join(
    '',
  );
}

function family(
  name: string,
  help: string,
  samples: readonly (readonly [labels: string, value: number | null])[],
): string {
  const known = samples.filter(([, value]) => value !== null);
  if (known.length === 0) return '';
  const lines = known.map(([labels, value]) => `${name}{${labels}} ${value ?? ''}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`;
}

/** Different for different paths, or a living heartbeat would hide a dead one. A label may hold any letter. */
function labelOf(path: string): string {
  const inHex = (control: string): string => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`;
  return `path="${path.replaceAll(/\p{Cc}/gu, inHex).replaceAll(/["\\]/g, '\\$&')}"`;
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}
