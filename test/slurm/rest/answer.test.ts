import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { readAnswer } from '../../../src/slurm/rest/answer.ts';
import type { SlurmError } from '../../../src/slurm/slurm.ts';
import { answer, type RecordedVersion, VERSIONS } from './recorded.ts';

type Kind = SlurmError['kind'] | 'ok';
/** By version, in the order they came out. */
const RECORDED: Readonly<Record<string, readonly [Kind, Kind, Kind, RegExp]>> = {
  // 22.05 has the same words for it as for anything: what it means cannot be told.
  'err-bad-token': ['unknown', 'unreachable', 'unreachable', /authentication error|not accepted/i],
  'err-expired-token': ['unknown', 'unreachable', 'unreachable', /authentication error|not accepted/i],
  'err-no-auth': ['unreachable', 'unreachable', 'unreachable', /Authentication failure/],
  'err-controller-down-jobs': ['unknown', 'unreachable', 'unreachable', /./],
  'err-controller-down-submit': ['unreachable', 'unreachable', 'unreachable', /connect failure/],
  'err-slurmdbd-down-jobs': ['unreachable', 'unreachable', 'unreachable', /Unable to connect to database/],
  'job-unknown': ['rejected', 'rejected', 'rejected', /Invalid job id specified/],
  'submit-err-bad-partition': ['rejected', 'rejected', 'rejected', /Invalid partition name specified/],
  'delete-ok': ['ok', 'ok', 'ok', /^$/],
};

describe('what slurmrestd’s answers mean', () => {
  for (const [name, [oldest, middle, newest, words]] of Object.entries(RECORDED)) {
    it(name, () => {
      const kinds = VERSIONS.map((version: RecordedVersion) => {
        const read = readAnswer(answer(version, name), z.unknown());
        if (!read.ok) assert.match(read.error.message, words, version);
        return read.ok ? 'ok' : read.error.kind;
      });
      assert.deepEqual(kinds, [oldest, middle, newest]);
    });
  }

  for (const [what, status, text, kind] of [
    ['a page of somebody else', 200, '<html>hello</html>', 'unknown'],
    ['half of an answer', 200, '{"jobs": [{"job_id": 1', 'unknown'],
    ['a list', 200, '[]', 'unknown'],
    ['no body', 502, '', 'unknown'],
    ['a status alone', 503, '{}', 'unknown'],
    ['another shape', 200, '{"jobs": "none"}', 'unknown'],
    ['an error within a 200', 200, '{"jobs": [], "errors": [{"error": "x", "error_number": 5004}]}', 'unknown'],
    [
      'a question not understood, which 22.05 begins with -1',
      400,
      '{"errors": [{"error": "Invalid SIGNAL specification", "error_code": -1}, {"error_code": 9001}]}',
      'rejected',
    ],
    ['zero bytes from the controller', 500, '{"errors": [{"error": "Zero Bytes", "error_code": 5005}]}', 'unknown'],
    ['a connection reset', 500, '{"errors": [{"error": "Connection reset by peer", "error_number": 104}]}', 'unknown'],
    ['a shutdown in mid-dialogue', 502, '{"errors": [{"error": "x", "error_number": 1804}]}', 'unknown'],
    [
      'a standby',
      500,
      '{"errors": [{"error": "Slurm controller in standby mode", "error_number": 2044}]}',
      'unreachable',
    ],
    [
      'a full queue',
      500,
      '{"errors": [{"error": "Slurm temporarily unable to accept job", "error_number": 2026}]}',
      'unreachable',
    ],
    ['an error without a number', 400, '{"errors": [{"description": "Unknown key"}]}', 'rejected'],
    // 22.05, of `exclusive: "true"`.
    ['a job that could not be read', 400, '{"errors": [{"error": "Unspecified error", "error_code": -1}]}', 'rejected'],
  ] as const) {
    it(`${what} is ${kind}`, () => {
      const read = readAnswer({ status, text }, z.looseObject({ jobs: z.array(z.unknown()) }));
      assert.equal(read.ok ? 'ok' : read.error.kind, kind);
    });
  }
});
