/** A worker that asks for an address again and again, and at last tells how long each answer took. */
import { pause, timed } from "./case.ts";

const EVERY_MS = 20;

const port = self as unknown as {
  onmessage: (event: MessageEvent<string | null>) => void;
  postMessage(message: number[] | string): void;
};

let url: string | null = null;

port.onmessage = ({ data }) => {
  const isFirst = url === null;
  url = data;
  if (isFirst) {
    ask().then((times) => port.postMessage(times), (error) => port.postMessage(`${error}`));
  }
};

async function ask(): Promise<number[]> {
  const times: number[] = [];
  while (url !== null) {
    const asked = url;
    times.push(
      await timed(async () => {
        const response = await fetch(asked);
        await response.body?.cancel();
        if (!response.ok) throw new Error(`${asked} answered ${response.status}`);
      }),
    );
    await pause(EVERY_MS);
  }
  return times;
}
