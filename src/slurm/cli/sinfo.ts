import { gpusOf } from '../gpus.ts';
import type { EquippedNode, NodeInfo } from '../slurm.ts';
import type { Command } from './command-line.ts';

/** A line a node and partition: every partition, the hidden ones included. */
export const SINFO_COMMAND: Command = {
  program: 'sinfo',
  args: ['--noheader', '--Node', '--all', '--format=%N=%T=%o'],
};

/** The same lines, longer: no letter of `--format` means what jobs hold, and the controller looks into each node for it. */
export const EQUIPPED_COMMAND: Command = {
  program: 'sinfo',
  args: ['--noheader', '--Node', '--all', '--Format=NodeList:=,StateLong:=,NodeAddr:=,Gres:=,GresUsed:'],
};

export const VERSION_COMMAND: Command = { program: 'sinfo', args: ['--version'] };

/** Each node once, in Slurm's order. */
export function parseSinfo(output: string): readonly NodeInfo[] {
  return linesOf(output, 3).map(readNode);
}

export function parseEquipped(output: string): readonly EquippedNode[] {
  return linesOf(output, 5).map((line) => ({ ...readNode(line), gpus: gpusOf(line[3] ?? '', line[4] ?? '') }));
}

/** The first line of each node. */
function linesOf(output: string, fields: number): readonly (readonly string[])[] {
  const nodes = new Map<string, readonly string[]>();
  for (const text of output.split('\n')) {
    const line = text.trimEnd().split('=');
    const [name = ''] = line;
    const isNode = line.length === fields && line.slice(0, 3).every((field) => /^\S+$/.test(field));
    if (isNode && !nodes.has(name)) nodes.set(name, line);
  }
  return [...nodes.values()];
}

function readNode([name = '', state = '', address = '']: readonly string[]): NodeInfo {
  return { name, address, state: withoutFlags(state) };
}

/** `IDLE*` to `idle`. */
export function withoutFlags(state: string): string {
  return state.toLowerCase().replace(FLAGS, '');
}

/** Not responding, powering, rebooting, planned, draining for backfill and the like. Source: sinfo(1) NODE STATE CODES. */
const FLAGS = /[*~#!%$@^+-]+$/;
