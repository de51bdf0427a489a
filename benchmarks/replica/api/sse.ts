/** One server-sent event of the OpenAI APIs. */
export function dataEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** One server-sent event with a name, as `/v1/messages` and `/v1/responses` send them. */
export function namedEvent(name: string, value: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}

/** The end of a stream; it follows errors too, so it says nothing about success. */
export const doneEvent = "data: [DONE]\n\n";
