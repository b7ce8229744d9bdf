import { isDeepStrictEqual } from 'node:util';
import { Status } from '../../src/api/status.ts';
import { KubernetesObject } from '../../src/kubernetes/object.ts';
import { WatchEvent } from '../../src/kubernetes/watch-event.ts';
import { collectionPath } from '../../src/store/kubernetes/paths.ts';
import { personAt } from '../../test/live/kube-bed/deployments.ts';
import { NAMESPACE } from '../fleet.ts';
import { type KubeGround, onKubeGround, withKubeOperator } from './ground.ts';
import { STATUS_WRITE, writesOfOperator } from './writes.ts';

/** One deployment from `kubectl apply` to Ready, scaled, and deleted, on a cluster with free nodes. */
export type Transitions = {
  readonly statusWrites: number;
  /** Something happened to it: its phase, a condition, an attempt, a job's state or an endpoint became another. */
  readonly transitions: number;
};

export function measureTransitions(): Promise<Transitions> {
  return onKubeGround('free', (ground) =>
    withKubeOperator(ground, async (operator) => {
      await operator.leads();
      const watching = watchStatuses(ground);
      const person = personAt(ground.kube);
      await person.apply('chat');
      await person.shows('chat', ({ readyReplicas }) => readyReplicas === 1);
      await ground.kube.kubectl('scale', 'vllmd/chat', '--replicas=2');
      await person.shows('chat', ({ readyReplicas }) => readyReplicas === 2);
      await ground.kube.kubectl('delete', 'vllmd/chat', '--timeout=120s');
      const { [STATUS_WRITE]: statusWrites = 0 } = await writesOfOperator(ground);
      return { statusWrites, transitions: changesIn(await watching.stop()) };
    }),
  );
}

function watchStatuses({ api }: KubeGround) {
  const statuses: Status[] = [];
  const ending = new AbortController();
  const watched = api.watch({
    path: collectionPath(NAMESPACE),
    query: {},
    idleMs: 600_000,
    signal: ending.signal,
    opened: () => undefined,
    event(value) {
      const { status = {} } = KubernetesObject.parse(WatchEvent.parse(value).object);
      statuses.push(Status.parse(status));
    },
  });
  return {
    async stop(): Promise<readonly Status[]> {
      ending.abort();
      await watched;
      return statuses;
    },
  };
}

function changesIn(statuses: readonly Status[]): number {
  const seen = statuses.map(visible);
  return seen.filter((one, at) => at > 0 && !isDeepStrictEqual(one, seen[at - 1])).length;
}

/** Of a status, what a transition is told by. */
function visible({
  phase,
  observedGeneration,
  conditions = [],
  records = [],
  jobs = [],
  endpoints = [],
}: Status): unknown {
  return {
    phase,
    observedGeneration,
    conditions: conditions.map(({ type, status, reason }) => [type, status, reason]),
    attempts: records.map(({ replica, attempt, jobId, settledAttempt }) => [replica, attempt, jobId, settledAttempt]),
    jobs: jobs.map(({ replica, attempt, jobId, state, reason, nodes }) => [
      replica,
      attempt,
      jobId,
      state,
      reason,
      nodes,
    ]),
    endpoints: endpoints.map(({ replica, role, ready, port }) => [replica, role, ready, port]),
  };
}
