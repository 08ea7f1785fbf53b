import { probe } from 'k8s-liveness';
import { ForwarderTimestamp } from './timestamp';

probe(ForwarderTimestamp.byRef());
