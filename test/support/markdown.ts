/** A fenced block of a page. */
export interface Block {
  readonly language: string;
  readonly code: string;
  /** The HTML comment above it. */
  readonly note: string;
}

export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/(?:<!-- (.*?) -->\n)?```(\w+)\n([^]*?)```/g)].map(
    ([, note = '', language = '', code = '']) => ({
      language,
      code,
      note,
    }),
  );
}
