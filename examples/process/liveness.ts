import { probe } from 'k8s-liveness';
import { ForwarderTimestamp } from './timestamp';

// Ignores the error, because a restart does not bring the peer back.
probe(ForwarderTimestamp.byRef(undefined, { ignoreError: true }));
