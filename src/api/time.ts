/** Epoch ms to RFC 3339 in UTC, whole seconds: how times stand in status. */
export function rfc3339(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The same with milliseconds: for times that are compared with a listing's. */
export function rfc3339Ms(ms: number): string {
  return new Date(ms).toISOString();
}
