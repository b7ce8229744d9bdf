/** Names one resource. Both parts are DNS labels without dots. */
export type Key = { readonly namespace: string; readonly name: string };

export const keyText = (key: Key): string => `${key.namespace}/${key.name}`;
export const sameKey = (a: Key, b: Key): boolean => a.name === b.name && a.namespace === b.namespace;
