const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** As `scontrol token` prints one, with a signature of nobody's. */
export const jwt = (claims: object): string => `${encoded({ alg: 'HS256' })}.${encoded(claims)}.c2lnbmF0dXJl`;
