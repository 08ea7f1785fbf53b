/** esbuild replaces the import by the text of the file. */
declare module '*.txt' {
  const text: string;
  export default text;
}
