import { isUsable, type NodeInfo, type Slurm } from '../slurm/slurm.ts';

/** The cluster's nodes, asked rarely: their addresses do not move. */
export type Nodes = {
  refresh(): Promise<void>;
  addresses(): ReadonlyMap<string, string>;
  /** Names of nodes that can run jobs; undefined before the first answer. */
  usable(): readonly string[] | undefined;
};

export function createNodes(slurm: Pick<Slurm, 'nodes'>): Nodes {
  let known: readonly NodeInfo[] | undefined;
  let addresses: ReadonlyMap<string, string> = new Map();
  let asking: Promise<void> | undefined;

  async function ask(): Promise<void> {
    const result = await slurm.nodes();
    if (!result.ok) return;
    known = result.value;
    addresses = new Map(known.map((node) => [node.name, node.address]));
  }

  return {
    /** Many turns miss a node at once: they share one question. */
    refresh() {
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return asking;
    },
    addresses: () => addresses,
    usable: () => known?.filter(isUsable).map((node) => node.name),
  };
}
