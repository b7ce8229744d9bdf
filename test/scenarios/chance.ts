import type { Random } from '../../src/slurm/simulated/random.ts';

export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
export const between = (random: Random, low: number, high: number): number => low + Math.floor(random() * (high - low));
