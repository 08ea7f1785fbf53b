// node child.mjs NAME: runs a recipe in a process of its own, and does to its consumer what the harness asks.

const { default: framework } = await import(`./frameworks/${process.argv[2]}.mjs`);
process.on('disconnect', () => process.exit());
const recipe = await import(`../dist/${process.argv[2]}.js`);
process.on('message', async ({ act }) => {
  process.channel.ref(); // it stays up, whatever is done to its consumer
  process.send({ acted: act });
  await framework.acts[act](recipe);
});
process.channel.unref(); // at SIGTERM it ends by itself
