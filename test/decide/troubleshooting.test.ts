import assert from 'node:assert/strict';
import { test } from 'node:test';
import { troubleshootingPage } from '../../scripts/troubleshooting-page.ts';
import { FAILURES } from '../../src/decide/failures.ts';
import { PENDING_REASONS } from '../../src/decide/pending-reasons.ts';
import { anchorOf, failurePage, pendingPage, TROUBLESHOOTING } from '../../src/decide/troubleshooting.ts';
import { fieldsNamedBy, isField } from './fields.ts';

const text = troubleshootingPage();
const anchors = [...text.matchAll(/^###? (.+)$/gm)].map(([, heading = '']) => anchorOf(heading).replaceAll(' ', '-'));

test('every reason has one section of its own, and it is the one describe names', () => {
  const named = [
    ...FAILURES.map(({ reason }) => failurePage(reason)),
    ...PENDING_REASONS.map(({ codes: [first] }) => pendingPage(first)),
  ];
  const sections = new Set(anchors.map((anchor) => `${TROUBLESHOOTING}#${anchor}`));
  assert.equal(sections.size, anchors.length);
  assert.deepEqual(
    named.filter((page) => page === undefined || !sections.has(page)),
    [],
  );
});

test('a reason that is none of ours has no page', () => {
  assert.deepEqual([failurePage('Bewitched'), pendingPage('MoonPhase')], [undefined, undefined]);
});

test('links within the page lead to a section of it', () => {
  const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = '']) => anchor);
  assert.ok(links.length > 0);
  assert.deepEqual(
    links.filter((anchor) => !anchors.includes(anchor)),
    [],
  );
});

test('the page advises in fields that exist', () => {
  assert.deepEqual(
    fieldsNamedBy(text).filter((field) => !isField(field)),
    [],
  );
});
