/**
 * Gathers questions that come while an answer is awaited into one call: a thousand jobs that end together are asked
 * for in a few calls, not in a thousand.
 * @param ask answers for each question it knows; a question left out was not answered. When it throws, so does each
 *   question of that call, and the next call is made all the same.
 */
export function createGather<Q, A>(options: {
  readonly atOnce: number;
  nameOf(question: Q): string;
  ask(questions: readonly Q[]): Promise<ReadonlyMap<string, A>>;
}): (question: Q) => Promise<A | undefined> {
  const { atOnce, nameOf, ask } = options;
  type Waiting = { readonly question: Q; readonly settle: PromiseWithResolvers<A | undefined> };
  let waiting: Waiting[] = [];
  let busy = false;

  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, atOnce);
      waiting = waiting.slice(atOnce);
      try {
        const answers = await ask([...new Map(batch.map((one) => [nameOf(one.question), one.question])).values()]);
        for (const one of batch) one.settle.resolve(answers.get(nameOf(one.question)));
      } catch (error) {
        for (const one of batch) one.settle.reject(error);
      }
    }
    busy = false;
  }

  return (question) => {
    const settle = Promise.withResolvers<A | undefined>();
    waiting.push({ question, settle });
    void work();
    return settle.promise;
  };
}
