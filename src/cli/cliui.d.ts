// cliui has no types of its own. What we use of it:
declare module 'cliui' {
  export interface Column {
    readonly text: string;
    readonly width?: number;
    /** Top, right, bottom, left. */
    readonly padding?: readonly [number, number, number, number];
  }
  export interface Ui {
    div(...columns: (Column | string)[]): void;
    toString(): string;
  }
  export default function cliui(options: { readonly width: number; readonly wrap?: boolean }): Ui;
}
