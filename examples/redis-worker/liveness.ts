import { probe } from 'k8s-liveness';
import { WorkerTimestamp } from './timestamp';

// Ignores the error, because a restart does not bring Redis back.
probe(WorkerTimestamp.byRef(undefined, { ignoreError: true }));
