import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { QueueMeter } from '../../controller/queue.ts';

/** The value of the label by which controller-runtime's dashboards tell controllers and queues apart. */
export const NAME = 'vllmdeployment';
const TURN_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60];

/** Turns and those who wait for one, under the names of controller-runtime. @returns makes one a queue; they are told as a whole */
export function queueMeters(registers: Registry[]): (cluster: string) => QueueMeter {
  const labelNames = ['name'];
  const name = { name: NAME };
  const controller = { controller: NAME };
  const depth = new Gauge({ name: 'workqueue_depth', help: 'Deployments waiting for a turn.', labelNames, registers });
  const adds = new Counter({ name: 'workqueue_adds_total', help: 'Put in line.', labelNames, registers });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Put in line again after a turn that failed.',
    labelNames,
    registers,
  });
  const waited = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'From being put in line to the turn.',
    labelNames,
    buckets: TURN_SECONDS,
    registers,
  });
  const worked = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'Of a turn.',
    labelNames,
    buckets: TURN_SECONDS,
    registers,
  });
  const turns = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Turns by result.',
    labelNames: ['controller', 'result'],
    registers,
  });
  const errors = new Counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Turns that failed.',
    labelNames: ['controller'],
    registers,
  });
  const took = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'Of a turn.',
    labelNames: ['controller'],
    buckets: TURN_SECONDS,
    registers,
  });
  const allowed = new Gauge({
    name: 'vllm_slurm_calls_per_second_allowed',
    help: 'Calls of SLURM over time; below `limits.slurmCallsPerSecond` while it answers slowly.',
    labelNames: ['cluster'],
    registers,
  });
  const held = new Gauge({
    name: 'vllm_slurm_calls_waiting',
    help: 'Submissions and cancels that wait for a place or their turn.',
    labelNames: ['cluster'],
    registers,
  });
  // A counter that has never counted is there all the same: alerts on its growth need the zero.
  depth.set(name, 0);
  for (const counter of [adds, retries]) counter.inc(name, 0);
  errors.inc(controller, 0);
  for (const result of ['success', 'requeue_after', 'error']) turns.inc({ ...controller, result }, 0);
  return (cluster) => {
    let known = 0;
    const waits = (waiting: number): void => {
      depth.inc(name, waiting - known);
      known = waiting;
    };
    return {
      added(waiting) {
        waits(waiting);
        adds.inc(name);
      },
      taken(waiting, waitedMs) {
        waits(waiting);
        waited.observe(name, waitedMs / 1000);
      },
      paced(perSecond, waiting) {
        allowed.set({ cluster }, perSecond);
        held.set({ cluster }, waiting);
      },
      turned(result, tookMs) {
        worked.observe(name, tookMs / 1000);
        took.observe(controller, tookMs / 1000);
        turns.inc({ ...controller, result });
        if (result !== 'error') return;
        errors.inc(controller);
        retries.inc(name);
      },
    };
  };
}
