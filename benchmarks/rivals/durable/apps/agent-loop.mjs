// The task that every rival runs: ask the model, calculate what it wants to know, ask again, until it
// answers. Each model call is one recorded step; a sum is pure, so whoever replays may do it again.

const calculator = {
  type: "function",
  function: {
    name: "calculator",
    description: "Evaluates an arithmetic expression.",
    parameters: {
      type: "object",
      properties: { expression: { type: "string" } },
      required: ["expression"],
    },
  },
};

/**
 * Runs one task. `step(name, call)` records what `call` resolves to before anything else happens, or
 * hands back what was recorded.
 */
export async function runAgent(question, model, step) {
  const messages = [
    { role: "system", content: "You are a helpful assistant. Use the calculator." },
    { role: "user", content: question },
  ];
  for (let steps = 1; ; steps += 1) {
    const message = await step(`model ${steps}`, () => askModel(model, messages));
    messages.push(message);
    if (!message.tool_calls?.length) return { answer: message.content, steps };
    for (const call of message.tool_calls) {
      const { expression } = JSON.parse(call.function.arguments);
      messages.push({ role: "tool", tool_call_id: call.id, content: String(sumOf(expression)) });
    }
  }
}

async function askModel({ url, name }, messages) {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: name, messages, tools: [calculator], max_tokens: 1024 }),
  });
  if (!response.ok) throw new Error(`the model answered ${response.status}`);
  const { choices } = await response.json();
  const { role, content, tool_calls } = choices[0].message;
  return tool_calls?.length ? { role, content, tool_calls } : { role, content };
}

function sumOf(expression) {
  return expression.split("+").reduce((sum, number) => sum + Number(number), 0);
}
