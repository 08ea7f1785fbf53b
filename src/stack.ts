// Finds the line of code at which a loop hangs: asks Node's inspector in the process behind a heartbeat, and does not
// pause the process. It becomes dist/stack.cjs, which only `k8s-liveness stack` and `liveness.js --last-words` load.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { get } from 'node:http';
import { SourceMap } from 'node:module';
import { basename, dirname, isAbsolute, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import type { Examined } from './judge';
import { presence, systemClock } from './proc';
import type { HeartbeatRecord } from './record';
import { printable, type Verdict } from './verdict';

/** Where a thread is in its code, counted from 1. The innermost frame comes first. */
export interface Frame {
  readonly name: string;
  /** A path, or a URL such as `node:internal/timers`; empty for code of `eval`. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Larger maps are left out: a probe has to fit into the memory that its container has left. */
const LARGEST_MAP = 1024 * 1024;

/** The latest time for a probe's signal, so that it can still close the inspector: milliseconds since its start. */
const SIGNAL = 1500;

/** How long we wait for the inspector to open, and then for its answer: milliseconds. */
const [OPEN, ANSWER] = [800, 1000];

/** Characters of the line without ` ()`, and those that last words leave for the path. */
const [LONGEST_LINE, PATH_ROOM] = [177, 30];

/**
 * Adds the innermost frames that are not Node's own to the verdict on a loop that does not turn.
 *
 * @throws Error if we cannot get the frames.
 */
export async function withLastWords({ verdict, record }: Examined): Promise<Verdict> {
  if (verdict.alive) return verdict;
  const frames = await framesOf(record, SIGNAL);
  const words = (frames ?? [])
    .filter(({ file }) => !file.startsWith('node:'))
    .map(({ name, file, line }) => printable(`${name} (${basename(file)}:${line})`));
  const path = Math.min(printable(verdict.path).length, PATH_ROOM);
  const room = LONGEST_LINE - `dead: ${verdict.reason}: ${verdict.detail}, at `.length - path;
  let text = words.shift() ?? '';
  if (text === '' || text.length > room) return verdict;
  for (const word of words)
    if (text.length + word.length + 3 <= room) text += ` < ${word}`;
    else break;
  return { ...verdict, detail: `${verdict.detail}, at ${text}` };
}

/**
 * The frames of the thread that beat. An empty list if it runs one promise after another, and we asked between two.
 * Undefined if it waits in its event loop or for a child process.
 *
 * @param latest the latest time for a signal: milliseconds since our start.
 * @throws Error that says why we cannot get the frames.
 */
export async function framesOf(record: HeartbeatRecord | undefined, latest = Infinity): Promise<Frame[] | undefined> {
  const { pid, thread } = target(record);
  if (!(await isRunning(pid, thread))) return undefined;
  target(record); // again, because a while has passed
  if (performance.now() > latest) throw new Error('this machine is too busy');
  const others = listeners(pid).map(({ inode }) => inode);
  process.kill(pid, 'SIGUSR1');
  const opened = await newListener(pid, others);
  const asked = opened ? [opened] : listeners(pid).filter(isHeldBy(pid));
  const url = await Promise.any(asked.map(inspectorAt)).catch(() => {
    throw new Error(
      `process ${pid} opens no inspector: it handles SIGUSR1 itself, its port is taken, or native code holds it`,
    );
  });
  const frames = await ask(url, thread === pid ? undefined : `${pid}/task/${thread}`, opened !== undefined);
  return frames.map(original);
}

/** The process and thread behind a record. Throws if a SIGUSR1 could do more there than open the inspector. */
function target(record: HeartbeatRecord | undefined): { pid: number; thread: number } {
  const { pid, start, boot } = record ?? {};
  if (!record || pid === undefined || start === undefined || boot === undefined || boot !== systemClock.bootId()) {
    throw new Error('the heartbeat names no process of this machine');
  }
  const found = presence(pid, start);
  if (found.state !== 'present') throw new Error(found.state === 'gone' ? found.detail : `process ${pid} is hidden`);
  const refuse = (why: string): never => {
    throw new Error(`process ${pid} ${why}`);
  };
  const status = read(pid, 'status');
  const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
  const users = new Set([...field('Uid').split(/\s+/).map(Number), process.getuid?.(), process.geteuid?.()]);
  if (users.size > 1) refuse('is of another user');
  if (!/^node(?:js)?[-.\d]*$/.test(basename(link(pid, 'exe')))) refuse('is not Node');
  // By default the signal ends a process.
  if ((BigInt(`0x${field('SigCgt')}`) & 0x200n) === 0n) refuse('does not catch SIGUSR1');
  if (link(pid, 'ns/net') !== link('self', 'ns/net')) refuse('has another loopback');
  const nodeOptions = /(?:^|\0)NODE_OPTIONS=([^\0]*)/.exec(read(pid, 'environ'))?.[1] ?? '';
  const options = `${read(pid, 'cmdline').replaceAll('\0', ' ')} ${nodeOptions} `;
  if (OPENS_TO_OTHERS.test(options)) refuse('would open its inspector beyond the loopback');
  const thread = parseInt(record.writer, 16) || pid; // 0 is unknown
  return { pid, thread };
}

/** An option such as --inspect-port=0.0.0.0:9229. */
const OPENS_TO_OTHERS =
  /--(?:(?:inspect|debug)[-_]port[= ]|inspect(?:[-_](?:brk|wait))?=)(?!(?:\d+|(?:127\.[\d.]+|localhost|\[::1\])(?::\d+)?) )/;

/**
 * Whether the thread runs in most of ten samples. A thread that waits would open the inspector only after its wait, when
 * nobody is left to close it.
 */
async function isRunning(pid: number, thread: number): Promise<boolean> {
  let runs = 0;
  let waits = '';
  for (let sample = 0; sample < 10; sample++) {
    const stat = read(pid, `task/${thread}/stat`);
    const state = stat[stat.lastIndexOf(')') + 2] ?? 'none';
    if (!'RSD'.includes(state)) throw new Error(`process ${pid} is not running: state ${state}`);
    const where = state === 'R' ? '' : read(pid, `task/${thread}/wchan`);
    if (where.includes('poll')) return false;
    // In a futex it collects garbage or is in Atomics.wait. V8 can interrupt both.
    if (state === 'R' || where.startsWith('futex')) runs++;
    else if (where !== '0') waits = where;
    await sleep(5);
  }
  if (runs > 5) return true;
  if (waits === '') return false;
  throw new Error(`process ${pid} waits in the kernel: ${waits}`);
}

interface Listener {
  readonly host: string;
  readonly port: number;
  readonly inode: string;
}

/** Who listens in the network namespace of the process. */
function listeners(pid: number): Listener[] {
  return Object.entries({ tcp: '127.0.0.1', tcp6: '[::1]' }).flatMap(([table, host]) =>
    read(pid, `net/${table}`)
      .split('\n')
      .map((row) => row.trim().split(/\s+/))
      .filter(([, , , state]) => state === '0A')
      .map((row) => ({ host, port: parseInt(row[1]?.split(':')[1] ?? '', 16), inode: row[9] ?? '' })),
  );
}

/** Another Node may hold 9229, and a cluster's workers count up from there: only the process itself tells its port. */
function isHeldBy(pid: number): (listener: Listener) => boolean {
  const held = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => link(pid, `fd/${fd}`)));
  return ({ inode }) => held.has(`socket:[${inode}]`);
}

