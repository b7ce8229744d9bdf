/** The whole of a body as text. Throws when it is longer than `mostBytes`. */
export async function readWhole(body: AsyncIterable<Uint8Array>, mostBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > mostBytes) throw new Error(`the answer is longer than ${mostBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Cuts a stream into its lines, whatever the pieces it comes in. Throws at a line longer than `mostBytes`. */
export function createLineReader(mostBytes: number): { take(piece: Uint8Array): readonly string[] } {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  return {
    take(piece) {
      const lines: string[] = [];
      let from = 0;
      for (let at = piece.indexOf(LINE_BREAK); at >= 0; at = piece.indexOf(LINE_BREAK, from)) {
        const line = Buffer.concat([...rest, piece.subarray(from, at)]).toString('utf8');
        rest = [];
        restBytes = 0;
        if (line.trim() !== '') lines.push(line);
        from = at + 1;
      }
      if (from < piece.length) {
        rest.push(piece.subarray(from));
        restBytes += piece.length - from;
        if (restBytes > mostBytes) throw new Error(`a line of the watch is longer than ${mostBytes} bytes`);
      }
      return lines;
    },
  };
}

const LINE_BREAK = 0x0a;
