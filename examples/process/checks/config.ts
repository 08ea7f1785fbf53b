// A health check as a module: it exports `health`, and load() gets its path.

import { readConfig } from '../config';

/** Throws an error that says what is wrong with the file, instead of returning false. */
export function health(file: string): void {
  readConfig(file);
}