/** What the process listens on since our signal; undefined if nothing is new: its inspector may have been open. */
async function newListener(pid: number, others: readonly string[]): Promise<Listener | undefined> {
  const end = performance.now() + OPEN;
  while (performance.now() < end) {
    await sleep(20);
    const fresh = listeners(pid).filter(({ inode }) => !others.includes(inode));
    const own = fresh.length > 0 ? fresh.find(isHeldBy(pid)) : undefined;
    if (own) return own;
  }
  return undefined;
}

/** The URL of the inspector that listens there. It has a thread of its own, so it answers at once. */
function inspectorAt({ host, port }: Listener): Promise<string> {
  return new Promise((settle, reject) => {
    get(`http://${host}:${port}/json/list`, { signal: AbortSignal.timeout(300) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('error', reject).on('end', () => {
        const [, id] = /"id": "([-0-9a-f]{36})"/.exec(text) ?? [];
        if (id === undefined) reject(new Error('not an inspector'));
        else settle(`ws://${host}:${port}/${id}`);
      });
    }).on('error', reject);
  });
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId: string; readonly message: string };
  readonly result?: {
    readonly exceptionDetails?: {
      readonly exception: { readonly value: unknown };
      readonly stackTrace?: { readonly callFrames: readonly CallFrame[] };
    };
  };
}

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

