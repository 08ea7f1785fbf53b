import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  visit,
  type Alias,
  type Document,
  type Pair,
} from 'yaml';

/** A text that we cannot read; `at` counts characters from its start. */
export interface Obstacle {
  readonly at: number;
  readonly message: string;
}

export interface Source {
  readonly documents: readonly Value[];
  readonly obstacle: Obstacle | undefined;
  readonly positionOf: (at: number) => Position;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

const RENDER_FIRST = 'a Helm template; render it first: helm template';

/** Aliases can make a tree of any depth, even one without an end. */
const DEEPEST = 5;

/** Reads all documents of a YAML or JSON text. */
export function read(text: string): Source {
  const lineCounter = new LineCounter();
  // Kubernetes reads YAML 1.1, where `yes` is true, and takes the last of two equal keys.
  const options = { version: '1.1', uniqueKeys: false, prettyErrors: false, lineCounter } as const;
  const documents = [...parseAllDocuments(text, options)];
  const error = documents.flatMap((document) => document.errors)[0];
  const seen = documents.map(lookThrough);
  const isTemplate = seen.some((document) => document.isTemplate);
  const found = error ? templateAt(text, error.pos[0]) : isTemplate ? text.indexOf('{{') : -1;
  const fault = error
    ? { at: error.pos[0], message: error.message.split('\n', 1)[0] ?? '' }
    : seen.flatMap(({ lost }) => lost)[0];
  return {
    documents: documents.map((document) => new Value(document.contents, 0, document)),
    obstacle: found < 0 ? fault : { at: found, message: RENDER_FIRST },
    positionOf: (at) => {
      const { line, col } = lineCounter.linePos(at);
      return { line: Math.max(1, line), column: Math.max(1, col) };
    },
  };
}

/**
 * Where the template begins that YAML cannot read here; -1 if there is none. A `{{` elsewhere may be in a string, as in
 * an alert.
 */
function templateAt(text: string, error: number): number {
  const line = text.lastIndexOf('\n', error - 1) + 1;
  const end = text.indexOf('\n', error);
  const inLine = text.slice(line, end < 0 ? undefined : end).indexOf('{{');
  if (inLine >= 0) return line + inLine;
  const before = text.slice(0, error);
  return before.lastIndexOf('{{') > before.lastIndexOf('}}') ? before.lastIndexOf('{{') : -1;
}

/** What each alias stands for. Not by `Alias.resolve`, which walks through the whole document each time. */
const TARGETS = new WeakMap<Alias, unknown>();

/**
 * Notes the targets of its aliases, those without one, and whether it is a template: to YAML, `{{ .Values.x }}` is a map
 * whose key is a map.
 */
function lookThrough(document: Document.Parsed): { isTemplate: boolean; lost: Obstacle[] } {
  let isTemplate = false;
  const lost: Obstacle[] = [];
  const anchors = new Map<string, unknown>();
  visit(document, {
    Pair: (_, { key }) => {
      isTemplate ||= isMap(key);
    },
    Value: (_, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
    Alias: (_, alias) => {
      const { source: name, range } = alias;
      if (!anchors.has(name))
        lost.push({ at: range?.[0] ?? 0, message: `no anchor &${name} before the alias *${name}` });
      TARGETS.set(alias, anchors.get(name));
    },
  });
  return { isTemplate, lost };
}

/** A part of a document and its position. A missing part has the position of the part that should hold it. */
export class Value {
  readonly node: unknown;

  constructor(
    node: unknown,
    readonly at: number,
    readonly document: Document,
  ) {
    this.node = isAlias(node) ? TARGETS.get(node) : node;
  }

  get isPresent(): boolean {
    return this.node !== undefined && this.node !== null && this.scalar !== null;
  }

  get isMap(): boolean {
    return isMap(this.node);
  }

  get isList(): boolean {
    return isSeq(this.node);
  }

  /** `undefined` for what is missing, for a map and for a list. */
  get scalar(): unknown {
    return isScalar(this.node) ? this.node.value : undefined;
  }

  get text(): string | undefined {
    return typeof this.scalar === 'string' ? this.scalar : undefined;
  }

  get items(): Value[] {
    if (!isSeq(this.node)) return [];
    return this.node.items.map((item) => new Value(item, startOf(item) ?? this.at, this.document));
  }

  get entries(): (readonly [string, Value])[] {
    return this.#entries(0);
  }

  get(key: string): Value {
    const found = this.entries.findLast(([name]) => name === key);
    return found?.[1] ?? new Value(undefined, this.at, this.document);
  }

  /** Equal for equal content. */
  toString(depth = 0): string {
    if (depth > DEEPEST) return '...';
    if (this.isList) return `[${this.items.map((item) => item.toString(depth + 1)).join()}]`;
    if (!this.isMap) return JSON.stringify(this.scalar ?? null);
    const pairs = this.entries.map(([name, value]) => `${JSON.stringify(name)}:${value.toString(depth + 1)}`);
    return `{${pairs.sort().join()}}`;
  }

  /** The comments above it; for a document's content also those above the document. */
  get comments(): string {
    const { commentBefore } = (this.node ?? {}) as { commentBefore?: string | null };
    const above = this.node === this.document.contents ? this.document.commentBefore : undefined;
    return `${above ?? ''}\n${commentBefore ?? ''}`;
  }

  #entries(depth: number): (readonly [string, Value])[] {
    if (!isMap(this.node) || depth > DEEPEST) return [];
    return this.node.items.flatMap((pair: Pair) => {
      const name = nameOf(pair.key);
      const value = new Value(pair.value, startOf(pair.key) ?? this.at, this.document);
      if (name !== '<<') return [[name, value] as const];
      return (value.isList ? value.items : [value]).flatMap((merged) => merged.#entries(depth + 1));
    });
  }
}

function startOf(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | null)?.range?.[0];
}

/** The key as it is written: to YAML 1.1 `on` is true. */
function nameOf(key: unknown): string {
  return isScalar(key) ? (key.source ?? String(key.value)) : '';
}
