import { JOBS } from './promises/jobs.ts';
import type { SafetyPromise } from './promises/promise.ts';
import { SERVING } from './promises/serving.ts';
import { STATUS } from './promises/status.ts';
import { SUBMISSIONS } from './promises/submissions.ts';

/** The safety promises, each looked at wherever it could be broken. */
export const SAFETY: readonly SafetyPromise[] = [...JOBS, ...SERVING, ...SUBMISSIONS, ...STATUS];
