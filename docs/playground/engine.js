// The simulation: a WebAssembly program that plays a fleet. It knows neither the page nor the clock of the machine.

import "./wasm_exec.js"; // of the Go that made the program: it defines globalThis.Go

// start loads the program, and returns its functions: begin, advance, look, act and scene.
export async function start() {
  const answer = await fetch("playground.wasm.gz");
  if (!answer.ok) throw new Error(`The server answered ${answer.status} for the simulation.`);
  const go = new globalThis.Go();
  const { instance } = await WebAssembly.instantiate(await unpacked(answer), go.importObject);
  go.run(instance); // returns at the program's end, which is that of the page
  return globalThis.parti;
}

// unpacked returns the program. Some servers say how it is packed, and the browser has unpacked it then.
async function unpacked(answer) {
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}
