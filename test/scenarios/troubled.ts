import type { SpecInput } from '../../src/api/spec.ts';
import { type Behaviour, serves, thenExits, thenHangs } from '../../src/slurm/simulated/behaviour.ts';
import type { Random } from '../../src/slurm/simulated/random.ts';
import { deployment } from '../gen/deployment.ts';
import { between, pick } from './chance.ts';

/** A deployment whose patience fits a run of minutes. */
export function aSpec(random: Random): SpecInput {
  return deployment({
    replicas: between(random, 1, 4),
    probes: {
      startup: { timeoutSeconds: pick(random, [60, 180]) },
      liveness: { periodSeconds: pick(random, [5, 15, 30]), failureThreshold: pick(random, [2, 3]) },
    },
    restartPolicy: {
      maxRestarts: between(random, 1, 5),
      windowSeconds: pick(random, [300, 1_200]),
      backoff: { initialSeconds: between(random, 1, 10), maxSeconds: 60 },
      excludeFailedNodes: { ttlSeconds: pick(random, [0, 120, 400]), max: between(random, 0, 4) },
      onExternalCancel: random() < 0.8 ? 'Resubmit' : 'Hold',
    },
    ...(random() < 0.1 && { slurm: { time: '10' } }),
  });
}

/** A port of its own for each job that has one. */
export function createPorts(): () => number {
  let count = 0;
  return () => 20_001 + (count++ % 9_000);
}
/** Nobody's; several jobs may claim it. */
const CONTESTED_PORT = 20_000;

/** Most jobs come up and stay; the others fail in one of the ways jobs do. */
export function mostlyServes(random: Random, port: number): Behaviour {
  const healthy = serves({
    port,
    readyAfterMs: between(random, 1_000, 50_000),
    stopMs: pick(random, [0, 1_000, 30_000]),
  });
  if (random() < 0.75) return healthy;
  const exits = (exitCode: number, failureClass: string) =>
    thenExits(healthy, between(random, 500, 200_000), { exitCode }, random() < 0.8 ? { failureClass } : undefined);
  switch (between(random, 0, 10)) {
    case 0:
      return exits(65, 'start');
    case 1:
      return exits(66, 'port');
    case 2:
      return exits(68, 'died');
    case 3:
      return exits(64, 'config');
    case 4:
      return exits(0, 'none');
    case 5:
      return thenHangs(healthy, between(random, 1_000, 200_000));
    case 6:
      return { ...healthy, steps: healthy.steps.filter((step) => step.does !== 'answer') }; // says ready, answers nobody
    case 7:
      return lying(healthy, { port: 22 });
    case 8:
      return { ...healthy, port: CONTESTED_PORT };
    default:
      return lying(
        { ...healthy, steps: healthy.steps.filter((step) => step.does !== 'answer') },
        { port: CONTESTED_PORT },
      );
  }
}

/** Reports another port than its own. */
function lying(behaviour: Behaviour, { port }: { readonly port: number }): Behaviour {
  const steps = behaviour.steps.map((step) =>
    step.does === 'report' ? { ...step, report: { ...step.report, port } } : step,
  );
  return { ...behaviour, steps };
}
