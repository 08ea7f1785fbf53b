// A health check that is a module: it exports `health`, and load() is given its path.

import { readConfig } from '../config';

/** Throws what is wrong with the file, which says more than false. */
export function health(file: string): void {
  readConfig(file);
}
