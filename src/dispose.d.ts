declare global {
  interface SymbolConstructor {
    /** Declared for a TypeScript version or a `lib` that lacks it. */
    readonly dispose: unique symbol;
  }
}
