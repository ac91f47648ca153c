import { useEffect } from 'preact/hooks';
import { useNewestStocks } from '../state/newest-stocks.js';
import { type Place, usePlace } from '../state/place.js';
import { useRecentStores } from '../state/recent-stores.js';
import { useCommands } from '../state/use-commands.js';
import { useLiveStore } from '../state/use-live-store.js';
import { ChangeFeed } from './change-feed.js';
import { ConnectionState } from './connection-state.js';
import { Finder } from './finder.js';
import { Link } from './link.js';
import { OpenCommands } from './open-commands.js';
import { ProductList } from './product-list.js';
import { StockPanel } from './stock-panel.js';
import { StoreList, StorePicker } from './store-list.js';

const NOWHERE: Place = { store: '', product: '', pages: [] };

export function App() {
  const [place, go] = usePlace();
  const stocks = useNewestStocks();
  const commands = useCommands(stocks.note);
  const live = useLiveStore(place.store, stocks);
  const recentStores = useRecentStores(place.store);
  const { store, product } = place;
  useEffect(() => {
    document.title = [product, store, 'Onhand'].filter((part) => part !== '').join(' · ');
  }, [store, product]);
  const shared = { place, go, stocks };
  return (
    <>
      <header class="top">
        <Link to={NOWHERE} go={go} class="brand">
          <span class="brand-mark" aria-hidden="true" />
          Onhand
        </Link>
        {store !== '' && <ConnectionState connection={live.connection} />}
        <Finder {...{ place, go, recentStores }} />
      </header>
      <main class={layoutOf(place)}>
        <h1 class="unseen">Stock</h1>
        <OpenCommands {...{ place, go, commands }} />
        {store !== '' && <ProductList key={store} {...shared} />}
        {store !== '' && product !== '' && <StockPanel {...shared} commands={commands} />}
        {store !== '' && <ChangeFeed key={`changes ${store}`} {...{ place, go, live }} />}
        {store === '' && product !== '' && <StoreList {...shared} />}
        {store === '' && product === '' && <StorePicker {...shared} />}
      </main>
      <footer class="bottom">
        For programs: <a href="/swagger-ui.html">REST</a>, gRPC, Connect.
      </footer>
    </>
  );
}

const layoutOf = ({ store, product }: Place): string =>
  store === '' ? '' : product === '' ? 'with-feed' : 'with-feed with-panel';
