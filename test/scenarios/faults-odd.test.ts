import { test } from 'node:test';
import { runSeeds, SEEDS } from './seeds.ts';

test(`every promise holds through the faults of ${SEEDS} seeds, the odd half`, () => runSeeds(1, 2));
