import assert from 'node:assert/strict';
import { test } from 'node:test';
import { description } from '../../src/cli/describe.ts';
import { daysAgo, workspace } from './workspace.ts';

test('describe answers why it is not ready, what happened last and what to do', async () => {
  await using here = workspace();
  await here.serve();
  here.deployment(
    'qwen',
    {
      model: { uri: 'hf://Qwen/Qwen3-0.6B', name: 'qwen', aliases: ['small'] },
      replicas: 2,
      resources: { gpusPerNode: 2, gpuType: 'h100', cpusPerTask: 8, memory: '64G' },
      slurm: { partitions: ['gpu', 'short'], account: 'a1', time: '12:00:00' },
    },
    {
      observedGeneration: 1,
      phase: 'Degraded',
      replicas: 2,
      readyReplicas: 1,
      updatedReplicas: 2,
      restarts: 3,
      url: 'http://10.0.0.7:20001',
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'Queued',
          message: '1 of 2 replicas answers',
          lastTransitionTime: daysAgo(2),
        },
      ],
      endpoints: [
        {
          replica: 0,
          url: 'http://10.0.0.7:20001',
          node: 'n7',
          port: 20_001,
          jobId: '41',
          role: 'Serving',
          ready: true,
          since: daysAgo(2),
        },
      ],
      jobs: [
        {
          replica: 0,
          attempt: 2,
          jobId: '41',
          state: 'RUNNING',
          partition: 'gpu',
          nodes: ['n7'],
          submitTime: daysAgo(3),
          startTime: daysAgo(2),
        },
        {
          replica: 1,
          attempt: 5,
          jobId: '42',
          state: 'PENDING',
          reason: 'QOSMaxGRESPerUser',
          explanation: 'The QOS allows no more GPUs of yours at once; end other jobs.',
          partition: 'gpu',
          submitTime: daysAgo(2),
        },
      ],
      lastFailure: {
        reason: 'OutOfMemory',
        message: 'CUDA out of memory',
        advice: 'lower spec.engine.maxModelLen',
        replica: 1,
        attempt: 4,
        node: 'n8',
        jobId: '40',
        exitCode: 64,
        logTail: 'loading\nCUDA out of memory\n',
        time: daysAgo(2),
      },
    },
  );
  const { code, stdout, stderr } = await here.run('describe', 'qwen');
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.equal(
    stdout.replace(/^Created: .*\(/m, 'Created: ('),
    `Name:         qwen
Namespace:    default
Created: (3d ago)
Generation:   1
Phase:        Degraded
URL:          http://10.0.0.7:20001
Model:        hf://Qwen/Qwen3-0.6B, served as qwen, small
Engine:       vllm, host
Resources:    1 node with 2 GPUs (h100), 8 CPUs, memory 64G
Slurm:        partition gpu,short, account a1, time 12:00:00
Replicas:     2 desired | 2 with a job | 1 ready | 2 of the present spec
Restarts:     3
Why not ready:
  Queued: 1 of 2 replicas answers
  job 42: The QOS allows no more GPUs of yours at once; end other jobs.
    see docs/troubleshooting.md#qosmaxjobsperuserlimit
Conditions:
  TYPE    STATUS   SINCE    REASON   MESSAGE
  Ready   False    2d ago   Queued   1 of 2 replicas answers
Endpoints:
  REPLICA   URL                     NODE   JOB   ROLE      READY
  0         http://10.0.0.7:20001   n7     41    Serving   yes
Jobs:
  REPLICA   ATTEMPT   JOB   STATE     REASON              PARTITION   NODES   SUBMITTED   STARTED   ENDED   EXIT
  0         2         41    RUNNING   -                   gpu         n7      3d ago      2d ago    -       -
  1         5         42    PENDING   QOSMaxGRESPerUser   gpu         -       2d ago      -         -       -
Last failure:
  Reason:      OutOfMemory
  When:        2d ago
  Replica:     1, attempt 4
  Job:         40
  Node:        n8
  Exit code:   64
  Message:     CUDA out of memory
  Advice:      lower spec.engine.maxModelLen
  See:         docs/troubleshooting.md#outofmemory
  Log:
    | loading
    | CUDA out of memory
`,
  );
});

test('an invalid file is told with file, line and field, also before any operator saw it', async () => {
  await using here = workspace();
  await here.serve();
  here.write(
    'qwen.yaml',
    [
      'apiVersion: vllm-slurm.dev/v1alpha1',
      'kind: VLLMDeployment',
      'metadata: { name: qwen }',
      'spec:',
      '  model: { uri: hf://a/b }',
      '  replcas: 2',
      '',
    ].join('\n'),
  );
  const { stdout } = await here.run('describe', 'qwen');
  assert.match(stdout, /^Problems:\n {2}qwen\.yaml:6: spec\.replcas: .*replicas/m);
});

test('events are listed newest last, the oldest of many left out', () => {
  const now = Date.UTC(2026, 0, 2);
  const events = Array.from({ length: 14 }, (_, at) => ({
    time: new Date(now - (14 - at) * 60_000).toISOString(),
    type: 'Normal' as const,
    reason: 'Submitted',
    message: `job ${at}`,
  }));
  const text = description(
    {
      key: { namespace: 'default', name: 'a' },
      uid: 'u',
      generation: 2,
      version: '1',
      createdMs: now - 60_000,
      finalizers: [],
      annotations: {},
      spec: undefined,
      specGeneration: 0,
      problems: [],
      status: {},
    },
    events,
    now,
  );
  assert.equal(
    text.slice(0, text.indexOf('job 3')),
    `Name:         a
Namespace:    default
Created:      2026-01-01T23:59:00.000Z (60s ago)
Generation:   2, the operator has seen none of it yet
Replicas:     ? desired | 0 with a job | 0 ready | 0 of the present spec
Events:
  TYPE     REASON      AGE       MESSAGE
  Normal   Submitted   12m ago   job 2
  Normal   Submitted   11m ago   `,
  );
  assert.match(text, /job 13$/);
});
