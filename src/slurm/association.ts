/** What accounting lets a user do with one account, as far as it is said; Infinity: no limit of its own. */
export type Association = {
  readonly account: string;
  /** Undefined: in every partition. */
  readonly partition?: string;
  readonly qos: readonly string[];
  readonly isDefault: boolean;
  readonly maxSubmitJobs: number;
  readonly maxWallSeconds: number;
};

export type Qos = {
  readonly name: string;
  readonly maxSubmitJobsPerUser: number;
  readonly maxWallSeconds: number;
};

/** What the controller says of itself. */
export type Controller = {
  /** `primary`, `backup`, and whether it answers. */
  readonly hosts: readonly { readonly role: string; readonly host: string; readonly isUp: boolean }[];
};

export type ClusterConfiguration = {
  /** Epoch, ms, by the controller's clock, to the second. */
  readonly clockMs: number | undefined;
  readonly version: string | undefined;
  /** What of accounting's limits is enforced: `associations`, `limits`, `qos`. */
  readonly enforced: readonly string[];
  readonly messageTimeoutSeconds: number | undefined;
  readonly slurmdPort: number | undefined;
};
