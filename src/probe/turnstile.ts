/** Lets `width` pieces of work pass at a time; the others wait in the order they came. */
export function createTurnstile(width: number): { pass<T>(work: () => Promise<T>): Promise<T> } {
  const waiting: (() => void)[] = [];
  let inside = 0;
  return {
    async pass(work) {
      if (inside < width) inside += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else inside -= 1;
      }
    },
  };
}
