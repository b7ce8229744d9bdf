import { marker } from '../slurm/identity.ts';
import { engineCommand, modelArgument } from './arguments.ts';
import { imageArgument } from './container.ts';
import { engineEnvironment } from './environment.ts';
import { allowedPorts, rendezvousPorts } from './ports.ts';
import type { LaunchInput } from './script.ts';
import { servedNames } from './served.ts';
import { topologyOf } from './topology.ts';

/** Everything `serve.sh` is told. Its head lists the same names, with their meaning. */
export type LaunchVariables = {
  readonly VSO_MARKER: string;
  readonly VSO_MODULES: readonly string[];
  readonly VSO_VENV: string;
  readonly VSO_RUNTIME: string;
  readonly VSO_IMAGE: string;
  readonly VSO_MOUNTS: readonly string[];
  readonly VSO_ENGINE_TYPE: string;
  readonly VSO_ENGINE: readonly string[];
  readonly VSO_ENGINE_ENVIRONMENT: readonly string[];
  readonly VSO_MODEL: string;
  readonly VSO_SERVED_NAMES: readonly string[];
  readonly VSO_HF_TOKEN_FILE: string;
  readonly VSO_API_KEY_FILE: string;
  readonly VSO_NODES: string;
  readonly VSO_GPUS_PER_NODE: string;
  readonly VSO_DATA_PARALLEL: string;
  readonly VSO_LAUNCHER: string;
  readonly VSO_RENDEZVOUS_SECONDS: string;
  readonly VSO_RENDEZVOUS_PORT_LOW: string;
  readonly VSO_RENDEZVOUS_PORT_HIGH: string;
  readonly VSO_PORT_LOW: string;
  readonly VSO_PORT_HIGH: string;
  readonly VSO_START_SECONDS: string;
  readonly VSO_PROBE_PERIOD_SECONDS: string;
  readonly VSO_CANARY_PERIOD_SECONDS: string;
  readonly VSO_CANARY_TIMEOUT_SECONDS: string;
  readonly VSO_PROBE_FAILURES: string;
  readonly VSO_DRAIN_GRACE_SECONDS: string;
  readonly VSO_DRAIN_SECONDS: string;
};

/** A draining endpoint goes on serving this long, so that every route to it is gone: longer than one listing. */
const DRAIN_GRACE_SECONDS = 15;
/** Then running requests have this long. With the grace and the engine's own end it fits the walltime's notice. */
const DRAIN_SECONDS = 80;

export function launchVariables({ identity, ...input }: LaunchInput): LaunchVariables {
  return variablesUnder(marker(identity), input);
}

/** @param owner what every report of the job begins with */
export function variablesUnder(
  owner: string,
  { spec, site, secretFiles = {} }: Pick<LaunchInput, 'spec' | 'site' | 'secretFiles'>,
): LaunchVariables {
  const ports = allowedPorts(spec, site);
  const meeting = rendezvousPorts(spec, site);
  const { nodes, data } = topologyOf(spec);
  const { startup, liveness, canary } = spec.probes;
  return {
    VSO_MARKER: owner,
    VSO_MODULES: spec.runtime.modules,
    VSO_VENV: spec.runtime.venv ?? '',
    VSO_RUNTIME: spec.runtime.type,
    VSO_IMAGE: imageArgument(spec.runtime),
    VSO_MOUNTS: spec.runtime.mounts,
    VSO_ENGINE_TYPE: spec.engine.type,
    VSO_ENGINE: engineCommand(spec, site),
    VSO_ENGINE_ENVIRONMENT: engineEnvironment(spec),
    VSO_MODEL: modelArgument(spec.model.uri),
    VSO_SERVED_NAMES: servedNames(spec),
    VSO_HF_TOKEN_FILE: secretFiles.hfToken ?? '',
    VSO_API_KEY_FILE: secretFiles.apiKey ?? '',
    VSO_NODES: String(nodes),
    VSO_GPUS_PER_NODE: String(spec.resources.gpusPerNode),
    VSO_DATA_PARALLEL: String(data),
    VSO_LAUNCHER: spec.launcher.type,
    VSO_RENDEZVOUS_SECONDS: String(spec.launcher.rendezvous.timeoutSeconds),
    VSO_RENDEZVOUS_PORT_LOW: String(meeting.low),
    VSO_RENDEZVOUS_PORT_HIGH: String(meeting.high),
    VSO_PORT_LOW: String(ports.low),
    VSO_PORT_HIGH: String(ports.high),
    VSO_START_SECONDS: String(startup.timeoutSeconds),
    VSO_PROBE_PERIOD_SECONDS: String(liveness.periodSeconds),
    VSO_CANARY_PERIOD_SECONDS: String(canary.periodSeconds),
    VSO_CANARY_TIMEOUT_SECONDS: String(canary.timeoutSeconds ?? liveness.timeoutSeconds),
    VSO_PROBE_FAILURES: String(liveness.failureThreshold),
    VSO_DRAIN_GRACE_SECONDS: String(DRAIN_GRACE_SECONDS),
    VSO_DRAIN_SECONDS: String(DRAIN_SECONDS),
  };
}
