import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';

interface FlashProps {
  readonly version: bigint;
  readonly children: ComponentChildren;
}

/** Lights up when what it shows becomes another version of the same. */
export function Flash({ version, children }: FlashProps) {
  const first = useRef(version);
  return (
    // A new element each time: its animation begins anew.
    <span key={String(version)} class={version === first.current ? '' : 'flash'}>
      {children}
    </span>
  );
}
