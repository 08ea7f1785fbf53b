import { parseAllDocuments } from 'yaml';
import { UsageError } from '../command';

export interface Stated {
  readonly command: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
}

interface Container {
  readonly workingDir?: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly livenessProbe: { readonly exec: { readonly command: readonly string[] }; readonly timeoutSeconds?: number };
}

/** The liveness probe of the first container that has an exec probe. */
export function probeIn(text: string, name: string): Stated {
  const documents = parseAllDocuments(text);
  for (const document of documents) {
    const [error] = document.errors;
    if (error) throw new UsageError(`${name}: ${error.message.split('\n')[0] ?? ''}`);
    const container = find(document.toJS());
    if (!container) continue;
    const { exec, timeoutSeconds = 1 } = container.livenessProbe; // the API's default
    const env: Record<string, string> = {};
    for (const { name, value } of container.env ?? []) if (value !== undefined) env[name] = value;
    // As the kubelet does: $(NAME) by the container's own variables, and $$ is $.
    const expand = (word: string): string =>
      word.replaceAll(/\$(?:\$|\(([^)]+)\))/g, (whole, variable?: string) =>
        variable === undefined ? '$' : (env[variable] ?? whole),
      );
    return {
      command: exec.command.map((word) => expand(word)),
      timeout: timeoutSeconds * 1000,
      env,
      cwd: container.workingDir,
    };
  }
  throw new UsageError(`${name}: expected a container with livenessProbe.exec.command; it has none`);
}

function find(node: unknown): Container | undefined {
  if (typeof node !== 'object' || node === null) return undefined;
  const { livenessProbe } = node as { livenessProbe?: { exec?: { command?: unknown } } };
  if (Array.isArray(livenessProbe?.exec?.command)) return node as Container;
  for (const child of Object.values(node)) {
    const found = find(child);
    if (found) return found;
  }
  return undefined;
}
