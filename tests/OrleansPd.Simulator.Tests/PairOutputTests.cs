using System.Net;
using System.Text.Json.Nodes;

namespace OrleansPd.Simulator.Tests;

/// <summary>What a pair answers is what one engine answers, token for token.</summary>
public sealed class PairOutputTests
{
    private const string Question = "Tell me about the river and the sea";

    [Fact]
    public async Task Generate_Pair_EqualsReference()
    {
        await using var pair = await Pair.StartAsync();
        var (prefill, decode) = await pair.BothAsync("/generate", Generate(Question, 40));
        Assert.Equal(HttpStatusCode.OK, prefill.Status);
        Assert.Equal(HttpStatusCode.OK, decode.Status);
        Assert.Equal(ReferenceModel.Complete(Question, 40), decode.Text);
        Assert.Equal(0, (int)prefill.Json["meta_info"]!["finish_reason"]!["length"]!);
        Assert.Equal(1, (int)prefill.Json["meta_info"]!["completion_tokens"]!);
        Assert.Equal(0, pair.Prefill.Stats.RouterErrorCount);
    }

    internal static JsonObject Generate(string text, int tokens) => new()
    {
        ["text"] = text,
        ["sampling_params"] = new JsonObject { ["max_new_tokens"] = tokens },
    };
}
