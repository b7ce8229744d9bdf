import type { NodeInfo } from '../slurm.ts';
import type { Command } from './command-line.ts';

/** A line a node and partition: every partition, the hidden ones included. */
export const SINFO_COMMAND: Command = {
  program: 'sinfo',
  args: ['--noheader', '--Node', '--all', '--format=%N=%T=%o'],
};

export const VERSION_COMMAND: Command = { program: 'sinfo', args: ['--version'] };

/** Each node once, in Slurm's order. */
export function parseSinfo(output: string): readonly NodeInfo[] {
  const nodes = new Map<string, NodeInfo>();
  for (const line of output.split('\n')) {
    const [, name, state, address] = /^([^\s=]+)=([^\s=]+)=(\S+)\s*$/.exec(line) ?? [];
    if (name === undefined || state === undefined || address === undefined || nodes.has(name)) continue;
    nodes.set(name, { name, address, state: withoutFlags(state) });
  }
  return [...nodes.values()];
}

/** `IDLE*` to `idle`. */
export function withoutFlags(state: string): string {
  return state.toLowerCase().replace(FLAGS, '');
}

/** Not responding, powering, rebooting, planned, draining for backfill and the like. Source: sinfo(1) NODE STATE CODES. */
const FLAGS = /[*~#!%$@^+-]+$/;
