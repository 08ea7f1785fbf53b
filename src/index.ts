export { LivenessError, type ErrorCode } from './errors';
export { TIMESTAMP_PATH } from './file';
export { type Health, type HealthCheck } from './health';
export { probe } from './probe';
export { systemClock, type Clock } from './proc';
export { ProcessTimestamp } from './process-timestamp';
export { type TimestampOptions } from './options';
export { Timestamp } from './timestamp';
export { describe, type DeathReason, type Verdict } from './verdict';
