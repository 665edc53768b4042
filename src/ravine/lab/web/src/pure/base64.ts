/** Little-endian float32 arrays, as the server sends them; in a report "~" and all first bytes, all second ones, and so on. */
export function floats(text: string): Float32Array {
  const isPlanes = text[0] === "~";
  const bytes = Uint8Array.from(atob(isPlanes ? text.slice(1) : text), (letter) => letter.charCodeAt(0));
  const found = new Float32Array(bytes.length >> 2);
  const view = new DataView(isPlanes ? bytes.map((_, place) => bytes[(place & 3) * found.length + (place >> 2)] as number).buffer : bytes.buffer);
  for (let place = 0; place < found.length; place++) found[place] = view.getFloat32(4 * place, true);
  return found;
}

/** The same the other way, for tests and saved sessions. */
export function encodeFloats(values: ArrayLike<number>): string {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  for (let place = 0; place < values.length; place++) view.setFloat32(4 * place, values[place] ?? Number.NaN, true);
  let text = "";
  for (const byte of new Uint8Array(view.buffer)) text += String.fromCharCode(byte);
  return btoa(text);
}
