import type { Stock } from '../contract.js';
import type { Go, Place } from '../state/place.js';
import { Flash } from './flash.js';
import { formatNumber, formatTime } from './formats.js';
import { Link } from './link.js';
import { ListCard, type ListProps, useList } from './list-card.js';
import { StockMark } from './stock-mark.js';

const PAGE_SIZE = 20;

/** The products of the place's store. */
export function ProductList(props: ListProps) {
  const { place, go } = props;
  const answer = useList(props, { storeId: place.store }, PAGE_SIZE);
  const emptyText = 'This store has no stock yet. Name a product above and restock it: that makes the stock.';
  return (
    <ListCard {...props} title={`Products of ${place.store}`} answer={answer} emptyText={emptyText}>
      {(stocks) => (
        <table>
          <thead>
            <tr>
              <th scope="col">Product</th>
              <th scope="col" class="number">
                On hand
              </th>
              <th scope="col" class="wide">
                Last change
              </th>
            </tr>
          </thead>
          <tbody>
            {stocks.map((stock) => (
              <ProductRow key={stock.productId} {...{ place, go, stock }} />
            ))}
          </tbody>
        </table>
      )}
    </ListCard>
  );
}

interface ProductRowProps {
  readonly place: Place;
  readonly go: Go;
  readonly stock: Stock;
}

function ProductRow({ place, go, stock }: ProductRowProps) {
  const { productId, quantity, version, updateTime } = stock;
  const current = place.product === productId;
  return (
    <tr class={current ? 'current' : ''}>
      <th scope="row">
        <Link to={{ ...place, product: productId }} {...{ go, current }}>
          {productId}
        </Link>
      </th>
      <td class="number">
        <Flash version={version}>
          <StockMark stock={stock} /> {formatNumber(quantity)}
        </Flash>
      </td>
      <td class="wide">{formatTime(updateTime)}</td>
    </tr>
  );
}
