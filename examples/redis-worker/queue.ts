import { createClient } from 'redis';

/** XREADGROUP waits this long for a job, so that an idle worker beats too. */
const BLOCK_MS = 1000;

/**
 * No answer is waited for any longer; more than BLOCK_MS, for which XREADGROUP is silent. The client's command timeout would
 * not do: it ends once the command is sent, and a frozen Redis takes commands without ever answering.
 */
const PATIENCE_MS = 2000;

const GROUP = 'workers';

/** A job in this consumer's hands. */
export interface Delivery {
  readonly id: string;
  readonly job: Record<string, string>;
  /** 1, or more for a job that was in other hands before, or in ours before a restart. */
  readonly attempt: number;
}

export interface QueueOptions {
  readonly url: string;
  /** The stream's key; results go to the stream `<name>:results`. */
  readonly name: string;
  readonly consumer: string;
  /**
   * How long a job may be in another consumer's hands before it is taken over; counted from our connecting at the earliest,
   * since that time goes on while Redis is away and its holder, who may be done, cannot say so.
   */
  readonly takeOverMs: number;
}

/**
 * Records a result if the job is still in these hands by this very delivery. If not, another has taken it over, or it is
 * recorded already and the reply was lost. All of it happens or nothing does, whenever Redis is killed.
 */
const RECORD = `
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)[1]
  if not pending or pending[2] ~= ARGV[2] or pending[4] ~= tonumber(ARGV[4]) then return 0 end
  redis.call('XADD', KEYS[2], '*', 'id', ARGV[3], 'attempt', ARGV[4], 'consumer', ARGV[2], 'value', ARGV[5])
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XDEL', KEYS[1], ARGV[3])
  return 1`;

/** Jobs from a Redis stream, for one of a group of consumers; each call settles in bounded time. */
export class Queue {
  readonly #options: QueueOptions;
  readonly #results: string;
  #client: Client | undefined;
  #connectedAt = 0;
  /** From each connecting until nothing more is found. */
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
   * One job, the oldest claims first; undefined when there is none for a while. Never more than one: a second one would
   * wait in our hands, and be taken over from them.
   */
  async next(): Promise<Delivery | undefined> {
    const { consumer, takeOverMs } = this.#options;
    await this.#connected();
    // A predecessor's of our name, or sent to us in a reply that was lost.
    const own = this.#mayHoldSome ? await this.#claim({ consumer }, 0) : undefined;
    this.#mayHoldSome = own !== undefined;
    const hadTime = performance.now() - this.#connectedAt >= takeOverMs;
    return own ?? (hadTime ? await this.#claim({ IDLE: takeOverMs }, takeOverMs) : undefined) ?? (await this.#read());
  }

  /** Whether the result counts; false if the job is not in our hands any more. May be asked again after an error. */
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
   * By XCLAIM, which counts its delivery in the append-only file. XREADGROUP, asked for old messages, counts in memory
   * alone: after Redis has been killed two deliveries would bear one number.
   */
  async #claim(whose: { consumer: string } | { IDLE: number }, idleMs: number): Promise<Delivery | undefined> {
    const { name, consumer } = this.#options;
    const client = await this.#connected();
    const [pending] = await client.xPendingRange(name, GROUP, '-', '+', 1, whose);
    if (!pending) return undefined;
    // Nothing comes when another consumer was quicker, whose claim begins a new idle time, or when the job was deleted.
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

  /** A client that is ready, a new one if need be. */
  async #connected(): Promise<Client> {
    if (this.#client?.isReady) return this.#client;
    this.disconnect();
    const client = clientOf(this.#options.url);
    this.#client = client;
    this.#mayHoldSome = true;
    await client.connect();
    this.#connectedAt = performance.now();
    await client.xGroupCreate(this.#options.name, GROUP, '0', { MKSTREAM: true }).catch((error: unknown) => {
      if (!String(error).includes('BUSYGROUP')) throw error; // there already
    });
    return client;
  }
}

export type Client = ReturnType<typeof clientOf>;

/**
 * A client whose every wait ends. It never reconnects: one that does keeps `connect()` waiting for as long as Redis is
 * away, and the loop, which tries again by itself, would not turn.
 */
export function clientOf(url: string) {
  const socket = { connectTimeout: PATIENCE_MS, socketTimeout: PATIENCE_MS, reconnectStrategy: false } as const;
  const client = createClient({ url, socket });
  // Whoever waits for a reply is told; a connection that ends while nobody waits is replaced at the next call.
  client.on('error', () => undefined);
  return client;
}
