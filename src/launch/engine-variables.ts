import type { Spec } from '../api/spec.ts';
import { FIELD_VARIABLES } from './environment.ts';

/** Environment variables `spec.engine.env` may not set, first match counts. */
const REFUSED: readonly { readonly name: RegExp; readonly why: string }[] = [
  { name: /^(SLURM|SLURMD|SBATCH|SRUN)_/, why: 'SLURM sets it' },
  { name: /^VSO_/, why: 'the operator sets it' },
  {
    name: /^(HF_TOKEN|HUGGING_FACE_HUB_TOKEN|HUGGINGFACE_TOKEN)$/,
    why: 'everybody can read the job script: set spec.model.tokenFrom',
  },
  { name: /^VLLM_API_KEY$/, why: 'everybody can read the job script: set spec.endpoint.apiKeyFrom' },
  {
    name: /(_TOKEN|_SECRET|_PASSWORD|_SECRET_KEY|_ACCESS_KEY|_API_KEY)$/,
    why: 'it is named for a secret, and everybody can read the job script',
  },
  {
    name: /^(APPTAINER|SINGULARITY)/,
    why: 'it is for what starts the container, not for the engine: see spec.runtime',
  },
  { name: /^VLLM_HOST_IP$/, why: 'the operator chooses the address on the node' },
  {
    name: /^(BASH.*|SHELLOPTS|UID|EUID|PPID|GROUPS|FUNCNAME|DIRSTACK)$/,
    why: 'it is a variable of the shell itself',
  },
];

/** Why the engine's environment may not have this variable; undefined when it may. */
export function whyNoEngineVariable(name: string, spec: Spec): string | undefined {
  const field = FIELD_VARIABLES.find((one) => one.name === name && one.of(spec) !== undefined)?.field;
  return field === undefined ? REFUSED.find((one) => one.name.test(name))?.why : `${field} sets it`;
}