/**
 * Closes the inspector now, and again two turns of the loop later. Node also puts the signal into the event loop, which
 * opens the inspector a second time when the loop turns again.
 */
const CLOSE = '{ const end = () => process._debugEnd(); end(); setImmediate(() => setImmediate(end)); }';

/**
 * Gets the frames below an expression that throws. V8 interrupts even a busy loop to evaluate it. So we pause nothing,
 * and nothing stays paused if we are killed.
 *
 * @param thread the target of /proc/thread-self for a worker thread; undefined for the main thread.
 */
function ask(url: string, thread: string | undefined, closing: boolean): Promise<CallFrame[]> {
  return new Promise((settle, reject) => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    const send = (id: number, method: string, params = {}): void => {
      socket.send(JSON.stringify({ id, method, params }));
    };
    // The inspector does what it has received even if we are gone. It ends the connection when it closes.
    const close = (): void => {
      if (closing) send(9, 'Runtime.evaluate', { expression: CLOSE });
      else socket.terminate();
    };
    setTimeout(() => {
      if (socket.readyState === WebSocket.OPEN) close();
      socket.close();
      setTimeout(() => {
        socket.terminate();
      }, ANSWER).unref(); // ws would wait for half a minute
    }, ANSWER).unref();
    let frames: CallFrame[] | undefined;
    const take = ({ id, result }: Message): void => {
      const { exception, stackTrace } = result?.exceptionDetails ?? {};
      if (id !== 2 || (thread !== undefined && exception?.value !== thread)) return;
      frames = stackTrace?.callFrames.slice(1); // without the expression
      if (thread !== undefined || !closing) close();
    };
    socket.on('open', () => {
      if (thread !== undefined) {
        send(1, 'NodeWorker.enable', { waitForDebuggerOnStart: false });
      } else {
        for (const { id, method, params } of throwing('0')) send(id, method, params);
        if (closing) close(); // now, so that the inspector closes even if we are killed
      }
    });
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Message;
      const { sessionId = '', message: inner = '' } = message.params ?? {};
      if (message.method === 'NodeWorker.attachedToWorker') {
        for (const question of throwing(`process.getBuiltinModule('fs').readlinkSync('/proc/thread-self')`)) {
          send(3, 'NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify(question) });
        }
      } else take(message.method === 'NodeWorker.receivedMessageFromWorker' ? (JSON.parse(inner) as Message) : message);
    });
    socket.on('error', reject).on('close', () => {
      if (frames) settle(frames);
      else reject(new Error('the inspector gave no frames'));
    });
  });
}

/** The messages that throw an exception. Without `Runtime.enable` it would have no frames. */
function throwing(value: string): { id: number; method: string; params: object }[] {
  return [
    { id: 1, method: 'Runtime.enable', params: {} },
    { id: 2, method: 'Runtime.evaluate', params: { expression: `throw ${value}`, silent: true } },
  ];
}

/** The frame in the source, if a map lies beside the file. */
function original({ functionName, url, lineNumber, columnNumber }: CallFrame): Frame {
  const name = functionName === '' ? '(anonymous)' : functionName;
  let file = url;
  try {
    file = fileURLToPath(url);
    const path = `${file}.map`;
    if (statSync(path).size <= LARGEST_MAP) {
      const map = new SourceMap(JSON.parse(readFileSync(path, 'utf8')) as never);
      const entry = map.findEntry(lineNumber, columnNumber);
      if ('originalSource' in entry) {
        const source = entry.originalSource;
        const isPath = isAbsolute(source) || !/^[a-z]+:/.test(source);
        file = isPath ? resolve(dirname(file), source) : source;
        return { name, file, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
      }
    }
  } catch {
    // Without a file or a good map we only know the position in the code that runs.
  }
  return { name, file, line: lineNumber + 1, column: columnNumber + 1 };
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

/** Where a link in /proc leads; empty if we may not ask. */
function link(pid: number | 'self', name: string): string {
  try {
    return readlinkSync(`/proc/${pid}/${name}`);
  } catch {
    return '';
  }
}
