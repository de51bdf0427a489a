/** Characters of a message: prompts of agents are many messages of this order. */
const messageCharsMax = 2_000;
const words = "every token of a long prompt has to be read again unless its prefix is warm ";

/**
 * A chat request of exactly so many bytes (at least some 200): many messages, as agents send them.
 */
export function chatBody(bodyBytes: number, options: { readonly stream: boolean }): string {
  const shell = (messages: readonly object[]) =>
    JSON.stringify({
      model: "mock",
      messages: [{ role: "system", content: "You are a helpful assistant." }, ...messages],
      max_tokens: 16,
      ...(options.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
    });
  const messages: { role: string; content: string }[] = [];
  const messageShell = JSON.stringify({ role: "assistant", content: "" }).length + 1;
  let room = bodyBytes - shell([]).length;
  while (room > messageShell) {
    const isLast = room <= 2 * messageCharsMax;
    const role = messages.length % 2 === 0 ? "user" : "assistant";
    // The shell is counted for the longer role.
    const slack = role === "user" ? "assistant".length - "user".length : 0;
    const length = (isLast ? room : messageCharsMax) - messageShell + slack;
    messages.push({
      role,
      content: words.repeat(Math.ceil(length / words.length)).slice(0, length),
    });
    room = isLast ? 0 : room - messageCharsMax;
  }
  return shell(messages);
}

/** The bytes of one HTTP request with such a body. */
export function chatRequest(
  target: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
  body: string,
): Uint8Array {
  const { host } = new URL(target.url);
  const headers = { ...target.headers, "content-type": "application/json" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\n${lines.join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
