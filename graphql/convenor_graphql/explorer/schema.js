/** The schema, from introspection. */

const TYPE = `kind name ${"ofType { kind name ".repeat(6)}${"}".repeat(6)}`;
const INPUT = `name description defaultValue type { ${TYPE} }`;

export const INTROSPECTION = `{
  __schema {
    queryType { name }
    mutationType { name }
    types {
      kind name description
      fields { name description args { ${INPUT} } type { ${TYPE} } }
      inputFields { ${INPUT} }
      enumValues { name description }
      possibleTypes { name }
    }
  }
}`;

/** The result of introspection, by name. */
export class Schema {
  constructor({ queryType, mutationType, types }) {
    this.roots = { query: queryType.name, mutation: mutationType.name };
    this.types = new Map(types.filter(({ name }) => !name.startsWith("__")).map((type) => [type.name, type]));
  }

  type(name) {
    return this.types.get(name);
  }

  /** Return the root type of an operation, if the word is one. */
  root(operation) {
    return Object.hasOwn(this.roots, operation) ? this.type(this.roots[operation]) : undefined;
  }

  /** Return a field of an object or of an input. */
  field(type, name) {
    return (type?.fields ?? type?.inputFields ?? []).find((field) => field.name === name);
  }
}

/** Return the name of the type inside lists and non-nulls. */
export const nameOf = (type) => type.name ?? nameOf(type.ofType);

/** Return the text around a type's name: `[` and `!]!` for `[Referral!]!`. */
export function wrapped(type) {
  if (type.name) return ["", ""];
  const [before, after] = wrapped(type.ofType);
  return type.kind === "LIST" ? [`[${before}`, `${after}]`] : [before, `${after}!`];
}

/** Write a type in the schema language. */
export const written = (type) => wrapped(type).join(nameOf(type));
