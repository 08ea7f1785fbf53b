import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

/**
 * Makes one declaration file, and in node_modules/.cache the API report that `npm run check` compares with the one in
 * etc.
 */
export function declare() {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'src'], { stdio: 'inherit' });
  const messageCallback = (message) => (message.handled = message.logLevel !== 'error');
  const extractor = ExtractorConfig.loadFileAndPrepare('src/api-extractor.json');
  if (Extractor.invoke(extractor, { messageCallback }).errorCount > 0) process.exitCode = 1;
  appendFileSync('dist/index.d.ts', readFileSync('src/dispose.d.ts')); // the extractor drops global declarations
  rmSync('dist/types', { recursive: true });
}
