import pLimit from 'p-limit';

/** What is done in a turn. It may give way: then the turn is over, while it goes on. */
export type InTurn = <T>(act: (giveWay: () => void) => Promise<T>) => Promise<T>;

/** Lets only so many have their turn at once, in the order in which they ask. */
export function turns(atOnce: number): InTurn {
  const limit = pLimit(atOnce);
  return (act) =>
    new Promise((resolve, reject) => {
      const turn = () =>
        new Promise<void>((over) => {
          act(over).then(resolve, reject).finally(over);
        });
      void limit(turn);
    });
}
