// The example has the code, because an example must not need the tests.
export { PATIENCE, until } from '../../examples/redis-probe/until';
