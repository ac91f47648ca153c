/** One line of CSV: fields between commas; a field in quotation marks may hold commas, and quotation marks doubled. */

/** @returns undefined where a quotation mark stands in the wrong place */
export function splitFields(text: string): string[] | undefined {
  if (!text.includes('"')) return text.split(',');
  if (!/^("([^"]|"")*"|[^",]*)(,("([^"]|"")*"|[^",]*))*$/.test(text)) return undefined;
  return Array.from(text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g), ([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  );
}

export function joinFields(fields: readonly string[]): string {
  return fields
    .map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(',');
}

/** A text as an error shows it: in quotation marks, and not too long. */
export function shortened(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
