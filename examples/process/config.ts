import { readFileSync } from 'node:fs';

export interface Config {
  /** The directory whose files are forwarded. */
  readonly outbox: string;
  /** The host on which the peer listens. */
  readonly host: string;
  readonly port: number;
  /** Space that must be free below the outbox. */
  readonly minimumFreeMiB: number;
}

/** Throws if the file cannot be read or parsed, or if a setting is missing. The message names the file or the setting. */
export function readConfig(file: string): Config {
  const parsed = JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<keyof Config, unknown>>;
  const { outbox, host = '127.0.0.1', port, minimumFreeMiB = 1 } = parsed;
  if (typeof outbox !== 'string')
    throw new Error(`${file}: expected outbox to be a directory; got ${JSON.stringify(outbox)}`);
  if (typeof host !== 'string') throw new Error(`${file}: expected host to be a name; got ${JSON.stringify(host)}`);
  if (typeof port !== 'number') throw new Error(`${file}: expected port to be a number; got ${JSON.stringify(port)}`);
  if (typeof minimumFreeMiB !== 'number') {
    throw new Error(`${file}: expected minimumFreeMiB to be a number; got ${JSON.stringify(minimumFreeMiB)}`);
  }
  return { outbox, host, port, minimumFreeMiB };
}
