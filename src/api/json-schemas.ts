/** Builders of JSON schemas, so that those of REST read like tables. Each takes what is said of the value. */

export type Schema = Readonly<Record<string, unknown>>;

export const text = (description: string): Schema => ({ type: 'string', description });
export const whole = (description: string): Schema => ({ type: 'integer', format: 'int32', description });
export const long = (description: string): Schema => ({ type: 'integer', format: 'int64', description });
export const flag = (description: string): Schema => ({ type: 'boolean', description });
export const time = (description: string): Schema => ({ type: 'string', format: 'date-time', description });
export const uuid = (description: string): Schema => ({ type: 'string', format: 'uuid', description });

export const listOf = (items: Schema, description: string): Schema => ({
  type: 'array',
  items,
  description,
});

/** The same schema with more said of it. */
export const but = (schema: Schema, more: Schema): Schema => ({ ...schema, ...more });

/** An object of strings. */
export const textMap = (description: string): Schema => ({
  type: 'object',
  additionalProperties: { type: 'string' },
  description,
});

/** One of the names of a generated enum. */
export const nameIn = (values: object, description: string): Schema => ({
  type: 'string',
  enum: namesIn(values),
  description,
});

/** Those that are ever sent: the generated object also leads from numbers to names. */
export const namesIn = (values: object): string[] =>
  Object.entries(values).flatMap(([name, value]) => (Number(value) > 0 ? [name] : []));

/** A schema that was added under this name. */
export const named = (name: string): Schema => ({ $ref: `${name}#` });

/** An object under a name; it always has these properties, and may have the optional ones. */
export function object(name: string, description: string, properties: Schema, optional: Schema = {}): Schema {
  return {
    $id: name,
    type: 'object',
    description,
    required: Object.keys(properties),
    properties: { ...properties, ...optional },
  };
}
