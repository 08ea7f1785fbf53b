import { readFileSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import { printable } from '../verdict';
import { givenLimit, oneOf, pathsOf, UsageError, value, type Command } from './command';
import type { Context } from './context';
import type { Result } from './lint/findings';
import type { Settings } from './lint/rule';

const UNREADABLE = 2;
const STDIN = 'stdin';
const FORMATS = ['text', 'json', 'github', 'sarif'] as const;

export const lint: Command = {
  command: 'lint',
  usage: '[FILE...|-]',
  describe: 'Find what is wrong with the probes of rendered manifests',
  failure: UNREADABLE,
  builder: (yargs) =>
    yargs
      .options({
        format: value('text, json (docs/lint.md describes it), github (annotations) or sarif. Default: text'),
        'max-restart': value(
          'An error if a wedged container may be gone later than this after its last beat: 500ms, 90s, 5m, PT5M',
        ),
      })
      .example('$0 lint deploy/*.yaml', 'What is wrong, where, and what to write instead')
      .example('helm template . | $0 lint -', 'A chart; kubectl kustomize . does it for a kustomization')
      .example('$0 lint --format sarif pod.yaml > lint.sarif', 'For code scanning')
      .epilogue(
        `Reads YAML and JSON: Pods, every kind with a pod template, Lists; init containers and sidecars too. Without a FILE, or for -, standard input.
To accept a finding, write above its line: # k8s-liveness-lint-disable-next-line RULE -- why
docs/lint.md explains each rule, with a bad and a good example.
Exit codes: 0 nothing or warnings only, 1 errors, 2 a file could not be read, or bad usage.`,
      ),
  handler: async (args, context) => {
    const format = oneOf(args, 'format', FORMATS) ?? 'text';
    const longest = givenLimit(args, 'max-restart');
    const settings = { maxRestart: longest === undefined ? undefined : longest / 1000 };
    const files = pathsOf(args);
    if (files.length === 0 && process.stdin.isTTY) throw new UsageError('expected FILE..., or - for standard input');
    const results = [];
    for (const file of files.length > 0 ? files : ['-']) results.push(await lintFile(file, settings, context));
    const findings = results.flatMap((result) => result?.findings ?? []);
    // Beside a workload a Service is no mistake.
    const hasPod = results.some((result) => result !== undefined && result.containers > 0);
    for (const { name, containers, hasObject } of results.flatMap((result) => result ?? []))
      if (containers === 0 && !(hasPod && hasObject))
        complain(context, `${name}: no container in it; expected rendered manifests, not values or a patch`);
    const { FORMATS: print } = await import('./lint/formats.js');
    context.stdout.write(print[format](findings));
    if (results.includes(undefined)) return UNREADABLE;
    return findings.some(({ severity }) => severity === 'error') ? 1 : 0;
  },
};

/** Returns undefined, after a line that says why, if the file cannot be read. */
async function lintFile(
  path: string,
  settings: Settings,
  context: Context,
): Promise<(Result & { readonly name: string }) | undefined> {
  const name = path === '-' ? STDIN : path;
  let text: string;
  try {
    text = path === '-' ? await readAll(process.stdin) : readFileSync(path, 'utf8');
  } catch (error) {
    complain(context, `${name}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
    return undefined;
  }
  const { lintText } = await import('./lint/findings.js'); // loads the YAML library
  const result = lintText(name, text, settings);
  const { obstacle } = result;
  if (obstacle) {
    complain(context, `${name}:${obstacle.line}:${obstacle.column}: ${obstacle.message}`);
    return undefined;
  }
  if (path === '-' && text.trim() === '') {
    complain(context, `${name}: empty; expected manifests, for example of helm template, which may have failed`);
    return undefined;
  }
  return { ...result, name };
}

function complain({ stderr }: Context, message: string): void {
  stderr.write(`${printable(message)}\n`);
}
