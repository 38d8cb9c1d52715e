// The public client, unmodified, against a lake: node openai_sdk.mjs BASE_URL TOKEN [chat]
import OpenAI from "openai";
import assert from "node:assert/strict";

const [baseURL, apiKey, chat] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

const models = (await client.models.list()).data;
assert.ok(models.some((m) => m.id === "hash-512" && m.owned_by === "built-in"));
assert.equal((await client.models.retrieve("hash-512")).dimension, 512);

const input = ["forklift operator in Illinois", "quarterly tax report", "forklift operators"];
// The client asks for base64 unless told otherwise, and decodes it itself.
const packed = await client.embeddings.create({ model: "hash-512", input });
const floats = await client.embeddings.create({ model: "hash-512", input, encoding_format: "float" });
assert.equal(packed.data.length, 3);
for (let i = 0; i < 3; i++) {
  assert.equal(packed.data[i].index, i);
  assert.equal(floats.data[i].embedding.length, 512);
  assert.deepEqual(Array.from(packed.data[i].embedding, Math.fround), floats.data[i].embedding.map(Math.fround));
}
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const [a, b, c] = floats.data.map((d) => d.embedding);
assert.ok(Math.abs(dot(a, a) - 1) < 1e-5);
assert.ok(dot(a, c) > dot(a, b) + 0.2);
assert.ok(floats.usage.prompt_tokens > 0);
assert.equal((await client.embeddings.create({ model: "hash-512", input: "one" })).data.length, 1);

await assert.rejects(client.embeddings.create({ model: "nobody", input }), (e) => e instanceof OpenAI.NotFoundError && /nobody/.test(e.message) && e.code === "bridge.unknown_model");
await assert.rejects(client.embeddings.create({ model: "hash-512", input: [1, 2] }), OpenAI.BadRequestError);
const wrong = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
await assert.rejects(wrong.models.list(), OpenAI.AuthenticationError);

const messages = [{ role: "user", content: "say hello" }];
if (!chat) {
  await assert.rejects(client.chat.completions.create({ model: "", messages }), (e) => e.status === 501 && e.code === "bridge.no_model");
} else {
  const whole = await client.chat.completions.create({ model: chat, messages, max_completion_tokens: 20, temperature: 0.1 });
  assert.equal(whole.choices[0].message.content, "Hello from afar");
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.deepEqual([whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens], [4, 3, 7]);
  const stream = await client.chat.completions.create({ model: chat, messages, stream: true, stream_options: { include_usage: true } });
  const pieces = [];
  let finish = null, usage = null;
  for await (const chunk of stream) {
    const choice = chunk.choices[0];
    if (choice?.delta?.content) pieces.push(choice.delta.content);
    finish = choice?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual(pieces, ["Hello", " from", " afar"]);
  assert.equal(finish, "stop");
  assert.equal(usage.completion_tokens, 3);
}
console.log("fine");
