import { defineConfig } from 'vite';

export default defineConfig({
  // One small page: everything but index.html is named after its content, and so may be cached for ever.
  build: { outDir: 'dist', emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
});
