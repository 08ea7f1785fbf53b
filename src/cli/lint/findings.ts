import { read, type Obstacle, type Position } from './documents';
import { podsOf, type Pod } from './pods';
import type { Rule, Settings } from './rule';
import { RULES } from './rules';

export interface Finding extends Position {
  readonly file: string;
  readonly severity: Rule['severity'];
  readonly rule: string;
  /** What the pod belongs to: `Deployment/web`; empty if it has no name. */
  readonly object: string;
  readonly container: string;
  readonly message: string;
}

export interface Result {
  readonly findings: readonly Finding[];
  readonly containers: number;
  /** Whether it holds an object of Kubernetes, of whatever kind. */
  readonly hasObject: boolean;
  /** Why the text cannot be read. */
  readonly obstacle: (Obstacle & Position) | undefined;
}

export function lintText(file: string, text: string, settings: Settings): Result {
  const { documents, obstacle, positionOf } = read(text);
  if (obstacle)
    return { findings: [], containers: 0, hasObject: false, obstacle: { ...obstacle, ...positionOf(obstacle.at) } };
  const isDisabled = disabledIn(text);
  const containers = documents.flatMap((document) => podsOf(document)).flatMap((pod: Pod) => pod.containers);
  const findings = containers.flatMap((container) => {
    // The API refuses probes in these.
    const hasProbes = container.role === 'main' || container.role === 'sidecar';
    return RULES.filter(({ isForAll }) => hasProbes || isForAll).flatMap(({ id, severity, check }) =>
      [...check(container, settings)].map(({ where, message }) => ({
        file,
        ...positionOf(where.at),
        severity,
        rule: id,
        object: container.pod.owner,
        container: container.name,
        message,
      })),
    );
  });
  return {
    findings: findings
      .filter(({ line, rule }) => !isDisabled(line, rule))
      .sort((a, b) => a.line - b.line || a.column - b.column),
    containers: containers.length,
    hasObject: documents.some((document) => document.get('kind').text !== undefined),
    obstacle: undefined,
  };
}

const DISABLE = /^\s*#\s*k8s-liveness-lint-disable-next-line(?:\s+(?!--)(.*?))?(?:\s+--.*)?\s*$/;

/** Reads `# k8s-liveness-lint-disable-next-line rule, rule -- why`; without a rule it stands for all. */
function disabledIn(text: string): (line: number, rule: string) => boolean {
  const lines = text.split('\n');
  return (line, rule) => {
    const [comment, rules = ''] = DISABLE.exec(lines[line - 2] ?? '') ?? [];
    return comment !== undefined && (rules === '' || rules.split(/[\s,]+/).includes(rule));
  };
}
