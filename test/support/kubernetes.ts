import { join } from 'node:path';
import ts from 'typescript';

/** The API's types, parsed once for all the programs that `typeErrors` compiles. */
const sources = new Map<string, ts.SourceFile>();

/** The errors of `tsc --strict` for the object as a literal of that type, for example `Deployment` of `apps/v1`. */
export function typeErrors(object: unknown, type: string, group: string): string[] {
  const literal =
    `import type { ${type.replace('[]', '')} } from 'kubernetes-types/${group}';\n` +
    `export const object: ${type} = ${JSON.stringify(object, null, 2)};\n`;
  // A file in memory only, below this folder, so that node_modules is found.
  const file = join(__dirname, 'rendered.ts');
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const onDisk = { ...host };
  host.fileExists = (name) => name === file || onDisk.fileExists(name);
  host.getSourceFile = (name, language) => {
    if (name === file) return ts.createSourceFile(name, literal, language);
    const source = sources.get(name) ?? onDisk.getSourceFile(name, language);
    if (source) sources.set(name, source);
    return source;
  };
  return ts
    .getPreEmitDiagnostics(ts.createProgram([file], options, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

/** What is wrong with a kubernetes-models object by the API's schema; undefined if nothing is. */
export function schemaError(model: { validate(): void }): string | undefined {
  try {
    model.validate();
    return undefined;
  } catch (error) {
    return String(error);
  }
}
