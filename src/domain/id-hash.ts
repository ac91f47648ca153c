/** FNV-1a over ids, 32 bits: cheap, and spreads neighbouring ids. */
export function hashOfIds(...ids: readonly string[]): number {
  let value = 0x811c9dc5;
  for (const id of ids) {
    for (let i = 0; i < id.length; i++) value = Math.imul(value ^ id.charCodeAt(i), 0x01000193);
  }
  return value >>> 0;
}
