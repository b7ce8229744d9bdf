import type { Spec } from '../api/spec.ts';

/** Environment variables `spec.engine.env` may not set, first match counts. */
const REFUSED: readonly { readonly name: RegExp; readonly why: string }[] = [
  { name: /^(SLURM|SLURMD|SBATCH|SRUN)_/, why: 'SLURM sets it' },
  { name: /^VSO_/, why: 'the operator sets it' },
  {
    name: /^(HF_TOKEN|HUGGING_FACE_HUB_TOKEN|HUGGINGFACE_TOKEN)$/,
    why: 'everybody can read the job script: log in once on the cluster with `hf auth login`',
  },
  { name: /^VLLM_API_KEY$/, why: 'endpoints with a key are not served by this version' },
  {
    name: /(_TOKEN|_SECRET|_PASSWORD|_SECRET_KEY|_ACCESS_KEY|_API_KEY)$/,
    why: 'it is named for a secret, and everybody can read the job script',
  },
  { name: /^VLLM_HOST_IP$/, why: 'the operator chooses the address on the node' },
  {
    name: /^(BASH.*|SHELLOPTS|UID|EUID|PPID|GROUPS|FUNCNAME|DIRSTACK)$/,
    why: 'it is a variable of the shell itself',
  },
];

/** Why the engine's environment may not have this variable; undefined when it may. */
export function whyNoEngineVariable(name: string, { cache }: Spec['model']): string | undefined {
  if (name === 'HF_HOME' && cache.path !== undefined) return 'spec.model.cache.path sets it';
  if (name === 'HF_HUB_OFFLINE' && cache.offline) return 'spec.model.cache.offline sets it';
  return REFUSED.find((one) => one.name.test(name))?.why;
}
