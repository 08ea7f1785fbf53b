// A heartbeat file as its writer sees it: kept open, overwritten in place.

import { closeSync, fstatSync, readSync, type Stats } from 'node:fs';
import { assertReplaceable, create, makeReadable, openOurs, placeNew, refuse, remove, replace, write } from './file';
import { isSameFile, lstat } from './held-folder';
import { readLine } from './read-line';
import { parse, RECORD_SIZE } from './record';
import { FIRST_BEAT, NUMBER, type Rule } from './replaceable';

/**
 * A heartbeat file as its writer sees it: kept open, overwritten in place.
 *
 * @internal
 */
export class HeartbeatFile {
  readonly #path: string;
  #fd: number | undefined;
  #opened: Stats | undefined;
  /** Whether we have written here. After that we may replace whatever is at the path. */
  #isOurs = false;
  /** Whether there was no file when we last looked. */
  #wasMissing = false;
  readonly #last = Buffer.alloc(RECORD_SIZE);
  readonly #found = Buffer.alloc(RECORD_SIZE);

  readonly #rule: Rule;

  /** @param rule which file the first write may replace. */
  constructor(path: string, rule: Rule = FIRST_BEAT) {
    this.#path = path;
    this.#rule = rule;
  }

  /**
   * Writes `record` by one write: in place if the file is a regular one of ours, else into a new file that is renamed
   * over the path.
   *
   * @param inspect is called with another writer's line before we overwrite it; it may throw to prevent the write.
   * @throws Refusal from the first write, if the rule does not let us replace the file.
   */
  write(record: Buffer, inspect: (line: string) => void): void {
    // Tries again if another writer created the file just now, or removeTemporaries removed our new file.
    for (let tries = 1; ; tries++) {
      if (!this.#isOurs) assertReplaceable(this.#path, this.#rule);
      this.#inspectForeignLine(inspect);
      try {
        this.#writeRecord(record);
        break;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if ((code !== 'EEXIST' && code !== 'ENOENT') || tries === 5) throw error;
      }
    }
    record.copy(this.#last);
    this.#isOurs = true;
  }

  /**
   * Closes the file, and removes it if it holds a whole record of ours. Any other file stays.
   *
   * @param isOthers says whether a record's line is another writer's; it may throw to prevent the removal.
   * @param companions files to remove first. They also go if we have written here, and the file has no line any more.
   */
  remove(isOthers: (line: string) => boolean, companions: readonly string[]): void {
    const found = readLine(this.#path);
    const isRecord = found.kind === 'line' && parse(found.line).kind === 'record';
    if (isRecord && isOthers(found.line)) {
      this.#giveUp();
      return;
    }
    const failures: unknown[] = [];
    const attempt = (act: () => void): void => {
      try {
        act();
      } catch (error) {
        failures.push(error); // the other files are still removed
      }
    };
    if (isRecord || (this.#isOurs && found.kind !== 'line')) {
      for (const path of companions)
        attempt(() => {
          assertReplaceable(path, NUMBER);
          remove(path);
        });
    }
    this.#giveUp();
    if (isRecord)
      attempt(() => {
        remove(this.#path);
      });
    else if (found.kind === 'unreadable' || found.kind === 'directory')
      attempt(() => {
        refuse(this.#path, found.detail);
      });
    if (failures.length > 0) throw failures[0];
  }

  #giveUp(): void {
    this.#release();
    this.#isOurs = false;
  }

  #inspectForeignLine(inspect: (line: string) => void): void {
    const found = this.#findForeignLine();
    try {
      if (found !== undefined) inspect(found);
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /**
   * Opens the file again if the path now names another one: a write into the old file, which was unlinked or replaced,
   * would succeed, but no reader would see it.
   *
   * @returns the line in the file, unless it is the one we wrote last.
   */
  #findForeignLine(): string | undefined {
    const named = this.#opened && lstat(this.#path);
    if (this.#fd !== undefined && named && isSameFile(named, this.#opened)) {
      // If we read our own last record, the descriptor is still ours.
      const line = this.#readForeignLine(this.#fd);
      if (line === undefined || isStillOpen(this.#fd, this.#opened)) return line;
    }
    this.#release();
    this.#open();
    if (this.#fd !== undefined) return this.#readForeignLine(this.#fd);
    const found = readLine(this.#path);
    this.#wasMissing = found.kind === 'missing';
    return found.kind === 'line' ? found.line : undefined;
  }

  #readForeignLine(fd: number): string | undefined {
    let count = 0;
    try {
      count = readSync(fd, this.#found, 0, RECORD_SIZE, 0);
    } catch {
      // Somebody closed our descriptor.
    }
    if (count === RECORD_SIZE && this.#found.equals(this.#last)) return undefined;
    return this.#found.toString('latin1', 0, count).split('\n', 1)[0];
  }

  #release(): void {
    if (this.#fd !== undefined) {
      abandoned?.unregister(this);
      closeIfStillOpen(this.#fd, this.#opened);
    }
    this.#fd = this.#opened = undefined;
  }

  /** Keeps the file open until `#release()` or garbage collection. */
  #keepOpen(fd: number, opened: Stats): void {
    this.#fd = fd;
    this.#opened = opened;
    abandoned ??= new FinalizationRegistry((close) => {
      close();
    });
    abandoned.register(
      this,
      () => {
        closeIfStillOpen(fd, opened);
      },
      this,
    );
  }

  #open(): void {
    const file = openOurs(this.#path);
    if (file?.stat.size === RECORD_SIZE) {
      makeReadable(file.fd, file.stat);
      this.#keepOpen(file.fd, file.stat);
    } else if (file) {
      closeSync(file.fd);
    }
  }

  #writeRecord(record: Buffer): void {
    if (this.#fd !== undefined) {
      write(this.#fd, record);
    } else if (this.#wasMissing) {
      closeSync(create(this.#path, record, placeNew));
      this.#open(); // by its real name, which /proc and lsof then show
    } else {
      const fd = replace(this.#path, record);
      this.#keepOpen(fd, fstatSync(fd));
    }
  }
}

let abandoned: FinalizationRegistry<() => void> | undefined;

/** Whether the descriptor still names that file. If somebody closed it, its number may now name another file. */
function isStillOpen(fd: number, opened: Stats | undefined): boolean {
  try {
    return isSameFile(fstatSync(fd), opened);
  } catch {
    return false;
  }
}

function closeIfStillOpen(fd: number, opened: Stats | undefined): void {
  if (isStillOpen(fd, opened)) closeSync(fd);
}
