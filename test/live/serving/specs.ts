import type { SpecInput } from '../../../src/api/spec.ts';
import type { RealVllm } from '../vllm/prepare.ts';

type Launcher = 'torchrun' | 'native';

/** What vLLM's engine on CPUs wants to be told: little memory, one thread a rank, and no look at the hub. */
const CPU_ENVIRONMENT = {
  VLLM_CPU_KVCACHE_SPACE: '1',
  VLLM_CPU_OMP_THREADS_BIND: 'nobind',
  OMP_NUM_THREADS: '1',
  HF_HUB_OFFLINE: '1',
  VLLM_NO_USAGE_STATS: '1',
};

/** The tiny model on real vLLM, one rank a node. */
export function tinyModel(vllm: RealVllm, nodes: number, launcher: Launcher = 'torchrun'): SpecInput {
  return {
    model: { uri: `file://${vllm.model}`, name: 'tiny' },
    parallelism: { tensor: nodes },
    resources: { nodes, gpusPerNode: 0, memory: '8G' },
    runtime: { type: 'venv', venv: vllm.venv },
    engine: { maxModelLen: 512, args: ['--enforce-eager'], env: CPU_ENVIRONMENT },
    launcher: { type: launcher },
    probes: { startup: { timeoutSeconds: 600 } },
  };
}

/**
 * The stand-in engine over two nodes, under the real launcher; probes and retries as a deployment has them by default.
 * @param venv where torchrun is
 */
export function standIn(venv: string, launcher: Launcher = 'torchrun', args: readonly string[] = []): SpecInput {
  return {
    model: { uri: 'hf://example/tiny', name: 'tiny' },
    parallelism: { tensor: 2 },
    resources: { nodes: 2, gpusPerNode: 0, memory: '2G' },
    engine: { type: 'stand-in', args: [...args], env: { PATH: `${venv}/bin:/usr/bin:/bin` } },
    launcher: { type: launcher },
    restartPolicy: { maxRestarts: 100, excludeFailedNodes: { ttlSeconds: 60 } },
  };
}
