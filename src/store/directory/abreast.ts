/** Files looked at side by side: enough to hide a network's delay, few enough to leave threads for others. */
const ABREAST = 16;

export async function abreast<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: ABREAST }, async () => {
      for (const item of queue) await run(item);
    }),
  );
}
