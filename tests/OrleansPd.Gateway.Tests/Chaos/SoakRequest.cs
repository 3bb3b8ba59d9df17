using System.Text.Json.Nodes;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests.Chaos;

/// <summary>One request of the mixed load: what is asked, and each text that a good answer must be made of.</summary>
/// <param name="Path">The route.</param>
/// <param name="Body">The JSON.</param>
/// <param name="Stream">An event stream is asked for.</param>
/// <param name="Expected">Texts by index, prompt-major.</param>
/// <param name="IsList">The answer of <c>/generate</c> is an array.</param>
/// <param name="LeaveAfter">The client goes away after this long; null = it waits.</param>
/// <param name="LeaveAfterEvents">The client goes away after so many events; null = it reads to the end.</param>
internal sealed record SoakRequest(
    string Path, string Body, bool Stream, string[] Expected, bool IsList, TimeSpan? LeaveAfter, int? LeaveAfterEvents)
{
    private static readonly string[] Words =
        ["river", "mountain", "\"quoted\"", "naïve", "日本語", "😀", "back\\slash", "line\nbreak", "the", "capital", "of", "engine",
            "7", "{json}"];

    public bool IsChat => Path.Contains("chat", StringComparison.Ordinal);

    public bool IsGenerate => Path == "/generate";

    /// <summary>Whether input log probabilities, which the prefill alone has, belong to the answer.</summary>
    public bool WantsInputLogprobs { get; init; }

    public static SoakRequest Random(Random random, string rid)
    {
        var items = random.Next(4) == 0 ? random.Next(1, 6) : 0;
        var samples = random.Next(5) == 0 ? random.Next(2, 4) : 1;
        var sampling = new Sampling { IgnoreEos = random.Next(2) == 0, Seed = random.Next(1, 1000) };
        var length = random.Next(1, random.Next(4) == 0 ? 64 : 24);
        var stream = random.Next(2) == 0;
        var logprobs = random.Next(6) == 0;
        var body = new JsonObject { ["stream"] = stream };
        if (random.Next(4) == 0)
            body["rid"] = rid;
        var dialect = random.Next(3);
        var prompts = Enumerable.Range(0, Math.Max(1, dialect == 2 ? 1 : items)).Select(_ => Prompt(random)).ToArray();
        var isBatch = items > 0 && dialect != 2;
        if (dialect == 0)
        {
            body["text"] = isBatch ? List(prompts) : prompts[0];
            body["sampling_params"] = new JsonObject
            {
                ["max_new_tokens"] = length,
                ["ignore_eos"] = sampling.IgnoreEos,
                ["sampling_seed"] = sampling.Seed,
                ["n"] = samples,
            };
            if (logprobs)
            {
                body["return_logprob"] = true;
                body["logprob_start_len"] = 0;
            }
        }
        else
        {
            body["model"] = "sim";
            body["max_tokens"] = length;
            body["ignore_eos"] = sampling.IgnoreEos;
            body["seed"] = sampling.Seed;
            body["n"] = samples;
            if (dialect == 1)
            {
                body["prompt"] = isBatch ? List(prompts) : prompts[0];
                body["logprobs"] = logprobs ? 2 : null;
            }
            else
            {
                body["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = prompts[0] });
                body["logprobs"] = logprobs;
            }
            if (stream && random.Next(2) == 0)
                body["stream_options"] = new JsonObject { ["include_usage"] = true };
        }
        var expected = prompts.SelectMany(prompt => Enumerable.Range(0, samples).Select(sample =>
        {
            var own = sampling with { Seed = sampling.Seed + sample };
            return dialect == 2
                ? ReferenceModel.CompleteChat([new ChatTurn("user", prompt)], length, own)
                : ReferenceModel.Complete(prompt, length, own);
        })).ToArray();
        return new SoakRequest(
            dialect switch { 0 => "/generate", 1 => "/v1/completions", _ => "/v1/chat/completions" },
            body.ToJsonString(), stream, expected, isBatch || samples > 1,
            random.Next(12) == 0 ? TimeSpan.FromMilliseconds(random.Next(0, 400)) : null,
            random.Next(10) == 0 ? random.Next(0, 12) : null)
        { WantsInputLogprobs = dialect == 0 && logprobs };
    }

    private static string Prompt(Random random) =>
        string.Join(' ', Enumerable.Range(0, random.Next(1, random.Next(5) == 0 ? 300 : 30))
            .Select(_ => Words[random.Next(Words.Length)]))
        + " " + random.Next(1_000_000);

    private static JsonArray List(string[] texts) => new([.. texts.Select(text => JsonValue.Create(text))]);
}
