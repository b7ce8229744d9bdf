/** A partition as its administrator made it. */
export type Partition = {
  readonly name: string;
  /** `UP`, `DOWN`, `DRAIN`, `INACTIVE`. */
  readonly state: string;
  readonly isDefault: boolean;
  /** Undefined: all. */
  readonly allowAccounts?: readonly string[];
  readonly denyAccounts: readonly string[];
  /** Undefined: all. */
  readonly allowQos?: readonly string[];
  readonly denyQos: readonly string[];
  /** Infinity: no limit. */
  readonly maxNodes: number;
  readonly maxTimeSeconds: number;
};

/** A node within one partition; a node of several partitions is there several times. */
export type PartitionNode = {
  readonly name: string;
  readonly partition: string;
  readonly address: string;
  /** In lower case without flags: `idle`, `mixed`, `drained`. */
  readonly state: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** One entry a type; a type of '' where the site names none. */
  readonly gpus: readonly { readonly type: string; readonly count: number }[];
};
