import { err } from '../result.ts';
import type { Deps } from './deps.ts';

/**
 * A controller that no longer leads has no effect: whatever would change something outside is refused right before it
 * is begun. What was begun while it led may still land; the claim in the status, which the next leader reads, says so.
 */
export function fenced(deps: Deps, leads: () => boolean): Deps {
  const { store, slurm, events, secretFiles } = deps;
  const refused = err({ kind: 'unavailable' as const, message: NOT_LEADING });
  const notBegun = err({ kind: 'unreachable' as const, message: NOT_LEADING });
  return {
    ...deps,
    store: {
      ...store,
      writeStatus: async (seen, status) => (leads() ? store.writeStatus(seen, status) : refused),
      addFinalizer: async (seen) => (leads() ? store.addFinalizer(seen) : refused),
      releaseFinalizer: async (seen) => (leads() ? store.releaseFinalizer(seen) : refused),
    },
    slurm: {
      ...slurm,
      submit: async (submission) => (leads() ? slurm.submit(submission) : notBegun),
      cancel: async (job) => (leads() ? slurm.cancel(job) : notBegun),
    },
    secretFiles: {
      ...secretFiles,
      write: async (name, secret) => (leads() ? secretFiles.write(name, secret) : err(NOT_LEADING)),
      remove: async (name) => (leads() ? secretFiles.remove(name) : err(NOT_LEADING)),
    },
    events: {
      record: async (resource, list) => {
        if (leads()) await events.record(resource, list);
      },
    },
  };
}

const NOT_LEADING = 'this operator does not lead any more, so it was not begun';
