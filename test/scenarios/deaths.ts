import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Moment } from '../gen/plug.ts';
import type { Scenario } from './scenario.ts';

const DOWN_MS = 7_000;

/**
 * One test before, one after each call of a life in turn.
 * @param survives lives it once and kills the operator at that call. @returns whether a life has so many calls at all
 */
export function diesAtEachCall(survives: (point: number, when: Moment) => Promise<boolean>): void {
  for (const when of ['before', 'after'] as const) {
    it(`killed ${when} each call of a whole life in turn`, async () => {
      let point = 1;
      while (await survives(point, when)) point += 1;
      assert.ok(point > 20, 'a life takes many calls');
    });
  }
}

/** @param meanwhile while no operator is there */
export function killedAt(scenario: Scenario, point: number, when: Moment, meanwhile: () => void = () => undefined) {
  let died = false;
  scenario.operator().killAt(point, when);
  return {
    died: () => died,
    /** Until it is so, through the death if that comes first. */
    async reach(what: string, isSo: () => boolean): Promise<void> {
      await scenario.until(`${what}, or a death`, () => !scenario.operator().alive() || isSo());
      if (scenario.operator().alive()) return;
      await scenario.advance(DOWN_MS);
      meanwhile();
      scenario.start();
      died = true;
      await scenario.until(`${what} after death ${when} call ${point}`, isSo);
    },
  };
}
