// What a Node program does with the official client, checked step by step; ends with "ok" or throws.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "not-checked", maxRetries: 0 });
const messages = [{ role: "user", content: "Tell me of the river" }];
const base = { model: "default", messages, max_tokens: 12, temperature: 0 };

const models = await client.models.list();
assert.equal(models.data[0].id, "sim");

const whole = await client.chat.completions.create(base);
assert.ok(whole.choices[0].message.content.length > 0);
assert.ok(whole.usage.completion_tokens > 0);

let text = "";
let usage = null;
const stream = await client.chat.completions.create({ ...base, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
assert.deepEqual(usage.completion_tokens, whole.usage.completion_tokens);

const samples = await client.chat.completions.create({ ...base, n: 3, temperature: 1 });
assert.deepEqual(samples.choices.map((choice) => choice.index), [0, 1, 2]);

const probable = await client.chat.completions.create({ ...base, logprobs: true, top_logprobs: 2 });
assert.equal(probable.choices[0].logprobs.content.length, probable.usage.completion_tokens);
assert.equal(probable.choices[0].logprobs.content[0].top_logprobs.length, 2);

const batch = await client.completions.create({ model: "default", prompt: ["Once", "Twice"], max_tokens: 4 });
assert.equal(batch.choices.length, 2);

const word = whole.choices[0].message.content.trim().split(" ")[2];
const stopped = await client.chat.completions.create({ ...base, stop: [word] });
assert.equal(stopped.choices[0].finish_reason, "stop");

const helped = client.chat.completions.stream(base);
assert.equal(await helped.finalContent(), whole.choices[0].message.content);

await assert.rejects(client.chat.completions.create({ ...base, messages: "none" }), (error) => {
  assert.ok(error instanceof OpenAI.BadRequestError);
  assert.equal(error.status, 400);
  return true;
});
await assert.rejects(client.embeddings.create({ model: "default", input: "x" }), OpenAI.BadRequestError);
await assert.rejects(client.responses.create({ model: "default", input: "x" }), (error) => {
  assert.ok(error instanceof OpenAI.InternalServerError);
  assert.equal(error.status, 501);
  assert.match(error.message, /\/v1\/chat\/completions/);
  return true;
});
await assert.rejects(client.models.retrieve("nobody"), OpenAI.NotFoundError);

// A client that leaves in the middle of a stream.
const left = await client.chat.completions.create({ ...base, max_tokens: 2000, ignore_eos: true, stream: true });
for await (const _ of left) break;

console.log("ok");
