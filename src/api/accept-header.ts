/** Headers Accept and Accept-Encoding (RFC 9110, section 12.5): what a caller takes, and what it refuses. */

const REFUSED = /^\s*q\s*=\s*0(\.0{0,3})?\s*$/i;

/** Each value that is named, in lower case, and whether it is taken: it is not where its weight is 0. */
function readAccept(header: string): Map<string, boolean> {
  return new Map(
    header.split(',').map((item) => {
      const [value = '', ...parameters] = item.split(';');
      return [value.trim().toLowerCase(), !parameters.some((parameter) => REFUSED.test(parameter))];
    }),
  );
}

/** Whether a caller takes this type; one that says nothing takes anything. */
export function accepts(accept: string | undefined, type: string): boolean {
  // What nearly everybody sends.
  if (accept === undefined || accept === '*/*' || accept === type || accept === '') return true;
  const named = readAccept(accept);
  const group = `${type.slice(0, type.indexOf('/'))}/*`;
  return named.get(type) ?? named.get(group) ?? named.get('*/*') ?? false;
}

/** The first of these encodings that a caller takes; undefined where it takes none. */
export function preferredEncoding<const Encoding extends string>(
  acceptEncoding: string | undefined,
  encodings: readonly Encoding[],
): Encoding | undefined {
  if (acceptEncoding === undefined) return undefined;
  const named = readAccept(acceptEncoding);
  return encodings.find((encoding) => named.get(encoding) ?? named.get('*') ?? false);
}
