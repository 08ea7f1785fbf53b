import { accessSync } from 'node:fs';

export interface Finding {
  /** `error`: the probe, or the service beside it, will fail. `warning`: it may. */
  readonly level: 'ok' | 'warning' | 'error';
  /** What was looked at, in one word. */
  readonly about: string;
  readonly found: string;
  /** What to do; undefined if all is well. */
  readonly advice?: string;
}

export const ok = (about: string, found: string): Finding => ({ level: 'ok', about, found });
export const warning = (about: string, found: string, advice: string): Finding => ({
  level: 'warning',
  about,
  found,
  advice,
});
export const error = (about: string, found: string, advice: string): Finding => ({
  level: 'error',
  about,
  found,
  advice,
});

/** What a file holds; undefined if it cannot be read. */
export type Read = (path: string) => string | undefined;

/** @param mode such as `constants.X_OK`. */
export function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

export interface Mount {
  /** The folder of the file system that is mounted. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** /proc/self/mountinfo: proc(5). Later mounts cover earlier ones. */
export function mounts(read: Read): Mount[] {
  const lines = (read('/proc/self/mountinfo') ?? '').split('\n');
  return lines.flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, point, options = ''] = before.split(' ').map(unescape);
    const [type = '', , superOptions = ''] = after.split(' ');
    if (root === undefined || point === undefined) return [];
    return [{ root, point, type, options: [...options.split(','), ...superOptions.split(',')] }];
  });
}

/** A space in a path is `\040`. */
function unescape(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
