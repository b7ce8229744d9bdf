import { isDeepStrictEqual } from 'node:util';
import { FINALIZER } from '../api/resource.ts';
import type { Spec } from '../api/spec.ts';
import type { ReplicaRecord, Status } from '../api/status.ts';
import { placeText } from '../launch/places.ts';
import { resourceHash } from '../launch/spec-hash.ts';
import { refOf } from '../slurm/job.ts';
import { type Choice, choosePlace, withoutRefusals } from './choose-place.ts';
import { decideDeletion } from './deletion.ts';
import { exclude, excludedNames, placementOf } from './exclusions.ts';
import { endpointOf, healthOf } from './health.ts';
import { decideHold } from './hold.ts';
import { destinationOf, firstClusterOf, handOver, hasLeft, leave, movingTo, recordCluster } from './move.ts';
import type { Observation, OwnJob, SlurmView } from './observation.ts';
import { obstacleTo } from './obstacles.ts';
import type { Action, Plan } from './plan.ts';
import { adopt, recordsOf } from './records.ts';
import { isCancellable, stepReplica } from './replica.ts';
import { rollOut } from './rollout.ts';
import { chooseSlots, withUnrecorded } from './slots.ts';
import { soonest } from './soonest.ts';
import type { Draft, Step } from './step.ts';
import { summarize } from './summary.ts';

/** Facts in, a plan out. No clock, no network, no logger, no randomness. Suspend and delete win over create. */
export function decide(seen: Observation): Plan {
  const { resource, whereabouts } = seen;
  if (whereabouts.foundOn !== undefined) return recordCluster(seen, whereabouts.foundOn);
  if (resource.deletingSinceMs !== undefined) return decideDeletion(seen);
  if (!resource.spec) return decideNothing(seen);
  const plan = decideServing(seen, resource.spec);
  if (resource.finalizers.includes(FINALIZER)) return plan;
  return { ...plan, actions: [{ kind: 'addFinalizer' }, ...plan.actions] };
}

function decideServing(seen: Observation, spec: Spec): Plan {
  const choice = choosePlace(seen, spec);
  const to = firstClusterOf(seen, choice.spec);
  if (to !== undefined) return recordCluster(seen, to, choice);
  if (!seen.slurm.known) return decideHold(seen, seen.slurm.why.message);
  if (seen.viewSuspect) return decideHold(seen, 'more jobs vanished from the listing at once than can be believed');
  return decideReplicas(seen, seen.slurm.value, choice);
}

