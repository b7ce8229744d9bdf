import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createNodes } from '../../src/controller/nodes.ts';
import { err, ok, type Result } from '../../src/result.ts';
import type { NodeInfo, SlurmError } from '../../src/slurm/slurm.ts';
import { gate } from './ground.ts';

const node = (name: string, state: string): NodeInfo => ({ name, address: `${name}.cluster`, state });

describe('the nodes of the cluster', () => {
  it('are not known before the first answer, which is not the same as none', async () => {
    const answers: Result<readonly NodeInfo[], SlurmError>[] = [
      err({ kind: 'unreachable', message: 'connect failure' }),
      ok([]),
    ];
    const nodes = createNodes({ nodes: async () => answers.shift() ?? ok([]) });
    assert.equal(nodes.usable(), undefined);
    await nodes.refresh();
    assert.equal(nodes.usable(), undefined);
    await nodes.refresh();
    assert.deepEqual(nodes.usable(), []);
  });

  it('are usable in the states in which they run jobs or soon will', async () => {
    const states = ['idle', 'mixed', 'allocated', 'completing', 'planned', 'reserved', 'powered_up'];
    const others = ['down', 'drained', 'draining', 'fail', 'failing', 'error', 'unknown', 'future', 'powered_down'];
    const all = [...states, ...others].map((state) => node(state, state));
    const nodes = createNodes({ nodes: async () => ok(all) });
    await nodes.refresh();
    assert.deepEqual([nodes.usable(), nodes.addresses().get('down')], [states, 'down.cluster']);
  });

  it('stay known while Slurm is silent', async () => {
    const answers: Result<readonly NodeInfo[], SlurmError>[] = [
      ok([node('a', 'idle')]),
      err({ kind: 'unknown', message: 'timed out' }),
    ];
    const nodes = createNodes({ nodes: async () => answers.shift() ?? ok([]) });
    await nodes.refresh();
    await nodes.refresh();
    assert.deepEqual([nodes.usable(), nodes.addresses()], [['a'], new Map([['a', 'a.cluster']])]);
  });

  it('are asked for once by all who miss one at the same time', async () => {
    const answer = gate<Result<readonly NodeInfo[], SlurmError>>();
    let calls = 0;
    const nodes = createNodes({
      nodes: () => {
        calls++;
        return answer.promise;
      },
    });
    const asking = [nodes.refresh(), nodes.refresh(), nodes.refresh()];
    answer.resolve(ok([]));
    await Promise.all(asking);
    assert.equal(calls, 1);
    await nodes.refresh();
    assert.equal(calls, 2);
  });
});
