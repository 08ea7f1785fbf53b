export { LivenessError, type ErrorCode } from './errors';
export { TIMESTAMP_PATH } from './file';
export { probe } from './probe';
export { systemClock, type Clock } from './proc';
export { Timestamp, type TimestampOptions } from './timestamp';
export { describe, type DeathReason, type Verdict } from './verdict';
