import { UsageError } from '../command';
import { read } from '../lint/documents';
import { podsOf } from '../lint/pods';
import type { Probe } from './probe';

/** The liveness probe of the first container that has an exec probe. */
export function probeIn(text: string, name: string): Probe {
  const { documents, obstacle } = read(text);
  if (obstacle) throw new UsageError(`${name}: ${obstacle.message}`);
  const containers = documents.flatMap((document) => podsOf(document)).flatMap((pod) => pod.containers);
  for (const { kind, command, timing, container } of containers.flatMap(({ probes }) => probes)) {
    if (kind !== 'liveness' || command === undefined) continue;
    const env: Record<string, string> = {};
    // As the kubelet does: $(NAME) by the container's own variables so far, and $$ is $.
    const expand = (word: string): string =>
      word.replaceAll(/\$(?:\$|\(([^)]+)\))/g, (whole, variable?: string) =>
        variable === undefined ? '$' : (env[variable] ?? whole),
      );
    for (const entry of container.value.get('env').items) {
      const [variable, value] = [entry.get('name').text, entry.get('value').text];
      if (variable !== undefined && value !== undefined) env[variable] = expand(value);
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
