import { useEffect, useState } from 'preact/hooks';
import type { Go, Place } from '../state/place.js';

interface FinderProps {
  readonly place: Place;
  readonly go: Go;
  readonly recentStores: readonly string[];
}

/** Goes to a store, to a product in all stores, or to the stock of a product in a store, by their ids. */
export function Finder({ place, go, recentStores }: FinderProps) {
  const [store, setStore] = useState(place.store);
  const [product, setProduct] = useState(place.product);
  useEffect(() => setStore(place.store), [place.store]);
  useEffect(() => setProduct(place.product), [place.product]);
  const find = (event: Event) => {
    event.preventDefault();
    const next = { store: store.trim(), product: product.trim() };
    go({ ...next, pages: next.store === place.store && next.store !== '' ? place.pages : [] });
  };
  const shared = { autocomplete: 'off', spellcheck: false } as const;
  return (
    <search>
      <form class="finder" onSubmit={find}>
        <label>
          <span>Store</span>
          <input
            {...shared}
            name="store"
            value={store}
            list="recent-stores"
            placeholder="STORE_001"
            onFocus={(event) => event.currentTarget.select()}
            onInput={(event) => setStore(event.currentTarget.value)}
          />
        </label>
        <datalist id="recent-stores">
          {recentStores.map((recent) => (
            <option key={recent} value={recent} />
          ))}
        </datalist>
        <label>
          <span>Product</span>
          <input
            {...shared}
            name="product"
            value={product}
            placeholder="any"
            onFocus={(event) => event.currentTarget.select()}
            onInput={(event) => setProduct(event.currentTarget.value)}
          />
        </label>
        <button type="submit">Find</button>
      </form>
    </search>
  );
}
