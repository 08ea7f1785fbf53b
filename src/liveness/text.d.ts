/** esbuild puts the text of the file in. */
declare module '*.txt' {
  const text: string;
  export default text;
}
