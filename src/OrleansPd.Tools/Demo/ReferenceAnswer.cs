using System.Text.Json;
using OrleansPd.Simulator.Model;
using OrleansPd.Tools.Replay;

namespace OrleansPd.Tools.Demo;

/// <summary>
/// Holds each answer against the one that the same model gives in one piece: a transfer that lost or mixed up a single KV
/// block changes the tokens.
/// </summary>
internal static class ReferenceAnswer
{
    public static ValueTask<string?> CompareAsync(ReplayedRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var body = JsonDocument.Parse(request.Body);
        var ids = body.RootElement.GetProperty("input_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
        var tokens = body.RootElement.GetProperty("sampling_params").GetProperty("max_new_tokens").GetInt32();
        var expected = ReferenceModel.CompleteIds(ids, tokens, new() { IgnoreEos = true });
        if (request.OutputIds.SequenceEqual(expected))
        {
            return ValueTask.FromResult<string?>(null);
        }

        var same = request.OutputIds.Zip(expected).TakeWhile(pair => pair.First == pair.Second).Count();
        return ValueTask.FromResult<string?>(
            $"request {request.Index}: {request.OutputIds.Count} tokens where {expected.Length} were due, "
            + $"equal up to token {same}");
    }
}
