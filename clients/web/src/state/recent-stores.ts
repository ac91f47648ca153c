import { useEffect, useState } from 'preact/hooks';

const STORAGE_KEY = 'onhand.recent-stores';
const KEPT = 8;

/** The stores that this browser has looked at, the newest first. */
export function useRecentStores(current: string): readonly string[] {
  const [recent, setRecent] = useState(read);
  useEffect(() => {
    if (current === '') return;
    const next = [current, ...read().filter((store) => store !== current)].slice(0, KEPT);
    localStorage.setItem(STORAGE_KEY, JSON.stringify(next));
    setRecent(next);
  }, [current]);
  return recent;
}

function read(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '[]');
    return Array.isArray(stored) ? stored.filter((store) => typeof store === 'string') : [];
  } catch {
    return [];
  }
}
