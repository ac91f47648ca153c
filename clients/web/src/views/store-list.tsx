import type { Stock } from '../contract.js';
import { formatNumber } from './formats.js';
import { Link } from './link.js';
import { ListCard, type ListProps, useList } from './list-card.js';
import { StockMark } from './stock-mark.js';

const PAGE_SIZE = 100;
/** No call lists stores as such, only those that have a product; the demo has this one everywhere. */
const DEMO_PRODUCT = 'PROD_0001';

/** The stores to start from. */
export function StorePicker(props: ListProps) {
  const answer = useList(props, { productId: DEMO_PRODUCT }, PAGE_SIZE);
  const text = {
    title: 'Pick a store',
    subtitle: 'These have the product PROD_0001. For any other, type its id above.',
    emptyText: 'Type the id of a store above, and of a product if you like.',
  };
  const storeOnly = ({ storeId }: Stock) => ({ store: storeId, product: '', pages: [] });
  return (
    <ListCard {...props} {...text} answer={answer}>
      {(stocks) => (
        <ul class="tiles">
          {stocks.map((stock) => (
            <li key={stock.storeId}>
              <Link to={storeOnly(stock)} go={props.go}>
                {stock.storeId}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </ListCard>
  );
}

/** The stores that have the place's product, and how much of it. */
export function StoreList(props: ListProps) {
  const { place, go } = props;
  const answer = useList(props, { productId: place.product }, PAGE_SIZE);
  const title = `Stores with ${place.product}`;
  return (
    <ListCard {...props} title={title} answer={answer} emptyText="No store has this product.">
      {(stocks) => (
        <ul class="tiles">
          {stocks.map((stock) => (
            <li key={stock.storeId}>
              <Link to={{ store: stock.storeId, product: stock.productId, pages: [] }} go={go}>
                {stock.storeId}
                <span class="tile-quantity">
                  {formatNumber(stock.quantity)} on hand <StockMark stock={stock} />
                </span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </ListCard>
  );
}
