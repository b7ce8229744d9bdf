/**
 * Gathers questions that come while an answer is awaited into one call: a thousand jobs that end together are asked
 * for in a few calls, not in a thousand.
 * @param ask answers for each question it knows; a question left out was not answered
 */
export function createGather<Q, A>(options: {
  readonly atOnce: number;
  nameOf(question: Q): string;
  ask(questions: readonly Q[]): Promise<ReadonlyMap<string, A>>;
}): (question: Q) => Promise<A | undefined> {
  const { atOnce, nameOf, ask } = options;
  type Waiting = { readonly question: Q; readonly resolve: (answer: A | undefined) => void };
  let waiting: Waiting[] = [];
  let busy = false;

  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, atOnce);
      waiting = waiting.slice(atOnce);
      const answers = await ask([...new Map(batch.map((one) => [nameOf(one.question), one.question])).values()]);
      for (const one of batch) one.resolve(answers.get(nameOf(one.question)));
    }
    busy = false;
  }

  return (question) =>
    new Promise((resolve) => {
      waiting.push({ question, resolve });
      void work();
    });
}
