import { createClient } from 'redis';

/** XREADGROUP waits this long for a job, so that an idle worker beats too. */
const BLOCK_MS = 1000;

/**
 * The longest wait for an answer. Longer than BLOCK_MS, the time for which XREADGROUP is silent. The client's own command
 * timeout is not enough: it ends when the command is sent, and a frozen Redis takes commands but never answers.
 */
const PATIENCE_MS = 2000;

const GROUP = 'workers';

/** A job that this consumer has in hand. */
export interface Delivery {
  readonly id: string;
  readonly job: Record<string, string>;
  /** 1, or more if another consumer had the job before, or this one before a restart. */
  readonly attempt: number;
}

export interface QueueOptions {
  readonly url: string;
  /** The stream's key; results go to the stream `<name>:results`. */
  readonly name: string;
  readonly consumer: string;
  /**
   * How long another consumer may have a job before it is taken over. Counted from our connection at the earliest, because
   * while Redis is away the time runs on, and a consumer that is done cannot record its result.
   */
  readonly takeOverMs: number;
}

/**
 * Records a result if this consumer still has the job by this delivery. If not, another consumer has taken it over, or it is
 * recorded already and the reply was lost. If Redis is killed, either everything is recorded or nothing.
 */
const RECORD = `
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)[1]
  if not pending or pending[2] ~= ARGV[2] or pending[4] ~= tonumber(ARGV[4]) then return 0 end
  redis.call('XADD', KEYS[2], '*', 'id', ARGV[3], 'attempt', ARGV[4], 'consumer', ARGV[2], 'value', ARGV[5])
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XDEL', KEYS[1], ARGV[3])
  return 1`;

/** Jobs from a Redis stream for one consumer of a group. Each call settles in bounded time. */
export class Queue {
  readonly #options: QueueOptions;
  readonly #results: string;
  #client: Client | undefined;
  #connectedAt = 0;
  /** True after each new connection until no more job of our own is found. */
  #mayHoldSome = false;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#results = `${options.name}:results`;
  }

  /** Does Redis answer? Rejects with the reason if it cannot be reached at all. */
  async health(): Promise<boolean> {
    return (await (await this.#connected()).ping()) === 'PONG';
  }

  /**
   * One job, the oldest claims first; undefined if none comes for a while. Never more than one, because a second job would wait
   * here until another consumer takes it over.
   */
  async next(): Promise<Delivery | undefined> {
    const { consumer, takeOverMs } = this.#options;
    await this.#connected();
    // A job of an earlier process with our name, or one that was in a lost reply.
    const own = this.#mayHoldSome ? await this.#claim({ consumer }, 0) : undefined;
    this.#mayHoldSome = own !== undefined;
    const hadTime = performance.now() - this.#connectedAt >= takeOverMs;
    return own ?? (hadTime ? await this.#claim({ IDLE: takeOverMs }, takeOverMs) : undefined) ?? (await this.#read());
  }

  /** Whether the result counts; false if we no longer have the job. It can be called again after an error. */
  async record({ id, attempt }: Delivery, value: string): Promise<boolean> {
    const { name, consumer } = this.#options;
    const client = await this.#connected();
    const recorded = await client.eval(RECORD, {
      keys: [name, this.#results],
      arguments: [GROUP, consumer, id, String(attempt), value],
    });
    return recorded === 1;
  }

  disconnect(): void {
    this.#client?.destroy();
    this.#client = undefined;
  }

  /**
   * Uses XCLAIM, which counts the delivery in the append-only file. XREADGROUP for old messages counts in memory only, so after
   * a kill of Redis two deliveries would have the same number.
   */
  async #claim(whose: { consumer: string } | { IDLE: number }, idleMs: number): Promise<Delivery | undefined> {
    const { name, consumer } = this.#options;
    const client = await this.#connected();
    const [pending] = await client.xPendingRange(name, GROUP, '-', '+', 1, whose);
    if (!pending) return undefined;
    // Empty if another consumer was faster, because its claim restarts the idle time, or if the job was deleted.
    const [message] = await client.xClaim(name, GROUP, consumer, idleMs, pending.id);
    return message ? { id: message.id, job: message.message, attempt: pending.deliveriesCounter + 1 } : undefined;
  }

  async #read(): Promise<Delivery | undefined> {
    const { name, consumer } = this.#options;
    const client = await this.#connected();
    const streams = await client.xReadGroup(GROUP, consumer, { key: name, id: '>' }, { COUNT: 1, BLOCK: BLOCK_MS });
    const [message] = (streams?.[0]?.messages ?? []) as { id: string; message: Record<string, string> }[];
    return message && { id: message.id, job: message.message, attempt: 1 };
  }

  /** A client that is ready; a new one if necessary. */
  async #connected(): Promise<Client> {
    if (this.#client?.isReady) return this.#client;
    this.disconnect();
    const client = clientOf(this.#options.url);
    this.#client = client;
    this.#mayHoldSome = true;
    await client.connect();
    this.#connectedAt = performance.now();
    await client.xGroupCreate(this.#options.name, GROUP, '0', { MKSTREAM: true }).catch((error: unknown) => {
      if (!String(error).includes('BUSYGROUP')) throw error; // BUSYGROUP: the group exists already
    });
    return client;
  }
}

export type Client = ReturnType<typeof clientOf>;

/**
 * A client whose waits all end. It does not reconnect by itself, because then `connect()` would wait as long as Redis is away,
 * and the loop would not turn. The loop tries again itself.
 */
export function clientOf(url: string) {
  const socket = { connectTimeout: PATIENCE_MS, socketTimeout: PATIENCE_MS, reconnectStrategy: false } as const;
  const client = createClient({ url, socket });
  // Ignored, because a call that waits for a reply rejects, and the next call makes a new connection.
  client.on('error', () => undefined);
  return client;
}
