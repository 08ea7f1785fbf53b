
declare global {
  interface SymbolConstructor {
    /** For a TypeScript or a `lib` that does not know it yet. */
    readonly dispose: unique symbol;
  }
}
