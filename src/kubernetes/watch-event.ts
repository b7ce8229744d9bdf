import { z } from 'zod';

/** A line of a watch. What is in an ERROR is a `Status`, in a BOOKMARK a version and nothing else. */
export const WatchEvent = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['ADDED', 'MODIFIED', 'DELETED']), object: z.unknown().optional() }),
  z.object({
    type: z.literal('BOOKMARK'),
    object: z.object({ metadata: z.object({ resourceVersion: z.string() }) }),
  }),
  z.object({ type: z.literal('ERROR'), object: z.unknown().optional() }),
]);
