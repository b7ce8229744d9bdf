import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { type NodeBed, type NodeBedOptions, startNodeBed } from '../node-bed/bed.ts';
import { prepareVllm, type RealVllm } from '../vllm/prepare.ts';
import { type Desk, openDesk } from './desk.ts';

/** Hosts, real vLLM reachable on them, and an operator at work, for the stories of one `describe`. */
export type Stage = { readonly bed: NodeBed; readonly desk: Desk; readonly vllm: RealVllm };

/** To be called in a `describe`; the first time on a machine vLLM is downloaded. */
export function setStage(options: NodeBedOptions): Stage {
  let made: Stage | undefined;
  const stage = (): Stage => {
    assert.ok(made, 'the stage is not set');
    return made;
  };
  before(async () => {
    const vllm = await prepareVllm((line) => console.error(line));
    const bed = await startNodeBed({ ...options, expose: [...vllm.paths, ...(options.expose ?? [])] });
    try {
      made = { bed, vllm, desk: await openDesk(bed) };
    } catch (error) {
      await bed.stop();
      throw error;
    }
  });
  after(async () => {
    await made?.desk.close();
    await made?.bed.stop();
  });
  return {
    get bed() {
      return stage().bed;
    },
    get desk() {
      return stage().desk;
    },
    get vllm() {
      return stage().vllm;
    },
  };
}
