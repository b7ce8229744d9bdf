/** RFC 3339 with the six digits that `metav1.MicroTime` insists on. */
export const microTime = (epochMs: number): string => new Date(epochMs).toISOString().replace('Z', '000Z');
