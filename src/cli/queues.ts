/**
 * Works through queues: one item after the other within a queue, many queues at once.
 *
 * @param concurrency how many queues are worked on at once
 * @throws the first failure, once all work that was under way has ended
 */
export async function workThrough<Item>(
  queues: readonly Iterable<Item>[],
  concurrency: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = queues.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const queue of waiting) {
      for (const item of queue) {
        if (failed) return;
        try {
          await work(item);
        } catch (error) {
          failed = true;
          throw error;
        }
      }
    }
  };
  const workers = Array.from({ length: Math.min(concurrency, queues.length) }, worker);
  const ends = await Promise.allSettled(workers);
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}
