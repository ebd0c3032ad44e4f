/** Events of a server-sent stream. */
export interface ReadEvent {
  readonly event: string;
  readonly id: string | null;
  // deno-lint-ignore no-explicit-any
  readonly data: any;
}

/** Reads events until the stream ends. */
export async function* readEvents(response: Response): AsyncGenerator<ReadEvent> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const lines = text.slice(0, end).split("\n");
      const field = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
      const event = field("event");
      if (event === null) continue; // a heartbeat
      yield { event, id: field("id"), data: JSON.parse(field("data")!) };
    }
  }
}
