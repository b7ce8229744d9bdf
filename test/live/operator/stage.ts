import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { type Bed, type BedOptions, startBed } from '../slurm-bed/bed.ts';
import { type Bystanders, placeBystanders } from './bystanders.ts';
import { type QueueWatch, watchQueue } from './queue.ts';
import { openWorkspace, type Workspace, type WorkspaceOptions } from './workspace.ts';

/** A bed with jobs of strangers on it and somebody who watches the queue, for the stories of one `describe`. */
export type Stage = {
  readonly bed: Bed;
  readonly watch: QueueWatch;
  /** Closed when the stories are over. */
  workspace(options?: WorkspaceOptions): Promise<Workspace>;
};

/**
 * To be called in a `describe`. When its stories are over: no replica ever had two live jobs, and the jobs of
 * strangers run as they ran at the beginning.
 */
export function setStage(options: BedOptions & { readonly twins?: readonly string[] }): Stage {
  let made: { readonly bed: Bed; readonly watch: QueueWatch; readonly bystanders: Bystanders } | undefined;
  const workspaces: Workspace[] = [];
  const stage = () => {
    assert.ok(made, 'no bed');
    return made;
  };
  before(async () => {
    const bed = await startBed(options);
    made = { bed, watch: watchQueue(bed, options.twins), bystanders: await placeBystanders(bed) };
  });
  after(async () => {
    if (!made) return;
    const { bed, watch, bystanders } = made;
    try {
      await watch.stop();
      await bystanders.assertUntouched();
    } finally {
      await Promise.all(workspaces.map((workspace) => workspace.close()));
      await bed.stop();
    }
  });
  return {
    get bed() {
      return stage().bed;
    },
    get watch() {
      return stage().watch;
    },
    async workspace(workspaceOptions) {
      const workspace = await openWorkspace(stage().bed, workspaceOptions);
      workspaces.push(workspace);
      return workspace;
    },
  };
}