function decideReplicas(seen: Observation, view: SlurmView, choice: Choice): Plan {
  const { resource, now } = seen;
  const { spec } = choice;
  const hash = resourceHash(resource, spec);
  const before = resource.status.excludedNodes ?? [];
  const rule = spec.restartPolicy.excludeFailedNodes;
  const placement = placementOf(spec, seen.usableNodes);
  const to = destinationOf(spec, seen);
  const blocked = obstacleTo(spec, seen);
  const leavesFor = blocked ? undefined : to;
  const goesTo = leavesFor === undefined ? choice.returnsTo && placeText(choice.returnsTo) : `cluster ${leavesFor}`;
  const obstacle = blocked ?? (goesTo === undefined ? undefined : movingTo(goesTo));
  const input = {
    seen,
    misplaced: to !== undefined,
    view,
    spec,
    hash,
    obstacle,
    excludedNodes: excludedNames(before, now, rule.max, placement),
  };
  const jobsOf = (record: ReplicaRecord) => view.jobs.filter((job) => job.identity.replica === record.replica);

  const isElsewhere = !isDeepStrictEqual(choice.place, resource.status.place);
  const known = recordsOf(resource.status);
  const records = withUnrecorded(isElsewhere ? withoutRefusals(known) : known, view.jobs);
  const slots = chooseSlots(records, spec.suspend ? 0 : spec.replicas, (record) =>
    lossOf(seen, spec, record, jobsOf(record)),
  );
  const first = slots.wanted.map((record) => stepReplica(input, record, jobsOf(record)));
  // Blame found in this turn already binds the submissions of this turn.
  const excludedNodes = first.reduce(
    (nodes, step) => (step.failure ? exclude(nodes, step.blamed, step.failure.reason, now, rule) : nodes),
    exclude(before, [], '', now, rule),
  );
  const names = excludedNames(excludedNodes, now, rule.max, placement);
  const blamedNow = names.join() !== input.excludedNodes.join();
  const second = blamedNow
    ? slots.wanted.map((record) => stepReplica({ ...input, excludedNodes: names }, record, jobsOf(record)))
    : first;
  const steps = leavesFor === undefined ? rollOut(second, obstacle) : second.map((step) => leave(step, leavesFor));

  const gone = slots.unwanted
    .map((record) => adopt(record, jobsOf(record)))
    .map((record) => ({ ...record, settledAttempt: record.attempt, retired: true }));
  const surplus = gone.flatMap((record) =>
    jobsOf(record)
      .filter(isCancellable)
      .map((job) => ({ job, why: spec.suspend ? 'the deployment is suspended' : 'scaled down' })),
  );
  const draft: Draft = { steps, excludedNodes, retiredRecords: gone, jobs: view.jobs, choice };
  const status = summarize(seen, draft);
  if (leavesFor !== undefined && hasLeft(seen, view)) return handOver(seen, status, leavesFor);
  const actions = actionsOf(steps, surplus, status, resource.status);
  // A cancel is not done until a later listing agrees.
  const waits = [
    ...steps.map((step) => step.waitMs),
    actions.some((action) => action.kind === 'cancel') ? seen.policy.tickMs : undefined,
    goesTo === undefined ? undefined : seen.policy.tickMs,
    choice.waitMs,
    seen.secretProblems.length > 0 || seen.submitsAs.kind === 'nobody' ? seen.policy.secretRetryMs : undefined,
  ];
  return { actions, status, draft, requeueAfterMs: soonest(waits) };
}

/** No spec was ever good: what is on record stays, and only an edit can bring news. */
function decideNothing(seen: Observation): Plan {
  const { status } = seen.resource;
  const draft: Draft = {
    steps: [],
    excludedNodes: status.excludedNodes ?? [],
    retiredRecords: recordsOf(status),
    jobs: seen.slurm.known ? seen.slurm.value.jobs : [],
    choice: undefined,
  };
  return { actions: [], status: summarize(seen, draft), draft: undefined, requeueAfterMs: undefined };
}

/** Cancels first: what is given up frees its nodes for what is submitted. */
function actionsOf(
  steps: readonly Step[],
  surplus: Step['cancels'],
  status: Status,
  written: Status,
): readonly Action[] {
  const cancels = [...surplus, ...steps.flatMap((step) => step.cancels)].map(({ job, why }) => ({
    kind: 'cancel' as const,
    job: refOf(job),
    why,
  }));
  const submits = steps.map((step) => step.submit).filter((submit) => submit !== undefined);
  const recordsChanged = !isDeepStrictEqual(recordsOf(status), recordsOf(written));
  const irreversible = submits.length > 0 || (cancels.length > 0 && recordsChanged);
  return [...(irreversible ? [{ kind: 'claim' as const, status }] : []), ...cancels, ...submits];
}

/** 0 serves, 1 runs, 2 waits in the queue, 3 has no job. */
function lossOf(seen: Observation, spec: Spec, record: ReplicaRecord, jobs: readonly OwnJob[]): number {
  const live = jobs.filter((job) => job.phase !== 'ended' && job.identity.attempt > record.settledAttempt);
  const ready = live.some(
    (job) =>
      job.phase === 'running' &&
      endpointOf(job, spec, seen, seen.resource.status.endpoints).kind === 'at' &&
      healthOf(job, spec, seen, false).kind === 'ready',
  );
  if (ready) return 0;
  if (live.some((job) => job.phase === 'running')) return 1;
  return live.length > 0 ? 2 : 3;
}
