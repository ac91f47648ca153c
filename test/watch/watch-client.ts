import type { FollowedStock, FollowerTotals, WatchFilter } from './watch-follower.js';
import { WatchFollower } from './watch-follower.js';

/**
 * The watch client: a process of its own with many watchers, apart from the test and the services. Its argument is the plan
 * as JSON. Whenever its parent sends a message it answers what all its watchers have seen.
 */

export interface WatchPlan {
  readonly watchers: readonly (WatchFilter & { readonly addresses: readonly string[] })[];
}

/** What one watcher has seen. */
export interface WatchReport {
  readonly filter: WatchFilter;
  readonly following: boolean;
  readonly totals: FollowerTotals;
  readonly problems: readonly string[];
  readonly stocks: readonly (readonly [string, FollowedStock])[];
}

const plan = JSON.parse(process.argv[2] ?? '') as WatchPlan;
const watchers = plan.watchers.map((watcher) => ({ watcher, follower: new WatchFollower(watcher) }));

process.on('message', () => {
  const reports: WatchReport[] = watchers.map(({ watcher, follower }) => {
    const { following, totals, problems, stocks } = follower;
    const { storeId, productIds } = watcher;
    return { filter: { storeId, productIds }, following, totals, problems, stocks: [...stocks] };
  });
  process.send?.(reports);
});
process.on('disconnect', () => process.exit());
