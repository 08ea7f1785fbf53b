import { UsageError } from '../command';
import { read } from '../lint/documents';
import { podsOf } from '../lint/pods';
import type { Probe } from './probe';

/**
 * The liveness probe of the first container that has an exec probe.
 *
 * @param inherited our own environment, which has the values that the manifest takes from elsewhere
 */
export function probeIn(text: string, name: string, inherited: NodeJS.ProcessEnv = {}): Probe {
  const { documents, obstacle, positionOf } = read(text);
  if (obstacle) {
    const { line, column } = positionOf(obstacle.at);
    throw new UsageError(`${name}:${line}:${column}: ${obstacle.message}`);
  }
  const containers = documents.flatMap((document) => podsOf(document)).flatMap((pod) => pod.containers);
  for (const { kind, command, timing, container } of containers.flatMap(({ probes }) => probes)) {
    if (kind !== 'liveness' || command === undefined) continue;
    const env: Record<string, string> = {};
    const elsewhere = new Set<string>();
    const hasMore = container.value.get('envFrom').isList;
    // As the kubelet does: $(NAME) by the container's own variables so far, and $$ is $.
    const expand = (word: string): string =>
      word.replaceAll(/\$(?:\$|\(([^)]+)\))/g, (whole, variable?: string) => {
        if (variable === undefined) return '$';
        return env[variable] ?? (hasMore || elsewhere.has(variable) ? inherited[variable] : undefined) ?? whole;
      });
    for (const entry of container.value.get('env').items) {
      const [variable, value] = [entry.get('name').text, entry.get('value').text];
      if (variable === undefined) continue;
      if (value === undefined) elsewhere.add(variable);
      else env[variable] = expand(value);
    }
    return {
      command: command.words.map(expand),
      timeout: timing.timeoutSeconds * 1000,
      env,
      cwd: container.value.get('workingDir').text,
    };
  }
  throw new UsageError(`${name}: expected a container with livenessProbe.exec.command; it has none`);
}
