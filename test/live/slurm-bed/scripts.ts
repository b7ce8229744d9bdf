import type { ScriptKind } from '../../contract/slurm.ts';

/** What the contract's jobs do on real SLURM. */
export const SCRIPTS: Readonly<Record<ScriptKind, string>> = {
  'exits-7': 'exit 7\n',
  'exits-0': 'exit 0\n',
  runs: 'exec sleep 600\n',
  reports: 'scontrol update "JobId=$SLURM_JOB_ID" "Comment=$MARKER|phase=ready|port=20001"\nexec sleep 600\n',
};
