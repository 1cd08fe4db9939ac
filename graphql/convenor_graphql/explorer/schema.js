/** The schema, as introspection tells it. */

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

/** What introspection answered, to be looked up by name. */
export class Schema {
  constructor({ queryType, mutationType, types }) {
    this.roots = { query: queryType.name, mutation: mutationType.name };
    this.types = new Map(types.filter((it) => !it.name.startsWith("__")).map((it) => [it.name, it]));
  }

  type(name) {
    return this.types.get(name);
  }

  /** The type at which an operation begins, if a word names one. */
  root(operation) {
    return Object.hasOwn(this.roots, operation) ? this.type(this.roots[operation]) : undefined;
  }

  /** A field of an object or of an input. */
  field(type, name) {
    return (type?.fields ?? type?.inputFields ?? []).find((it) => it.name === name);
  }
}

/** The name within lists and non-nulls. */
export const nameOf = (type) => type.name ?? nameOf(type.ofType);

/** A type around its name: `[` and `!]!` of `[Referral!]!`. */
export function wrapped(type) {
  if (type.name) return ["", ""];
  const [before, after] = wrapped(type.ofType);
  return type.kind === "LIST" ? [`[${before}`, `${after}]`] : [before, `${after}!`];
}

/** A type as the language writes it. */
export const written = (type) => wrapped(type).join(nameOf(type));
